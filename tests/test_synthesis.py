"""Synthesised corpora: the sentences, the readers' word times, and what lies in the folder afterwards."""

import random
import shutil
import wave
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from asr_cli.errors import DependencyError, UsageError
from asr_cli.jobs.manifest import read_items
from asr_cli.synthesis import grammar, recordings
from asr_cli.synthesis.corpus import Order, make
from asr_cli.synthesis.reading import Voice, library, trimmed
from asr_cli.synthesis.speakers import SEEN, STRANGER, UNSEEN, read, require, speaker


def are_installed() -> bool:
    try:
        require()
    except DependencyError:
        return False
    return True


synthesised = pytest.mark.skipif(not are_installed(), reason="espeak-ng and flite are not installed")


def sentences(share: str, n: int) -> list[str]:
    chance = random.Random(7)
    return [grammar.sentence(chance, share) for _ in range(n)]


# ---------------------------------------------------------------------------------------------------- sentences


def test_few_words_make_very_many_sentences() -> None:
    assert 300 <= len(grammar.vocabulary()) <= 450
    assert len(set(sentences("train", 2000))) > 1500
    assert grammar.count() > 10**9


def test_every_word_of_the_grammar_is_soon_read() -> None:
    words = {word for sentence in sentences("train", 14_000) for word in sentence.split()}
    assert words == set(grammar.vocabulary())


def test_a_sentence_is_2_to_14_bare_words() -> None:
    for sentence in sentences("train", 500):
        assert 2 <= len(sentence.split()) <= 14
        assert sentence == " ".join(sentence.split())
        assert all(word.isalpha() and word.islower() for word in sentence.split())


def test_nobody_is_tested_with_a_sentence_that_was_trained_with() -> None:
    train, valid, test = (set(sentences(share, 1000)) for share in ("train", "valid", "test"))
    assert not (train & valid or train & test or valid & test)
    assert {grammar.share_of(sentence) for sentence in test} == {"test"}


# ------------------------------------------------------------------------------------------------------- voices


def parts(voices: tuple[str, ...]) -> set[str]:
    """Accents, variants and whole voices."""
    return {part for voice in voices for part in voice.split("+")}


def test_voices_kept_back_share_neither_accent_nor_variant_with_training() -> None:
    common = {"espeak:en", "espeak:en-us"}  # of an accent that is heard in training, only with variants that are not
    assert not parts(SEEN) & (parts(UNSEEN) | parts(STRANGER)) - common
    assert not parts(UNSEEN) & parts(STRANGER) - common


def test_a_speaker_is_the_same_in_every_corpus() -> None:
    assert speaker(SEEN, 17) == speaker(SEEN, 17)
    assert len({speaker(SEEN, number).name for number in range(500)}) == 500


# -------------------------------------------------------------------------------------------------------- times


def hissing(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """Energy above 4 kHz of each 10 ms."""
    hop = rate // 100
    frames = samples[: len(samples) // hop * hop].reshape(-1, hop) * np.hanning(hop)
    spectrum = np.square(np.abs(np.fft.rfft(frames)))
    return spectrum[:, spectrum.shape[1] * 4000 * 2 // rate :].sum(axis=1)


@synthesised
@pytest.mark.parametrize("name", ["espeak:en-us+m1", "espeak:en-gb-scotland+f2", "flite:kal16", "flite:slt"])
def test_a_word_is_where_its_time_says(name: str) -> None:
    words = ["we", "will", "buy", "one", "more", "yellow", "shoe", "on", "monday"]
    reading = read(Voice(name), words)
    loudest = int(hissing(reading.samples, reading.rate).argmax()) / 100
    start, end = reading.times[words.index("shoe")]
    assert start - 0.02 < loudest < end


@synthesised
@pytest.mark.parametrize("name", ["espeak:en-us", "espeak:en", "flite:rms"])
def test_words_that_run_together_have_a_time_each(name: str) -> None:
    words = [
        "the",
        "keys",
        "are",
        "in",
        "the",
        "office",
        "at",
        "a",
        "quarter",
        "to",
        "nine",
        "and",
        "on",
        "the",
        "table",
        "for",
        "the",
        "baker",
    ]
    reading = read(Voice(name), words)
    starts = [start for start, _ in reading.times]
    assert len(starts) == len(words)
    assert all(0.01 < after - before < 0.8 for before, after in pairwise(starts))
    assert all(end <= after for (_, end), after in zip(reading.times, starts[1:], strict=False))


@synthesised
@pytest.mark.parametrize("name", ["espeak:en-us+f1", "flite:slt"])
def test_a_reading_faster_is_shorter(name: str) -> None:
    slow, fast = (read(Voice(name, speed=speed), ["good", "morning", "anna"]) for speed in (0.8, 1.25))
    assert 1.3 < slow.times[-1][1] / fast.times[-1][1] < 1.8


def test_silence_around_a_reading_belongs_to_no_word() -> None:
    sound = np.sin(np.arange(8000) * 0.3).astype(np.float32)
    quiet = np.full(4000, 1e-4, np.float32)
    reading = trimmed(np.concatenate([quiet, sound, quiet]), 16000, [0.0, 0.5], [0.5, 1.0])
    assert len(reading.samples) == 8000
    assert reading.times == ((0.0, 0.25), (0.25, 0.5))


def test_what_is_not_installed_is_named_with_its_package() -> None:
    with pytest.raises(DependencyError, match=r"apt install speaker-of-tongues"):
        library("libspeaker-of-tongues.so.1", "speaker-of-tongues")


@synthesised
@pytest.mark.parametrize("name", ["espeak:xx-nowhere", "flite:nobody", "parrot"])
def test_a_voice_that_nobody_has_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        read(Voice(name), ["hello", "anna"])


# ------------------------------------------------------------------------------------------------------- corpora

ORDER = Order("test-seen", seconds=12.0, seed=5)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def samples_of(path: Path) -> NDArray[np.float32]:
    with wave.open(str(path)) as file:
        assert file.getparams()[:3] == (1, 2, 16000)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("asr_cli.synthesis.corpus.SHARD_SECONDS", 5)
        make(ORDER, folder, processes=2)
    return folder


@synthesised
def test_the_tables_tell_of_the_same_recordings(corpus: Path) -> None:
    tables = {
        name: [line.split(maxsplit=1) for line in (corpus / name).read_text().splitlines()]
        for name in ("wav.scp", "text", "utt2spk", "utt2dur", "words.ctm")
    }
    names = [name for name, _ in tables["wav.scp"]]
    assert names == sorted(names)
    assert all([name for name, _ in tables[table]] == names for table in ("text", "utt2spk", "utt2dur"))
    said: dict[str, list[str]] = {name: [] for name in names}
    for name, line in tables["words.ctm"]:
        said[name].append(line.split()[-1])
    assert {name: text.split() for name, text in tables["text"]} == said
    for name, path in tables["wav.scp"]:
        assert len(samples_of(corpus / path)) / 16000 == pytest.approx(float(dict(tables["utt2dur"])[name]), abs=1e-3)
    assert 12 < sum(float(duration) for _, duration in tables["utt2dur"]) < 30
    assert [item.key for item in read_items([str(corpus)])] == names


@synthesised
def test_the_same_seed_makes_the_same_corpus_by_any_number_of_processes(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asr_cli.synthesis.corpus.SHARD_SECONDS", 5)
    make(ORDER, tmp_path, processes=1)
    assert contents(tmp_path) == contents(corpus)


@synthesised
def test_what_is_missing_of_a_corpus_is_made(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asr_cli.synthesis.corpus.SHARD_SECONDS", 5)
    broken = tmp_path / "broken"
    shutil.copytree(corpus, broken)
    (broken / "parts" / "00001.jsonl").unlink()
    (broken / "text").unlink()
    untouched = (broken / "parts" / "00000.jsonl").stat().st_mtime_ns
    make(ORDER, broken, processes=1)
    assert contents(broken) == contents(corpus)
    assert (broken / "parts" / "00000.jsonl").stat().st_mtime_ns == untouched


@synthesised
def test_another_corpus_is_not_mixed_into_one_begun(corpus: Path) -> None:
    with pytest.raises(UsageError, match="other options"):
        make(Order("test-seen", seconds=12.0, seed=6), corpus, processes=1)


@synthesised
def test_clean_are_the_same_words_at_the_same_times(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asr_cli.synthesis.corpus.SHARD_SECONDS", 5)
    make(replace(ORDER, is_clean=True), tmp_path, processes=2)
    clean, mixed = contents(tmp_path), contents(corpus)
    assert clean.keys() == mixed.keys()
    assert all(clean[name] == mixed[name] for name in ("wav.scp", "text", "utt2spk", "utt2dur", "words.ctm"))
    assert not any(clean[name] == mixed[name] for name in clean if name.endswith(".wav"))


@synthesised
def test_speech_ends_with_its_last_word() -> None:
    for _, _, times, samples in recordings.short(Order("valid", 15.0, 3, is_clean=True), 0, 15.0):
        first, last = (round(second * 16000) for second in (times[0][0], times[-1][1]))
        power = samples.square()
        around = max(float(power[: first - 160].mean()), float(power[last + 160 :].mean()))
        assert around < 1e-3 * float(power[first:last].mean())
        for edge in (power[first : first + 800], power[last - 800 : last]):
            assert float(edge.mean()) > 2 * around


@synthesised
def test_a_long_recording_has_pauses_between_its_sentences() -> None:
    name, words, times, samples = recordings.long(Order("test-seen", 40.0, 2, is_long=True))
    pauses = [after[0] - before[1] for before, after in pairwise(times)]
    assert name == "long"
    assert len(words) == len(times)
    assert 40.0 < len(samples) / 16000 < 80.0
    assert all(pause >= -1e-6 for pause in pauses)
    assert sum(pause > 0.19 for pause in pauses) >= 8
