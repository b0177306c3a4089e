"""Speech found in real recordings, as the published model and program find it; any block size, any layout."""

import json
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from asr_cli.audio import SAMPLE_RATE, Audio
from asr_cli.audio.files import read_blocks
from asr_cli.errors import ModelError
from asr_cli.vad.endpoint import EndpointOptions
from asr_cli.vad.fsmn import FsmnVad

Samples = NDArray[np.float32]
GOLDEN = json.loads((Path(__file__).parent / "golden" / "funasr_vad.json").read_text(encoding="utf-8"))
LONG = "(all recordings in a row)"
MANDARIN = "zh/funasr_vad_example_70s.wav"
PUBLISHED = [
    [70, 2340], [2620, 6200], [6480, 23670], [23950, 26250], [26780, 28990], [29950, 31430], [31750, 37600],
    [38210, 46900], [47310, 49630], [49910, 56460], [56740, 59540], [59820, 70450],
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """A busy machine makes threads wait for each other longer than the work takes."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="session")
def folder(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The public model in FunASR's layout."""
    sys.path.insert(0, str(Path(__file__).parent / "tools"))
    with warnings.catch_warnings(action="ignore"):  # TorchScript is deprecated, and read only for its tensors
        from public_vad import make_folder

        return make_folder(tmp_path_factory.mktemp("fsmn-vad"))


@pytest.fixture(scope="session")
def recording(shared: Path) -> Callable[[str], Samples]:
    """A shared recording by its name, as int16 would hold it."""

    @cache
    def read(name: str) -> Samples:
        samples = np.concatenate([block.samples for block in read_blocks(shared / "data" / "audio" / name)])
        return np.clip(np.round(samples * 32768), -32768, 32767).astype(np.float32) / 32768

    return read


def blocks(samples: Samples, size: int = 8000, start: float = 0.0) -> Iterator[Audio]:
    for first in range(0, len(samples), size):
        yield Audio(samples[first : first + size], start=start + first / SAMPLE_RATE)


def milliseconds(spans: Iterator[tuple[float, float]]) -> list[list[int]]:
    return [[round(start * 1000), round(end * 1000)] for start, end in spans]


@pytest.mark.parametrize(("size", "patience"), [(8000, 0.0), (1_000_000, 0.0), (160, 10.0), (12_345, 10.0)])
def test_the_published_segments_come_out_for_any_block_size(folder, recording, size: int, patience: float) -> None:
    vad = FsmnVad.from_folder(folder, patience=patience)
    assert milliseconds(vad.spans(blocks(recording(MANDARIN), size))) == PUBLISHED


@pytest.mark.parametrize(
    "names",
    [
        pytest.param([MANDARIN, "en/pyannote_sample_30s.wav", "ja/watson_sample-Ja_JP-narrow5.wav"], id="three"),
        pytest.param([name for name in GOLDEN if name != LONG], id="all", marks=pytest.mark.slow),
    ],
)
def test_both_modes_equal_funasrs_on_every_shared_recording(folder, recording, names: list[str]) -> None:
    vads = {mode: FsmnVad.from_folder(folder, EndpointOptions(mode=mode)) for mode in ("classic", "dynamic")}
    heard = {name: recording(name) for name in names}
    if len(names) == len(GOLDEN) - 1:
        heard[LONG] = np.concatenate(list(heard.values()))
    for name, samples in heard.items():
        assert len(samples) == GOLDEN[name]["n_samples"], name
        for mode, vad in vads.items():
            assert milliseconds(vad.spans(blocks(samples))) == GOLDEN[name][mode], (name, mode)


@settings(max_examples=6, deadline=None)
@given(cuts=st.lists(st.integers(0, 200_000), max_size=10), patience=st.sampled_from([0.0, 1.0]))
def test_each_stretch_is_the_recordings_own_samples(folder, recording, cuts: list[int], patience: float) -> None:
    samples = recording(MANDARIN)[:200_000]
    vad = FsmnVad.from_folder(folder, patience=patience)
    pieces = [
        Audio(samples[first:last], start=100 + first / SAMPLE_RATE)
        for first, last in pairwise(sorted({0, *cuts, len(samples)}))
    ]
    stretches = list(vad(pieces))
    assert milliseconds((audio.start, audio.end) for audio in stretches) == milliseconds(vad.spans(pieces))
    assert [round(audio.start * 1000) - 100_000 for audio in stretches] == [70, 2620, 6480]
    for audio in stretches:
        first = round((audio.start - 100) * SAMPLE_RATE)
        assert np.array_equal(audio.samples, samples[first : first + len(audio.samples)])


def test_a_stretch_comes_out_as_soon_as_its_end_is_known(folder, recording) -> None:
    vad, n_heard = FsmnVad.from_folder(folder, patience=0), 0

    def counted() -> Iterator[Audio]:
        nonlocal n_heard
        for block in blocks(recording(MANDARIN), 1600):
            n_heard += len(block.samples)
            yield block

    first = next(vad.spans(counted()))
    assert n_heard / SAMPLE_RATE < first[1] + 0.75


def test_two_streams_through_one_vad_do_not_meet(folder, recording) -> None:
    vad, samples = FsmnVad.from_folder(folder), recording(MANDARIN)
    other = vad.spans(blocks(samples[300_000:]))
    next(other)
    assert milliseconds(vad.spans(blocks(samples))) == PUBLISHED


def test_nothing_comes_of_no_blocks_one_sample_or_silence(folder) -> None:
    vad = FsmnVad.from_folder(folder)
    for n_samples in (0, 1, 399, 400, 720, 160_000):
        assert list(vad(blocks(np.zeros(n_samples, np.float32)))) == []
        assert sum(len(look) for look in vad.silence(blocks(np.zeros(n_samples, np.float32)))) == max(
            0, 1 + (n_samples - 400) // 160
        )


def test_quiet_frames_are_no_speech_once_asked_for(folder, recording) -> None:
    samples = recording(MANDARIN)
    loud = FsmnVad.from_folder(folder, EndpointOptions(decibel_thres=100.0))
    assert list(loud.spans(blocks(samples))) == []
    all_pass = FsmnVad.from_folder(folder, EndpointOptions(decibel_thres=-59.0, snr_thres=-59.0))
    assert milliseconds(all_pass.spans(blocks(samples, 777))) == PUBLISHED


def test_the_checkpoints_own_options_hold_where_none_are_given(folder, tmp_path) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    change(tmp_path, "vad_post_conf", max_end_silence_time=500, max_single_segment_time=10_000)
    assert FsmnVad.from_folder(tmp_path).options == replace(
        EndpointOptions(), max_end_silence_time=500, max_single_segment_time=10_000
    )


def test_the_layout_of_before_version_one_and_names_in_configuration_json_are_read(folder, recording, tmp_path) -> None:
    old, named = tmp_path / "old", tmp_path / "named"
    for place, names in ((old, ("vad.pb", "vad.mvn", "vad.yaml")), (named, ("w.bin", "n.txt", "c.yml"))):
        place.mkdir()
        for source, name in zip(("model.pt", "am.mvn", "config.yaml"), names, strict=True):
            shutil.copy(folder / source, place / name)
    metas = {"init_param": "w.bin", "config": "c.yml", "frontend_conf": {"cmvn_file": "n.txt"}}
    (named / "configuration.json").write_text(json.dumps({"file_path_metas": metas}), encoding="utf-8")
    samples = recording(MANDARIN)[:480_000]
    first, second = (milliseconds(FsmnVad.from_folder(place).spans(blocks(samples))) for place in (old, named))
    assert first == second == PUBLISHED[:5]


def change(folder: Path, section: str, **values: object) -> None:
    path = folder / "config.yaml"
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    found[section] = found.get(section, {}) | values
    path.write_text(yaml.safe_dump(found), encoding="utf-8")


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("encoder_conf", {"surprise": 1}),
        ("encoder_conf", {"linear_dim": 100}),
        ("encoder_conf", {"rorder": 2}),
        ("frontend_conf", {"lfr_m": 7}),
        ("frontend_conf", {"fs": 8000}),
        ("vad_post_conf", {"sil_pdf_ids": [0, 1]}),
        ("vad_post_conf", {"surprise": 1}),
    ],
)
def test_a_configuration_we_would_misread_is_refused(folder, tmp_path, section: str, values: dict[str, object]) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    change(tmp_path, section, **values)
    with pytest.raises(ModelError):
        FsmnVad.from_folder(tmp_path)


@pytest.mark.parametrize("name", ["config.yaml", "model.pt", "am.mvn"])
def test_a_missing_or_broken_file_is_refused_by_name(folder, tmp_path, name: str) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / name).write_bytes(b"\x00broken")
    with pytest.raises(ModelError, match=name):
        FsmnVad.from_folder(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ModelError, match=name):
        FsmnVad.from_folder(tmp_path)


def test_our_own_model_needs_no_folder() -> None:
    assert FsmnVad.built_in().options == EndpointOptions()
    assert list(FsmnVad.built_in()(blocks(np.zeros(160_000, np.float32)))) == []
    for level in (-60, -40, -20):  # dB
        noise = np.random.default_rng(0).normal(0, 10 ** (level / 20), 160_000).astype(np.float32)
        assert list(FsmnVad.built_in()(blocks(noise.clip(-1, 1)))) == [], f"white noise at {level} dB"
