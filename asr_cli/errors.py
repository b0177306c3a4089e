"""Every error the library raises on purpose.

    AsrError
    ├── UsageError          the call itself is wrong: an option, a combination, a value
    ├── InputError          this recording cannot be read
    │   ├── NotFoundError       there is no such file
    │   └── NoAudioError        the file is fine and holds no sound
    ├── OutputError         the result cannot be written
    ├── ModelError          a model is unknown, missing, or not what it says it is
    │   └── DownloadError       it cannot be had from a hub now
    └── DependencyError     a program or library this needs is not on the machine

A message is one sentence: what happened, why, and what to do next. `code` is the stable name to search for.
"""


class AsrError(Exception):
    """Anything that went wrong for a reason a user can act on."""

    code = "E-FAILED"


class UsageError(AsrError):
    """The call itself is wrong."""

    code = "E-USAGE"


class InputError(AsrError):
    """A recording cannot be read."""

    code = "E-INPUT"


class NotFoundError(InputError):
    """There is no such file."""

    code = "E-NOT-FOUND"


class NoAudioError(InputError):
    """A readable file without sound in it."""

    code = "E-NO-AUDIO"


class OutputError(AsrError):
    """A result cannot be written."""

    code = "E-OUTPUT"


class ModelError(AsrError):
    """A model is unknown, missing, or not what it says it is."""

    code = "E-MODEL"


class DownloadError(ModelError):
    """A model cannot be had from a hub now."""

    code = "E-DOWNLOAD"


class DependencyError(AsrError):
    """A program or library is not on this machine."""

    code = "E-DEPENDENCY"


def damaged(what: str) -> ModelError:
    """What to say of a model that computes infinities or NaN."""
    return ModelError(f"{what} computes what is no number; its weights are damaged: pull it again")
