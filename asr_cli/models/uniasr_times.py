"""When each token was said: from where it fired to where the next one did.

The networks are taught to fire once for every token and once more for the end, and like Paraformer's tell about when a
token *begins*; so the constants are those of FunASR's rule for Paraformer.
"""

from collections.abc import Sequence

from asr_cli.models.paraformer_times import FRAME, LONGEST, SHIFT


def token_times(fires: Sequence[int], n_tokens: int, n_frames: int, frame: float) -> list[tuple[float, float]]:
    """The start and end of each token in seconds from the utterance's start, in order and inside it.

    fires: frames of `frame` seconds. Tokens beyond those that fired come at the end of the last one that did.

    >>> token_times([2, 10], 3, 20, 0.06)
    [(0.09, 0.33), (0.57, 0.81), (0.81, 0.81)]
    """
    limit = n_frames * frame
    starts = [min(max(0.0, fire * frame + SHIFT * FRAME), limit) for fire in fires[: n_tokens + 1]]
    ends = [min(start + LONGEST * FRAME, after) for start, after in zip(starts, [*starts, limit][1:], strict=True)]
    spans = [(round(start, 3), round(end, 3)) for start, end in zip(starts, ends, strict=True)][:n_tokens]
    at = spans[-1][1] if spans else 0.0
    return spans + [(at, at)] * (n_tokens - len(spans))
