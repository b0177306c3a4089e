"""asr stream: captions while people speak."""

import typer

from asr.decoding_options import DecodingFlags
from asr.options import RecognitionFlags, SubtitleFlags
from asr.spread import spread
from asr.stream_options import LiveFlags, Source
from asr.vad_options import UseVad, VadFlags

app = typer.Typer(rich_markup_mode="rich", add_completion=False)


@app.command()
@spread
def stream(
    context: typer.Context,
    live: LiveFlags,
    recognition: RecognitionFlags,
    subtitles: SubtitleFlags,
    use_vad: UseVad,
    vad: VadFlags,
    decoding: DecodingFlags,
    source: Source = None,
) -> int:
    """Caption a microphone, a stream or a recording: drafts while somebody speaks, finals when an utterance ends."""
    from asr.config import typed
    from asr.decoding_options import LongFormFlags
    from asr.options import InputFlags, OutputFlags, ScreenFlags
    from asr.request import Request
    from asr.streaming import run

    request = Request(
        files=[], source=InputFlags(pcm=live.pcm), output=OutputFlags(), subtitles=subtitles, recognition=recognition,
        use_vad=use_vad, vad=vad, decoding=decoding, long_form=LongFormFlags(),
        screen=ScreenFlags(quiet=live.quiet, json=live.json, debug=live.debug), typed=typed(context),
    )  # fmt: skip
    return run(source, live, request)
