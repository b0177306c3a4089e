"""When each token was said, from where integrate-and-fire fired: the rule of FunASR's timestamp models.

Frames here are 20 ms: the timestamp head looks three times as often as the encoder, and fires when a token *begins*.
"""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from asr_cli.nn.cif import fire_frames

FRAME = 0.02  # s
THRESHOLD = 1 - 1e-4  # of the published models: the last token fires although rounding took a little off it
SHIFT = -1.5  # frames: the head is late by that much
LONGEST = 12  # frames a token lasts at most; what follows is silence
TINY = 1e-9  # a sum of alphas below it is none
EDGE = 5  # frames of silence at the end that are worth a word


def token_spans(alphas: Tensor, n_tokens: int, per_frame: int = 1) -> list[tuple[float, float]]:
    """The start and end of each token, in seconds from the utterance's start.

    alphas: of one utterance (T,). per_frame: how many 20 ms frames each of them stands for.
    """
    if n_tokens == 0:
        return []
    fires = fire_frames(alphas, THRESHOLD)
    if len(fires) != n_tokens + 1:
        # The end of speech should have fired too. Where it did not, the weights are stretched until it does.
        fires = fire_frames(alphas * ((n_tokens + 1) / alphas.sum().clamp(min=TINY)), THRESHOLD)
    places = [fire * per_frame + SHIFT for fire in fires.tolist()]
    return [
        (max(0.0, start) * FRAME, max(0.0, end) * FRAME)
        for start, end in spans(places, n_tokens, len(alphas) * per_frame)
    ]


def spans(fires: Sequence[float], n_tokens: int, n_frames: int) -> list[tuple[float, float]]:
    """The frames of each token, from the frames at which tokens began.

    >>> spans([6.5, 12.5, 18.5, 38.5], 3, 60)
    [(6.5, 12.5), (12.5, 18.5), (18.5, 30.5)]
    """
    found = [(start, min(end, start + LONGEST)) for start, end in pairwise(fires)][:n_tokens]
    # Alphas that are all but zero: what never fired is where the last one ended.
    at = found[-1][1] if found else 0.0
    found += [(at, at)] * (n_tokens - len(found))
    is_cut = len(fires) > 1 and fires[-1] - fires[-2] > LONGEST
    if len(fires) == n_tokens + 1 and not is_cut:
        end = (n_frames + fires[-1]) / 2 if n_frames - fires[-1] > EDGE else float(n_frames)
        found[-1] = (found[-1][0], end)
    return found
