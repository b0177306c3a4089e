"""What strace saw of a shard: every file opened, every address called, every program started, judged case by case."""

import os
import re
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from asr_cli.audio.ffmpeg import find_ffmpeg
from tests.fuzz.worker import MARK

CALLS = "open,openat,openat2,connect,execve,execveat,socket,creat"
COMMAND = ("strace", "-f", "--seccomp-bpf", "-s", "4096", "-e", f"trace={CALLS}", "-o")
REPO = Path(__file__).resolve().parents[2]
LINE = re.compile(r"^\d+ +(\w+)\((.*)$")
TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|[0-7]{1,3}|.)")
LETTERS = {"n": "\n", "t": "\t", "r": "\r", "v": "\v", "f": "\f"}
# What the loader, the C library, ffmpeg's libraries and Python look at on their own, whatever they are asked to read.
SYSTEM = ("/usr/", "/lib/", "/lib64/", "/sys/devices/system/", "/proc/self/", "/proc/sys/", sys.prefix, sys.base_prefix)
SYSTEM_FILES = re.compile(
    r"/etc/(ld\.so\.\w+|gcrypt/[\w.]+|localtime|ssl/openssl\.cnf|nsswitch\.conf|host\.conf|resolv\.conf|hosts|gai\.conf|passwd"
    r"|mime\.types|apache2?/\w+|httpd/.*)"
    r"|/proc/(filesystems|meminfo|cpuinfo|stat|\d+/(?!environ).*)|/dev/(null|urandom|shm(/.*)?)|/sys/fs/cgroup.*"
)


@dataclass(frozen=True, slots=True)
class Scope:
    """What one case may touch. named: files; ports: of 127.0.0.1."""

    named: frozenset[str]
    ports: frozenset[int] = frozenset()


def violations(log: Path, root: Path, scopes: dict[str, Scope]) -> Iterator[tuple[str, str]]:
    """(case, what it did) for everything that was not named."""
    case, made, programs = "", set[str](), allowed_programs()
    with log.open(encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            found = LINE.match(line)
            if not found:
                continue
            call, rest = found[1], found[2]
            if (texts := TEXT.search(rest)) and texts[1].startswith(MARK):
                case, made = texts[1].removeprefix(MARK), set()
            elif (
                case and case not in ("-", "ready") and (wrong := judge(call, rest, root, scopes[case], made, programs))
            ):
                yield case, f"{wrong}: {line.strip():.300}"


def judge(call: str, rest: str, root: Path, scope: Scope, made: set[str], programs: set[str]) -> str | None:
    if call == "socket":
        inet = "AF_INET" in rest and not scope.ports
        return "made a socket" if inet else None
    if call == "connect":
        return judge_connect(rest, scope)
    texts = TEXT.search(rest)
    path = decoded(texts[1]) if texts else ""
    if call.startswith("execve"):
        return None if path in programs else "started a program"
    return judge_open(path, rest, root, scope, made)


def judge_connect(rest: str, scope: Scope) -> str | None:
    if "AF_UNIX" in rest and "/run/nscd/socket" in rest:  # the C library asks whether a cache of names runs
        return None
    port = re.search(r"sin_port=htons\((\d+)\).*127\.0\.0\.1", rest)
    return None if port and int(port[1]) in scope.ports else "called an address"


def judge_open(path: str, rest: str, root: Path, scope: Scope, made: set[str]) -> str | None:
    path = os.path.normpath(os.path.join(root / "cwd", path))  # noqa: PTH118 - links stay links
    if path in scope.named or path in made:
        return None
    own = path.startswith((f"{root}/tmp/", f"{root}/home/"))
    if re.search(r"O_CREAT|O_TMPFILE", rest) and own:
        made.add(path)
        return None
    if own and ("O_DIRECTORY" in rest or path.startswith(f"{root}/home/")):
        return None
    if re.search(r"O_WRONLY|O_RDWR|O_CREAT", rest) and path not in ("/dev/null",) and not path.startswith("/dev/shm"):
        return "wrote a file"
    if path.startswith(f"{root}/"):
        # Folders are listed to name the neighbor that was meant; their files are not opened.
        return None if "O_DIRECTORY" in rest else "opened a file that was not named"
    system = f"{path}/".startswith((*SYSTEM, f"{REPO}/")) or SYSTEM_FILES.fullmatch(path)
    return None if system else "opened a file that was not named"


def allowed_programs() -> set[str]:
    """ffmpeg and this Python, also by the names their links have."""
    ffmpeg = find_ffmpeg()
    pythons = {sys.executable, os.path.realpath(sys.executable), str(Path(sysconfig.get_path("scripts")) / "python")}
    return {ffmpeg, os.path.realpath(ffmpeg), *pythons}


def decoded(text: str) -> str:
    """A string as strace writes it, as Python holds names of files."""

    def one(match: re.Match[str]) -> str:
        code = match[1]
        if code[0] == "x" and len(code) == 3:
            return chr(int(code[1:], 16))
        return chr(int(code, 8)) if code[0].isdigit() else LETTERS.get(code, code)

    return ESCAPE.sub(one, text).encode("latin-1", "surrogateescape").decode("utf-8", "surrogateescape")
