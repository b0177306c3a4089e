"""From speech or not, frame by frame, to stretches of speech: the decisions of FunASR's FSMN-VAD, in whole numbers.

A state machine without torch, with a state that does not grow. Times inside are frames of 10 ms.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields

from asr_cli.errors import UsageError

FRAME_MS = 10
# Dynamic mode: how long speech has been going on, and the silence that then ends it; milliseconds.
SCHEDULE = ((10_000, 2000), (20_000, 1000), (30_000, 800), (40_000, 600), (50_000, 400), (60_000, 200))
SHORTEST_SILENCE_MS = 100
# FunASR looks at the schedule once for each minute of a file; the last frames of a minute still wait for samples then.
LOOK_FRAMES, LOOK_MS, WAITING_FRAMES = 6000, 60_000, 4
DYNAMIC_NOISE_THRES = 0.5  # what the dynamic mode takes instead of the configured threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointOptions:
    """FunASR's options under FunASR's names; times in milliseconds, the published defaults.

    mode: "classic" (one end silence) or "dynamic" (FunASR's default since 2026: it shrinks as speech goes on).
    detect_mode: 1 finds every stretch of speech, 0 the first.
    """

    mode: str = "classic"
    detect_mode: int = 1
    max_end_silence_time: int = 800
    max_start_silence_time: int = 3000
    max_single_segment_time: int = 60_000
    window_size_ms: int = 200
    sil_to_speech_time_thres: int = 150
    speech_to_sil_time_thres: int = 150
    lookback_time_start_point: int = 200
    lookahead_time_end_point: int = 100
    speech_noise_thres: float = 0.6
    speech_2_noise_ratio: float = 1.0
    decibel_thres: float = -100.0
    snr_thres: float = -100.0
    noise_frame_num_used_for_snr: int = 100

    @property
    def threshold(self) -> float:
        """How much likelier than noise a frame of speech must be."""
        return DYNAMIC_NOISE_THRES if self.mode == "dynamic" else self.speech_noise_thres

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and not math.isfinite(value):
                raise UsageError(f"VAD option {field.name} must be a finite number, not {value}")
        if self.mode not in ("classic", "dynamic"):
            raise UsageError(f"VAD mode {self.mode!r}: choose classic or dynamic")
        if self.detect_mode not in (0, 1):
            raise UsageError(f"VAD detect mode {self.detect_mode!r}: choose 1 (many stretches) or 0 (the first)")
        for name in ("window_size_ms", "max_single_segment_time"):
            if getattr(self, name) < FRAME_MS:
                raise UsageError(f"VAD option {name} must be at least {FRAME_MS} ms")
        if self.speech_2_noise_ratio <= 0 or not -1 <= self.speech_noise_thres <= 1:
            raise UsageError("VAD option speech_2_noise_ratio must be above 0, speech_noise_thres from -1 to 1")
        for name in ("max_end_silence_time", "max_start_silence_time", "sil_to_speech_time_thres",
                     "speech_to_sil_time_thres", "lookback_time_start_point", "lookahead_time_end_point",
                     "noise_frame_num_used_for_snr"):  # fmt: skip
            if getattr(self, name) < 0:
                raise UsageError(f"VAD option {name} must not be negative")


class Endpointer:
    """Feed it frames; it gives each stretch of speech, (first frame, frame after the last), once its end is known."""

    def __init__(self, options: EndpointOptions) -> None:
        self._window_frames = options.window_size_ms // FRAME_MS
        self._to_speech = options.sil_to_speech_time_thres // FRAME_MS
        self._to_silence = options.speech_to_sil_time_thres // FRAME_MS
        self._latency = self._window_frames + options.lookback_time_start_point // FRAME_MS
        self._lookahead = options.lookahead_time_end_point // FRAME_MS
        self._longest = options.max_single_segment_time // FRAME_MS
        self._start_silence = options.max_start_silence_time  # ms
        self._options = options
        self._end_silence = max(options.max_end_silence_time - options.speech_to_sil_time_thres, 0)  # ms
        self._time = 0  # the next frame
        self._consumed = 0  # the first frame no stretch has taken yet
        self._start: int | None = None  # of the stretch under way
        self._over = False  # single mode has given its one stretch
        self._elapsed_ms = 0  # dynamic mode: how long this stretch has been going on
        self._next_look = 0 if options.mode == "dynamic" else None
        self._forget()

    @property
    def earliest(self) -> int:
        """No stretch still to come begins before this frame."""
        if self._start is not None:
            return self._start
        return max(self._consumed, self._time - self._latency)

    @property
    def open_from(self) -> int | None:
        """The first frame of the stretch under way."""
        return self._start

    @property
    def certain(self) -> int:
        """The stretch under way goes on at least up to this frame; while it pauses, it would end just here."""
        return self._time if not self.pauses else min(self._time, self._end_if_silent)

    @property
    def pauses(self) -> bool:
        """Whether the stretch under way is silent now, and has been for so long that all of it is known."""
        return self._start is not None and not self._speaking and self._end_if_silent <= self._time

    @property
    def _end_if_silent(self) -> int:
        n_frames = max(1, -(-self._end_silence // FRAME_MS))  # of silence that end it
        return self._time - self._silence + n_frames - self._taken_back

    @property
    def _taken_back(self) -> int:
        """How many of the frames of silence that end a stretch are not part of it."""
        return max(0, self._end_silence // FRAME_MS - self._lookahead - 1)

    def feed(self, speech: bytes, *, final: bool = False) -> Iterator[tuple[int, int]]:
        """speech: 1 or 0 for each further frame. final: the last of these is the recording's last."""
        index, last = 0, len(speech) - 1
        while index <= last:
            span = self._step(speech[index], final and index == last)
            if span is not None:
                yield span
            index += 1
            index += self._skip(speech, index, last if final else last + 1)

    def _skip(self, speech: bytes, index: int, stop: int) -> int:
        """How many frames from index to stop were passed over, because they cannot change anything."""
        if self._options.detect_mode == 0 or index >= stop:
            return 0
        if self._next_look is not None:
            stop = min(stop, index + self._next_look - self._time)
        if self._sum == 0 < self._to_speech and not self._speaking and self._start is None:
            n_frames = run(speech, 0, index, stop)
            self._silence += n_frames
            self._time += n_frames
            self._consumed = max(self._consumed, self._time - 1 - self._latency)
            return n_frames
        if self._sum == self._window_frames > self._to_silence and self._speaking and self._start is not None:
            stop = min(stop, index + self._start + self._longest - self._time)
            n_frames = run(speech, 1, index, stop)
            self._time += n_frames
            return n_frames
        return 0

    def _look_at_schedule(self) -> None:
        """The longer speech goes on, the less silence ends it."""
        if self._start is not None:
            self._elapsed_ms += LOOK_MS
        silence = next((ms for limit, ms in SCHEDULE if self._elapsed_ms <= limit), SHORTEST_SILENCE_MS)
        self._end_silence = max(silence - self._options.speech_to_sil_time_thres, 0)

    def _forget(self) -> None:
        self._window = [0] * self._window_frames
        self._position = 0
        self._sum = 0
        self._speaking = False
        self._silence = 0

    def _step(self, is_speech: int, final: bool) -> tuple[int, int] | None:
        now = self._time
        self._time += 1
        if now == self._next_look:
            self._look_at_schedule()
            self._next_look = (now + WAITING_FRAMES if now else 0) + LOOK_FRAMES - WAITING_FRAMES
        changed = self._vote(is_speech)
        if self._over:
            return None
        if self._speaking or changed:
            self._silence = 0
            if self._start is None:
                if not self._speaking:
                    return None
                self._start = max(self._consumed, now - self._latency)
                return self._end(now) if final else None
            return self._end(now) if final or now - self._start + 1 > self._longest else None
        self._silence += 1
        if self._start is None:
            self._consumed = max(self._consumed, now - self._latency)
            # Single mode gives up for good when nobody begins to speak.
            self._over = self._options.detect_mode == 0 and self._silence * FRAME_MS > self._start_silence
            return None
        if self._silence * FRAME_MS >= self._end_silence:
            return self._end(now - self._taken_back)
        return self._end(now) if final or now - self._start + 1 > self._longest else None

    def _vote(self, is_speech: int) -> bool:
        """Slide the window by one frame; whether that changed silence to speech or back."""
        self._sum += is_speech - self._window[self._position]
        self._window[self._position] = is_speech
        self._position = (self._position + 1) % self._window_frames
        before = self._speaking
        if before:
            self._speaking = self._sum > self._to_silence
        else:
            self._speaking = self._sum >= self._to_speech
        return self._speaking != before

    def _end(self, frame: int) -> tuple[int, int]:
        assert self._start is not None
        span = (self._start, frame + 1)
        self._consumed = frame + 1
        self._start = None
        self._elapsed_ms = 0
        self._over = self._options.detect_mode == 0
        self._forget()
        return span


def run(speech: bytes, value: int, index: int, stop: int) -> int:
    """How many frames in a row, from index and before stop, have this value."""
    if stop <= index:
        return 0
    end = speech.find(1 - value, index, stop)
    return (stop if end < 0 else end) - index
