from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from alignkit.models import Features, Model, extract, open_features


@pytest.fixture
def stored(make_model: Callable[..., Model], folder: Path, tmp_path: Path) -> Callable[[str], Path]:
    def make(format: Any) -> Path:
        out = tmp_path / f"feats_{format}"
        extract(make_model(), folder, out=out, batch_size=4, shard_size=4, format=format, progress=False)
        return out

    return make


def test_a_folder_opens_without_torch(stored: Callable[[str], Path]) -> None:
    code = (
        "import sys; from alignkit.models import open_features\n"
        "f = open_features(sys.argv[1]); a = f.array(); print(f.name, *a.shape, a.dtype, len(f.labels))\n"
        "assert not {'torch', 'timm', 'PIL'} & set(sys.modules)"
    )
    for format in ("safetensors", "zarr"):
        root = Path(__file__).resolve().parents[2]
        done = subprocess.run(
            [sys.executable, "-c", code, str(stored(format))], cwd=root, capture_output=True, text=True, check=True
        )
        assert done.stdout.split() == [f"feats_{format}", "11", "7", "float32", "11"]


@pytest.mark.parametrize("suffix", ["npy", "npz", "csv", "tsv", "mat"])
def test_bare_arrays_with_labels_from_a_file(tmp_path: Path, rng: np.random.Generator, suffix: str) -> None:
    x = rng.normal(size=(3, 4))
    path = tmp_path / f"bäre.{suffix}"
    {
        "npy": lambda: np.save(path, x),
        "npz": lambda: np.savez(path, whatever=x),
        "csv": lambda: np.savetxt(path, x, delimiter=","),
        "tsv": lambda: np.savetxt(path, x, delimiter="\t"),
        "mat": lambda: savemat(path, {"x": x}),
    }[suffix]()
    (tmp_path / "labels.txt").write_text("кот\nhund\nchat\n", encoding="utf-8-sig")
    feats = open_features(path, labels=tmp_path / "labels.txt")
    assert (feats.name, feats.labels) == ("bäre", ("кот", "hund", "chat"))
    np.testing.assert_allclose(feats.array(), x)
    assert open_features(path).labels is None
    assert open_features(path, labels=["a", "b", "c"]).labels == ("a", "b", "c")
    with pytest.raises(ValueError, match=rf"bäre\.{suffix}: labels must hold one label per item: expected 3, got 2"):
        open_features(path, labels=["a", "b"])


def test_shapes_and_dtypes(tmp_path: Path) -> None:
    one = Features.from_array(np.ones((3, 1, 5), dtype=np.float32))
    assert (one.array().shape, one.array().dtype) == ((3, 5), np.float32)
    assert Features.from_array(np.ones((3, 2, 2, 2), dtype=np.int16)).array().shape == (3, 8)
    assert Features.from_array(np.ones((3, 2), dtype=np.float16)).array().dtype == np.float64
    with pytest.raises(ValueError, match=r"must have shape \(items, channels\)"):
        Features.from_array(np.ones(3))
    with pytest.raises(ValueError, match="with at least one of each"):
        Features.from_array(np.ones((0, 3)))
    with pytest.raises(TypeError, match="must hold real numbers of one dtype"):
        Features.from_array([["a", "b"]])
    np.save(tmp_path / "half.npy", np.array([[np.inf, 1]], dtype=np.float16))
    with pytest.raises(ValueError, match=r"half\.npy: .*float16 and holds infinities"):
        open_features(tmp_path / "half.npy")
    with pytest.raises(ValueError, match="all layers must hold the same items"):
        Features.from_arrays({"a": np.ones((2, 2)), "b": np.ones((3, 2))})


def test_arrays_are_read_only_and_the_caller_keeps_his(readonly: Callable[..., np.ndarray]) -> None:
    x = np.ones((2, 3))
    feats = Features.from_array(x)
    with pytest.raises(ValueError, match="read-only"):
        feats.array()[0, 0] = 5
    assert x.flags.writeable
    assert Features.from_array(readonly(x)).array().shape == (2, 3)


def test_layers_and_items_by_name() -> None:
    feats = Features.from_arrays({"a": [[1.0], [2.0]], "b": [[3.0], [4.0]]}, ["x", "y"], name="two")
    with pytest.raises(ValueError, match="two holds the layers 'a', 'b'; name one"):
        feats.array()
    with pytest.raises(ValueError, match="layer must be one of 'a', 'b'; got 'c'"):
        feats.array("c")
    assert feats.select(["y", "x"]).array("b").tolist() == [[4.0], [3.0]]
    with pytest.raises(ValueError, match="the features 'two' do not hold 'z'"):
        feats.select(["z"])
    with pytest.raises(ValueError, match="have no labels"):
        Features.from_array([[1.0]]).select(["z"])


def test_saved_features_come_back(tmp_path: Path, stored: Callable[[str], Path]) -> None:
    feats = open_features(stored("safetensors"))
    feats.save(tmp_path / "saved.npz")
    back = open_features(tmp_path / "saved.npz")
    assert back.labels == feats.labels
    assert back.array().tobytes() == feats.array().tobytes()
    assert back.manifest["model"] == feats.manifest["model"]
    with pytest.raises(ValueError, match="stores its own labels"):
        open_features(tmp_path / "saved.npz", labels=["a"])
    with pytest.raises(ValueError, match=r"saved as \.npz; got"):
        feats.save(tmp_path / "saved.npy")


def test_damaged_stores_are_named(stored: Callable[[str], Path]) -> None:
    out = stored("safetensors")
    shard, manifest = out / "shard-00001.safetensors", out / "manifest.json"
    whole = shard.read_bytes()
    shard.write_bytes(whole[: len(whole) - 8])
    with pytest.raises(ValueError, match=r"shard-00001\.safetensors is not a readable safetensors file .* truncated"):
        open_features(out).array()
    shard.write_bytes(b"")
    with pytest.raises(ValueError, match=r"shard-00001\.safetensors is empty"):
        open_features(out).array()
    shard.unlink()
    with pytest.raises(FileNotFoundError, match=r"shard-00001\.safetensors does not exist"):
        open_features(out).array()
    shard.write_bytes((out / "shard-00002.safetensors").read_bytes())
    with pytest.raises(ValueError, match="holds 10 rows of 'output' where its manifest counts 11"):
        open_features(out).array()
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "labels": content["labels"][:-1]}))
    with pytest.raises(ValueError, match="expected 11, got 10"):
        open_features(out)
    manifest.write_text(json.dumps({**content, "schema": 99}))
    with pytest.raises(ValueError, match="schema 99 and this alignkit reads 1; update alignkit"):
        open_features(out)
    manifest.write_text(json.dumps({"kind": "alignkit.features", "schema": 1}))
    with pytest.raises(ValueError, match=r"lacks model, .*layers, .*damaged"):
        open_features(out)
    manifest.write_text(manifest.read_text()[:10])
    with pytest.raises(ValueError, match="not valid JSON"):
        open_features(out)


def test_a_damaged_zarr_store_is_named(stored: Callable[[str], Path]) -> None:
    out = stored("zarr")
    chunk = next(path for path in (out / "features.zarr" / "output").rglob("*") if path.is_file() and "c" in path.parts)
    chunk.write_bytes(chunk.read_bytes()[:5])
    with pytest.raises(ValueError, match="is not a readable Zarr group with 'output'"):
        open_features(out).array()
    chunk.unlink()
    with pytest.raises(ValueError, match="has lost chunks of 'output'"):
        open_features(out).array()


def test_a_zarr_store_of_version_2_is_not_opened(stored: Callable[[str], Path]) -> None:
    import zarr

    out = stored("zarr")
    rows = open_features(out).array()
    group = zarr.open_group(out / "features.zarr", mode="w", zarr_format=2)  # its filters can unpickle
    group.create_array("output", data=np.asarray(rows))
    with pytest.raises(ValueError, match="is not a readable Zarr group"):
        open_features(out).array()


def test_a_zarr_store_that_claims_more_than_there_is(stored: Callable[[str], Path]) -> None:
    out = stored("zarr")
    path = out / "features.zarr" / "output" / "zarr.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "shape": [11, 10**12]}))
    with pytest.raises(ValueError, match=r"shape \(11, 1000000000000\) in chunks of .*damaged"):
        open_features(out).array()
    path.write_text(json.dumps({**content, "shape": [10, content["shape"][1]]}))
    with pytest.raises(ValueError, match=r"shape \(10, 7\) in chunks of .* where 11 items are counted"):
        open_features(out).array()


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("labels", 5),
        ("labels", {}),
        ("n_items", "11"),
        ("n_items", True),
        ("n_shards", 1.0),
        ("layers", []),
        ("layers", "output"),
        ("layers", [5]),
        ("format", "pickle"),
        ("model", None),
        ("skipped", 5),
        ("state", 5),
    ],
)
def test_a_manifest_with_an_unusable_entry(stored: Callable[[str], Path], entry: str, value: Any) -> None:
    path = stored("safetensors") / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), entry: value}))
    with pytest.raises(ValueError, match=rf"manifest\.json is damaged: it holds no usable {entry}; extract anew"):
        open_features(path.parent)


@pytest.mark.parametrize("entry", ["labels", "n_items", "n_shards", "layers", "format", "chunk"])
def test_a_manifest_that_lacks_an_entry(stored: Callable[[str], Path], entry: str) -> None:
    path = stored("safetensors") / "manifest.json"
    content = json.loads(path.read_text())
    del content[entry]
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=rf"manifest\.json lacks {entry}; it is damaged"):
        open_features(path.parent)


def test_what_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"is no features folder: it has no manifest\.json"):
        open_features(tmp_path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        open_features(tmp_path / "no")
    np.save(tmp_path / "evil.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="pickled Python objects"):
        open_features(tmp_path / "evil.npy")
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(ValueError, match="truncated or damaged"):
        open_features(tmp_path / "x.npy")
    (tmp_path / "f.parquet").write_bytes(b"x")
    with pytest.raises(ValueError, match="cannot tell the format"):
        open_features(tmp_path / "f.parquet")
    np.savez(tmp_path / "two.npz", a=np.ones((2, 2)), b=np.ones((3, 2)))
    with pytest.raises(
        ValueError, match=r"two\.npz holds arrays of different numbers of rows \('a': 2 x 2, 'b': 3 x 2\)"
    ):
        open_features(tmp_path / "two.npz")
