"""The words of an utterance while it is still spoken."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from asr_cli.models.paraformer_times import FRAME, LONGEST, SHIFT, spans
from asr_cli.text.settled import last_border, n_closed
from asr_cli.text.words import SPECIAL, Piece, join
from asr_cli.transcript import Draft, Word

ROW = 3  # frames of 20 ms, in which times are told, make a row of 60 ms, in which tokens fire


@dataclass(frozen=True, slots=True)
class Token:
    """A piece that fired; `place`: when, in frames of 20 ms. text: None for a token that is no text."""

    text: str | None
    confidence: float
    place: float


@dataclass(frozen=True, slots=True)
class Text:
    """What is known of an utterance: words that stay as they are, the pieces behind them, and the token that fired
    last, which lasts until the next one."""

    start: float = 0.0
    words: tuple[Word, ...] = ()
    pieces: tuple[Piece, ...] = ()
    last: Token | None = None

    def heard(self, tokens: Sequence[Token]) -> "Text":
        """The text with what fired since."""
        fired = [*([self.last] if self.last else []), *tokens]
        if not fired:
            return self
        # One token more than can be timed: of the last nobody knows yet how long it lasts.
        times = spans([token.place for token in fired], len(fired), 0)[:-1]
        pieces = (*self.pieces, *(self.piece(*one) for one in zip(fired[:-1], times, strict=True) if one[0].text))
        return replace(self, pieces=pieces, last=fired[-1])

    def piece(self, token: Token, frames: tuple[float, float]) -> Piece:
        begin, end = (self.start + max(0.0, frame) * FRAME for frame in frames)
        return Piece(token.text or "", begin, end, token.confidence)

    def draft(self, n_rows: int, *, final: bool, sentencepiece: bool) -> tuple[Draft, "Text"]:
        """All words so far, and the text without having to put those together again that will not change.

        n_rows: how much of the utterance was heard. final: that was all of it.
        """
        pieces = [piece for piece in (*self.pieces, *self.closing(n_rows * ROW, final)) if piece.text not in SPECIAL]
        n_done = last_border(pieces)
        words = (*self.words, *join(pieces[:n_done], sentencepiece=sentencepiece))
        open_words = join(pieces[n_done:], sentencepiece=sentencepiece)
        n_final = len(words) + (len(open_words) if final else n_closed(open_words))
        open_pieces = tuple(piece for piece in self.pieces if piece.text not in SPECIAL)[n_done:]
        return Draft((*words, *open_words), n_final), replace(self, words=words, pieces=open_pieces)

    def closing(self, n_frames: int, final: bool) -> list[Piece]:
        """The piece that fired last, as long as it has lasted."""
        if self.last is None or not self.last.text:
            return []
        heard = max(self.last.place, float(n_frames))
        if final:
            return [self.piece(self.last, spans([self.last.place, heard], 1, n_frames)[0])]
        return [self.piece(self.last, (self.last.place, min(heard, self.last.place + LONGEST)))]


def placed(row: int) -> float:
    """When something fired, in frames, from the row of 60 ms."""
    return row * ROW + SHIFT
