"""The loss of an encoder alone (CTC, Graves et al. 2006), beside that of whoever reads it."""

from torch import Tensor
from torch.nn import functional as F


def ctc_loss(logits: Tensor, lengths: Tensor, targets: Tensor, counts: Tensor) -> Tensor:
    """The mean over B utterances, as FunASR has it, of logits (B, T, V) and targets (B, U), blank 0; what cannot
    be said in so few frames counts nothing."""
    logs = logits.float().log_softmax(-1).transpose(0, 1)
    return F.ctc_loss(logs, targets, lengths, counts, reduction="sum", zero_infinity=True) / len(counts)
