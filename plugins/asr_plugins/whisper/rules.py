"""What may be written next (Radford et al. 2022, as released): what is suppressed, and where timestamps stand."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

NEVER = float("-inf")


class Limits(NamedTuple):
    """What may follow: words from one on, and times from one on to another, which is not one of them."""

    words_from: int
    times_from: int
    times_to: int


@dataclass(frozen=True, slots=True)
class Stamps:
    """The tokens that say times, which are the last of a vocabulary.

    first: the one of 0.00 s. latest_first: how many steps later the first one written may be at most.
    """

    first: int
    end_of_text: int
    no_timestamps: int
    latest_first: int | None = None

    def narrow(self, scores: Tensor, written: Sequence[Sequence[int]]) -> None:
        """Take from scores (M, V), in place, what may not follow what each row has written."""
        n_tokens = scores.shape[1]
        limits = torch.tensor([self.limits(tokens, n_tokens) for tokens in written], device=scores.device)
        words_from, times_from, times_to = limits.unsqueeze(2).unbind(1)  # (M, 1)
        ids = torch.arange(n_tokens, device=scores.device)
        scores[:, : self.first].masked_fill_(ids[: self.first] < words_from, NEVER)
        scores[:, self.no_timestamps] = NEVER
        times = ids[self.first :]
        scores[:, self.first :].masked_fill_((times < times_from) | (times >= times_to), NEVER)
        # Some time is likelier than any one word: then it is a time.
        is_time = scores[:, self.first :].logsumexp(1, keepdim=True) > scores[:, : self.first].amax(1, keepdim=True)
        scores[:, : self.first].masked_fill_(is_time, NEVER)

    def limits(self, written: Sequence[int], n_tokens: int) -> Limits:
        """Text stands between two times, which never go back; a text begins with one."""
        if not written:
            latest = n_tokens if self.latest_first is None else self.first + self.latest_first + 1
            return Limits(self.first, self.first, latest)
        is_stamp = written[-1] >= self.first
        closes = is_stamp and len(written) > 1 and written[-2] < self.first
        if is_stamp and not closes:
            return Limits(0, n_tokens, n_tokens)
        last = next((token for token in reversed(written) if token >= self.first), None)
        if last is None:
            return Limits(0, self.first, n_tokens)
        # A text that ended may be followed by one that begins at once; none is without a duration.
        return Limits(self.end_of_text, last, n_tokens) if closes else Limits(0, last + 1, n_tokens)


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
        if any(not tokens for tokens in written):
            begins = torch.tensor([not tokens for tokens in written], device=scores.device)
            scores.add_(torch.where(begins.unsqueeze(1), self.first, 0.0))
        if self.stamps is not None:
            self.stamps.narrow(scores, written)
        return scores


def forbidding(n_tokens: int, ids: Iterable[int], device: torch.device) -> Tensor:
    found = torch.zeros(n_tokens, device=device)
    found[[one for one in ids if 0 <= one < n_tokens]] = NEVER
    return found
