import json
from pathlib import Path

import numpy as np
import pytest
import torch
from asr_plugins.paraformer.recognizer import ParaformerRecognizer

from asr_cli.audio import Audio
from asr_cli.errors import ModelError
from asr_cli.models import paraformer_folder
from asr_cli.models.paraformer import Hotwords
from asr_cli.models.paraformer_times import token_spans
from asr_cli.nn.cif import fire_frames, integrate_and_fire
from asr_cli.nn.rows import Rows, join
from tests.tools.small_paraformer import HOTWORDS, TOKENS, VARIANTS, seeded, sounds, write_folder

GOLDEN = Path(__file__).parent / "golden"
FACTS = json.loads((GOLDEN / "funasr_paraformer.json").read_text(encoding="utf-8"))
CASES = [key for key in FACTS if not key.endswith("/shapes")]
TOLERANCE = 1e-4


@pytest.fixture(scope="session")
def arrays():
    return np.load(GOLDEN / "funasr_paraformer.npz")


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("paraformers")
    return {variant: write_folder(root / variant, variant, weights(variant)) for variant in VARIANTS}


@pytest.fixture(scope="session")
def recognizers(folders):
    return {variant: ParaformerRecognizer(paraformer_folder.read_folder(folders[variant])) for variant in VARIANTS}


def weights(variant):
    return seeded((name, tuple(shape)) for name, shape in FACTS[f"{variant}/shapes"].items())


def hear(recognizer, *indices, hotwords=None):
    sources = sounds()
    with torch.inference_mode():
        features, rows = join([recognizer.features(Audio(sources[index])) for index in indices])
        return recognizer.net(features, rows, hotwords)


def embedded(recognizer, kind):
    if kind == "none":
        return None
    with torch.inference_mode():
        return Hotwords(recognizer.net.embed_hotwords([*HOTWORDS[kind.removesuffix("-half")], [1]]), weight_of(kind))


def weight_of(kind):
    return 0.5 if kind.endswith("-half") else 1.0


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_tensor_between_features_and_text_is_funasrs(recognizers, arrays, variant):
    recognizer = recognizers[variant]
    for index in range(len(sounds())):
        key = f"{variant}/{index}/none"
        with torch.inference_mode():
            features, rows = join([recognizer.features(Audio(sounds()[index]))])
            encoded = recognizer.net.encoder(features, rows)
            alphas = recognizer.net.predictor(encoded, rows)
            fired = integrate_and_fire(encoded, alphas, rows, tail=0.45)
        assert np.abs(encoded.numpy() - arrays[f"{key}/encoded"]).max() <= TOLERANCE
        assert np.abs(alphas.numpy() - arrays[f"{key}/alphas"][:-1]).max() <= TOLERANCE  # theirs has the tail's
        embeds = arrays[f"{key}/embeds"]
        assert len(fired.embeds) == len(embeds)
        assert np.abs(fired.embeds.numpy() - embeds).max(initial=0) <= TOLERANCE


@pytest.mark.parametrize("case", CASES)
def test_tokens_are_funasrs_with_and_without_hotwords(recognizers, arrays, case):
    variant, index, kind = case.split("/")
    recognizer = recognizers[variant]
    heard = hear(recognizer, int(index), hotwords=embedded(recognizer, kind))
    assert heard.logits.argmax(-1).tolist() == FACTS[case]["ids"]
    if f"{case}/logp" in arrays:
        # Once more, for a mixture of two logarithms is no logarithm of probabilities.
        theirs = torch.from_numpy(arrays[f"{case}/logp"]).log_softmax(-1)
        torch.testing.assert_close(heard.logits.log_softmax(-1), theirs, atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.parametrize("case", [case for case in CASES if FACTS[case]["timestamp"]])
def test_times_are_funasrs_to_the_millisecond(recognizers, case):
    variant, index, kind = case.split("/")
    recognizer = recognizers[variant]
    heard = hear(recognizer, int(index), hotwords=embedded(recognizer, kind))
    n_tokens = sum(token > 2 for token in FACTS[case]["ids"])
    spans = token_spans(heard.alphas[0], n_tokens, recognizer.net.frames_per_alpha)
    theirs = FACTS[case]["timestamp"]
    if len(theirs) == n_tokens:  # where it joined letters it gives one time for several tokens
        # Theirs may begin before the recording does.
        assert [(int(s * 1000), int(e * 1000)) for s, e in spans] == [(max(0, s), e) for s, e in theirs]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("kind", ["none", "many"])
def test_an_utterance_is_heard_alike_in_any_company(recognizers, variant, kind):
    recognizer = recognizers[variant]
    if kind != "none" and not hasattr(recognizer.net, "embed_hotwords"):
        pytest.skip("takes no hotwords")
    hotwords = embedded(recognizer, kind)
    order = [2, 3, 0, 1, 0]
    together = hear(recognizer, *order, hotwords=hotwords)
    parts = together.fired.rows.split(together.logits)
    for index, logits, alphas in zip(order, parts, together.alphas, strict=True):
        alone = hear(recognizer, index, hotwords=hotwords)
        assert logits.argmax(-1).tolist() == alone.logits.argmax(-1).tolist()
        torch.testing.assert_close(logits, alone.logits, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(alphas, alone.alphas[0], atol=1e-5, rtol=1e-4)


def test_words_carry_the_recordings_times(recognizers):
    early, late = Audio(sounds()[2]), Audio(sounds()[2], start=100.0)
    [one, other] = recognizers["bicif"].recognize([early, late])
    assert one.text == other.text
    assert [word.start + 100 for word in one.words] == pytest.approx([word.start for word in other.words])


def test_too_little_sound_is_no_words_and_no_error(recognizers):
    nothing, scrap = Audio(np.zeros(0, np.float32)), Audio(np.zeros(399, np.float32))
    for recognizer in recognizers.values():
        segments = recognizer.recognize([nothing, Audio(sounds()[0]), scrap])
        assert segments[0].words == segments[2].words == ()
        assert recognizer.recognize([]) == []


@pytest.mark.parametrize("seed", range(20))
def test_integrate_and_fire_is_what_a_loop_over_frames_says(seed):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 40, 4)
    rows = Rows(lengths.tolist())
    x, alphas = torch.randn(rows.n_rows, 3), torch.rand(rows.n_rows) * rng.random()
    fired = integrate_and_fire(x, alphas, rows, tail=0.45)
    embeds, counts = [], []
    for part, weight in zip(rows.split(x), rows.split(alphas), strict=True):
        one = loop(part.double(), [*weight.double().tolist(), 0.45])
        embeds += one
        counts.append(len(one))
    assert fired.rows.lengths == tuple(counts)
    if embeds:
        torch.testing.assert_close(fired.embeds.double(), torch.stack(embeds), atol=1e-5, rtol=1e-4)


def loop(x, alphas):
    x = torch.cat([x, x.new_zeros(1, x.shape[1])])
    weight, total, embeds = 0.0, x.new_zeros(x.shape[1]), []
    for t, alpha in enumerate(alphas):
        if weight + alpha >= 1:
            embeds.append(total + (1 - weight) * x[t])
            weight += alpha - 1
            total = weight * x[t]
        else:
            weight += alpha
            total = total + alpha * x[t]
    return embeds


@pytest.mark.parametrize(
    ("peaks", "n_tokens", "expected"),
    [
        ((8, 14, 20, 40), 3, [(130, 250), (250, 370), (370, 610)]),
        ((0, 10, 20, 30), 3, [(0, 170), (170, 370), (370, 885)]),
        ((8, 30, 58), 2, [(130, 370), (570, 810)]),
    ],
)
def test_the_rule_for_times_gives_the_published_vectors(peaks, n_tokens, expected):
    alphas = torch.zeros(60)
    alphas[list(peaks)] = 1.0
    spans = token_spans(alphas, n_tokens)
    assert [(round(start * 1000), round(end * 1000)) for start, end in spans] == expected
    assert fire_frames(alphas, 0.9999).tolist() == list(peaks)


@pytest.mark.parametrize("n_tokens", [1, 2, 7])
@pytest.mark.parametrize("level", [0.0, 1e-9, 0.3])
def test_every_token_has_a_time_whatever_the_weights(n_tokens, level):
    spans = token_spans(torch.full((11,), level), n_tokens)
    assert len(spans) == n_tokens
    flat = [time for span in spans for time in span]
    assert flat == sorted(flat) and all(np.isfinite(flat))


def edited(folders, tmp_path, change):
    folder = write_folder(tmp_path / "model", "seaco", weights("seaco"))
    change(folder)
    return folder


def set_yaml(folder, old, new):
    path = folder / "config.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def drop_tensor(folder, name):
    tensors = torch.load(folder / "model.pt")
    del tensors[name]
    torch.save(tensors, folder / "model.pt")


def mvn(width):
    ones = "1 " * width
    return f"<AddShift> {width} {width}\n<LearnRateCoef> 0 [ {ones}]\n<Rescale> 1 1\n<LearnRateCoef> 0 [ {ones}]\n"


SPIN = "  num_blocks: 3\n  output_size"
BROKEN = {
    "describes no offline Paraformer": lambda f: set_yaml(f, "SeacoParaformer", "Conformer"),
    "encoder 'ConformerEncoder'": lambda f: set_yaml(f, "encoder: SANMEncoder", "encoder: ConformerEncoder"),
    "does not know: quantum": lambda f: set_yaml(f, "  NO_BIAS: 20", "  NO_BIAS: 20\n  quantum: true"),
    "does not know: spin": lambda f: set_yaml(f, SPIN, f"  spin: 1\n{SPIN}"),
    "wants attention_heads 0": lambda f: set_yaml(f, "attention_heads: 4", "attention_heads: 0"),
    "has kernel_size '11', where a whole number": lambda f: set_yaml(f, "kernel_size: 11", "kernel_size: '11'"),
    "has NO_BIAS '20', where a whole number": lambda f: set_yaml(f, "NO_BIAS: 20", "NO_BIAS: '20'"),
    "wants lfr_n 0": lambda f: set_yaml(f, "lfr_n: 6", "lfr_n: 0"),
    "has smooth_factor2 'much', where a number": lambda f: set_yaml(f, "smooth_factor2: 0.25", "smooth_factor2: much"),
    "rename one of model.pt.avg10, model.pt.ep3 to": lambda f: [
        (f / f"model.pt.{end}").write_bytes(b"") for end in ("ep3", "avg10")
    ] and (f / "model.pt").unlink(),
    "by sanm_shfit 7, which is too far": lambda f: set_yaml(f, "sanm_shfit: 0", "sanm_shfit: 7"),
    "the frontend 'DefaultFrontend'": lambda f: set_yaml(f, "frontend: WavFrontend", "frontend: DefaultFrontend"),
    "wants normalize 'utterance_mvn'": lambda f: set_yaml(f, "frontend: W", "normalize: utterance_mvn\nfrontend: W"),
    "frontend_conf is no table": lambda f: set_yaml(f, "frontend_conf:", "frontend_conff:"),
    "wants upsample_type 'cnn'": lambda f: set_yaml(f, "cnn_blstm", "cnn"),
    "no vocabulary": lambda f: (f / "tokens.json").unlink(),
    "they do not belong together": lambda f: (f / "tokens.json").write_text(json.dumps(TOKENS[:-1])),
    "has no model.safetensors or model.pt": lambda f: (f / "model.pt").unlink(),
    "broken or cut short": lambda f: (f / "model.pt").write_bytes((f / "model.pt").read_bytes()[:5000]),
    "missing: predictor.conv.bias": lambda f: drop_tensor(f, "predictor.cif_conv1d.bias"),
    "of another shape": lambda f: set_yaml(f, "linear_units: 48", "linear_units: 64"),
    "normalization of 400 values": lambda f: (f / "am.mvn").write_text(mvn(400)),
    "cannot be read as a config": lambda f: set_yaml(f, "frontend: Wav", "built: 2024-13-45\nfrontend: Wav"),
    "cannot be read as a configuration": lambda f: (f / "config.yaml").write_text("model: [oops"),
}  # fmt: skip


@pytest.mark.parametrize("sentence", BROKEN)
def test_a_folder_that_is_not_what_it_says_is_refused_with_the_reason(folders, tmp_path, sentence):
    folder = edited(folders, tmp_path, BROKEN[sentence])
    with pytest.raises(ModelError, match=sentence.replace("'", ".").replace("(", ".")):
        paraformer_folder.read_folder(folder)


def test_a_folder_of_before_funasr_1_0_loads_the_same(folders, tmp_path):
    import yaml

    folder = write_folder(tmp_path / "old", "bicif", weights("bicif"))
    conf = yaml.safe_load((folder / "config.yaml").read_text())
    conf |= {"model": "bicif_paraformer", "encoder": "sanm", "decoder": "paraformer_decoder_sanm",
             "predictor": "cif_predictor_v3", "frontend": "wav_frontend", "token_list": TOKENS}  # fmt: skip
    (folder / "config.yaml").write_text(yaml.safe_dump(conf, allow_unicode=True), encoding="utf-8")
    (folder / "tokens.json").unlink()
    (folder / "configuration.json").write_text(
        json.dumps({"model": {"model_config": {"am_model_config": "config.yaml", "mvn_file": "am.mvn"},
                              "am_model_name": "model.pb"}})
    )  # fmt: skip
    (folder / "model.pt").rename(folder / "model.pb")
    old = ParaformerRecognizer(paraformer_folder.read_folder(folder))
    heard = hear(old, 2)
    assert heard.logits.argmax(-1).tolist() == FACTS["bicif/2/none"]["ids"]


@pytest.mark.parametrize("name", ["predictor.cif_output.bias", "decoder.output_layer.weight"])
def test_weights_that_compute_no_numbers_are_an_error_and_no_empty_text(tmp_path, name):
    tensors = {key: tensor.clone() for key, tensor in weights("paraformer").items()}
    tensors[name] *= torch.nan
    damaged = ParaformerRecognizer(paraformer_folder.read_folder(write_folder(tmp_path / "m", "paraformer", tensors)))
    with pytest.raises(ModelError, match="weights are damaged"):
        damaged.recognize([Audio(np.zeros(32_000, np.float32), start=0)])


def test_a_pickle_with_code_in_it_runs_none(tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    folder = write_folder(tmp_path / "evil", "paraformer", weights("paraformer"))
    torch.save({"state_dict": Evil()}, folder / "model.pt")
    with pytest.raises(ModelError, match="holds more than weights"):
        paraformer_folder.read_folder(folder)
    assert not (tmp_path / "ran").exists()
