"""Speculative decoding (Leviathan et al. 2022, arXiv:2211.17192; with Distil-Whisper, arXiv:2311.00430), greedy: a
small assistant drafts some tokens, and the model reads them all at once. What it would have written itself stays, so
the text is the same.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from asr_plugins.whisper.decoder import Out
from asr_plugins.whisper.pool import Marks, Pool, Request, Slot
from asr_plugins.whisper.search import Line, Single, logps_of
from asr_plugins.whisper.steps import Memories

FIRST, MOST = 5, 12  # tokens that are drafted at a time: to begin with, and where nearly all are right


class SpeculativePool(Pool):
    """n_drafted, n_right: how many tokens the assistant drafted, and how many of them the model had written itself."""

    search: Single

    def __init__(
        self,
        memories: Memories,
        assistant: Memories,
        search: Single,
        marks: Marks,
        requests: Sequence[Request],
        *,
        n_slots: int,
    ) -> None:
        super().__init__(memories, search, marks, requests, n_slots=n_slots, spare=MOST)
        self.assistant = assistant
        self.drafting = assistant.take(self.n_slots, 1, self.longest)
        self.n_ahead = float(FIRST)
        self.n_drafted = self.n_right = 0

    def let_in(self, slots: slice, requests: Sequence[Request]) -> None:
        super().let_in(slots, requests)
        states = [request.states if request.drafted is None else request.drafted for request in requests]
        self.drafting.memory.admit(slots, torch.stack(states))

    def read(self, slots: slice, ids: Sequence[Sequence[int]], place: int, at: Sequence[int]) -> Out:
        tokens = torch.tensor(ids, device=self.device)
        begins = torch.full((len(tokens),), place, device=self.device)
        memory = self.drafting.memory
        self.assistant.decoder(memory, slots, tokens, begins, memory.seen(place + tokens.shape[1]), at=())
        return super().read(slots, ids, place, at)

    def move(self, source: int, target: int) -> None:
        super().move(source, target)
        self.drafting.memory.move(source, target)

    def give_back(self) -> None:
        super().give_back()
        self.assistant.give_back(self.drafting)

    def step(self) -> None:
        latest = max(slot.place for slot in self.running)
        n_ahead = min(round(self.n_ahead), self.decoder.max_tokens - 1 - latest)
        if n_ahead < 1:
            super().step()
            return
        drafts = self.draft(n_ahead)
        self.check(drafts)

    def draft(self, n_ahead: int) -> list[list[int]]:
        """What the assistant would write next in each slot."""
        written = [list(slot.state.ids) for slot in self.running]
        drafts: list[list[int]] = [[] for _ in self.running]
        # It has read neither what the model wrote in its place nor, where all was right, its own last token.
        tokens = torch.tensor([[slot.before, slot.tokens[0]] for slot in self.running], device=self.device)
        places = torch.tensor([slot.place for slot in self.running], device=self.device)
        begins = places - 1
        latest = max(slot.place for slot in self.running)
        for ahead in range(n_ahead):
            logits = self.drafting(tokens, begins, latest + ahead + 1 - tokens.shape[1], at=(-1,)).logits[:, 0]
            tokens = self.search.rules.apply(logits, written).argmax(-1, keepdim=True)
            begins = places = places + 1
            for ids, draft, token in zip(written, drafts, tokens[:, 0].tolist(), strict=True):
                ids.append(token)
                draft.append(token)
        return drafts

    def check(self, drafts: Sequence[Sequence[int]]) -> None:
        """Have the model read what was drafted, and keep what it had written, and its first token that differs."""
        tokens = torch.tensor(
            [[slot.tokens[0], *draft] for slot, draft in zip(self.running, drafts, strict=True)], device=self.device
        )
        begins = torch.tensor([slot.place for slot in self.running], device=self.device)
        out = self.steps(tokens, begins, max(slot.place for slot in self.running))
        n = tokens.shape[1]
        written = [
            [*slot.state.ids, *draft[:at]] for slot, draft in zip(self.running, drafts, strict=True) for at in range(n)
        ]
        scores = self.search.rules.apply(out.logits.flatten(0, 1), written)
        chosen = scores.argmax(-1)
        logps = logps_of(scores, chosen)
        rows = zip(chosen.view(-1, n).tolist(), logps.view(-1, n).tolist(), strict=True)
        n_right = 0
        for index, (slot, draft, (ids, sure)) in enumerate(zip(self.running, drafts, rows, strict=True)):
            heard = None if out.heard is None else out.heard[index]
            n_right += self.keep(slot, draft, ids, sure, heard)
        n_drafted = len(drafts) * (n - 1)
        self.n_drafted += n_drafted
        self.n_right += n_right
        # Half again as many as are right on the average, slowly: what is wrong costs a step of the assistant.
        self.n_ahead += 0.25 * (min(1.5 * n_right / len(drafts) + 1, MOST) - self.n_ahead)

    def keep(
        self, slot: Slot, draft: Sequence[int], ids: Sequence[int], logps: Sequence[float], heard: Tensor | None
    ) -> int:
        """Write what the model chose as far as it had read the same; give how many drafted tokens that were.

        heard: (A, U, S)
        """
        line: Line = slot.state
        n_right = 0
        for at, (token, logp) in enumerate(zip(ids, logps, strict=True)):
            if heard is not None:
                slot.heard.append(heard[:, at].unsqueeze(0).clone())
            slot.before = slot.tokens[0]
            slot.place += 1
            self.search.write(line, token, logp)
            slot.tokens = [token]
            if line.over:
                return n_right + (at < len(draft) and token == draft[at])
            if at == len(draft) or token != draft[at]:
                return n_right
            n_right += 1
        return n_right
