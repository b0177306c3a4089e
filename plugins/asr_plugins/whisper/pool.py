"""Windows decoded many at a time: whose text ends makes room for the next one.

N slots in use, R rows each, M = N * R, U tokens, V of the vocabulary, S positions, D width, A heads looked at.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from asr_plugins.whisper.decoder import Out
from asr_plugins.whisper.search import Search, Text
from asr_plugins.whisper.steps import Memories

FEW = 4  # of the slots, the share that has to be free before newcomers are let in: they are read in together


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the decoder reads before it writes.

    begin: ids up to the one that starts a transcript. rest: those behind it, by the language; only one of None for
    models that know no languages, or where it is known.
    """

    begin: tuple[int, ...]
    rest: dict[str | None, tuple[int, ...]]

    @property
    def length(self) -> int:
        return len(self.begin) + max(len(rest) for rest in self.rest.values())

    def is_like(self, other: "Prompt") -> bool:
        """Whether they can be read together."""
        return len(self.begin) == len(other.begin) and self.rest.keys() == other.rest.keys()


@dataclass(frozen=True, slots=True)
class Request:
    """A window to decode. states: what the encoder made of it, (S, D). seed: of its dice. drafted: what the assistant's
    encoder made of it."""

    states: Tensor
    prompt: Prompt
    seed: int = 0
    drafted: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Decoded:
    """no_speech: how likely nobody speaks; None where the model does not say. heard: where the heads that are looked at
    listened at each decision, (A, n_decisions, S); None where there are none."""

    text: Text
    no_speech: float | None
    language: str | None
    heard: Tensor | None


@dataclass(slots=True)
class Slot:
    """A window that is being decoded.

    place: of the token that is read next; tokens: what its rows read there; before: the one ahead of it, in its first
    row. heard: of each step (R, A, S).
    """

    index: int
    state: Any
    language: str | None
    no_speech: float | None
    place: int
    before: int
    tokens: list[int] = field(default_factory=list)
    heard: list[Tensor] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Marks:
    """Tokens that say something before a text: that nobody speaks, and the language."""

    no_speech: int | None = None
    languages: dict[str, int] = field(default_factory=dict)


class Pool:
    """One batch's decoding. n_slots: how many windows at a time. spare: tokens that may be read beyond the longest."""

    def __init__(
        self,
        memories: Memories,
        search: Search,
        marks: Marks,
        requests: Sequence[Request],
        *,
        n_slots: int,
        spare: int = 0,
    ) -> None:
        self.decoder, self.search, self.marks = memories.decoder, search, marks
        self.device = self.decoder.tokens.device
        self.n_slots = min(n_slots, len(requests))
        longest = max(request.prompt.length for request in requests) + search.max_tokens
        self.longest = min(longest, self.decoder.max_tokens) + spare
        self.memories = memories
        self.steps = memories.take(self.n_slots, search.n_rows, self.longest)
        self.memory = self.steps.memory
        self.waiting = deque(enumerate(requests))
        self.running: list[Slot] = []
        self.found: dict[int, Decoded] = {}

    def run(self) -> list[Decoded]:
        """What each window says, in their order."""
        while self.waiting or self.running:
            n_free = self.n_slots - len(self.running)
            worth = n_free >= min(max(1, self.n_slots // FEW), len(self.waiting))
            if self.waiting and worth:
                self.admit()
            else:
                self.step()
            self.leave()
        self.give_back()
        return [self.found[index] for index in range(len(self.found))]

    def admit(self) -> None:
        """Let in as many as there is room for, and read their prompts."""
        group = [self.waiting.popleft()]
        begin = len(self.running)
        while self.waiting and begin + len(group) < self.n_slots:
            if not self.waiting[0][1].prompt.is_like(group[0][1].prompt):
                break
            group.append(self.waiting.popleft())
        slots = slice(begin, begin + len(group))
        requests = [request for _, request in group]
        self.let_in(slots, requests)
        new, out = self.read_prompts(slots, group)
        self.running += new
        self.choose(slots, new, out)

    def let_in(self, slots: slice, requests: Sequence[Request]) -> None:
        self.memory.admit(slots, torch.stack([request.states for request in requests]))

    def read_prompts(self, slots: slice, group: Sequence[tuple[int, Request]]) -> tuple[list[Slot], Out]:
        """The newcomers, and what the decoder says last."""
        prompts = [request.prompt for _, request in group]
        n_begin = len(prompts[0].begin)
        is_known = None in prompts[0].rest
        ids = [(*one.begin, *one.rest[None]) if is_known else one.begin for one in prompts]
        out = self.read(slots, ids, 0, at=(n_begin - 1, len(ids[0]) - 1))
        starts = out.logits[:: self.search.n_rows, 0]  # (N, V)
        silent: list[float | None] = [None] * len(group)
        if self.marks.no_speech is not None:
            silent = list(starts.softmax(-1)[:, self.marks.no_speech].tolist())
        languages: list[str | None] = [None] * len(group)
        if not is_known:
            languages = list(self.likeliest(starts))
            rest = [one.rest[language] for one, language in zip(prompts, languages, strict=True)]
            out = self.read(slots, rest, n_begin, at=(len(rest[0]) - 1,))
            ids = [(*first, *second) for first, second in zip(ids, rest, strict=True)]
        states = [self.search.begin(request.seed, self.room(request.prompt)) for _, request in group]
        new = [
            Slot(index, state, language, no_speech, place=len(prompt), before=prompt[-1])
            for (index, _), state, language, no_speech, prompt in zip(
                group, states, languages, silent, ids, strict=True
            )
        ]
        return new, out

    def room(self, prompt: Prompt) -> int:
        """How many tokens may be written behind it, in whatever company."""
        return min(self.search.max_tokens, self.decoder.max_tokens - prompt.length)

    def likeliest(self, logits: Tensor) -> list[str]:
        """The language of each (N, V)."""
        names = list(self.marks.languages)
        scores = logits[:, [self.marks.languages[name] for name in names]]
        return [names[index] for index in scores.argmax(-1).tolist()]

    def read(self, slots: slice, ids: Sequence[Sequence[int]], place: int, at: Sequence[int]) -> Out:
        """The same tokens into all rows of each slot."""
        tokens = torch.tensor(ids, device=self.device).repeat_interleave(self.search.n_rows, 0)
        begins = torch.full((len(tokens),), place, device=self.device)
        return self.decoder(self.memory, slots, tokens, begins, self.memory.seen(place + tokens.shape[1]), at)

    def step(self) -> None:
        slots = slice(0, len(self.running))
        tokens = torch.tensor([token for slot in self.running for token in slot.tokens], device=self.device)
        begins = torch.tensor([slot.place for slot in self.running], device=self.device)
        begins = begins.repeat_interleave(self.search.n_rows)
        out = self.steps(tokens.unsqueeze(1), begins, max(slot.place for slot in self.running))
        for slot in self.running:
            slot.place += 1
            slot.before = slot.tokens[0]
        self.choose(slots, self.running, out)

    def choose(self, slots: slice, running: Sequence[Slot], out: Out) -> None:
        """What comes behind the last token that was read."""
        n_rows = self.search.n_rows
        told = None if out.heard is None else out.heard[:, :, -1]
        if told is not None and told.is_cuda:
            told = told.clone()  # at once for all of them: there, room costs less than as many small copies
        tokens, sources = self.search.advance(out.logits[:, -1], [slot.state for slot in running])
        if sources is not None:
            self.memory.reorder(slots, torch.tensor(sources, device=self.device))
        for index, slot in enumerate(running):
            rows = slice(index * n_rows, (index + 1) * n_rows)
            slot.tokens = tokens[rows]
            if told is not None:
                # A view would keep what all slots heard.
                slot.heard.append(told[rows] if told.is_cuda else told[rows].clone())

    def leave(self) -> None:
        """Take out whose text is over; the last one moves into its slot."""
        for at in reversed(range(len(self.running))):
            slot = self.running[at]
            text = self.search.text(slot.state)
            if text is None:
                continue
            self.found[slot.index] = Decoded(text, slot.no_speech, slot.language, listened(slot, text))
            last = self.running.pop()
            if at < len(self.running):
                self.move(len(self.running), at)
                self.running[at] = last

    def move(self, source: int, target: int) -> None:
        self.memory.move(source, target)

    def give_back(self) -> None:
        self.memories.give_back(self.steps)


def listened(slot: Slot, text: Text) -> Tensor | None:
    """Where its heads listened at each decision of a text (A, n_decisions, S)."""
    if not slot.heard:
        return None
    return torch.stack([step[row] for step, row in zip(slot.heard, text.rows, strict=False)], 1)
