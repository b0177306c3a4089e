"""Utterances to text with a transducer, whole ones or while they are spoken."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from asr_cli.audio import SAMPLE_RATE, Audio
from asr_cli.longform.halve import halving
from asr_cli.models.bat import Heard
from asr_cli.models.bat_folder import Folder
from asr_cli.models.bat_search import Decoded
from asr_cli.models.bat_times import token_times
from asr_cli.models.ear import Ear, Sound
from asr_cli.protocols import Chunk
from asr_cli.text.settled import n_settled
from asr_cli.text.words import SPECIAL, Piece, join
from asr_cli.transcript import Draft, Segment

MAX_DURATION = 30.0  # s; it costs the same for every second, but the models were trained on less
BATCH_SECONDS = 600.0  # s; what keeps a GPU busy
FRAME = 0.01  # s
SILENT = (0, 1, 2)  # blank, start and end of sentence: tokens that are no text


class BatRecognizer:
    """The Recognizer of every transducer, in one of its modes."""

    max_duration = MAX_DURATION
    batch_seconds = BATCH_SECONDS
    pads = False  # beyond what is lost anyway

    def __init__(self, folder: Folder, device: torch.device | None = None, *, mode: str = "beam") -> None:
        self.net = folder.net
        self.vocabulary = folder.vocabulary
        self.device = device or torch.device("cpu")
        self.mode = mode
        self.ear = Ear(folder.frontend, folder.cmvn, self.device)
        self.frame = self.net.encoder.frame_shift * folder.frontend.lfr_n * FRAME

    def recognize(self, utterances: Sequence[Audio]) -> list[Segment]:
        """One segment for each."""
        return halving(self.recognize_together, utterances, self.device)

    @torch.inference_mode()
    def recognize_together(self, utterances: Sequence[Audio]) -> list[Segment]:
        features = [self.ear.hear(one.samples, None, final=True)[0] for one in utterances]
        found = self.net.transcribe(features, self.mode)
        return [
            Segment(join(self.pieces(decoded, one.start, one.duration), sentencepiece=self.vocabulary.sentencepiece))
            for decoded, one in zip(found, utterances, strict=True)
        ]

    def pieces(self, decoded: Decoded, start: float, duration: float) -> list[Piece]:
        """What the likeliest hypothesis spells, special tokens included: the number of each is its place."""
        tokens = decoded.best.tokens()
        times = token_times([token.frame for token in tokens], self.frame, duration)
        return [
            Piece("<blank>" if token.id in SILENT else self.vocabulary.piece(token.id),
                  start + begin, start + end, math.exp(token.logp))
            for token, (begin, end) in zip(tokens, times, strict=True)
        ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hearing:
    """All that is remembered of an utterance that began at `start`."""

    start: float
    n_samples: int = 0
    sound: Sound | None = None
    heard: Heard | None = None


class StreamingBatRecognizer(BatRecognizer):
    """The same for a transducer that can also be heard live."""

    def __init__(self, folder: Folder, device: torch.device | None = None, *, mode: str = "beam") -> None:
        super().__init__(folder, device, mode=mode)
        self.chunk_duration = self.net.chunk_size * folder.frontend.lfr_n * FRAME

    @torch.inference_mode()
    def hear(self, chunks: Sequence[Chunk]) -> list[tuple[Draft, Hearing | None]]:
        """A draft for each chunk, and what to hear the next one of its utterance with; nothing after the last."""
        if not chunks:
            return []
        before: list[Hearing] = [chunk.state or Hearing(chunk.audio.start) for chunk in chunks]
        sounds = [
            self.ear.hear(chunk.audio.samples, hearing.sound, final=chunk.final)
            for chunk, hearing in zip(chunks, before, strict=True)
        ]
        heard = self.net.hear(
            [features for features, _ in sounds], [hearing.heard for hearing in before],
            [chunk.final for chunk in chunks], self.mode,
        )  # fmt: skip
        found: list[tuple[Draft, Hearing | None]] = []
        for chunk, hearing, (_, sound), one in zip(chunks, before, sounds, heard, strict=True):
            hearing = Hearing(hearing.start, hearing.n_samples + len(chunk.audio.samples), sound, one)
            found.append((self.draft(hearing, final=chunk.final), None if chunk.final else hearing))
        return found

    def draft(self, hearing: Hearing, *, final: bool) -> Draft:
        assert hearing.heard is not None
        decoded = hearing.heard.decoded
        pieces = self.pieces(decoded, hearing.start, hearing.n_samples / SAMPLE_RATE)
        spell = {"sentencepiece": self.vocabulary.sentencepiece}
        words = join(pieces, **spell)
        if final:
            return Draft(words, len(words))
        certain = [piece for piece in pieces[: self.n_certain(decoded)] if piece.text not in SPECIAL]
        return Draft(words, n_settled(certain, **spell))

    def n_certain(self, decoded: Decoded) -> int:
        """How many tokens, and their times, will stay: all that will, but for the last ones where a rival may say more
        in the same frame."""
        tokens = decoded.best.tokens()[: decoded.n_certain()]
        if not tokens:
            return 0
        last = tokens[-1].frame
        n_last = sum(token.frame == last for token in tokens)
        is_over = len(decoded.hypotheses) == 1 and decoded.n_frames > last
        return len(tokens) if is_over else len(tokens) - n_last
