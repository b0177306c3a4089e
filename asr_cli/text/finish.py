"""The last steps of a transcript: how its text is written."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from asr_cli.text.itn import check_itn, inverse_normalizer
from asr_cli.text.script import check_script, converter
from asr_cli.transcript import Segment

Stage = Callable[[Iterable[Segment]], Iterator[Segment]]


def check_text(*, itn: bool, script: str | None, languages: Sequence[str]) -> None:
    """Refuse what cannot be done with the languages that may be heard."""
    check_itn(itn, languages)
    check_script(script, languages)


def finishers(*, itn: bool, script: str | None, languages: Sequence[str]) -> tuple[Stage, ...]:
    """The stages that were asked for, in order; `languages` are those that may be heard."""
    check_text(itn=itn, script=script, languages=languages)
    numbers = (inverse_normalizer(),) if itn else ()
    scripts = (converter(script),) if script else ()
    # The rules for numbers know Simplified best: it is made before them, Traditional after.
    return (*scripts, *numbers) if script == "hans" else (*numbers, *scripts)
