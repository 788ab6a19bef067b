"""``alignkit align clusters`` and ``alignkit align triplets``."""

from __future__ import annotations

import numpy as np
import pytest
from reference.triplet_stores import teacher

from alignkit.align import Clusters, cluster, open_triplets, sample_triplets, write_triplets


@pytest.fixture
def feats(here):
    """A file of features whose images lie in six folders."""
    features = teacher()
    features.save(here / "feats.npz")
    return features


def test_clusters_and_triplets_are_those_of_python(run, here, feats):
    code, out, err = run("align", "clusters", "feats.npz", "--n-clusters", 5, "--out", "c.npz", "--seed", 2)
    assert (code, err) == (0, "")
    assert "60 items in 5 clusters" in out
    assert "saved to c.npz" in out
    found = Clusters.load(here / "c.npz")
    np.testing.assert_array_equal(found.cluster_of, cluster(feats, n_clusters=5, seed=2).cluster_of)
    assert found.labels == feats.labels

    words = ("align", "triplets", "feats.npz", "--groups", "c.npz", "--n", 500, "--out", "t.zarr", "--no-progress")
    code, out, err = run(*words)
    assert (code, err) == (0, "")
    assert "500 triplets of 60 images (aligned, cluster_border)" in out
    assert "saved to t.zarr" in out
    plain = write_triplets(feats, found, out=here / "p.zarr", n=500)
    np.testing.assert_array_equal(open_triplets(here / "t.zarr").block(0, 500)[0], plain.block(0, 500)[0])
    assert run(*words)[0] == 0  # nothing is left to do
    code, _, err = run(*words, "--seed", 1)
    assert code == 2
    assert "other triplets" in err
    assert run(*words, "--seed", 1, "--overwrite")[0] == 0


def test_folders_or_a_list_may_be_the_groups(run, here, feats):
    words = ("align", "triplets", "feats.npz", "--sampling", "within_class", "--n", 300, "--no-progress")
    assert run(*words, "--groups", "folders", "--out", "f.npz")[0] == 0
    classes = [name.partition("/")[0] for name in feats.labels]
    (here / "classes.txt").write_text("\n".join(classes) + "\n")
    assert run(*words, "--groups", "classes.txt", "--out", "l.npz")[0] == 0
    drawn = np.sort(sample_triplets(classes, 300, sampling="within_class"), axis=1)
    for name in ("f.npz", "l.npz"):
        np.testing.assert_array_equal(np.sort(open_triplets(here / name).block(0, 300)[0], axis=1), drawn)


def test_other_images_join_the_clusters_there_are(run, here, feats):
    feats.select(feats.labels[:9]).save(here / "val.npz")
    run("align", "clusters", "feats.npz", "--n-clusters", 5, "--out", "c.npz")
    code, out, _ = run("align", "clusters", "val.npz", "--like", "c.npz", "--out", "v.npz")
    assert code == 0
    assert "9 items in 5 clusters" in out
    np.testing.assert_array_equal(
        Clusters.load(here / "v.npz").cluster_of, Clusters.load(here / "c.npz").cluster_of[:9]
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("clusters", "no.npz"), "does not exist"),
        (("clusters", "feats.npz", "--n-clusters", "0"), "--n-clusters must be at least 1"),
        (("clusters", "feats.npz", "--n-clusters", "99"), "at most the number of items; got 99 for 60"),
        (("clusters", "feats.npz", "--out", "c.txt"), "the suffix of --out must be one of"),
        (("triplets", "feats.npz", "--groups", "no.npz", "--n", "9", "--out", "t.zarr"), "does not exist"),
        (("triplets", "feats.npz", "--groups", "feats.npz", "--n", "9", "--out", "t.zarr"), "does not hold clusters"),
        (("triplets", "feats.npz", "--groups", "folders", "--n", "0", "--out", "t.zarr"), "--n must be at least 1"),
        (("triplets", "feats.npz", "--groups", "folders", "--n", "9", "--out", "t.csv"), "the suffix of --out"),
        (("triplets", "bare.npy", "--groups", "folders", "--n", "9", "--out", "t.zarr"), "names no images"),
    ],
)
def test_refusals_are_one_sentence(run, here, feats, words, said):
    np.save(here / "bare.npy", feats.array())
    code, out, err = run("align", *words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert not (here / "t.zarr").exists()
