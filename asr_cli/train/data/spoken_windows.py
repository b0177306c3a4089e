"""The Material of Whispers: transcribed recordings, in windows."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from asr_cli.errors import ModelError, UsageError
from asr_cli.jobs.manifest_lines import lines, place_of, text_of
from asr_cli.train.config import Run
from asr_cli.train.data.augment import Augmenter
from asr_cli.train.data.laid import Spoken
from asr_cli.train.data.lists import Skipped, Utterance, measured, number, read_lists, read_records, write_lines
from asr_cli.train.data.material import Counted
from asr_cli.train.data.pseudo import transcripts
from asr_cli.train.data.transcripts import count, metric_of
from asr_cli.train.data.windows import FULL, ROOM, SHORT, Place, Windows, packed
from asr_cli.train.run_folder import PSEUDO, VALID_LIST
from asr_cli.train.task import Delivered
from asr_cli.train.tasks.whisper import WhisperTask, build
from asr_cli.train.tasks.whisper_alignment import alignment_heads
from asr_cli.train.tasks.whisper_distill import build_student, read_distillation
from asr_cli.train.tasks.whisper_folder import read_conf
from asr_cli.train.tasks.whisper_tokens import TOKENIZER, build_tokenizer, decoded, encoded, read_tokenizer

MOST_ALIGNED = 60  # windows by which it is told which heads look at what is said
WORDS = "words.ctm"  # beside a Kaldi folder's text: when each word is said


class SpokenWindows:
    """The Material of Whispers: Kaldi folders and JSON lists, as of other recognisers, and words.ctm where it is."""

    unit = "windows"
    use = "asr transcribe --model {} FILE"
    n_numbers = 2  # errors, units

    def __init__(self, run: Run, settings: Mapping[str, Any]) -> None:
        self.run, self.settings, self.config = run, settings, run.recipe.train
        self.conf = read_conf(settings, run.described)
        self.distillation = read_distillation(settings, run.described, run.init)
        self.fill = SHORT if run.init is None else FULL
        self.pseudo: dict[str, str] = {}  # what the teacher hears, by key
        self.n_tokens: int | None = None

    @property
    def batch_size(self) -> float:
        return self.config.batch_seconds

    def read(self, names: Sequence[str]) -> tuple[list[Spoken], list[Skipped]]:
        listed, lonely = read_lists(names)
        found, missing = measured(listed, normalize=self.config.normalize)
        times: dict[str, list[tuple[float, float]]] = {}
        for name in names:
            times |= read_words(Path(name) / WORDS)
        return [spoken(one, times.get(one.key, ())) for one in found], [*lonely, *missing]

    def begin(self, train: Sequence[Spoken]) -> None:
        path, conf = self.run.out / TOKENIZER, self.config.vocabulary
        if self.run.init is not None:
            if not (self.run.init / TOKENIZER).is_file():
                raise ModelError(f"{str(self.run.init)!r} is no complete model: it has no {TOKENIZER}")
            shutil.copyfile(self.run.init / TOKENIZER, path)
            if self.distillation is not None:
                self.listen(train)
            return
        if conf.kind not in ("auto", "bpe"):
            raise UsageError(f"a Whisper reads pieces, and train.vocabulary.kind is {conf.kind!r}; set it to bpe")
        tokenizer = build_tokenizer((one.text for one in train), conf.size, self.conf.language, self.conf.window)
        path.write_text(tokenizer.to_str(), encoding="utf-8")

    def listen(self, train: Sequence[Spoken]) -> None:
        """Write down what the teacher hears."""
        out = self.run.out
        tokenizer = read_tokenizer(out / TOKENIZER)
        teacher = build(self.settings, self.run.described, tokenizer, self.run.init, where=out / TOKENIZER)
        found = transcripts(teacher, train, self.run)
        write_lines(out / PSEUDO, ({"key": key, "text": text} for key, text in found))

    def build(self) -> WhisperTask:
        path, init = self.run.out / TOKENIZER, self.run.init
        self.tokenizer = read_tokenizer(path)
        self.n_tokens = self.tokenizer.get_vocab_size()
        if self.distillation is None:
            return build(self.settings, self.run.described, self.tokenizer, init, where=path)
        assert init is not None, "it was read with the distillation"
        self.pseudo = {one["key"]: one["text"] for one in read_records(self.run.out / PSEUDO)}
        return build_student(self.distillation, self.settings, self.run.described, self.tokenizer, init, where=path)

    def refusal(self, record: Spoken, task: WhisperTask) -> str | None:
        config = self.config
        longest = min(config.max_seconds, self.conf.window - ROOM)
        if not record.text:
            return "its text is empty"
        if not config.min_seconds <= record.seconds <= longest:
            return f"it is {record.seconds:.2f} s long, not {config.min_seconds:g} to {longest:g}"
        errors = self.errors(record)
        if errors > 0 and self.distillation is not None and errors > self.distillation.most_errors:
            return f"the teacher hears {self.pseudo[record.key]!r}, of which {errors:.0%} is wrong"
        n_tokens = len(encoded(self.tokenizer, record.text))
        n_most = min(config.max_tokens, self.conf.max_target_positions // 2 - 8)
        return f"its text has {n_tokens} tokens, more than {n_most}" if n_tokens > n_most else None

    def errors(self, record: Spoken) -> float:
        """Of what the teacher hears, if it was asked."""
        if record.key not in self.pseudo:
            return 0.0
        n_errors, n_units = count([record.key], [record.text], [self.pseudo[record.key]])
        return n_errors / max(n_units, 1)

    def record(self, values: Mapping[str, Any]) -> Spoken:
        return Spoken(**{**values, "words": tuple((start, end) for start, end in values["words"])})

    def items(self, records: Sequence[Spoken]) -> list[Place]:
        # Which utterances these are, the corpus has to know.
        seconds = [one.seconds for one in records]
        return Places(packed(seconds, range(len(records)), self.conf.window, None, self.fill), records)

    def corpus(self, task: WhisperTask, items: Sequence[Place], *, by_chance: bool) -> Windows:
        assert isinstance(items, Places)
        utterances = [self.as_heard(one) for one in items.utterances] if by_chance else items.utterances
        augmenter = Augmenter(self.config.augment, torch.zeros(self.conf.num_mel_bins)) if by_chance else None
        return Windows(
            items, utterances, self.conf, self.tokenizer, task.ids,
            seed=self.config.seed, augmenter=augmenter, fill=self.fill,
        )  # fmt: skip

    def as_heard(self, one: Spoken) -> Spoken:
        """With the teacher's transcript, if it was asked."""
        text = self.pseudo.get(one.key, one.text)
        return replace(one, text=text, words=one.words if len(text.split()) == len(one.words) else ())

    def metric(self, items: Sequence[Place]) -> str:
        assert isinstance(items, Places)
        return metric_of(one.text for one in items.utterances)

    def count(self, task: WhisperTask, batch: Any, delivered: Delivered) -> Counted:
        hypotheses = [decoded(self.tokenizer, ids, task.ids.end) for ids in task.transcribe(batch)]
        errors, units = count(delivered.keys, delivered.texts, hypotheses)
        return Counted((errors, units), (delivered.texts[0], hypotheses[0]))

    def rate(self, numbers: Sequence[float]) -> tuple[float, dict[str, float]]:
        errors, units = numbers
        return errors / max(units, 1.0), {}

    def write(self, task: WhisperTask, folder: Path, tensors: Mapping[str, Tensor]) -> None:
        task.net.load_state_dict(dict(tensors))
        valid = self.items([self.record(one) for one in read_records(self.run.out / VALID_LIST)])
        windows = self.corpus(task, valid, by_chance=False)
        known = (windows.aligned(number) for number in range(min(len(valid), MOST_ALIGNED)))
        heads = alignment_heads(task.net.eval(), (one for one in known if one is not None))
        task.write(folder, tensors, heads)


class Places(list[Place]):
    """Windows, and the utterances that their numbers mean."""

    def __init__(self, places: Sequence[Place], utterances: Sequence[Spoken]) -> None:
        super().__init__(places)
        self.utterances = utterances


def spoken(one: Utterance, words: Sequence[tuple[float, float]]) -> Spoken:
    """Times of other words than the text has are nobody's."""
    known = tuple(words) if len(words) == len(one.text.split()) else ()
    return Spoken(one.key, one.source, one.start, one.end, one.text, one.seconds, known)


def read_words(path: Path) -> dict[str, list[tuple[float, float]]]:
    """Of each utterance, when its words begin and end: lines of utterance, channel, start, duration, word."""
    found: dict[str, list[tuple[float, float]]] = {}
    if not path.is_file():
        return found
    for n_line, line in lines(str(path)):
        key, *fields = map(text_of, line.split())
        start, duration = (number(field) for field in (*fields, "", "", "")[1:3])
        if start is None or duration is None:
            raise UsageError(
                f"{place_of(str(path), n_line)}: a line of {WORDS} is: utterance channel start duration word"
            )
        found.setdefault(key, []).append((start, start + duration))
    return found
