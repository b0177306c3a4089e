"""Hugging Face, through its own library: endpoint ($HF_ENDPOINT), token and addresses are its business."""

import logging
import os
from typing import Any

from asr_cli.errors import DownloadError
from asr_cli.hub.manifest import Manifest, RemoteFile
from asr_cli.hub.patience import BUSY, BusyError, patiently, retry_after
from asr_cli.hub.source import TIMEOUT_SECONDS, Request, absent, refused, sizeless, unreachable

NAME = "Hugging Face"
VARIABLE = "HF_ENDPOINT"


class HuggingFace:
    key = "hf"

    def __init__(self) -> None:
        from huggingface_hub import constants
        from huggingface_hub.utils.logging import set_verbosity

        set_verbosity(logging.ERROR)  # it would print warnings of its own
        # The library reads the variable when it is first imported.
        self._endpoint = (os.environ.get(VARIABLE) or constants.ENDPOINT).rstrip("/")

    def manifest(self, model_id: str, revision: str) -> Manifest:
        info = patiently(lambda: self._info(model_id, revision))
        files = tuple(map(as_file, info.siblings or ()))
        return Manifest(self.key, model_id, revision, files, info.sha)

    def request(self, manifest: Manifest, path: str) -> Request:
        from huggingface_hub import get_token, hf_hub_url

        # The commit and not the branch: all files are of one moment.
        revision = manifest.commit or manifest.revision
        url = hf_hub_url(manifest.model_id, path, revision=revision, endpoint=self._endpoint)
        token = get_token()
        return Request(url, {"Authorization": f"Bearer {token}"} if token else {})

    def _info(self, model_id: str, revision: str) -> Any:
        from huggingface_hub import HfApi
        from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

        api = HfApi(endpoint=self._endpoint, library_name="asr")
        try:
            return api.model_info(model_id, revision=revision, files_metadata=True, timeout=TIMEOUT_SECONDS)
        except GatedRepoError as error:
            raise DownloadError(refused(NAME, model_id, "HF_TOKEN")) from error
        except RepositoryNotFoundError as error:
            raise DownloadError(absent(NAME, model_id, revision)) from error
        except HfHubHTTPError as error:
            status = error.response.status_code
            if status in BUSY:
                raise BusyError(
                    f"{NAME} is busy ({status})", retry_after(error.response.headers.get("Retry-After"))
                ) from error
            if status == 404:
                raise DownloadError(absent(NAME, model_id, revision)) from error
            raise DownloadError(f"{NAME} answers {status}") from error
        except (KeyError, ValueError) as error:
            raise DownloadError(f"{NAME} ({self._endpoint}) does not answer as a hub does") from error
        except Exception as error:  # of an HTTP library that changes with the versions
            raise DownloadError(unreachable(NAME, self._endpoint, VARIABLE, error)) from error


def as_file(sibling: Any) -> RemoteFile:
    """A file of the library's list; only large ones have a SHA-256, of the others Git's own hash is told."""
    if sibling.size is None:
        raise DownloadError(sizeless(NAME, sibling.rfilename))
    if sibling.lfs is not None:
        return RemoteFile(sibling.rfilename, sibling.size, sibling.lfs.sha256)
    is_sha1 = sibling.blob_id is not None and len(sibling.blob_id) == 40
    return RemoteFile(sibling.rfilename, sibling.size, git_sha1=sibling.blob_id if is_sha1 else None)
