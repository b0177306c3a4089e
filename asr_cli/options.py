"""What can be asked of a session. Light: nothing is loaded to say what one wants."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from asr_cli.decoding import DecodingOptions
from asr_cli.errors import UsageError
from asr_cli.hub.manifest import check_hub
from asr_cli.vad.endpoint import EndpointOptions

MOST_THREADS = 512  # with a few thousand, OpenMP brings the process down
LONGEST_CHUNK = 500  # frames; half a minute
HEAVIEST = 100.0  # a hotword; beyond that there is nothing else to hear
BATCH_SECONDS = 60.0  # enough to fill a few cores, little enough to stop soon after Ctrl-C


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """What to load, and how to run it.

    model_dir: a folder of models, or one model's own, named as the model.
    vad: None for the VAD model's own.
    hub: where a model that is named and not here comes from: "ms", "hf", or "auto" for whichever answers first.
    offline: no network at all; what is not here is an error.
    vad_model: a name, a folder in FunASR's layout, "auto" (the public model where it is, else ours), or None for none.
    punc: put punctuation on; None: where a model fits the language and the recogniser writes none itself.
    punc_model: a name, a folder in FunASR's layout, or "auto" (the public model where it is, else ours for English).
    threads: None for as many as there are cores.
    batch_seconds: how much speech is recognised at once; None for what suits the recogniser.
    compute_type: "float32", "bfloat16", "float16", "int8", or "auto" for the fastest here that keeps the text.
    hotwords: words to expect: a list, a text that names them, or the path of a file with one on each line.
    hotword_weight: how much they count; 1 as the model was trained.
    mode: how a model that has several decodes: "fast", "normal" or "offline" (UniASR); None for its own.
    chunk_size: what a streaming model looks back, hears and looks ahead, in frames of 60 ms; None for its own.
    encoder_chunk_look_back, decoder_chunk_look_back: how many chunks before that it remembers.
    refresh: seconds between two looks of a model's second pass while somebody speaks; None for as often as it can.
    decoding: what else can be asked of a model that writes one token after the other (Whisper).
    assistant_model: a smaller one that drafts for it, and changes nothing but the speed: a name, an id or a folder.
    itn: write numbers in digits.
    script: of Chinese: "hans", "hant", "hant-tw" or "hant-hk"; None for what the recogniser writes.
    """

    model: str = "auto"
    language: str | None = None
    model_dir: Path | None = None
    hub: str = "auto"
    offline: bool = False
    device: str = "auto"
    compute_type: str = "auto"
    threads: int | None = None
    hotwords: str | Path | tuple[str, ...] = ()
    hotword_weight: float = 1.0
    mode: str | None = None
    chunk_size: tuple[int, int, int] | None = None
    encoder_chunk_look_back: int = 4
    decoder_chunk_look_back: int = 1
    refresh: float | None = None
    decoding: DecodingOptions = field(default_factory=DecodingOptions)
    assistant_model: str | None = None
    batch_seconds: float | None = None
    vad_model: str | None = "auto"
    vad: EndpointOptions | None = None
    punc: bool | None = None
    punc_model: str = "auto"
    itn: bool = False
    script: str | None = None

    def __post_init__(self) -> None:
        if self.threads is not None and not 1 <= self.threads <= MOST_THREADS:
            raise UsageError(f"{self.threads} threads cannot work; give 1 or more, up to {MOST_THREADS}")
        if self.batch_seconds is not None and not self.batch_seconds > 0:
            raise UsageError(f"batches of {self.batch_seconds} s hold nothing; give a positive duration")
        if not 0 < self.hotword_weight <= HEAVIEST:
            raise UsageError(f"hotwords cannot weigh {self.hotword_weight:g}; give more than 0, at most {HEAVIEST:g}")
        if self.hotword_weight != 1 and not self.hotwords:
            raise UsageError("a weight of hotwords does nothing without hotwords")
        if self.chunk_size is not None:
            check_chunk(self.chunk_size)
        if min(self.encoder_chunk_look_back, self.decoder_chunk_look_back) < -1:
            raise UsageError("a model looks back 0 chunks or more, or -1 for all of them")
        if self.refresh is not None and not 0 < self.refresh < float("inf"):
            raise UsageError(f"a second pass every {self.refresh:g} s is none; give a positive duration")
        if self.model_dir is not None and not os.path.isdir(self.model_dir):  # noqa: PTH112 - which never raises
            raise UsageError(f"model directory {str(self.model_dir)!r} is no directory")
        check_hub(self.hub)
        if self.vad_model is None and self.vad is not None:
            raise UsageError("VAD options do nothing without a VAD")
        if self.punc is False and self.punc_model != "auto":
            raise UsageError(f"punctuation model {self.punc_model!r} does nothing without punctuation")


def check_chunk(chunk_size: tuple[int, int, int]) -> None:
    left, current, right = chunk_size
    if min(left, right) < 0 or not 1 <= current <= LONGEST_CHUNK or max(left, right) > LONGEST_CHUNK:
        raise UsageError(
            f"chunks of {left},{current},{right} frames cannot be heard; give look-back, chunk and look-ahead in frames"
            f" of 60 ms, such as 0,10,5 (at most {LONGEST_CHUNK} each)"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """Which part of a recording to hear.

    start, end: seconds. channels: "mix", "left", "right" or "split" (each on its own, merged by time).
    track: which audio track of a video, from 0. pcm: "rate:channels:format" of raw samples.
    sample_rate: of an array or tensor.
    """

    start: float = 0.0
    end: float | None = None
    channels: str = "mix"
    track: int | None = None
    pcm: str | None = None
    sample_rate: int | None = None
