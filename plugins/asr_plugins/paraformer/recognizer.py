"""Utterances to segments with a Paraformer."""

from collections.abc import Sequence

import torch
from torch import Tensor

from asr_cli.audio import SAMPLE_RATE, Audio
from asr_cli.errors import damaged
from asr_cli.features.fbank import Fbank
from asr_cli.features.lfr import LowFrameRate
from asr_cli.features.resample import Resample
from asr_cli.longform.halve import halving
from asr_cli.models.paraformer import Heard, Hotwords
from asr_cli.models.paraformer_folder import Folder
from asr_cli.models.paraformer_times import token_spans
from asr_cli.nn.rows import join as end_to_end
from asr_cli.text.words import Piece, join
from asr_cli.transcript import Segment

MAX_DURATION = 30.0  # s; the models were trained on less, and attention grows with the square
BATCH_SECONDS = 1200.0  # s; what a GPU needs to be busy, and a few GB of it
SILENT = (0, 1, 2)  # blank, start and end of sentence: tokens that are no text


class ParaformerRecognizer:
    """The Recognizer of every offline Paraformer."""

    max_duration = MAX_DURATION
    batch_seconds = BATCH_SECONDS

    def __init__(self, folder: Folder, device: torch.device | None = None, hotwords: Hotwords | None = None) -> None:
        self.net = folder.net
        self.vocabulary = folder.vocabulary
        self.device = device or torch.device("cpu")
        self.hotwords = hotwords
        self.cmvn = folder.cmvn.to(self.device)
        self.resample = Resample(SAMPLE_RATE, folder.frontend.fs).to(self.device)
        self.fbank = Fbank(folder.frontend.fs, folder.frontend.n_mels).to(self.device)
        self.lfr = LowFrameRate(folder.frontend.lfr_m, folder.frontend.lfr_n)

    def recognize(self, utterances: Sequence[Audio]) -> list[Segment]:
        """One segment for each."""
        return halving(self.recognize_together, utterances, self.device)

    @torch.inference_mode()
    def recognize_together(self, utterances: Sequence[Audio]) -> list[Segment]:
        features, rows = end_to_end([self.features(utterance) for utterance in utterances])
        heard = self.net(features, rows, self.hotwords)
        return self.segments(heard, utterances)

    def features(self, utterance: Audio) -> Tensor:
        """Normalised features (T, 560)."""
        samples = self.resample(torch.tensor(utterance.samples, device=self.device))
        frames, _ = self.fbank(samples)
        rows, _ = self.lfr(frames)
        return self.cmvn(rows)

    def segments(self, heard: Heard, utterances: Sequence[Audio]) -> list[Segment]:
        confidences, ids = heard.logits.float().softmax(-1).max(-1)
        if not confidences.isfinite().all():
            raise damaged("the model")
        parts = zip(
            heard.fired.rows.split(ids), heard.fired.rows.split(confidences), heard.alphas, utterances, strict=True
        )
        return [self.segment(*part) for part in parts]

    def segment(self, ids: Tensor, confidences: Tensor, alphas: Tensor, utterance: Audio) -> Segment:
        said = [pair for pair in zip(ids.tolist(), confidences.tolist(), strict=True) if pair[0] not in SILENT]
        spans = token_spans(alphas, len(said), self.net.frames_per_alpha)
        pieces = [
            Piece(self.vocabulary.piece(token), utterance.start + start, utterance.start + end, confidence)
            for (token, confidence), (start, end) in zip(said, spans, strict=True)
        ]
        return Segment(join(pieces, sentencepiece=self.vocabulary.sentencepiece))
