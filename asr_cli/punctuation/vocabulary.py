"""The words of our own punctuation models; a published one's are an asr_cli.text.vocabulary.Vocabulary."""

from collections.abc import Iterable
from typing import Protocol

UNKNOWN = "<unk>"
NUMBER = "0"
ENDING = "*"
LONGEST_ENDING = 4  # letters


class Lexicon(Protocol):
    """From a word to the number that the network knows it by."""

    def id(self, token: str, /) -> int: ...


class SpokenVocabulary:
    """Lower-case words, one number for all numbers, and endings for the words that are not in it.

    >>> words = SpokenVocabulary([UNKNOWN, "0", "sing", "*ing"])
    >>> [words.id(word) for word in ("Sing", "2024", "googling", "xyz")]
    [2, 1, 3, 0]
    """

    def __init__(self, words: Iterable[str]) -> None:
        self.words = tuple(words)
        self._ids = {word: number for number, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    def id(self, token: str, /) -> int:
        bare = token.lower().replace("’", "'").strip("'-.,?!")
        if bare[:1].isdigit():
            bare = NUMBER
        found = self._ids.get(bare)
        return self.ending(bare) if found is None else found

    def ending(self, word: str) -> int:
        """The number of the longest ending that is known."""
        lengths = range(min(LONGEST_ENDING, len(word) - 1), 0, -1)
        known = (self._ids.get(ENDING + word[-n_letters:]) for n_letters in lengths)
        return next((found for found in known if found is not None), self._ids[UNKNOWN])
