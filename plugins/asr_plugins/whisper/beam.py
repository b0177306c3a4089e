"""The likeliest of several hypotheses for each window, the way transformers' `generate` searches for it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from asr_plugins.whisper.rules import Rules
from asr_plugins.whisper.search import PATIENCE, Text

HOPELESS = -1e9  # the score of what is no hypothesis


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """score: the sum of its logps. rows: in which row each of its tokens was decided."""

    ids: tuple[int, ...] = ()
    logps: tuple[float, ...] = ()
    rows: tuple[int, ...] = ()
    score: float = 0.0

    def then(self, token: int, score: float, row: int) -> "Hypothesis":
        return Hypothesis((*self.ids, token), (*self.logps, score - self.score), (*self.rows, row), score)


@dataclass(slots=True)
class Beam:
    """What a window's hypotheses are. ended: with their final scores, the best first. room: tokens each may have."""

    running: list[Hypothesis]
    ended: list[tuple[float, Hypothesis]]
    room: int
    n_tokens: int = 0
    over: bool = False
    loops: bool = False


class BeamSearch:
    """n_rows hypotheses at a time. What ended is scored by its sum over its length to the power of `length_penalty`.

    is_loop: whether tokens go round in circles; where the best do, it had better end.
    """

    def __init__(
        self,
        rules: Rules,
        end: int,
        max_tokens: int,
        n_rows: int,
        length_penalty: float = 1.0,
        *,
        is_loop: Callable[[Sequence[int]], bool] | None = None,
    ) -> None:
        self.rules, self.end, self.max_tokens = rules, end, max_tokens
        self.n_rows, self.length_penalty, self.is_loop = n_rows, length_penalty, is_loop

    def begin(self, seed: int, room: int) -> Beam:
        return Beam([Hypothesis(), *[Hypothesis(score=HOPELESS)] * (self.n_rows - 1)], [], room)

    def advance(self, logits: Tensor, states: Sequence[Beam]) -> tuple[list[int], list[int]]:
        written = [hypothesis.ids for beam in states for hypothesis in beam.running]
        scores = self.rules.apply(logits.log_softmax(-1), written)
        scores += scores.new_tensor([one.score for beam in states for one in beam.running]).unsqueeze(1)
        n_tokens = scores.shape[1]
        best = scores.view(len(states), -1).topk(2 * self.n_rows)
        tokens, sources = [], []
        for index, (beam, values, places) in enumerate(
            zip(states, best.values.tolist(), best.indices.tolist(), strict=True)
        ):
            found = [(score, place // n_tokens, place % n_tokens) for score, place in zip(values, places, strict=True)]
            rows = self.advance_one(beam, found)
            sources += [index * self.n_rows + row for row in rows]
            tokens += [one.ids[-1] for one in beam.running]
        return tokens, sources

    def advance_one(self, beam: Beam, found: Sequence[tuple[float, int, int]]) -> list[int]:
        """Go on with the best of (score, row, token), best first; give the rows that the running ones come from."""
        beam.n_tokens += 1
        length = beam.n_tokens**self.length_penalty
        running: list[tuple[float, int, Hypothesis]] = []
        n_over = 0
        for rank, (score, row, token) in enumerate(found):
            hypothesis = beam.running[row].then(token, score, row)
            is_over = token == self.end or beam.n_tokens >= beam.room
            n_over += is_over
            if is_over and rank < self.n_rows:
                beam.ended.append((score / length, hypothesis))
            running.append((score + (HOPELESS if is_over else 0.0), row, hypothesis))
        beam.ended = sorted(beam.ended, key=lambda one: -one[0])[: self.n_rows]
        running = sorted(running, key=lambda one: -one[0])[: self.n_rows]
        beam.running = [one for _, _, one in running]
        is_full = len(beam.ended) == self.n_rows
        cannot_win = is_full and running[0][0] / length <= beam.ended[-1][0]
        if self.is_loop is not None and beam.n_tokens % PATIENCE == 0:
            beam.loops = not cannot_win and self.is_loop(beam.running[0].ids)
        beam.over = cannot_win or n_over == len(found) or beam.loops
        return [row for _, row, _ in running]

    def text(self, state: Beam) -> Text | None:
        if not state.over:
            return None
        if state.loops:
            best = state.running[0]
            return Text(best.ids, best.logps, best.rows, loops=True)
        best = state.ended[0][1]
        complete = best.ids[-1] == self.end
        return Text(best.ids[:-1] if complete else best.ids, best.logps, best.rows)
