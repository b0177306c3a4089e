"""Which words of two readings of one stretch are the same spoken word.

The longest common sequence over words and times: of all ways to pair words in order, the one of greatest
weight. A pair weighs more the closer its times are, so of several equal words ("no no no") each finds its
own twin; and less the less sure it is that both readings could hear it, so a run of equal words that crosses
the border is not slid along it.
"""

import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from typing import NamedTuple

from asr_cli.transcript import Word

TOLERANCE = 0.6  # s between the centres of one spoken word in two readings; recognisers wander by 0.1 to 0.3
MARGIN = 0.3  # s by which a word of the overlap may seem to lie outside it, for the same reason
SUBSTITUTE = 0.1  # weight of two different words heard at the same time: far below that of an equal pair
FASTEST = 0.04  # s a word, on the average; the fastest talkers take three times as long
FEW = 4  # words that may well be said in no time: a scrap at an edge, whose times are all clamped to it
MAX_RIVALS = 64  # candidates a word is compared with, so that a thousand words at one instant stay affordable


class Pair(NamedTuple):
    """Word `before` of the first reading is word `after` of the second; `same` if they are spelled alike."""

    before: int
    after: int
    same: bool


class Node(NamedTuple):
    pair: Pair
    parent: "Node | None"


class Heard(NamedTuple):
    """A word as alignment sees it; sure: 0.5 if the other reading must have heard it too, to 0 if not."""

    key: str
    centre: float
    start: float
    end: float
    sure: float
    inside: bool


def centre(word: Word) -> float:
    return (word.start + word.end) / 2


def align(before: Sequence[Word], after: Sequence[Word], overlap: tuple[float, float]) -> list[Pair]:
    """Pair the words of two readings of `overlap` (start, end); pairs come in the order of both."""
    start, end = overlap
    left = [heard(word, centre(word) - start) for word in before]  # the second reading begins at start
    right = [heard(word, end - centre(word)) for word in after]  # the first one ends at end
    return heaviest_chain(left, right)


def align_untimed(before: Sequence[Word], after: Sequence[Word]) -> list[Pair]:
    """Pair the words of two readings by their text alone, for where the times of one say nothing."""
    # The overlap is the end of the first reading, so of several places there, the last one is meant.
    left, right = ([key(word.text) for word in reversed(words)] for words in (before, after))
    blocks = SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks()
    pairs = [(block.a + k, block.b + k) for block in blocks for k in range(block.size)]
    return [Pair(len(left) - 1 - i, len(right) - 1 - j, True) for i, j in reversed(pairs)]


def has_times(words: Sequence[Word]) -> bool:
    """Whether they can have been said when they are said to be; a recogniser may put them all at one moment."""
    return len(words) < FEW or words[-1].end - words[0].start > FASTEST * len(words)


def heard(word: Word, depth: float) -> Heard:
    """depth: seconds inside the border beyond which the other reading hears nothing."""
    sure = min(max((depth + MARGIN) / (4 * MARGIN), 0.0), 0.5)
    return Heard(key(word.text), centre(word), word.start, word.end, sure, depth >= 0)


@lru_cache(maxsize=4096)
def key(text: str) -> str:
    """What must be equal: letters, digits and marks, without case, width or punctuation."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    bare = "".join(char for char in folded if unicodedata.category(char)[0] in "LNM")
    return bare or folded.strip()


def heaviest_chain(left: Sequence[Heard], right: Sequence[Heard]) -> list[Pair]:
    """The heaviest pairs that rise in both readings, found from left to right.

    Kept at any time: for each place in the second reading that matters, the best chain that ends there.
    Places and weights both rise along the list, so a binary search finds the best chain a pair can follow.
    """
    centres = rising([word.centre for word in right])
    places: list[int] = []
    weights: list[float] = []
    chains: list[Node] = []
    for i, word in enumerate(left):
        # From the back, so that a word never follows a pair of its own.
        for j in reversed(rivals(i / max(1, len(left)), word.centre, centres)):
            gain = weight(word, right[j])
            if gain <= 0:
                continue
            at = bisect_left(places, j)
            total = gain + (weights[at - 1] if at else 0.0)
            beaten = bisect_right(weights, total, lo=at)
            if beaten == at and at < len(places) and places[at] == j:
                continue
            node = Node(Pair(i, j, word.key == right[j].key), chains[at - 1] if at else None)
            places[at:beaten], weights[at:beaten], chains[at:beaten] = [j], [total], [node]
    return unwind(chains[-1] if chains else None)


def rising(values: Sequence[float]) -> list[float]:
    highest = float("-inf")
    return [highest := max(highest, value) for value in values]


def rivals(progress: float, moment: float, centres: Sequence[float]) -> range:
    """The words of the second reading near enough in time."""
    first = bisect_left(centres, moment - TOLERANCE)
    last = bisect_right(centres, moment + TOLERANCE)
    if last - first <= MAX_RIVALS:
        return range(first, last)
    # Too many words in too little time to tell them apart by it: stay where both are equally far through.
    middle = min(max(int(progress * len(centres)), first + MAX_RIVALS // 2), last - MAX_RIVALS // 2)
    return range(middle - MAX_RIVALS // 2, middle + MAX_RIVALS // 2)


def weight(one: Heard, other: Heard) -> float:
    if one.key == other.key:
        return one.sure + other.sure - ((one.centre - other.centre) / TOLERANCE) ** 2
    if not (one.inside and other.inside):
        return 0.0
    shared = min(one.end, other.end) - max(one.start, other.start)
    shorter = min(one.end - one.start, other.end - other.start)
    return SUBSTITUTE * shared / shorter if shorter > 0 and shared >= shorter / 2 else 0.0


def unwind(node: Node | None) -> list[Pair]:
    pairs: list[Pair] = []
    while node is not None:
        pairs.append(node.pair)
        node = node.parent
    return pairs[::-1]
