"""The streaming Paraformer beside FunASR's own, chunk by chunk, and the checkpoints it is read from."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from asr_plugins.paraformer.look import look
from asr_plugins.paraformer.streaming import StreamingParaformerRecognizer

from asr_cli import checkpoint
from asr_cli.audio import Audio
from asr_cli.errors import ModelError
from asr_cli.models.paraformer_folder import build, read_config, read_folder, read_frontend
from asr_cli.models.paraformer_streaming import Chunks, StreamingParaformer
from asr_cli.protocols import Chunk
from tests.tools.small_paraformer import recordings, sounds
from tests.tools.small_streaming import FACTS, streaming_folder

GOLDEN = Path(__file__).parent / "golden"
MANIFEST = Path(__file__).parent / "manifests" / "paraformer_streaming.txt"
CONFIGS = Path(__file__).resolve().parents[2] / "shared" / "data" / "configs"
GEOMETRIES = sorted({key.split("/")[0] for key in FACTS if "/" in key})
TOLERANCE = 1e-4
SAMPLES_OF_A_ROW, SAMPLES_OF_A_FRAME = 960, 400


@pytest.fixture(scope="session")
def arrays():
    return np.load(GOLDEN / "funasr_streaming.npz")


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return streaming_folder(tmp_path_factory.mktemp("streaming") / "model")


@pytest.fixture(scope="session")
def model(folder):
    return read_folder(folder)


@pytest.fixture(scope="session")
def recognizer(model):
    return StreamingParaformerRecognizer(model)


def chunks_of(geometry):
    size, encoder, decoder = geometry.split()
    return Chunks(*map(int, size.split(",")), int(encoder), int(decoder))


class Listener(StreamingParaformerRecognizer):
    """Writes down what the network says and what it is made of."""

    def __init__(self, folder, chunks):
        super().__init__(folder, chunks=chunks)
        self.said, self.encoded, self.alphas = [], [], []

    def step(self, hearings, ending):
        hooks = [
            self.net.encoder.norm.register_forward_hook(lambda _, __, out: self.encoded.append(out)),
            self.net.predictor.register_forward_hook(lambda _, __, out: self.alphas.append(out)),
        ]
        heard = super().step(hearings, ending)
        for hook in hooks:
            hook.remove()
        return heard

    def tokens(self, said):
        self.said.append(said[0].logits)
        return super().tokens(said)


def as_funasr(model, geometry, sound):
    """Chunk by chunk as FunASR takes them: the ids of each, and who heard them."""
    listener, state, found = Listener(model, chunks_of(geometry)), None, []
    for begin in range(0, len(sound) + 1, listener.stride):
        final = begin + listener.stride > len(sound)
        listener.said.clear()
        [(_, state)] = listener.hear([Chunk(Audio(sound[begin : begin + listener.stride]), state, final)])
        found.append([token for logits in listener.said for token in logits.argmax(-1).tolist()])
    return found, listener


def is_right(geometry, name):
    """Whether FunASR hears all of the recording, and hears it as the chunks say."""
    chunks, n_samples = chunks_of(geometry), len(recordings()[name])
    if SAMPLES_OF_A_FRAME <= n_samples % (chunks.current * SAMPLES_OF_A_ROW) < SAMPLES_OF_A_ROW:
        return False  # it leaves out what is behind the last whole row, although a row comes of it
    if n_samples < SAMPLES_OF_A_FRAME:
        return False  # it makes up text for what is not there
    if chunks.right == 0 and (chunks.left == 0 or chunks.encoder_look_back):
        return False  # it remembers everything, or nothing
    if chunks.left and chunks.encoder_look_back == 1:
        return False  # of the first chunk it remembers more than of the others
    return chunks.decoder_look_back != -1  # which it takes for none


RIGHT = [(g, name) for g in GEOMETRIES for name in recordings() if is_right(g, name)]


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_tokens_are_funasrs_chunk_by_chunk(model, geometry):
    names = [name for one, name in RIGHT if one == geometry]
    for name in names:
        found, _ = as_funasr(model, geometry, recordings()[name])
        assert found == FACTS[f"{geometry}/{name}"], name


def test_most_of_what_is_compared_is_compared():
    assert len(RIGHT) > 80 and {geometry for geometry, _ in RIGHT} >= {"0,10,5 4 1", "0,8,4 4 1", "5,10,5 4 1"}


@pytest.mark.parametrize(
    ("geometry", "name"), [one for one in RIGHT if one[1] in ("sound 0", "sound 2", "10560 samples")]
)
def test_every_tensor_between_features_and_text_is_funasrs(model, arrays, geometry, name):
    _, listener = as_funasr(model, geometry, recordings()[name])
    key = f"{geometry}/{name}"
    for ours, part in ((listener.encoded, "encoded"), (listener.alphas, "alphas")):
        assert np.abs(torch.cat(ours).numpy() - arrays[f"{key}/{part}"]).max() <= TOLERANCE
    with torch.inference_mode():
        logits = []
        listener.said = Sink(logits)
        listener.hear([Chunk(Audio(recordings()[name]), final=True)])
    assert np.abs(torch.cat(logits).numpy() - arrays[f"{key}/logits"]).max() <= 1e-3


class Sink:
    def __init__(self, found):
        self.append = found.append


# What FunASR gives, what we give, and why it should not be the same.
WRONG = {
    "nothing was said, and it hears its own zeros": ("0,10,5 4 1/0 samples", [[29]], [[]]),
    "less than a window of 25 ms is no sound": ("0,10,5 4 1/399 samples", [[29]], [[]]),
    "a row comes of 25 ms, which it leaves out": ("0,3,2 2 3/400 samples", None, None),
    "of the last 959 samples it hears none": ("0,10,5 4 1/10559 samples", None, None),
    "without look-ahead it remembers no chunk": ("4,6,0 3 1/long", None, None),
    "without either side it hears everything again": ("0,6,0 0 1/long", None, None),
    "a decoder that looks back at all looks back at nothing": ("0,10,5 4 -1/long", None, None),
}


@pytest.mark.parametrize("why", WRONG)
def test_where_funasr_is_wrong_we_differ(model, why):
    key, theirs, ours = WRONG[why]
    geometry, name = key.split("/")
    found, _ = as_funasr(model, geometry, recordings()[name])
    assert found != FACTS[key]
    assert theirs is None or (FACTS[key], found) == (theirs, ours)


def test_the_last_samples_are_heard(model):
    """FunASR gives the same text whether the last 959 samples are there or not."""
    assert FACTS["0,10,5 4 1/10559 samples"] == FACTS["0,10,5 4 1/9600 samples"]
    heard = [as_funasr(model, "0,10,5 4 1", sounds()[0][:n])[1] for n in (9600, 9999, 10_000, 10_559)]
    rows = [len(one.encoded[-1]) for one in heard]
    assert rows == [5, 5, 6, 6]  # what is looked ahead to, and one row more as soon as its first window is there


def test_without_look_ahead_what_is_remembered_is_remembered(model):
    """FunASR's encoder forgets each chunk where right is 0, so that it gives the same text at any look back."""
    assert FACTS["4,6,0 3 1/long"] == FACTS["4,6,0 0 1/long"]
    assert as_funasr(model, "4,6,0 0 1", recordings()["long"])[0] == FACTS["4,6,0 0 1/long"]
    assert as_funasr(model, "4,6,0 3 1", recordings()["long"])[0] != FACTS["4,6,0 0 1/long"]


def published():
    lines = (line.split(maxsplit=1) for line in MANIFEST.read_text(encoding="utf-8").splitlines())
    return {name: tuple(json.loads(shape)) for name, shape in lines}


def test_the_map_covers_every_published_tensor_and_every_one_of_ours(tmp_path):
    path = tmp_path / "config.yaml"
    settings = yaml.safe_load(TEMPLATE)
    config = read_config(settings, path, read_frontend(settings, path), 8404)
    net, weights = build(config, streaming=True)
    assert isinstance(net, StreamingParaformer)
    theirs = {name: torch.empty(shape, device="meta") for name, shape in published().items()}
    assert len(theirs) == 956
    checkpoint.fill(net, theirs, weights, path)


# As FunASR publishes it since 1.0.
TEMPLATE = """
model: ParaformerStreaming
model_conf: {ctc_weight: 0.0, lsm_weight: 0.1, length_normalized_loss: true, predictor_weight: 1.0, predictor_bias: 1,
  sampling_ratio: 0.75}
encoder: SANMEncoderChunkOpt
encoder_conf: {output_size: 512, attention_heads: 4, linear_units: 2048, num_blocks: 50, dropout_rate: 0.1,
  positional_dropout_rate: 0.1, attention_dropout_rate: 0.1, input_layer: pe_online,
  pos_enc_class: SinusoidalPositionEncoder, normalize_before: true, kernel_size: 11, sanm_shfit: 0,
  selfattention_layer_type: sanm, chunk_size: [12, 15], stride: [8, 10], pad_left: [0, 0],
  encoder_att_look_back_factor: [4, 4], decoder_att_look_back_factor: [1, 1]}
decoder: ParaformerSANMDecoder
decoder_conf: {attention_heads: 4, linear_units: 2048, num_blocks: 16, dropout_rate: 0.1, positional_dropout_rate: 0.1,
  self_attention_dropout_rate: 0.1, src_attention_dropout_rate: 0.1, att_layer_num: 16, kernel_size: 11, sanm_shfit: 5}
predictor: CifPredictorV2
predictor_conf: {idim: 512, threshold: 1.0, l_order: 1, r_order: 1, tail_threshold: 0.45}
frontend: WavFrontendOnline
frontend_conf: {fs: 16000, window: hamming, n_mels: 80, frame_length: 25, frame_shift: 10, lfr_m: 7, lfr_n: 6}
"""


@pytest.mark.shared
@pytest.mark.skipif(not CONFIGS.is_dir(), reason="the shared configurations are not here")
@pytest.mark.parametrize("name", [
    "funasr-templates/paraformer_streaming.yaml", "paraformer-large-online/config_full.yaml",
    "paraformer-large-online/triton_config.yaml",
])  # fmt: skip
def test_published_configurations_are_read(name):
    path = CONFIGS / name
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    config = read_config(settings, path, read_frontend(settings, path), 8404)
    assert (config.encoder.num_blocks, config.decoder.sanm_shfit) == (50, 5)


def change(folder, tmp_path, *edits):
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    text = (copy / "config.yaml").read_text(encoding="utf-8")
    for old, new in edits:
        assert re.search(old, text), old
        text = re.sub(old, new, text)
    (copy / "config.yaml").write_text(text, encoding="utf-8")
    return copy


OLD = (
    ("ParaformerStreaming", "paraformer_online"),
    ("SANMEncoderChunkOpt", "sanm"),
    ("WavFrontendOnline", "wav_frontend"),
    ("ParaformerSANMDecoder", "paraformer_decoder_sanm"),
    ("CifPredictorV2", "cif_predictor_v2"),
)


@pytest.mark.parametrize("edits", [OLD, (("SANMEncoderChunkOpt", "sanm_chunk_opt"),)])
def test_names_of_before_are_read_alike(folder, tmp_path, recognizer, edits):
    copy = change(folder, tmp_path, *edits)
    assert look(copy).streaming and not look(copy).hotwords
    found = StreamingParaformerRecognizer(read_folder(copy)).recognize([Audio(sounds()[0])])
    assert found == recognizer.recognize([Audio(sounds()[0])])


@pytest.mark.parametrize(("edit", "message"), [
    (("sanm_shfit: 5", "sanm_shfit: 0"), "decoder that looks ahead"),
    (("input_layer: pe_online", "input_layer: pe"), "wants input_layer 'pe'; only 'pe_online'"),
    (("fs: 16000", "fs: 8000"), "heard at 16000 only"),
    (("CifPredictorV2", "CifPredictorV3"), "timestamp head"),
    (("SANMEncoderChunkOpt", "ConformerEncoder"), "wants the encoder 'ConformerEncoder'"),
    (("model: ParaformerStreaming", "model: SCAMA"), "nor a streaming one"),
    (("pad_left", "pad_right"), "pad_right"),
])  # fmt: skip
def test_what_cannot_be_heard_in_chunks_is_refused(folder, tmp_path, edit, message):
    with pytest.raises(ModelError, match=message):
        read_folder(change(folder, tmp_path, edit))
