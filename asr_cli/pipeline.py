"""The whole journey of a recording, on one page.

    blocks -> speech -> utterances -> segments -> stitched -> punctuated

For recognisers that pay for a whole window whatever is in it, utterances are gathered to chunks; for those that slide,
there are no utterances but windows, each begun where the last one's text was complete.

Generators all the way: memory does not grow with the recording, and the first words are out while the file is still
being decoded. Any block size gives the same transcript.
"""

import threading
from collections.abc import Iterable, Iterator

from asr_cli.audio import Audio
from asr_cli.longform.ahead import ahead
from asr_cli.longform.batch import Memory, recognize, until
from asr_cli.longform.cut import cut
from asr_cli.longform.gather import gather
from asr_cli.longform.mix import Account, recognize_among
from asr_cli.longform.slide import slide
from asr_cli.longform.stitch import stitch
from asr_cli.protocols import Punctuator, Recognizer, Vad
from asr_cli.transcript import Segment


def transcribe(
    blocks: Iterable[Audio],
    *,
    vad: Vad,
    recognizer: Recognizer,
    punctuator: Punctuator | None = None,
    batch_seconds: float,
    memory: Memory | None = None,
    stop: threading.Event | None = None,
    read_ahead: bool = False,
    account: Account | None = None,
) -> Iterator[Segment]:
    """Yield each segment as soon as nothing later can change it.

    memory: what an earlier, interrupted run has already recognised.
    stop: once set, what is in hand is finished (without a memory: all that was heard) and the transcript ends there.
    read_ahead: decode and detect in a thread of their own; for blocks that never keep anybody waiting.
    account: a mixer's, whose recogniser works for several recordings at once, each transcribed in a thread of its own.
    """
    slides = getattr(recognizer, "slides", False)
    speech = vad(until(stop, blocks))
    utterances = speech if slides else cut(speech, recognizer.max_duration)
    if getattr(recognizer, "gathers", False) and not slides:
        utterances = gather(utterances, recognizer.max_duration)
    if read_ahead and account is None:
        utterances = ahead(utterances)
    # What nobody remembers cannot be taken up again: then only the hearing stops, and all that was heard is recognised.
    stop = stop if memory is not None else None

    def recognized(utterances: Iterable[Audio]) -> Iterator[Segment]:
        if account is not None:
            return recognize_among(utterances, account, memory=memory, stop=stop)
        return recognize(utterances, recognizer, batch_seconds=batch_seconds, memory=memory, stop=stop)

    segments = slide(utterances, recognized, recognizer.max_duration) if slides else recognized(utterances)
    stitched = stitch(segments)
    return punctuator(stitched) if punctuator else stitched
