"""Where text may be divided, and how well: the unbreakable runs of words and the joints between them."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from asr_cli.subtitles.columns import columns, is_blank, may_break
from asr_cli.transcript import Word

# Badness of dividing at a joint, from the best place to the worst.
SENTENCE, CLAUSE, SPACE, CHARACTER, CLINGING = 0.0, 1.0, 3.0, 4.0, 7.0
LONG_PAUSE = 0.5  # seconds; people stop that long between thoughts

SENTENCE_ENDS = frozenset("。．！？!?…｡")
CLAUSE_ENDS = frozenset("，、；：,;:–—､")
CLOSERS = "\"'”’»)]}）］｝」』】〉》〕"
ABBREVIATIONS = frozenset(("mr.", "mrs.", "ms.", "dr.", "st.", "vs.", "no.", "prof."))
# Words that lean on the one after them.
LEANING_WORDS = """
    a an the of to in on at for from with by and or but nor as if is are was were be not very
    i you he she we they it my your his her our their this that these those
"""
LEANING = frozenset(LEANING_WORDS.split())
# Characters that lean on the one before them, and those after which a phrase is over.
CHINESE_TAILS = frozenset("的地得了着过吗呢吧啊们")
JAPANESE_PARTICLES = frozenset("はがをにでともへやのかねよ")
# The commonest Chinese words of two characters: without a dictionary, at least these stay whole.
CHINESE_WORDS = """
    我们 你们 他们 她们 它们 咱们 大家 自己 什么 怎么 怎样 这个 那个 这些 那些 这样 那样 这里
    那里 哪里 一个 一些 一样 一下 一起 一直 一定 如果 因为 所以 但是 而且 或者 还是 虽然 然后
    不过 就是 可以 可能 应该 需要 没有 不是 不能 不会 不要 已经 现在 今天 明天 昨天 时候 时间
    以后 以前 之后 之前 非常 觉得 知道 认为 问题 事情 东西 方面 进行 通过 关于 对于 以及 其实
    其中 工作 公司 国家 中国 社会 发展 经济 今年 去年 开始 之间 包括 主要 比较 特别
"""
CHINESE_PAIRS = frozenset(CHINESE_WORDS.split())
NUMERALS = frozenset("零〇一二三四五六七八九十百千万亿億两")


@dataclass(frozen=True, slots=True)
class Atom:
    """A run of words that no line break may divide. Widths in columns.

    lead: the columns of its leading space.
    joint: badness of dividing before it.
    crossing: badness of not doing so in front of it.
    """

    words: tuple[Word, ...]
    width: int
    lead: int
    joint: float = SENTENCE
    crossing: float = 0.0

    @property
    def start(self) -> float:
        return self.words[0].start

    @property
    def end(self) -> float:
        return self.words[-1].end


def atoms(words: Iterable[Word], *, width: int) -> list[Atom]:
    """Gather the words; a run wider than two lines of `width` is divided against the rules."""
    runs: list[list[Word]] = []
    for word in words:
        if not runs or may_break(runs[-1][-1].text, word.text):
            runs.append([])
        runs[-1].append(word)
    parts = [part for run in runs for part in (divided(run, width) if wide(run) > 2 * width else [run])]
    return [atom(part, parts[i - 1][-1] if i else None) for i, part in enumerate(parts)]


def wide(run: list[Word]) -> int:
    return sum(columns(word.text) for word in run)


def divided(run: list[Word], width: int) -> list[list[Word]]:
    parts = [run[:1]]
    for word in run[1:]:
        if wide([*parts[-1], word]) > width and not is_blank(word.text):
            parts.append([])
        parts[-1].append(word)
    return parts


def atom(run: list[Word], before: Word | None) -> Atom:
    text = "".join(word.text for word in run)
    lead = columns(text[: len(text) - len(text.lstrip())])
    if before is None:
        return Atom(tuple(run), columns(text), lead)
    badness, pause = joint(before.text, run[0].text), max(run[0].start - before.end, 0.0)
    if badness > SENTENCE and pause > 0.15:
        badness = max(badness - 4 * pause, CLAUSE / 2)
    return Atom(tuple(run), columns(text), lead, badness, crossing(before.text, badness, pause))


def crossing(before: str, badness: float, pause: float) -> float:
    """What it costs to run two thoughts together in one cue."""
    return (1.0 if badness == SENTENCE else 0.0) + (2 * pause if pause >= LONG_PAUSE else 0.0)


def joint(left: str, right: str) -> float:
    """How bad it is to divide between two words, by what they are.

    >>> joint("end.", " Then"), joint("好，", "你"), joint(" the", " house"), joint("天", "气")
    (0.0, 1.0, 5.0, 4.0)
    """
    body = left.strip().rstrip(CLOSERS)
    last, first = body[-1:], right.strip()[:1]
    if last in SENTENCE_ENDS or (last == "." and body.lower() not in ABBREVIATIONS and len(body) != 2):
        return SENTENCE
    if last in CLAUSE_ENDS:
        return CLAUSE
    if right[:1].isspace():
        leaning = body.lower() in LEANING or last == "." or (last.isdigit() and first.isalpha())
        return SPACE + 2.0 if leaning else SPACE
    return between_characters(last, first)


def between_characters(last: str, first: str) -> float:
    if (last in NUMERALS and first in NUMERALS) or first in CHINESE_TAILS or last + first in CHINESE_PAIRS:
        return CLINGING
    if last in CHINESE_TAILS:
        return SPACE
    kinds = kind(last), kind(first)
    if kinds == ("katakana", "katakana") or kinds == ("han", "hiragana"):
        return CLINGING  # inside a loan word; before an inflection or a particle
    if kinds[0] == "hiragana" and kinds[1] in ("han", "katakana"):
        return SPACE - 1.0  # where a Japanese phrase begins
    return SPACE if last in JAPANESE_PARTICLES else CHARACTER


def kind(character: str) -> str:
    if "\u3041" <= character <= "\u309f":
        return "hiragana"
    if "\u30a0" <= character <= "\u30ff" or "\uff66" <= character <= "\uff9f":
        return "katakana"
    return "han" if character and unicodedata.category(character) == "Lo" else "other"
