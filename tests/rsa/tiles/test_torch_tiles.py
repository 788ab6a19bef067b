"""Tiles on a device: the numbers that numpy finds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from alignkit.rsa import RDM, rdm, stream_compare
from alignkit.rsa._stream_compare import STREAM_METHODS
from alignkit.rsa._tiles import _sides, _sums_folder
from alignkit.rsa._tiles._feature_tiles import TILED_METRICS, FeatureTiles, Recipe
from alignkit.rsa._tiles._grid import Grid
from alignkit.rsa._tiles._source import ArrayRows, survey
from alignkit.rsa._tiles._write_tiles import write_tiles

torch = pytest.importorskip("torch")


@pytest.fixture
def features(rng):
    x = rng.normal(size=(60, 7)).astype(np.float32)
    x[5] = x[4] + 1e-4  # so close that products alone lose the distance
    return x, x[:, :5] + rng.normal(size=(60, 5))


@pytest.fixture
def few(rng):
    return [RDM(row / 8) for row in rng.integers(-3, 5, (2, 1770)).astype(np.float32)]


@pytest.mark.parametrize("metric", TILED_METRICS)
@pytest.mark.parametrize("scale", [1.0, 1e-15, 1e15])
def test_every_metric(features, metric, scale, device, tmp_path):
    x = features[0].astype(np.float64)
    stored = write_tiles(x * scale, tmp_path / "x.zarr", Recipe(metric), side=16, device=device)
    found = stored.load().values
    power = {"euclidean": 1, "sqeuclidean": 2}.get(metric, 0)
    close = {"rtol": 3e-7, "atol": 0 if power else 1e-14}
    np.testing.assert_allclose(found, pdist(x, metric) * scale**power, **close)
    by_numpy = write_tiles(x * scale, tmp_path / "y.zarr", Recipe(metric), side=16).load().values
    # the same products, added up in another order: seldom another float32
    np.testing.assert_allclose(found, by_numpy, **close)
    assert (found == by_numpy).mean() > 0.99
    assert stored.provenance["device"] == device


@pytest.mark.parametrize("metric", ["correlation", "sqeuclidean"])
def test_float32_normalisation_and_bad_items(features, metric, device, tmp_path):
    x = features[0].copy()
    x[3, 2], x[9] = np.nan, 1.0
    for recipe in (Recipe(metric, "float32"), Recipe("sqeuclidean", normalize=True)):
        with pytest.warns(RuntimeWarning, match="NaN or infinite"):
            ours = write_tiles(x, tmp_path / f"{recipe}.zarr", recipe, side=16, device=device).load().values
        with pytest.warns(RuntimeWarning, match="NaN or infinite"):
            theirs = write_tiles(x, tmp_path / f"{recipe}-numpy.zarr", recipe, side=16).load().values
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
        assert np.isnan(ours).sum() >= 59


def test_distances_that_leave_float32_are_refused(features, device, tmp_path):
    with pytest.raises(ValueError, match="their distances leave float32; divide them"):
        write_tiles(features[0] * 1e30, tmp_path / "x.zarr", Recipe("sqeuclidean"), side=16, device=device)


@pytest.mark.parametrize("method", STREAM_METHODS)
@pytest.mark.parametrize("kind", ["in memory", "on disk", "features"])
def test_comparisons(few, rng, method, kind, device, tmp_path, monkeypatch):
    monkeypatch.setattr(_sides, "SIDE", 16)
    options = {"method": method}
    if kind == "in memory":
        sides = few
    else:
        # whole numbers have few different distances, all of them exact
        x, y = (rng.integers(0, 3, (60, 4)).astype(float) for _ in range(2))
        sides, options["metric"] = [x, y], "sqeuclidean"
        if kind == "on disk":
            sides = [x, write_tiles(y, tmp_path / "y.zarr", Recipe("sqeuclidean"), side=16)]
    found = float(stream_compare(*sides, device=device, **options))
    expected = float(stream_compare(*sides, **options))
    if method in ("spearman", "rho-a"):
        assert found == expected  # bit for bit
    else:
        assert found == pytest.approx(expected, rel=0, abs=1e-12)


def test_missing_pairs_and_names(few, device, rng):
    a, b = (one.values.copy() for one in few)
    a[[3, 70]], b[70:75] = np.nan, np.nan
    names = [f"i{k}" for k in range(60)]
    first, second = RDM(a, names), RDM(b, names).take(rng.permutation(60))
    for method in ("spearman", "pearson"):
        options = {"method": method, "nan_policy": "omit"}
        found = stream_compare(first, second, device=device, **options)
        assert float(found) == pytest.approx(float(stream_compare(first, second, **options)), rel=0, abs=1e-12)
        assert int(found.n_pairs) == 1770 - 6


def test_a_comparison_on_a_device_goes_on(few, device, tmp_path, monkeypatch):
    monkeypatch.setattr(_sides, "SIDE", 16)
    monkeypatch.setattr(_sums_folder, "_EVERY", 0.0)
    monkeypatch.setattr(_sums_folder, "_TIMES", 0.0)
    from alignkit.rsa._tiles import _kernels_torch

    kernel, calls = _kernels_torch.fine_counts, []

    def failing(*args):
        calls.append(1)
        if len(calls) == 12:
            raise RuntimeError
        kernel(*args)

    monkeypatch.setattr(_kernels_torch, "fine_counts", failing)
    with pytest.raises(RuntimeError):
        stream_compare(*few, device=device, resume=tmp_path / "sums")
    with np.load(tmp_path / "sums" / "fine_a.npz") as kept:
        assert 0 < kept["done"].sum() < 10
        assert kept["counts"].sum() > 0
    assert float(stream_compare(*few, device=device, resume=tmp_path / "sums")) == float(stream_compare(*few))
    with pytest.raises(FileExistsError, match="another comparison"):
        stream_compare(*few, resume=tmp_path / "sums")


def test_one_kind_of_device_does_not_go_on_with_what_another_began(features, tmp_path):
    out = tmp_path / "x.zarr"
    rdm(features[0], out=out, device="cpu")
    assert rdm(features[0], out=out, device="auto" if not torch.cuda.is_available() else "cpu").finished
    with pytest.raises(FileExistsError, match=r"holds another computation \(device 'cpu', not None\)"):
        rdm(features[0], out=out)


def test_what_does_not_go_together(features, few, tmp_path):
    with pytest.raises(ValueError, match="device is for RDMs in tiles; say where to write them"):
        rdm(features[0], device="cpu")
    with pytest.raises(ValueError, match="backend='numba' is for arrays, and device='cpu' for torch; leave one of"):
        stream_compare(*few, backend="numba", device="cpu")
    for call in (lambda **o: stream_compare(*few, **o), lambda **o: rdm(features[0], out=tmp_path / "x.zarr", **o)):
        with pytest.raises(ValueError, match="device is for this process, and the workers of a client compute with"):
            call(device="cpu", client=object())
        with pytest.raises(ValueError, match="device must be 'auto', 'cpu'"):
            call(device="gpu")
        with pytest.raises(ValueError, match="device 'cuda:99' was asked for, torch sees"):
            call(device="cuda:99")
        with pytest.raises(TypeError, match=r"device must be None, 'auto', .*; got 3"):
            call(device=3)


def test_apples_devices_make_tiles_in_float32_alone(features):
    from alignkit.rsa._tiles._torch_tiles import TorchTiles, on_host

    rows, grid = ArrayRows(features[0]), Grid(60, 16)
    assert on_host("mps:0")
    assert not on_host("cuda:0")
    with pytest.raises(ValueError, match="device='mps' has no float64; say dtype='float32' as well"):
        TorchTiles(rows, survey(rows), Recipe("cosine"), grid, device="mps")


def test_tiles_come_back_as_arrays_where_the_processor_goes_on(features, monkeypatch):
    # no Apple at hand: the processor stands for it
    from alignkit.rsa._tiles import _torch_tiles

    monkeypatch.setattr(_torch_tiles, "on_host", lambda _: True)
    rows, grid = ArrayRows(features[0]), Grid(60, 16)
    for metric in TILED_METRICS:
        recipe = Recipe(metric, "float32")
        found = _torch_tiles.TorchTiles(rows, survey(rows), recipe, grid, device="cpu").tile(0, 1)
        expected = FeatureTiles(rows, survey(rows), recipe, grid).tile(0, 1)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
