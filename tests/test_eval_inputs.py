"""What was transcribed and what was said find each other: manifests, folders and lines, as asr batch calls them."""

import json

import pytest

from asr_cli.errors import InputError
from asr_cli.jobs.manifest import read_items
from asr_cli.scoring.pairs import Texts, paired
from asr_cli.scoring.read import read_texts


def manifest(path, *records, text="said"):
    path.write_text("".join(json.dumps({"text": text, **record}) + "\n" for record in records), encoding="utf-8")
    return path


MANIFESTS = (
    ({"audio_filepath": "s001.wav"}, {"audio_filepath": "d/s002.wav", "duration": 3.5}),
    ({"audio_filepath": "mm/my talk.wav"}, {"wav": "mm/b.c.flac"}),
    ({"audio_filepath": "s001.wav", "offset": 0, "duration": 2.0}, {"audio": "s001.wav", "offset": 2.0, "duration": 1}),
    ({"path": "s001.wav", "start": 60}, {"path": "s001.wav", "start": 1.5, "end": 4.25}, {"path": "s1.wav", "end": 9}),
    ({"source": "https://x.org/a%20b.mp3?c=d", "offset": 1, "end": -1}, {"source": "s3://b/c/t.wav"}),
    ({"utt_id": "u1", "audio_filepath": "a.wav", "offset": 1}, {"id": 7, "audio_filepath": "a.wav", "offset": 2}),
    ({"audio_filepath": "alone.wav", "offset": 1, "duration": 2},),
)


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
@pytest.mark.parametrize("records", MANIFESTS)
def test_the_ids_of_a_manifest_are_those_that_a_batch_gives(tmp_path, records, suffix):
    path = manifest(tmp_path / f"m{suffix}", *records)
    assert list(read_texts(path, reference=True).texts) == [item.key for item in read_items([str(path)])]


@pytest.mark.parametrize("name", ["m.json", "m.jsonl", "m"])
def test_a_manifest_of_one_line_is_both_sides_too(tmp_path, name):
    path = manifest(tmp_path / name, {"audio_filepath": "u.wav", "pred_text": "heard"})
    assert read_texts(path, reference=True).texts == {"u": "said"}
    assert read_texts(path, reference=False).texts == {"u": "heard"}


def test_an_id_of_several_words_is_found_as_the_one_that_a_batch_makes_of_it(tmp_path):
    path = manifest(tmp_path / "m.jsonl", {"key": "my talk"})
    assert paired(read_texts(path, reference=True), Texts("h", "", {"my_talk": "x", "b": "y"})).missing == ()


def test_stretches_of_files_of_one_name_keep_their_paths(tmp_path):
    spans = [{"audio_filepath": f"{folder}/u.wav", "offset": 1, "duration": 1} for folder in "ab"]
    found = read_texts(manifest(tmp_path / "m.jsonl", *spans), reference=True)
    assert list(found.texts) == ["a/u.wav-0001000-0002000", "b/u.wav-0001000-0002000"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"wav": "a.wav", "text": "a"}\n{"wav": "b.wav"}', "no text in line 2"),
        ('{"wav": "a.wav", "text": "a"}\nhello', "not JSON in line 2"),
        ('{"wav": "a.wav", "text": "a", "offset": -1}\n{}', "in line 1: a recording cannot start at -1 s"),
        ('{"wav": "a.wav", "text": "a", "offset": 1}\n' * 2, "'a.wav-0001000-end' twice, in lines 1 and 2"),
        ('{\n"text": "a"\n', r"not valid JSON \(line 3"),
    ],
)
def test_what_is_wrong_with_lines_of_json_is_told_with_its_line(tmp_path, content, message):
    path = tmp_path / "m.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_texts(path, reference=True)


def test_folders_with_spaces_are_found_in_a_mirrored_tree(tmp_path):
    for folder in ("day 1", "day 2"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "talk.wav").write_bytes(b"x")
        (tmp_path / folder / "talk.txt").write_text(f"said on {folder}")
    keys = [item.key for item in read_items([str(tmp_path)], recursive=True)]
    heard = Texts("h", "asr batch", dict.fromkeys(keys[:1], "heard"), dict.fromkeys(keys[1:], "0-byte file"))
    pairing = paired(read_texts(tmp_path, reference=True), heard)
    assert (pairing.missing, pairing.extra) == (("day 2/talk",), ())
    assert pairing.causes == {"day 2/talk": "0-byte file"}


def test_what_failed_in_a_batch_is_nobody_elses():
    said = Texts("r", "", {"a/talk": "x"}, by_name=True)
    pairing = paired(said, Texts("h", "asr batch", {"b/talk": "y"}, {"a/talk": "no sound"}))
    assert (pairing.missing, pairing.extra, pairing.causes) == (("a/talk",), ("b/talk",), {"a/talk": "no sound"})


def found_in(reference, hypothesis, *, by_name=False):
    sides = [
        Texts("r", "", dict.fromkeys(reference, "x"), by_name=by_name),
        Texts("h", "", dict.fromkeys(hypothesis, "y")),
    ]
    pairing = paired(*sides)
    return [pair.key for pair in pairing.pairs if pair.hypothesis is not None], list(pairing.extra)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "by_name", "found", "extra"),
    [
        (["day1/001", "day2/001"], ["day2/001", "day3/001"], True, ["day2/001"], ["day3/001"]),
        (["a_b", "a b"], ["a b", "a\tb"], False, ["a b"], ["a\tb"]),
        (["a-0000000-0003000", "b-0000000-0003000"], ["a", "b"], False, ["a-0000000-0003000", "b-0000000-0003000"], []),
        (["a", "my b"], ["a-0000000-0003000", "my_b-0000000-end"], False, ["a", "my b"], []),
        (["d/a", "d/b"], ["a-0000000-0003000", "b"], True, ["d/a", "d/b"], []),
        (["a-0000000-0003000", "a-0003000-0006000", "b"], ["a", "b"], False, ["b"], ["a"]),
        (["a-0000000-0003000", "b"], ["a-0003000-0006000", "b"], False, ["b"], ["a-0003000-0006000"]),
        (["a", "b"], ["a", "a-0000000-0003000"], False, ["a"], ["a-0000000-0003000"]),
    ],
)  # fmt: skip
def test_an_id_finds_another_only_where_nothing_else_is_called_so(reference, hypothesis, by_name, found, extra):
    assert found_in(reference, hypothesis, by_name=by_name) == (found, extra)


def test_a_manifest_of_whole_recordings_finds_their_plain_ids(tmp_path):
    whole = [{"audio_filepath": f"d/{name}.wav", "offset": 0, "duration": 3.0} for name in "ab"]
    reference = read_texts(manifest(tmp_path / "m.jsonl", *whole), reference=True)
    assert paired(reference, Texts("h", "", {"a": "x", "b": "y"})).missing == ()


def test_a_given_id_counts_before_the_path(tmp_path):
    path = manifest(tmp_path / "m.jsonl", {"uttid": "u1", "wav": "/x/s1.wav"}, {"uttid": "u2", "wav": "/x/s1.wav"})
    assert list(read_texts(path, reference=True).texts) == ["u1", "u2"]


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_one_recording_each_is_compared_whatever_its_path_is(tmp_path, suffix):
    said = manifest(tmp_path / f"r{suffix}", {"audio": "orig/talk.wav"})
    heard = manifest(tmp_path / f"h{suffix}", {"audio": "clean/talk_dn.wav"}, text="heard")
    (pair,) = paired(read_texts(said, reference=True), read_texts(heard, reference=False)).pairs
    assert (pair.key, pair.reference, pair.hypothesis) == ("talk", "said", "heard")


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        ("a\n\nc\n", ["a", "", "c"]),
        ("a\n\nc", ["a", "", "c"]),
        ("\n a \n\n", ["", "a", ""]),
        ("\n", [""]),
        ("", []),
    ],
)
def test_of_lines_each_is_an_utterance_the_blank_ones_too(tmp_path, content, lines):
    path = tmp_path / "lines.txt"
    path.write_text(content)
    found = read_texts(path, reference=False, text_format="lines").texts
    assert found == {f"line {number}": text for number, text in enumerate(lines, 1)}


def test_nothing_heard_on_a_line_is_no_missing_line(tmp_path):
    for name, content in (("r", "a b\n\nc\n"), ("h", "a b\nx\n\n")):
        (tmp_path / name).write_text(content)
    sides = [read_texts(tmp_path / name, reference=name == "r", text_format="lines") for name in "rh"]
    pairing = paired(*sides)
    assert (pairing.missing, pairing.extra) == ((), ())
    assert [(pair.reference, pair.hypothesis) for pair in pairing.pairs] == [("a b", "a b"), ("", "x"), ("c", "")]
