"""The streaming Paraformer in training: each window sees what it would see live, though all are computed at once."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from asr_cli.errors import ModelError
from asr_cli.features.cmvn import Cmvn
from asr_cli.models.paraformer_streaming import Chunks, StreamingParaformer, Turn, view
from asr_cli.nn.rows import Rows
from asr_cli.text.vocabulary import Vocabulary
from asr_cli.train.task import Example
from asr_cli.train.tasks.paraformer import ParaformerBatch
from asr_cli.train.tasks.paraformer_streaming import Cuts, StreamingTask, build

TOKENS = ["<blank>", "<s>", "</s>", "a", "b", "c", "d", "<unk>"]
N_MELS = 8


def task(**encoder: Any) -> StreamingTask:
    torch.manual_seed(0)
    sizes = {"attention_heads": 2, "linear_units": 48, "kernel_size": 5}
    idle = {"dropout_rate": 0.0, "positional_dropout_rate": 0.0, "attention_dropout_rate": 0.0}
    settings = {
        "model": "ParaformerStreaming",
        "model_conf": {"predictor_bias": 1, "predictor_weight": 1.0, "sampling_ratio": 0.5,
                       "length_normalized_loss": True},
        "encoder": "SANMEncoderChunkOpt",
        "encoder_conf": sizes | idle | {"output_size": 32, "num_blocks": 3, "input_layer": "pe_online",
                                        "chunk_size": [6, 9], "stride": [4, 6], "pad_left": [0, 0],
                                        "encoder_att_look_back_factor": [2, 3]} | encoder,
        "decoder": "ParaformerSANMDecoder",
        "decoder_conf": sizes | {"num_blocks": 2, "att_layer_num": 2, "sanm_shfit": 2, "dropout_rate": 0.0},
        "predictor": "CifPredictorV2", "predictor_conf": {"idim": 32, "tail_threshold": 0.45},
        "frontend": "WavFrontendOnline",
        "frontend_conf": {"fs": 16000, "n_mels": N_MELS, "lfr_m": 7, "lfr_n": 6},
    }  # fmt: skip
    vocabulary = Vocabulary.from_list(TOKENS, source="here")
    found = build(
        settings, Path("recipe.yaml"), vocabulary, Cmvn(torch.zeros(7 * N_MELS), torch.ones(7 * N_MELS)), None
    )
    found.net.eval()
    return found


def batch(lengths: tuple[int, ...]) -> ParaformerBatch:
    torch.manual_seed(1)
    counts = tuple(1 + length // 4 for length in lengths)
    return ParaformerBatch(torch.randn(sum(lengths), 7 * N_MELS), lengths, torch.randint(3, 7, (sum(counts),)), counts)


class Live:
    """What a stream's steps make of an utterance, looked at from inside."""

    def __init__(self, net: StreamingParaformer, features: Tensor, chunks: Chunks) -> None:
        state = net.begin(chunks)
        self.windows: list[Tensor] = []
        self.alphas: list[Tensor] = []
        self.embeds: list[Tensor] = []
        self.logits: list[Tensor] = []
        self.steps: list[int] = []
        for at in range(0, len(features) + 1, chunks.current):
            piece = features[at : at + chunks.current]
            turn = Turn(piece, state, len(piece) < chunks.current)
            window = view(turn, net.enter(turn), chunks)
            encoded, _ = net.encode([window], [state.encoder], chunks)
            rows = Rows([len(encoded[0])])
            self.windows.append(encoded[0])
            self.alphas.append(net.predictor(encoded[0], rows)[window.begin : window.end])
            fired = net.fire(encoded, [window], [turn])
            self.embeds.append(fired.embeds)
            [(said, state)] = net.step([turn], chunks)
            self.logits.append(said.logits)
            self.steps += [at // chunks.current] * len(said.logits)


@torch.no_grad()
@pytest.mark.parametrize("lengths", [(23, 6, 12), (1, 40), (18, 5, 17, 30)])
def test_windows_shares_and_tokens_are_those_of_the_stream(lengths: tuple[int, ...]) -> None:
    streaming = task()
    net, chunks = streaming.net, streaming.geometries[-1]
    given = batch(lengths)
    windows = streaming.encode(net, given, chunks)
    alphas = windows.cuts.heard.split(streaming.alphas(net, windows))
    lives = [Live(net, features, chunks) for features in given.features.split(lengths)]
    first = 0
    for live, alpha in zip(lives, alphas, strict=True):
        assert torch.allclose(torch.cat(live.alphas), alpha, atol=1e-5)
        for index, window in enumerate(live.windows):
            assert torch.allclose(windows.encoded[first + index, : len(window)], window, atol=1e-4)
            assert not windows.encoded[first + index, len(window) :].any()
        first += len(live.windows)
    # With the embeddings that fired live, said in the windows in which they fired, the tokens are the same.
    tokens = Rows([sum(map(len, live.embeds)) for live in lives])
    begins = windows.cuts.first_windows.tolist()
    window = torch.tensor([begin + step for begin, live in zip(begins, lives, strict=True) for step in live.steps])
    earlier = []
    for begin, live in zip(begins, lives, strict=True):
        for step in live.steps:
            before = [other for other in live.steps if other < step]
            earlier.append(begin + max(before) if before else -1)
    embeds = torch.cat([embed for live in lives for embed in live.embeds])
    logits = streaming.decode_windows(net, embeds, tokens, windows, (window, torch.tensor(earlier)))
    assert tokens.n_rows > 5
    assert torch.allclose(logits, torch.cat([one for live in lives for one in live.logits]), atol=1e-4)


def test_each_token_is_said_in_the_window_in_which_it_is_complete() -> None:
    cuts = Cuts([13, 3], Chunks(0, 4, 2), torch.device("cpu"))
    assert cuts.n_windows == [4, 1]
    assert cuts.heard.lengths == (15, 5)
    shares = cuts.heard.padded(torch.ones(20) * 0.5)
    window, earlier = task().said_in(shares, Rows([7, 2]), cuts)
    # Complete in rows 1, 3 | 5, 7 | 9, 11 | 13 of the first utterance, and 1, 3 of the other, which is one window.
    assert window.tolist() == [0, 0, 1, 1, 2, 2, 3, 4, 4]
    assert earlier.tolist() == [-1, -1, 0, 0, 1, 1, 2, -1, -1]


def test_a_window_in_which_nothing_is_said_is_nobody_s_past() -> None:
    cuts = Cuts([12], Chunks(0, 4, 2), torch.device("cpu"))
    shares = torch.zeros(1, 14)
    shares[0, [2, 12]] = 1.0  # in the first window, and in the last
    window, earlier = task().said_in(shares, Rows([2]), cuts)
    assert window.tolist() == [0, 3] and earlier.tolist() == [-1, 0]


def test_it_learns_by_heart_and_says_it_by_the_steps_of_a_stream() -> None:
    streaming = task()
    examples = [example(ids) for ids in ((3, 4, 5), (6, 3), (5, 4, 6, 3), (4,), (6, 5, 3))]
    given = streaming.collate(examples)
    optimizer = torch.optim.AdamW(streaming.net.parameters(), lr=4e-3)
    streaming.net.train()
    torch.manual_seed(2)
    for _ in range(200):
        loss = streaming.losses(given, streaming.net).total
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(streaming.net.parameters(), 5.0)
        optimizer.step()
    streaming.net.eval()
    assert streaming.transcribe(given) == [list(one.ids) for one in examples]


def example(ids: tuple[int, ...]) -> Example:
    """Each token a hum in bands of its own."""
    generator = torch.Generator().manual_seed(len(ids))
    features = torch.randn(24 + 36 * len(ids), N_MELS, generator=generator) * 0.1
    for place, token in enumerate(ids):
        begin = 14 + 36 * place
        features[begin : begin + 24, token] += 3
        features[begin : begin + 24, token - 2] += 2
    return Example("", features, ids, "")


def test_every_weight_has_a_gradient() -> None:
    streaming = task()
    streaming.net.train()
    streaming.losses(batch((23, 9)), streaming.net).total.backward()
    untouched = [n for n, value in streaming.net.named_parameters() if value.grad is None or not value.grad.any()]
    assert untouched == []


@pytest.mark.parametrize(
    "wrong", [{"pad_left": [0, 5]}, {"chunk_size": [12, 15]}, {"encoder_att_look_back_factor": [-1, -1]}]
)
def test_divisions_that_are_not_trained_here_are_told(wrong: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="look no further ahead"):
        task(**wrong)
