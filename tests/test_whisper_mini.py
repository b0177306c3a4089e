"""The small Whisper that comes with the program, on synthesised sentences that it has not heard: what only learned
weights can show of long form, times and guards."""

import shutil
from functools import cache
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from asr_cli.audio import Audio
from asr_cli.audio.files import read_blocks
from asr_cli.decoding import DecodingOptions
from asr_cli.models.bundled import bundled_folder
from asr_cli.options import ModelOptions
from asr_cli.recognizers import card_of
from asr_cli.scoring.distance import CORRECT, DELETION, INSERTION, steps
from asr_cli.scoring.pairs import Pair
from asr_cli.scoring.score import score
from asr_cli.scoring.units import Rules
from asr_cli.session import Session

SPOKEN = Path(__file__).parent / "spoken"
RECORDING = SPOKEN / "sentences.opus"
# A little above what it does: share of words that are wrong; s that words begin late, median, and p90 of |.|
WRONG, LATE, LATE_MOST = 0.08, 0.08, 0.3
RATE = 16_000
WAYS = {
    "chunked": {},
    "short chunks": {"decoding": DecodingOptions(chunk_length=6.0)},
    "short chunks, no VAD": {"decoding": DecodingOptions(chunk_length=6.0), "vad_model": None},
    "sequential": {"decoding": DecodingOptions(long_form="sequential")},
    "sequential, no VAD": {"decoding": DecodingOptions(long_form="sequential"), "vad_model": None},
    "beam": {"decoding": DecodingOptions(beam_size=3)},
}


@cache
def truth():
    """The words, and where each begins."""
    rows = [line.split() for line in (SPOKEN / "sentences.ctm").read_text(encoding="utf-8").splitlines()]
    return [row[4] for row in rows], [float(row[2]) for row in rows]


def transcribed(source, **options):
    with Session(ModelOptions(model="whisper-mini", threads=1, **options)) as session:
        return list(session.transcribe(source))


@cache
def heard(way):
    return [word for segment in transcribed(RECORDING, **WAYS[way]) for word in segment.words]


def plain(words):
    return [word.text.strip() for word in words]


@pytest.mark.parametrize("way", WAYS)
def test_most_words_are_right_whichever_way_it_hears(way):
    pair = Pair("a", " ".join(truth()[0]), " ".join(plain(heard(way))))
    assert score([pair], "wer", Rules()).counts.rate <= WRONG


@pytest.mark.parametrize("way", WAYS)
def test_words_begin_where_they_were_said(way):
    late, i, j = [], 0, 0
    for step in steps(truth()[0], plain(heard(way))):
        if step == CORRECT:
            late.append(heard(way)[j].start - truth()[1][i])
        i, j = i + (step != INSERTION), j + (step != DELETION)
    assert abs(median(late)) <= LATE
    assert np.percentile(np.abs(late), 90) <= LATE_MOST


@pytest.mark.parametrize("way", WAYS)
def test_words_follow_each_other(way):
    assert all(before.start <= before.end <= after.start + 1e-6 for before, after in pairwise(heard(way)))


@pytest.mark.parametrize("sound", ["noise", "tone", "quiet noise"])
def test_where_nobody_speaks_nothing_is_written_that_is_not_doubted(sound):
    dice = np.random.default_rng(0)
    n = 24 * RATE
    samples = {
        "noise": 0.1 * dice.standard_normal(n),
        "quiet noise": 1e-4 * dice.standard_normal(n),
        "tone": 0.2 * np.sin(np.arange(n) * 0.2),
    }[sound].astype(np.float32)
    segments = transcribed([Audio(samples)], vad_model=None)
    assert all(segment.suspect for segment in segments), segments


def test_a_recording_is_heard_the_same_whatever_its_blocks():
    samples = np.concatenate([block.samples for block in read_blocks(RECORDING)])
    texts = []
    for size in (4000, 50_000):
        blocks = [Audio(samples[at : at + size], at / RATE) for at in range(0, len(samples), size)]
        texts.append([segment.text for segment in transcribed(blocks)])
    assert texts[0] == texts[1]


def test_it_is_used_only_where_it_is_named():
    assert card_of(ModelOptions(language="en")).name != "whisper-mini"


def test_a_copy_of_it_is_read_from_its_folder(tmp_path):
    copy = shutil.copytree(bundled_folder("whisper-mini"), tmp_path / "copy")
    card = card_of(ModelOptions(model=str(copy)))
    assert (card.name, card.bundled, card.languages) == ("copy", False, ("en",))
