"""The command tree and the error boundary.

A command is a module asr/commands/<name>.py with a Typer app named `app`; it is imported only when it is asked for, and
imports what is heavy inside its body.
"""

import os
import signal
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any, NoReturn

COMMANDS = {
    "transcribe": "speech to text, on standard output or in files",
    "srt": "subtitles beside the video",
    "batch": "many recordings, restartable",
    "stream": "captions while people speak",
    "vad": "where somebody speaks",
    "lint": "check subtitle files",
    "eval": "error rates against a reference",
    "train": "a recogniser of your own",
    "export": "a model as an ONNX file",
    "models": "what can be used, what is here",
    "doctor": "what is missing and how to get it",
    "config": "every option's value and its source",
}

HELP = """\
asr: transcribe speech to text and subtitles, offline.   v{version}

Usage: asr COMMAND [OPTIONS] FILE...

  asr transcribe talk.mp3                       text on standard output
  asr transcribe talk.mp3 -f srt,json -o out/   files
  asr srt video.mp4                             writes video.srt beside it
  asr batch wav.scp -o out/                     many recordings, restartable
  asr stream --mic                              live captions

Commands
{commands}

Options
  --help, -h              this, or with a command: its options
  --version, -V           the version
  --install-completion    completion for this shell, or for the one named after it
  --show-completion       print it instead

Exit: 0 ok · 1 all failed · 2 usage · 3 some files failed · 4 no model · 5 bad input · 6 missing tool · 130 interrupted
"""
EXIT = {"UsageError": 2, "ModelError": 4, "InputError": 5, "DependencyError": 6}
INTERRUPTED = 130
COMPLETION = "_ASR_COMPLETE"  # how a shell asks, with no arguments


def run(argv: Sequence[str] | None = None) -> NoReturn:
    """The program. Ends the process with its exit code."""
    argv = list(sys.argv[1:] if argv is None else argv)
    replace_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        # A console that is not UTF-8 shows what it can; it never stops a transcript.
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = answer(argv)
        sys.stdout.flush()
    except BrokenPipeError:  # `asr ... | head -1` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 128 + signal.SIGPIPE if hasattr(signal, "SIGPIPE") else 1
    except OSError as error:  # only the last flush: whatever else goes wrong was answered
        complain(f"cannot write to standard output: {error.strerror}", "E-OUTPUT", as_json="--json" in argv)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    if code == INTERRUPTED:
        # All is written and closed; from here on a second Ctrl-C could only change the exit code.
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def replace_closed_streams() -> None:
    """`asr ... >&-`: Python has no stream then. What is written there fails, messages alone may vanish."""
    if sys.stdin is None:
        sys.stdin = os.fdopen(os.open(os.devnull, os.O_RDONLY))
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


def answer(argv: list[str]) -> int:
    if COMPLETION in os.environ:
        return guarded(argv)
    if not argv or argv in (["--help"], ["-h"], ["help"]):
        print(top_help())
        return 0 if argv else 2
    if argv in (["--version"], ["-V"]):
        from asr_cli import __version__

        print(f"asr {__version__}")
        return 0
    return guarded(argv)


def top_help() -> str:
    from asr_cli import __version__

    commands = "\n".join(f"  {name:12} {summary}" for name, summary in COMMANDS.items())
    return HELP.format(version=__version__, commands=commands).rstrip()


def guarded(argv: list[str]) -> int:
    """Every error a sentence, every sentence an exit code."""
    from asr.clicks import Abort, ClickException, Exit
    from asr_cli.errors import AsrError

    as_json = "--json" in argv
    try:
        return invoke(argv)
    except Exit as wanted:
        return wanted.exit_code
    except ClickException as error:
        complain(error.format_message(), "E-USAGE", getattr(error, "ctx", None), as_json=as_json)
        return int(error.exit_code)
    except AsrError as error:
        if "--debug" in argv:
            raise
        complain(str(error), error.code, as_json=as_json)
        return exit_code(error)
    except (KeyboardInterrupt, Abort):
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:
        if "--debug" in argv:
            raise
        complain(f"{type(error).__name__}: {error}; this is a bug, --debug shows where", "E-BUG", as_json=as_json)
        return 1


def exit_code(error: Exception) -> int:
    return next((EXIT[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in EXIT), 1)


def complain(message: str, code: str, context: Any = None, *, as_json: bool = False) -> None:
    message = message.encode("utf-8", "backslashreplace").decode()
    if as_json:
        import json

        print(json.dumps({"event": "error", "message": message, "code": code}, ensure_ascii=False), file=sys.stderr)
        return
    print(f"asr: {message}  [{code}]", file=sys.stderr)
    if context is not None:
        print(f"Options: {context.command_path} --help", file=sys.stderr)


def invoke(argv: list[str]) -> int:
    if argv and argv[0] in ("--show-completion", "--install-completion"):
        from asr.completion import complete

        complete(argv[0], argv[1:])
        return 0
    from asr.tree import build

    root = build()
    if COMPLETION in os.environ:
        root.main(args=argv, prog_name="asr")  # answers the shell and exits
    # Not through main(): it would call a reader that has seen enough a failure.
    with root.make_context("asr", argv) as context:
        result = root.invoke(context)
    return result if isinstance(result, int) else 0


def load(name: str) -> Any:
    """The click command of that name."""
    from typer.main import get_command

    return get_command(import_module(f"asr.commands.{name}").app)


def unknown(name: str) -> str:
    near = get_close_matches(name, COMMANDS, n=1)
    if near:
        return f"no command is named {name!r}; did you mean {near[0]!r}?"
    if os.path.exists(name):  # noqa: PTH110 - as it was typed
        return f"no command is named {name!r}; to transcribe it: asr transcribe {name}"
    return f"no command is named {name!r}; there are {', '.join(COMMANDS)}"
