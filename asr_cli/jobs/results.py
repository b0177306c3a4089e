"""Results on their way to the disk: whole under another name, and only then under their own."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Protocol, TextIO, TypeVar

from asr_cli.errors import OutputError
from asr_cli.jobs.plan import Target
from asr_cli.subtitles.writers import Info, Layout, start
from asr_cli.transcript import Segment

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Written:
    """How much there was to write, and doubtful of it. position: seconds, the end of the last segment."""

    n_segments: int
    n_suspect: int
    position: float


class Taker(Protocol):
    """Whoever wants every segment of a recording, and what is known of it at its end."""

    def add(self, segment: Segment, /) -> None: ...

    def finish(self, info: Info, /) -> None: ...


def write_results(
    segments: Iterable[Segment],
    targets: Sequence[Target],
    layout: Layout,
    about: Callable[[], Info],
    *,
    others: Callable[[], Sequence[Taker]] = tuple,
) -> Written:
    """Each target's file under its partial name, complete and on the disk.

    about: asked when the last segment is there. others: asked when the first one is.
    """
    with ExitStack() as stack:
        files = [stack.enter_context(partial_file(target)) for target in targets]
        first = primed(segments)
        outputs = [start(target.format, file, layout) for target, file in zip(targets, files, strict=True)]
        takers = [*outputs, *others()]
        written = feed(first, takers)
        for taker in takers:
            taker.finish(about())
        for file in files:
            settle(file)
    return written


def primed(items: Iterable[T]) -> Iterator[T]:
    """The same items, the first already there: a recording that cannot be read fails before a file is begun."""
    iterator = iter(items)
    return chain(list(islice(iterator, 1)), iterator)


def feed(segments: Iterable[Segment], outputs: Sequence[Taker]) -> Written:
    """Give every segment to everybody."""
    n_segments, n_suspect, position = 0, 0, 0.0
    for segment in segments:
        for output in outputs:
            output.add(segment)
        n_segments += 1
        n_suspect += segment.suspect is not None
        position = max(position, segment.end)
    return Written(n_segments, n_suspect, position)


def keep(targets: Iterable[Target], complete: bool) -> tuple[Path, ...]:
    """Give complete results their name; leave the others under their partial one."""
    if not complete:
        return tuple(target.partial for target in targets)
    for target in targets:
        target.partial.replace(target.path)
    return tuple(target.path for target in targets)


def make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:  # which says no more than that
        raise OutputError(
            f"cannot write in {str(folder)!r}: it is no directory; choose another place with -o"
        ) from error


@contextmanager
def partial_file(target: Target, *, errors: str = "backslashreplace") -> Iterator[TextIO]:
    """The target's file under its partial name; gone again if anything fails, because half a file helps nobody.

    What was recognised is in the journal, so nothing is lost with it.
    """
    file = target.partial.open("w", encoding="utf-8", errors=errors, newline="\n")
    try:
        yield file
    except BaseException:
        with suppress(OSError):
            file.close()
        target.partial.unlink(missing_ok=True)
        raise
    finally:
        with suppress(OSError):
            file.close()


def settle(file: TextIO) -> None:
    """On the disk, not only on its way there: after this the name may appear."""
    file.flush()
    os.fsync(file.fileno())
    file.close()
