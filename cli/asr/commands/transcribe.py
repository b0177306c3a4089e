"""asr transcribe: speech to text."""

import typer

from asr.decoding_options import DecodingFlags, LongFormFlags
from asr.options import Files, InputFlags, OutputFlags, RecognitionFlags, ScreenFlags, SubtitleFlags
from asr.spread import spread
from asr.vad_options import UseVad, VadFlags

app = typer.Typer(rich_markup_mode="rich", add_completion=False)


@app.command()
@spread
def transcribe(
    context: typer.Context,
    files: Files,
    source: InputFlags,
    output: OutputFlags,
    recognition: RecognitionFlags,
    screen: ScreenFlags,
    subtitles: SubtitleFlags,
    use_vad: UseVad,
    vad: VadFlags,
    decoding: DecodingFlags,
    long_form: LongFormFlags,
) -> int:
    """Transcribe recordings: text on standard output, or files with -o."""
    from asr.config import typed
    from asr.request import Request
    from asr.run import run

    request = Request(
        files=files, source=source, output=output, subtitles=subtitles, recognition=recognition, use_vad=use_vad,
        vad=vad, decoding=decoding, long_form=long_form, screen=screen, typed=typed(context),
    )  # fmt: skip
    return run(request, default_format="txt", beside=False)
