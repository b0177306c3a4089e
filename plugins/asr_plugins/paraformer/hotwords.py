"""Hotwords as a Paraformer takes them: each a list of token ids."""

import logging
from collections.abc import Iterable
from pathlib import Path

from asr_cli.errors import ModelError
from asr_cli.text.vocabulary import Vocabulary

log = logging.getLogger("asr")

START = "<s>"  # closes the list: it stands for none of them


def encode(hotwords: Iterable[str], vocabulary: Vocabulary, lexicon: dict[str, list[str]]) -> list[list[int]]:
    """The ids of every hotword that can be spelled, and the one that stands for none."""
    found = []
    for hotword in hotwords:
        tokens = [token for word in hotword.lower().split() for token in spell(word, vocabulary, lexicon)]
        if not tokens or not all(token in vocabulary for token in tokens):
            log.warning("the hotword %r cannot be spelled with the model's vocabulary, so it is left out", hotword)
            continue
        found.append([vocabulary.id(token) for token in tokens])
    return [*found, [vocabulary.id(START)]]


def spell(word: str, vocabulary: Vocabulary, lexicon: dict[str, list[str]]) -> list[str]:
    """The tokens of a word: the lexicon's, its own, or one for each character; none of these is a token nobody knows.

    >>> spell("hello你好", Vocabulary(["hel@@", "lo", "你", "好"]), {"hello": ["hel@@", "lo"]})
    ['hel@@', 'lo', '你', '好']
    """
    if word in lexicon:
        return lexicon[word]
    if word in vocabulary:
        return [word]
    parts = runs(word)
    if len(parts) > 1:
        return [token for part in parts for token in spell(part, vocabulary, lexicon)]
    return pieces(word, vocabulary)


def runs(word: str) -> list[str]:
    """Each character beyond ASCII alone, stretches of ASCII together.

    >>> runs("用python写")
    ['用', 'python', '写']
    """
    found: list[str] = []
    for character in word:
        if found and character.isascii() and found[-1].isascii():
            found[-1] += character
        else:
            found.append(character)
    return found


def pieces(word: str, vocabulary: Vocabulary) -> list[str]:
    """The longest pieces of the vocabulary first, from left to right; the word itself where they do not reach.

    >>> pieces("helper", Vocabulary(["hel@@", "per", "p@@", "er"]))
    ['hel@@', 'per']
    """
    found, begin = [], 0
    while begin < len(word):
        ends = range(min(len(word), begin + vocabulary.longest), begin, -1)
        end = next((end for end in ends if piece(word, begin, end, vocabulary) in vocabulary), None)
        if end is None:
            return [word]
        found.append(piece(word, begin, end, vocabulary))
        begin = end
    return found


def piece(word: str, begin: int, end: int, vocabulary: Vocabulary) -> str:
    if vocabulary.sentencepiece:
        return ("▁" if begin == 0 else "") + word[begin:end]
    return word[begin:end] + ("@@" if end < len(word) else "")


def read_lexicon(path: Path | None) -> dict[str, list[str]]:
    """The seg_dict of a model: on each line a word and its tokens."""
    if path is None:
        return {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"cannot read the hotword lexicon {str(path)!r}: {error}; download the model again") from error
    return {word: tokens for word, *tokens in map(str.split, filter(str.strip, lines))}
