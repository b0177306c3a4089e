import dataclasses
import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from asr.training import find_folder

from asr_cli.audio.files import read_blocks
from asr_cli.errors import InputError, UsageError
from asr_cli.features.cmvn import Cmvn
from asr_cli.features.fbank import Fbank
from asr_cli.features.lfr import LowFrameRate
from asr_cli.models.fsmn_vad import FsmnVadNet
from asr_cli.train import events
from asr_cli.train.config import Run, read_recipe
from asr_cli.train.data.material import find_material
from asr_cli.train.data.spans import labels, read_folder
from asr_cli.train.loop import train
from asr_cli.train.tasks.detector import Window, build, decision
from asr_cli.vad.endpoint import EndpointOptions
from asr_cli.vad.fsmn import FsmnVad
from asr_cli.vad.weights import read_folder as read_vad
from asr_cli.vad.weights import read_own
from tests.tools.public_vad import SHARED, make_folder
from tests.tools.tones import RATE, write_wav

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore::UserWarning:lightning_fabric")
QUICK = ("max_steps=60", "validate_every=30", "save_every=10", "warmup_steps=10", "batch_seconds=16", "max_seconds=4",
         "workers=0", "lr=0.005", "augment.reverb=0")  # fmt: skip


def buzz(n_samples: int, generator: np.random.Generator) -> np.ndarray:
    """What counts as speech here."""
    time = np.arange(n_samples) / RATE
    pitch = generator.uniform(110, 220)
    return sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 12)) * 0.1


def write_talks(folder: Path, n: int = 4, seconds: float = 9.0) -> Path:
    """A Kaldi folder of buzzes over faint noise, and one recording of noise alone."""
    folder.mkdir(parents=True)
    chance, generator = random.Random(1), np.random.default_rng(1)
    segments = []
    for at in range(n):
        samples = 0.005 * generator.standard_normal(int(seconds * RATE))
        for start in (0.4, 3.1, 6.2) if at else ():
            start, length = start + chance.random(), 0.5 + chance.random()
            first, n_samples = int(start * RATE), int(length * RATE)
            samples[first : first + n_samples] += buzz(n_samples, generator)
            segments.append(f"r{at}-{start:.3f} r{at} {start:.3f} {start + length:.3f}\n")
        write_wav(folder / f"r{at}.wav", (samples * 32767).astype("<i2"))
    (folder / "wav.scp").write_text("".join(f"r{at} r{at}.wav\n" for at in range(n)))
    (folder / "segments").write_text("".join(segments))
    return folder


@pytest.fixture(scope="module")
def talks(tmp_path_factory):
    return write_talks(tmp_path_factory.mktemp("talks") / "data")


def run(data, out, *changes, recipe="fsmn-vad-tiny", init=None):
    found = read_recipe(recipe, [*QUICK, *changes])
    return Run(recipe=found, data=(str(data),), valid=(str(data),), out=out, init=init, device="cpu")


@pytest.fixture(scope="module")
def learned(talks, tmp_path_factory):
    out = tmp_path_factory.mktemp("learned") / "run"
    return out, list(train(run(talks, out)))


def test_what_is_speech_is_learned_in_seconds(learned):
    out, told = learned
    finished = told[-1]
    assert isinstance(finished, events.Finished)
    assert finished.metric == "FER" and finished.rate < 0.05
    assert (told[0].unit, told[0].n_utterances, told[0].n_tokens) == ("windows", 12, None)
    first, *_, last = [one for one in told if isinstance(one, events.Validated)]
    assert set(last.parts) == {"missed", "false alarm"} and last.rate < first.rate
    records = [json.loads(line) for line in (out / "train.jsonl").read_text().splitlines()]
    assert any("false alarm" in one for one in records)


def test_what_was_learned_finds_where_somebody_speaks(learned, talks):
    vad = FsmnVad.from_folder(learned[0] / "model")
    wanted = read_folder(str(talks))[1]
    for key in ("r0", "r1", "r2"):
        found = list(vad.spans(read_blocks(str(talks / f"{key}.wav"))))
        assert len(found) == len(wanted.get(key, []))
        for (start, end), (first, last) in zip(found, wanted.get(key, []), strict=True):
            assert start == pytest.approx(first, abs=0.4) and end == pytest.approx(last, abs=0.4)


def test_a_run_that_is_left_goes_on_as_if_it_had_not(talks, tmp_path):
    weights = []
    for name, n_events in (("whole", None), ("left", 17)):
        asked = run(talks, tmp_path / name, "max_steps=20", "workers=1" if n_events is None else "workers=0")
        if n_events:
            going = train(asked)
            for _ in range(n_events):
                next(going)
            going.close()
        list(train(asked))
        weights.append(read_vad(tmp_path / name / "model").net.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def material_and_task(talks, tmp_path, *changes):
    asked = run(talks, tmp_path, *changes)
    found = find_material(asked, asked.recipe.architecture)
    records, _ = found.read(asked.data)
    tmp_path.mkdir(exist_ok=True)
    found.begin(records)
    return found, records, found.build()


def test_windows_hear_what_the_whole_recording_hears(talks, tmp_path):
    """Whatever the windows are, what counts in them is every frame once, and the same as in one look."""
    found, records, task = material_and_task(talks, tmp_path)
    corpus = found.corpus(task, found.items(records[:2]), by_chance=False)
    windows = [corpus[0, at] for at in range(len(corpus))]
    assert len(windows) == 6 and all(isinstance(one, Window) for one in windows)
    batch = task.collate(windows)
    task.net.eval()
    with torch.no_grad():
        margins = task.margins(task.net, batch)
        for number, key in enumerate(("r0", "r1")):
            samples = torch.cat([torch.from_numpy(one.samples) for one in read_blocks(str(talks / f"{key}.wav"))])
            stacked, _ = LowFrameRate(5, 1)(Fbank()(samples)[0])
            whole = task.margins(task.net, batch=dataclasses.replace(batch, features=task.cmvn(stacked)[None]))[0]
            mine = slice(3 * number, 3 * number + 3)
            assert torch.allclose(margins[mine][batch.counts[mine]], whole, atol=1e-4)


def test_windows_are_elsewhere_each_epoch_and_their_labels_with_them(talks, tmp_path):
    found, records, task = material_and_task(talks, tmp_path, "augment.speed=[0.9,1.1]")
    corpus = found.corpus(task, found.items(records), by_chance=True)
    first, again, later = corpus[0, 4], corpus[0, 4], corpus[1, 4]
    assert torch.equal(first.features, again.features) and not torch.equal(first.labels, later.labels)
    n_fast = 0
    for epoch in range(6):
        one = corpus[epoch, 4]
        loud = one.features.logsumexp(1) > 22
        assert ((loud != (one.labels > 0)) & one.counts).sum() <= 12  # the edges of two buzzes
        n_fast += int(one.counts.sum()) < 300
    assert 0 < n_fast < 6


def test_frames_are_speech_where_their_middle_is():
    times = torch.tensor([0.5, 0.99, 1.0, 1.5, 2.0, 4.0])
    assert labels(times, [(1.0, 2.0), (3.5, 5.0)]).tolist() == [0, 0, 1, 1, 0, 1]
    assert labels(times, []).tolist() == [0] * 6


def test_as_likely_speech_as_not_is_where_the_endpointer_decides():
    for options in (
        EndpointOptions(),
        EndpointOptions(speech_noise_thres=0.2),
        EndpointOptions(speech_2_noise_ratio=2),
    ):
        at = decision(options)
        for logit, is_speech in ((at - 0.01, False), (at + 0.01, True)):
            silence = 1 - 1 / (1 + np.exp(-logit))
            assert (1 - silence >= silence**options.speech_2_noise_ratio + options.threshold) == is_speech


def test_a_command_for_the_shell_is_refused_with_what_to_do(tmp_path):
    folder = write_talks(tmp_path / "data", 1)
    (folder / "wav.scp").write_text("r0 sox a.flac -t wav - |\n")
    asked = run(folder, tmp_path / "run")
    with pytest.raises(UsageError, match="'r0' is a command for the shell, and training reads files"):
        find_material(asked, asked.recipe.architecture).read(asked.data)


def test_segments_of_speech_may_overlap_and_go_on_to_the_end(tmp_path):
    folder = write_talks(tmp_path / "data", 1)
    (folder / "segments").write_text("a r0 1 3\nb r0 2.5 4\nc r0 7 -1\n")
    asked = run(folder, tmp_path / "run")
    [record], _ = find_material(asked, asked.recipe.architecture).read(asked.data)
    assert record.speech == ((1, 4), (7, 9))


def test_data_that_says_what_and_not_where_is_refused(talks, tmp_path):
    folder = write_talks(tmp_path / "data", 2)
    (folder / "segments").unlink()
    with pytest.raises(UsageError, match="nobody speaks"):
        list(train(run(folder, tmp_path / "run")))
    (folder / "text").write_text("r0 hello\n")
    with pytest.raises(InputError, match="not where"):
        list(train(run(folder, tmp_path / "run")))
    (folder / "segments").write_text("a r9 0 1\n")
    with pytest.raises(UsageError, match="no recording 'r9'"):
        list(train(run(folder, tmp_path / "run")))
    with pytest.raises(InputError, match="no Kaldi folder"):
        list(train(run(tmp_path, tmp_path / "run")))


def test_speech_behind_the_end_of_its_recording_is_told(talks, tmp_path):
    folder = write_talks(tmp_path / "data", 3)
    (folder / "segments").write_text("a r0 0 1\nb r1 8 30\n")
    told = list(train(run(folder, tmp_path / "run", "max_steps=1")))
    assert told[0].n_skipped == 1
    assert "up to 30.00 s" in (tmp_path / "run" / "skipped.jsonl").read_text()


def test_a_broken_recording_is_left_out_once(talks, tmp_path, caplog):
    folder = write_talks(tmp_path / "data", 3)
    going = train(dataclasses.replace(run(folder, tmp_path / "run", "max_steps=12"), valid=(str(talks),)))
    next(going)
    (folder / "r1.wav").unlink()
    assert list(going)[-1].step == 12
    assert len([one for one in caplog.messages if "r1 is left out" in one]) == 1


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="the public FSMN-VAD is not beside the checkout")
def test_the_public_model_is_fine_tuned_and_comes_out_as_funasr_has_it(talks, tmp_path):
    import yaml

    model = make_folder(tmp_path / "public")
    changes = "max_steps=4", "lr=1e-5", "average=1"
    told = list(train(run(talks, tmp_path / "run", *changes, recipe=None, init=model)))
    assert told[-1].rate < 1 and told[0].n_parameters > 400_000
    out = tmp_path / "run" / "model"
    before, after = read_vad(model), read_vad(out)
    ours, theirs = after.net.state_dict(), before.net.state_dict()
    assert not all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert all(torch.allclose(ours[name], theirs[name], atol=1e-3) for name in ours)
    assert after.options == before.options
    assert torch.allclose(after.cmvn.scale, before.cmvn.scale)
    settings = yaml.safe_load((out / "config.yaml").read_text())
    assert (settings["model"], settings["encoder"], settings["frontend"]) == (
        "FsmnVADStreaming", "FSMN", "WavFrontendOnline",
    )  # fmt: skip
    shapes, wanted = (torch.load(folder / "model.pt", weights_only=True) for folder in (out, model))
    assert {name: one.shape for name, one in shapes.items()} == {name: one.shape for name, one in wanted.items()}


def test_the_model_that_comes_with_the_program_is_fine_tuned(talks, tmp_path, monkeypatch):
    monkeypatch.setenv("ASR_CACHE", str(tmp_path / "cache"))
    folder = find_folder("fsmn-vad-mini")
    net, cmvn = read_own()
    found = read_vad(folder)
    assert all(torch.equal(one, found.net.state_dict()[name]) for name, one in net.state_dict().items())
    assert torch.equal(found.cmvn.scale, cmvn.scale) and found.options == EndpointOptions()
    told = list(train(run(talks, tmp_path / "run", "max_steps=2", "lr=1e-5", recipe=None, init=folder)))
    assert told[-1].why == "steps"
    after = read_vad(tmp_path / "run" / "model").net.state_dict()
    assert all(torch.allclose(one, after[name], atol=1e-3) for name, one in net.state_dict().items())
    again = (folder / "model.pt").stat().st_mtime_ns
    assert find_folder("fsmn-vad-mini") == folder and (folder / "model.pt").stat().st_mtime_ns == again


@pytest.mark.parametrize("name", ["ct-punc-en-mini", "sphinx"])
def test_training_cannot_begin_from_every_model_inside_the_program(name):
    with pytest.raises(UsageError, match="training cannot begin from it"):
        find_folder(name)


def test_a_loss_that_is_known(tmp_path):
    settings = read_recipe("fsmn-vad-tiny").architecture
    task = build(settings, Path("config.yaml"), Cmvn(torch.zeros(400), torch.ones(400)), None)
    assert isinstance(task.net, FsmnVadNet)
    window = Window("a", torch.zeros(50, 80), torch.ones(50), torch.arange(50) >= 10)
    for parameter in task.net.parameters():
        torch.nn.init.zeros_(parameter)
    task.net.out2.bias.data[0] = torch.tensor(7.0).log() - np.log(4.0)  # a probability of speech of 0.8
    losses = task.losses(task.collate([window]), task.net)
    assert losses.total.item() == pytest.approx(np.log(2), abs=1e-5)
    assert losses.weight == 40
