"""How well the small English punctuation model does on books that it never saw.

usage: punctuation_quality.py [SHARED_DATA]

For each held-out book, as a recogniser would hear it (lower case, no marks), first without mistakes and then with a
share of the words replaced, lost or made up; and with the published rule of ending what is left with a stop.
"""

import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from asr_cli.punctuation.ct import CtPunctuator
from asr_cli.punctuation.tokens import Token as Read
from asr_cli.train.data.prose import Token, read_books
from asr_cli.train.punctuation import HELD_OUT

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
ERRORS = (0.0, 0.1, 0.2)
MARKS = {",": "，", ".": "。", "?": "？"}


def misheard(book: Sequence[Token], share: float, seed: int = 7) -> list[Token]:
    """Two thirds of the mistakes replace a word, a sixth lose one, a sixth make one up."""
    dice = random.Random(seed)
    found: list[Token] = []
    for token in book:
        fate = dice.random() / share if share else 1.0
        if fate < 2 / 3:
            found.append(Token(dice.choice(book).word, token.mark, None))
        elif fate < 5 / 6 and found:
            found[-1] = replace(found[-1], mark=max(found[-1].mark, token.mark))
        elif fate < 1:
            found += [Token(dice.choice(book).word, "", None), token]
        else:
            found.append(token)
    return found


def rates(said: Sequence[bool], true: Sequence[bool]) -> str:
    hits = sum(a and b for a, b in zip(said, true, strict=True))
    precision, recall = hits / max(sum(said), 1), hits / max(sum(true), 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    return f"{precision:.2f} / {recall:.2f} / **{f1:.2f}**"


def row(punctuator: CtPunctuator, book: Sequence[Token]) -> list[str]:
    marked = list(punctuator.marked([[Read(token.word) for token in book]]))
    columns = [
        rates([one.mark == mark for one in marked], [token.mark == name for token in book])
        for name, mark in MARKS.items()
    ]
    columns.append(rates([one.mark in "。？" and one.mark != "" for one in marked],
                         [token.mark in (".", "?") for token in book]))  # fmt: skip
    known = [(one.capital, token.capital) for one, token in zip(marked, book, strict=True) if token.capital is not None]
    columns.append(rates([said for said, _ in known], [bool(true) for _, true in known]))
    return columns


def main() -> None:
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else SHARED
    punctuator = CtPunctuator.built_in()
    print("| held-out book | words misheard | comma | stop | question mark | sentence end | names |")
    print("|---|---|---|---|---|---|---|")
    for name in HELD_OUT:
        [book] = read_books([data / "text" / "en" / name])
        for share in ERRORS:
            cells = row(punctuator, misheard(book, share))
            print(f"| {name.removesuffix('.txt').replace('_', ' ')} | {share:.0%} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
