"""A hub as we need it, and what is said of it when it fails."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from asr_cli.hub.manifest import Manifest

TIMEOUT_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Request:
    url: str
    headers: Mapping[str, str]


class Hub(Protocol):
    """Where models are published. key: "ms" or "hf"."""

    key: str

    def manifest(self, model_id: str, revision: str) -> Manifest: ...

    def request(self, manifest: Manifest, path: str) -> Request: ...


def open_hub(key: str) -> Hub:
    if key == "ms":
        from asr_cli.hub.modelscope import ModelScope

        return ModelScope()
    from asr_cli.hub.huggingface import HuggingFace

    return HuggingFace()


def absent(hub: str, model_id: str, revision: str) -> str:
    return f"{hub} has no {model_id} of revision {revision} (404)"


def refused(hub: str, model_id: str, variable: str) -> str:
    return f"{hub} does not give {model_id} to everybody: accept its terms there, and set {variable}"


def sizeless(hub: str, path: str) -> str:
    return f"{hub} does not tell the size of {path}, without which no download can be checked; try again later"


def unreachable(hub: str, endpoint: str, variable: str, error: Exception) -> str:
    return f"{hub} ({endpoint}) cannot be reached: {reason(error)}; {variable} names a mirror"


def reason(error: BaseException) -> str:
    """The innermost cause that says something, which is the shortest.

    >>> reason(OSError(111, "Connection refused"))
    'Connection refused'
    """
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
