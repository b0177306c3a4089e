"""Utterances to text with a UniASR, whole ones or while they are spoken."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from asr_cli.audio import Audio
from asr_cli.longform.halve import halving
from asr_cli.models.ear import Ear, Sound
from asr_cli.models.uniasr import SHORT, STRIDE, Heard, Piece
from asr_cli.models.uniasr_decoding import Decoded
from asr_cli.models.uniasr_folder import Folder
from asr_cli.models.uniasr_times import token_times
from asr_cli.protocols import Chunk
from asr_cli.text.settled import n_settled
from asr_cli.text.words import SPECIAL, join
from asr_cli.text.words import Piece as TextPiece
from asr_cli.transcript import Draft, Segment

MAX_DURATION = 30.0  # s; it costs the same for every second, but the models were trained on less
BATCH_SECONDS = 600.0  # s; what keeps a GPU busy
FRAME = 0.06  # s
SILENT = (0, 1, 2)  # blank, start and end of sentence: tokens that are no text
UNHEARD = Heard()


@dataclass(frozen=True, slots=True)
class Hearing:
    """All that is remembered of an utterance that began at `start`, and has lasted `duration`.

    waited: seconds since the second pass was let go on.
    """

    start: float
    duration: float = 0.0
    sound: Sound | None = None
    heard: Heard = UNHEARD
    waited: float = 0.0


class UniAsrRecognizer:
    """The Recognizer and StreamingRecognizer of every UniASR, in one of its modes.

    Live, the first pass writes drafts. Where the mode has a second pass, its words take the place of the first one's
    as far as it has heard, every `refresh` seconds at most.
    """

    max_duration = MAX_DURATION
    batch_seconds = BATCH_SECONDS
    pads = False

    def __init__(
        self, folder: Folder, device: torch.device | None = None, *, mode: str = "normal", refresh: float | None = None
    ) -> None:
        self.net = folder.net
        self.vocabulary = folder.vocabulary
        self.device = device or torch.device("cpu")
        self.mode, self.refresh = mode, refresh or 0.0
        self.ear = Ear(folder.frontend, folder.cmvn, self.device)
        self.chunk_duration = self.net.first.chunkings[SHORT].stride * FRAME

    def recognize(self, utterances: Sequence[Audio]) -> list[Segment]:
        """One segment for each."""
        return halving(self.recognize_together, utterances, self.device)

    @torch.inference_mode()
    def recognize_together(self, utterances: Sequence[Audio]) -> list[Segment]:
        hearings = self.listen([Chunk(audio, final=True) for audio in utterances], drafts=False)
        return [Segment(self.draft(hearing, final=True).words) for hearing in hearings]

    @torch.inference_mode()
    def hear(self, chunks: Sequence[Chunk]) -> list[tuple[Draft, Hearing | None]]:
        """A draft for each chunk, and what to hear the next one of its utterance with; nothing after the last."""
        hearings = self.listen(chunks, drafts=True) if chunks else []
        return [
            (self.draft(hearing, final=chunk.final), None if chunk.final else hearing)
            for chunk, hearing in zip(chunks, hearings, strict=True)
        ]

    def listen(self, chunks: Sequence[Chunk], *, drafts: bool) -> list[Hearing]:
        received = [self.received(chunk) for chunk in chunks]
        heard = self.net.hear([piece for _, piece in received], self.mode, drafts=drafts)
        return [replace(hearing, heard=one) for (hearing, _), one in zip(received, heard, strict=True)]

    def received(self, chunk: Chunk) -> tuple[Hearing, Piece]:
        before: Hearing = chunk.state or Hearing(chunk.audio.start)
        features, sound = self.ear.hear(chunk.audio.samples, before.sound, final=chunk.final)
        waited = before.waited + len(features) * FRAME
        is_due = waited >= self.refresh
        hearing = replace(
            before, duration=before.duration + chunk.audio.duration, sound=sound, waited=0.0 if is_due else waited
        )
        return hearing, Piece(features, before.heard, chunk.final, is_due)

    def draft(self, hearing: Hearing, *, final: bool) -> Draft:
        first, second = hearing.heard.first, hearing.heard.second
        if self.mode == "fast":
            pieces, n_certain = self.pieces(first, hearing, FRAME, final)
        else:
            pieces, n_certain = self.pieces(second, hearing, FRAME * STRIDE, final)
        spell = {"sentencepiece": self.vocabulary.sentencepiece}
        if final:
            words = join(pieces, **spell)
            return Draft(words, len(words))
        n_final = n_settled(pieces[:n_certain], **spell)
        if self.mode != "fast":
            covered = hearing.start + (second.n_frames * FRAME * STRIDE if second else 0.0)
            later = self.pieces(first, hearing, FRAME, final)[0]
            pieces += [piece for piece in later if piece.start >= covered]
        return Draft(join(pieces, **spell), n_final)

    def pieces(
        self, decoded: Decoded | None, hearing: Hearing, frame: float, final: bool
    ) -> tuple[list[TextPiece], int]:
        """The pieces of a pass, and how many of them will not change any more."""
        if decoded is None:
            return [], 0
        tokens = decoded.beam.best.tokens()
        # How long the last token lasts nobody knows before the next one has fired.
        n_certain = len(tokens) if final else min(decoded.beam.n_certain(), len(decoded.fires) - 1)
        times = token_times(decoded.fires, len(tokens), decoded.n_frames, frame)
        found = []
        n_kept = 0
        for index, (token, (start, end)) in enumerate(zip(tokens, times, strict=True)):
            text = self.vocabulary.piece(token.id)
            if token.id in SILENT or text in SPECIAL:
                continue
            start, end = (hearing.start + min(time, hearing.duration) for time in (start, end))
            found.append(TextPiece(text, start, end, math.exp(token.logp)))
            n_kept += index < n_certain
        return found, n_kept
