from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from alignkit.data import Dataset, Verification, datasets, verify
from alignkit.data._verify import RECORD, record


def test_missing_changed_ok_unpinned(made_up: Callable[..., Dataset], tmp_path: Path) -> None:
    made_up()
    folder = tmp_path / "toy"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"alpha\n")
    (folder / "sub/b.bin").write_bytes(b"other")
    (folder / "c.txt").write_bytes(b"anything")
    result = verify("toy", root=tmp_path)
    states = dict(zip(result.files, result.states, strict=True))
    assert states == {
        "a.txt": "ok",
        "sub/b.bin": "changed",
        "c.txt": "unpinned",
        "byhand.txt": "missing",
        "img/": "missing",
    }
    assert not result.ok
    assert "changed  sub/b.bin  <- http://127.0.0.1:9/sub/b.bin" in repr(result)


def test_optional_files_may_be_missing_but_not_changed(made_up: Callable[..., Dataset], tmp_path: Path) -> None:
    toy = made_up()
    made_up(files={"byhand.txt": toy.files["byhand.txt"]}, folders={})
    assert verify("toy", root=tmp_path).ok
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy/byhand.txt").write_text("first")
    record("toy", list(toy.files.values()), tmp_path)
    assert verify("toy", root=tmp_path).states == ("ok",)
    (tmp_path / "toy/byhand.txt").write_text("second")
    assert verify("toy", root=tmp_path).states == ("changed",)
    assert not verify("toy", root=tmp_path).ok


def test_verify_writes_nothing(made_up: Callable[..., Dataset], tmp_path: Path) -> None:
    made_up()
    verify("toy", root=tmp_path / "not_there")
    assert not list(tmp_path.iterdir())


def test_damaged_record(made_up: Callable[..., Dataset], tmp_path: Path) -> None:
    made_up()
    (tmp_path / RECORD).write_text("{")
    with pytest.raises(ValueError, match="not valid JSON"):
        verify("toy", root=tmp_path)
    (tmp_path / RECORD).write_text(json.dumps({"toy/c.txt": 3}))
    with pytest.raises(ValueError, match="delete it to record them anew"):
        verify("toy", root=tmp_path)


def test_result_round_trip(made_up: Callable[..., Dataset], tmp_path: Path) -> None:
    made_up()
    result = verify("toy", root=tmp_path)
    result.save(tmp_path / "v.json")
    assert Verification.load(tmp_path / "v.json") == result
    assert result.to_dataframe().shape == (5, 4)
    assert result.methods_text() == "Data: toy (Nobody (2026)); 0 of 5 files match their SHA-256 checksums."


@pytest.mark.parametrize("name", [name for name in sorted(datasets()) if name != "nights"])
def test_the_real_files_are_the_published_ones(name: str, shared_data: Callable[..., Path]) -> None:
    result = verify(name, root=shared_data(name).parent)
    assert result.ok, result
    assert "changed" not in result.states
