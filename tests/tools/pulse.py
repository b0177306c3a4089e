"""A PulseAudio server of the tests' own, whose microphone hears what is played, and a program that listens to it.

with pulse_server(folder) as server, server.listener() as listener:
    server.play("speech.wav")
    heard = listener.stop()
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np

SINK = "asr_in"
PROGRAMS = ("pulseaudio", "pactl", "paplay")
ALSA = "pcm.{0} {{ type pulse hint {{ show on description {0} }} }}\nctl.{0} {{ type pulse }}\n"
PATIENCE = 10.0
# PortAudio's state is the process's: whoever listens is a process of its own. Its stdout has a line for the first
# block, one for each warning; its stdin ends it.
LISTENER = """
import json, logging, sys, threading, time
import numpy as np
from asr_cli.audio.microphone import MicrophoneStream

class Told(logging.Handler):
    def emit(self, record):
        said = record.getMessage()
        code = "BACK" if "heard again" in said else getattr(record, "code", record.levelname)
        print(json.dumps([code, said]), flush=True)

logging.getLogger("asr").addHandler(Told())
logging.getLogger("asr").setLevel(logging.INFO)
path, wanted = sys.argv[1], sys.argv[2] or None
blocks, levels, stopped_at = [], [], []
with MicrophoneStream(wanted) as stream:
    def end():
        sys.stdin.readline()
        stopped_at.append(time.monotonic())
        stream.stop()
    threading.Thread(target=end, daemon=True).start()
    for block in stream:
        if not blocks:
            begun = time.monotonic() - block.duration
            print(json.dumps(["BEGUN", stream.name]), flush=True)
        blocks.append(block)
        levels.append(stream.level)
np.savez(path, samples=np.concatenate([b.samples for b in blocks]), starts=[b.start for b in blocks],
         durations=[b.duration for b in blocks], levels=levels, wall=stopped_at[0] - begun)
"""


def missing() -> str | None:
    """Why there can be no such server here."""
    for program in PROGRAMS:
        if shutil.which(program) is None:
            return f"{program} is not installed"
    try:
        import sounddevice  # noqa: F401
    except (ImportError, OSError) as error:
        return f"PortAudio cannot be used: {error}"
    return None


class Listener:
    def __init__(self, env: dict[str, str], wanted: str, folder: Path) -> None:
        self.path = folder / f"heard-{time.monotonic_ns()}.npz"
        self.told: list[list[str]] = []
        self.process = subprocess.Popen(
            [sys.executable, "-c", LISTENER, str(self.path), wanted],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env, text=True,
        )  # fmt: skip
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        self.told.extend(json.loads(line) for line in self.process.stdout)

    def wait(self, code: str, patience: float = PATIENCE) -> str:
        """The message of this code, as soon as it is there."""
        until = time.monotonic() + patience
        while time.monotonic() < until:
            for found, message in list(self.told):
                if found == code:
                    return message
            time.sleep(0.02)
        raise AssertionError(f"nothing was said of {code} in {patience} s, only {self.told}")

    @property
    def codes(self) -> list[str]:
        return [code for code, _ in self.told]

    def stop(self) -> SimpleNamespace:
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        assert self.process.wait(PATIENCE) == 0
        self.reader.join(PATIENCE)
        with np.load(self.path) as file:
            return SimpleNamespace(**{name: file[name] for name in file.files})

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.reader.join(PATIENCE)
        self.process.stdin.close()
        self.process.stdout.close()


class Pulse:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        config = folder / "alsa.conf"
        config.write_text(ALSA.format("!default") + ALSA.format("pulse"))
        self.env = os.environ | {
            "XDG_RUNTIME_DIR": str(folder),
            "PULSE_RUNTIME_PATH": str(folder),
            "PULSE_SERVER": f"unix:{folder}/native",
            "PULSE_SOURCE": f"{SINK}.monitor",
            "HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder),
            "ALSA_CONFIG_PATH": str(config),
        }
        self.process = subprocess.Popen(
            [
                "pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm=yes",
                "-L", f"module-native-protocol-unix auth-anonymous=1 socket={folder}/native",
            ],
            env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._await()
        self.module = ""

    def _await(self) -> None:
        until = time.monotonic() + PATIENCE
        while subprocess.run(["pactl", "info"], env=self.env, capture_output=True, check=False).returncode:
            assert time.monotonic() < until and self.process.poll() is None, "the sound server does not start"
            time.sleep(0.05)

    def control(self, *words: str) -> str:
        done = subprocess.run(["pactl", *words], env=self.env, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def plug_in(self) -> None:
        self.module = self.control("load-module", "module-null-sink", f"sink_name={SINK}", "rate=48000", "channels=2")

    def unplug(self) -> None:
        self.control("unload-module", self.module)

    def play(self, path: Path) -> None:
        """To its end."""
        subprocess.run(["paplay", f"--device={SINK}", str(path)], env=self.env, check=True, timeout=30)

    @contextmanager
    def listener(self, wanted: str = "") -> Iterator[Listener]:
        listener = Listener(self.env, wanted, self.folder)
        try:
            yield listener
        finally:
            listener.close()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def pulse_server() -> Iterator[Pulse]:
    # Not pytest's folder: the path of a socket has an end at 108 characters.
    with tempfile.TemporaryDirectory(prefix="asr-pulse-") as folder:
        server = Pulse(Path(folder))
        try:
            server.plug_in()
            yield server
        finally:
            server.close()
