"""Time courses that were killed go on where they stopped."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from alignkit import _executor
from alignkit.meg import _judged_file, _over_time, timecourse
from alignkit.meg._judge import Judge
from alignkit.rsa import RDM


@pytest.fixture
def data(rng) -> RDM:
    return RDM(rng.random((3, 12, 28)), dims=["subject", "time"], coords={"time": np.arange(12) / 10})


@pytest.fixture
def models(rng) -> dict[str, np.ndarray]:
    return {"a": rng.random(28), "b": rng.random(28)}


@pytest.fixture
def stretches_of_two(monkeypatch):
    """Work on two times together, one stretch after the other, and write after each."""
    monkeypatch.setattr(_over_time, "_BLOCK", 2 * 3 * 28)
    monkeypatch.setattr(_executor, "n_threads", lambda: 1)
    monkeypatch.setattr(_judged_file, "_EVERY", 0.0)


@pytest.fixture
def judged(monkeypatch) -> list[int]:
    """How many times each call judged; the fourth call fails."""
    calls: list[int] = []
    original = Judge.__call__

    def judge(self: Judge, rows: np.ndarray) -> object:
        calls.append(rows.shape[1])
        if len(calls) == 4:
            raise KeyboardInterrupt
        return original(self, rows)

    monkeypatch.setattr(Judge, "__call__", judge)
    return calls


def same(a: object, b: object) -> bool:
    pairs = [(getattr(a, field.name), getattr(b, field.name)) for field in dataclasses.fields(a)]  # type: ignore[arg-type]
    return all(np.array_equal(x, y, equal_nan=isinstance(x, np.ndarray)) for x, y in pairs)


def test_what_is_done_is_not_done_again(data, models, stretches_of_two, judged, tmp_path):
    path = tmp_path / "kept.npz"
    with pytest.raises(KeyboardInterrupt):
        timecourse(models, data, resume=path, rng=0)
    assert path.exists()
    found = timecourse(models, data, resume=path, rng=0)
    assert judged == [2, 2, 2, 2, 2, 2, 2]  # three, a failure, three more
    assert same(found, timecourse(models, data, rng=0))
    del judged[4:]
    again = timecourse(models, data, resume=path, rng=0)
    assert len(judged) == 4
    assert same(again, found)


@pytest.mark.filterwarnings("ignore:the data hold NaN")
def test_undefined_values_and_other_bootstraps_go_on_as_well(data, models, stretches_of_two, judged, tmp_path):
    path, values = tmp_path / "kept.npz", data.values.copy()
    values[1, 3, 5] = np.nan
    holey = RDM(values, dims=data.dims, coords=data.coords)
    with pytest.raises(KeyboardInterrupt):
        timecourse(models, holey, resume=path)
    with pytest.warns(RuntimeWarning, match=r"at 0\.3 s"):
        found = timecourse(models, holey, resume=path, rng=1, n_bootstrap=7)
    assert same(found, timecourse(models, holey, rng=1, n_bootstrap=7))


@pytest.mark.parametrize("change", ["method", "models", "data", "middle", "last", "controls", "names", "ceiling"])
def test_another_comparison_is_refused(change, data, models, tmp_path, rng):
    path = tmp_path / "kept.npz"
    timecourse(models, data, resume=path)
    before = path.read_bytes()
    options: dict[str, object] = {}
    if change == "method":
        options["method"] = "pearson"
    elif change == "controls":
        options["controls"] = rng.random(28)
    elif change == "ceiling":
        options["ceiling"] = False
    elif change == "models":
        models = {**models, "a": rng.random(28)}
    elif change == "names":
        models = {"a": models["a"], "c": models["b"]}
    elif change in ("middle", "last"):
        values = data.values.copy()
        values[1, 5 if change == "middle" else 11, 3] += 1
        data = RDM(values, dims=data.dims, coords=data.coords)
    else:
        data = RDM(data.values[:, ::-1], dims=data.dims, coords=data.coords)
    with pytest.raises(FileExistsError, match="holds the start of another time course"):
        timecourse(models, data, resume=path, **options)
    assert path.read_bytes() == before


def test_files_of_another_kind_are_refused(data, models, tmp_path):
    path = tmp_path / "kept.npz"
    np.savez(path, values=np.zeros(3))
    with pytest.raises(ValueError, match="does not hold the start of a time course"):
        timecourse(models, data, resume=path)
    path.write_bytes(b"half")
    with pytest.raises(ValueError, match=r"kept\.npz"):
        timecourse(models, data, resume=path)
    with pytest.raises(FileNotFoundError, match="does not exist; create it first"):
        timecourse(models, data, resume=Path(tmp_path, "no", "kept.npz"))


def test_a_damaged_file_is_named(data, models, tmp_path):
    from alignkit._io import load_npz, save_npz

    path = tmp_path / "kept.npz"
    timecourse(models, data, resume=path)
    arrays, meta = load_npz(path)
    save_npz(path, {**arrays, "lower": np.zeros(2)}, meta)
    with pytest.raises(ValueError, match="is damaged: lower is missing or has another shape; remove it"):
        timecourse(models, data, resume=path)
