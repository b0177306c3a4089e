"""The weighted sums of RWKV's time mixing, for any number of frames at once, and their derivatives.

B sequences, T frames, D width. A sum of e^(k_i) v_i, decaying by e^w each frame, is kept as a mantissa and an exponent
q, so that no key over- or underflows: the sum up to a frame is e^q times what is kept.
"""

from typing import Any, cast

import torch
from torch import Tensor

RADIX = 16  # frames one after another in each step of the recurrences; 16 * 16 of them take 32 steps
NOTHING = -1e30  # the exponent of an empty sum


def empty_sums(n_sequences: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """Sums (B, 3, D) of nothing: of values, of weights, and their exponent."""
    sums = torch.zeros(n_sequences, 3, width, device=device)
    sums[:, 2] = NOTHING
    return sums


def wkv(k: Tensor, v: Tensor, decay: Tensor, first: Tensor, sums: Tensor) -> tuple[Tensor, Tensor]:
    """RWKV-4's weighted key-value average (Peng et al. 2023, arXiv:2305.13048): (B, T, D), and the sums
    (B, T + 1, 3, D) before each frame and after the last, which carry no gradient.

    k, v (B, T, D). decay (D,): the logarithm of what is left after a frame, below 0. first (D,): what a frame's own key
    is raised by. sums (B, 3, D): from the frames before, as `empty_sums`.
    """
    averages, before = cast("tuple[Tensor, Tensor]", Wkv.apply(k, v, decay, first, sums))  # type: ignore[no-untyped-call]
    return averages, before


class Wkv(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, k: Tensor, v: Tensor, decay: Tensor, first: Tensor, sums: Tensor) -> tuple[Tensor, Tensor]:
        n_sequences, n_frames, width = k.shape
        before = k.new_empty(n_sequences, n_frames + 1, 3, width)
        before[:, 0] = sums
        peaks, kept = before[:, :, 2], before[:, :, :2]
        follow_peaks(k, decay, peaks)
        fading = (peaks[:, :-1] - peaks[:, 1:]).add_(decay).exp_()
        weights = (k - peaks[:, 1:]).exp_()
        accumulate(torch.stack([weights * v, weights], 2), fading.unsqueeze(2), kept)
        past, own = shares(k, first, peaks)
        total = torch.addcmul(own, past, kept[:, :-1, 1])
        averages = (own * v).addcmul_(past, kept[:, :-1, 0]).div_(total)
        ctx.save_for_backward(k, v, decay, first, before, averages)
        ctx.mark_non_differentiable(before)
        return averages, before

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        """With the exponents of the forward pass: the sum that gradients are of, over the frames behind, decays the
        same way, and relative to the same peaks it cannot overflow either."""
        k, v, decay, first, before, averages = ctx.saved_tensors
        peaks, kept = before[:, :, 2], before[:, :, :2]
        fading = (peaks[:, :-1] - peaks[:, 1:]).add_(decay).exp_()
        weights = (k - peaks[:, 1:]).exp_()
        past, own = shares(k, first, peaks)
        slope = gradients[0] / torch.addcmul(own, past, kept[:, :-1, 1])
        coming = past * slope
        # What the sums before each frame are worth to the frames from it on (B, T + 1, 2, D), the last to nobody.
        backwards = torch.zeros_like(kept, memory_format=torch.contiguous_format)
        arriving = torch.stack([coming, -coming * averages], 2)
        accumulate(arriving.flip(1), fading.flip(1).unsqueeze(2), backwards)
        worth = backwards.flip(1)
        behind = worth[:, 1:]
        own_slope = own * slope
        own_key = own_slope * (v - averages)
        d_k = weights * (v * behind[:, :, 0] + behind[:, :, 1]) + own_key
        d_v = weights * behind[:, :, 0] + own_slope
        d_decay = (fading * (behind * kept[:, :-1]).sum(2)).sum((0, 1))
        d_peak = (worth[:, 0] * kept[:, 0]).sum(1, keepdim=True)
        return d_k, d_v, d_decay, own_key.sum((0, 1)), torch.cat([worth[:, 0], d_peak], 1)


def shares(k: Tensor, first: Tensor, peaks: Tensor) -> tuple[Tensor, Tensor]:
    """By how much the sums before a frame, and its own value, count for it (B, T, D); the larger one is 1."""
    raised = k + first
    peak = torch.maximum(raised, peaks[:, :-1])
    return (peaks[:, :-1] - peak).exp_(), raised.sub_(peak).exp_()


def follow_peaks(k: Tensor, decay: Tensor, peaks: Tensor) -> None:
    """peaks[:, t + 1] = max(k[:, t], peaks[:, t] + decay), in place; peaks (B, T + 1, D) begins with its first.

    Any exponent near the largest does, so that no rounding here is felt.
    """
    n_chunks = k.shape[1] // RADIX
    done = 0
    if n_chunks > 1:
        done = n_chunks * RADIX
        chunks = peaks[:, 1 : done + 1].unflatten(1, (n_chunks, RADIX))
        keys = k[:, :done].unflatten(1, (n_chunks, RADIX))
        chunks[:, :, 0] = keys[:, :, 0]
        for step in range(1, RADIX):
            now = torch.add(chunks[:, :, step - 1], decay, out=chunks[:, :, step])
            torch.maximum(now, keys[:, :, step], out=now)
        carried = peaks.new_empty(len(k), n_chunks + 1, k.shape[2])
        carried[:, 0] = peaks[:, 0]
        follow_peaks(chunks[:, :, -1], decay * RADIX, carried)
        ages = torch.arange(1, RADIX + 1, device=k.device, dtype=k.dtype).unsqueeze(1)
        torch.maximum(chunks, carried[:, :-1].unsqueeze(2) + ages * decay, out=chunks)
    for frame in range(done, k.shape[1]):
        now = torch.add(peaks[:, frame], decay, out=peaks[:, frame + 1])
        torch.maximum(now, k[:, frame], out=now)


def accumulate(x: Tensor, fading: Tensor, sums: Tensor) -> None:
    """sums[:, t + 1] = x[:, t] + fading[:, t] * sums[:, t], in place; sums (B, T + 1, 2, D) begins with its first.

    All chunks of RADIX frames at once, each from nothing; then from chunk to chunk the same way, and what is carried
    over is added: twice the work, and steps as the logarithm of T instead of T.
    """
    n_chunks = x.shape[1] // RADIX
    done = 0
    if n_chunks > 1:
        done = n_chunks * RADIX
        inside = x[:, :done].unflatten(1, (n_chunks, RADIX))
        left = fading[:, :done].unflatten(1, (n_chunks, RADIX)).clone()
        chunks = sums[:, 1 : done + 1].unflatten(1, (n_chunks, RADIX))
        chunks[:, :, 0] = inside[:, :, 0]
        for step in range(1, RADIX):
            torch.addcmul(inside[:, :, step], left[:, :, step], chunks[:, :, step - 1], out=chunks[:, :, step])
            left[:, :, step] *= left[:, :, step - 1]
        carried = sums.new_empty(len(x), n_chunks + 1, *x.shape[2:])
        carried[:, 0] = sums[:, 0]
        accumulate(chunks[:, :, -1], left[:, :, -1], carried)
        chunks.addcmul_(left, carried[:, :-1].unsqueeze(2))
    for frame in range(done, x.shape[1]):
        torch.addcmul(x[:, frame], fading[:, frame], sums[:, frame], out=sums[:, frame + 1])
