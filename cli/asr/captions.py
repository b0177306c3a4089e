"""Where the captions of a live stream go: a terminal, lines of text, JSON lines, files."""

import json
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from asr.screen import Screen
from asr_cli.errors import OutputError, UsageError
from asr_cli.subtitles.json import as_object
from asr_cli.subtitles.writers import WRITERS, Info, Layout, Output, start

if TYPE_CHECKING:
    from asr_cli.live.events import Event, Final, Partial
    from asr_cli.live.stats import Report


class Place(Protocol):
    """One place that captions go to."""

    def partial(self, partial: "Partial", /) -> None: ...

    def final(self, final: "Final", /) -> None: ...

    def over(self, utterance: int, /) -> None: ...


class Terminal:
    """Finals with their times, and below them what is being said."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._drafts: dict[int, str] = {}  # of utterances under way, and of those that are being made final

    def partial(self, partial: "Partial") -> None:
        self._drafts[partial.id] = partial.text
        self._draw()

    def final(self, final: "Final") -> None:
        self._screen.line(f"{stamp(final.segment.start)} {printable(final.segment.text)}")

    def over(self, utterance: int) -> None:
        self._drafts.pop(utterance, None)
        self._draw()

    def _draw(self) -> None:
        self._screen.draft(" ".join(text for _, text in sorted(self._drafts.items()) if text))


class Lines:
    """Finals only, a line for each."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def partial(self, partial: "Partial") -> None:
        pass

    def final(self, final: "Final") -> None:
        say(final.segment.text, self._out)

    def over(self, utterance: int) -> None:
        pass


def say(line: str, out: TextIO) -> None:
    try:
        print(line, file=out, flush=True)
    except BrokenPipeError:  # who reads has seen enough
        raise
    except OSError as error:
        raise OutputError(f"cannot write to standard output: {error.strerror}; choose another place with -o") from error


class JsonLines:
    """Everything, an object for each; docs/stream.md describes them."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._n_finals = 0
        self._drafted: set[int] = set()  # utterances with a draft that no final has taken the place of

    def partial(self, partial: "Partial") -> None:
        (self._drafted.add if partial.text else self._drafted.discard)(partial.id)
        self._print({"type": "partial", "id": partial.id, "start": round(partial.start, 3), "end": None,
                     "text": partial.text})  # fmt: skip

    def final(self, final: "Final") -> None:
        found = as_object(self._n_finals, final.segment)
        self._n_finals += 1
        self._drafted.discard(final.id)
        self._print({"type": "final", **found, "segment": found["id"], "id": final.id})

    def over(self, utterance: int) -> None:
        if utterance in self._drafted:  # nothing came of it
            self._drafted.discard(utterance)
            self._print({"type": "partial", "id": utterance, "start": None, "end": None, "text": ""})

    def stats(self, report: dict[str, Any]) -> None:
        self._print({"type": "stats", **report})

    def _print(self, item: dict[str, Any]) -> None:
        say(json.dumps(item, ensure_ascii=False), self._out)


class File:
    """Subtitles or text, written as it goes."""

    def __init__(self, path: Path, layout: Layout, stack: ExitStack) -> None:
        self._path, self._is_broken = path, False
        try:
            self._file = path.open("w", encoding="utf-8", newline="\n")
            stack.callback(self._close)
            self._output: Output = start(path.suffix.lstrip(".").lower(), self._file, layout)
        except OSError as error:
            raise self._trouble(error) from error

    def partial(self, partial: "Partial") -> None:
        pass

    def final(self, final: "Final") -> None:
        self._write(lambda: self._output.add(final.segment))

    def over(self, utterance: int) -> None:
        pass

    def finish(self, info: Info) -> None:
        """The last cue; nothing where writing failed already."""
        if not self._is_broken:
            self._write(lambda: self._output.finish(info))

    def _close(self) -> None:
        was_broken = self._is_broken
        try:
            self._write(self._file.close)
        except OutputError:
            if not was_broken:  # else it was told, and this is the same once more
                raise

    def _write(self, what: Callable[[], None]) -> None:
        try:
            what()
        except OSError as error:
            self._is_broken = True
            raise self._trouble(error) from error

    def _trouble(self, error: OSError) -> OutputError:
        return OutputError(f"cannot write {str(self._path)!r}: {error.strerror or error}; choose another place with -o")


def tell(event: "Event", places: Sequence[Place]) -> None:
    """Hand an event to all places."""
    from asr_cli.live.events import Final, Partial

    for place in places:
        if isinstance(event, Partial):
            place.partial(event)
        elif isinstance(event, Final):
            place.final(event)
        else:
            place.over(event.id)


def check_paths(
    paths: Sequence[Path], *, overwrite: bool, others: Sequence[Path] = (), source: str | None = None
) -> None:
    """Refuse, before anybody speaks, what cannot be written, or what would be lost. source: the recording's name."""
    for path in paths:
        if path.suffix.lstrip(".").lower() not in WRITERS:
            known = ", ".join(f".{name}" for name in WRITERS)
            raise UsageError(f"-o {str(path)!r} is no format known here; name a file that ends in {known}")
    for path in (*paths, *others):
        if not overwrite and path.exists() and path.is_file() and path.stat().st_size:
            raise UsageError(f"{str(path)!r} is there already; name another file, or replace it with --overwrite")
        if source is not None and path.exists() and os.path.exists(source) and path.samefile(source):  # noqa: PTH110
            raise UsageError(f"{str(path)!r} is the recording itself; name another file")
    if len({path.absolute() for path in (*paths, *others)}) < len(paths) + len(others):
        raise UsageError("two outputs have the same name; each needs its own")


def is_terminal(out: TextIO) -> bool:
    return out.isatty() and os.environ.get("TERM") != "dumb"


def printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())


def stamp(seconds: float) -> str:
    """
    >>> stamp(3.24), stamp(3723.96)
    ('[00:03.2]', '[1:02:03.9]')
    """
    tenths = int(seconds * 10 + 1e-6)
    minutes, rest = divmod(tenths, 600)
    hours = f"{minutes // 60}:" if minutes >= 60 else ""
    return f"[{hours}{minutes % 60:02}:{rest / 10:04.1f}]"


def rounded(report: "Report", *, paced: bool) -> dict[str, Any]:
    """The report as JSON has it. paced: whether the stream came at the pace of speech: else no delay means anything."""
    found = {
        name: {key: value if value is None else round(value, 3) for key, value in lag.items()}
        for name, lag in asdict(report).items()
        if isinstance(lag, dict) and paced
    }
    return {
        "duration": round(report.duration, 3),
        **found,
        "late_chunks": report.n_late,
        "without_drafts": report.n_without_drafts,
        "headroom": report.headroom and round(report.headroom, 2),
    }


def told(report: "Report", *, paced: bool) -> list[str]:
    """What --stats prints."""
    lags = (("first word", report.first_word), ("draft lag", report.draft), ("final lag", report.final),
            ("after speech", report.after_speech))  # fmt: skip
    rows = [f"{name:13} {seconds(lag.median)} median  {seconds(lag.p90)} p90  ({lag.n})" for name, lag in lags]
    headroom = f"{report.headroom:.1f}x realtime" if report.headroom else "nothing to do"
    return [
        *(rows if paced else ()),
        f"late chunks   {report.n_late}; utterances without drafts {report.n_without_drafts}",
        f"headroom      {headroom}, {report.duration:.1f} s heard",
    ]


def seconds(value: float | None) -> str:
    return "   -  " if value is None else f"{value:5.2f}s"
