"""What punctuating costs as the text grows: it must grow as the text does, marks or none.

usage: punctuation_cost.py [FOLDER]      a checkpoint in FunASR's layout instead of the small English model
"""

import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from asr_cli.punctuation.blocks import Marked, mark_blocks
from asr_cli.punctuation.ct import CtPunctuator
from asr_cli.punctuation.tokens import Token

SIZES = (1_000, 10_000, 100_000)  # characters
SENTENCE = "well i think that we should go there tomorrow and see what it is like because nobody has told us anything "


def tokens(n_characters: int) -> list[Token]:
    dice = random.Random(n_characters)
    found: list[Token] = []
    while n_characters > 0:
        word = dice.choice(SENTENCE.split())
        found.append(Token(word))
        n_characters -= len(word) + 1
    return found


def seconds(punctuator: CtPunctuator, text: Sequence[Token], *, marks: bool) -> float:
    def without(part: Sequence[Token]) -> list[Marked]:
        return [Marked(one.token, "") for one in punctuator.label(part)]

    begun = time.perf_counter()
    for _ in mark_blocks(text, punctuator.label if marks else without, n_after=punctuator.n_after):
        pass
    return time.perf_counter() - begun


def main() -> None:
    punctuator = CtPunctuator.from_folder(Path(sys.argv[1])) if len(sys.argv) > 1 else CtPunctuator.built_in()
    seconds(punctuator, tokens(1_000), marks=True)
    print("| characters | tokens | seconds | a thousand characters | the same where no mark is ever found |")
    print("|---|---|---|---|---|")
    for size in SIZES:
        text = tokens(size)
        usual, worst = (seconds(punctuator, text, marks=marks) for marks in (True, False))
        each = (f"{1000 * spent / (size / 1000):.1f} ms" for spent in (usual, worst))
        print(f"| {size:,} | {len(text):,} | {usual:.2f} | {' | '.join(each)} |", flush=True)


if __name__ == "__main__":
    main()
