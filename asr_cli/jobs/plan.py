"""Which recording's result goes where, decided and checked before any model is loaded."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from asr_cli.audio.address import is_address
from asr_cli.audio.ids import stem
from asr_cli.errors import UsageError


@dataclass(frozen=True, slots=True)
class Target:
    """One result file. `partial` is where it lies until it is complete: `place` if there is one, else beside it."""

    format: str
    path: Path
    place: Path | None = None

    @property
    def partial(self) -> Path:
        return self.place or self.path.with_name(f"{self.path.stem}.part{self.path.suffix}")


@dataclass(frozen=True, slots=True)
class Job:
    """One recording and its results; without targets the result goes to standard output, in `format`."""

    source: str
    format: str
    targets: tuple[Target, ...] = ()

    @property
    def name(self) -> str:
        return "standard input" if self.source == "-" else self.source

    @property
    def journal(self) -> Path | None:
        """Where work in progress is kept; standard input cannot be heard twice, so it has none."""
        if not self.targets or self.source == "-":
            return None
        first = self.targets[0].path
        return first.with_name(f".{first.stem}.asr-journal")

    @property
    def is_done(self) -> bool:
        return bool(self.targets) and all(target.path.exists() for target in self.targets)


@dataclass(frozen=True, slots=True)
class Source:
    """A recording to hear; `folder` is the directory it was found in when a whole directory was asked for."""

    path: str
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """Where results go: standard output (no place), beside each recording, one file, or a directory."""

    formats: tuple[str, ...]
    directory: Path | None = None
    file: Path | None = None
    beside: bool = False
    suffix: str = ""  # ".en" for video.en.srt

    @property
    def is_stdout(self) -> bool:
        return self.directory is None and self.file is None and not self.beside


def destination(
    output: str | None,
    formats: str | None,
    *,
    known: Iterable[str],
    default: str,
    beside: bool,
    suffix: str = "",
) -> Destination:
    """What `-o` and `-f` ask for together; contradictions are refused."""
    chosen = parse_formats(formats, tuple(known))
    if output == "-" or (output is None and not beside):
        if len(chosen) > 1:
            raise UsageError("standard output takes one format; add -o DIR to write several")
        return Destination(chosen or (default,))
    if output is None:
        return Destination(chosen or (default,), beside=True, suffix=suffix)
    path = Path(output)
    extension = path.suffix.lstrip(".").lower()
    if extension in tuple(known) and not path.is_dir() and not output.endswith(("/", "\\")):
        if chosen and chosen != (extension,):
            raise UsageError(f"-o {output} is one {extension} file, and -f asks for {', '.join(chosen)}")
        return Destination((extension,), file=path)
    return Destination(chosen or (default,), directory=path, suffix=suffix)


def parse_formats(text: str | None, known: tuple[str, ...]) -> tuple[str, ...]:
    """
    >>> parse_formats("SRT,vtt", ("srt", "vtt", "txt")), parse_formats("all", ("srt", "vtt"))
    (('srt', 'vtt'), ('srt', 'vtt'))
    """
    if not text:
        return ()
    names = [name.strip().lower().lstrip(".") for name in text.split(",") if name.strip()]
    if "all" in names:
        return known
    for name in names:
        if name not in known:
            raise UsageError(f"{name!r} is no output format; known: {', '.join(known)}, all")
    return tuple(dict.fromkeys(names))


def plan(sources: Sequence[Source], to: Destination) -> list[Job]:
    """A job for each source; two that would write one file are refused."""
    if to.file is not None and len(sources) > 1:
        raise UsageError(f"-o {to.file} is one file for {len(sources)} recordings; name a directory")
    if to.is_stdout and len(sources) > 1 and to.formats[0] != "txt":
        raise UsageError(f"several recordings cannot share standard output as {to.formats[0]}; add -o DIR")
    jobs = [Job(source.path, to.formats[0], targets(source, to)) for source in sources]
    refuse_collisions(jobs)
    return jobs


def targets(source: Source, to: Destination) -> tuple[Target, ...]:
    if to.is_stdout:
        return ()
    if to.file is not None:
        return (Target(to.formats[0], to.file),)
    folder = place(source, to)
    return tuple(Target(name, folder / f"{stem(source.path)}{to.suffix}.{name}") for name in to.formats)


def place(source: Source, to: Destination) -> Path:
    if to.directory is None:  # beside the recording; what has no place on this disk goes where we stand
        return Path() if is_elsewhere(source.path) else Path(source.path).parent
    if source.folder is None:
        return to.directory
    return to.directory / Path(source.path).parent.relative_to(source.folder)  # the tree, mirrored


def refuse_collisions(jobs: Iterable[Job]) -> None:
    taken: dict[str, str] = {}
    for job in jobs:
        for target in job.targets:
            if is_same_file(target.path, job.source):
                raise UsageError(f"{job.source} would be overwritten by its own result; choose another place with -o")
            for path in (target.path, target.partial):
                # Case-blind, because some file systems are.
                key = str(path.absolute()).casefold()
                if key in taken:
                    raise UsageError(
                        f"{taken[key]} and {job.source} would both write {path}; put their results into different"
                        " directories"
                    )
                taken[key] = job.source


def is_same_file(path: Path, source: str) -> bool:
    try:
        return not is_elsewhere(source) and path.samefile(source)
    except (OSError, ValueError):
        return False


def is_elsewhere(source: str) -> bool:
    return source == "-" or is_address(source)
