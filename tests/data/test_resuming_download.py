"""Downloads go on where they stopped, and never join the halves of two files."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from alignkit.data import Dataset, fetch
from alignkit.data._registry import DataFile

BYTES = bytes(range(256)) * 400
HALF = len(BYTES) // 2


class Mirror:
    """A server of one file whose manners can be changed between requests."""

    def __init__(self) -> None:
        self.content = BYTES
        self.tag: str | None = '"one"'
        self.breaks_after: int | None = None
        self.knows_ranges = True
        self.shift = 0
        self.asked: list[str | None] = []
        self.url = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers["Range"]
        self.asked.append(wanted)
        start = 0
        if wanted and self.knows_ranges and request.headers["If-Range"] == self.tag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(self.content):
            request.send_response(416)
            request.end_headers()
            return
        body = self.content[start:]
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start + self.shift}-{len(self.content) - 1}/*")
        if self.tag:
            request.send_header("ETag", self.tag)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[: self.breaks_after])


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    served = Mirror()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.answer(self)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        served.url = f"http://127.0.0.1:{httpd.server_port}"
        yield served
        httpd.shutdown()
        thread.join()


@pytest.fixture
def toy(mirror: Mirror, made_up: Callable[..., Dataset]) -> Callable[[bool], None]:
    def install(pinned: bool = True) -> None:
        digest = hashlib.sha256(BYTES).hexdigest() if pinned else None
        made_up(files={"a.bin": DataFile("a.bin", f"{mirror.url}/a.bin", digest)}, folders={})

    install()
    return install


def break_off(mirror: Mirror, root: Path) -> None:
    mirror.breaks_after = HALF
    with pytest.raises(ConnectionError, match=r"cannot download a\.bin"):
        fetch("toy", root=root, progress=False)
    mirror.breaks_after = None
    assert not (root / "toy/a.bin").exists()


def test_the_rest_is_asked_for(mirror, toy, tmp_path):
    break_off(mirror, tmp_path)
    assert fetch("toy", root=tmp_path, progress=False).ok
    first, second = mirror.asked
    assert first is None
    assert HALF // 2 < int(second.removeprefix("bytes=").removesuffix("-")) <= HALF
    assert (tmp_path / "toy/a.bin").read_bytes() == BYTES
    assert [path.name for path in (tmp_path / "toy").iterdir()] == ["a.bin"]


@pytest.mark.parametrize("change", ["another file", "no ranges", "no tag", "other bytes than asked for"])
def test_a_file_that_cannot_be_continued_is_fetched_whole(mirror, toy, tmp_path, change):
    if change == "no tag":
        mirror.tag = None
    break_off(mirror, tmp_path)
    if change == "another file":
        mirror.tag = '"two"'
    mirror.knows_ranges = change != "no ranges"
    mirror.shift = 1 if change == "other bytes than asked for" else 0
    assert fetch("toy", root=tmp_path, progress=False).ok
    assert (tmp_path / "toy/a.bin").read_bytes() == BYTES


def test_a_shorter_file_is_fetched_anew(mirror, toy, tmp_path):
    toy(False)
    break_off(mirror, tmp_path)
    mirror.content = BYTES[: HALF // 2]
    fetch("toy", root=tmp_path, progress=False)
    assert (tmp_path / "toy/a.bin").read_bytes() == BYTES[: HALF // 2]


def test_a_wrong_checksum_leaves_nothing_to_continue_from(mirror, toy, tmp_path):
    mirror.content = BYTES[::-1]
    with pytest.raises(ValueError, match="does not have the expected SHA-256"):
        fetch("toy", root=tmp_path, progress=False)
    assert not list((tmp_path / "toy").iterdir())
    mirror.content = BYTES
    assert fetch("toy", root=tmp_path, progress=False).ok


def test_progress_starts_where_the_download_does(mirror, toy, tmp_path, capsys):
    break_off(mirror, tmp_path)
    capsys.readouterr()
    fetch("toy", root=tmp_path)
    shown = capsys.readouterr().err
    assert "a.bin" in shown
    assert "48%" in shown  # three chunks of 16 KiB of the half that came
