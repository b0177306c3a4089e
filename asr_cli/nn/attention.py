"""Multi-head attention over sequences laid end to end.

B sequences, N query rows and M key rows of all of them together, H heads, D width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from asr_cli.nn.rows import Rows


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    queries: Rows,
    keys: Rows,
    n_heads: int,
    masks: Sequence[Tensor | None] | None = None,
) -> Tensor:
    """Scaled dot-product attention (Vaswani et al. 2017, arXiv:1706.03762), each sequence's queries on its own keys.

    q of shape (N, D), k and v (M, D); gives (N, D). masks: for each sequence (its queries, its keys), true where a
    query may look.
    """
    if masks is not None or (q.device.type == "cpu" and not queries.together):
        return one_by_one(q, k, v, queries, keys, n_heads, masks)
    return all_at_once(q, k, v, queries, keys, n_heads)


def one_by_one(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    queries: Rows,
    keys: Rows,
    n_heads: int,
    masks: Sequence[Tensor | None] | None = None,
) -> Tensor:
    """A processor loses little by going from sequence to sequence, and what is not padded need not be multiplied."""
    sequences = zip(queries.split(q), keys.split(k), keys.split(v), masks or [None] * len(queries.lengths), strict=True)
    return torch.cat([alone(*sequence, n_heads) for sequence in sequences]) if queries.lengths else q


def alone(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, n_heads: int) -> Tensor:
    shape = n_heads, q.shape[1] // n_heads  # never -1, which a graph cannot tell of no rows at all
    q, k, v = (x.unflatten(1, shape).transpose(0, 1).unsqueeze(0) for x in (q, k, v))  # each (1, H, T, D/H)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).squeeze(0).transpose(0, 1).flatten(1)


def all_at_once(q: Tensor, k: Tensor, v: Tensor, queries: Rows, keys: Rows, n_heads: int) -> Tensor:
    """On a GPU a launch costs more than the padding."""
    mask = keys.mask[:, None, None, :]  # (B, 1, 1, longest)
    return queries.unpadded(side_by_side(queries.padded(q), keys.padded(k), keys.padded(v), n_heads, mask))


def side_by_side(q: Tensor, k: Tensor, v: Tensor, n_heads: int, mask: Tensor | None = None) -> Tensor:
    """Sequences of equal lengths: q of shape (B, T, D) on k and v (B, S, D) to (B, T, D).

    mask: broadcast to (B, H, T, S), true where a query may look; None for everywhere.
    """
    shape = n_heads, q.shape[2] // n_heads
    q, k, v = (x.unflatten(2, shape).transpose(1, 2) for x in (q, k, v))  # each (B, H, T, D/H)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)
