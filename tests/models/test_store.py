from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alignkit._io import sha256
from alignkit._lock import FolderLock
from alignkit.models import Model, Preprocess, extract, load, open_features

from .conftest import picture

Maker = Callable[..., Model]
FORMATS = ("safetensors", "zarr")

#: A network that takes its time when asked to, so that it can be killed in the middle.
SLOW = """
import os, time
import torch
from torch import nn
from alignkit.models import Preprocess

class Slow(nn.Conv2d):
    def forward(self, x):
        time.sleep(float(os.environ.get("SLOW_SECONDS", "0")))
        return super().forward(x)

def make():
    net = nn.Sequential(Slow(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with torch.no_grad():
        for i, p in enumerate(net.parameters()):
            p.copy_(torch.linspace(-1, 1, p.numel()).view(p.shape) + i)
    return net, Preprocess.clip(16)
"""
RUN = """
import sys
from alignkit.models import extract, load
extract(load("slow_net:make", device="cpu"), "images", layers=["1", "output"], out="killed", batch_size=2,
        shard_size=4, format=sys.argv[1], progress=False)
"""


def run_until_killed(cwd: Path, format: str) -> None:
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "SLOW_SECONDS": "0.15", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}
    process = subprocess.Popen([sys.executable, "-c", RUN, format], cwd=cwd, env=environment)
    deadline = time.monotonic() + 120
    while not (cwd / "killed" / "shard-00001.json").exists():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()


def files_of(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): sha256(path) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_a_killed_run_continues_to_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: Any) -> None:
    (tmp_path / "slow_net.py").write_text(SLOW)
    (tmp_path / "images").mkdir()
    for i in range(15):
        picture(i).save(tmp_path / "images" / f"{i:02d}.png")
    run_until_killed(tmp_path, format)
    monkeypatch.chdir(tmp_path)
    model = load("slow_net:make", device="cpu")
    monkeypatch.delitem(sys.modules, "slow_net")
    with pytest.raises(ValueError, match="extraction of 15 inputs into killed did not finish; run the same command"):
        open_features("killed")
    done = len(list(Path("killed").glob("shard-*.json")))
    assert 2 <= done < 4
    computed: list[int] = []
    model.module[0].register_forward_hook(lambda module, args, output: computed.append(len(output)))
    options: dict[str, Any] = {"layers": ["1", "output"], "batch_size": 2, "shard_size": 4, "format": format}
    resumed = extract(model, "images", out="killed", progress=False, **options)
    assert sum(computed) == 3 + 15 - 4 * done  # 3: the probe's blank batch
    whole = extract(model, "images", out="whole", progress=False, **options)
    assert resumed.labels == whole.labels
    for layer in ("1", "output"):
        assert resumed.array(layer).tobytes() == whole.array(layer).tobytes()
    assert files_of(Path("killed")) == files_of(Path("whole"))


@pytest.mark.parametrize("format", FORMATS)
def test_a_run_that_stops_on_an_error_continues(make_model: Maker, folder: Path, tmp_path: Path, format: Any) -> None:
    model, out = make_model(), tmp_path / "out"
    broken = folder / "class_1" / "07.png"
    content = broken.read_bytes()
    broken.write_bytes(content[:40])
    options: dict[str, Any] = {"out": out, "batch_size": 2, "shard_size": 2, "format": format, "progress": False}
    with pytest.raises(ValueError, match=r"07\.png cannot be read"):
        extract(model, folder, **options)
    assert not list(out.glob(".partial-*"))
    broken.write_bytes(content)
    feats = extract(model, folder, **{**options, "batch_size": 5})
    np.testing.assert_allclose(feats.array(), extract(model, folder, progress=False).array(), rtol=1e-5, atol=1e-6)
    assert json.loads((out / "manifest.json").read_text())["state"] == "complete"
    assert not list(out.glob("shard-*.json"))


@pytest.mark.parametrize("layers", [["0", "output"], "output"])
def test_zarr_equals_safetensors(make_model: Maker, folder: Path, tmp_path: Path, layers: Any) -> None:
    (folder / "class_2" / "05.png").write_bytes(b"broken")
    stores = [
        extract(
            make_model(), folder, layers=layers, out=tmp_path / format, format=format, batch_size=3, shard_size=6,
            on_error="skip", progress=False,
        )
        for format in FORMATS
    ]  # fmt: skip
    assert stores[0].labels == stores[1].labels
    for layer in stores[0].layers:
        assert stores[0].array(layer).shape[0] == 10
        assert stores[0].array(layer).tobytes() == stores[1].array(layer).tobytes()


def test_shards_are_plain_safetensors_files(make_model: Maker, folder: Path, tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    out = tmp_path / "out"
    feats = extract(make_model(), folder, layers=["0", "output"], out=out, batch_size=4, shard_size=8, progress=False)
    shards = [safetensors.load_file(path) for path in sorted(out.glob("*.safetensors"))]
    assert [len(shard["output"]) for shard in shards] == [8, 3]
    for layer in ("0", "output"):
        np.testing.assert_array_equal(np.concatenate([shard[layer] for shard in shards]), feats.array(layer))


def test_the_manifest_says_what_decided_the_features(make_model: Maker, folder: Path, tmp_path: Path) -> None:
    model, out = make_model(), tmp_path / "Ünter" / "out"
    feats = extract(model, folder, layers=["0", "5"], out=out, progress=False)
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert manifest == dict(feats.manifest)
    assert manifest["model"] == model.describe()
    assert manifest["layers"] == ["0", "5"]
    assert manifest["pool"] == {"0": {"rule": "mean-map-channels-first", "skip": 0}, "5": {"rule": "as-is", "skip": 0}}
    assert manifest["precision"] == "fp32"
    assert manifest["item_sha256"] == [sha256(folder / label) for label in manifest["labels"]]
    assert manifest["skipped"] == []
    assert {"python", "torch", "numpy"} <= set(manifest["versions"])


def test_another_identity_is_refused(make_model: Maker, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options: dict[str, Any] = {"out": out, "progress": False}
    extract(make_model(0), folder, **options)
    before = files_of(out)
    refused = "holds the features of another run .*choose another out or delete that folder"
    with pytest.raises(FileExistsError, match=r"precision is 'fp32' there and 'bf16' here"):
        extract(make_model(0), folder, precision="bf16", **options)
    with pytest.raises(FileExistsError, match=r"model\.weights_sha256 is .*" + refused[-30:]):
        extract(make_model(1), folder, **options)
    with pytest.raises(FileExistsError, match=refused):
        extract(make_model(0), folder, layers="0", **options)
    with pytest.raises(
        FileExistsError, match=r"model\.preprocess\.interpolation is 'bilinear' there and 'bicubic' here"
    ):
        extract(make_model(0, Preprocess.from_dict({**PLAIN_SQUASH, "interpolation": "bicubic"})), folder, **options)
    with pytest.raises(FileExistsError, match="format is 'safetensors' there and 'zarr' here"):
        extract(make_model(0), folder, format="zarr", **options)
    picture(99).save(folder / "new.png")
    with pytest.raises(FileExistsError, match=r"inputs\.n is 11 there and 12 here"):
        extract(make_model(0), folder, **options)
    assert files_of(out) == before


PLAIN_SQUASH = {"size": 16, "mean": [0, 0, 0], "std": [1, 1, 1], "resize": "squash"}


def test_a_complete_run_is_not_computed_again_unless_an_image_changed(
    make_model: Maker, folder: Path, tmp_path: Path
) -> None:
    model, out = make_model(), tmp_path / "out"
    first = extract(model, folder, out=out, progress=False)
    before = files_of(out)
    model.module.register_forward_hook(lambda module, args, output: pytest.fail("computed again"))
    again = extract(model, folder, out=out, progress=False)
    assert again.array().tobytes() == first.array().tobytes()
    assert files_of(out) == before
    picture(77).save(folder / "class_0" / "03.png")
    with pytest.raises(
        ValueError, match=r"1 item\(s\) changed since their features were stored in .*: 'class_0/03\.png'"
    ):
        extract(model, folder, out=out, progress=False)


def test_what_was_skipped_is_not_forgotten(make_model: Maker, folder: Path, tmp_path: Path) -> None:
    (folder / "class_0" / "03.png").write_bytes(b"broken")
    options: dict[str, Any] = {"out": tmp_path / "out", "progress": False}
    extract(make_model(), folder, on_error="skip", **options)
    with pytest.raises(ValueError, match=r"left out 1 unreadable item\(s\) \('class_0/03\.png'\)"):
        extract(make_model(), folder, **options)
    assert len(extract(make_model(), folder, on_error="skip", **options)) == 10


def test_folders_with_something_else_are_left_alone(make_model: Maker, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError, match="is not empty and holds no features"):
        extract(make_model(), folder, out=folder, progress=False)
    with pytest.raises(FileExistsError, match="is a file; out must be a folder"):
        extract(make_model(), folder, out=folder / "notes.txt", progress=False)
    other = tmp_path / "other"
    other.mkdir()
    (other / "manifest.json").write_text('{"kind": "else"}')
    with pytest.raises(ValueError, match="is not a features manifest"):
        extract(make_model(), folder, out=other, progress=False)
    (other / "manifest.json").write_text('{"kind": "alignkit.features", "schema": 1, "model":')
    with pytest.raises(ValueError, match=r"is not valid JSON .* may be truncated"):
        extract(make_model(), folder, out=other, progress=False)


def test_a_damaged_record_is_named(make_model: Maker, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (folder / "class_2" / "08.png").write_bytes(b"broken")
    with pytest.raises(ValueError, match="cannot be read"):
        extract(make_model(), folder, out=out, batch_size=2, shard_size=2, progress=False)
    (out / "shard-00000.json").write_text('{"labels": ["a"], "stop": 1}')
    with pytest.raises(ValueError, match=r"shard-00000\.json is not a shard's record"):
        extract(make_model(), folder, out=out, batch_size=2, shard_size=2, progress=False)


@pytest.mark.parametrize("format", FORMATS)
def test_a_second_process_is_told_to_wait(make_model: Maker, folder: Path, tmp_path: Path, format: Any) -> None:
    out = tmp_path / "out"
    out.mkdir()
    held = FolderLock(out)
    options: dict[str, Any] = {"out": out, "format": format, "progress": False}
    with pytest.raises(BlockingIOError, match=r"another process is writing to .*out; wait until it is done"):
        extract(make_model(), folder, **options)
    assert not list(out.iterdir())
    held.release()
    first = extract(make_model(), folder, **options)
    before = files_of(out)
    np.testing.assert_array_equal(extract(make_model(), folder, **options).array(), first.array())  # let go of
    assert files_of(out) == before


def test_a_refused_run_lets_go_of_the_folder(make_model: Maker, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    extract(make_model(), folder, out=out, progress=False)
    with pytest.raises(FileExistsError, match="holds the features of another run"):
        extract(make_model(), folder, out=out, pool="flatten", layers=["0"], progress=False)
    broken = folder / "class_1" / "07.png"
    content = broken.read_bytes()
    broken.write_bytes(content[:40])
    with pytest.raises(ValueError, match="changed since"):
        extract(make_model(), folder, out=out, progress=False)
    broken.write_bytes(content)
    extract(make_model(), folder, out=out, progress=False)


@pytest.mark.parametrize(
    "left", [".shard-00001.safetensors.0f0f0f0f.tmp", ".shard-00000.json.ab.tmp", ".manifest.json.1.tmp"]
)
def test_what_a_kill_leaves_is_swept_up(make_model: Maker, folder: Path, tmp_path: Path, left: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    if left.startswith(".manifest"):  # killed before there was any manifest
        (out / left).write_text("{")
    else:
        model, broken = make_model(), folder / "class_1" / "07.png"
        content = broken.read_bytes()
        broken.write_bytes(content[:40])
        with pytest.raises(ValueError, match="cannot be read"):
            extract(model, folder, out=out, batch_size=2, shard_size=2, progress=False)
        broken.write_bytes(content)
        (out / left).write_bytes(b"half")
    extract(make_model(), folder, out=out, batch_size=2, shard_size=2, progress=False)
    assert not [path.name for path in out.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_a_run_that_stored_nothing_leaves_nothing(
    make_model: Maker, tmp_path: Path, format: Any, on_error: Any
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(b"broken")
    options: dict[str, Any] = {"format": format, "on_error": on_error, "progress": False}
    with pytest.raises(ValueError, match="not an image of a known format"):
        extract(make_model(), tmp_path / "images", out=tmp_path / "new", **options)
    assert not (tmp_path / "new").exists()
    (tmp_path / "there").mkdir()
    with pytest.raises(ValueError, match="not an image of a known format"):
        extract(make_model(), tmp_path / "images", out=tmp_path / "there", **options)
    assert not list((tmp_path / "there").iterdir())


def test_pipes_are_not_waited_for(make_model: Maker, folder: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes here")
    os.mkfifo(folder / "pipe.png")
    feats = extract(make_model(), folder, on_error="skip", progress=False)
    assert feats.manifest["skipped"] == [{"label": "pipe.png", "reason": "not a file", "sha256": None}]
    with pytest.raises(FileNotFoundError, match=r"pipe\.png does not exist"):
        extract(make_model(), folder, progress=False)
