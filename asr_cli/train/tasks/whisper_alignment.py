"""Which heads of a Whisper's decoder look at what is being said, so that word times can be read off them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from asr_cli.train.tasks.whisper import WhisperNet
from asr_cli.train.tasks.whisper_tokens import TIME_STEP

NEAR = 0.1  # seconds around a word that a head may look at
LEAST, MOST = 0.5, 6  # a head is taken that finds so many of the words; the best ones, at most so many


@dataclass(frozen=True, slots=True)
class Aligned:
    """A window whose words' times are known. features: (M, T); ids: all that the decoder reads, of which the first text
    token is said by the one at n_head - 1; spans: from when to when the word of each text token is said, in seconds."""

    features: Tensor
    ids: tuple[int, ...]
    n_head: int
    spans: Sequence[tuple[float, float]]


@torch.inference_mode()
def alignment_heads(net: WhisperNet, windows: Iterable[Aligned]) -> list[tuple[int, int]]:
    """Pairs of layer and head, in that order."""
    before = net.decoder.config._attn_implementation
    net.decoder.config._attn_implementation = "eager"  # others do not tell where they look
    found = n_tokens = 0
    device = net.encoder.conv1.weight.device
    for one in windows:
        features, ids = one.features.unsqueeze(0).to(device), torch.tensor([one.ids], device=device)
        told = net.decoder(
            input_ids=ids, encoder_hidden_states=net.encode(features), use_cache=False, output_attentions=True
        )
        where = torch.stack([layer[0] for layer in told.cross_attentions]).argmax(-1).cpu()  # (L, H, U)
        at = (where[:, :, one.n_head - 1 :][:, :, : len(one.spans)] + 0.5) * TIME_STEP
        start, end = torch.tensor(one.spans).T
        found = found + ((at >= start - NEAR) & (at <= end + NEAR)).sum(-1)
        n_tokens += len(one.spans)
    net.decoder.config._attn_implementation = before
    if not n_tokens:
        return []
    assert isinstance(found, Tensor)
    shares = found / n_tokens
    order = sorted(((i, j) for i, row in enumerate(shares.tolist()) for j, share in enumerate(row) if share >= LEAST),
                   key=lambda place: -shares[place])  # fmt: skip
    return sorted(order[:MOST])
