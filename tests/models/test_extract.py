from __future__ import annotations

import dataclasses
import hashlib
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from reference.layer_features import layer_outputs
from torch import nn

from alignkit.models import Model, Preprocess, extract, load
from alignkit.models._store import FolderStore

from .conftest import PLAIN, picture

Maker = Callable[..., Model]


def inputs_of(model: Model, paths: list[Path]) -> list[np.ndarray]:
    preprocess: Any = model.preprocess
    return [preprocess(Image.open(path)) for path in paths]


def test_every_layer_equals_a_plain_loop_with_one_hook(make_model: Maker, folder: Path) -> None:
    model = make_model()
    paths = sorted(folder.rglob("[0-9]*.png"), key=lambda path: path.relative_to(folder).as_posix())
    layers = [layer for layer in model.layers() if layer != "output"]
    feats = extract(model, folder, layers=layers, batch_size=4, progress=False)
    assert feats.labels == tuple(path.relative_to(folder).as_posix() for path in paths)
    for layer in layers:
        outputs = layer_outputs(model.module, inputs_of(model, paths), layer)
        # layer 1 is followed by an in-place ReLU: its features must be those before it
        expected = np.array([out.reshape(out.shape[0], -1).mean(1) for out in outputs])
        np.testing.assert_allclose(feats.array(layer), expected, rtol=1e-5, atol=1e-6)
    assert feats.array("1").min() < 0


def test_batch_size_and_shards_do_not_matter(make_model: Maker, folder: Path, tmp_path: Path) -> None:
    model = make_model()
    one = extract(model, folder, batch_size=1, progress=False).array()
    for batch_size, shard_size in ((3, 3), (4, 100), (64, 1)):
        feats = extract(
            model, folder, out=tmp_path / f"{batch_size}", batch_size=batch_size, shard_size=shard_size, progress=False
        )
        np.testing.assert_allclose(feats.array(), one, rtol=1e-5, atol=1e-6)


def test_a_layer_by_name_is_the_layer_by_number(folder: Path) -> None:
    model = load("random:test_vit", device="cpu", img_size=32)
    by_name = extract(model, folder, layers="blocks.4", progress=False)
    by_number = extract(model, folder, layers=[4], progress=False)
    from_end = extract(model, folder, layers=-2, progress=False)
    assert by_name.layers == by_number.layers == from_end.layers == ("blocks.4",)
    np.testing.assert_array_equal(by_name.array(), by_number.array())
    np.testing.assert_array_equal(by_name.array(), from_end.array())
    paths = [folder / label for label in by_name.labels or ()]
    tokens = layer_outputs(model.module, inputs_of(model, paths), "blocks.4")
    np.testing.assert_allclose(by_name.array(), [token[0] for token in tokens], rtol=1e-4, atol=1e-5)
    mean = extract(model, folder, layers=4, pool="mean", progress=False).array()
    np.testing.assert_allclose(mean, [token[1:].mean(0) for token in tokens], rtol=1e-4, atol=1e-5)
    flat = extract(model, folder, layers=4, pool="flatten", progress=False).array()
    np.testing.assert_allclose(flat, [token.reshape(-1) for token in tokens], rtol=1e-4, atol=1e-5)


def test_the_default_is_what_feeds_the_classifier(folder: Path) -> None:
    model = load("random:test_resnet", device="cpu", img_size=32)
    feats = extract(model, folder, layers=[model.default_layer, "fc"], progress=False)
    assert extract(model, folder, progress=False).layers == ("global_pool",)
    state = model.module.state_dict()
    expected = feats.array("global_pool") @ state["fc.weight"].numpy().T + state["fc.bias"].numpy()
    np.testing.assert_allclose(feats.array("fc"), expected, rtol=1e-4, atol=1e-4)


def test_the_network_is_left_as_it_was(make_model: Maker, folder: Path) -> None:
    model = make_model()
    model.module.train()
    model.module[1].eval()
    before = {name: value.clone() for name, value in model.module.state_dict().items()}
    extract(model, folder, progress=False)
    assert model.module.training
    assert not model.module[1].training
    assert all(torch.equal(value, before[name]) for name, value in model.module.state_dict().items())
    assert not any(layer._forward_hooks for layer in model.module.modules())


def test_broken_images_are_named_or_skipped_and_listed(make_model: Maker, folder: Path, tmp_path: Path) -> None:
    model = make_model()
    whole = extract(model, folder, progress=False)
    (folder / "class_0" / "00a.png").write_bytes(b"\x89PNG")
    (folder / "class_2" / "99.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match=r"00a\.png cannot be read \(.*pass on_error='skip'"):
        extract(model, folder, progress=False)
    for out in (None, tmp_path / "skipped"):
        feats = extract(model, folder, out=out, on_error="skip", batch_size=2, shard_size=2, progress=False)
        assert feats.labels == whole.labels
        np.testing.assert_allclose(feats.array(), whole.array(), rtol=1e-5, atol=1e-6)
        skipped = feats.manifest["skipped"]
        assert [skip["label"] for skip in skipped] == ["class_0/00a.png", "class_2/99.jpg"]
        assert skipped[1]["reason"] == "the file is empty (0 bytes)"
        assert len(skipped[0]["sha256"]) == 64
    gone = [*sorted(folder.rglob("0[0-3].png")), folder / "gone.png"]
    with pytest.raises(FileNotFoundError, match=r"gone\.png does not exist; correct the list"):
        extract(model, gone, progress=False)
    assert len(extract(model, gone, on_error="skip", progress=False)) == 4
    with pytest.raises(ValueError, match=r"none of the 1 inputs could be read; the first, .*99\.jpg'"):
        extract(model, [folder / "class_2" / "99.jpg"], on_error="skip", progress=False)


def test_overflow_names_the_layer_and_the_item(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(3, 2, 16, bias=False), nn.Flatten())
    nn.init.constant_(net[0].weight, 100.0)
    model = Model.from_module(net, PLAIN, name="loud")
    images = {"black": Image.new("RGB", (16, 16)), "wéiss": Image.new("RGB", (16, 16), (255, 255, 255))}
    with pytest.raises(ValueError, match=r"layer '0' of loud gives infinity or NaN for 'wéiss' in fp16: float16 over"):
        extract(model, images, layers="0", precision="fp16", progress=False)
    for precision in ("fp32", "bf16"):
        rows = extract(model, images, layers="0", precision=precision, progress=False).array()  # type: ignore[arg-type]
        np.testing.assert_allclose(rows, [[0, 0], [76800, 76800]], rtol=0.01)
        assert rows.dtype == np.float32
    with torch.no_grad():
        net[0].weight[0] = torch.nan
    with pytest.raises(ValueError, match="in fp32: check the weights and this item"):
        extract(model, images, progress=False)


def test_no_more_than_one_batch_is_kept(
    make_model: Maker, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: list[weakref.ref[np.ndarray]] = []
    most = 0
    append = FolderStore.append

    def watch(self: FolderStore, arrays: dict[str, np.ndarray], record: Any) -> None:
        nonlocal most
        alive.extend(weakref.ref(rows) for rows in arrays.values())
        append(self, arrays, record)
        most = max(most, sum(rows() is not None for rows in alive))

    monkeypatch.setattr(FolderStore, "append", watch)
    extract(make_model(), folder, out=tmp_path / "out", batch_size=2, shard_size=100, progress=False)
    assert len(alive) == 6
    assert most == 1


class Crowded(nn.Module):
    """Refuses batches above a size, as a full device does; counts the passes it took."""

    def __init__(self, inner: nn.Module, most: int, error: Exception | None = None) -> None:
        super().__init__()
        self.inner, self.most, self.sizes = inner, most, []
        self.error = error or torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        if len(batch) > self.most:
            raise self.error
        self.sizes.append(len(batch))
        return self.inner(batch)


def crowded(model: Model, most: int, error: Exception | None = None) -> Model:
    """Return the model on a device that holds so many items at once; its layers are known already."""
    full = Model.from_module(Crowded(model.module, 99), model.preprocess, name="small")
    full.layers()
    full.module.sizes.clear()
    full.module.most = most
    if error is not None:
        full.module.error = error
    return full


def test_a_batch_that_does_not_fit_is_halved_until_it_does(make_model: Maker, folder: Path, tmp_path: Path) -> None:
    model = crowded(make_model(), 3)
    with pytest.warns(
        UserWarning, match="a batch of 8 does not fit the memory of cpu; small goes on with 2 at"
    ) as told:
        feats = extract(model, folder, out=tmp_path / "out", batch_size=8, progress=False)
    assert len(told) == 1
    assert model.module.sizes == [2, 2, 2, 2, 2, 1]
    assert feats.manifest["reduced_batch_size"] == 2
    small = extract(crowded(make_model(), 99), folder, batch_size=2, progress=False)
    assert feats.array().tobytes() == small.array().tobytes()
    assert feats.labels == small.labels
    assert "reduced_batch_size" not in small.manifest


def test_memory_is_given_back_before_every_smaller_try(
    make_model: Maker, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    freed: list[str] = []
    monkeypatch.setattr("alignkit.models._extract.free_memory", lambda device: freed.append(device.type))
    with pytest.warns(UserWarning, match="does not fit the memory of cpu"):
        extract(crowded(make_model(), 3), folder, batch_size=8, progress=False)
    assert freed == ["cpu", "cpu"]  # eight, four, two


def test_other_ways_to_run_out_of_memory(make_model: Maker, folder: Path) -> None:
    expected = extract(crowded(make_model(), 99), folder, batch_size=1, progress=False).array()
    for error in (
        MemoryError("Unable to allocate 9 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        RuntimeError("MPS backend out of memory"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    ):
        with pytest.warns(UserWarning, match="a batch of 11 does not fit .* goes on with 1 at a time"):
            feats = extract(crowded(make_model(), 1, error), folder, batch_size=32, progress=False)
        assert feats.array().tobytes() == expected.tobytes()
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        extract(crowded(make_model(), 1, RuntimeError("shapes cannot be multiplied")), folder, progress=False)


def test_a_run_that_is_killed_under_back_off_goes_on_to_the_same_bits(
    make_model: Maker, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"batch_size": 4, "shard_size": 4, "progress": False}
    with pytest.warns(UserWarning, match="goes on with 2"):
        whole = extract(crowded(make_model(), 2), folder, out=tmp_path / "whole", **options)
    append = FolderStore.append

    def killed(self: FolderStore, arrays: dict[str, np.ndarray], record: Any) -> None:
        append(self, arrays, record)
        if self.done.stop == 8:
            raise KeyboardInterrupt

    monkeypatch.setattr(FolderStore, "append", killed)
    with pytest.warns(UserWarning, match="goes on with 2"), pytest.raises(KeyboardInterrupt):
        extract(crowded(make_model(), 2), folder, out=tmp_path / "out", **options)
    monkeypatch.undo()
    model = crowded(make_model(), 99)  # the device has room again: what was begun with 2 ends with 2
    feats = extract(model, folder, out=tmp_path / "out", **options)
    assert model.module.sizes == [2, 1]
    assert feats.array().tobytes() == whole.array().tobytes()
    assert feats.manifest["reduced_batch_size"] == 2


def test_one_item_that_does_not_fit_is_the_end_of_the_line(make_model: Maker, folder: Path, tmp_path: Path) -> None:
    sentence = r"a single item does not fit the memory of cpu \('class_0/00\.png'\); free some, or pass a smaller"
    with pytest.raises(ValueError, match=sentence):
        extract(crowded(make_model(), 0), folder, out=tmp_path / "out", batch_size=8, progress=False)
    assert not (tmp_path / "out").exists()
    full = Model.from_module(Crowded(make_model().module, 0), PLAIN, name="small")
    with pytest.raises(ValueError, match="small does not fit the memory of cpu; free some, or choose another device"):
        extract(full, folder, progress=False)


def test_half_precision_is_near_full(folder: Path) -> None:
    model = load("random:test_vit", device="cpu", img_size=32)
    full = extract(model, folder, layers=3, progress=False).array()
    half = extract(model, folder, layers=3, precision="bf16", progress=False).array()
    assert 0 < np.abs(half - full).max() < 0.05 * np.abs(full).max()


def test_own_preprocessing_and_arrays(make_model: Maker) -> None:
    model = make_model()
    images = np.stack([np.asarray(picture(i, (16, 16))) for i in range(3)])

    def own(image: Image.Image) -> torch.Tensor:
        return torch.from_numpy(np.array(image, dtype="float32").transpose(2, 0, 1)) / 255

    mine = extract(dataclasses.replace(model, preprocess=own), images, progress=False)
    np.testing.assert_allclose(mine.array(), extract(model, images, progress=False).array(), rtol=1e-6)
    assert mine.labels == ("0", "1", "2")

    def uneven(image: Image.Image) -> torch.Tensor:
        return torch.ones(3, 16, 16 + np.asarray(image)[0, 0, 0] % 2)

    different = [Image.new("RGB", (16, 16), (i, i, i)) for i in range(2)]
    with pytest.raises(ValueError, match="gives images of different shapes"):
        extract(dataclasses.replace(model, preprocess=uneven), different, progress=False)


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"precision": "half"}, ValueError, "precision must be one of 'fp32', 'bf16', 'fp16'"),
        ({"on_error": "ignore"}, ValueError, "on_error must be one of"),
        ({"format": "hdf5"}, ValueError, "format must be one of"),
        ({"n_workers": -1}, ValueError, "n_workers must be at least 1"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1"),
        ({"shard_size": 1.5}, TypeError, "shard_size must be a whole number"),
        ({"device": "cuda:99"}, ValueError, "device 'cuda:99' was asked for"),
        ({"device": "tpu?"}, ValueError, "device must be 'auto', 'cpu'"),
        ({"device": "meta"}, ValueError, "device 'meta' cannot compute on this machine; use 'auto' or 'cpu'"),
        ({"layers": "no"}, ValueError, "has no layer 'no'"),
        ({"labels": ["a"]}, ValueError, "expected 11, got 1"),
    ],
)
def test_bad_options_leave_nothing(
    make_model: Maker, folder: Path, tmp_path: Path, options: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        extract(make_model(), folder, out=tmp_path / "out", progress=False, **options)
    assert not (tmp_path / "out").exists()


def test_progress_goes_to_standard_error(make_model: Maker, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    extract(make_model(), folder)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "11/11" in captured.err


def test_an_image_that_no_preprocessing_takes_is_left_out_by_name(
    make_model: Callable[..., Model], tmp_path: Path
) -> None:
    model = make_model(preprocess=Preprocess.clip(size=32))
    picture(0).save(tmp_path / "a.png")
    Image.new("RGB", (1, 60_000)).save(tmp_path / "line.png")
    with pytest.raises(ValueError, match=r"line\.png cannot be read \(1 x 60000 pixels are too elongated"):
        extract(model, tmp_path, progress=False)
    feats = extract(model, tmp_path, on_error="skip", progress=False)
    assert feats.labels == ("a.png",)
    assert feats.manifest["skipped"][0]["sha256"] == hashlib.sha256((tmp_path / "line.png").read_bytes()).hexdigest()
