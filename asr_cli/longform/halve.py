"""Where memory does not suffice for a batch, half of it at a time."""

from collections.abc import Callable, Sequence

import torch

from asr_cli.audio import Audio
from asr_cli.errors import ModelError
from asr_cli.transcript import Segment

OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")  # as torch words it, by device


def halving(
    recognize: Callable[[Sequence[Audio]], list[Segment]],
    utterances: Sequence[Audio],
    device: torch.device,
    advice: str = "give --vad-max-single-segment-time 10000",
) -> list[Segment]:
    """What `recognize` makes of all utterances together, or where that is too much, of half of them at a time.

    advice: what takes less memory where one of them is too much.
    """
    if not utterances:
        return []
    try:
        return recognize(utterances)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
    # Outside the handler: what the failed attempt held is still in the error's hands there.
    if device.type == "cuda":
        torch.cuda.empty_cache()
    if len(utterances) == 1:
        raise ModelError(
            f"memory does not suffice for {utterances[0].duration:.0f} s of speech at once; close what else runs,"
            f" or {advice}"
        )
    half = len(utterances) // 2
    parts = utterances[:half], utterances[half:]
    return [segment for part in parts for segment in halving(recognize, part, device, advice)]


def is_out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in OUT_OF_MEMORY)
