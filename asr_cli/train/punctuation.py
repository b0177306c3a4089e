"""Train the small English punctuation model that ships with the program:
python -m asr_cli.train.punctuation --text DIR --out FILE.

It reads books as a recogniser would hear them (prose.py), with the recogniser's mistakes, from one seed.
"""

import argparse
import copy
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from asr_cli.models.ct_punc import Config, CtPuncNet
from asr_cli.nn.rows import Rows
from asr_cli.punctuation.vocabulary import LONGEST_ENDING, NUMBER, UNKNOWN, SpokenVocabulary
from asr_cli.punctuation.weights import write_own
from asr_cli.train.data.prose import MARKS, Token, read_books
from asr_cli.train.schedule import follow, warm_cosine

# Whole books that training never sees: the figures of the card are theirs.
HELD_OUT = ("the_metamorphosis.txt", "the_time_machine.txt")
LABELS = ("<unk>", "_", "，", "。", "？")  # of the published checkpoints; "、" is not English
WIDTH = 128
LENGTHS = 12, 120  # words of a training example
RARE = 2  # a word seen less often is known by its ending only
N_ENDINGS = 400
FORGETTING = 0.06  # of the words are taken for unknown ones, so that the endings are learned
CLEAN = 0.35  # of the examples are without mistakes; the others have up to MOST_ERRORS
MOST_ERRORS = 0.2
DROPOUT = 0.25
CAPITALS = 0.5  # weight of the second task
# What recall counts beside precision, for each label: a comma too many disturbs more than one too few.
BETA = (1.0, 1.0, 0.5, 1.0, 1.0)
TUNING = 0.04  # of every book is kept back to set the balance of the marks


@dataclass(frozen=True, slots=True)
class Corpus:
    """Every training word in a row: numbers, labels, capitals (1, 0, or -1 unknown), and where sentences begin."""

    ids: Tensor
    labels: Tensor
    capitals: Tensor
    begins: Tensor


def make_vocabulary(books: Sequence[Sequence[Token]]) -> SpokenVocabulary:
    counts = Counter(token.word for book in books for token in book)
    known = sorted(word for word, count in counts.items() if count >= RARE or word == NUMBER)
    endings: Counter[str] = Counter()
    for word, count in counts.items():
        if count <= 4 * RARE:
            endings.update({"*" + word[-n:]: count for n in range(1, min(LONGEST_ENDING, len(word) - 1) + 1)})
    frequent = sorted(ending for ending, _ in endings.most_common(N_ENDINGS))
    return SpokenVocabulary([UNKNOWN, *known, *frequent])


def make_corpus(books: Sequence[Sequence[Token]], vocabulary: SpokenVocabulary) -> Corpus:
    tokens = [token for book in books for token in book]
    labels = torch.tensor([MARKS.index(token.mark) + 1 for token in tokens])
    ends = torch.tensor([token.mark in (".", "?") for token in tokens])
    return Corpus(
        torch.tensor([vocabulary.id(token.word) for token in tokens]),
        labels,
        torch.tensor([-1 if token.capital is None else int(token.capital) for token in tokens]),
        ends[:-1].nonzero().squeeze(1) + 1,
    )


class Examples:
    """Endless stretches of the corpus, with the mistakes a recogniser makes."""

    def __init__(self, corpus: Corpus, vocabulary: SpokenVocabulary, seed: int) -> None:
        self.corpus = corpus
        self.dice = random.Random(seed)
        self.generator = torch.Generator().manual_seed(seed)
        self.endings = torch.tensor([vocabulary.ending(word) for word in vocabulary.words])

    def batches(self, n_words: int) -> Iterator[tuple[Corpus, Rows]]:
        while True:
            batch: list[Corpus] = []
            while sum(len(one.ids) for one in batch) < n_words:
                batch.append(self.example())
            yield together(batch), Rows([len(one.ids) for one in batch])

    def example(self) -> Corpus:
        n_words = self.dice.randint(*LENGTHS)
        last = len(self.corpus.ids) - n_words
        if self.dice.random() < 0.5:
            first = min(int(self.corpus.begins[self.dice.randrange(len(self.corpus.begins))]), last)
        else:
            first = self.dice.randrange(last)
        piece = slice(first, first + n_words)
        return self.misheard(self.corpus.ids[piece], self.corpus.labels[piece], self.corpus.capitals[piece])

    def misheard(self, ids: Tensor, labels: Tensor, capitals: Tensor) -> Corpus:
        """Words replaced, forgotten and made up; a forgotten word leaves its mark to the one before."""
        rate = 0.0 if self.dice.random() < CLEAN else self.dice.uniform(0.02, MOST_ERRORS)
        fate = torch.rand(len(ids), generator=self.generator)
        chance = torch.randint(len(self.corpus.ids), (len(ids),), generator=self.generator)
        replaced = fate < rate * 0.6
        ids, capitals = ids.clone(), capitals.clone()
        ids[replaced] = self.corpus.ids[chance[replaced]]
        capitals[replaced] = -1
        forget = torch.rand(len(ids), generator=self.generator) < FORGETTING
        ids[forget] = self.endings[ids[forget]]
        lost = (fate > 1 - rate * 0.2) & (torch.arange(len(ids)) > 0)
        labels = labels.clone()
        for at in lost.nonzero().squeeze(1).tolist():
            labels[at - 1] = torch.maximum(labels[at - 1], labels[at])
        doubled = (fate > rate * 0.6) & (fate < rate * 0.8)
        times = torch.where(lost, 0, torch.where(doubled, 2, 1))
        places = torch.arange(len(ids)).repeat_interleave(times)
        made_up = torch.zeros(len(places), dtype=torch.bool)
        made_up[1:] = places[1:] == places[:-1]
        # The made-up word stands before the true one, which keeps its mark.
        made_up = made_up.roll(-1)
        ids, labels, capitals = ids[places], labels[places], capitals[places]
        ids[made_up] = self.corpus.ids[chance[places[made_up]]]
        labels[made_up], capitals[made_up] = 1, -1
        return Corpus(ids, labels, capitals, self.corpus.begins[:0])


def together(parts: Sequence[Corpus]) -> Corpus:
    ids, labels, capitals = zip(*((one.ids, one.labels, one.capitals) for one in parts), strict=True)
    return Corpus(torch.cat(ids), torch.cat(labels), torch.cat(capitals), parts[0].begins[:0])


def encoded(net: CtPuncNet, ids: Tensor, rows: Rows) -> Tensor:
    """As the network's own encoder, with dropout between the layers."""
    x = net.encoder.enter(F.dropout(net.embed(ids), DROPOUT), rows.positions + 1)
    for layer in (net.encoder.first, *net.encoder.layers):
        x = F.dropout(layer(x, rows), DROPOUT / 2)
    return F.dropout(net.encoder.norm(x), DROPOUT)


def loss_of(net: CtPuncNet, example: Corpus, rows: Rows) -> Tensor:
    x = encoded(net, example.ids, rows)
    assert net.capital is not None
    known = example.capitals >= 0
    capital = net.capital(x[known]).squeeze(1)
    return F.cross_entropy(net.marks(x), example.labels) + CAPITALS * F.binary_cross_entropy_with_logits(
        capital, example.capitals[known].float()
    )


def train(net: CtPuncNet, examples: Examples, steps: int, n_words: int) -> CtPuncNet:
    """The running average of the weights after `steps` batches."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: warm_cosine(step, steps))
    average = copy.deepcopy(net)
    progress = tqdm(zip(range(steps), examples.batches(n_words), strict=False), total=steps, desc="training")
    for step, (batch, rows) in progress:
        loss = loss_of(net, batch, rows)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        follow(average, net, min(0.998, step / (step + 20)))
        if step % 20 == 0:
            progress.set_postfix(loss=f"{loss.item():.4f}")
    return average


@torch.no_grad()
def balance(net: CtPuncNet, examples: Examples, n_words: int) -> None:
    """Move each mark's bias to where its F is best."""
    example, rows = next(examples.batches(n_words))
    marks, _ = net.eval()(example.ids, rows)
    for _ in range(2):
        for label in range(2, len(LABELS)):
            steps = [step / 10 for step in range(-30, 31)]
            best = max(steps, key=lambda step: f_measure(moved(marks, label, step), example.labels, label))
            marks = moved(marks, label, best)
            net.marks.bias[label] += best


def moved(marks: Tensor, label: int, step: float) -> Tensor:
    return marks + step * F.one_hot(torch.tensor(label), marks.shape[1])


def f_measure(marks: Tensor, truth: Tensor, label: int) -> float:
    said, true = marks.argmax(1) == label, truth == label
    weight = BETA[label] ** 2
    return float((1 + weight) * (said & true).sum() / (said.sum() + weight * true.sum()).clamp(min=1))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m asr_cli.train.punctuation", description=__doc__)
    parser.add_argument("--text", type=Path, required=True, nargs="+", help="folders of plain-text books")
    parser.add_argument("--out", type=Path, required=True, help="the safetensors file to write")
    parser.add_argument("--steps", type=int, default=5500)
    parser.add_argument("--batch", type=int, default=2400, help="words of a batch")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    paths = sorted(path for folder in given.text for path in folder.glob("*.txt") if path.name not in HELD_OUT)
    if not paths:
        parser.error(f"no books (*.txt) in {', '.join(map(str, given.text))}")
    torch.manual_seed(given.seed)
    books = read_books(paths)
    kept, tuning = zip(*(divided(book) for book in books), strict=True)
    vocabulary = make_vocabulary(kept)
    net = CtPuncNet(config(len(vocabulary)))
    nn.init.normal_(net.embed.weight, std=0.1)
    examples = Examples(make_corpus(kept, vocabulary), vocabulary, given.seed)
    net = train(net, examples, given.steps, given.batch)
    balance(net, Examples(make_corpus(tuning, vocabulary), vocabulary, given.seed), 40_000)
    write_own(given.out, net, vocabulary)
    print(f"wrote {given.out}, {given.out.stat().st_size:,} bytes, from {len(paths)} books", file=sys.stderr)


def divided(book: Sequence[Token]) -> tuple[Sequence[Token], Sequence[Token]]:
    at = round(len(book) * (1 - TUNING))
    return book[:at], book[at:]


def config(n_words: int) -> Config:
    return Config(
        vocab_size=n_words, punc_list=LABELS, embed_unit=WIDTH, att_unit=WIDTH, input_size=WIDTH, output_size=WIDTH,
        attention_heads=4, linear_units=4 * WIDTH, num_blocks=3, cases=True,
    )  # fmt: skip


if __name__ == "__main__":
    main()
