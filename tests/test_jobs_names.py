"""Names for result files, whatever the ids are."""

import unicodedata
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from asr_cli.jobs.names import MAX_BYTES, fold, safe_name, safe_names, safe_path

NASTY = st.sampled_from([".", "/", "\\", "~", "%", " ", "-", "\n", "\0", "\u200b", "\udce9", "\ud800", "é", "e\u0301"])
IDS = st.one_of(
    st.text(min_size=1, max_size=40),
    st.lists(NASTY | st.sampled_from("aAbB0"), min_size=1, max_size=8).map("".join),
    st.sampled_from(["con", "CON.x", "nul .a", "COM¹", "lpt9", "x.part", "X.PART", "..", "a" * 181, "é" * 100]),
)
WINDOWS = {
    "CON",
    "PRN",
    "AUX",
    "NUL",
    "CONIN$",
    "CONOUT$",
    *(f"{name}{n}" for name in ("COM", "LPT") for n in "0123456789¹²³"),
}
SETTINGS = settings(max_examples=300, deadline=None)


def is_reserved(name: str) -> bool:
    return name.split(".")[0].rstrip(" ").upper() in WINDOWS


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("BAC009S0764W0121", "BAC009S0764W0121"),
        ("a.b-c_9", "a.b-c_9"),
        ("会议-第1场", "会议-第1场"),
        ("my talk", "my talk"),
        ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"),
        ("..", "%2E%2E"),
        (".hidden", "%2Ehidden"),
        ("-rf", "%2Drf"),
        ("a.", "a%2E"),
        ("a ", "a%20"),
        ("a\\b:c", "a%5Cb%3Ac"),
        ("nul", "%6Eul"),
        ("AUX.wav", "%41UX.wav"),
        ("auxiliary", "auxiliary"),
        ("a\nb\x1b", "a%0Ab%1B"),
        ("caf\udce9", "caf%E9"),
        ("a\u202eb", "a%u00202Eb"),
        ("50%~", "50%25%7E"),
        ("x.part", "x%2Epart"),
    ],
)
def test_an_id_becomes_a_name_that_any_system_takes(text: str, name: str) -> None:
    assert safe_name(text) == name


def test_a_long_id_is_cut_and_marked() -> None:
    one, other = safe_name("x" * 300 + "1"), safe_name("x" * 300 + "2")
    assert len(one) == len(other) == MAX_BYTES
    assert one != other
    assert len(safe_name("会" * 100).encode()) <= MAX_BYTES


@SETTINGS
@given(IDS, IDS)
@example("\u200b", "\udce2\udc80\udc8b")
@example("%2F", "/")
@example("\x85", "\udc85")
def test_different_ids_have_different_names(one: str, other: str) -> None:
    assert (safe_name(one) == safe_name(other)) == (one == other)


@SETTINGS
@given(IDS)
def test_a_name_is_one_harmless_piece_of_a_path(text: str) -> None:
    name = safe_name(text)
    assert Path("out", name + ".srt").parent == Path("out")
    assert PureWindowsPath(name).name == name
    assert not is_reserved(name)
    assert not name.startswith((".", "-", " ")) and not name.endswith((".", " ", ".part"))
    assert not any(unicodedata.category(char) in ("Cc", "Cf", "Cs") for char in name)
    assert len(name.encode()) <= MAX_BYTES


@SETTINGS
@given(st.from_regex(r"[A-Za-z0-9_]([A-Za-z0-9._-]{0,30}[A-Za-z0-9_])?", fullmatch=True))
def test_an_ordinary_id_keeps_its_name(text: str) -> None:
    assert safe_name(text) == text or is_reserved(text) or text.lower().endswith(".part")


@SETTINGS
@given(st.lists(IDS, unique=True, max_size=12), st.lists(IDS, max_size=3))
@example(["ID", "id", "Id", "x"], ["X"])
@example(["\u00e9", "e\u0301", "\u00c9"], [])
@example(["K", "\u212a", "k"], [])
@example(["i", "\u0131", "I"], [])
def test_no_file_system_takes_one_name_for_another(ids: list[str], files: list[str]) -> None:
    taken = [safe_name(text) for text in files]
    names = list(safe_names(ids, taken).values())
    for spelled in (fold, str.casefold, str.upper, lambda name: unicodedata.normalize("NFD", name)):
        folded = [spelled(name) for name in names]
        assert len(set(folded)) == len(ids)
        assert not set(folded) & {spelled(name) for name in taken}


def test_ids_that_differ_in_case_only_are_all_marked_and_others_are_not() -> None:
    names = safe_names(["Anna", "ANNA", "Bert"])
    assert names["Bert"] == "Bert"
    assert {name[:5].lower() for key, name in names.items() if key != "Bert"} == {"anna~"}
    assert safe_names(["ANNA", "Bert", "Anna"]) == names  # whatever the order


def test_a_mirrored_path_keeps_its_folders() -> None:
    assert safe_path("spk 1/-a/nul") == "spk 1/%2Da/%6Eul"
