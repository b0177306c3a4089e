"""A hub on 127.0.0.1: what ModelScope and Hugging Face answer to what is asked of them, and their bad days."""

import hashlib
import json
import re
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Trouble:
    """What is wrong with the answers to requests whose path or query contains `where`, the next `times` times."""

    where: str
    times: int = 1_000_000
    status: int = 0  # instead of the answer
    retry_after: str = ""
    break_off_after: int = -1  # bytes of the body, then the connection is cut
    ignores_range: bool = False
    wrong_range: bool = False
    seconds_per_chunk: float = 0.0
    body: bytes | None = None  # instead of the file, of whatever length
    content_type: str = ""
    chunked: bool = False  # the length of the body is not told
    pause: threading.Event | None = None  # before the body
    leads_elsewhere: bool = False  # to the same server by another name, as hubs lead to their stores


@dataclass
class Hub:
    """Both hubs' face. models: files by path, by model id."""

    models: dict[str, dict[str, bytes]]
    troubles: list[Trouble] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    secrets: list[tuple[str, str]] = field(default_factory=list)  # the host that was asked, and what it was told
    tells_sha256: bool = True
    tells_size: bool = True
    lies: dict[str, str] = field(default_factory=dict)  # SHA-256 by path
    url: str = ""

    @property
    def environment(self) -> dict[str, str]:
        return {"HF_ENDPOINT": self.url, "MODELSCOPE_ENDPOINT": self.url}

    def listed(self, model_id: str):
        for path, data in self.models[model_id].items():
            yield path, len(data), self.lies.get(path) or hashlib.sha256(data).hexdigest()

    def trouble(self, target: str) -> Trouble:
        for one in self.troubles:
            if one.times and one.where in target:
                one.times -= 1
                return one
        return Trouble("")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: ClassVar[Hub]

    def log_message(self, *_):
        pass

    def do_GET(self):
        target = unquote(self.path)
        self.hub.requests.append(target)
        self.hub.tokens.add(self.headers.get("Authorization", ""))
        told = self.headers.get("Authorization", "") + self.headers.get("Cookie", "")
        self.hub.secrets.append((self.headers["Host"].partition(":")[0], told))
        trouble = self.hub.trouble(target)
        if trouble.status:
            return self.answer(
                trouble.status, b"{}", {"Retry-After": trouble.retry_after} if trouble.retry_after else {}
            )
        if trouble.leads_elsewhere:
            return self.answer(302, b"", {"Location": self.hub.url.replace("127.0.0.1", "localhost") + self.path})
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if found := re.fullmatch(r"/api/v1/models/([^/]+/[^/]+)/repo/files", parts.path):
            return self.modelscope_list(found[1], trouble)
        if found := re.fullmatch(r"/api/v1/models/([^/]+/[^/]+)/repo", parts.path):
            return self.file(found[1], query["FilePath"], trouble)
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/(.+)", parts.path):
            return self.huggingface_info(found[1], found[2], trouble)
        if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", parts.path):
            return self.file(found[1], found[3], trouble)
        return self.answer(404, b"{}")

    def modelscope_list(self, model_id, trouble):
        if model_id not in self.hub.models:
            return self.answer(404, b'{"Code": 10010205001, "Message": "not found", "Success": false}')
        files = [{"Path": "example", "Name": "example", "Type": "tree", "Size": 0}]
        for path, size, sha256 in self.hub.listed(model_id):
            entry = {"Path": path, "Name": path.rpartition("/")[2], "Type": "blob", "Size": size}
            if not self.hub.tells_size:
                entry.pop("Size")
            files.append({**entry, "Sha256": sha256} if self.hub.tells_sha256 else entry)
        body = {"Code": 200, "Success": True, "Data": {"Files": files}}
        return self.answer(200, json.dumps(body).encode(), trouble=trouble)

    def huggingface_info(self, model_id, revision, trouble):
        if model_id not in self.hub.models:
            return self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        if revision not in ("main", COMMIT):
            return self.answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        siblings = []
        for path, size, sha256 in self.hub.listed(model_id):
            entry = {"rfilename": path, "size": size, "blobId": git_sha1(self.hub.models[model_id][path])}
            if not self.hub.tells_size:
                entry.pop("size")
            is_large = path.endswith((".pt", ".safetensors")) and self.hub.tells_sha256
            lfs = {"sha256": sha256, "size": size, "pointerSize": 130}
            siblings.append({**entry, "lfs": lfs} if is_large else entry)
        body = {"id": model_id, "sha": COMMIT, "siblings": siblings}
        return self.answer(200, json.dumps(body).encode(), trouble=trouble)

    def file(self, model_id, path, trouble):
        data = self.hub.models.get(model_id, {}).get(path)
        if data is None:
            return self.answer(404, b"{}")
        data = data if trouble.body is None else trouble.body
        asked = self.headers.get("Range", "")
        self.hub.ranges.append(asked)
        status, headers, first = 200, {}, 0
        if asked and not trouble.ignores_range:
            first = int(asked.removeprefix("bytes=").rstrip("-"))
            if first >= len(data):
                return self.answer(416, b"", {"Content-Range": f"bytes */{len(data)}"})
            shown = 0 if trouble.wrong_range else first
            status, headers = 206, {"Content-Range": f"bytes {shown}-{len(data) - 1}/{len(data)}"}
        return self.answer(status, data[first:], headers, trouble)

    def answer(self, status, body, headers=None, trouble=None):
        trouble = trouble or Trouble("")
        self.send_response(status)
        length = {"Transfer-Encoding": "chunked"} if trouble.chunked else {"Content-Length": str(len(body))}
        kind = {"Content-Type": trouble.content_type} if trouble.content_type else {}
        for name, value in {**length, **kind, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.flush()
        if trouble.pause is not None:
            trouble.pause.wait(30)
        if trouble.chunked:
            self.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n")
            return
        if trouble.break_off_after >= 0:
            self.wfile.write(body[: trouble.break_off_after])
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(2)
            return
        step = 16 * 1024 if trouble.seconds_per_chunk else len(body) or 1
        for begin in range(0, len(body), step):
            self.wfile.write(body[begin : begin + step])
            time.sleep(trouble.seconds_per_chunk)


def git_sha1(data):
    if isinstance(data, bytes) and len(data) < 1 << 40:
        return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    return "0" * 40


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # a client that has gone away is part of the game


@contextmanager
def serving(models):
    """A hub with these models, until the end of the block."""
    hub = Hub(models)
    server = Server(("127.0.0.1", 0), type("OneHub", (Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
