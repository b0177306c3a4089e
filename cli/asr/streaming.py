"""What `asr stream` does: a source, models, and places that captions go to."""

import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import fields, replace
from typing import TYPE_CHECKING

from asr.bringing import bring_absent
from asr.captions import File, JsonLines, Lines, Place, Terminal, check_paths, is_terminal, rounded, tell, told
from asr.config import refuse_unfit
from asr.console import Console
from asr.interrupt import stopping
from asr.main import INTERRUPTED
from asr.options import SubtitleFlags
from asr.request import Request, model_options, recognizer
from asr.run import make_layout, reading_options, refuse_idle_models
from asr.screen import Screen
from asr.sources import Source, list_microphones, open_source
from asr.stream_options import LiveFlags
from asr_cli.errors import AsrError, UsageError
from asr_cli.subtitles.writers import WRITERS, Info

if TYPE_CHECKING:
    from asr_cli.audio import Audio
    from asr_cli.audio.recorder import Recorder
    from asr_cli.live.session import LiveOptions, LiveSession
    from asr_cli.live.stats import Stats
    from asr_cli.options import ModelOptions


def run(name: str | None, live: LiveFlags, request: Request) -> int:
    """Caption one stream; give the exit code."""
    screen = request.screen
    console = Console(quiet=screen.quiet, json=screen.json, debug=screen.debug)
    if live.list_mics:
        list_microphones(as_json=live.json or live.jsonl)
        return 0
    check(name, live, request)
    kept_in = [live.save_audio] if live.save_audio else []
    check_paths(live.output or [], overwrite=live.overwrite, others=kept_in, source=None if live.mic else name)
    options = live_options(live, request)
    for models in models_of(options):
        bring_absent(models, console)
    with ExitStack() as stack:
        source = open_source(name, live, stack)
        stop = stack.enter_context(
            stopping(console, "stopping: what was said last is being made final (again: at once)")
        )
        return caption(source, options, live, request, console, stop, stack)


def caption(
    source: Source,
    options: "LiveOptions",
    live: LiveFlags,
    request: Request,
    console: Console,
    stop: threading.Event,
    stack: ExitStack,
) -> int:
    from asr_cli.audio.recorder import Recorder
    from asr_cli.live.session import LiveSession
    from asr_cli.live.stats import Stats

    keeper = Keeper(stack.enter_context(Recorder(live.save_audio)) if live.save_audio else None, console)
    layout = make_layout(request)
    files = [File(path, layout, stack) for path in live.output or []]
    session = stack.enter_context(LiveSession(options))
    stats = Stats(is_paced=source.is_paced)
    blocks = source.begin(stack, stop)
    with finishing(files, session, stats), ExitStack() as drawn:
        shown = shown_on(source, live, console, drawn)
        announce(source, session, console)
        # A source that can be stopped is asked to, and what it has heard by then still comes.
        to_leave = stop if source.stop is None else None
        for event in session.listen(keeper.kept(blocks), stats=stats, ahead=source.ahead, stop=to_leave):
            if event is not None:
                tell(event, [shown.place, *files])
            shown.tick()
            if stop.is_set() and source.stop is not None:
                source.stop()
    if live.stats:
        tell_stats(stats, shown.place, console, paced=source.is_paced)
    if keeper.has_failed:
        return 1
    return INTERRUPTED if stop.is_set() and source.has_end else 0


@contextmanager
def finishing(files: Sequence[File], session: "LiveSession", stats: "Stats") -> Iterator[None]:
    """However the stream ends, the files have all that was final by then."""
    try:
        yield
    finally:
        for file in files:
            file.finish(info(session, stats))


class Shown:
    """The captions' main place, with a screen if there is one."""

    def __init__(self, place: Place, screen: Screen | None = None) -> None:
        self.place, self._screen = place, screen

    def tick(self) -> None:
        if self._screen is not None:
            self._screen.tick()


def shown_on(source: Source, live: LiveFlags, console: Console, stack: ExitStack) -> Shown:
    if live.jsonl:
        return Shown(JsonLines(sys.stdout))
    if not is_terminal(sys.stdout):
        return Shown(Lines(sys.stdout))
    screen = Screen(sys.stdout, meter=source.level)
    stack.callback(screen.close)
    if console.results is not sys.stdout:  # what is said on standard error is seen on the same screen
        stack.enter_context(console.drawing(screen.line))
    return Shown(Terminal(screen), screen)


def announce(source: Source, session: "LiveSession", console: Console) -> None:
    drafts, finals = session.drafted_by, session.session.card.name
    models = finals if drafts in (None, finals) else f"{drafts} + {finals}"
    console.event("model", name=finals, drafts=drafts, vad=session.session.vad_name, punc=session.session.punc_name)
    if not console.json:
        console.notice(f"listening to {source.name} with {models}; Ctrl-C stops")


class Keeper:
    """Keeps what is heard, if it is to be kept. Where that fails, captions go on; who speaks cannot say it again."""

    def __init__(self, recorder: "Recorder | None", console: Console) -> None:
        self._recorder, self._console = recorder, console
        self.has_failed = False

    def kept(self, blocks: Iterable["Audio"]) -> Iterator["Audio"]:
        """The same blocks, each on its way into the recording, too."""
        for block in blocks:
            if self._recorder is not None:
                self._keep(block, self._recorder)
            yield block

    def _keep(self, block: "Audio", recorder: "Recorder") -> None:
        try:
            recorder.add(block)
        except AsrError as error:
            self.has_failed = True
            self._console.error(f"{error}; captions go on", error.code)


def tell_stats(stats: "Stats", place: Place, console: Console, *, paced: bool) -> None:
    report = stats.report()
    if isinstance(place, JsonLines):
        place.stats(rounded(report, paced=paced))
    elif console.json:
        console.event("stats", **rounded(report, paced=paced))
    else:
        for line in told(report, paced=paced):
            print(line, file=sys.stderr)


def info(session: "LiveSession", stats: "Stats") -> Info:
    from asr_cli.session import language_of

    models = session.session
    return Info(
        language=language_of(models, stats.spoken), duration=stats.duration, model=models.card.name,
        hotwords=models.hotwords, written=models.written,
    )  # fmt: skip


def check(name: str | None, live: LiveFlags, request: Request) -> None:
    """Refuse what contradicts itself, and what would do nothing."""
    refuse_idle_models(request)
    reading_options(request.source)
    if name is None and not live.mic:
        raise UsageError("nothing to listen to: give --mic, - for standard input, or a recording")
    if live.mic and name == "-":
        raise UsageError("--mic or standard input: leave one of them out")
    if live.simulate and (live.mic or name == "-"):
        raise UsageError("--simulate is for recordings; what is spoken now has its own pace")
    if live.pcm and live.mic:
        raise UsageError("--pcm does nothing with --mic, which says itself how it sounds")
    if "batch_seconds" in request.typed:
        raise UsageError("--batch-seconds does nothing on a stream; leave it out")
    if live.final_model is not None and not live.drafts:
        raise UsageError("--final-model with --no-drafts leaves --model nothing to do; name the one model with --model")
    formats = {path.suffix.lstrip(".").lower() for path in live.output or []}
    idle = {field.name for field in fields(SubtitleFlags)} & request.typed
    if idle and not any(WRITERS[name].takes_cues for name in formats & WRITERS.keys()):
        raise UsageError(f"--{min(idle).replace('_', '-')} does nothing without subtitles; add -o captions.srt")


def live_options(live: LiveFlags, request: Request) -> "LiveOptions":
    from asr_cli.live.session import LiveOptions
    from asr_cli.registry import named_in

    spoken = request.recognition
    refuse_unfit("stream", request.typed, model=named_in(spoken.model, spoken.model_dir), language=spoken.language)
    models = replace(
        model_options(request, live.final_model), chunk_size=chunk_size(live.chunk_size),
        encoder_chunk_look_back=live.encoder_chunk_look_back, decoder_chunk_look_back=live.decoder_chunk_look_back,
        refresh=live.refresh,
    )  # fmt: skip
    refuse_idle_streaming(live, request, models.model)
    return LiveOptions(models=models, final_model=live.final_model, drafts=live.drafts)


def refuse_idle_streaming(live: LiveFlags, request: Request, model: str) -> None:
    """What only a model that streams understands is a mistake for any other."""
    card = recognizer(request.recognition)
    typed = {"chunk_size", "encoder_chunk_look_back", "decoder_chunk_look_back", "refresh"} & request.typed
    for name in sorted(typed):
        if not card.streaming or (name == "refresh") != bool(card.modes):
            raise UsageError(f"--{name.replace('_', '-')} does nothing with model {card.name!r}; leave it out")


def models_of(options: "LiveOptions") -> "Sequence[ModelOptions]":
    from asr_cli.live.session import draft_options, final_options

    final = final_options(options)
    return [final] if final is options.models else [draft_options(options), final]


def chunk_size(text: str | None) -> tuple[int, int, int] | None:
    """
    >>> chunk_size("0,10,5"), chunk_size("[5, 10, 5]"), chunk_size(None)
    ((0, 10, 5), (5, 10, 5), None)
    """
    if text is None:
        return None
    try:
        left, current, right = (int(part) for part in text.strip(" []()").split(","))
    except ValueError as error:
        raise UsageError(f"--chunk-size {text!r} is none; write three numbers such as 0,10,5") from error
    return left, current, right
