"""What a batch is asked for: lists in all dialects, directories, patterns, files, addresses."""

import io
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_cli.errors import AsrError, InputError, NotFoundError, UsageError
from asr_cli.jobs.manifest import Item, check, read_items, size_of


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: str, content: str | bytes = b"x") -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refused(says: str, kind: type[AsrError], *inputs: str, **options: object) -> None:
    with pytest.raises(AsrError) as caught:
        read_items(inputs, **options)  # type: ignore[arg-type]
    message = str(caught.value)
    assert says in message, message
    assert type(caught.value) is kind
    assert "\n" not in message and len(message) < 300


def said(item: Item) -> str:
    return str(check(item))


def test_an_scp_is_read_as_kaldi_reads_it(here: Path) -> None:
    write("wav.scp", b"\xef\xbb\xbfa1 /x/a one.wav\r\n\r\n  a2\t/x/b  two.wav \n\na3 https://h/c.wav\na4 /x/\xe9.wav")
    assert read_items(["wav.scp"]) == [
        Item("a1", "/x/a one.wav", "a1", origin="wav.scp:1"),
        Item("a2", "/x/b  two.wav", "a2", origin="wav.scp:3"),
        Item("a3", "https://h/c.wav", "a3", origin="wav.scp:5"),
        Item("a4", "/x/\udce9.wav", "a4", origin="wav.scp:6"),
    ]


def test_a_relative_path_is_as_written_or_else_beside_the_list(here: Path) -> None:
    write("data/wav.scp", "a a.wav\nb b.wav\nc c.wav\n")
    for path in ("a.wav", "data/a.wav", "data/b.wav"):
        write(path)
    assert [item.source for item in read_items(["data/wav.scp"])] == ["a.wav", "data/b.wav", "c.wav"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a x.wav\nb y.wav\na z.wav\n", "the id 'a' is there twice, in wav.scp:1 and in wav.scp:3"),
        (b"a x.wav\n\nb\n", "wav.scp:3: 'b' has no path"),
        (b"a |", "wav.scp:1: 'a' has no path"),
        (b"a x.wav\nb sox x.wav -t wav - |\n", "wav.scp:2: 'b' is a command for the shell; --allow-scp-pipes"),
        (b"a -\n", "wav.scp:1: 'a' is standard input"),
        ("a\u3000x.wav y\n".encode(), "has a space in it that is no plain one"),
        (b"\n \r\n", "'wav.scp' names nothing"),
        (b"", "'wav.scp' names nothing"),
        (b"a x.wav\nRIFF\0\0\0\n", "'wav.scp' is no list: line 2 is not text"),
        (b"x" * 2_000_000, "is no list: line 1 is not text"),
        ("a x.wav".encode("utf-16"), "is written in UTF-16"),
    ],
)
def test_what_is_wrong_with_an_scp_refuses_the_run(here: Path, content: bytes, says: str) -> None:
    write("wav.scp", content)
    refused(says, UsageError, "wav.scp")


def test_pipes_are_taken_where_they_are_allowed(here: Path) -> None:
    write("wav.scp", "a sox 'x y.wav' -t wav - |\r\nb x.wav\n")
    items = read_items(["wav.scp"], allow_pipes=True)
    assert items[0] == Item("a", "sox 'x y.wav' -t wav -", "a", piped=True, origin="wav.scp:1")
    assert not items[1].piped
    assert check(items[0]) is None and size_of(items[0]) is None


KEY = st.text("abcXYZ059-_./~%é会", min_size=1, max_size=12)
PATH = st.text(st.characters(exclude_characters="\0\r\n|", exclude_categories=["Cs", "Cc"]), min_size=1).map(
    lambda text: f"/x{text}x"
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(KEY, PATH, min_size=1, max_size=8), st.sampled_from(["\n", "\r\n", "\n\n"]), st.booleans())
def test_an_scp_reads_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, table: dict[str, str], end: str, has_bom: bool
) -> None:
    scp = tmp_path_factory.mktemp("scp") / "wav.scp"
    text = "".join(f"{key} {path}{end}" for key, path in table.items())
    scp.write_bytes(text.encode("utf-8-sig" if has_bom else "utf-8"))
    items = read_items([str(scp)])
    assert [(item.key, item.source) for item in items] == list(table.items())
    assert len({item.name.casefold() for item in items}) == len(table)


def test_segments_cut_the_recordings(here: Path, caplog: pytest.LogCaptureFixture) -> None:
    write("wav.scp", "r1 /x/1.wav\nr2 /x/2.wav\nr3 /x/3.wav\n")
    write("segments", "r2-b r2 1.5 4.25\r\nr1-a r1 0 -1\nR1-A r1 0.0 2\n")
    with caplog.at_level(logging.WARNING, "asr"):
        items = read_items(["wav.scp"], segments="segments")
    assert [(item.key, item.source, item.start, item.end) for item in items] == [
        ("r2-b", "/x/2.wav", 1.5, 4.25),
        ("r1-a", "/x/1.wav", 0.0, None),
        ("R1-A", "/x/1.wav", 0.0, 2.0),
    ]
    assert items[0].origin == "segments:1" and items[0].name == "r2-b"
    assert items[1].name.startswith("r1-a~")
    assert "1 of 3 recordings have no line in 'segments'" in caplog.text


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("u2 nobody 0 1", "segments:2: there is no recording 'nobody'"),
        ("u2 r 2 1", "segments:2: the segment ends at 1 s, not after its start at 2 s"),
        ("u2 r 1 1", "not after its start"),
        ("u2 r -1 1", "cannot start at -1 s"),
        ("u2 r 0 -2", "not after its start"),
        ("u2 r a 1", "segments:2: 'a' is no time"),
        ("u2 r 0 nan", "'nan' is no time"),
        ("u2 r 0 1_0", "'1_0' is no time"),
        ("u2 r 0", "segments:2: 3 columns"),
        ("u2 r 0 1 A", "segments:2: 5 columns"),
        ("u1 r 0 1", "the id 'u1' is there twice, in segments:1 and in segments:2"),
    ],
)
def test_what_is_wrong_with_segments_refuses_the_run(here: Path, line: str, says: str) -> None:
    write("wav.scp", "r /x/1.wav\n")
    write("segments", f"u1 r 0 1\n{line}\n")
    refused(says, UsageError, "wav.scp", segments="segments")


def test_a_kaldi_data_directory_is_its_scp_cut_by_its_segments(here: Path) -> None:
    write("data/wav.scp", "r x.wav\n")
    write("data/x.wav")
    assert [item.key for item in read_items(["data"])] == ["r"]
    write("data/segments", "u1 r 0 1\n")
    assert [(item.key, item.source) for item in read_items(["data"])] == [("u1", "data/x.wav")]
    write("mine", "m1 r 0 1\n")
    assert [item.key for item in read_items(["data"], segments="mine")] == ["m1"]


def test_a_directory_is_mirrored(here: Path) -> None:
    for path in ("in/part10.mp3", "in/part9.mp3", "in/spk 1/-a.b.wav", "in/notes.txt"):
        write(path)
    assert [item.key for item in read_items(["in"])] == ["part9", "part10"]
    items = read_items(["in/"], recursive=True)
    assert {(item.key, item.source, item.name) for item in items} == {
        ("part9", "in/part9.mp3", "part9"),
        ("part10", "in/part10.mp3", "part10"),
        ("spk_1/-a.b", "in/spk 1/-a.b.wav", "spk 1/%2Da.b"),
    }
    write("none/notes.txt")
    refused("holds no audio or video file", InputError, "none")


def test_two_files_of_one_name_are_refused_and_told_apart_by_ids(here: Path) -> None:
    for path in ("in/a.wav", "in/a.mp3", "b/a.wav", "B/x y.wav", "B/x_y.wav", "B/é.wav", "B/E\u0301.wav"):
        write(path)
    refused("'in/a.mp3' and 'in/a.wav' would both be called 'a'", UsageError, "in")
    refused("give them ids in a wav.scp", UsageError, "in/a.wav", "b/a.wav")
    refused("would both be called 'x_y'", UsageError, "B/x y.wav", "B/x_y.wav")
    refused("would write the same files", UsageError, "B/é.wav", "B/E\u0301.wav")


def test_a_file_named_twice_is_taken_once(here: Path) -> None:
    write("in/a.wav")
    write("list.txt", "in/a.wav\nin/../in/a.wav\n")
    assert len(read_items(["in", "in/a.wav", "./in/a.wav", "@list.txt"])) == 1


def test_an_id_gives_way_to_a_file_of_that_name(here: Path) -> None:
    write("A.wav")
    write("wav.scp", "a /x/1.wav\n")
    file, listed = read_items(["A.wav", "wav.scp"])
    assert file.name == "A" and listed.name.startswith("a~")
    write("wav.scp", "A /x/1.wav\n")
    refused("the id 'A' is there twice, in the command line and in wav.scp:1", UsageError, "A.wav", "wav.scp")


def test_lists_name_a_path_or_an_address_a_line(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write("deep/list.txt", b"b 1.wav\r\n\ns3://bucket/c.wav\n/x/\xe9.wav\n")
    write("deep/b 1.wav")
    expected = [("b_1", "deep/b 1.wav"), ("c", "s3://bucket/c.wav"), ("\udce9", "/x/\udce9.wav")]
    for options in ({"inputs": ["@deep/list.txt"]}, {"inputs": [], "batch_file": "deep/list.txt"}):
        assert [(item.key, item.source) for item in read_items(**options)] == expected  # type: ignore[arg-type]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"/x/1.wav\n/x/2.wav\n")))
    assert [item.origin for item in read_items([], batch_file="-")] == ["standard input:1", "standard input:2"]
    write("x.scp", "id /x/1.wav\n")
    assert [item.key for item in read_items(["@x.scp"])] == ["id"]
    assert [item.key for item in read_items(["/x/0.wav"], batch_file="x.scp")] == ["0", "id"]


def test_a_list_that_cannot_be_read_refuses_the_run(here: Path) -> None:
    write("wav.scp", "a /x/a.wav\n")
    refused("'wva.scp' not found; did you mean 'wav.scp'?", NotFoundError, "wva.scp")
    refused("not found", NotFoundError, "@none.txt")
    refused("not found", NotFoundError, "wav.scp", segments="segments")
    refused("'.' is a directory, not a list", InputError, batch_file=".")
    refused("standard input has no name", UsageError, "-")
    refused("standard input has no name", UsageError, "/dev/stdin")
    refused("nothing to transcribe", UsageError)
    refused("is an empty text", UsageError, "")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_told(here: Path) -> None:
    Path(write("wav.scp", "a a.wav\n")).chmod(0)
    refused("cannot read the list 'wav.scp': Permission denied", InputError, "wav.scp")
    Path(write("a.wav")).chmod(0)
    assert "Permission denied" in said(read_items(["a.wav"])[0])


def test_manifests_of_nemo_and_funasr_are_read(here: Path) -> None:
    write("m/a.wav")
    records = [
        {"audio_filepath": "a.wav", "duration": 9.5, "text": "hello"},
        {"audio_filepath": "/x/b 1.wav", "offset": 1.5, "duration": 2.0},
        {"audio_filepath": "/x/b 1.wav", "offset": 3.5, "duration": 2.0},
        {"key": "ID/1", "source": "/x/c.wav", "source_len": 90, "target": "你好"},
        {"id": 7, "wav": "/x/d.wav", "start": 1, "end": 2.5},
        {"utt_id": "u 8", "path": "/x/e.wav", "end": -1, "key": None},
    ]
    write("m/all.jsonl", "\r\n\n".join(json.dumps(record) for record in records))
    items = read_items(["m/all.jsonl"])
    assert [(item.key, item.source, item.start, item.end) for item in items] == [
        ("a", "m/a.wav", 0.0, None),
        ("b_1-0001500-0003500", "/x/b 1.wav", 1.5, 3.5),
        ("b_1-0003500-0005500", "/x/b 1.wav", 3.5, 5.5),
        ("ID/1", "/x/c.wav", 0.0, None),
        ("7", "/x/d.wav", 1.0, 2.5),
        ("u_8", "/x/e.wav", 0.0, None),
    ]
    assert items[3].name == "ID%2F1"
    write("m.json", json.dumps(records[3]))
    assert [item.key for item in read_items([], batch_file="m.json")] == ["ID/1"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "no JSON (Expecting property name"),
        ("[" * 100_000, "no JSON ("),
        ("[1]", "one object a line"),
        ('{"key": "x"}', "there is no path in it"),
        ('{"path": ["a"]}', "there is no path in it"),
        ('{"path": "\\ud800"}', "there is no path in it"),
        ('{"path": "-"}', "standard input is no recording"),
        ('{"path": "/x", "key": true}', "True is no id"),
        ('{"path": "/x", "key": ""}', "'' is no id"),
        ('{"path": "/x", "key": "\\ud800"}', "is no id"),
        ('{"path": "/x", "offset": "1"}', "the start '1' is no time"),
        ('{"path": "/x", "offset": NaN}', "the start nan is no time"),
        ('{"path": "/x", "offset": 1e999}', "the start inf is no time"),
        ('{"path": "/x", "offset": -1}', "cannot start at -1 s"),
        ('{"path": "/x", "offset": 2, "duration": 0}', "it ends at 2 s, not after its start at 2 s"),
        ('{"path": "/x", "start": 2, "end": 1}', "it ends at 1 s"),
        ('{"path": "/x", "key": "a"}', "the id 'a' is there twice, in m.jsonl:1 and in m.jsonl:2"),
    ],
)
def test_what_is_wrong_with_a_manifest_refuses_the_run(here: Path, line: str, says: str) -> None:
    write("m.jsonl", '{"key": "a", "path": "/x/a.wav"}\n' + line)
    refused(says, UsageError, "m.jsonl")


def test_a_recording_that_cannot_be_one_is_told_without_opening_it(here: Path) -> None:
    write("talk.wav", "12345")
    write("none.wav", b"")
    write("list.txt", "tlak.wav\nnone.wav/x.wav\na.ark:123\n")
    os.mkfifo("pipe.wav")
    Path("lost.wav").symlink_to("gone.wav")
    names = ["talk.wav", "tlak.wav", "none.wav", "pipe.wav", "lost.wav", "a*.ogg", "https://h/x.wav", "@list.txt"]
    fine, typo, none, pipe, lost, pattern, address, *listed = read_items([*names[:-1]]) + read_items(names[-1:])
    assert check(fine) is None and size_of(fine) == 5
    assert said(typo) == "'tlak.wav' not found; did you mean 'talk.wav'?"
    assert said(none) == "'none.wav' is empty (0 bytes); check that it was copied or recorded completely"
    assert "is a pipe or a device" in said(pipe) and size_of(pipe) is None
    assert "is a link to 'gone.wav', which is not there" in said(lost)
    assert "matches no file" in said(pattern)
    assert check(address) is None and size_of(address) is None
    assert [said(item) for item in listed] == [
        "'tlak.wav' (list.txt:1) not found; check the path",
        "'none.wav/x.wav' (list.txt:2) not found; check the path",
        "'a.ark:123' (list.txt:3) is a place in a Kaldi archive, which is not read here;"
        " write its recordings into files with wav-copy",
    ]
    assert isinstance(check(listed[0]), NotFoundError)
    assert "is a directory" in said(Item("a", ".", "a"))
    assert isinstance(check(Item("a", "a\0b", "a")), NotFoundError)


def test_an_address_that_is_none_is_an_item_all_the_same(here: Path) -> None:
    write("list.txt", "https://[x/a.wav\nhttps://h/b%2Fc%0Ad.wav\n")
    assert [(item.key, item.name) for item in read_items(["@list.txt"])] == [("url", "url"), ("c_d", "c_d")]


def test_a_quoted_pattern_means_its_files(here: Path) -> None:
    for path in ("in/b.wav", "in/a.wav", "in/[x].wav"):
        write(path)
    assert [item.source for item in read_items(["in/?.wav"])] == ["in/a.wav", "in/b.wav"]
    assert [(item.source, item.name) for item in read_items(["in/[x].wav"])] == [("in/[x].wav", "[x]")]


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(["l.scp", "l.jsonl", "l.txt"]), st.binary(max_size=80), st.lists(st.binary(max_size=30)))
def test_no_list_makes_anything_but_items_or_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, name: str, start: bytes, rest: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / name
    path.write_bytes(b"\n".join([start, *rest]))
    try:
        items = read_items([f"@{path}"], allow_pipes=True)
    except AsrError as error:
        assert "\n" not in str(error)
        return
    for item in items:
        check(item)
        assert len(item.key.split()) == 1 and item.name
    assert len({item.key for item in items}) == len({item.name.casefold() for item in items}) == len(items)


def test_reading_lists_needs_neither_numpy_nor_torch() -> None:
    code = "import sys, asr_cli.jobs.manifest; sys.exit(bool({'numpy', 'torch', 'ffmpeg'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("times", ['"start": 1e308', '"start": 1e308, "duration": 1e308', '"end": 1e300'])
def test_a_time_beyond_any_recording_is_refused(tmp_path, times):
    (tmp_path / "a.jsonl").write_text(f'{{"wav": "talk.wav", {times}}}\n', encoding="utf-8")
    with pytest.raises(UsageError, match=r"a\.jsonl:1.*is no time"):
        read_items([str(tmp_path / "a.jsonl")])


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_a_name_that_no_file_can_have_is_one_recording_however_often_it_is_given(name):
    [item] = read_items([name, name])
    assert isinstance(check(item), AsrError)
