import io
import itertools
import threading
from pathlib import Path

import numpy as np
import pytest

import asr_cli
from asr_cli import registry
from asr_cli.api import Options
from asr_cli.audio import Audio
from asr_cli.audio.files import read_blocks
from asr_cli.errors import ModelError, UsageError
from asr_cli.jobs.plan import Job, Target
from asr_cli.jobs.recording import transcribe_job
from asr_cli.options import ModelOptions, ReadOptions
from asr_cli.session import Session
from asr_cli.subtitles.writers import Layout
from asr_cli.transcript import Segment, Word
from asr_cli.vad.endpoint import EndpointOptions
from tests.fakes import InstantRecognizer, instant_backend


@pytest.fixture
def instant(monkeypatch):
    """The instant recogniser, installed as a backend would be."""
    recognizer = InstantRecognizer()
    backend = instant_backend(recognizer)
    monkeypatch.setattr(registry, "backends", lambda: {"instant": backend})
    return recognizer


@pytest.fixture(scope="module")
def samples(example):
    return np.concatenate([block.samples for block in read_blocks(example)])


def texts(segments):
    return [segment.text for segment in segments]


@pytest.mark.parametrize("n_block", [1600, 7777, 160_000, 10**7])
def test_any_block_size_gives_the_same_transcript(instant, samples, n_block):
    blocks = [Audio(samples[i : i + n_block], start=i / 16000) for i in range(0, len(samples), n_block)]
    with Session() as session:
        expected = session.transcribe(samples, ReadOptions(sample_rate=16000)).transcript()
        assert session.transcribe(blocks).transcript() == expected
    assert len(expected.segments) == 5


def test_every_kind_of_source_gives_the_same_words(instant, samples, tmp_path):
    import torch

    from asr_cli.audio.wav import write

    path = tmp_path / "talk.wav"
    write(path, samples)
    exact = (samples * 32768).round() / 32768
    expected = list(asr_cli.transcribe(path))
    assert expected
    assert list(asr_cli.transcribe(str(path))) == expected
    assert list(asr_cli.transcribe(path.read_bytes())) == expected
    assert list(asr_cli.transcribe(io.BytesIO(path.read_bytes()))) == expected
    assert list(asr_cli.transcribe(exact, sample_rate=16000)) == expected
    assert list(asr_cli.transcribe(torch.from_numpy(exact), sample_rate=16000)) == expected
    assert list(asr_cli.transcribe(read_blocks(path))) == expected


def test_an_option_nobody_knows_is_refused_at_once(example):
    with pytest.raises(TypeError, match="punc_modle"):
        asr_cli.transcribe(example, punc_modle="ct")  # type: ignore[call-arg]


def test_the_front_door_takes_every_option_of_a_session():
    from dataclasses import fields

    known = {field.name for kind in (ModelOptions, ReadOptions) for field in fields(kind)}
    assert set(Options.__annotations__) == known


def test_the_public_names_exist():
    for name in asr_cli.__all__:
        assert getattr(asr_cli, name).__name__ == name


def test_times_are_of_the_recording_even_when_a_part_is_heard(instant, example):
    part = [word for segment in asr_cli.transcribe(example, start=10.0, end=17.0, punc=False) for word in segment.words]
    assert part and all(10.0 <= word.start < word.end <= 17.0 for word in part)
    for word in part:  # the recogniser names each word by its place in the recording
        assert abs(int(word.text.removeprefix(" w")) * 0.25 - word.start) < 0.25


def test_without_vad_every_second_is_heard_and_stitched_to_one_run_of_words(instant, samples):
    three = np.concatenate([samples] * 3)
    segments = list(asr_cli.transcribe(three, sample_rate=16000, vad_model=None, punc=False))
    words = [word.text for segment in segments for word in segment.words]
    assert words == [f" w{index}" for index in range(int(len(three) / 16000 / 0.25 + 0.5))]


def test_split_channels_are_merged_by_time_and_named(instant, samples):
    quiet = np.zeros_like(samples)
    stereo = np.stack([np.concatenate([samples, quiet]), np.concatenate([quiet, samples])])
    segments = list(asr_cli.transcribe(stereo, sample_rate=16000, channels="split"))
    assert [segment.speaker for segment in segments] == ["left"] * 5 + ["right"] * 5
    assert [segment.start for segment in segments] == sorted(segment.start for segment in segments)


def test_a_punctuator_takes_its_place_behind_the_stitching(instant, samples):
    from dataclasses import replace

    from asr_cli import pipeline
    from asr_cli.vad.fsmn import FsmnVad

    def full_stop(segments):
        for segment in segments:
            last = segment.words[-1]
            yield replace(segment, words=(*segment.words[:-1], replace(last, text=last.text + ".")))

    heard = pipeline.transcribe(
        [Audio(samples)], vad=FsmnVad.built_in(), recognizer=instant, punctuator=full_stop, batch_seconds=60
    )
    assert all(text.endswith(".") for text in texts(heard))


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"model": "instnat"}, ModelError, "did you mean 'instant'"),
        ({"language": "ja"}, ModelError, "no recogniser for ja"),
        ({"model": "instant", "language": "ja"}, UsageError, "not ja"),
        ({"language": "12"}, UsageError, "no language"),
        ({"device": "cuda:0"}, UsageError, "not on 'cuda:0'"),
        ({"vad_model": "nowhere"}, ModelError, "no VAD model"),
        ({"vad_model": "fsmn-vad", "offline": True}, ModelError, "not on this machine"),
        ({"channels": "middle"}, UsageError, "choose one of"),
        ({"start": 5.0, "end": 4.0}, UsageError, "nothing to hear"),
        ({"sample_rate": 16_000}, UsageError, "for arrays"),
        ({"threads": 0}, UsageError, "1 or more"),
        ({"batch_seconds": -5}, UsageError, "positive"),
        ({"model_dir": "/nowhere"}, UsageError, "no directory"),
        ({"vad_model": None, "vad": EndpointOptions()}, UsageError, "without a VAD"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(instant, example, options, error, says):
    with pytest.raises(error, match=says):
        list(asr_cli.transcribe(example, **options))


def job(folder: Path, example: Path) -> Job:
    return Job(str(example), "srt", (Target("srt", folder / "x.srt"), Target("json", folder / "x.json")))


def run(job, stop=None, show=lambda segments, _: segments):
    with Session(ModelOptions(batch_seconds=1.0)) as session:
        return transcribe_job(
            session, job, ReadOptions(), Layout(), stdout=io.StringIO(), stop=stop or threading.Event(), show=show
        )


def stop_after(n_segments, stop):
    def show(segments, _):
        for index, segment in enumerate(segments, 1):
            yield segment
            if index == n_segments:
                stop.set()

    return show


@pytest.mark.parametrize("n_segments", [1, 2, 4])
def test_an_interrupted_run_goes_on_to_the_same_bytes_and_repeats_nothing(instant, example, tmp_path, n_segments):
    whole = job(tmp_path / "whole", example)
    run(whole)
    n_utterances = instant.n_heard
    broken = job(tmp_path / "broken", example)
    stop = threading.Event()
    outcome = run(broken, stop, stop_after(n_segments, stop))
    assert not outcome.complete and sorted(path.name for path in outcome.written) == ["x.part.json", "x.part.srt"]
    assert not broken.targets[0].path.exists() and broken.journal.exists()
    outcome = run(broken)
    assert outcome.complete and instant.n_heard == 2 * n_utterances
    for ours, theirs in zip(broken.targets, whole.targets, strict=True):
        assert ours.path.read_bytes() == theirs.path.read_bytes()
    assert sorted(path.name for path in (tmp_path / "broken").iterdir()) == ["x.json", "x.srt"]


def test_a_failure_in_the_middle_leaves_nothing_half_written_and_loses_nothing(instant, example, tmp_path):
    broken = job(tmp_path, example)

    def fail(segments, _):
        yield from itertools.islice(segments, 2)
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        run(broken, show=fail)
    assert [path.name for path in tmp_path.iterdir()] == [broken.journal.name]
    n_before = instant.n_heard
    assert run(broken).complete
    assert instant.n_heard - n_before < n_before + 5


def test_a_recording_that_changed_is_heard_afresh(instant, example, tmp_path):
    source = tmp_path / "talk.mp3"
    source.write_bytes(example.read_bytes())
    changing = Job(str(source), "srt", (Target("srt", tmp_path / "x.srt"),))
    stop = threading.Event()
    run(changing, stop, stop_after(2, stop))
    source.write_bytes(example.read_bytes()[:60_000])
    n_before = instant.n_heard
    outcome = run(changing)
    assert outcome.complete and instant.n_heard - n_before >= outcome.n_segments


def test_silence_gives_empty_results_and_a_warning(instant, tmp_path, caplog):
    import wave

    with wave.open(str(tmp_path / "quiet.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(bytes(64000))
    quiet = Job(str(tmp_path / "quiet.wav"), "srt", (Target("srt", tmp_path / "quiet.srt"),))
    with caplog.at_level("WARNING", "asr"):
        outcome = run(quiet)
    assert outcome.complete and outcome.n_segments == 0 and (tmp_path / "quiet.srt").exists()
    assert "no speech found" in caplog.text


def test_word_times_never_leave_the_recording(instant, samples):
    for segment in asr_cli.transcribe(samples, sample_rate=16000):
        for word in segment.words:
            assert isinstance(word, Word) and 0 <= word.start <= word.end <= len(samples) / 16000


DOUBT = "repetition"


class Plain(InstantRecognizer):
    """Hears a word in each quarter of a second that is not digital silence."""

    max_duration = 10.0

    def __init__(self):
        super().__init__()
        self.utterances = []

    def recognize(self, utterances):
        self.utterances += utterances
        return [self.hear(utterance, list(self.words(utterance))) for utterance in utterances]

    def hear(self, utterance, words):
        return Segment(tuple(words), language="en")

    def words(self, utterance):
        for word in super().words(utterance):
            middle = round(((word.start + word.end) / 2 - utterance.start) * 16000)
            if utterance.samples[middle : middle + 1].any():
                yield word


class Gathering(Plain):
    gathers = True


class Sliding(Plain):
    """Sure of all but the last word of a full window."""

    slides = True

    def hear(self, utterance, words):
        is_full = utterance.duration >= self.max_duration
        return Segment(tuple(words), language="en", heard=words[-1].start if is_full and words else None)


@pytest.fixture
def long_form(monkeypatch, samples):
    """What a kind of recogniser makes of some minutes: the words, what it was given at once, the segments."""

    def hear(kind, **options):
        recognizer = kind()
        monkeypatch.setattr(registry, "backends", lambda: {"instant": instant_backend(recognizer)})
        heard = list(asr_cli.transcribe(np.concatenate([samples] * 4), punc=False, sample_rate=16000, **options))
        return [word.text for segment in heard for word in segment.words], recognizer.utterances, heard

    return hear


@pytest.mark.parametrize("vad", ["auto", None])
@pytest.mark.parametrize("kind", [Gathering, Sliding])
def test_the_long_form_of_a_recogniser_changes_what_it_hears_at_once_and_not_what_is_said(long_form, kind, vad):
    expected, apart, _ = long_form(Plain, vad_model=vad)
    words, together, segments = long_form(kind, vad_model=vad)
    assert words == expected and len(words) > 100
    assert all(utterance.duration <= 10.0 for utterance in together)
    assert all(segment.language == "en" and segment.heard is None for segment in segments)
    if vad:
        assert len(together) < len(apart)


@pytest.mark.parametrize("n_windows", [1, 3, 6])
def test_sliding_goes_on_from_the_journal_to_the_same_bytes(monkeypatch, example, tmp_path, n_windows):
    class Stopping(Sliding):
        max_duration = 2.5
        stop = threading.Event()

        def recognize(self, windows):
            heard = super().recognize(windows)
            if len(self.utterances) == n_windows:
                self.stop.set()
            return heard

    recognizer = Stopping()
    monkeypatch.setattr(registry, "backends", lambda: {"instant": instant_backend(recognizer)})
    whole, broken = job(tmp_path / "whole", example), job(tmp_path / "broken", example)
    run(whole)
    windows = [(window.start, window.said) for window in recognizer.utterances]
    recognizer.utterances.clear()
    recognizer.stop.clear()
    assert not run(broken, recognizer.stop).complete and len(recognizer.utterances) == n_windows < len(windows)
    assert run(broken).complete
    assert [(window.start, window.said) for window in recognizer.utterances] == windows
    for ours, theirs in zip(broken.targets, whole.targets, strict=True):
        assert ours.path.read_bytes() == theirs.path.read_bytes()


def test_what_is_known_of_a_segment_comes_through_to_its_sentences():
    from asr_cli import pipeline
    from asr_cli.punctuation.ct import CtPunctuator

    class Doubts(InstantRecognizer):
        max_duration = 4.0

        def words(self, utterance):
            said = (" this", " is", " what", " everybody", " wanted", " to", " know", " about")
            return [Word(word, utterance.start + i / 4, utterance.start + (i + 1) / 4) for i, word in enumerate(said)]

        def recognize(self, utterances):
            return [
                Segment(
                    tuple(self.words(u)),
                    language="fr" if u.start > 8 else "en",
                    suspect=DOUBT if u.start == 4 else None,
                )
                for u in utterances
            ]

    speech = [Audio(np.ones(48_000, np.float32), start) for start in (0.0, 4.0, 8.0, 12.0)]
    for punctuator in (None, CtPunctuator.built_in()):
        heard = list(
            pipeline.transcribe(speech, vad=iter, recognizer=Doubts(), punctuator=punctuator, batch_seconds=60)
        )
        told = {(word.start // 4 * 4, segment.language, segment.suspect) for segment in heard for word in segment.words}
        assert told == {(0, "en", None), (4, "en", DOUBT), (8, "en", None), (12, "fr", None)}


def test_what_spreads_a_recogniser_over_threads_asks_for_the_same_long_form():
    from asr_cli.longform.spread import SpreadRecognizer

    for kind in (Plain, Gathering, Sliding):
        spread = SpreadRecognizer(kind(), 2)
        for one in (spread, *spread.lanes):
            assert (one.gathers, one.slides) == (kind is Gathering, kind is Sliding)
        spread.close()
