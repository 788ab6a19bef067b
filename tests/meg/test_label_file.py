"""Tests of labels that were killed go on with the next participant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from alignkit.meg import _label_test, label_test
from alignkit.rsa import RDM

NAMES = ("similarity", "p", "p_corrected", "n_significant", "p_count")


@pytest.fixture
def data(rng) -> RDM:
    return RDM(rng.random((4, 5, 28)), dims=["subject", "time"], coords={"time": np.arange(5) / 10})


@pytest.fixture
def models(rng) -> dict[str, np.ndarray]:
    return {"a": rng.random(28), "b": rng.random(28)}


@pytest.fixture
def calls(monkeypatch) -> list[int]:
    """Participants that were permuted; the third call is interrupted."""
    found: list[int] = []
    original: Callable[..., object] = _label_test._permuted

    def permuted(*given: object) -> object:
        found.append(len(found))
        if len(found) == 3:
            raise KeyboardInterrupt
        return original(*given)

    monkeypatch.setattr(_label_test, "_permuted", permuted)
    return found


def killed(models: object, data: object, path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        label_test(models, data, n_permutations=99, resume=path, rng=3)


@pytest.mark.parametrize("progress", [False, True])
def test_who_is_done_is_not_done_again(data, models, calls, tmp_path, capsys, progress):
    path = tmp_path / "labels.npz"
    killed(models, data, path)
    found = label_test(models, data, n_permutations=99, resume=path, progress=progress, rng=3)
    assert len(calls) == 3 + 2  # two were done
    whole = label_test(models, data, n_permutations=99, rng=3)
    for name in NAMES:
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name))
    assert ("labels" in capsys.readouterr().err) is progress
    again = label_test(models, data, n_permutations=99, resume=path, progress=progress, rng=3)
    assert len(calls) == 3 + 2 + 4
    assert capsys.readouterr().err == ""  # no bar of nothing
    np.testing.assert_array_equal(again.p, whole.p)


@pytest.mark.parametrize(
    "other", [{"rng": 4}, {"tail": "less"}, {"correction": "cluster"}, {"n_permutations": 98}, {"method": "pearson"}]
)
def test_another_test_is_refused(data, models, calls, tmp_path, other):
    path = tmp_path / "labels.npz"
    killed(models, data, path)
    with pytest.raises(FileExistsError, match="start of another test of labels"):
        label_test(models, data, **({"n_permutations": 99, "rng": 3} | other), resume=path)


def test_files_that_are_none_are_refused(data, models, calls, tmp_path):
    path = tmp_path / "labels.npz"
    np.savez(path, x=np.ones(3))
    with pytest.raises(ValueError, match=r"labels\.npz"):
        label_test(models, data, resume=path, rng=0)
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(ValueError, match=r"labels\.npz"):
        label_test(models, data, resume=path, rng=0)
    with pytest.raises(ValueError, match="resume needs rng"):
        label_test(models, data, resume=path)
