from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from alignkit.data import Dataset, fetch
from alignkit.data._verify import RECORD

CONTENT = {"a.txt": b"alpha\n", "sub/b.bin": bytes(range(256)) * 40, "c.txt": b"no checksum is known\n"}


def test_downloads_verifies_and_records(server, made_up: Callable[..., Dataset], tmp_path: Path) -> None:
    made_up(server.url)
    result = fetch("toy", root=tmp_path / "root", progress=False)
    assert result.ok
    assert result.states == ("ok", "ok", "ok", "missing", "missing")
    for name, content in CONTENT.items():
        assert (tmp_path / "root/toy" / name).read_bytes() == content
    assert list(json.loads((tmp_path / "root" / RECORD).read_text())) == ["toy/c.txt"]


def test_what_is_there_is_not_downloaded_again(server, made_up: Callable[..., Dataset], tmp_path: Path) -> None:
    made_up(server.url)
    fetch("toy", root=tmp_path, progress=False)
    assert len(server.asked) == 3
    (tmp_path / "toy/sub/b.bin").write_bytes(CONTENT["sub/b.bin"][:100])  # a half file
    (tmp_path / "toy/a.txt").unlink()
    assert fetch("toy", root=tmp_path, progress=False).ok
    assert sorted(server.asked[3:]) == ["/a.txt", "/sub/b.bin"]


def test_offline_names_file_address_and_place(made_up: Callable[..., Dataset], tmp_path: Path) -> None:
    made_up("http://127.0.0.1:9")
    with pytest.raises(ConnectionError) as caught:
        fetch("toy", root=tmp_path, progress=False)
    assert str(caught.value) == (
        "cannot download a.txt from http://127.0.0.1:9/a.txt (no connection); "
        f"get it on a machine with a connection and put it at {tmp_path / 'toy' / 'a.txt'}."
    )
    assert not list((tmp_path / "toy").iterdir())


def test_an_interrupted_set_keeps_what_is_whole(server, made_up: Callable[..., Dataset], tmp_path: Path) -> None:
    made_up(server.url)
    (server.folder / "sub/b.bin").unlink()
    with pytest.raises(ConnectionError, match=r"b\.bin from .* \(the server answered 404\)"):
        fetch("toy", root=tmp_path, progress=False)
    assert (tmp_path / "toy/a.txt").read_bytes() == CONTENT["a.txt"]
    assert not list((tmp_path / "toy/sub").iterdir())


def test_a_replaced_file_is_refused(server, made_up: Callable[..., Dataset], tmp_path: Path) -> None:
    made_up(server.url)
    (server.folder / "a.txt").write_bytes(b"<html>sign in</html>")
    with pytest.raises(ValueError, match=r"a\.txt .* does not have the expected SHA-256 .* Nothing was kept"):
        fetch("toy", root=tmp_path, progress=False)
    assert not list((tmp_path / "toy").iterdir())


def test_a_recorded_file_that_changes_is_refused(server, made_up: Callable[..., Dataset], tmp_path: Path) -> None:
    made_up(server.url)
    fetch("toy", root=tmp_path, progress=False)
    (tmp_path / "toy/c.txt").unlink()
    (server.folder / "c.txt").write_bytes(b"replaced")
    with pytest.raises(ValueError, match=r"c\.txt .* does not have the expected SHA-256"):
        fetch("toy", root=tmp_path, progress=False)


def test_progress_goes_to_stderr(server, made_up: Callable[..., Dataset], tmp_path: Path, capsys) -> None:
    made_up(server.url)
    fetch("toy", root=tmp_path)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "%" in captured.err


def test_a_file_where_the_folder_belongs(made_up: Callable[..., Dataset], tmp_path: Path) -> None:
    made_up()
    (tmp_path / "toy").touch()
    with pytest.raises(PermissionError, match="choose another folder"):
        fetch("toy", root=tmp_path, progress=False)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_root_that_cannot_be_written(made_up: Callable[..., Dataset], tmp_path: Path) -> None:
    made_up()
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="choose another folder"):
        fetch("toy", root=tmp_path, progress=False)


def test_nothing_to_download_is_no_error(made_up: Callable[..., Dataset], tmp_path: Path) -> None:
    toy = made_up()
    made_up(files={"byhand.txt": toy.files["byhand.txt"]})
    assert "a colleague" in repr(fetch("toy", root=tmp_path / "none", progress=False))


def test_unknown_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the data set must be one of"):
        fetch("nothing", root=tmp_path)
