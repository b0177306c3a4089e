"""JSON: everything that is known, under Whisper's field names; docs/json.md describes each."""

import json
import math
from typing import Any, TextIO

from asr_cli.subtitles.output import Info
from asr_cli.text.hotwords import n_hits
from asr_cli.transcript import Segment, Word

VERSION = 1


class JsonWriter:
    """Writes segments as they come; what is known only at the end stands at the end."""

    def __init__(self, file: TextIO, *, word_times: bool = True) -> None:
        self.file, self.word_times = file, word_times
        self.lines: list[str] = []
        file.write(f'{{\n  "version": {VERSION},\n  "segments": [')

    def add(self, segment: Segment) -> None:
        comma = "," if self.lines else ""
        item = as_object(len(self.lines), segment, word_times=self.word_times)
        self.file.write(f"{comma}\n    {dumps(item)}")
        self.lines.append(segment.text)

    def finish(self, info: Info) -> None:
        self.file.write("\n  ]" if self.lines else "]")
        duration = None if info.duration is None else seconds(info.duration)
        rest: dict[str, Any] = {
            "text": "\n".join(self.lines),
            "language": info.language,
            "duration": duration,
            "model": info.model,
        }
        if info.hotwords:
            text = "\n".join(self.lines)
            spelled = [(word, info.written.get(word, word)) for word in info.hotwords]
            rest["hotwords"] = [{"text": word, "hits": n_hits(word, text, written)} for word, written in spelled]
        for name, value in rest.items():
            self.file.write(f",\n  {dumps(name)}: {dumps(value)}")
        self.file.write("\n}\n")


def as_object(number: int, segment: Segment, *, word_times: bool = True) -> dict[str, Any]:
    """A segment as JSON has it; also a line of a stream of them."""
    start, end = seconds(segment.start), seconds(segment.end)
    found: dict[str, Any] = {"id": number, "start": start, "end": end, "text": segment.text}
    if segment.speaker is not None:
        found["speaker"] = segment.speaker
    if segment.language is not None:
        found["language"] = segment.language
    if segment.suspect is not None:
        found["suspect"] = segment.suspect
    if word_times:
        found["words"] = [word_object(word) for word in segment.words]
    return found


def word_object(word: Word) -> dict[str, Any]:
    sure = word.confidence is not None and math.isfinite(word.confidence)
    probability = round(word.confidence, 4) if sure and word.confidence is not None else None
    return {
        "word": word.text,
        "start": seconds(word.start),
        "end": seconds(word.end),
        "probability": probability,
    }


def seconds(value: float) -> float:
    return round(value, 3)


def dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
