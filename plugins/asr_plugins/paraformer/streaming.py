"""Utterances to text while they are spoken, with a streaming Paraformer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from asr_cli.audio import Audio
from asr_cli.errors import damaged
from asr_cli.features.fbank import Fbank
from asr_cli.features.lfr import LfrState, LowFrameRate
from asr_cli.longform.halve import halving
from asr_cli.models.paraformer_folder import Folder
from asr_cli.models.paraformer_streaming import Chunks, Said, State, StreamingParaformer, Turn
from asr_cli.protocols import Chunk
from asr_cli.transcript import Draft, Segment
from asr_plugins.paraformer.draft import Text, Token, placed
from asr_plugins.paraformer.recognizer import SILENT

MAX_DURATION = 60.0  # s; it costs the same however long an utterance is, but a draft of all of it is due at each step
BATCH_SECONDS = 600.0  # s
TOGETHER = 32  # streams in one pass: more make it no faster, and each has megabytes of keys and values
ROW = 0.06  # s


@dataclass(frozen=True, slots=True)
class Hearing:
    """All that is remembered of an utterance.

    waiting: samples that make no chunk yet. frames, stacked: the states of fbank and low frame rate.
    """

    waiting: Tensor
    net: State
    text: Text
    frames: Tensor | None = None
    stacked: LfrState | None = None


class StreamingParaformerRecognizer:
    """The StreamingRecognizer of the streaming Paraformer; as a Recognizer it hears whole utterances in the same
    steps."""

    max_duration = MAX_DURATION
    batch_seconds = BATCH_SECONDS
    pads = False

    def __init__(self, folder: Folder, device: torch.device | None = None, chunks: Chunks | None = None) -> None:
        assert isinstance(folder.net, StreamingParaformer)
        self.net = folder.net
        self.vocabulary = folder.vocabulary
        self.device = device or torch.device("cpu")
        self.chunks = chunks or Chunks()
        self.cmvn = folder.cmvn.to(self.device)
        self.fbank = Fbank(folder.frontend.fs, folder.frontend.n_mels).to(self.device)
        self.lfr = LowFrameRate(folder.frontend.lfr_m, folder.frontend.lfr_n)
        self.stride = self.chunks.current * folder.frontend.lfr_n * self.fbank.frame_shift  # samples of a chunk

    @property
    def chunk_duration(self) -> float:
        return self.chunks.current * ROW

    def recognize(self, utterances: Sequence[Audio]) -> list[Segment]:
        """One segment for each."""
        return halving(self.recognize_together, utterances, self.device)

    def recognize_together(self, utterances: Sequence[Audio]) -> list[Segment]:
        return [Segment(draft.words) for draft, _ in self.hear([Chunk(audio, final=True) for audio in utterances])]

    @torch.inference_mode()
    def hear(self, chunks: Sequence[Chunk]) -> list[tuple[Draft, Hearing | None]]:
        """A draft for each chunk, and what to hear the next one of its utterance with; nothing after the last."""
        hearings = [self.received(chunk) for chunk in chunks]
        finals = [chunk.final for chunk in chunks]
        # The longest first: those that go on longest go on together.
        order = sorted(range(len(chunks)), key=lambda i: -len(hearings[i].waiting))
        for begin in range(0, len(order), TOGETHER):
            self.go_on(hearings, finals, order[begin : begin + TOGETHER])
        return [self.drafted(hearing, final) for hearing, final in zip(hearings, finals, strict=True)]

    def received(self, chunk: Chunk) -> Hearing:
        samples = torch.tensor(chunk.audio.samples, device=self.device)
        if chunk.state is None:
            return Hearing(samples, self.net.begin(self.chunks), Text(chunk.audio.start))
        before: Hearing = chunk.state
        return replace(before, waiting=torch.cat([before.waiting, samples]))

    def go_on(self, hearings: list[Hearing], finals: Sequence[bool], indices: Sequence[int]) -> None:
        """Hear in place all that can be heard of some of the utterances."""
        ended: set[int] = set()
        while due := [i for i in indices if i not in ended and self.is_due(hearings[i], finals[i])]:
            ending = [finals[i] and len(hearings[i].waiting) < self.stride for i in due]
            heard = self.step([hearings[i] for i in due], ending)
            for i, hearing, end in zip(due, heard, ending, strict=True):
                hearings[i] = hearing
                ended |= {i} if end else set()

    def is_due(self, hearing: Hearing, final: bool) -> bool:
        return final or len(hearing.waiting) >= self.stride

    def step(self, hearings: Sequence[Hearing], ending: Sequence[bool]) -> list[Hearing]:
        """The next chunk of each utterance; what is left, of one that ends."""
        heard, turns = [], []
        for hearing, end in zip(hearings, ending, strict=True):
            hearing, features = self.features(hearing, end)
            heard.append(hearing)
            turns.append(Turn(features, hearing.net, end))
        # Of less than a frame there is nothing to hear.
        sounding = [i for i, turn in enumerate(turns) if turn.state.n_rows or len(turn.features)]
        if sounding:
            said = self.net.step([turns[i] for i in sounding], self.chunks)
            tokens = self.tokens([one for one, _ in said])
            for i, (_, state), new in zip(sounding, said, tokens, strict=True):
                heard[i] = replace(heard[i], net=state, text=heard[i].text.heard(new))
        return heard

    def features(self, hearing: Hearing, end: bool) -> tuple[Hearing, Tensor]:
        """Normalised features (T, D_in) of the next chunk, and the hearing without its samples."""
        samples, rest = hearing.waiting[: self.stride], hearing.waiting[self.stride :]
        frames, waiting = self.fbank(samples, hearing.frames)
        rows, stacked = self.lfr(frames, hearing.stacked, final=end)
        return replace(hearing, waiting=rest, frames=waiting, stacked=stacked), self.cmvn(rows)

    def tokens(self, said: Sequence[Said]) -> Iterator[list[Token]]:
        """What fired in each utterance."""
        confidences, ids = torch.cat([one.logits for one in said]).float().softmax(-1).max(-1)
        if not confidences.isfinite().all():
            raise damaged("the model")
        fired = zip(ids.tolist(), confidences.tolist(), strict=True)
        for one in said:
            yield [
                Token(None if token in SILENT else self.vocabulary.piece(token), confidence, placed(place))
                for place, (token, confidence) in zip(one.places, fired, strict=False)
            ]

    def drafted(self, hearing: Hearing, final: bool) -> tuple[Draft, Hearing | None]:
        draft, text = hearing.text.draft(hearing.net.n_rows, final=final, sentencepiece=self.vocabulary.sentencepiece)
        # Not a view, which would hold on to all samples that came at once.
        return draft, None if final else replace(hearing, text=text, waiting=hearing.waiting.clone())
