"""Work on a real cluster of two processes, one of which is killed while it holds results."""

from __future__ import annotations

import os

import numpy as np
import pytest
from reference.cluster import Killer

from alignkit.rsa import RDM, rdm, stream_compare
from alignkit.rsa._tiles import _sides, _sums_folder
from alignkit.rsa._tiles._feature_tiles import Recipe
from alignkit.rsa._tiles._write_tiles import write_tiles

pytest.importorskip("distributed")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="kills by signal")]


@pytest.fixture
def features(rng, monkeypatch):
    monkeypatch.setattr(_sides, "SIDE", 32)
    x = rng.normal(size=(400, 12))
    return x, x + rng.normal(size=x.shape)


@pytest.mark.parametrize("method", ["pearson", "whitened-cosine", "spearman"])
def test_the_same_bits_after_a_worker_was_lost(client, features, method, monkeypatch):
    expected = float(stream_compare(*features, method=method))
    bars = []

    def killing(total, *_, **__):
        bars.append(Killer(client, total))
        return bars[-1]

    monkeypatch.setattr("alignkit.rsa._stream_compare.pairs_bar", killing)
    found = float(stream_compare(*features, method=method, client=client))
    assert 0.2 < bars[0].killed_at < 0.8
    assert found == expected


def test_tiles_are_the_same_after_a_worker_was_lost(client, features, tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", features[0])
    whole = write_tiles(features[0], tmp_path / "a.zarr", Recipe("correlation"), side=32).load()
    bars = []

    def killing(total, *_, **__):
        bars.append(Killer(client, total))
        return bars[-1]

    monkeypatch.setattr("alignkit.rsa._tiles._write_tiles.pairs_bar", killing)
    out = tmp_path / "b.zarr"
    tiled = write_tiles(tmp_path / "x.npy", out, Recipe("correlation"), side=32, client=client)
    assert 0.2 < bars[0].killed_at < 0.8
    np.testing.assert_array_equal(tiled.load().values, whole.values)


def test_public_calls_take_a_client(client, rng, tmp_path):
    x = rng.normal(size=(1100, 8))  # more than travels with a task: sent to the workers once
    tiled = rdm(x, metric="cosine", out=tmp_path / "x.zarr", client=client)
    np.testing.assert_array_equal(tiled.load().values, rdm(x, metric="cosine", out=tmp_path / "y.zarr").load().values)
    assert float(stream_compare(tiled, x, metric="cosine", method="pearson", client=client)) == 1.0


def test_a_comparison_goes_on_with_and_without_a_cluster(client, rng, tmp_path, monkeypatch):
    monkeypatch.setattr(_sides, "SIDE", 32)
    monkeypatch.setattr(_sums_folder, "_EVERY", 0.0)
    monkeypatch.setattr(_sums_folder, "_TIMES", 0.0)
    rdms = [RDM(row / 8) for row in rng.integers(1, 9, (2, 400 * 399 // 2)).astype(np.float32)]
    expected = float(stream_compare(*rdms))
    for first, second in ((client, None), (None, client)):

        class Stopping(Killer):
            def update(self, n):
                self.n += n
                if self.n > 0.55 * self.total:  # in the second of three passes
                    raise KeyboardInterrupt

        folder = tmp_path / f"{first is None}"
        with monkeypatch.context() as patch:
            patch.setattr("alignkit.rsa._stream_compare.pairs_bar", lambda total, *_, **__: Stopping(client, total))
            with pytest.raises(KeyboardInterrupt):
                stream_compare(*rdms, client=first, resume=folder)
        with np.load(folder / "fine_a.npz") as kept:
            assert 0 < kept["done"].sum() < kept["done"].size
        assert float(stream_compare(*rdms, client=second, resume=folder)) == expected
