"""The last steps of a transcript: how its text is written."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from asr_cli.text.itn import check_itn, inverse_normalizer, writes_numbers_of
from asr_cli.text.script import check_script, converter, is_chinese
from asr_cli.transcript import Segment

Stage = Callable[[Iterable[Segment]], Iterator[Segment]]


def check_text(*, itn: bool, script: str | None, languages: Sequence[str]) -> None:
    """Refuse what cannot be done with the languages that may be heard."""
    check_itn(itn, languages)
    check_script(script, languages)


def finishers(*, itn: bool, script: str | None, languages: Sequence[str]) -> tuple[Stage, ...]:
    """The stages that were asked for, in order; `languages` are those that may be heard."""
    check_text(itn=itn, script=script, languages=languages)
    numbers = (suited(inverse_normalizer(), writes_numbers_of, languages),) if itn else ()
    scripts = (suited(converter(script), is_chinese, languages),) if script else ()
    # The rules for numbers know Simplified best: it is made before them, Traditional after.
    return (*scripts, *numbers) if script == "hans" else (*numbers, *scripts)


def suited(stage: Stage, fits: Callable[[Sequence[str]], bool], languages: Sequence[str]) -> Stage:
    """The stage, past which a segment goes as it is that was heard to be in a language it is not for."""
    if len(languages) == 1:
        return stage

    def chosen(segments: Iterable[Segment]) -> Iterator[Segment]:
        for segment in segments:
            is_foreign = segment.language is not None and not fits((segment.language,))
            yield from (segment,) if is_foreign else stage((segment,))

    return chosen
