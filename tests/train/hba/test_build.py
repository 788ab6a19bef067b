from __future__ import annotations

import dataclasses
import inspect
import sys
from pathlib import Path

import numpy as np
import pytest
import reference.toy_clip
import torch
from reference.hba_runs import write_targets

from alignkit.models import AdapterConfig
from alignkit.models._run_model import read_run_model
from alignkit.train import LoopConfig, OptimConfig, run
from alignkit.train._order import Order
from alignkit.train._prompts import check_prompts
from alignkit.train.hba import _build
from alignkit.train.hba.config import HBAConfig
from alignkit.train.hba.task import build_task


@pytest.fixture
def toy_clip(tmp_path, monkeypatch):
    """A module of one's own that makes a CLIP of two blocks, by its name."""
    (tmp_path / "toy_clip_module.py").write_text(inspect.getsource(reference.toy_clip))
    monkeypatch.chdir(tmp_path)
    yield "toy_clip_module:make_towers"
    sys.modules.pop("toy_clip_module", None)


def pair(**changes):
    loop = {"epochs": 2, "batch_size": 9, "device": "cpu", "progress": False, "monitor": "val_loss", **changes}
    return HBAConfig(
        backbone="random:test_vit",
        text="minilm",
        img_size=32,
        adapter=AdapterConfig(kind="lora", rank=2, dropout=0.0, image_blocks=1, text_blocks=0),
        optim=OptimConfig(lr=1e-3),
        loop=LoopConfig(**loop),
    )


def as_study(data, folder, config):
    """Write a study's table of the lab, so that a config alone names all data."""
    table = write_targets(folder / "targets.csv", data)
    images = data.images[0][0].parents[1]
    return dataclasses.replace(config, images=images, targets=str(table), root=folder, out=folder / "run")


def losses(task, steps=6):
    """Return the losses of a few steps of plain gradient descent."""
    order = Order(n_samples=task.n_samples, batch_size=9, seed=0)
    optimizer = torch.optim.AdamW([p for p in task.module.parameters() if p.requires_grad], lr=1e-3)
    found = []
    for step in range(steps):
        samples = order.batch(step)
        loss = task.loss(task.module(task.inputs(samples)), task.targets(samples))["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found


@pytest.mark.parametrize("loss", ["mse", "triplets"])
def test_cached_losses_are_those_of_images(lab_data, tmp_path, loss):
    config = dataclasses.replace(pair(), loss=loss)
    images = build_task(lab_data, config)
    cached = build_task(lab_data, config, cache=tmp_path)
    assert "hidden" in cached.inputs(Order(n_samples=9, batch_size=9, seed=0).batch(0))
    assert losses(cached) == pytest.approx(losses(images), rel=1e-5)
    assert cached.predictions() == pytest.approx(images.predictions(), rel=1e-3, abs=1e-3)


def test_jobs_that_share_a_cache_wait_for_the_one_that_fills_it(lab_data, tmp_path, monkeypatch):
    tries = []

    def busy_twice(*_, **__):
        tries.append(1)
        if len(tries) < 3:
            raise BlockingIOError
        return "source"

    monkeypatch.setattr(_build, "cache_prefix", busy_twice)
    monkeypatch.setattr(_build, "_PAUSE", 0.0)
    _, towers = _build.build_model(lab_data, pair())
    with pytest.raises(BlockingIOError):
        _build.build_source(lab_data, pair(), towers, tmp_path)
    assert _build.build_source(lab_data, pair(), towers, tmp_path, wait=True) == "source"
    assert len(tries) == 3


def test_a_cache_in_half_precision_takes_half_of_the_disk(lab_data, tmp_path):
    sizes, predictions = [], []
    for dtype in ("float32", "float16"):
        config = dataclasses.replace(pair(), cache_dtype=dtype)
        predictions.append(build_task(lab_data, config, cache=tmp_path / dtype).predictions())
        sizes.append(sum(path.stat().st_size for path in (tmp_path / dtype).rglob("*.safetensors")))
    assert sizes[1] == pytest.approx(sizes[0] / 2, rel=0.05)
    assert predictions[1] == pytest.approx(predictions[0], rel=0.02, abs=0.02)
    with pytest.raises(ValueError, match="cache_dtype must be one of"):
        dataclasses.replace(pair(), cache_dtype="int8")


def test_without_a_cache_images_are_read(lab_data, tmp_path):
    task = build_task(lab_data, dataclasses.replace(pair(), cache=False), cache=tmp_path)
    assert list(task.inputs(Order(n_samples=9, batch_size=9, seed=0).batch(0))) == ["image"]
    assert not list(tmp_path.iterdir())


def test_the_head_of_a_pair_starts_at_ridge_whose_rows_are_photos(lab_data, tmp_path):
    config = dataclasses.replace(pair(), head="ridge", penalty=10.0, ridge_constant=10.0)
    task = build_task(lab_data, config, cache=tmp_path)
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    with torch.no_grad():
        x = task.model.embed(task.source(np.arange(len(lab_data.photos)))).double().numpy()
    photos_of = lab_data.photos_of
    shown = [(photo, k) for k in lab_data.train for photo in photos_of[k]]
    photos, objects = np.array(shown).T
    rows, whose = task.photo_features(lab_data.train)
    assert rows == pytest.approx(x[photos])
    assert (whose == objects).all()
    scaler = StandardScaler().fit(x[photos])
    ridge = Ridge(alpha=10.0).fit(scaler.transform(x[photos]), lab_data.targets[objects])
    each = ridge.predict(scaler.transform(x))
    expected = np.stack([each[photos].mean(axis=0) for photos in photos_of])
    assert task.predictions() == pytest.approx(expected, rel=0.05, abs=0.3)


def test_a_clip_has_no_head_that_could_start_at_ridge(lab_data, toy_clip):
    config = dataclasses.replace(pair(), backbone=toy_clip, text=None, img_size=None, head="ridge")
    with pytest.raises(ValueError, match="share one space"):
        build_task(lab_data, config)


def test_a_clip_starts_as_its_own_cosines(lab_data, toy_clip, tmp_path):
    adapter = AdapterConfig(kind="dora", rank=2, image_blocks=1, text_blocks=1)
    config = dataclasses.replace(pair(), backbone=toy_clip, text=None, img_size=None, adapter=adapter)
    task = build_task(lab_data, config, cache=tmp_path)
    towers = reference.toy_clip.make_towers()
    with torch.no_grad():
        text = towers.text(towers.tokenizer(list(check_prompts(lab_data.prompts, 12, "prompts"))))
        image = towers.image(torch.stack([torch.from_numpy(_pixels(towers, path)) for path in lab_data.photos[:4]]))
        cosines = torch.nn.functional.cosine_similarity(image[:, None], text[None], dim=-1)
        own = task.model(task.source(np.arange(4)))
    assert (own / np.exp(towers.log_scale)).numpy() == pytest.approx(cosines.numpy(), abs=1e-5)
    found = losses(task)
    assert all(np.isfinite(found))
    trained = {name for name, parameter in task.module.named_parameters() if parameter.grad is not None}
    assert any("text" in name for name in trained)


def _pixels(towers, path):
    from PIL import Image

    return towers.preprocess(Image.open(path))


def test_a_run_of_a_study_trains_saves_and_loads(lab_data, tmp_path):
    from alignkit.models import extract, load

    config = as_study(lab_data, tmp_path, pair(epochs=12))
    result = run(config)
    first, *_, last = (record.metrics["val_loss"] for record in result.history.validations)
    assert last < first
    assert (result.path / "splits.json").is_file()
    model = load(f"run:{result.path}", device="cpu")
    task = build_task(lab_data, config)
    task.model.load_trained(read_run_model(result.path).trained)
    photos = list(lab_data.photos[:4])
    with torch.no_grad():
        own = task.model(task.source(np.arange(4))).numpy()
    assert extract(model, photos, progress=False).array() == pytest.approx(own, rel=1e-4, abs=1e-3)
    again = build_task(lab_data, dataclasses.replace(config, start=result.path))
    assert again.predictions() == pytest.approx(task.predictions(), rel=1e-5, abs=1e-5)


def test_models_of_whole_epochs_are_kept_and_change_nothing(lab_data, tmp_path):
    from alignkit.models import load

    kept = run(as_study(lab_data, tmp_path, pair(epochs=4, keep_epochs=2, ema=0.9)))
    (tmp_path / "other").mkdir()
    plain = run(as_study(lab_data, tmp_path / "other", pair(epochs=4, ema=0.9)))
    assert sorted(path.name for path in (kept.path / "epochs").iterdir()) == ["0000", "0002", "0004"]
    weights = "adapter.safetensors"
    assert (kept.path / weights).read_bytes() == (plain.path / weights).read_bytes()
    assert kept.history.best_step == kept.history.n_steps, "so that the last epoch's model is the run's"
    trained = {epoch: read_run_model(kept.path / "epochs" / epoch).trained for epoch in ("0000", "0002", "0004")}
    final = read_run_model(kept.path).trained
    assert all(torch.equal(trained["0004"][name], value) for name, value in final.items())
    assert not all(torch.equal(trained["0002"][name], trained["0000"][name]) for name in final)
    assert load(f"run:{kept.path / 'epochs' / '0002'}", device="cpu").layers


def test_a_function_of_ones_own_is_called_again_only_when_it_is_named(lab_data, toy_clip, tmp_path):
    from alignkit.models import load
    from alignkit.train import evaluate_run, rerun

    adapter = AdapterConfig(kind="lora", rank=2, image_blocks=1, text_blocks=1)
    config = dataclasses.replace(
        pair(), backbone=toy_clip, text=None, img_size=None, adapter=adapter, n_bootstrap=10, cache=False
    )
    path = run(dataclasses.replace(as_study(lab_data, tmp_path, config), root=tmp_path / "nothing")).path
    sys.modules.pop("toy_clip_module")
    for again in (
        lambda: load(f"run:{path}", device="cpu"),
        lambda: evaluate_run(path, device="cpu", progress=False),
        lambda: rerun(path, out="again"),
    ):
        with pytest.raises(ValueError, match=f"pass architecture='{toy_clip}' if you trust it"):
            again()
    assert "toy_clip_module" not in sys.modules
    assert not Path("again").exists()
    once_more = rerun(path, out="again", architecture=toy_clip)
    assert (once_more.path / "adapter.safetensors").read_bytes() == (path / "adapter.safetensors").read_bytes()
    model = load(f"run:{path}", device="cpu", architecture=toy_clip)
    assert model.settings["dimensions"] == list(lab_data.dimensions)
    table = evaluate_run(path, device="cpu", progress=False, architecture=toy_clip).table
    assert "zero-shot dimension logits" in {row.model for row in table.rows}
