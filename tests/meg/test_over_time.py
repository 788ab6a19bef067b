"""Stretches of time cover every sample once, in order, and fill the memory but no more."""

from __future__ import annotations

import numpy as np
import pytest
from reference.cluster import AtOnce

from alignkit._executor import Workers
from alignkit._threads import jobs
from alignkit.meg import _over_time
from alignkit.meg._over_time import over_time, stretches
from alignkit.meg._slices import Slices, align_slices, as_sources


@pytest.fixture
def slices(rng) -> Slices:
    return align_slices(as_sources(rng.normal(size=(2, 11, 6))), [], "raise", 0.0)[0]


@pytest.mark.parametrize(("block", "size"), [(1, 1), (24, 2), (60, 5), (10**6, 11)])
def test_stretches_cover_every_sample(block, size, slices, monkeypatch):
    monkeypatch.setattr(_over_time, "_BLOCK", block)
    found = stretches(slices)
    assert [t for start, stop in found for t in range(start, stop)] == list(range(11))
    assert max(stop - start for start, stop in found) == size


@pytest.mark.parametrize("n_bytes", [48 * 24, 10**9])
def test_every_stretch_is_worked_on_once_and_in_order(n_bytes, slices, monkeypatch, capsys):
    monkeypatch.setattr(_over_time, "_BLOCK", 24)
    whole = slices.read(0, 11)
    options = {"ordered": False, "n_bytes": n_bytes, "progress": True, "title": "sums"}
    found = list(over_time(slices, lambda rows: rows.sum(axis=-1), **options))
    assert np.concatenate([sums for _, sums in found], axis=1) == pytest.approx(whole.sum(axis=-1))
    assert [times.start for times, _ in found] == [0, 2, 4, 6, 8, 10]
    assert "11/11" in capsys.readouterr().err


def test_errors_come_through(slices):
    def fail(rows: np.ndarray) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(over_time(slices, fail, ordered=True, n_bytes=10**9, progress=False, title=""))


def test_too_little_memory_is_refused(slices):
    with pytest.raises(ValueError, match=r"4 items of 2 participant\(s\) take .* [kM]?B at a time"):
        next(over_time(slices, len, ordered=True, n_bytes=100, progress=False, title=""))


@pytest.mark.parametrize(("n_bytes", "most"), [(48 * 24, 1), (2 * 48 * 24 + 1, 2), (10**9, 6)])
def test_no_more_stretches_are_held_than_the_memory_takes(n_bytes, most, slices, monkeypatch):
    monkeypatch.setattr(_over_time, "_BLOCK", 24)
    begun, read = [], Slices.read
    monkeypatch.setattr(Slices, "read", lambda self, *task: (begun.append(task), read(self, *task))[1])
    options = {"ordered": False, "n_bytes": n_bytes, "progress": False, "title": ""}
    with jobs(4):
        for executor in (None, Workers(AtOnce())):
            begun.clear()
            held = [len(begun) - n for n, _ in enumerate(over_time(slices, len, executor=executor, **options))]
            assert max(held) <= most
            assert len(held) == 6
