"""Addresses, and files that would have us open others: a server on this machine tells who came by."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr_cli.audio.ffmpeg import bundled_ffmpeg
from asr_cli.audio.files import read_blocks
from asr_cli.audio.probe import announced_duration
from asr_cli.errors import InputError

SECONDS = 2.0


class Server:
    """A folder served on the loopback; `hits` are the paths that were asked for."""

    def __init__(self, folder: Path) -> None:
        self.hits: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, self.hits, folder))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Handler(SimpleHTTPRequestHandler):
    def __init__(self, hits: list[str], folder: Path, *arguments: object) -> None:
        self.hits = hits
        super().__init__(*arguments, directory=str(folder))  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.hits.append(self.path)
        if self.path.startswith("/to-file/"):
            self.send_response(302)
            self.send_header("Location", "file://" + self.path.removeprefix("/to-file"))
            self.end_headers()
        else:
            super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(autouse=True, params=["system", "bundled"])
def each_ffmpeg(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    if request.param == "bundled":
        monkeypatch.setenv("ASR_FFMPEG", bundled_ffmpeg())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "served"
    folder.mkdir()
    samples = np.random.default_rng(5).integers(-9000, 9000, 32_000, dtype=np.int16)
    soundfile.write(folder / "talk.wav", samples, 16_000)
    soundfile.write(tmp_path / "secret.wav", samples, 16_000)
    server = Server(folder)
    yield server
    server.close()


def hear(source: str | Path | bytes) -> np.ndarray:
    return np.concatenate([block.samples for block in read_blocks(source)])


def test_an_address_gives_the_same_samples_as_the_file(server: Server, tmp_path: Path) -> None:
    assert np.array_equal(hear(f"{server.url}/talk.wav?x=1%20y"), hear(tmp_path / "served/talk.wav"))
    assert announced_duration(f"{server.url}/talk.wav") == pytest.approx(SECONDS)


def test_an_address_can_be_heard_from_the_middle_on_a_server_that_cannot_jump(server: Server, tmp_path: Path) -> None:
    whole = hear(tmp_path / "served/talk.wav")
    late = np.concatenate([block.samples for block in read_blocks(f"{server.url}/talk.wav", start=1.5)])
    assert np.array_equal(late, whole[-len(late) :]) and len(late) == len(whole) - 24_000
    with pytest.raises(InputError, match="before the start given"):
        list(read_blocks(f"{server.url}/talk.wav", start=100))


def test_the_scheme_of_an_address_may_be_in_capitals(server: Server, tmp_path: Path) -> None:
    assert np.array_equal(hear(f"HTTP{server.url[4:]}/talk.wav"), hear(tmp_path / "served/talk.wav"))


def test_an_address_without_a_recording_says_why(server: Server) -> None:
    with pytest.raises(InputError, match=r"Server returned 404 Not Found; check the address"):
        hear(f"{server.url}/none.wav")
    with pytest.raises(InputError, match="Connection refused"):
        hear("http://127.0.0.1:9/talk.wav")


def test_a_password_in_an_address_is_not_repeated(server: Server) -> None:
    with pytest.raises(InputError) as caught:
        hear(server.url.replace("//", "//me:hush@") + "/none.wav")
    assert "hush" not in str(caught.value)


def playlists(target: str) -> dict[str, str]:
    return {
        "list.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{target}\n#EXT-X-ENDLIST\n",
        "list.ffconcat": f"ffconcat version 1.0\nfile '{target}'\n",
        "list.mpd": (
            '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"'
            ' mediaPresentationDuration="PT2S"><Period><AdaptationSet mimeType="audio/mp4">'
            f'<Representation id="1" bandwidth="1"><BaseURL>{target}</BaseURL><SegmentBase/></Representation>'
            "</AdaptationSet></Period></MPD>"
        ),
        "list.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
        "list.pls": f"[playlist]\nFile1={target}\n",
    }


@pytest.mark.parametrize("name", list(playlists("")))
def test_a_local_playlist_opens_neither_an_address_nor_a_file(server: Server, tmp_path: Path, name: str) -> None:
    for target in (f"{server.url}/talk.wav", str(tmp_path / "secret.wav"), "secret.wav"):
        text = playlists(target)[name]
        for disguise in (name, "innocent.mp3", "innocent.wav"):
            path = tmp_path / disguise
            path.write_text(text)
            with pytest.raises(InputError, match="cannot read"):
                hear(path)
        with pytest.raises(InputError, match="cannot read"):
            hear(text.encode())
    assert server.hits == []


@pytest.mark.parametrize("name", list(playlists("")))
def test_a_remote_playlist_opens_neither_an_address_nor_a_file(server: Server, tmp_path: Path, name: str) -> None:
    other = Server(tmp_path / "served")
    try:
        for target in (f"{other.url}/talk.wav", f"{server.url}/talk.wav", f"file://{tmp_path}/secret.wav"):
            (tmp_path / "served" / name).write_text(playlists(target)[name])
            with pytest.raises(InputError, match="cannot read"):
                hear(f"{server.url}/{name}")
        assert other.hits == []
        assert set(server.hits) == {f"/{name}"}
    finally:
        other.close()


def test_a_redirection_does_not_reach_local_files(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        hear(f"{server.url}/to-file{tmp_path}/secret.wav")
