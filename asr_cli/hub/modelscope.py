"""ModelScope, through its own light library: endpoint ($MODELSCOPE_ENDPOINT), token and listing are its business."""

import hashlib
import logging
import os

from asr_cli.errors import DownloadError
from asr_cli.hub.manifest import Manifest, RemoteFile
from asr_cli.hub.source import Request, absent, refused, sizeless, unreachable

NAME = "ModelScope"
VARIABLE = "MODELSCOPE_ENDPOINT"
EMPTY = hashlib.sha256().hexdigest()


class ModelScope:
    key = "ms"

    def __init__(self) -> None:
        from modelscope_hub import HubApi
        from modelscope_hub.config import HubConfig

        class Config(HubConfig):
            def get_session_id(self) -> str:
                return ""  # the library would write an identifier of this installation and send it along

        logging.getLogger("modelscope_hub").setLevel(logging.CRITICAL)  # it would print warnings of its own
        # The library warns about the older variable, which its users still have.
        self._config = Config(endpoint=os.environ.get(VARIABLE) or os.environ.get("MODELSCOPE_DOMAIN") or None)
        self._api = HubApi(config=self._config)

    def manifest(self, model_id: str, revision: str) -> Manifest:
        from modelscope_hub.errors import APIError, HubError, NotExistError, PermissionDeniedError, RequestTimeoutError

        try:
            listed = self._api.list_repo_files(model_id, "model", revision=revision)  # tries again where that helps
        except NotExistError as error:
            raise DownloadError(absent(NAME, model_id, revision)) from error
        except PermissionDeniedError as error:
            raise DownloadError(refused(NAME, model_id, "MODELSCOPE_API_TOKEN")) from error
        except (APIError, RequestTimeoutError) as error:
            raise DownloadError(f"{NAME} does not answer as it should ({error.message})") from error
        except (HubError, OSError) as error:
            raise DownloadError(unreachable(NAME, str(self._config.endpoint), VARIABLE, error)) from error
        files = tuple(RemoteFile(file.path, file.size or 0, file.sha256) for file in listed if file.type != "tree")
        for file in files:
            if file.size == 0 and file.sha256 not in (None, EMPTY):  # the library gives 0 for what it was not told
                raise DownloadError(sizeless(NAME, file.path))
        return Manifest(self.key, model_id, revision, files)

    def request(self, manifest: Manifest, path: str) -> Request:
        url = self._api.legacy.get_download_url(manifest.model_id, "model", path, manifest.revision)
        token = self._config.token
        # Older endpoints know the cookie only, newer ones the header.
        headers = {"Authorization": f"Bearer {token}", "Cookie": f"m_session_id={token}"} if token else {}
        return Request(url, headers)
