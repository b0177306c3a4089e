"""What punctuation learns from: prose, of which the marks are taken away."""

import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from asr_cli.errors import InputError, UsageError
from asr_cli.jobs.manifest_json import parsed
from asr_cli.jobs.manifest_lines import lines, place_of
from asr_cli.models.folder import file_of, find_file, read_yaml
from asr_cli.punctuation.dictionary import chinese_cutter
from asr_cli.punctuation.weights import CONFIGS, DICTIONARY, read_vocabulary
from asr_cli.text.vocabulary import Vocabulary
from asr_cli.train import state
from asr_cli.train.config import Run
from asr_cli.train.data.lists import Skipped, is_text
from asr_cli.train.data.marks import labels_of, paragraphs_of, tokens_and_marks
from asr_cli.train.data.material import Counted
from asr_cli.train.data.tokens import build_tokens
from asr_cli.train.data.transcripts import TOKENS, write_tokens
from asr_cli.train.task import Delivered
from asr_cli.train.tasks.punctuator import PunctuatorTask, Stretch, StretchBatch, build

SHORTEST = 0.1  # of max_tokens: stretches are of all lengths from there on
FRESH = 0.5  # of the stretches begin where a sentence does
FORGOTTEN = 0.3  # of the mistakes: a word that the vocabulary does not know
SHOWN = 60  # tokens of a sample


@dataclass(frozen=True, slots=True)
class Document:
    """A record."""

    key: str
    paragraphs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tokens:
    """A document as a network reads it. begins: where sentences do."""

    key: str
    texts: list[str]
    ids: list[int]
    labels: list[int]
    begins: list[int]


@dataclass(frozen=True, slots=True)
class Part:
    """An item: a stretch of a document."""

    document: Tokens
    first: int
    size: int
    seconds: float = 0.0

    @property
    def key(self) -> str:
        return f"{self.document.key}@{self.first}"


class MarkedProse:
    """The Material of CT-Transformers: text files, folders of them, and JSON lists with texts."""

    unit = "stretches"
    use = "asr transcribe --punc-model {} FILE"

    def __init__(self, run: Run, settings: Mapping[str, Any]) -> None:
        self.run, self.settings, self.config = run, settings, run.recipe.train
        self.n_tokens: int | None = None
        self.n_numbers = 0  # of each label: right ones, said ones, true ones
        self.dictionary = None if run.init is None else find_file(run.init, DICTIONARY)
        self.cut = chinese_cutter(self.dictionary) if self.dictionary is not None else None

    @property
    def batch_size(self) -> float:
        return float(self.config.batch_words)

    def read(self, names: Sequence[str]) -> tuple[list[Document], list[Skipped]]:
        paths = [path for name in names for path in files_of(name)]
        again = next((path for i, path in enumerate(paths) if path in paths[:i]), None)
        if again is not None:
            raise UsageError(f"{again!r} is there twice; name it once")
        documents = [Document(path, tuple(read_paragraphs(path))) for path in paths]
        empty = [Skipped(one.key, "there is no punctuated prose in it") for one in documents if not one.paragraphs]
        return [one for one in documents if one.paragraphs], empty

    def begin(self, train: Sequence[Document]) -> None:
        """The words: the checkpoint's, or those of the text."""
        init = self.run.init
        if init is not None:
            tokens: Sequence[str] = read_vocabulary(init, read_yaml(file_of(init, CONFIGS))).tokens
        else:
            conf = self.config.vocabulary
            if conf.kind != "word":
                raise UsageError(
                    f"a punctuation model reads whole words, and train.vocabulary.kind is {conf.kind!r}; set it to word"
                )
            texts = (" ".join(self.tokens(text)[0]) for one in train for text in one.paragraphs)
            tokens = build_tokens(texts, conf)
        write_tokens(self.run.out, tokens)

    def tokens(self, paragraph: str) -> tuple[list[str], list[str]]:
        return tokens_and_marks(paragraph, self.cut, normalize=self.config.normalize)

    def build(self) -> PunctuatorTask:
        self.vocabulary = Vocabulary.from_file(self.run.out / TOKENS)
        self.n_tokens = len(self.vocabulary)
        task = build(self.settings, self.run.described, self.vocabulary, self.run.init)
        self.marks = task.net.config.punc_list
        self.labels = labels_of(self.marks)
        self.n_numbers = 3 * len(self.marks)
        return task

    def refusal(self, record: Document, task: PunctuatorTask) -> str | None:
        marks = {mark for paragraph in record.paragraphs[:100] for mark in self.tokens(paragraph)[1]}
        return None if marks - {""} else "there are no marks in it"

    def record(self, values: Mapping[str, Any]) -> Document:
        return Document(values["key"], tuple(values["paragraphs"]))

    def items(self, records: Sequence[Document]) -> list[Part]:
        """Every document cut into stretches, whose lengths depend on its name alone."""
        return [part for record in records for part in self.parts(self.read_tokens(record))]

    def parts(self, document: Tokens) -> list[Part]:
        chance = random.Random(f"parts/{document.key}")
        longest, n_tokens = self.config.max_tokens, len(document.ids)
        shortest = max(1, round(SHORTEST * longest))
        found, at = [], 0
        while at < n_tokens:
            size = min(chance.randint(shortest, longest), n_tokens - at)
            found.append(Part(document, at, size))
            at += size
        return found

    def read_tokens(self, record: Document) -> Tokens:
        texts: list[str] = []
        labels: list[int] = []
        for paragraph in record.paragraphs:
            tokens, marks = self.tokens(paragraph)
            texts += tokens
            labels += [self.labels[mark] for mark in marks]
        stops = {self.labels["。"], self.labels["？"]}
        begins = [0, *(at + 1 for at, label in enumerate(labels[:-1]) if label in stops)]
        return Tokens(record.key, texts, [self.vocabulary.id(text) for text in texts], labels, begins)

    def corpus(self, task: PunctuatorTask, items: Sequence[Part], *, by_chance: bool) -> "Stretches":
        mistakes = Mistakes(self.config.mistakes, self.vocabulary.unknown, self.labels[""])
        return Stretches(items, self.config.seed, mistakes if by_chance else None)

    def metric(self, items: Sequence[Part]) -> str:
        return "1-F1"

    def count(self, task: PunctuatorTask, batch: StretchBatch, delivered: Delivered) -> Counted:
        said, n_marks = task.logits(task.net, batch).argmax(1), len(self.marks)
        right = batch.labels[said == batch.labels]
        counts = [torch.bincount(one, minlength=n_marks).tolist() for one in (right, said, batch.labels)]
        n_shown = min(SHOWN, batch.lengths[0])
        tokens = delivered.texts[0].split()[:n_shown]
        sample = tuple(self.spelled(tokens, one[:n_shown].tolist()) for one in (batch.labels, said))
        return Counted([number for part in counts for number in part], (sample[0], sample[1]))

    def spelled(self, tokens: Sequence[str], labels: Sequence[int]) -> str:
        names = ["" if name in ("<unk>", "_") else name for name in self.marks]
        return " ".join(f"{token}{names[label]}" for token, label in zip(tokens, labels, strict=True))

    def rate(self, numbers: Sequence[float]) -> tuple[float, dict[str, float]]:
        """What the mean of the F of the marks that are there lacks to 1."""
        n_marks = len(self.marks)
        counts = zip(*(islice(numbers, at * n_marks, (at + 1) * n_marks) for at in range(3)), strict=True)
        none = self.labels[""]
        scores = {
            mark: 2 * right / (said + true)
            for label, (mark, (right, said, true)) in enumerate(zip(self.marks, counts, strict=True))
            if label > none and true
        }
        return 1 - sum(scores.values()) / max(len(scores), 1), {f"F1 {mark}": one for mark, one in scores.items()}

    def write(self, task: PunctuatorTask, folder: Path, tensors: Mapping[str, Tensor]) -> None:
        task.write(folder, tensors)
        if self.dictionary is not None:
            path = folder / DICTIONARY[1][0]
            with state.kept(path), state.renewed(path) as file:
                file.write(self.dictionary.read_bytes())


@dataclass(frozen=True, slots=True)
class Mistakes:
    """What a recogniser mishears. share: of the words, at most; unknown: the id of a word that is none; none: the
    label of a word that nothing follows."""

    share: float
    unknown: int | None
    none: int

    def __call__(
        self, ids: Sequence[int], labels: Sequence[int], others: Sequence[int], chance: random.Random
    ) -> tuple[list[int], list[int]]:
        """Words replaced by others, forgotten, made up and lost; a lost word leaves its mark to the one before."""
        share = chance.uniform(0.0, self.share)
        found: list[int] = []
        after: list[int] = []
        for one, label in zip(ids, labels, strict=True):
            fate = chance.random() / share if share else 1.0
            if fate < FORGOTTEN and self.unknown is not None:
                one = self.unknown
            elif fate < 0.7:
                one = chance.choice(others)
            elif fate < 0.85:
                found.append(chance.choice(others))
                after.append(self.none)
            elif fate < 1 and found:
                after[-1] = label if after[-1] == self.none else after[-1]
                continue
            found.append(one)
            after.append(label)
        return found, after


class Stretches(Dataset[Stretch]):
    """Stretches as examples; with mistakes (maybe none), other ones each epoch: what chance does depends on seed, epoch
    and place alone."""

    def __init__(self, parts: Sequence[Part], seed: int, mistakes: Mistakes | None) -> None:
        self.parts, self.seed, self.mistakes = parts, seed, mistakes

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, place: tuple[int, int]) -> Stretch:
        epoch, index = place
        one = self.parts[index]
        document = one.document
        chance = random.Random(f"{self.seed}/{epoch}/{one.key}")
        first = one.first
        if self.mistakes is not None:
            latest = len(document.ids) - one.size
            first = chance.choice(document.begins) if chance.random() < FRESH else chance.randint(0, latest)
            first = min(first, latest)
        piece = slice(first, first + one.size)
        ids, labels = document.ids[piece], document.labels[piece]
        if self.mistakes is not None:
            ids, labels = self.mistakes(ids, labels, document.ids, chance)
        text = " ".join(document.texts[piece])
        return Stretch(one.key, tuple(ids), tuple(labels), chance.randrange(len(ids)), text)


def files_of(name: str) -> list[str]:
    """The text files that a user named."""
    if not os.path.isdir(name):  # noqa: PTH112
        if not os.path.isfile(name):  # noqa: PTH113
            raise InputError(f"there is no {name!r}; name text files, folders of them, or JSON lists with texts")
        return [name]
    found = sorted(str(path) for path in Path(name).glob("*.txt"))
    if not found:
        raise InputError(f"{name!r} holds no text (*.txt); name text files, folders of them, or JSON lists with texts")
    return found


def read_paragraphs(path: str) -> list[str]:
    if path.endswith((".json", ".jsonl")):
        return [text_in(parsed(line, place_of(path, n)), place_of(path, n)) for n, line in lines(path)]
    try:
        return paragraphs_of(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path!r} cannot be read as text in UTF-8: {error}") from error


def text_in(record: Mapping[str, Any], origin: str) -> str:
    text = record.get("text")
    if not isinstance(text, str):
        raise UsageError(f'{origin}: there is no "text" in it; write the punctuated text there')
    if not is_text(text):
        raise UsageError(f"{origin}: its text is not UTF-8; write it anew, half a character cannot be learned")
    return text
