"""What is done with one mutated recording: read, transcribed, served over HTTP, given to the program."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz import endings, media
from tests.fuzz.endings import WARNINGS, Ending
from tests.fuzz.media import Recording
from tests.fuzz.yard import Yard

SERVED: dict[str, Any] = {}  # what the server answers with now
FILES = ("path", "Path", "link")  # forms that have a name

Mark = Callable[[], None]


def prepare(kind: str, yard: Yard) -> None:
    """Everything that is opened once, before the first case."""
    seed = yard.root / "warm.wav"
    seed.write_bytes(yard.canary.read_bytes())
    endings.read(str(seed), {})
    if kind == "session":
        endings.transcribe(str(seed))
    if kind == "http":
        SERVED["port"], SERVED["elsewhere"] = serving(Answer), serving(Elsewhere)
    yard.sprung()


def serving(handler: type[BaseHTTPRequestHandler]) -> int:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def read(rng: Random, yard: Yard, folder: Path, record: dict[str, Any], mark: Mark) -> None:
    recording = media.make(rng, yard, folder)
    note(record, recording)
    mark()
    with endings.source(recording) as given:
        done(record, endings.read(given, recording.options))


def transcribe(rng: Random, yard: Yard, folder: Path, record: dict[str, Any], mark: Mark) -> None:
    recording = media.make(rng, yard, folder, forms=FILES)
    note(record, recording)
    channels = rng.choice(("mix", "mix", "left", "split"))
    record["options"] = {"channels": channels}
    mark()
    with endings.source(recording) as given:
        done(record, endings.transcribe(given, channels))


def run_program(rng: Random, yard: Yard, folder: Path, record: dict[str, Any], mark: Mark) -> None:
    recording = media.make(rng, yard, folder, forms=("path",))
    note(record, recording)
    mark()
    done(record, endings.run_program(recording.path))


def fetch(rng: Random, yard: Yard, folder: Path, record: dict[str, Any], mark: Mark) -> None:
    """A mutated recording from a server that may send us elsewhere, too."""
    recording = media.make(rng, yard, folder, forms=("path",))
    note(record, recording)
    way = rng.choice(("plain", "plain", "plain", "short", "redirect", "elsewhere", "to a file", "404", "garbage"))
    record |= {"made": f"{way}: {recording.made}", "port": SERVED["port"]}
    if way == "elsewhere":  # whoever names a server goes where it sends them
        record["allowed_port"] = SERVED["elsewhere"]
    SERVED.update(way=way, data=recording.path.read_bytes(), canary=yard.canary, called=False)
    recording.path.unlink()
    mark()
    suffix = recording.path.suffix if recording.path.suffix.isascii() else ""
    done(record, endings.read(f"http://127.0.0.1:{SERVED['port']}/talk{suffix}", recording.options))
    record["followed"] = SERVED["called"]


def note(record: dict[str, Any], recording: Recording) -> None:
    WARNINGS.codes.clear()
    named = {str(recording.path), str(recording.path.resolve())}
    record |= {
        "made": recording.made,
        "form": recording.form,
        "options": recording.options,
        "named": sorted(named),
    }


def done(record: dict[str, Any], ending: Ending) -> None:
    record |= {"how": ending.how, "seconds": round(ending.seconds, 2), "said": ending.said[:500]}
    record["warnings"] = sorted(set(WARNINGS.codes))
    record["findings"] += ending.findings


class Answer(BaseHTTPRequestHandler):
    """Answers every address with the case's bytes, or with one of the misdeeds."""

    def do_GET(self) -> None:
        way = SERVED["way"]
        moved = {
            "redirect": f"http://127.0.0.1:{SERVED['port']}/moved.wav",
            "elsewhere": f"http://127.0.0.1:{SERVED['elsewhere']}/canary.wav",
            "to a file": f"file://{SERVED['canary']}",
        }
        if way in moved and self.path != "/moved.wav":
            self.send_response(302)
            self.send_header("Location", moved[way])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if way == "404":
            self.send_error(404)
            return
        data = SERVED["data"]
        if way == "garbage":
            self.wfile.write(data)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(data) + (1000 if way == "short" else 0)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


class Elsewhere(Answer):
    """The other server that a redirection leads to."""

    def do_GET(self) -> None:
        SERVED.update(called=True, way="plain")
        super().do_GET()


PLAYS = {"media": read, "session": transcribe, "http": fetch, "program": run_program}
