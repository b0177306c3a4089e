import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from asr_plugins.paraformer.hotwords import encode, spell
from asr_plugins.paraformer.loading import lighten, load
from asr_plugins.paraformer.look import look
from asr_plugins.paraformer.recognizer import ParaformerRecognizer
from torch import nn

from asr_cli.audio import Audio
from asr_cli.device import pick, pick_type
from asr_cli.errors import DependencyError, ModelError, NotFoundError, UsageError
from asr_cli.features.resample import Resample
from asr_cli.jobs.plan import Job
from asr_cli.jobs.recording import identity
from asr_cli.models.paraformer_folder import read_folder
from asr_cli.nn.precision import Int8Linear, filled, lower
from asr_cli.options import ModelOptions, ReadOptions
from asr_cli.recognizers import choose
from asr_cli.registry import LoadOptions
from asr_cli.session import Session
from asr_cli.text.hotwords import n_hits, read_hotwords
from asr_cli.text.vocabulary import Vocabulary
from tests.tools.small_paraformer import NO_BIAS, TOKENS, VARIANTS, seeded, sounds, write_folder

GOLDEN = Path(__file__).parent / "golden"
FACTS = json.loads((GOLDEN / "funasr_paraformer.json").read_text(encoding="utf-8"))


def weights(variant):
    return seeded((name, tuple(shape)) for name, shape in FACTS[f"{variant}/shapes"].items())


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {variant: write_folder(root / variant, variant, weights(variant)) for variant in VARIANTS}


@pytest.fixture(scope="session")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "sound.wav"
    soundfile.write(path, sounds()[2], 16_000)
    return path


def session(folder, **options):
    return Session(ModelOptions(model=str(folder), vad_model=None, **options))


def text_of(folder, recording, **options):
    with session(folder, **options) as models:
        return models.transcribe(recording).transcript().text


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_folder_is_a_model(folders, recording, variant):
    with session(folders[variant], compute_type="float32") as models:
        transcript = models.transcribe(recording).transcript()
    theirs = FACTS[f"{variant}/2/none"]["text"].replace(" ", "")
    assert transcript.text.replace(" ", "") == theirs
    words = [word for segment in transcript.segments for word in segment.words]
    times = [time for word in words for time in (word.start, word.end)]
    assert times == sorted(times) and times[-1] <= 3.32
    assert all(0 < word.confidence <= 1 for word in words)


def test_a_hotword_changes_the_text(folders, recording):
    plain = text_of(folders["seaco"], recording, compute_type="float32")
    biased = text_of(folders["seaco"], recording, compute_type="float32", hotwords="天是不, 在")
    assert plain and biased and plain != biased


def test_an_expected_word_is_said_where_the_network_is_built_to_say_it(tmp_path, recording):
    """A second decoder that answers with what its memory holds: the hotword appears, and nothing else changes."""
    made = weights("seaco")
    for name, tensor in made.items():
        if name.startswith("hotword_output_layer"):
            tensor.zero_()
    made["hotword_output_layer.bias"][NO_BIAS] = 1.0  # abstain, always
    silent = write_folder(tmp_path / "silent", "seaco", made)
    plain = text_of(silent, recording, compute_type="float32")
    assert text_of(silent, recording, compute_type="float32", hotwords="好能多") == plain
    made["hotword_output_layer.bias"][TOKENS.index("好")] = 2.0  # and now insist on one word
    loud = write_folder(tmp_path / "loud", "seaco", made)
    assert text_of(loud, recording, compute_type="float32") == plain
    assert set(text_of(loud, recording, compute_type="float32", hotwords="好能多")) == {"好"}


def test_a_model_without_hotwords_says_so(folders, caplog):
    with caplog.at_level(logging.WARNING), session(folders["bicif"], hotwords="今天"):
        pass
    assert "takes no hotwords" in caplog.text


def test_a_hotword_that_cannot_be_spelled_is_named(folders, caplog):
    with caplog.at_level(logging.WARNING), session(folders["seaco"], hotwords="今天 鑫"):
        pass
    assert "'鑫' cannot be spelled" in caplog.text and "'今天'" not in caplog.text


def test_json_counts_the_hotwords(folders, recording, tmp_path):
    out = tmp_path / "out.json"
    options = ["--no-vad", "--compute-type", "float32", "--hotwords", "world hello", "-o", out]
    run = subprocess.run(
        [sys.executable, "-m", "asr", "transcribe", recording, "--model", folders["seaco"], *options],
        capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    found = json.loads(out.read_text(encoding="utf-8"))
    hits = {item["text"]: item["hits"] for item in found["hotwords"]}
    assert hits == {word: n_hits(word, found["text"]) for word in ("world", "hello")}
    assert hits["world"] > 0
    assert found["model"] == "seaco"


def test_hotwords_are_read_from_text_lists_and_files(tmp_path, caplog):
    assert read_hotwords("阿里巴巴  达摩院") == ("阿里巴巴", "达摩院")
    assert read_hotwords("New York，达摩院") == ("New York", "达摩院")
    assert read_hotwords(["a b", "a b", " "]) == ("a b",)
    assert read_hotwords("") == read_hotwords(()) == ()
    path = tmp_path / "names.txt"
    path.write_bytes("\ufeff# names\r\nNew York\r\n\r\n达摩院\r\n".encode())
    assert read_hotwords(str(path)) == ("New York", "达摩院")
    assert not caplog.messages
    path.write_text("达摩院 20\nNew York 15\n", encoding="utf-8")
    assert read_hotwords(str(path)) == ("达摩院", "New York")
    assert "weights in" in caplog.text and "are left out" in caplog.text


def test_a_list_that_cannot_be_read_is_one_sentence(tmp_path):
    with pytest.raises(NotFoundError, match="no file of hotwords"):
        read_hotwords("missing.txt")
    path = tmp_path / "gb.txt"
    path.write_bytes("达摩院".encode("gb18030"))
    with pytest.raises(UsageError, match="not UTF-8"):
        read_hotwords(str(path))
    with pytest.raises(NotFoundError, match="no file of hotwords"):
        read_hotwords(tmp_path / "missing")
    with pytest.raises(UsageError, match="is a directory"):
        read_hotwords(str(tmp_path))
    for empty in (" , ", [" "]):
        with pytest.raises(UsageError, match="no hotwords in"):
            read_hotwords(empty)
    path.write_bytes(b"a\0b")
    with pytest.raises(UsageError, match="is no text"):
        read_hotwords(str(path))


def test_hotwords_are_spelled_by_lexicon_characters_and_pieces():
    vocabulary = Vocabulary(["<s>", "你", "好", "hel@@", "lo", "ok", "o@@", "k@@", "<unk>"])
    assert spell("你好", vocabulary, {}) == ["你", "好"]
    assert spell("hello", vocabulary, {}) == ["hel@@", "lo"]
    assert spell("你ok", vocabulary, {"ok": ["o@@", "k@@"]}) == ["你", "o@@", "k@@"]
    assert encode(["你好 ok", "坏"], vocabulary, {}) == [[1, 2, 5], [0]]


def test_a_folder_is_known_by_its_configuration(folders, tmp_path):
    assert look(folders["seaco"]).hotwords and look(folders["contextual"]).hotwords
    assert not look(folders["bicif"]).hotwords
    assert look(folders["seaco"]).languages[0] == "zh-CN"
    assert look(tmp_path) is None
    (tmp_path / "config.yaml").write_text("model: Conformer\n")
    assert look(tmp_path) is None


def test_a_vad_is_no_recogniser(tmp_path):
    folder = tmp_path / "vad"
    folder.mkdir()
    (folder / "config.yaml").write_text("model: FsmnVADStreaming\nencoder: FSMN\n")
    assert look(folder) is None
    with pytest.raises(ModelError, match="no installed backend"):
        session(folder)


def test_a_low_rate_model_hears_the_same_seconds(tmp_path):
    folder = write_folder(tmp_path / "narrow", "bicif", weights("bicif"))
    path = folder / "config.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("fs: 16000", "fs: 8000"), encoding="utf-8")
    narrow = ParaformerRecognizer(read_folder(folder))
    features = narrow.features(Audio(sounds()[2]))
    assert len(features) == len(ParaformerRecognizer(read_folder(folder)).features(Audio(sounds()[2])))
    assert abs(len(features) * 0.06 - 3.31) < 0.06
    path.write_text(path.read_text(encoding="utf-8").replace("fs: 8000", "fs: 11025"), encoding="utf-8")
    with pytest.raises(ModelError, match="11025 Hz"):
        read_folder(folder)


def test_resampling_keeps_what_fits_and_drops_what_would_fold_back():
    t = torch.arange(16_000, dtype=torch.float64) / 16_000
    halve = Resample(16_000, 8_000)

    def level(hertz):
        kept = halve(torch.sin(2 * torch.pi * hertz * t).float())[200:-200]
        return 20 * float(torch.log10(kept.square().mean().sqrt() * 2**0.5))

    assert abs(level(1000)) < 0.01 and abs(level(3500)) < 0.05
    assert level(4600) < -80 and level(7000) < -80


@pytest.mark.parametrize(("compute_type", "tolerance"), [("bfloat16", 0.02), ("int8", 0.03)])
def test_fewer_bits_stay_near(compute_type, tolerance):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 32, bias=False))
    x = torch.randn(50, 64)
    with torch.inference_mode():
        exact = net(x)
        replaced = list(lower(net, compute_type))
        rough = net(x).float()
    assert len(replaced) == 2
    assert (rough - exact).norm() / exact.norm() < tolerance


def test_eight_bits_of_a_row_do_not_depend_on_the_others():
    torch.manual_seed(0)
    linear = Int8Linear(nn.Linear(64, 48))
    x = torch.randn(40, 64) * torch.logspace(-2, 2, 40).unsqueeze(1)
    with torch.inference_mode():
        together = linear(x)
        alone = torch.cat([linear(row) for row in x.split(1)])
    assert torch.equal(together, alone)


EXTREMES = """
import torch
from asr_cli.nn.precision import Int8Linear
linear = torch.nn.Linear(512, 3, bias=False)
linear.weight.data[:] = torch.tensor([[0.5], [-0.5], [0.25]])
rows = torch.tensor([[1.0], [-1.0], [0.125]]).expand(3, 512)
with torch.inference_mode():
    assert torch.allclose(Int8Linear(linear)(rows), linear(rows), rtol=1e-5), Int8Linear(linear)(rows)
"""


@pytest.mark.parametrize("instructions", ["DEFAULT", "AVX2"])  # AVX2 has none for products of 8 bits
def test_eight_bits_do_not_overflow_whatever_the_processor(instructions):
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": instructions}
    subprocess.run([sys.executable, "-c", EXTREMES], env=environment, check=True)


def test_what_decides_keeps_all_its_bits(folders):
    net = read_folder(folders["seaco"]).net
    lighten(net, "bfloat16")
    kept = {name for name, tensor in net.state_dict().items() if tensor.dtype == torch.float32}
    for part in (
        "predictor.",
        "times.",
        "output.",
        "hotword_output.",
        "encoder.norm.",
        "encoder.first.attention.memory",
    ):
        assert any(name.startswith(part) for name in kept), part
    assert not any(".qkv." in name or ".feed_forward.up." in name for name in kept)


def test_too_little_memory_means_smaller_batches(folders, monkeypatch):
    recognizer = ParaformerRecognizer(read_folder(folders["bicif"]))
    utterances = [Audio(sound) for sound in sounds()[:3]]
    expected = [segment.text for segment in recognizer.recognize(utterances)]
    whole, sizes = recognizer.recognize_together, []

    def scarce(batch):
        sizes.append(len(batch))
        if len(batch) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(batch)

    monkeypatch.setattr(recognizer, "recognize_together", scarce)
    assert [segment.text for segment in recognizer.recognize(utterances)] == expected
    assert sizes == [3, 1, 2, 1, 1]

    def never(batch):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(recognizer, "recognize_together", never)
    with pytest.raises(ModelError, match="memory does not suffice for 2 s"):
        recognizer.recognize(utterances[:1])


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_any_number_of_threads_hears_the_same(folders, n_threads):
    options = LoadOptions(compute_type="float32", threads=n_threads, device="cpu")
    recognizer = load(look(folders["bicif"]), folders["bicif"], options)
    utterances = [Audio(sound, start=10.0 * index) for index, sound in enumerate(sounds())]
    expected = [
        segment
        for sound in utterances
        for segment in ParaformerRecognizer(read_folder(folders["bicif"])).recognize([sound])
    ]
    found = recognizer.recognize(utterances)
    recognizer.close()
    assert [[word.text for word in segment.words] for segment in found] == [
        [word.text for word in segment.words] for segment in expected
    ]
    assert [segment.start for segment in found] == pytest.approx([segment.start for segment in expected])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_device_that_is_not_here_is_said():
    with pytest.raises(DependencyError, match="no device 'cuda:3'"):
        pick("cuda:3")
    with pytest.raises(UsageError, match="is no device"):
        pick("tpu9000x")
    with pytest.raises(UsageError, match="is no compute type"):
        pick_type("float8", torch.device("cpu"))
    with pytest.raises(UsageError, match="on the processor only"):
        pick_type("int8", torch.device("cuda"))


def test_the_built_in_recogniser_has_one_way_to_compute():
    with pytest.raises(UsageError, match="computes in auto, not in 'int8'"):
        Session(ModelOptions(model="sphinx", compute_type="int8"))


def test_the_best_model_is_the_one_made_for_the_language(tmp_path, monkeypatch):
    monkeypatch.setenv("ASR_CACHE", str(tmp_path))
    for name in ("paraformer-en", "paraformer-zh"):
        (tmp_path / "models" / name).mkdir(parents=True)
        (tmp_path / "models" / name / "model.pt").write_bytes(b"x")

    def best(language):
        return choose(ModelOptions(), language)[1].name

    assert best("en") == "paraformer-en"
    assert best("zh") == best(None) == "paraformer-zh"
    with pytest.raises(ModelError, match="no recogniser for ja"):
        best("ja")
    shutil.rmtree(tmp_path / "models" / "paraformer-en")
    assert best("en") == "paraformer-zh"
    shutil.rmtree(tmp_path / "models")
    assert best("en") == "sphinx"


def test_loading_does_not_wake_torchs_compiler(folders):
    code = (
        "import sys; from pathlib import Path; from asr_cli.models.paraformer_folder import read_folder;"
        f"read_folder(Path({str(folders['seaco'])!r})); sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_any_number_of_rows_is_computed_in_a_few_sizes():
    x = torch.randn(45, 8)
    rows = filled(x, torch.bfloat16)
    assert len(rows) == 64 and torch.equal(rows[:45], x.bfloat16()) and not rows[45:].any()
    assert len(filled(x[:32], torch.float32)) == 32
    net = nn.Sequential(nn.Linear(8, 4))
    list(lower(net, "bfloat16"))
    assert [len(net(x[:n])) for n in (0, 1, 31, 33)] == [0, 1, 31, 33]


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_share_with_hardly_any_sound_is_no_error(folders, variant):
    recognizer = load(look(folders[variant]), folders[variant], LoadOptions(compute_type="float32", threads=2))
    scrap = Audio(np.full(100, 0.01, np.float32))
    _, silent = recognizer.recognize([Audio(sounds()[0]), scrap])
    assert silent.words == () and recognizer.recognize([scrap])[0].words == ()
    recognizer.close()


def test_numbers_beyond_reason_are_refused():
    for given in ({"threads": 3000}, {"hotword_weight": float("inf"), "hotwords": "a"}, {"hotword_weight": 2.0}):
        with pytest.raises(UsageError):
            ModelOptions(**given)


def test_a_long_word_is_spelled_at_once():
    vocabulary = Vocabulary(["<s>", *(f"{a}{b}@@" for a in "ab" for b in "ab"), "a", "b", "<unk>"])
    assert len(spell("ab" * 500 + "a", vocabulary, {})) == 501


def test_long_texts_in_a_manifest_are_no_file_names(tmp_path):
    folder = write_folder(tmp_path / "told", "paraformer", weights("paraformer"))
    path = folder / "configuration.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "description": "很" * 300}), encoding="utf-8")
    assert read_folder(folder).vocabulary.tokens[1] == "<s>"


def test_weights_that_changed_since_are_another_model(folders, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(folders["paraformer"], folder)
    job, reading = Job("talk.wav", "txt"), ReadOptions()
    with Session(ModelOptions(model=str(folder), punc=False)) as session:
        before = identity(session, job, reading)
        assert identity(session, job, reading) == before
        os.utime(folder / "model.pt", ns=(1, folder.stat().st_mtime_ns + 10**9))
        assert identity(session, job, reading) != before


def test_a_result_is_named_after_the_language_of_the_model(folders, tmp_path):
    soundfile.write(tmp_path / "talk.wav", sounds()[2], 16_000)
    command = [sys.executable, "-m", "asr", "transcribe", tmp_path / "talk.wav", "--model", folders["paraformer"]]
    done = subprocess.run([*command, "--no-vad", "--lang-suffix", "-o", tmp_path / "out"], capture_output=True)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["talk.zh.txt"]


def test_a_vocabulary_is_looked_for_where_the_folder_says(folders, tmp_path):
    folder = Path(shutil.copytree(folders["paraformer"], tmp_path / "model"))
    (folder / "tokens.json").rename(folder / "vocab.json")
    (folder / "configuration.json").write_text(
        json.dumps({"file_path_metas": {"tokenizer_conf": {"token_list": "vocab.json"}}})
    )
    assert look(folder).languages == look(folders["paraformer"]).languages == ("zh-CN", "en")
    assert len(read_folder(folder).vocabulary) == len(TOKENS)


def test_a_folder_of_the_model_directory_is_a_model_by_its_name(folders):
    root = folders["bicif"].parent
    with Session(ModelOptions(model="bicif", model_dir=root, punc=False)) as session:
        assert session.folder == folders["bicif"] and session.card.name == "bicif"
    with pytest.raises(ModelError, match="no model is named 'nothing'"):
        Session(ModelOptions(model="nothing", model_dir=root))
