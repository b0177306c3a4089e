import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from asr_plugins.sphinx import decoding
from asr_plugins.sphinx.decoding import leveled

from asr_cli import registry
from asr_cli.audio import Audio
from asr_cli.audio.files import read_blocks
from asr_cli.protocols import Recognizer


def samples_of(path):
    return np.concatenate([block.samples for block in read_blocks(path)])


@pytest.fixture(scope="module")
def recognizer():
    backend, card = registry.find("sphinx")
    with registry.open_recognizer(backend, card, None, registry.LoadOptions(threads=1)) as opened:
        yield opened


@pytest.fixture(scope="module")
def sentences(example):
    """Two utterances of the example, each with where it starts."""
    samples = samples_of(example)
    return [
        Audio(samples[int(start * 16000) : int(end * 16000)], start=start) for start, end in ((0.0, 3.5), (4.0, 6.5))
    ]


def test_it_keeps_the_role_of_a_recogniser(recognizer):
    assert isinstance(recognizer, Recognizer)
    assert recognizer.max_duration == 30.0


def test_a_real_recording_is_understood(recognizer, shared):
    samples = samples_of(shared / "data/audio/en/pocketsphinx_goforward.wav")
    (segment,) = recognizer.recognize([Audio(samples)])
    assert segment.text == "go forward ten meters"
    # where the words are was read off the spectrogram
    assert [word.start for word in segment.words] == pytest.approx([0.46, 0.64, 1.17, 1.53], abs=0.1)


def test_times_are_of_the_recording_and_never_go_back(recognizer, sentences):
    utterance = sentences[0]
    (here,) = recognizer.recognize([utterance])
    (later,) = recognizer.recognize([Audio(utterance.samples, start=utterance.start + 3600)])
    times = [time for word in here.words for time in (word.start, word.end)]
    assert times == sorted(times) and len(here.words) > 3
    assert utterance.start <= times[0] and times[-1] <= utterance.end
    assert [word.start - 3600 for word in later.words] == pytest.approx([word.start for word in here.words])
    assert [word.text for word in later.words] == [word.text for word in here.words]


def test_words_carry_their_space_and_a_confidence_and_no_marks_of_the_dictionary(recognizer, sentences):
    words = [word for segment in recognizer.recognize(sentences) for word in segment.words]
    assert all(
        word.text.startswith(" ") and word.text[1:].replace("'", "").replace(".", "").isalpha() for word in words
    )
    assert all(0.0 <= word.confidence <= 1.0 for word in words)
    assert len({word.confidence for word in words}) > 3


@pytest.mark.parametrize("samples", [np.zeros(0), np.full(1, 0.5), np.zeros(16000), np.full(16000, 0.5), np.ones(500)])
def test_where_nothing_is_said_there_are_no_words(recognizer, samples):
    (segment,) = recognizer.recognize([Audio(samples.astype(np.float32), start=5.0)])
    assert segment.words == ()


def test_nothing_in_gives_nothing_out(recognizer):
    assert recognizer.recognize([]) == []


def test_what_was_heard_before_changes_nothing(recognizer, sentences):
    alone = recognizer.recognize(sentences)
    noise = Audio(np.random.default_rng(1).normal(0, 0.2, 8000).astype(np.float32))
    assert recognizer.recognize([noise, *sentences[::-1]])[1:] == alone[::-1]


def test_two_threads_do_not_disturb_each_other(recognizer, sentences):
    expected = recognizer.recognize(sentences)
    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(lambda sentence: recognizer.recognize([sentence])[0], sentences)) == expected


def test_a_recording_s_loudness_changes_no_word(recognizer, sentences):
    quiet = [Audio(sentence.samples / 30, start=sentence.start) for sentence in sentences]
    words = [[word.text for word in segment.words] for segment in recognizer.recognize(sentences)]
    assert [[word.text for word in segment.words] for segment in recognizer.recognize(quiet)] == words


def test_levelling_clips_nothing_and_makes_no_sound_of_silence():
    peaky = np.zeros(16000, np.float32)
    peaky[::1000] = 1.0
    assert np.abs(leveled(peaky).astype(int)).max() < 32767
    hiss = np.random.default_rng(0).normal(0, 1e-5, 16000).astype(np.float32)
    assert np.abs(leveled(hiss)).mean() < 100


def test_the_engine_says_nothing_on_any_stream(sentences, capfd):
    decoding.recognize(sentences[0].samples)
    assert capfd.readouterr() == ("", "")


def test_the_face_and_the_workers_import_no_torch():
    code = (
        "import sys, asr_plugins.sphinx; assert 'numpy' not in sys.modules;"
        "import asr_plugins.sphinx.worker; assert 'numpy' in sys.modules; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
