"""Triplets from elsewhere, and files that are damaged, hostile or something else."""

from __future__ import annotations

import json
import shutil
import zipfile

import numpy as np
import pytest
from reference.triplet_stores import teacher

from alignkit.align import open_triplets, write_triplets

FILENAMES = np.array([["n01/b.JPEG", "n02/c.JPEG", "n01/a.JPEG"], ["n02/c.JPEG", "n03/d.JPEG", "n01/a.JPEG"]])
SIMILARITIES = np.array([[9.5, 1.0, 0.5], [7.0, 6.0, 2.0]])


@pytest.fixture
def stores(tmp_path):
    """A finished store of each format."""
    features = teacher()
    groups = [name.partition("/")[0] for name in features.labels]
    suffixes = [".zarr", ".npz"]
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        pass
    else:
        suffixes.append(".parquet")
    for suffix in suffixes:
        write_triplets(features, groups, out=tmp_path / f"t{suffix}", n=70_000)
    return tmp_path


def npz(path, **arrays):
    np.savez(path, **{"filenames": FILENAMES, "similarities": SIMILARITIES, **arrays})
    return path


# --- the published layout


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("kind", ["U", "S"])
def test_a_published_file_gives_names_numbers_and_similarities(tmp_path, save, kind):
    ids = np.array([["x__1", "x__2", "x__0"], ["x__2", "x__3", "x__0"]])
    save(tmp_path / "t.npz", filenames=FILENAMES.astype(kind), similarities=SIMILARITIES, indices=ids)
    triplets = open_triplets(tmp_path / "t.npz")
    assert triplets.names == ("n01/a.JPEG", "n01/b.JPEG", "n02/c.JPEG", "n03/d.JPEG")
    assert (len(triplets), triplets.arm, dict(triplets.settings)) == (2, None, {})
    indices, similarities = triplets.block(0, 2)
    np.testing.assert_array_equal(np.array(triplets.names)[indices], FILENAMES)
    np.testing.assert_array_equal(similarities, SIMILARITIES)
    assert similarities.dtype == np.float32
    np.testing.assert_array_equal(triplets.block(1, 2)[0], indices[1:])


def test_many_names_are_numbered_block_by_block(tmp_path, rng):
    names = np.array([f"n{i % 7}/image_{i}.JPEG" for i in range(5000)])
    drawn = rng.integers(5000, size=(140_000, 3))
    np.savez(tmp_path / "t.npz", filenames=names[drawn], similarities=rng.normal(size=drawn.shape).astype(np.float16))
    triplets = open_triplets(tmp_path / "t.npz")
    assert triplets.names == tuple(sorted(set(names.tolist())))
    np.testing.assert_array_equal(np.array(triplets.names)[triplets.block(0, 140_000)[0]], names[drawn])


# --- blocks


def test_positions_are_checked(tmp_path):
    triplets = open_triplets(npz(tmp_path / "t.npz"))
    for start, stop in ((0, 3), (1, 1), (2, 1), (-1, 1)):
        with pytest.raises(ValueError, match="start"):
            triplets.block(start, stop)
    with pytest.raises(TypeError, match="stop must be a whole number"):
        triplets.block(0, 1.5)
    assert repr(triplets) == "<TripletFile 't.npz': 2 triplets of 4 images>"


# --- what is no file of triplets


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"similarities": SIMILARITIES[:1]}, r"filenames and similarities of shape \(n, 3\)"),
        ({"similarities": SIMILARITIES[:, :2]}, r"shape \(n, 3\); got \(2, 3\) and \(2, 2\)"),
        ({"similarities": SIMILARITIES.astype(int)}, "must hold texts and floats"),
        ({"filenames": SIMILARITIES}, "must hold texts and floats"),
        ({"filenames": FILENAMES.astype(object)}, r"pickled Python objects \(filenames\)"),
        ({"filenames": np.asfortranarray(FILENAMES)}, "by columns"),
        ({"similarities": np.where(SIMILARITIES == 6, np.nan, SIMILARITIES)}, "NaN or infinite .* triplet 1"),
        ({"filenames": np.where(FILENAMES == "n03/d.JPEG", "", FILENAMES)}, "empty label"),
    ],
)
def test_arrays_that_are_no_triplets_are_refused(tmp_path, arrays, words):
    with pytest.raises(ValueError, match=words):
        open_triplets(npz(tmp_path / "t.npz", **arrays))


def test_other_archives_and_other_suffixes_are_refused(tmp_path):
    np.savez(tmp_path / "other.npz", weights=np.eye(2))
    with pytest.raises(ValueError, match="'filenames' and 'similarities' are expected; got 'weights'"):
        open_triplets(tmp_path / "other.npz")
    with pytest.raises(ValueError, match=r"the suffix of .* must be one of '.npz', '.zarr', '.parquet'"):
        open_triplets(tmp_path / "t.csv")
    for suffix in (".npz", ".zarr", ".parquet"):
        with pytest.raises(FileNotFoundError, match="does not exist"):
            open_triplets(tmp_path / f"nothing{suffix}")
        (tmp_path / f"empty{suffix}").write_bytes(b"")
        with pytest.raises(ValueError, match="is empty"):
            open_triplets(tmp_path / f"empty{suffix}")
        (tmp_path / f"junk{suffix}").write_bytes(b"junk" * 9)
        with pytest.raises(ValueError, match="junk"):
            open_triplets(tmp_path / f"junk{suffix}")
    for suffix in (".zarr", ".parquet"):
        (tmp_path / f"folder{suffix}").mkdir()
        with pytest.raises(ValueError, match="folder"):
            open_triplets(tmp_path / f"folder{suffix}")
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(IsADirectoryError, match="a file is expected"):
        open_triplets(tmp_path / "folder.npz")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9, 0.999])
def test_a_truncated_archive_is_one_sentence(stores, share):
    path = stores / "t.npz"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match=r"t\.npz .*truncated or damaged"):
        open_triplets(path)


@pytest.mark.parametrize("shape", [(2, 3), (2**29, 3)])
def test_an_archive_that_claims_more_than_it_holds_is_refused(tmp_path, shape):
    path = tmp_path / "t.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name, dtype in (("filenames", "<U9"), ("similarities", "<f8")):
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
                file.write(b"x\0\0\0" * 3)
    with pytest.raises(ValueError, match=r"t\.npz.*(end after 0 rows|GiB allowed)"):
        open_triplets(path)


def test_triplets_that_point_beyond_the_names_are_refused(stores):
    with np.load(stores / "t.npz", allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["indices"] = arrays["indices"] + 50
    np.savez(stores / "b.npz", **arrays)
    with pytest.raises(ValueError, match="point beyond its 60 images"):
        open_triplets(stores / "b.npz")


def test_a_folder_with_lost_or_damaged_pieces_says_so(stores):
    for break_it, words in (
        (lambda folder: (folder / "indices" / "c" / "1" / "0").unlink(), "1 of 2 blocks of triplets are missing"),
        (lambda folder: (folder / "zarr.json").write_text("{}"), "not a readable folder of triplets"),
        (lambda folder: (folder / "names" / "zarr.json").unlink(), "not a readable folder of triplets"),
        (lambda folder: shutil.rmtree(folder / "similarities"), "not a readable folder of triplets"),
    ):
        broken = stores / "b.zarr"
        shutil.rmtree(broken, ignore_errors=True)
        shutil.copytree(stores / "t.zarr", broken)
        break_it(broken)
        with pytest.raises(ValueError, match=words):
            open_triplets(broken)
    shutil.rmtree(broken)
    shutil.copytree(stores / "t.zarr", broken)
    triplets = open_triplets(broken)
    piece = broken / "similarities" / "c" / "0" / "0"
    piece.write_bytes(piece.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"b\.zarr is damaged"):
        triplets.block(0, 10)
    piece.unlink()
    with pytest.raises(ValueError, match="is missing"):
        triplets.block(0, 10)
    assert len(triplets.block(65_536, 70_000)[0]) == 70_000 - 65_536


def test_a_zarr_folder_of_something_else_is_refused(tmp_path):
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(tmp_path / "t.zarr", mode="w", zarr_format=3)
    group.attrs["alignkit"] = {"schema": "triplets/1"}
    group.create_array("indices", shape=(10**12, 3), chunks=(10**9, 3), dtype="int32")
    group.create_array("similarities", shape=(10**12, 3), chunks=(10**9, 3), dtype="float32")
    with pytest.raises(ValueError, match="in pieces of"):
        open_triplets(tmp_path / "t.zarr")


def test_a_damaged_parquet_folder_says_so(stores):
    pytest.importorskip("pyarrow")
    folder = stores / "t.parquet"
    triplets = open_triplets(folder)
    first = folder / "part-000000.parquet"
    content = first.read_bytes()
    first.write_bytes(content[:5000])
    with pytest.raises(ValueError, match="not a readable Parquet file of triplets"):
        triplets.block(0, 5)
    shutil.copy(folder / "part-000001.parquet", first)
    with pytest.raises(ValueError, match="4464 triplets in place of 65536"):
        triplets.block(0, 5)
    first.unlink()
    with pytest.raises(ValueError, match="1 of 2 blocks of triplets are missing"):
        open_triplets(folder)
    first.write_bytes(content)
    manifest = json.loads((folder / "_alignkit.json").read_text())
    for changed in ({"n": -1}, {"schema": "x"}, {"names": "abc"}, {"n": 10**30}, {"rows": None}):
        (folder / "_alignkit.json").write_text(json.dumps({**manifest, **changed}))
        with pytest.raises(ValueError, match="does not describe triplets"):
            open_triplets(folder)
