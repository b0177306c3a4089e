"""Embeddings that cost nothing until they are filled."""

import torch
from torch import nn


def embedding(n_tokens: int, width: int) -> nn.Embedding:
    """As nn.Embedding; but on the meta device, where there is nothing to fill, nothing is drawn at random: torch would
    import its compiler for that, which takes a second."""
    weight = torch.empty(n_tokens, width)
    if not weight.is_meta:
        nn.init.normal_(weight)
    return nn.Embedding.from_pretrained(weight, freeze=False)
