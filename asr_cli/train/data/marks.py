"""Punctuated text as its bare words, and the mark that follows each: what a punctuation network is to find again."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import pairwise

from asr_cli.punctuation.blocks import COMMA, PAUSE, QUESTION, STOP
from asr_cli.punctuation.tokens import Cutter, tokens_of
from asr_cli.text.characters import is_unspaced
from asr_cli.train.data import prose
from asr_cli.train.data.tokens import words_of
from asr_cli.transcript import Word

# A word or a number, in any script.
WORD = re.compile(r"\d[\d,.]*\d|[^\W_]+(?:['’][^\W\d_]+)*")
# Of the marks that may stand between two words of unspaced text, the first that does.
UNSPACED = ((QUESTION, "？?"), (STOP, "。．！!…"), (COMMA, "，；：;:—"), (PAUSE, "、"))
SPACED = {"": "", ",": COMMA, ".": STOP, "?": QUESTION}
WIDE = frozenset("".join(marks for _, marks in UNSPACED)) - set("?!;:…—")


def paragraphs_of(text: str) -> list[str]:
    """The paragraphs of a book that are prose: neither headings nor tables."""
    found = []
    for block in re.split(r"\n\s*\n", text.replace("_", "")):
        bare = "".join(block.split())
        if 2 * sum(map(is_unspaced, bare)) > len(bare):
            found += [line.strip() for line in block.split("\n") if ends(line)]
        elif prose.is_prose(block):
            found.append(" ".join(block.split()))
    return found


def ends(line: str) -> bool:
    """Whether a line of unspaced text ends as a sentence does."""
    bare = line.rstrip().rstrip("」』”’）)》\"'")
    return bool(bare) and any(bare[-1] in marks for _, marks in UNSPACED)


def marked_words(paragraph: str, *, normalize: bool) -> Iterator[tuple[str, str]]:
    """Words, and what follows each. normalize: to NFKC and small letters, as recognisers write.

    >>> list(marked_words("Well, well! Who's there?", normalize=True))
    [('well', '，'), ('well', '。'), ("who's", ''), ('there', '？')]
    >>> list(marked_words("他说：“好。”我走了", normalize=True))
    [('他', ''), ('说', '，'), ('好', '。'), ('我', ''), ('走', ''), ('了', '。')]
    """
    found = list(WORD.finditer(paragraph))
    for match, after in pairwise([*found, None]):
        assert match is not None
        between = paragraph[match.end() : after.start() if after else len(paragraph)]
        written = match.group().replace("’", "'")
        *others, last = words_of(unicodedata.normalize("NFKC", written).lower() if normalize else written)
        yield from ((word, "") for word in others)
        yield last, mark_in(between, last, after.group() if after else None)


def mark_in(between: str, word: str, following: str | None) -> str:
    """The mark a transcript would have: of what stands between two words, the strongest."""
    if is_unspaced(word[-1]) or WIDE & set(between):
        none = "" if following else STOP
        return next((mark for mark, known in UNSPACED if set(known) & set(between)), none)
    return SPACED[prose.mark_in(between, word, following)]


def tokens_and_marks(
    paragraph: str, cut: Cutter | None = None, *, normalize: bool = True
) -> tuple[list[str], list[str]]:
    """What the network takes for tokens, and what follows each."""
    marked = list(marked_words(paragraph, normalize=normalize))
    # A word knows its place by when it is said: that is all tokens leave of it.
    words = [
        Word(word if is_unspaced(word[0]) else f" {word}", float(place), float(place))
        for place, (word, _) in enumerate(marked)
    ]
    tokens = tokens_of(words, cut)
    return (
        [token.text for token in tokens],
        [marked[int(token.words[-1].start)][1] if token.words else "" for token in tokens],
    )


def labels_of(marks: Sequence[str]) -> dict[str, int]:
    """The label of each mark in a network's list; what the list lacks is said with what is nearest.

    >>> labels_of(("<unk>", "_", ",", "。", "?"))
    {'': 1, '，': 2, '。': 3, '？': 4, '、': 2}
    """
    known = {mark: number for number, mark in enumerate(marks)}
    none = known["_"]
    comma = known.get(COMMA, known.get(",", none))
    stop = known.get(STOP, comma)
    question = known.get(QUESTION, known.get("?", stop))
    return {"": none, COMMA: comma, STOP: stop, QUESTION: question, PAUSE: known.get(PAUSE, comma)}
