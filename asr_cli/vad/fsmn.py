"""Speech found by an FSMN, as the recording goes by. Only ever streaming: a file is a stream that ends.

T frames of 10 ms.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from asr_cli.audio import SAMPLE_RATE, Audio
from asr_cli.errors import ModelError, damaged
from asr_cli.features.cmvn import Cmvn
from asr_cli.features.fbank import Fbank
from asr_cli.features.lfr import LfrState, LowFrameRate
from asr_cli.models.fsmn_vad import FsmnVadNet
from asr_cli.vad.buffer import Buffer, pieces
from asr_cli.vad.endpoint import Endpointer, EndpointOptions
from asr_cli.vad.loudness import Loudness

STACK = 5  # frames seen at once, two of them ahead
FRAMES_PER_SECOND = 100
PATIENCE = 10.0  # seconds of a file looked at together: large matrix products are several times faster
LONGEST_LOOK = round(PATIENCE * SAMPLE_RATE)  # samples; memory follows it


@dataclass(slots=True)
class Hearing:
    """What is remembered of a stream between two blocks."""

    endpointer: Endpointer
    loudness: Loudness | None = None
    samples: Tensor | None = None
    frames: LfrState | None = None
    memory: tuple[Tensor, ...] | None = None


class FsmnVad:
    """The `Vad` role: blocks in, each stretch of speech out as soon as its end is known.

    patience: look at this many seconds at a time; 0 looks at each block as it comes. The speech is the same.
    """

    def __init__(
        self,
        net: FsmnVadNet,
        cmvn: Cmvn,
        options: EndpointOptions | None = None,
        *,
        patience: float = PATIENCE,
    ) -> None:
        if net.config.input_dim != STACK * 80:
            raise ModelError("this VAD model takes other features than five stacked frames of 80 bins")
        if (net.config.rorder, net.config.lstride, net.config.rstride) != (0, 1, 0):
            raise ModelError("this VAD model looks ahead or skips frames in its memory, which no published one does")
        self.options = options or EndpointOptions()
        self.patience = patience
        self._shift = SAMPLE_RATE // FRAMES_PER_SECOND
        self._fbank = Fbank(SAMPLE_RATE)
        self._lfr = LowFrameRate(STACK, 1)
        self._net = net.eval().fused(cmvn.shift, cmvn.scale)

    @classmethod
    def from_folder(cls, folder: Path, options: EndpointOptions | None = None, *, patience: float = PATIENCE) -> Self:
        """A checkpoint in FunASR's layout, today's or that of before version 1.0; options: None takes its own."""
        from asr_cli.vad.weights import read_folder

        found = read_folder(folder)
        return cls(found.net, found.cmvn, options or found.options, patience=patience)

    @classmethod
    def built_in(cls, options: EndpointOptions | None = None, *, patience: float = PATIENCE) -> Self:
        """The model this project trained."""
        from asr_cli.vad.weights import read_own

        net, cmvn = read_own()
        return cls(net, cmvn, options, patience=patience)

    def __call__(self, blocks: Iterable[Audio], /) -> Iterator[Audio]:
        kept = Buffer()
        for block, endpointer, votes in self._hear(blocks):
            if block is not None:
                kept.add(block)
            for first, last in endpointer.feed(votes, final=block is None):
                yield kept.cut(first * self._shift, last * self._shift)
            kept.forget_before(endpointer.earliest * self._shift)

    def spans(self, blocks: Iterable[Audio]) -> Iterator[tuple[float, float]]:
        """(start, end) of each stretch in seconds, without holding on to the sound."""
        beginning: float | None = None
        for block, endpointer, votes in self._hear(blocks):
            if beginning is None:
                beginning = 0.0 if block is None else block.start
            for first, last in endpointer.feed(votes, final=block is None):
                yield beginning + first / FRAMES_PER_SECOND, beginning + last / FRAMES_PER_SECOND

    def silence(self, blocks: Iterable[Audio]) -> Iterator[NDArray[np.float32]]:
        """The probability of silence of each frame, (T,) for each look; for evaluation."""
        hearing = self.begin()
        for block in self._looks(blocks):
            yield self._look(block, hearing).float().numpy()

    def begin(self) -> Hearing:
        """For a stream of its own."""
        loudness = Loudness(self.options, SAMPLE_RATE) if Loudness.matters(self.options) else None
        return Hearing(Endpointer(self.options), loudness)

    def votes(self, block: Audio | None, hearing: Hearing) -> bytes:
        """1 or 0, speech or not, for each frame that the block completes; None where the stream ends."""
        silence = self._look(block, hearing)
        ratio = self.options.speech_2_noise_ratio
        noise = silence if ratio == 1 else silence**ratio
        found: bytes = ((1 - silence) >= noise + self.options.threshold).byte().numpy().tobytes()
        if hearing.loudness is None:
            return found
        return hearing.loudness.judge(found, np.zeros(0, np.float32) if block is None else block.samples)

    def _hear(self, blocks: Iterable[Audio]) -> Iterator[tuple[Audio | None, Endpointer, bytes]]:
        """Each look with its frames' votes; the last one has no block, only the frames that were waiting for it."""
        hearing = self.begin()
        for block in self._looks(blocks):
            yield block, hearing.endpointer, self.votes(block, hearing)

    def _looks(self, blocks: Iterable[Audio]) -> Iterator[Audio | None]:
        if self.patience > 0:
            # Pieces of one size, so that no product rounds differently because the blocks came in another size.
            yield from pieces(blocks, round(self.patience * SAMPLE_RATE))
        else:
            for block in blocks:
                yield from pieces([block], LONGEST_LOOK)
        yield None

    @torch.inference_mode()
    def _look(self, block: Audio | None, hearing: Hearing) -> Tensor:
        """The probability of silence (T,) of the frames this block completes, in float64."""
        samples = torch.zeros(0) if block is None else torch.from_numpy(block.samples)
        fbank, hearing.samples = self._fbank(samples, hearing.samples)
        stacked, hearing.frames = self._lfr(fbank, hearing.frames, final=block is None)
        if not len(stacked):
            return torch.zeros(0, dtype=torch.float64)
        silence, hearing.memory = self._net(stacked, hearing.memory)
        if not silence.isfinite().all():
            raise damaged("the VAD model")
        return silence.double()
