"""Vocabularies made from transcripts, and transcripts spelled with a vocabulary.

Every character of an unspaced script is a token. Other words are whole tokens, or pieces of which all but the last end
in "@@", as FunASR's vocabularies have them (others begin words with "▁"; checkpoints come with either).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from asr_cli.errors import UsageError
from asr_cli.text.characters import is_unspaced
from asr_cli.text.vocabulary import UNKNOWN, Vocabulary
from asr_cli.text.words import BEGINS, GOES_ON
from asr_cli.train.config import VocabularyConfig

FIRST = ("<blank>", "<s>", "</s>")  # what FunASR's vocabularies begin with
LAST = UNKNOWN[0]
MOSTLY = 0.5  # of the characters, from which on a text is one of an unspaced script
END = "</w>"


def build_tokens(texts: Iterable[str], config: VocabularyConfig) -> list[str]:
    """A vocabulary that spells these texts, in an order that depends on nothing but them."""
    words = Counter(word for text in texts for word in words_of(text))
    characters = Counter({word: n for word, n in words.items() if is_unspaced(word[0])})
    spaced = Counter({word: n for word, n in words.items() if word not in characters})
    if not words:
        raise UsageError("the transcripts hold no text to make a vocabulary of; check the data")
    reserved = len(FIRST) + 1 + len(characters)
    if config.kind in ("word", "mixed"):
        # A word that was seen more often comes first; those that there is no room for are unknown, or spelled out.
        alphabet = alphabet_of(spaced, config.size - reserved) if config.kind == "mixed" else set()
        common = sorted(spaced.keys() - alphabet, key=lambda word: (-spaced[word], word))
        found = {*characters, *alphabet, *common[: max(0, config.size - reserved - len(alphabet))]}
    elif config.kind == "char" or (config.kind == "auto" and mostly_unspaced(characters, spaced)):
        found = {*characters, *(piece for word in spaced for piece in letters(word))}
    else:
        found = {*characters, *(bpe_pieces(spaced, config.size - reserved) if spaced else ())}
    return [*FIRST, *sorted(found - {*FIRST, LAST}), LAST]


def mostly_unspaced(characters: Mapping[str, int], spaced: Mapping[str, int]) -> bool:
    n_unspaced = sum(characters.values())
    return n_unspaced > MOSTLY * (n_unspaced + sum(len(word) * n for word, n in spaced.items()))


def words_of(text: str) -> Iterator[str]:
    """Each character of unspaced scripts, and what stands between them and spaces.

    >>> list(words_of("用 iPhone打电话"))
    ['用', 'iPhone', '打', '电', '话']
    """
    for word in text.split():
        for is_character, run in groupby(word, is_unspaced):
            if is_character:
                yield from run
            else:
                yield "".join(run)


def letters(word: str) -> list[str]:
    """
    >>> letters("two")
    ['t@@', 'w@@', 'o']
    """
    return [*(letter + GOES_ON for letter in word[:-1]), word[-1]]


def alphabet_of(words: Iterable[str], size: int) -> set[str]:
    """Every letter, inside words and at their ends, if there are at most `size` of them."""
    used = {letter for word in words for letter in word}
    alphabet = {*used, *(letter + GOES_ON for letter in used)}
    if size < len(alphabet):
        raise UsageError(
            f"a vocabulary of {size} pieces has no room for the {len(alphabet)} that its letters take;"
            " make train.vocabulary.size larger, or its kind char"
        )
    return alphabet


def bpe_pieces(words: Mapping[str, int], size: int) -> set[str]:
    """Pieces by byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909), at most `size` of them.

    Every letter that was seen is one both inside words and at their ends: so the longest pieces first, from left to
    right, never lead to a rest that cannot be spelled.
    """
    from tokenizers import Tokenizer, models, trainers

    alphabet = alphabet_of(words, size)
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix=END))
    n_wanted = size
    while True:
        # The trainer's own letters are among what it counts, and differ from ours; so it is asked again for fewer.
        trainer = trainers.BpeTrainer(vocab_size=n_wanted, end_of_word_suffix=END, show_progress=False)
        tokenizer.train_from_iterator((word for word, n in sorted(words.items()) for _ in range(n)), trainer)
        found = alphabet | {marked(piece) for piece in tokenizer.get_vocab()}
        if len(found) <= size:
            return found
        n_wanted -= len(found) - size


def marked(piece: str) -> str:
    return piece.removesuffix(END) if piece.endswith(END) else piece + GOES_ON


class Speller:
    """Texts as ids. What the vocabulary has no piece for is unknown: None where that is not to be had.

    >>> Speller(Vocabulary(["<blank>", "hel@@", "lo", "你", "<unk>"])).ids("hello你")
    ((1, 2, 3), ())
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._known: dict[str, tuple[int, ...] | None] = {}

    def ids(self, text: str) -> tuple[tuple[int, ...], tuple[str, ...]]:
        """The ids of a text, and the words in it that cannot be spelled, which are one unknown token each."""
        found: list[int] = []
        unknown: list[str] = []
        for word in words_of(text):
            if word not in self._known:
                self._known[word] = self.spell(word)
            spelled = self._known[word]
            if spelled is None:
                unknown.append(word)
                spelled = (self.vocabulary.unknown,) if self.vocabulary.unknown is not None else ()
            found += spelled
        return tuple(found), tuple(unknown)

    def spell(self, word: str) -> tuple[int, ...] | None:
        """The longest pieces first, from left to right; characters of unspaced scripts begin no word."""
        pieces = [self.bare(word)] if self.bare(word) in self.vocabulary else self.pieces(word)
        return None if pieces is None else tuple(map(self.vocabulary.id, pieces))

    def bare(self, word: str) -> str:
        if self.vocabulary.sentencepiece and not is_unspaced(word[0]):
            return BEGINS + word
        return word

    def pieces(self, word: str) -> list[str] | None:
        found: list[str] = []
        begin = 0
        while begin < len(word):
            ends = range(min(len(word), begin + self.vocabulary.longest), begin, -1)
            end = next((end for end in ends if self.piece(word, begin, end) in self.vocabulary), None)
            if end is None:
                return None
            found.append(self.piece(word, begin, end))
            begin = end
        return found

    def piece(self, word: str, begin: int, end: int) -> str:
        if self.vocabulary.sentencepiece:
            return (BEGINS if begin == 0 else "") + word[begin:end]
        return word[begin:end] + (GOES_ON if end < len(word) else "")


def lexicon(texts: Iterable[str], vocabulary: Vocabulary) -> dict[str, list[str]]:
    """What FunASR calls a seg_dict, by which it spells hotwords: the tokens that are a word or character by themselves
    (what is not in it FunASR does not know), and how each other word of the texts is spelled."""
    speller = Speller(vocabulary)
    found = {}
    if not vocabulary.sentencepiece:
        found = {one: [one] for one in vocabulary.tokens if not one.endswith(GOES_ON) and not is_special(one)}
    for word in sorted({word for text in texts for word in words_of(text)}):
        pieces = None if speller.bare(word) in vocabulary else speller.pieces(word)
        if pieces is not None:
            found[word] = pieces
    return found


def is_special(token: str) -> bool:
    return token.startswith("<") and token.endswith(">")
