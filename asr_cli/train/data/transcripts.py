"""What recognisers learn from: recordings, and what is said in them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from torch import Tensor

from asr_cli.checkpoint import known_fields
from asr_cli.errors import ModelError
from asr_cli.features.cmvn import Cmvn
from asr_cli.models.folder import CONFIGS, NORMS, file_of, find_file, insist_sizes, read_yaml, section
from asr_cli.models.paraformer_folder import LEXICONS, SAMPLE_RATES, Frontend, read_vocabulary
from asr_cli.models.write_folder import mvn
from asr_cli.scoring.pairs import Pair
from asr_cli.scoring.score import score
from asr_cli.scoring.units import Rules
from asr_cli.text.characters import is_unspaced
from asr_cli.text.vocabulary import Vocabulary
from asr_cli.text.words import Piece, join
from asr_cli.train import state
from asr_cli.train.config import Run
from asr_cli.train.data.augment import Augmenter
from asr_cli.train.data.corpus import Corpus
from asr_cli.train.data.lists import Skipped, Utterance, measured, read_lists
from asr_cli.train.data.material import Counted
from asr_cli.train.data.norms import measure, stacked
from asr_cli.train.data.tokens import Speller, build_tokens, lexicon
from asr_cli.train.task import Delivered, RecognizerTask, find_builder

TOKENS, MVN, LEXICON = "tokens.json", "am.mvn", "seg_dict"
RATE = "mer"  # of unspaced scripts characters, of others words


class Transcripts:
    """The Material of recognisers."""

    unit = "utterances"
    use = "asr transcribe --model {} FILE"
    n_numbers = 2  # errors, units

    def __init__(self, run: Run, settings: Mapping[str, Any]) -> None:
        self.run, self.settings, self.config = run, settings, run.recipe.train
        self.conf = frontend(settings, run.described)
        self.n_tokens: int | None = None

    @property
    def batch_size(self) -> float:
        return self.config.batch_seconds

    def read(self, names: Sequence[str]) -> tuple[list[Utterance], list[Skipped]]:
        listed, lonely = read_lists(names)
        found, missing = measured(listed, normalize=self.config.normalize)
        return found, [*lonely, *missing]

    def begin(self, train: Sequence[Utterance]) -> None:
        vocabulary = self.make_vocabulary([one.text for one in train])
        self.make_norms(train, vocabulary)
        words = lexicon((one.text for one in train), vocabulary)
        text = "".join(f"{word} {' '.join(pieces)}\n" for word, pieces in words.items())
        theirs = find_file(self.run.init, LEXICONS) if self.run.init is not None else None
        if theirs is not None:  # of a word that is there twice, the last line counts
            text += theirs.read_text(encoding="utf-8")
        (self.run.out / LEXICON).write_text(text, encoding="utf-8")

    def make_vocabulary(self, texts: Sequence[str]) -> Vocabulary:
        init = self.run.init
        if init is not None:
            tokens: Sequence[str] = read_vocabulary(init, read_yaml(file_of(init, CONFIGS))).tokens
        else:
            tokens = build_tokens(texts, self.config.vocabulary)
        write_tokens(self.run.out, tokens)
        return Vocabulary(tokens)

    def make_norms(self, train: Sequence[Utterance], vocabulary: Vocabulary) -> None:
        """The checkpoint's, or those of the data."""
        if self.run.init is not None:
            cmvn = Cmvn.from_file(file_of(self.run.init, NORMS))
        else:
            corpus = Corpus(train, vocabulary, sample_rate=self.sample_rate, n_mels=self.n_mels)
            mean, deviation = measure(corpus, self.config.cmvn_hours, self.config.seed)
            cmvn = stacked(mean, deviation, self.conf.lfr_m)
        (self.run.out / MVN).write_text(mvn(cmvn), encoding="utf-8")

    @property
    def sample_rate(self) -> int:
        return self.conf.fs

    @property
    def n_mels(self) -> int:
        return self.conf.n_mels

    def build(self) -> RecognizerTask:
        out, path = self.run.out, self.run.described
        self.vocabulary = Vocabulary.from_file(out / TOKENS)
        self.speller = Speller(self.vocabulary)
        self.n_tokens = len(self.vocabulary)
        self.cmvn = Cmvn.from_file(out / MVN)
        return find_builder(self.settings, path)(self.settings, path, self.vocabulary, self.cmvn, self.run.init)

    def refusal(self, record: Utterance, task: RecognizerTask) -> str | None:
        config = self.config
        ids, unknown = self.speller.ids(record.text)
        if not record.text:
            return "its text is empty"
        if not config.min_seconds <= record.seconds <= config.max_seconds:
            return f"it is {record.seconds:.2f} s long, not {config.min_seconds:g} to {config.max_seconds:g}"
        if unknown and (config.unknown == "skip" or self.vocabulary.unknown is None):
            return f"the vocabulary cannot spell {', '.join(map(repr, unknown[:5]))}"
        if len(ids) > config.max_tokens:
            return f"its text has {len(ids)} tokens, more than {config.max_tokens}"
        return task.refusal(int(record.seconds * 100), ids)

    def record(self, values: Mapping[str, Any]) -> Utterance:
        return Utterance(**values)

    def items(self, records: Sequence[Utterance]) -> Sequence[Utterance]:
        return records

    def corpus(self, task: RecognizerTask, items: Sequence[Utterance], *, by_chance: bool) -> Corpus:
        augmenter = Augmenter(self.config.augment, -self.cmvn.shift[: self.n_mels]) if by_chance else None
        return Corpus(
            items, self.vocabulary, sample_rate=self.sample_rate, n_mels=self.n_mels, seed=self.config.seed,
            augmenter=augmenter, refusal=task.refusal,
        )  # fmt: skip

    def metric(self, items: Sequence[Utterance]) -> str:
        return metric_of(one.text for one in items)

    def count(self, task: RecognizerTask, batch: Any, delivered: Delivered) -> Counted:
        hypotheses = [spelled(ids, self.vocabulary) for ids in task.transcribe(batch)]
        errors, units = count(delivered.keys, delivered.texts, hypotheses)
        return Counted((errors, units), (delivered.texts[0], hypotheses[0]))

    def rate(self, numbers: Sequence[float]) -> tuple[float, dict[str, float]]:
        errors, units = numbers
        return errors / max(units, 1.0), {}

    def write(self, task: RecognizerTask, folder: Path, tensors: Mapping[str, Tensor]) -> None:
        task.write(folder, tensors)
        with state.kept(folder / LEXICON), state.renewed(folder / LEXICON) as file:
            file.write((self.run.out / LEXICON).read_bytes())


def frontend(settings: Mapping[str, Any], path: Path) -> Frontend:
    """As far as all recognisers have it; each refuses what else it does not know."""
    own = {one.name for one in fields(Frontend)}
    values = {name: one for name, one in section(settings, "frontend_conf", path).items() if name in own}
    found: Frontend = known_fields(Frontend, {"lfr_m": 1, "lfr_n": 1} | values, path)
    insist_sizes(found, path)
    if found.fs not in SAMPLE_RATES:
        raise ModelError(f"{str(path)!r} wants sound at {found.fs} Hz; only 16000 and 8000 are known here")
    return found


def write_tokens(out: Path, tokens: Sequence[str]) -> None:
    (out / TOKENS).write_text(json.dumps(list(tokens), ensure_ascii=False, indent=0), encoding="utf-8")


def spelled(ids: Sequence[int], vocabulary: Vocabulary) -> str:
    """The text that a recogniser would make of them."""
    words = join((Piece(vocabulary.piece(one), 0.0, 0.0) for one in ids), sentencepiece=vocabulary.sentencepiece)
    return "".join(word.text for word in words).strip()


def count(keys: Sequence[str], references: Sequence[str], hypotheses: Sequence[str]) -> tuple[int, int]:
    """Errors and units."""
    pairs = (Pair(*one) for one in zip(keys, references, hypotheses, strict=True))
    counts = score(pairs, RATE, Rules()).counts
    return counts.errors, counts.units


def metric_of(texts: Iterable[str]) -> str:
    """What the rate is called: CER where most is characters of unspaced scripts."""
    n_unspaced = n_all = 0
    for text in texts:
        n_unspaced += sum(map(is_unspaced, text))
        n_all += len(text) - text.count(" ")
    return "CER" if 2 * n_unspaced > n_all else "WER"
