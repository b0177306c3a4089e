"""The small models that come with the program, on synthesised sentences that they have not heard: what only learned
weights can show. tests/spoken: a minute and a half by several voices, and when each word was said."""

import shutil
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np
import pytest
from asr.training import find_folder

from asr_cli import catalog, checkpoint, registry, stream
from asr_cli.audio import Audio
from asr_cli.audio.files import read_blocks
from asr_cli.errors import ModelError
from asr_cli.live.events import Final
from asr_cli.longform.batch import recognize
from asr_cli.longform.cut import cut
from asr_cli.longform.stitch import stitch
from asr_cli.models.folder import read_yaml
from asr_cli.options import ModelOptions
from asr_cli.recognizers import card_of
from asr_cli.registry import LoadOptions
from asr_cli.scoring.distance import CORRECT, DELETION, INSERTION, steps
from asr_cli.scoring.pairs import Pair
from asr_cli.scoring.score import score
from asr_cli.scoring.units import Rules
from asr_cli.session import Session
from asr_cli.train.ship import ship
from asr_cli.train.task import TASKS, kind_of
from tests.tools.listening import listen

SPOKEN = Path(__file__).parent / "spoken"
RECORDING = SPOKEN / "sentences.opus"


@dataclass(frozen=True)
class Limits:
    """A little above what they do. wrong: share of words; begin, begins: s that words begin late, the median and, of
    absolute values, nine of ten; drafted: s after their end, the median; found: share of words that were drafted."""

    wrong: float
    begin: float
    begins: float
    drafted: float | None = None
    found: float = 0.9


MODELS = {
    "paraformer-tiny": Limits(0.13, 0.18, 0.42),
    # A draft's last words may move as more is heard, further than what is counted as the same word.
    "paraformer-streaming-tiny": Limits(0.12, 0.22, 0.52, drafted=1.0, found=0.8),
    "bat-tiny": Limits(0.05, 0.07, 0.22, drafted=0.5),
    "rwkv-bat-tiny": Limits(0.06, 0.05, 0.22, drafted=0.3),
}
STREAMING = [name for name, limits in MODELS.items() if limits.drafted]
N_BYTES, N_ALL_BYTES = 6_000_000, 20_000_000
BLOCK = 1600  # samples


@cache
def truth():
    """The words, and where each begins and ends."""
    lines = (SPOKEN / "sentences.ctm").read_text(encoding="utf-8").splitlines()
    rows = [line.split() for line in lines]
    return [row[4] for row in rows], [(float(row[2]), float(row[2]) + float(row[3])) for row in rows]


@cache
def samples():
    return np.concatenate([block.samples for block in read_blocks(RECORDING)])


def transcribed(name, **options):
    with Session(ModelOptions(model=name, punc=False, threads=1, **options)) as session:
        return list(session.transcribe(RECORDING))


@cache
def heard(name):
    """The segments of the recording, and its words."""
    segments = transcribed(name)
    return segments, words_of(segments)


def words_of(segments):
    return [word for segment in segments for word in segment.words]


def opened(name, **options):
    backend, card = registry.find(name)
    return registry.open_recognizer(backend, card, catalog.find(name).folder, LoadOptions(threads=1, **options))


def rate(words, reference=None):
    text = " ".join(word.text.strip() for word in words)
    return score([Pair("a", " ".join(reference or truth()[0]), text)], "wer", Rules()).counts.rate


def matched(words):
    """Pairs of words that were said and heard: the number of one, and the other."""
    i = j = 0
    for step in steps(truth()[0], [word.text.strip() for word in words]):
        if step == CORRECT:
            yield i, words[j]
        i, j = i + (step != INSERTION), j + (step != DELETION)


def sounding():
    """The recording without what lies between words."""
    return np.concatenate([samples()[int(start * 16_000) : int(end * 16_000)] for start, end in truth()[1]])


@pytest.mark.parametrize("name", MODELS)
def test_most_words_are_right(name):
    assert rate(heard(name)[1]) <= MODELS[name].wrong


@pytest.mark.parametrize("name", MODELS)
def test_words_begin_where_they_were_said(name):
    late = [word.start - truth()[1][i][0] for i, word in matched(heard(name)[1])]
    assert abs(median(late)) <= MODELS[name].begin
    assert np.percentile(np.abs(late), 90) <= MODELS[name].begins


@pytest.mark.parametrize("name", MODELS)
def test_words_follow_each_other_inside_their_segments(name):
    for segment in heard(name)[0]:
        assert segment.words[0].start >= segment.start and segment.words[-1].end <= segment.end
        for before, after in pairwise(segment.words):
            assert before.start < before.end <= after.start + 1e-6


@pytest.mark.parametrize("name", MODELS)
def test_speech_without_a_pause_is_cut_and_stitched(name):
    """A minute in pieces of at most ten seconds, each of which repeats the end of the one before, against the whole."""
    with opened(name) as recognizer:
        pieces = list(cut([Audio(sounding())], 10.0))
        found = list(stitch(recognize(pieces, recognizer, batch_seconds=20)))
        [whole] = recognizer.recognize([Audio(sounding())])
    assert sum(piece.overlap > 0 for piece in pieces) >= 4
    words = words_of(found)
    assert rate(words) <= rate(whole.words) + 0.02
    doubled = [sum(one.text == other.text for one, other in pairwise(each)) for each in (words, whole.words)]
    assert doubled[0] <= doubled[1] + 1


@pytest.mark.parametrize("name", MODELS)
def test_company_changes_nothing(name):
    places = ((8_000, 40_000), (80_000, 64_000), (200_000, 16_000), (300_000, 90_000))
    utterances = [Audio(samples()[begin : begin + n]) for begin, n in places]
    with opened(name, compute_type="float32") as recognizer:
        together = recognizer.recognize(utterances)
        alone = [recognizer.recognize([one])[0] for one in utterances]
    assert [one.text for one in together] == [one.text for one in alone]
    assert all(one.text for one in alone)


def finals_of(name):
    return [event.segment for event in live(name) if isinstance(event, Final)]


def test_a_network_that_hears_more_of_a_recording_than_of_a_stream_is_little_better_there():
    assert rate(words_of(finals_of("bat-tiny"))) <= rate(heard("bat-tiny")[1]) + 0.05


@pytest.mark.parametrize("name", ["paraformer-streaming-tiny", "rwkv-bat-tiny"])
def test_a_stream_ends_in_what_the_recording_says(name):
    finals = finals_of(name)
    assert [one.text for one in finals] == [one.text for one in heard(name)[0]]
    for one, other in zip(finals, heard(name)[0], strict=True):
        assert one.start == pytest.approx(other.start, abs=0.02)


@pytest.mark.parametrize("name", STREAMING)
def test_words_are_drafted_soon_after_they_are_said(name):
    drafted = {}  # when a word was first told that begins somewhere
    with opened(name) as recognizer:
        for segment in heard(name)[0]:
            piece = samples()[int(segment.start * 16_000) : int((segment.end + 0.3) * 16_000)]
            for step, draft in enumerate(listen(recognizer, piece, BLOCK, start=segment.start), start=1):
                for word in draft.words:
                    drafted.setdefault((word.text.strip(), round(word.start, 1)), segment.start + step * BLOCK / 16_000)
    found = list(matched(heard(name)[1]))
    lags = []
    for i, word in found:
        told = [at for (text, start), at in drafted.items()
                if text == word.text.strip() and abs(start - word.start) < 0.5]  # fmt: skip
        lags += [min(told) - truth()[1][i][1]] if told else []
    assert len(lags) > MODELS[name].found * len(found)
    assert median(lags) <= MODELS[name].drafted


@cache
def live(name):
    whole = samples()
    blocks = [Audio(whole[at : at + BLOCK], start=at / 16_000) for at in range(0, len(whole), BLOCK)]
    return list(stream(blocks, model=name, punc=False, threads=1))


@pytest.mark.parametrize("name", MODELS)
def test_eight_bits_hear_nearly_the_same(name):
    words = words_of(transcribed(name, compute_type="int8"))
    assert rate(words) <= rate(heard(name)[1]) + 0.03


@pytest.mark.parametrize("name", [name for name in MODELS if "bat" in name])
def test_the_beam_is_no_worse_than_the_best_at_each_step(name):
    words = words_of(transcribed(name, mode="greedy"))
    assert rate(heard(name)[1]) <= rate(words) + 0.01


def test_they_are_small():
    sizes = {name: sum(path.stat().st_size for path in catalog.find(name).folder.iterdir()) for name in MODELS}
    assert max(sizes.values()) <= N_BYTES and sum(sizes.values()) <= N_ALL_BYTES, sizes


@pytest.mark.parametrize("name", MODELS)
def test_they_come_with_the_program_and_are_nobodys_default(name):
    entry = catalog.find(name)
    assert entry.card.bundled and entry.is_here and entry.size_bytes
    for language in (None, "en", "en-US", "en-GB"):
        assert card_of(ModelOptions(language=language)).name != name


@pytest.mark.parametrize("name", MODELS)
def test_training_begins_from_them_by_name(name):
    folder = find_folder(name)
    assert kind_of(read_yaml(folder / "config.yaml"), folder, TASKS) in TASKS
    assert (folder / "model.safetensors").is_file()


def test_shipping_halves_the_weights_and_changes_nothing_that_is_half_already(tmp_path):
    shipped = catalog.find("bat-tiny").folder
    ship(shipped, tmp_path / "again")
    for path in (tmp_path / "again").iterdir():
        assert path.read_bytes() == (shipped / path.name).read_bytes()
        assert path.stat().st_mode & 0o044  # anybody may use what somebody installed


def test_weights_that_half_precision_cannot_hold_are_not_shipped(tmp_path):
    model = tmp_path / "model"
    shutil.copytree(catalog.find("bat-tiny").folder, model)
    tensors = {name: tensor.float() for name, tensor in checkpoint.read(model / "model.safetensors").items()}
    tensors["joint_network.lin_out.bias"] = tensors["joint_network.lin_out.bias"] + 1e5
    checkpoint.save_safetensors(model / "model.safetensors", tensors, {})
    with pytest.raises(ModelError, match=r"joint_network\.lin_out\.bias"):
        ship(model, tmp_path / "shipped")
