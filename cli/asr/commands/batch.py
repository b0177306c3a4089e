"""asr batch: many recordings."""

from typing import Annotated

import typer

from asr.batch_options import BatchFlags
from asr.decoding_options import DecodingFlags, LongFormFlags
from asr.options import InputFlags, RecognitionFlags, ScreenFlags, SubtitleFlags
from asr.spread import spread
from asr.vad_options import UseVad, VadFlags

app = typer.Typer(rich_markup_mode="rich", add_completion=False)


@app.command()
@spread
def batch(
    context: typer.Context,
    batching: BatchFlags,
    source: InputFlags,
    recognition: RecognitionFlags,
    screen: ScreenFlags,
    subtitles: SubtitleFlags,
    use_vad: UseVad,
    vad: VadFlags,
    decoding: DecodingFlags,
    long_form: LongFormFlags,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT...",
            help="wav.scp, Kaldi data directories, JSONL manifests, @list.txt, directories, globs, files, addresses.",
            show_default=False,
        ),
    ] = None,
) -> int:
    """Transcribe many recordings into a directory. The same command continues where it was stopped, however it was.

    Writes 1best_recog/text (token, score, time_stamp, rtf) as FunASR does, asr-report.jsonl, and with -f files for each
    recording.
    """
    from asr.batching import run
    from asr.config import typed
    from asr.options import OutputFlags
    from asr.request import Request

    request = Request(
        files=files or [], source=source, output=OutputFlags(word_timestamps=batching.word_timestamps),
        subtitles=subtitles, recognition=recognition, use_vad=use_vad, vad=vad, decoding=decoding, long_form=long_form,
        screen=screen, typed=typed(context),
    )  # fmt: skip
    return run(request, batching)
