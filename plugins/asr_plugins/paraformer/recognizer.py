"""Utterances to segments with a Paraformer."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from asr_cli.audio import Audio
from asr_cli.features.fbank import Fbank
from asr_cli.features.lfr import LowFrameRate
from asr_cli.models.paraformer import Heard
from asr_cli.models.paraformer_folder import Folder
from asr_cli.models.paraformer_times import token_spans
from asr_cli.nn.rows import join as end_to_end
from asr_cli.text.words import Piece, join
from asr_cli.transcript import Segment

MAX_DURATION = 30.0  # s; the models were trained on less, and attention grows with the square
SILENT = (0, 1, 2)  # blank, start and end of sentence: tokens that are no text


class ParaformerRecognizer:
    """The Recognizer of every offline Paraformer."""

    max_duration = MAX_DURATION

    def __init__(self, folder: Folder, hotwords: Tensor | None = None) -> None:
        self.net = folder.net
        self.vocabulary = folder.vocabulary
        self.cmvn = folder.cmvn
        self.hotwords = hotwords
        self.fbank = Fbank(folder.frontend.fs, folder.frontend.n_mels)
        self.lfr = LowFrameRate(folder.frontend.lfr_m, folder.frontend.lfr_n)

    @torch.inference_mode()
    def recognize(self, utterances: Sequence[Audio]) -> list[Segment]:
        if not utterances:
            return []
        features, rows = end_to_end([self.features(utterance) for utterance in utterances])
        heard = self.net(features, rows, self.hotwords)
        return self.segments(heard, utterances)

    def features(self, utterance: Audio) -> Tensor:
        """Normalised features (T, 560)."""
        samples = torch.from_numpy(np.ascontiguousarray(utterance.samples))
        frames, _ = self.fbank(samples)
        rows, _ = self.lfr(frames)
        return self.cmvn(rows)

    def segments(self, heard: Heard, utterances: Sequence[Audio]) -> list[Segment]:
        confidences, ids = heard.logits.float().softmax(-1).max(-1)
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
