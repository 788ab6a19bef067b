"""Triplets on disk: what is in them, in every format, and what becomes of a killed process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from reference.triplet_stores import N, odd_one_last_by_loop, similarities_by_loop, teacher

from alignkit.align import _feature_rows as feature_rows
from alignkit.align import _triplet_folder as folders
from alignkit.align import cluster, open_triplets, sample_triplets, write_triplets
from alignkit.align._teacher_similarities import odd_one_last, teacher_similarities
from alignkit.models import Features, Transform

SUFFIXES = (".zarr", ".npz", ".parquet")
TESTS = Path(__file__).resolve().parents[1]


def classes(features):
    return [name.partition("/")[0] for name in features.labels]


def needs(suffix):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")


def whole(triplets):
    return triplets.block(0, len(triplets))


# --- the numbers


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_similarities_are_those_of_a_plain_loop(rng, dtype):
    x = rng.normal(size=(40, 7)).astype(dtype)
    triplets = np.array([rng.choice(40, 3, replace=False) for _ in range(500)])
    found = teacher_similarities(x, triplets)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, similarities_by_loop(x.astype(np.float64), triplets), rtol=1e-5, atol=1e-5)


def test_blocks_of_gathered_rows_do_not_matter(rng):
    x = rng.normal(size=(30, 70_000)).astype(np.float32)  # one or two triplets at a time
    triplets = np.array([rng.choice(30, 3, replace=False) for _ in range(9)])
    np.testing.assert_allclose(
        teacher_similarities(x, triplets), similarities_by_loop(x, triplets), rtol=1e-3, atol=1e-2
    )


def test_the_most_similar_pair_comes_first(rng):
    x = rng.normal(size=(40, 7))
    triplets = np.array([rng.choice(40, 3, replace=False) for _ in range(300)])
    indices, similarities = odd_one_last(triplets, teacher_similarities(x, triplets))
    for row, found, values in zip(triplets, indices.tolist(), similarities, strict=True):
        expected, loop = odd_one_last_by_loop(x, row)
        assert found == expected
        np.testing.assert_allclose(values, loop, rtol=1e-5)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_triplets_are_the_sampled_ones_in_every_format(tmp_path, suffix):
    needs(suffix)
    features = teacher()
    triplets = write_triplets(features, classes(features), out=tmp_path / f"t{suffix}", n=70_000, seed=4)
    indices, similarities = whole(triplets)
    drawn = sample_triplets(classes(features), 70_000, seed=4)
    np.testing.assert_array_equal(np.sort(indices, axis=1), np.sort(drawn, axis=1))
    x = features.array()
    np.testing.assert_allclose(similarities, similarities_by_loop(x, indices[:70_000]), rtol=1e-4, atol=1e-5)
    assert (similarities[:, 0] >= similarities[:, 1:].max(axis=1)).all()
    assert triplets.names == features.labels
    assert (len(triplets), triplets.arm, triplets.settings["sampling"]) == (70_000, "aligned", "cluster_border")
    some = triplets.block(65_000, 66_000)  # across two blocks
    np.testing.assert_array_equal(some[0], indices[65_000:66_000])
    np.testing.assert_array_equal(some[1], similarities[65_000:66_000])


def test_an_npz_has_the_published_layout(tmp_path):
    features = teacher()
    triplets = write_triplets(features, classes(features), out=tmp_path / "t.npz", n=1000)
    indices, similarities = whole(triplets)
    with np.load(tmp_path / "t.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["filenames"], np.array(features.labels)[indices])
        np.testing.assert_array_equal(file["similarities"], similarities)
        np.testing.assert_array_equal(file["indices"], indices)
    assert [path.name for path in tmp_path.iterdir()] == ["t.npz"]


def test_parquet_is_read_by_others(tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    features = teacher()
    triplets = write_triplets(features, classes(features), out=tmp_path / "t.parquet", n=66_000)
    indices, similarities = whole(triplets)
    table = pq.read_table(tmp_path / "t.parquet")
    assert table.num_rows == 66_000
    np.testing.assert_array_equal(table["index_2"].to_numpy(), indices[:, 2])
    np.testing.assert_array_equal(table["similarity_12"].to_numpy(), similarities[:, 2])
    assert table["filename_0"].to_pylist()[:9] == [features.labels[i] for i in indices[:9, 0]]


def test_the_shuffled_arm_exchanges_pictures_and_nothing_else(tmp_path):
    features = teacher()
    options = {"n": 2000, "seed": 3}
    aligned = write_triplets(features, classes(features), out=tmp_path / "a.zarr", **options)
    shuffled = write_triplets(features, classes(features), out=tmp_path / "s.zarr", arm="shuffled", **options)
    a, s = whole(aligned), whole(shuffled)
    np.testing.assert_array_equal(a[1], s[1])
    exchange = dict(zip(a[0].ravel().tolist(), s[0].ravel().tolist(), strict=True))
    assert sorted(exchange.values()) == sorted(exchange)  # one picture for each
    np.testing.assert_array_equal(np.vectorize(exchange.get)(a[0]), s[0])
    assert np.mean(a[0] == s[0]) < 0.1
    assert shuffled.arm == "shuffled"


def test_arms_differ_by_the_features_alone(tmp_path):
    features = teacher()
    turned = features.transform(Transform(np.diag([3.0, 1, 1, 1, 0.1]), name="teacher"))
    one = write_triplets(turned, classes(features), out=tmp_path / "a.zarr", n=2000)
    other = write_triplets(features, classes(features), out=tmp_path / "u.zarr", n=2000, arm="untransformed")
    np.testing.assert_array_equal(np.sort(whole(one)[0]), np.sort(whole(other)[0]))
    assert not np.array_equal(whole(one)[1], whole(other)[1])
    assert one.settings["transform"]["name"] == "teacher"
    with pytest.raises(ValueError, match="are transformed; the arm 'untransformed'"):
        write_triplets(turned, classes(features), out=tmp_path / "x.zarr", n=10, arm="untransformed")


# --- where features and groups come from


def test_clusters_are_matched_by_name(tmp_path):
    features = teacher()
    found = cluster(features, n_clusters=5)
    backwards = features.select(features.labels[::-1])
    triplets = write_triplets(backwards, found, out=tmp_path / "t.zarr", n=1000)
    of = dict(zip(features.labels, found.cluster_of.tolist(), strict=True))
    drawn = [sorted(of[triplets.names[i]] for i in row) for row in whole(triplets)[0]]
    assert all(len(set(row)) == 2 for row in drawn)
    found.save(tmp_path / "c.npz")
    again = write_triplets(backwards, tmp_path / "c.npz", out=tmp_path / "t.zarr", n=1000)
    np.testing.assert_array_equal(whole(again)[0], whole(triplets)[0])
    with pytest.raises(ValueError, match="one group per item of the features: expected 60, got 3"):
        write_triplets(features, [0, 0, 1], out=tmp_path / "x.zarr", n=10)
    other = Features.from_array(features.array(), [f"other{i}" for i in range(60)])
    with pytest.raises(ValueError, match="the clusters and the features do not hold the same items"):
        write_triplets(other, found, out=tmp_path / "x.zarr", n=10)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_mapped_array_gives_what_the_array_gives(tmp_path, dtype):
    features = teacher()
    x = features.array().astype(dtype)
    np.save(tmp_path / "x.npy", x)
    (tmp_path / "x_names.txt").write_text("\n".join(features.labels) + "\n")
    mapped = write_triplets(tmp_path / "x.npy", classes(features), out=tmp_path / "m.zarr", n=500)
    plain = write_triplets(Features.from_array(x, features.labels), classes(features), out=tmp_path / "p.zarr", n=500)
    np.testing.assert_allclose(whole(mapped)[1], whole(plain)[1], rtol=1e-5, atol=1e-6)
    assert mapped.names == plain.names


@pytest.mark.parametrize("format", ["safetensors", "zarr"])
def test_a_store_larger_than_memory_is_copied_beside_the_triplets(tmp_path, monkeypatch, format):
    pytest.importorskip("torch")
    from PIL import Image

    from alignkit.models import extract, load

    (tmp_path / "images").mkdir()
    for i in range(12):
        Image.new("RGB", (32, 32), (20 * i, 99, 255 - 20 * i)).save(tmp_path / "images" / f"{i:02d}.png")
    options = {"format": format, "shard_size": 5, "progress": False, "layers": [-1, -2]}
    stored = extract(
        load("random:test_vit", device="cpu", img_size=32), tmp_path / "images", out=tmp_path / "feats", **options
    )
    layer = stored.layers[0]
    groups = np.arange(12) // 3
    inside = write_triplets(stored, groups, out=tmp_path / "i.zarr", n=500, layer=layer)
    monkeypatch.setattr(feature_rows, "IN_MEMORY", 100)
    monkeypatch.setattr(feature_rows, "_ROWS", 7)
    copied = write_triplets(tmp_path / "feats", groups, out=tmp_path / "c.zarr", n=500, layer=layer)
    np.testing.assert_array_equal(whole(copied)[1], whole(inside)[1])
    assert copied.names == stored.labels
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.zarr", "feats", "i.zarr", "images"]
    found = cluster(tmp_path / "feats", n_clusters=3, backend="numpy", layer=layer)
    np.testing.assert_array_equal(
        found.cluster_of, cluster(stored, n_clusters=3, backend="numpy", layer=layer).cluster_of
    )
    with pytest.raises(ValueError, match="name one with layer="):
        cluster(tmp_path / "feats", n_clusters=3)


def test_what_cannot_be_written_is_refused_and_leaves_nothing(tmp_path):
    features = teacher()
    plain = features.array()
    with pytest.raises(ValueError, match="have no names; students find the images by them"):
        write_triplets(plain, [0] * 30 + [1] * 30, out=tmp_path / "t.zarr", n=10)
    with pytest.raises(ValueError, match="the suffix of out must be one of"):
        write_triplets(features, classes(features), out=tmp_path / "t.csv", n=10)
    with pytest.raises(FileNotFoundError, match="create it first"):
        write_triplets(features, classes(features), out=tmp_path / "no" / "t.zarr", n=10)
    with pytest.raises(ValueError, match="arm must be one of"):
        write_triplets(features, classes(features), out=tmp_path / "t.zarr", n=10, arm="none")
    assert list(tmp_path.iterdir()) == []
    broken = Features.from_array(np.where(np.arange(60)[:, None] == 17, np.nan, plain), features.labels)
    with pytest.raises(ValueError, match=r"'class5/image17.jpg'.* are not finite"):
        write_triplets(broken, classes(features), out=tmp_path / "t.zarr", n=1000)


# --- going on, and replacing


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_call_finds_its_work_done_and_another_is_refused(tmp_path, suffix):
    needs(suffix)
    features, out = teacher(), tmp_path / f"t{suffix}"
    first = write_triplets(features, classes(features), out=out, n=100)
    again = write_triplets(features, classes(features), out=out, n=100)
    np.testing.assert_array_equal(whole(first)[0], whole(again)[0])
    for changed in ({"seed": 1}, {"n": 101}, {"sampling": "between_class"}, {"arm": "shuffled"}, {"weight": "item"}):
        with pytest.raises(FileExistsError, match=f"other triplets.*{next(iter(changed))}"):
            write_triplets(features, classes(features), out=out, **{"n": 100, **changed})
    other = Features.from_array(features.array() + 1, features.labels)
    with pytest.raises(FileExistsError, match="features_sha256"):
        write_triplets(other, classes(features), out=out, n=100)
    renamed = Features.from_array(features.array(), [f"x{name}" for name in features.labels], name="toy")
    with pytest.raises(FileExistsError, match="other images"):
        write_triplets(renamed, classes(features), out=out, n=100)
    replaced = write_triplets(features, classes(features), out=out, n=50, seed=1, overwrite=True)
    assert len(replaced) == 50
    assert len(open_triplets(out)) == 50


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_something_else_of_that_name_is_left_alone(tmp_path, suffix):
    needs(suffix)
    out = tmp_path / f"t{suffix}"
    if suffix == ".npz":
        np.savez(out, a=np.zeros(3))
    else:
        out.mkdir()
        (out / "thesis.txt").write_text("mine")
    features = teacher()
    with pytest.raises(FileExistsError, match=r"holds no triplets|is no folder of triplets"):
        write_triplets(features, classes(features), out=out, n=100)
    if suffix == ".npz":
        return
    with pytest.raises(FileExistsError, match="is no folder of triplets"):
        write_triplets(features, classes(features), out=out, n=100, overwrite=True)
    assert (out / "thesis.txt").read_text() == "mine"


def test_blocks_of_an_archive_that_was_never_made_give_way_to_others(tmp_path, monkeypatch):
    features, out = teacher(), tmp_path / "t.npz"

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(folders, "write_npz", stop)
        with pytest.raises(KeyboardInterrupt):
            write_triplets(features, classes(features), out=out, n=100)
    with pytest.raises(FileExistsError, match="seed 0 there, 1 here"):
        write_triplets(features, classes(features), out=out, n=100, seed=1)
    write_triplets(features, classes(features), out=out, n=100, seed=1, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["t.npz"]


def write_until(out: Path, fatal: int) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "reference.triplet_stores", str(out), str(fatal)]
    return subprocess.run(words, cwd=TESTS, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.slow
@pytest.mark.parametrize(("suffix", "deaths"), [(".zarr", (3, 14)), (".npz", (16, 14)), (".parquet", (1, 4))])
def test_a_process_that_is_killed_again_and_again_ends_with_the_same_bits(tmp_path, suffix, deaths, monkeypatch):
    needs(suffix)
    monkeypatch.setenv("PYTHONPATH", f"{TESTS.parent}:{':'.join(path for path in sys.path if path)}")
    out = tmp_path / f"t{suffix}"
    for fatal in deaths:
        done = write_until(out, fatal)
        assert done.returncode == -9, done.stderr
        if suffix == ".npz" and out.exists():  # only its blocks were still to be taken away
            continue
        with pytest.raises((ValueError, FileNotFoundError), match=r"not finished|does not exist"):
            open_triplets(out)
    done = write_until(out, 99)
    assert done.returncode == 0, done.stderr
    features = teacher()
    plain = write_triplets(features, classes(features), out=tmp_path / "w.zarr", n=N, sampling="class_border", seed=7)
    for found, expected in zip(whole(open_triplets(out)), whole(plain), strict=True):
        np.testing.assert_array_equal(found, expected)
    left = [path.name for path in tmp_path.iterdir() if path.name.startswith(".") and path.name.endswith(".zarr")]
    assert left == []


def test_two_processes_do_not_write_at_once(tmp_path):
    from alignkit._lock import FolderLock

    features, out = teacher(), tmp_path / "t.zarr"
    write_triplets(features, classes(features), out=out, n=100)
    lock = FolderLock(out)
    try:
        with pytest.raises(BlockingIOError, match="another process is writing"):
            write_triplets(features, classes(features), out=out, n=100)
    finally:
        lock.release()
