"""What a transducer adds to an encoder: a network that remembers what was said, and one that decides what comes next.

N hypotheses, B utterances, U tokens, H width of the memory, D of the encoder, J of the joiner, V vocabulary.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BLANK = 0  # no token: on to the next frame; also what every utterance begins after
N_HOLES, WIDEST_HOLE = 4, 2  # tokens that training makes it forget, as in the published recipe


class PredictionNet(nn.Module):
    """An LSTM over the tokens so far (Graves 2012, arXiv:1211.3711).

    dropout, embed_dropout, holes: for training; holes are spans of tokens that are not shown to it.
    """

    def __init__(
        self,
        n_tokens: int,
        embed_size: int,
        hidden_size: int,
        *,
        dropout: float = 0.0,
        embed_dropout: float = 0.0,
        holes: bool = False,
    ) -> None:
        super().__init__()
        self.embed = nn.Embedding(n_tokens, embed_size, padding_idx=BLANK)
        self.lstm = nn.LSTM(embed_size, hidden_size, batch_first=True)
        self.dropout, self.embed_dropout, self.holes = dropout, embed_dropout, holes

    def forward(self, ids: Tensor) -> Tensor:
        """Of tokens (B, U), blank first, to what is expected after each of them (B, U, H)."""
        embedded = F.dropout(self.embed(ids), self.embed_dropout, self.training)
        if self.holes and self.training:
            embedded = embedded.masked_fill(holes(ids).unsqueeze(2), 0.0)
        predicted: Tensor = self.lstm(embedded)[0]
        return F.dropout(predicted, self.dropout, self.training)

    def step(self, ids: Tensor, memory: Tensor) -> Tensor:
        """The memory (N, 2H) with one more token (N,) in it; its first half is what `forward` gives after it."""
        said, cell = memory.chunk(2, dim=1)
        [weights] = self.lstm.all_weights
        return torch.cat(torch.lstm_cell(self.embed(ids), (said, cell), *weights), dim=1)

    def start(self) -> Tensor:
        """The memory (1, 2H) at the beginning of an utterance."""
        empty = self.embed.weight.new_zeros(1, 2 * self.lstm.hidden_size)
        return self.step(torch.full((1,), BLANK, device=empty.device), empty)


def holes(ids: Tensor) -> Tensor:
    """Which tokens (B, U) are not shown: up to four spans of at most two."""
    n_rows, n_tokens = ids.shape
    widths = torch.randint(0, WIDEST_HOLE + 1, (n_rows, N_HOLES, 1), device=ids.device)
    begins = torch.randint(0, max(1, n_tokens - WIDEST_HOLE), (n_rows, N_HOLES, 1), device=ids.device)
    places = torch.arange(n_tokens, device=ids.device)
    return ((begins <= places) & (places < begins + widths)).any(dim=1)


class Joiner(nn.Module):
    """Logits of every token from a frame and from what was said: out(tanh(enc(x) + dec(g)))."""

    def __init__(self, encoder_width: int, decoder_width: int, width: int, n_tokens: int) -> None:
        super().__init__()
        self.enc = nn.Linear(encoder_width, width)
        self.dec = nn.Linear(decoder_width, width, bias=False)
        self.out = nn.Linear(width, n_tokens)

    def forward(self, heard: Tensor, said: Tensor) -> Tensor:
        """Of enc(x) and dec(g), both (..., J), to logits (..., V)."""
        logits: Tensor = self.out(torch.tanh(heard + said))
        return logits
