"""k-means: every backend against scikit-learn from the same centres, and features that lie on disk."""

from __future__ import annotations

import numpy as np
import pytest
from reference.triplet_stores import lloyd_by_loop
from sklearn.cluster import KMeans

from alignkit._threads import jobs
from alignkit.align import Clusters, cluster
from alignkit.models import Features

BACKENDS = ("sklearn", "numpy", "torch", "dask")


@pytest.fixture
def blobs(rng):
    centres = rng.normal(size=(12, 6)) * 2
    return centres[rng.integers(12, size=9000)] + rng.normal(size=(9000, 6)) + 30


def available(backend):
    if backend in ("torch", "dask"):
        pytest.importorskip(backend)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("backend", BACKENDS)
def test_clusters_are_those_of_scikit_learn_from_the_same_centres(blobs, backend, dtype):
    available(backend)
    x = blobs.astype(dtype)
    oracle = KMeans(20, init=x[:20], n_init=1, max_iter=300).fit(x)
    found = cluster(x, n_clusters=20, backend=backend, centres=x[:20])
    np.testing.assert_array_equal(found.cluster_of, oracle.labels_)
    assert found.inertia == pytest.approx(oracle.inertia_, rel=1e-5)
    assert found.n_iterations == oracle.n_iter_
    assert found.converged
    np.testing.assert_allclose(found.centres, oracle.cluster_centers_, rtol=1e-4)
    assert found.backend == backend


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_few_rounds_are_those_of_a_plain_loop(rng, backend):
    available(backend)
    x = rng.normal(size=(60, 3))
    nearest, centres = lloyd_by_loop(x, x[:4], 3)
    with pytest.warns(UserWarning, match="had not come to rest after 3 rounds"):
        found = cluster(x, n_clusters=4, backend=backend, centres=x[:4], max_iter=3, tol=0.0)
    np.testing.assert_array_equal(found.cluster_of, nearest)
    np.testing.assert_allclose(found.centres, centres, atol=1e-12)
    assert not found.converged


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_centre_without_items_moves_to_the_item_farthest_from_its_own(rng, backend):
    available(backend)
    x = rng.normal(size=(300, 4))
    start = np.concatenate([x[:5], np.full((2, 4), 1e3)])  # two of them far from everything
    oracle = KMeans(7, init=start, n_init=1).fit(x)
    found = cluster(x, n_clusters=7, backend=backend, centres=start)
    np.testing.assert_array_equal(found.cluster_of, oracle.labels_)
    assert len(np.unique(found.cluster_of)) == 7


def test_starting_centres_are_a_matter_of_the_seed(blobs):
    first, again, other = (cluster(blobs, n_clusters=12, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.cluster_of, again.cluster_of)
    assert not np.array_equal(first.cluster_of, other.cluster_of)


def test_threads_change_no_bit(blobs):
    found = []
    for n in (1, 2):
        with jobs(n):
            found.append(cluster(np.tile(blobs, (3, 1)), n_clusters=12, backend="numpy"))
    np.testing.assert_array_equal(found[0].centres, found[1].centres)
    assert found[0].inertia == found[1].inertia


def test_features_on_disk_give_the_clusters_of_those_in_memory(blobs, tmp_path, monkeypatch):
    x = blobs.astype(np.float32)
    names = [f"{i}.jpg" for i in range(len(x))]
    np.save(tmp_path / "rows.npy", x)
    (tmp_path / "rows_names.txt").write_text("\n".join(names) + "\n")
    inside = cluster(Features.from_array(x, names), n_clusters=12, backend="numpy")
    mapped = cluster(tmp_path / "rows.npy", n_clusters=12, backend="numpy")
    np.testing.assert_array_equal(mapped.centres, inside.centres)
    assert mapped.labels == inside.labels == tuple(names)
    assert mapped.fingerprint == inside.fingerprint


def test_a_dask_array_stays_in_its_pieces(blobs):
    da = pytest.importorskip("dask.array")
    found = cluster(da.from_array(blobs, chunks=(1000, 4)), n_clusters=12, centres=blobs[:12])
    assert found.backend == "dask"
    whole = cluster(blobs, n_clusters=12, centres=blobs[:12], backend="numpy")
    np.testing.assert_array_equal(found.cluster_of, whole.cluster_of)
    assert cluster(da.from_array(blobs, chunks=(1000, 4)), n_clusters=12).inertia == pytest.approx(
        cluster(blobs, n_clusters=12, backend="numpy").inertia
    )
    with pytest.raises(ValueError, match="NaN or infinite"):
        cluster(da.from_array(np.where(blobs > blobs.max() - 1e-9, np.nan, blobs)), n_clusters=2)
    with pytest.raises(ValueError, match="a dask array of features must hold floats"):
        cluster(da.zeros(5))


def test_a_gpu_tensor_is_taken_like_an_array(blobs):
    torch = pytest.importorskip("torch")
    found = cluster(torch.from_numpy(blobs), n_clusters=12, centres=blobs[:12])
    np.testing.assert_array_equal(found.cluster_of, cluster(blobs, n_clusters=12, centres=blobs[:12]).cluster_of)


@pytest.mark.gpu
def test_clusters_on_a_gpu_are_those_of_scikit_learn(blobs):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    x = blobs.astype(np.float32)
    oracle = KMeans(20, init=x[:20], n_init=1, max_iter=300).fit(x)
    found = cluster(x, n_clusters=20, centres=x[:20])
    assert found.backend == "torch"
    assert np.mean(found.cluster_of == oracle.labels_) > 0.999
    assert found.inertia == pytest.approx(oracle.inertia_, rel=1e-5)


def test_fewer_different_items_than_clusters_are_said():
    x = np.repeat(np.eye(3), 5, axis=0)
    for backend in ("sklearn", "numpy"):
        with pytest.warns(UserWarning, match="only 3 of 5 clusters hold items"):
            found = cluster(x, n_clusters=5, backend=backend, centres=np.random.default_rng(0).normal(size=(5, 3)))
        assert found.inertia == pytest.approx(0, abs=1e-20)


def test_what_cannot_be_clustered_is_refused(rng):
    x = rng.normal(size=(6, 2))
    with pytest.raises(ValueError, match="at most the number of items; got 7 for 6"):
        cluster(x, n_clusters=7)
    with pytest.raises(ValueError, match=r"rows 0 to 6.*NaN or infinite.*\(2, 1\)"):
        cluster(np.where(np.arange(12).reshape(6, 2) == 5, np.nan, x), n_clusters=2)
    with pytest.raises(ValueError, match=r"centres must have shape \(2, 2\)"):
        cluster(x, n_clusters=2, centres=np.zeros((3, 2)))
    with pytest.raises(ValueError, match="backend must be one of"):
        cluster(x, n_clusters=2, backend="faiss")
    with pytest.raises(ValueError, match="layer is for features of several layers"):
        cluster(x, n_clusters=2, layer="a")


def test_an_input_is_not_written_to(blobs, readonly):
    for backend in ("sklearn", "numpy", "torch"):
        available(backend)
        cluster(readonly(blobs), n_clusters=3, backend=backend)


@pytest.mark.parametrize("suffix", [".npz", ".json"])
def test_clusters_come_back_from_disk(blobs, tmp_path, suffix):
    found = cluster(Features.from_array(blobs, [f"{i}.jpg" for i in range(len(blobs))], name="toy"), n_clusters=12)
    found.save(tmp_path / f"c{suffix}")
    back = Clusters.load(tmp_path / f"c{suffix}")
    np.testing.assert_array_equal(back.cluster_of, found.cluster_of)
    np.testing.assert_array_equal(back.centres, found.centres)
    rest = ("labels", "inertia", "n_iterations", "converged", "backend", "seed", "source", "fingerprint")
    assert all(getattr(back, name) == getattr(found, name) for name in rest)
    found.save(tmp_path / "c.csv")
    assert list(found.to_dataframe().columns) == ["item", "cluster"]
    assert "12 clusters by k-means" in found.methods_text()
    assert "12 clusters of" in repr(found)
    assert found.plot().get_ylabel() == "items"


def test_other_files_are_no_clusters(blobs, tmp_path):
    np.savez(tmp_path / "other.npz", cluster_of=[0, 1])
    with pytest.raises(ValueError, match="does not hold clusters"):
        Clusters.load(tmp_path / "other.npz")
    with pytest.raises(ValueError, match=r"saved as .npz, .json or .csv"):
        cluster(blobs, n_clusters=2).save(tmp_path / "c.txt")
    with pytest.raises(ValueError, match="one number below 1 per item"):
        Clusters(
            cluster_of=[0, 1],
            centres=[[0.0]],
            labels=None,
            inertia=0.0,
            n_iterations=1,
            converged=True,
            backend="numpy",
            seed=0,
            source="x",
            fingerprint="",
        )


def test_other_items_go_to_the_nearest_centre(blobs, rng):
    found = cluster(blobs, n_clusters=12)
    again = found.assign(blobs)
    np.testing.assert_array_equal(again.cluster_of, found.cluster_of)
    assert again.inertia == pytest.approx(found.inertia)
    others = blobs[:50] + rng.normal(size=(50, 6)) * 0.1
    nearest = ((others[:, None] - found.centres) ** 2).sum(axis=2).argmin(axis=1)
    given = found.assign(Features.from_array(others, [f"v{i}" for i in range(50)]))
    np.testing.assert_array_equal(given.cluster_of, nearest)
    assert given.labels is not None
    assert given.labels[3] == "v3"
    assert "nearest of 12" in given.methods_text()
    with pytest.raises(ValueError, match="must have 6 channels"):
        found.assign(blobs[:, :3])
