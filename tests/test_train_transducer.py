"""Transducers in training: what the objective is made of, and that it can be learned from."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from asr_cli.errors import ModelError
from asr_cli.features.cmvn import Cmvn
from asr_cli.models.bat_folder import read_folder
from asr_cli.nn.cif import integrate, integrate_and_fire
from asr_cli.nn.rows import Rows
from asr_cli.nn.subsampling import Subsampling
from asr_cli.nn.transducer_lattice import around
from asr_cli.nn.transducer_loss import transducer_loss
from asr_cli.text.vocabulary import Vocabulary
from asr_cli.train.task import Example
from asr_cli.train.tasks.transducer import TransducerTask, build

WHERE = Path("recipe.yaml")
TOKENS = ["<blank>", "<s>", "</s>", "a", "b", "c", "d", "<unk>"]
RWKV = {"encoder": "RWKVEncoder", "encoder_conf": {
    "output_size": 32, "num_blocks": 2, "subsampling_factor": 4, "time_reduction_factor": 2}}  # fmt: skip
CONFORMER = {"encoder": "ChunkConformerEncoder", "encoder_conf": {
    "output_size": 32, "attention_heads": 2, "linear_units": 64, "num_blocks": 2, "dropout_rate": 0.0,
    "positional_dropout_rate": 0.0, "cnn_module_kernel": 7, "subsampling_factor": 4, "time_reduction_factor": 2,
    "activation_type": "swish"}}  # fmt: skip
CHUNKED = {"encoder": "ChunkConformerEncoder", "encoder_conf": CONFORMER["encoder_conf"] | {
    "unified_model_training": True, "default_chunk_size": 8, "jitter_range": 2, "left_chunk_size": 2}}  # type: ignore[operator]  # fmt: skip


def task(encoder: dict[str, Any], model: str = "BAT", **conf: Any) -> TransducerTask:
    torch.manual_seed(0)
    settings = {
        "model": model, "model_conf": {"r_d": 2, "r_u": 2} | conf, **encoder,
        "decoder": "rnnt_decoder", "decoder_conf": {"embed_size": 16, "hidden_size": 16},
        "joint_network": "joint_network", "joint_network_conf": {"joint_space_size": 24},
        "predictor": "bat_predictor", "predictor_conf": {"dropout": 0.0},
        "frontend": "WavFrontend", "frontend_conf": {"fs": 16000, "n_mels": 8, "lfr_m": 1, "lfr_n": 1},
    }  # fmt: skip
    return build(
        settings, WHERE, Vocabulary.from_list(TOKENS, source="here"), Cmvn(torch.zeros(8), torch.ones(8)), None
    )


def example(ids: tuple[int, ...], seed: int = 0) -> Example:
    """Each token a hum in bands of its own, 240 ms long, a pause between."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(20 + 32 * len(ids), 8, generator=generator) * 0.1
    for place, token in enumerate(ids):
        begin = 14 + 32 * place
        features[begin : begin + 24, token] += 3
        features[begin : begin + 24, token - 2] += 2
    return Example(f"{ids}", features, ids, "")


EXAMPLES = [example(ids) for ids in ((3, 4, 5), (6, 3), (5, 5, 4, 6), (4,), (6, 5, 3, 3), (3, 6))]


def test_the_objective_is_the_transducer_in_its_band_the_count_and_what_fired() -> None:
    bat = task(RWKV, lsm_weight=0.1)
    net, batch = bat.net.eval(), bat.collate(EXAMPLES)
    found = bat.losses(batch, net)
    encoded, lengths = net.encoder(batch.features, batch.lengths)
    assert net.predictor is not None and net.cif_output_layer is not None
    shares = net.predictor(encoded, lengths)
    n = len(EXAMPLES)
    totals = torch.zeros(3)
    for i, one in enumerate(EXAMPLES):
        ids, frames, share = torch.tensor([one.ids]), encoded[i : i + 1, : lengths[i]], shares[i : i + 1, : lengths[i]]
        count = torch.tensor([len(one.ids)])
        said = (share * (count + 1e-4) / share.sum()).cumsum(1)
        band = around(said, lengths[i : i + 1], count, back=2, ahead=2)
        predicted = net.prediction(F.pad(ids, (1, 0)))
        totals[0] += transducer_loss(net.joiner.enc(frames), net.joiner.dec(predicted), net.joiner.out, ids, band).sum()
        totals[1] += (share.sum() - count).abs().sum()
        fired = integrate(frames, share * (count + 1e-4) / share.sum(), int(count))
        totals[2] += F.cross_entropy(net.cif_output_layer(fired)[0], ids[0], reduction="sum", label_smoothing=0.1)
    parts = [found.parts[name] for name in ("transducer", "counting", "spelling")]
    assert torch.allclose(torch.stack(parts), totals / n, rtol=1e-4)
    assert torch.allclose(found.total, totals.sum() / n, rtol=1e-4)
    assert found.weight == n


def test_scaled_shares_make_the_tokens_that_integrate_and_fire_makes_of_small_ones() -> None:
    torch.manual_seed(0)
    x, shares = torch.randn(2, 9, 4), torch.rand(2, 9)
    fired = integrate_and_fire(x.flatten(0, 1), shares.flatten(), Rows([9, 9]))
    for mine, theirs in zip(integrate(x, shares, 9), fired.rows.split(fired.embeds), strict=True):
        assert torch.allclose(mine[: len(theirs)], theirs, atol=1e-5)
    # A frame that carries three tokens gives itself to each of them.
    assert torch.equal(integrate(x[:1, :1], torch.tensor([[3.0]]), 3), x[:1, :1].expand(1, 3, 4))


def learned(bat: TransducerTask, n_steps: int, lr: float = 4e-3) -> list[list[int]]:
    torch.manual_seed(1)
    optimizer = torch.optim.AdamW(bat.net.parameters(), lr=lr)
    batch = bat.collate(EXAMPLES)
    bat.net.train()
    for _ in range(n_steps):
        loss = bat.losses(batch, bat.net).total
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(bat.net.parameters(), 5.0)
        optimizer.step()
    bat.net.eval()
    return bat.transcribe(batch)


@pytest.mark.parametrize(
    ("encoder", "model"), [(RWKV, "BAT"), (CONFORMER, "BAT"), (CHUNKED, "BAT"), (RWKV, "Transducer")],
    ids=["rwkv-bat", "bat", "bat in chunks", "rnn-t"],
)  # fmt: skip
def test_it_learns_by_heart_what_little_it_is_shown(encoder: dict[str, Any], model: str, tmp_path: Path) -> None:
    bat = task(encoder, model)
    said = learned(bat, 150)
    assert said == [list(one.ids) for one in EXAMPLES]
    bat.write(tmp_path / "model", bat.net.state_dict())
    again = read_folder(tmp_path / "model", heads=("predictor", "cif_output_layer") if model == "BAT" else ()).net
    assert all(torch.equal(tensor, bat.net.state_dict()[name]) for name, tensor in again.state_dict().items())


def test_it_goes_on_from_a_checkpoint_and_adds_the_heads_that_are_not_there(tmp_path: Path) -> None:
    plain = task(RWKV, "Transducer")
    plain.write(tmp_path / "model", plain.net.state_dict())
    settings = plain.settings | {"model": "BAT"}
    bat = build(settings, WHERE, plain.vocabulary, plain.cmvn, tmp_path / "model")
    assert torch.equal(bat.net.joiner.out.weight, plain.net.joiner.out.weight)
    assert bat.net.predictor is not None
    assert bat.initialised == frozenset(name for name, _ in plain.net.named_parameters())


def test_what_only_training_knows_may_differ_from_the_checkpoints_and_its_sizes_may_not(tmp_path: Path) -> None:
    known = task(CONFORMER)
    known.write(tmp_path / "model", known.net.state_dict())

    def begun(**changes: object) -> TransducerTask:
        settings = known.settings | {"encoder_conf": known.settings["encoder_conf"] | changes}
        return build(settings, WHERE, known.vocabulary, known.cmvn, tmp_path / "model")

    net = begun(dropout_rate=0.3, default_chunk_size=8).net
    assert net.config.encoder.dropout_rate == 0.3 and net.config.encoder.default_chunk_size == 8
    assert torch.equal(net.joiner.out.weight, known.net.joiner.out.weight)
    with pytest.raises(ModelError, match="holds other weights than its configuration says"):
        begun(num_blocks=known.settings["encoder_conf"]["num_blocks"] + 1)


def test_beside_the_lattice_the_encoder_alone_can_be_told_what_is_said(tmp_path: Path) -> None:
    both, without = (task(RWKV, "Transducer", auxiliary_ctc_weight=weight) for weight in (0.3, 0.0))
    net, batch = both.net.eval(), both.collate(EXAMPLES)
    found = both.losses(batch, net)
    encoded, lengths = net.encoder(batch.features, batch.lengths)
    assert net.ctc_lin is not None
    whole = torch.zeros(())
    for one, frames, length in zip(EXAMPLES, encoded, lengths, strict=True):
        logs, ids = net.ctc_lin(frames[:length]).log_softmax(-1), torch.tensor(one.ids)
        whole = whole + nn.functional.ctc_loss(logs, ids, length, torch.tensor(len(ids)), reduction="sum")
    assert torch.allclose(found.parts["ctc"], 0.3 * whole / len(EXAMPLES), rtol=1e-5)
    alone = without.losses(batch, without.net.eval())
    assert torch.allclose(found.total, alone.total + found.parts["ctc"], rtol=1e-5) and "ctc" not in alone.parts
    both.write(tmp_path / "model", net.state_dict())
    again = build(both.settings, WHERE, both.vocabulary, both.cmvn, tmp_path / "model")
    assert torch.equal(again.losses(batch, again.net.eval()).total, found.total)
    assert "ctc_lin.weight" in again.initialised
    assert read_folder(tmp_path / "model").net.ctc_lin is None


def test_a_transcript_longer_than_its_sound_is_refused_and_nothing_else_is() -> None:
    bat = task(RWKV)
    assert bat.refusal(80, [3] * 10) is None
    reason = bat.refusal(79, [3] * 11)
    assert reason == "its text has 11 tokens and its sound only 10 frames of 80 ms"
    assert bat.refusal(80, []) == "its text has no tokens"


@pytest.mark.parametrize("encoder", [RWKV, CONFORMER], ids=["rwkv", "conformer"])
def test_before_it_has_learned_anything_it_hears_what_is_said_and_not_its_own_biases(encoder: dict[str, Any]) -> None:
    (entrance,) = (one for one in task(encoder).net.modules() if isinstance(one, Subsampling))
    with torch.inference_mode():
        frames, _ = entrance(torch.randn(4, 200, 8), torch.tensor([200] * 4))
    changing = frames.std(1).mean()
    assert 0.2 < changing < 2 and frames.mean((0, 1)).std() < 3 * changing


def test_every_part_of_a_bat_is_trained() -> None:
    bat = task(CONFORMER)
    bat.net.train()
    bat.losses(bat.collate(EXAMPLES), bat.net).total.backward()
    untouched = [name for name, value in bat.net.named_parameters() if value.grad is None or not value.grad.any()]
    assert untouched == []


def test_company_and_padding_do_not_change_a_loss() -> None:
    bat = task(RWKV)
    net = bat.net.eval()
    together = bat.losses(bat.collate(EXAMPLES), net)
    alone = [bat.losses(bat.collate([one]), net).total for one in EXAMPLES]
    # The band is as wide as the longest text of a batch lets it be.
    long = [loss for loss, one in zip(alone, EXAMPLES, strict=True) if len(one.ids) >= 3]
    same = bat.losses(bat.collate([one for one in EXAMPLES if len(one.ids) >= 3]), net).total
    assert torch.allclose(torch.stack(long).mean(), same, rtol=1e-4)
    assert together.total.isfinite()


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ({"r_d": 0}, "r_d 0 and r_u 2"),
        ({"auxiliary_lm_loss_weight": 0.3}, "--set model_conf.auxiliary_lm_loss_weight=0"),
        ({"auxiliary_ctc_dropout_rate": 1.0}, "auxiliary_ctc_dropout_rate 1.0"),
        ({"lsm_weight": 1.5}, "lsm_weight 1.5"),
    ],
)
def test_what_cannot_be_trained_so_is_told(conf: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        task(RWKV, **conf)


def test_over_the_whole_lattice_company_and_padded_chunks_do_not_change_a_loss_either() -> None:
    bat = task(CHUNKED, "Transducer")
    net = bat.net.eval()
    together = bat.losses(bat.collate(EXAMPLES), net).total
    alone = [bat.losses(bat.collate([one]), net).total for one in EXAMPLES]
    assert torch.allclose(torch.stack(alone).mean(), together, rtol=1e-4)


def test_what_is_measured_in_16_bits_is_spelled_with_all_of_them() -> None:
    bat = task(RWKV)
    batch = bat.collate(EXAMPLES)
    seen: set[torch.dtype] = set()
    bat.net.joiner.out.register_forward_hook(lambda module, args, logits: seen.add(logits.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        bat.net.eval()
        bat.transcribe(batch)
    assert seen == {torch.float32}


def test_fastemit_moves_only_the_gradient() -> None:
    def gradient(value: float) -> tuple[Tensor, Tensor]:
        bat = task(RWKV, fastemit_lambda=value)
        loss = bat.losses(bat.collate(EXAMPLES), bat.net.eval()).total
        loss.backward()
        assert bat.net.joiner.out.bias.grad is not None
        return loss.detach(), bat.net.joiner.out.bias.grad

    plain, fast = gradient(0.0), gradient(0.2)
    assert torch.equal(plain[0], fast[0])
    assert fast[1][0] > plain[1][0]  # towards less blank


def test_a_batch_goes_to_a_device_whole() -> None:
    batch = task(RWKV).collate(EXAMPLES)
    moved = batch.to(torch.device("meta"))
    assert {getattr(moved, name).device.type for name in ("features", "lengths", "targets", "counts")} == {"meta"}
    assert replace(batch).features is batch.features
