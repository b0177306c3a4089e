"""A streaming Paraformer of the size of a small real one (about 7 million parameters), with seeded random weights."""

import json
from collections.abc import Iterator
from pathlib import Path

import torch
import yaml

from tests.tools.small_paraformer import STREAMING, TOKENS, config, talkative, write_folder

WIDTH, UNITS, N_ENCODER, N_DECODER, N_FEATURES, KERNEL = 176, 704, 12, 4, 560, 11
Shape = tuple[int, ...]


def write_streaming(folder: Path) -> Path:
    """Its folder, in FunASR's layout."""
    write_folder(folder, STREAMING, weights())
    conf = config(STREAMING)
    conf["encoder_conf"] |= {"output_size": WIDTH, "linear_units": UNITS, "num_blocks": N_ENCODER}
    conf["decoder_conf"] |= {"linear_units": UNITS, "num_blocks": N_DECODER, "att_layer_num": N_DECODER}
    conf["predictor_conf"] |= {"idim": WIDTH}
    (folder / "config.yaml").write_text(yaml.safe_dump(conf, allow_unicode=True), encoding="utf-8")
    assert json.loads((folder / "tokens.json").read_text(encoding="utf-8")) == TOKENS
    return folder


def weights() -> dict[str, torch.Tensor]:
    found = talkative(shapes())
    found["predictor.cif_output.weight"] *= 0.2
    found["predictor.cif_output.bias"].fill_(-1.1)  # sigmoid 0.25: four tokens a second
    return found


def shapes() -> Iterator[tuple[str, Shape]]:
    for index in range(N_ENCODER):
        name = "encoder.encoders0.0" if index == 0 else f"encoder.encoders.{index - 1}"
        n_in = N_FEATURES if index == 0 else WIDTH
        yield from linear(f"{name}.self_attn.linear_q_k_v", 3 * WIDTH, n_in)
        yield from linear(f"{name}.self_attn.linear_out", WIDTH, WIDTH)
        yield f"{name}.self_attn.fsmn_block.weight", (WIDTH, 1, KERNEL)
        yield from linear(f"{name}.feed_forward.w_1", UNITS, WIDTH)
        yield from linear(f"{name}.feed_forward.w_2", WIDTH, UNITS)
        yield from norm(f"{name}.norm1", n_in)
        yield from norm(f"{name}.norm2", WIDTH)
    yield from norm("encoder.after_norm", WIDTH)
    yield "decoder.embed.0.weight", (len(TOKENS), WIDTH)
    for index in range(N_DECODER):
        name = f"decoder.decoders.{index}"
        yield f"{name}.self_attn.fsmn_block.weight", (WIDTH, 1, KERNEL)
        yield from linear(f"{name}.src_attn.linear_q", WIDTH, WIDTH)
        yield from linear(f"{name}.src_attn.linear_k_v", 2 * WIDTH, WIDTH)
        yield from linear(f"{name}.src_attn.linear_out", WIDTH, WIDTH)
        yield from feed_forward(name)
        for number in (1, 2, 3):
            yield from norm(f"{name}.norm{number}", WIDTH)
    yield from feed_forward("decoder.decoders3.0")
    yield from norm("decoder.decoders3.0.norm1", WIDTH)
    yield from norm("decoder.after_norm", WIDTH)
    yield from linear("decoder.output_layer", len(TOKENS), WIDTH)
    yield "predictor.cif_conv1d.weight", (WIDTH, WIDTH, 3)
    yield "predictor.cif_conv1d.bias", (WIDTH,)
    yield from linear("predictor.cif_output", 1, WIDTH)


def feed_forward(name: str) -> Iterator[tuple[str, Shape]]:
    yield from linear(f"{name}.feed_forward.w_1", UNITS, WIDTH)
    yield f"{name}.feed_forward.w_2.weight", (WIDTH, UNITS)
    yield from norm(f"{name}.feed_forward.norm", UNITS)


def linear(name: str, n_out: int, n_in: int) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", (n_out, n_in)
    yield f"{name}.bias", (n_out,)


def norm(name: str, width: int) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", (width,)
    yield f"{name}.bias", (width,)
