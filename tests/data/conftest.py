"""A made-up data set in the registry, a tiny server to fetch it from, and THINGS read once."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from alignkit.data import Things, load_things
from alignkit.data._registry import DataFile, DataFolder, Dataset

CONTENT = {"a.txt": b"alpha\n", "sub/b.bin": bytes(range(256)) * 40, "c.txt": b"no checksum is known\n"}


@dataclass
class Server:
    """A server's address, folder and the paths it was asked for."""

    url: str
    folder: Path
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "served"
    for name, content in CONTENT.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            asked.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Server(f"http://127.0.0.1:{httpd.server_port}", folder, asked)
        httpd.shutdown()
        thread.join()


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Dataset]:
    """Return a function that puts the data set "toy" into the registry, its files served from ``url``."""

    def install(url: str = "http://127.0.0.1:9", **changes: object) -> Dataset:
        pinned = {name: hashlib.sha256(CONTENT[name]).hexdigest() for name in ("a.txt", "sub/b.bin")}
        files = {
            name: DataFile(name, f"{url}/{name}", pinned.get(name), len(content) if name in pinned else None)
            for name, content in CONTENT.items()
        }
        files["byhand.txt"] = DataFile("byhand.txt", by_hand="a colleague", aliases=("other_name.txt",), optional=True)
        folders = {"img": DataFolder("img", (".png",), "a camera", n_files=2, aliases=("pictures",), optional=True)}
        parts = {"files": files, "folders": folders, **changes}
        card = ("nobody", "that files arrive", "anything else")
        toy = Dataset("toy", "made up", "Nobody (2026)", "CC0", "https://example.org", *card, **parts)
        monkeypatch.setattr("alignkit.data._registry._entries", lambda: {"toy": toy})
        return toy

    return install


@pytest.fixture(scope="session")
def things(shared_data: Callable[..., Path]) -> Things:
    return load_things(shared_data("things", "spose_embedding_66d_sorted.txt").parents[1])


@pytest.fixture(scope="session")
def published(shared_data: Callable[..., Path]) -> Things:
    root = shared_data("things", "spose_embedding_66d_sorted.txt").parents[1]
    return load_things(root, order="published")
