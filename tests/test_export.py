import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from asr_plugins.paraformer.recognizer import ParaformerRecognizer

from asr_cli.audio import Audio
from asr_cli.errors import ModelError, OutputError, UsageError
from asr_cli.export import export, run
from asr_cli.models.paraformer_folder import read_folder
from asr_cli.vad.weights import read_own
from tests.tools.public_vad import make_folder
from tests.tools.small_paraformer import TOKENS, seeded, sounds, write_folder

FACTS = json.loads((Path(__file__).parent / "golden" / "funasr_paraformer.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {
        variant: write_folder(
            root / variant, variant, seeded((name, tuple(shape)) for name, shape in FACTS[f"{variant}/shapes"].items())
        )
        for variant in ("paraformer", "bicif", "seaco")
    }


@pytest.mark.parametrize("variant", ["paraformer", "bicif"])
def test_an_exported_paraformer_hears_every_length_alike(folders, tmp_path, variant):
    files = list(export(str(folders[variant]), tmp_path))
    assert [file.name for file in files] == ["model.onnx", "tokens.txt"]
    recognizer = ParaformerRecognizer(read_folder(folders[variant]))
    for index, sound in enumerate(sounds()):
        features = recognizer.features(Audio(sound)).numpy()
        lengths = np.array([len(features)], np.int32)
        logits, count = run(files[0], {"speech": features[None], "speech_lengths": lengths})
        assert logits.argmax(-1)[0].tolist() == FACTS[f"{variant}/{index}/none"]["ids"]
        assert count[0] == logits.shape[1]


def changed(folder, target, name, value):
    shutil.copytree(folder, target)
    tensors = torch.load(target / "model.pt")
    tensors[name][:] = value
    torch.save(tensors, target / "model.pt")
    return str(target)


def test_an_exported_paraformer_hears_silence(folders, tmp_path):
    mute = changed(folders["bicif"], tmp_path / "mute", "predictor.cif_output.bias", -100.0)
    model, _ = export(mute, tmp_path / "out")
    for n_frames in (1, 40):
        feed = {"speech": np.zeros((1, n_frames, 560), np.float32), "speech_lengths": np.array([n_frames], np.int32)}
        logits, count = run(model, feed)
        assert logits.shape == (1, 0, len(TOKENS)) and count.tolist() == [0]


@pytest.mark.parametrize("name", ["predictor.cif_output.bias", "decoder.output_layer.bias"])
def test_a_network_that_computes_no_numbers_is_not_exported(folders, tmp_path, name):
    damaged = changed(folders["paraformer"], tmp_path / "damaged", name, torch.nan)
    with pytest.raises(ModelError, match=r"no number|differs from the original by nan"):
        list(export(damaged, tmp_path / "out"))
    assert not list(tmp_path.glob("out/*"))


def test_eight_bits_on_disk_are_fewer(folders, tmp_path, capfd):
    files = {file.name: file.stat().st_size for file in export(str(folders["paraformer"]), tmp_path, int8=True)}
    assert files["model.int8.onnx"] < 0.75 * files["model.onnx"]
    assert capfd.readouterr() == ("", "")


def test_metadata_says_what_sherpa_onnx_asks_for(folders, tmp_path):
    import onnx

    [path, tokens] = export(str(folders["paraformer"]), tmp_path)
    facts = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert facts["lfr_window_size"] == "7" and facts["lfr_window_shift"] == "6"
    assert facts["vocab_size"] == str(len(TOKENS))
    assert len(facts["neg_mean"].split(",")) == len(facts["inv_stddev"].split(",")) == 560
    assert tokens.read_text(encoding="utf-8").splitlines()[3] == f"{TOKENS[3]} 3"


def test_an_exported_vad_goes_on_from_its_caches(tmp_path):
    [path] = export("fsmn-vad-mini", tmp_path)
    net, _ = read_own()
    x = torch.randn(1, 60, net.config.input_dim)
    width, left = net.config.proj_dim, net.config.lorder - 1
    caches = [np.zeros((1, width, left, 1), np.float32)] * net.config.fsmn_layers
    found = []
    for piece in x.split([7, 33, 20], dim=1):
        feed = {f"in_cache{index}": cache for index, cache in enumerate(caches)}
        probabilities, *caches = run(path, {"speech": piece.numpy(), **feed})
        found.append(probabilities)
    with torch.inference_mode():
        expected = net(x)[0].softmax(-1).numpy()
    np.testing.assert_allclose(np.concatenate(found, axis=1), expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*torch.jit.load.*:DeprecationWarning")
def test_an_exported_public_vad_is_the_published_file(shared, tmp_path):
    [path] = export(str(make_folder(tmp_path / "vad")), tmp_path / "out")
    rng = np.random.default_rng(0)
    feed = {"speech": rng.standard_normal((1, 50, 400), dtype=np.float32)}
    feed |= {f"in_cache{index}": rng.standard_normal((1, 128, 19, 1), dtype=np.float32) for index in range(4)}
    for ours, theirs in zip(run(path, feed), run(shared / "data/fsmn-vad/model.onnx", feed), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_what_cannot_be_exported_is_said(folders, tmp_path):
    with pytest.raises(ModelError, match="takes hotwords"):
        list(export(str(folders["seaco"]), tmp_path))
    with pytest.raises(ModelError, match="cannot be exported"):
        list(export("sphinx", tmp_path))
    with pytest.raises(ModelError, match="not on this machine"):
        list(export("paraformer", tmp_path))
    for name, why in (("ct-punc", "cannot be exported"), ("paraformer-zh", "takes hotwords")):
        with pytest.raises(ModelError, match=why):  # and not: pull it first
            list(export(name, tmp_path))
    with pytest.raises(UsageError, match="too small to gain"):
        list(export("fsmn-vad-mini", tmp_path, int8=True))
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_said_and_nothing_is_left(folders, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="choose another place with -o"):
        list(export(str(folders["paraformer"]), tmp_path / "file"))
    with pytest.raises(OutputError, match="cannot write"):
        list(export("fsmn-vad-mini", tmp_path / "file" / "below"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of file sizes there")
def test_a_full_disk_leaves_no_half_of_a_model(folders, tmp_path):
    code = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000));"
        "from asr.main import run;"
        f"run(['export', {str(folders['paraformer'])!r}, '--onnx', '-o', {str(tmp_path)!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1 and "cannot write" in done.stderr and list(tmp_path.iterdir()) == []


def test_the_command_prints_what_it_wrote(folders, tmp_path):
    command = [sys.executable, "-m", "asr", "export", folders["paraformer"], "-o", tmp_path]
    bare = subprocess.run(command, capture_output=True, text=True)
    assert bare.returncode == 2 and "--onnx" in bare.stderr
    done = subprocess.run([*command, "--onnx"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(tmp_path / "model.onnx"), str(tmp_path / "tokens.txt")]
    assert done.stderr == ""
