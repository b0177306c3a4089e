"""One side of a comparison, from whatever it was written as."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from asr_cli.errors import InputError, NotFoundError, UsageError
from asr_cli.scoring import records
from asr_cli.scoring.lines import every_line, is_kaldi, kaldi_entries, read_text, unique
from asr_cli.scoring.pairs import Texts
from asr_cli.scoring.subtitles import is_vtt, subtitle_text
from asr_cli.scoring.units import run_together

TEXT_FORMATS = ("auto", "kaldi", "plain", "lines")
REFERENCE_SUFFIX = ".ref.txt"
SUFFIXES = (".json", ".txt", ".srt", ".vtt")  # the best first where a recording has several
BATCH_TEXT = Path("1best_recog", "text")
REPORT = "asr-report.jsonl"


def read_texts(path: Path, *, reference: bool, text_format: str = "auto") -> Texts:
    """The utterances of a file or directory, by id.

    text_format: what a plain text file is: "kaldi" (an id begins each line), "plain" (one utterance), "lines" (an
    utterance a line, its id the line's number), or "auto": its content tells.
    """
    if text_format not in TEXT_FORMATS:
        raise UsageError(f"{text_format!r} is no text format; known: {', '.join(TEXT_FORMATS)}")
    if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises where a name is too long
        return read_directory(path, reference=reference, text_format=text_format)
    return read_file(path, reference=reference, text_format=text_format)


def read_file(path: Path, *, reference: bool, text_format: str = "auto") -> Texts:
    text = read_text(path)
    suffix = path.suffix.lower()
    if suffix in (".jsonl", ".ndjson"):
        return from_lines(path, text, reference=reference)
    if suffix in (".srt", ".vtt"):
        form = "VTT" if is_vtt(path, text) else "SRT"
        return Texts(path, form, {stem(path): subtitle_text(path, text)}, by_name=True)
    if suffix == ".json" or (text_format == "auto" and text.lstrip().startswith("{")):
        return from_json(path, text, reference=reference)
    return from_text(path, text, text_format)


def from_text(path: Path, text: str, text_format: str) -> Texts:
    if text_format == "lines":
        return Texts(path, "an utterance a line", {f"line {n_line}": line for n_line, line in every_line(text)})
    is_plain = path.suffix.lower() == ".txt" and not is_kaldi(text)
    if text_format == "plain" or (text_format == "auto" and is_plain):
        return Texts(path, "plain text", {stem(path): run_together(text.split("\n"))}, by_name=True)
    return Texts(path, "Kaldi text", unique(path, kaldi_entries(text)))


def from_json(path: Path, text: str, *, reference: bool) -> Texts:
    if records.is_lines(text):
        return from_lines(path, text, reference=reference)
    found = records.parsed(text, path)
    if isinstance(found, dict) and records.is_utterance(found):
        found = [found]
    if isinstance(found, dict):
        key = found.get("key")
        name = key if isinstance(key, str) and key else stem(path)
        return Texts(path, "JSON", {name: records.transcript_text(found, path)}, by_name=name != key)
    if isinstance(found, list) and all(isinstance(one, dict) for one in found):
        return from_records(path, "JSON", list(enumerate(found, 1)), reference=reference, kind="item")
    raise InputError(f"{str(path)!r} holds neither a transcript nor a list of records; give one of them")


def from_lines(path: Path, text: str, *, reference: bool) -> Texts:
    found = records.parsed_lines(text, path)
    if found and records.is_report(found):
        return from_report(path, records.latest(found, path))
    return from_records(path, "JSONL", found, reference=reference)


def from_records(
    path: Path, form: str, found: Sequence[tuple[int, records.Record]], *, reference: bool, kind: str = "line"
) -> Texts:
    texts = unique(path, records.entries(found, path, reference=reference, kind=kind), kind)
    is_named = len(found) == 1 and not records.given_id(found[0][1])  # one recording, with its file's name
    return Texts(path, form, texts, by_name=is_named)


def from_report(path: Path, found: Mapping[str, records.Record]) -> Texts:
    """What a batch recognised: the line of each recording in its 1best_recog/text, else the recording's own files."""
    kaldi = path.parent / BATCH_TEXT
    lines = unique(kaldi, kaldi_entries(read_text(kaldi))) if kaldi.is_file() else {}
    texts = {key: line for key, line in lines.items() if key not in found}
    failed: dict[str, str] = {}
    for key, record in found.items():
        if record["status"] in records.UNHEARD:
            failed[key] = str(record.get("error") or record["status"])
        elif key in lines:
            texts[key] = lines[key]
        else:
            texts[key] = from_outputs(key, record, path)
    return Texts(path, "asr batch", texts, failed)


def from_outputs(key: str, record: records.Record, report: Path) -> str:
    if record["status"] == "no_speech":
        return ""
    files = [file for file in records.outputs(record, report) if file.suffix.lower() in SUFFIXES and file.is_file()]
    if not files:
        raise InputError(
            f"{str(report)!r} lists {key!r}, and neither {str(BATCH_TEXT)!r} beside it nor a file of that recording is"
            " there; give the directory that asr batch wrote"
        )
    best = min(files, key=lambda file: SUFFIXES.index(file.suffix.lower()))
    return one_text(best)


def read_directory(folder: Path, *, reference: bool, text_format: str = "auto") -> Texts:
    """A batch's results, a Kaldi directory with its `text`, or transcripts, their ids the names under the directory."""
    if (folder / REPORT).is_file():
        return read_file(folder / REPORT, reference=reference)
    for kaldi in (folder / BATCH_TEXT, folder / "text"):
        if kaldi.is_file():
            return Texts(folder, "Kaldi text", unique(kaldi, kaldi_entries(read_text(kaldi))))
    files = transcripts(folder, reference=reference)
    if not files:
        raise NotFoundError(
            f"{str(folder)!r} holds no transcripts ({', '.join(SUFFIXES)}, {BATCH_TEXT}, {REPORT});"
            " name the directory that does"
        )
    texts = {key: one_text(file) for key, file in sorted(files.items())}
    return Texts(folder, "a file an utterance", texts, by_name=True)


def transcripts(folder: Path, *, reference: bool) -> dict[str, Path]:
    """The best file of each recording under a directory; where there are *.ref.txt, they alone are references."""
    files = [file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file()]
    marked = [file for file in files if file.name.lower().endswith(REFERENCE_SUFFIX)]
    chosen = marked if reference and marked else [file for file in files if file not in set(marked)]
    best: dict[str, Path] = {}
    for file in sorted(chosen, key=lambda file: SUFFIXES.index(file.suffix.lower())):
        best.setdefault((file.parent / stem(file)).relative_to(folder).as_posix(), file)
    return best


def one_text(path: Path) -> str:
    """All that a transcript of one recording says."""
    text = read_text(path)
    suffix = path.suffix.lower()
    if suffix == ".json":
        found = records.parsed(text, path)
        if isinstance(found, dict):
            return records.transcript_text(found, path)
        raise InputError(f"{str(path)!r} is no transcript of one recording; keep other JSON out of the directory")
    return subtitle_text(path, text) if suffix in (".srt", ".vtt") else run_together(text.split("\n"))


def stem(path: Path) -> str:
    """The file's name without what tells its kind: talk for talk.ref.txt and talk.srt."""
    is_reference = path.name.lower().endswith(REFERENCE_SUFFIX)
    return path.name[: -len(REFERENCE_SUFFIX)] if is_reference else path.stem
