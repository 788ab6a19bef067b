from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from alignkit.models import extract, open_features
from alignkit.models._stored_rows import StoredRows

from .conftest import picture


@pytest.fixture(params=["float32", "float16"])
def stored(request, make_model, tmp_path) -> tuple[Path, str]:
    images = {f"i{k}": picture(k) for k in range(7)}
    extract(make_model(), images, layers=["3"], pool="flatten", out=tmp_path / "f", batch_size=2, shard_size=4,
            dtype=request.param, progress=False)  # fmt: skip
    return tmp_path / "f", request.param


def test_rows_are_those_of_the_features_in_any_order(stored):
    folder, dtype = stored
    rows = StoredRows(folder, "3")
    whole = open_features(folder).array()
    wanted = np.array([6, 0, 3, 4, 0])
    assert rows.read(wanted).dtype == dtype
    np.testing.assert_array_equal(rows.read(wanted), whole[wanted].astype(dtype))
    rows.let_go()
    np.testing.assert_array_equal(rows.read(wanted), whole[wanted].astype(dtype))
    assert (rows.labels, rows.shape) == (tuple(f"i{k}" for k in range(7)), whole.shape)
    assert whole.dtype == np.float32


def test_float16_rounds_and_halves(make_model, tmp_path):
    images = {f"i{k}": picture(k) for k in range(3)}
    options = {"layers": ["3"], "pool": "flatten", "progress": False}
    full = extract(make_model(), images, out=tmp_path / "full", **options)
    half = extract(make_model(), images, out=tmp_path / "half", dtype="float16", **options)
    np.testing.assert_array_equal(half.array(), full.array().astype(np.float16).astype(np.float32))
    sizes = [(tmp_path / name / "shard-00000.safetensors").stat().st_size for name in ("full", "half")]
    assert abs(sizes[0] - 2 * sizes[1]) < 200  # a header each


def test_a_zarr_store_halves_too(make_model, tmp_path):
    images = {f"i{k}": picture(k) for k in range(3)}
    half = extract(make_model(), images, out=tmp_path / "z", format="zarr", dtype="float16", progress=False)
    assert half.array().dtype == np.float32
    with pytest.raises(ValueError, match="no finished features in safetensors shards"):
        StoredRows(tmp_path / "z", half.layers[0])


def test_another_dtype_is_another_run(make_model, tmp_path):
    images = {"a": picture(0)}
    extract(make_model(), images, out=tmp_path / "f", dtype="float16", progress=False)
    with pytest.raises(FileExistsError, match="dtype is 'float16' there and 'float32' here"):
        extract(make_model(), images, out=tmp_path / "f", progress=False)


def test_what_float16_cannot_hold_is_named(make_model, tmp_path):
    model = make_model()
    model.module[0].weight.data.mul_(1e9)
    with pytest.raises(ValueError, match=r"values above 65504 for 'a'.*store dtype='float32'"):
        extract(model, {"a": picture(0)}, layers=["0"], out=tmp_path / "f", dtype="float16", progress=False)


def test_memory_has_no_dtype(make_model):
    with pytest.raises(ValueError, match="dtype='float16' is what a folder holds"):
        extract(make_model(), {"a": picture(0)}, dtype="float16", progress=False)


@pytest.mark.parametrize("harm", ["truncated", "header", "shape", "gone", "unfinished", "layer"])
def test_damage_is_named(stored, harm):
    folder, _ = stored
    shard, layer = folder / "shard-00001.safetensors", "3"
    content = shard.read_bytes()
    length = int.from_bytes(content[:8], "little")
    if harm == "truncated":
        shard.write_bytes(content[:-3])
    elif harm == "header":
        shard.write_bytes((1 << 60).to_bytes(8, "little") + content[8:])
    elif harm == "shape":
        header = json.loads(content[8 : 8 + length])
        header["3"]["shape"][0] += 1
        text = json.dumps(header).encode().ljust(length)
        shard.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])
    elif harm == "gone":
        shard.unlink()
    elif harm == "unfinished":
        manifest = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps({**manifest, "state": "incomplete"}))
    else:
        layer = "2"
    with pytest.raises((ValueError, FileNotFoundError), match=r"truncated|does not exist|no finished"):
        StoredRows(folder, layer)


@pytest.mark.parametrize(
    "header",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"3": {"dtype": "F32", "shape": [1, 1], "data_offsets": [0, Infinity]}}',
        b'{"3": {"dtype": "F32", "shape": [NaN, 1], "data_offsets": [0, 4]}}',
    ],
)
def test_hostile_headers_are_named(stored, header):
    folder, _ = stored
    (folder / "shard-00001.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(64))
    with pytest.raises(ValueError, match=r"shard-00001.safetensors is no whole shard of '3'"):
        StoredRows(folder, "3")
