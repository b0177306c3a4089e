"""CT-Transformer punctuation of any recogniser's words."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path
from typing import Self

import torch

from asr_cli.errors import damaged
from asr_cli.models.ct_punc import CtPuncNet
from asr_cli.nn.rows import Rows
from asr_cli.punctuation.blocks import COMMA, QUESTION, Marked, mark_blocks
from asr_cli.punctuation.dictionary import chinese_cutter
from asr_cli.punctuation.pauses import evidence
from asr_cli.punctuation.realtime import mark_utterances
from asr_cli.punctuation.sentences import sentences
from asr_cli.punctuation.tokens import Cutter, Token, tokens_of
from asr_cli.punctuation.vocabulary import Lexicon
from asr_cli.punctuation.weights import read_folder, read_own
from asr_cli.text.characters import is_unspaced
from asr_cli.transcript import Segment, Word

N_AFTER = 4  # of our own network: it is not sure of the last words it sees
LONG_PAUSE = 2.0  # seconds; whoever is silent that long has ended a sentence
SILENT = ("<unk>", "_")  # labels of a word that nothing follows
FULL_WIDTH = {",": COMMA, "?": QUESTION}  # some configurations write the marks so


@dataclass(frozen=True, slots=True)
class CtPunctuator:
    """Keeps the Punctuator role. Sentences run over the borders of utterances, but not over a long pause.

    cut: divides unspaced text into words, for a network that reads such words whole.
    n_after: how many words must follow the end of a sentence for it to be believed; FunASR asks for one.
    hears_pauses: whether the silence between words counts as well; FunASR's does not.
    """

    net: CtPuncNet
    vocabulary: Lexicon
    cut: Cutter | None = None
    n_after: int = 1
    hears_pauses: bool = False

    @classmethod
    def built_in(cls) -> Self:
        """The English model that comes with the program."""
        model = read_own()
        return cls(model.net, model.vocabulary, n_after=N_AFTER, hears_pauses=True)

    @classmethod
    def from_folder(cls, folder: Path) -> Self:
        """A checkpoint in FunASR's layout."""
        model = read_folder(folder)
        return cls(model.net, model.vocabulary, chinese_cutter(model.dictionary) if model.dictionary else None)

    def __call__(self, segments: Iterable[Segment], /) -> Iterator[Segment]:
        for voice, turn in turns(segments):
            for sentence in sentences(self.marked(tokens_of(words, self.cut) for words in turn)):
                yield replace(voice, words=sentence.words)

    def marked(self, utterances: Iterable[Sequence[Token]]) -> Iterator[Marked]:
        if self.net.config.realtime:
            return mark_utterances(utterances, self.label)
        return mark_blocks(chain.from_iterable(utterances), self.label, n_after=self.n_after)

    def label(self, tokens: Sequence[Token], n_heard: int = 0) -> list[Marked]:
        """Each token with the likeliest mark."""
        ids = torch.tensor([self.vocabulary.id(token.text) for token in tokens])
        with torch.inference_mode():
            marks, capitals = self.net(ids, Rows([len(tokens)]), [n_heard])
        if not marks.isfinite().all():
            raise damaged("the punctuation model")
        names = [meaning(name) for name in self.net.config.punc_list]
        if self.hears_pauses:
            marks = marks + evidence(tokens, names)
        large = [False] * len(tokens) if capitals is None else (capitals > 0).tolist()
        best = [names[index] for index in marks.argmax(1).tolist()]
        return [Marked(*one) for one in zip(tokens, best, large, strict=True)]


def meaning(name: str) -> str:
    return "" if name in SILENT else FULL_WIDTH.get(name, name)


def turns(segments: Iterable[Segment]) -> Iterator[tuple[Segment, Iterator[tuple[Word, ...]]]]:
    """Yield what one voice says without a long pause: the voice, and the words of each utterance, as they come."""
    for (_, voice), numbered in groupby(utterances(segments), key=itemgetter(0)):
        yield voice, (words for _, words in numbered)


def utterances(segments: Iterable[Segment]) -> Iterator[tuple[tuple[int, Segment], tuple[Word, ...]]]:
    """Yield stretches of words without a long pause in them, under the turn's number and voice."""
    number, voice = 0, Segment(())
    last: Word | None = None
    for segment in segments:
        stretch: list[Word] = []
        for word in segment.words:
            pauses = last is not None and word.start - last.end >= LONG_PAUSE
            if stretch and pauses:
                yield (number, voice), tuple(stretch)
                stretch = []
            if last is not None and (pauses or voice_of(segment) != voice):
                number += 1
            elif last is not None and not stretch:
                word = spaced(word, last)
            stretch.append(word)
            last, voice = word, voice_of(segment)
        if stretch:
            yield (number, voice), tuple(stretch)


def voice_of(segment: Segment) -> Segment:
    """What its sentences have in common: who speaks, in what language, and whether to believe it."""
    return Segment((), segment.speaker, language=segment.language, suspect=segment.suspect)


def spaced(word: Word, last: Word) -> Word:
    """The first word of an utterance with the space it needs now that it goes on with a sentence."""
    if word.text[:1].isspace() or is_unspaced(word.text[:1] or " ") or is_unspaced(last.text[-1:] or " "):
        return word
    return replace(word, text=f" {word.text}")
