"""What may be written next (Radford et al. 2022, as released): what is suppressed, and where timestamps stand."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

NEVER = float("-inf")


@dataclass(frozen=True, slots=True)
class Stamps:
    """The tokens that say times, which are the last of a vocabulary.

    first: the one of 0.00 s. latest_first: how many steps later the first one written may be at most.
    """

    first: int
    end_of_text: int
    no_timestamps: int
    latest_first: int | None = None

    def narrow(self, scores: Tensor, written: Sequence[int]) -> None:
        """Take from one row's scores (V,), in place, what may not follow."""
        scores[self.no_timestamps] = NEVER
        if not written:
            scores[: self.first] = NEVER
            if self.latest_first is not None:
                scores[self.first + self.latest_first + 1 :] = NEVER
        else:
            self.pair(scores, written)
        # Some time is likelier than any one word: then it is a time.
        if scores[self.first :].logsumexp(0) > scores[: self.first].max():
            scores[: self.first] = NEVER

    def pair(self, scores: Tensor, written: Sequence[int]) -> None:
        """Text stands between two times, which never go back."""
        is_stamp = written[-1] >= self.first
        closes = is_stamp and len(written) > 1 and written[-2] < self.first
        if closes:
            scores[: self.end_of_text] = NEVER
        elif is_stamp:
            scores[self.first :] = NEVER
        latest = next((token for token in reversed(written) if token >= self.first), None)
        if latest is not None:
            # A text that ended may be followed by one that begins at once; none is without a duration.
            scores[self.first : latest if closes else latest + 1] = NEVER


class Rules:
    """All of them. suppressed: never written. suppressed_first: not as the first token."""

    def __init__(
        self,
        n_tokens: int,
        suppressed: Iterable[int],
        suppressed_first: Iterable[int],
        stamps: Stamps | None,
        device: torch.device,
    ) -> None:
        self.stamps = stamps
        self.always = forbidding(n_tokens, suppressed, device)
        self.first = forbidding(n_tokens, suppressed_first, device)

    def apply(self, scores: Tensor, written: Sequence[Sequence[int]]) -> Tensor:
        """Scores (M, V), changed in place, without what may not follow what each row has written."""
        scores += self.always
        for row, tokens in zip(scores, written, strict=True):
            if not tokens:
                row += self.first
            if self.stamps is not None:
                self.stamps.narrow(row, tokens)
        return scores


def forbidding(n_tokens: int, ids: Iterable[int], device: torch.device) -> Tensor:
    found = torch.zeros(n_tokens, device=device)
    found[[one for one in ids if 0 <= one < n_tokens]] = NEVER
    return found
