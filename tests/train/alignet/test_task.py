"""A student learns from triplets, stays near its start, is stopped and goes on, and is found in its folder again."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image
from reference.launch import launch

from alignkit.models import AdapterConfig, load
from alignkit.train import LoopConfig, OptimConfig, rerun, run
from alignkit.train._loop import fit
from alignkit.train._order import Order
from alignkit.train._processes import Processes
from alignkit.train._run_folder import RunFolder
from alignkit.train.alignet._build import fit_student_temperature
from alignkit.train.alignet._data import read_data
from alignkit.train.alignet.task import AligNetTask, build_task

HEAD_ONLY = AdapterConfig(kind="none")
WHOLE = AdapterConfig(kind="full", image_blocks=1000)


def changed(config, **loop):
    return dataclasses.replace(config, loop=dataclasses.replace(config.loop, **loop))


@pytest.fixture
def task(config) -> AligNetTask:
    return build_task(read_data(config), config)


def test_a_run_learns_and_its_model_is_found_again(config, pictures):
    result = run(config)
    first, last = result.history.validations[0].metrics, result.history.validations[-1].metrics
    assert last["val_loss"] < first["val_loss"]
    assert last["val_accuracy"] > first["val_accuracy"]
    assert (first["drift"], first["drift_relative"], first["knn_overlap"]) == (0.0, 0.0, 1.0)
    assert last["drift"] > 0
    model = load(f"run:{result.path}", device="cpu")
    manifest = json.loads((result.path / "model.json").read_text())
    assert (manifest["arm"], manifest["method"], manifest["head"]) == ("aligned", "alignet", 16)
    images = torch.stack(
        [torch.from_numpy(model.preprocess(Image.open(path))) for path in sorted(pictures.iterdir())[:5]]
    )
    with torch.no_grad():
        z = model.module(images)
    data = read_data(config)
    task = build_task(data, config, cache=result.path / "cache")
    task.model.load_trained(_trained(result.path))
    numbers = np.array([data.photos.index(path) for path in sorted(pictures.iterdir())[:5]])
    described = task.describe_photos(numbers)
    assert described[:, 64:] / manifest["temperature"] ** 0.5 == pytest.approx(z.numpy(), abs=1e-4)
    with torch.no_grad():
        assert described[:, :64] == pytest.approx(model.module.backbone(images).numpy(), abs=1e-4)


def _trained(folder):
    from alignkit.models._student_run_model import read_student_model

    return read_student_model(folder).trained


@pytest.mark.parametrize("change", [
    {"adapter": HEAD_ONLY},
    {"adapter": WHOLE, "cache": False},
    {"adapter": WHOLE, "head": 0, "centre": False},
    {"objective": "kl"},
    {"objective": "cross-entropy", "student_temperature": 50.0, "centre": False},
    {"cache_dtype": "float16", "adapter": HEAD_ONLY},
])  # fmt: skip
def test_whatever_trains_and_by_whatever_objective(config, change):
    result = run(changed(dataclasses.replace(config, **change), max_steps=4, validate_every=4))
    values = [record.metrics["val_loss"] for record in result.history.validations]
    assert np.isfinite(values).all()
    assert result.history.validations[-1].metrics["drift"] > 0
    assert load(f"run:{result.path}", device="cpu").resolve("embedding") == ("embedding",)


def test_a_batch_sees_each_photo_once_and_has_its_own_similarities(task):
    samples = Order(n_samples=task.n_samples, batch_size=16, seed=0).batch(0)
    inputs = task.inputs(samples)
    photos = [task.data.labels[i] for i in np.unique(task.data.teaching.items[samples.index])]
    assert len(inputs["image"]) == len(photos)
    outputs = task.module.eval()(inputs)
    assert outputs.shape == (16, 3, 16)
    rows = np.unique(task.data.teaching.items[samples.index].astype(np.int64))
    alone = task.describe(rows)[:, 64:]
    place = {int(row): k for k, row in enumerate(rows)}
    for three, found in zip(task.data.teaching.items[samples.index], outputs.detach().numpy(), strict=True):
        assert found == pytest.approx(alone[[place[int(i)] for i in three]], abs=1e-4)
    assert torch.equal(task.targets(samples), torch.from_numpy(task.data.teaching.similarities[samples.index]))


def test_the_head_begins_centred_at_the_best_temperature(task):
    data = task.data.teaching
    rows = np.linspace(0, len(data) - 1, 1000).astype(int)
    names = np.unique(data.items[rows].astype(np.int64))
    z = task.describe(names)[:, 64:]
    assert np.abs(z.mean(axis=0)).max() < 1e-4 * np.abs(z).max()
    place = {int(name): k for k, name in enumerate(names)}
    s = np.array([[z[place[a]] @ z[place[b]] for a, b in ((i, j), (i, k), (j, k))] for i, j, k in data.items[rows]])
    p = np.exp(data.similarities[rows].astype(float))
    p /= p.sum(axis=1, keepdims=True)

    def surprise(t: float) -> float:
        q = np.exp(s / t - (s / t).max(axis=1, keepdims=True))
        return float(-(p * np.log(q / q.sum(axis=1, keepdims=True))).sum(axis=1).mean())

    best = float(task.model.temperature)
    assert surprise(best) < min(surprise(best * 1.05), surprise(best / 1.05))


def test_the_temperature_of_planted_answers_is_found():
    rng = np.random.default_rng(0)
    s = rng.normal(size=(500, 3)) * 40
    p = np.exp(s / 17)
    assert fit_student_temperature(s, p / p.sum(axis=1, keepdims=True)) == pytest.approx(17, rel=1e-4)
    with pytest.raises(ValueError, match="finds all images equally similar"):
        fit_student_temperature(np.ones((4, 3)), np.full((4, 3), 1 / 3))


def test_drift_is_the_distance_of_all_that_trains(task):
    assert task.validate(task.module)["drift"] == 0.0
    moved = 0.0
    length = 0.0
    with torch.no_grad():
        for p in task.module.parameters():
            if p.requires_grad:
                length += float(p.double().square().sum())
                p.add_(0.01)
                moved += p.numel() * 0.01**2
    metrics = task.validate(task.module)
    assert metrics["drift"] == pytest.approx(moved**0.5, rel=1e-4)
    assert metrics["drift_relative"] == pytest.approx((moved / length) ** 0.5, rel=1e-4)


def test_strong_decay_keeps_the_student_near_its_start(config):
    drifts = []
    for out, strength in (("free", 0.0), ("held", 100.0)):
        optim = OptimConfig(lr=3e-3, weight_decay=0.0, decay_to_init=strength)
        result = run(dataclasses.replace(config, optim=optim, out=config.out / out))
        drifts.append(result.history.validations[-1].metrics["drift"])
    assert drifts[1] < 0.6 * drifts[0]


def test_the_same_run_twice_and_stopped_in_between(config, monkeypatch):
    config = changed(config, checkpoint_every=4)
    whole = run(dataclasses.replace(config, out=config.out / "whole"))
    again = rerun(whole.path, out=config.out / "again")
    plain = AligNetTask.loss
    calls: list[int] = []

    def stops(self, outputs, targets):
        calls.append(1)
        if len(calls) == 7:
            raise KeyboardInterrupt
        return plain(self, outputs, targets)

    monkeypatch.setattr(AligNetTask, "loss", stops)
    with pytest.raises(KeyboardInterrupt):
        run(dataclasses.replace(config, out=config.out / "cut"))
    monkeypatch.setattr(AligNetTask, "loss", plain)
    cut = run(dataclasses.replace(config, out=config.out / "cut"))
    bits = [(result.path / "adapter.safetensors").read_bytes() for result in (whole, again, cut)]
    assert bits[0] == bits[1] == bits[2]
    metrics = [[record.metrics for record in result.history.validations] for result in (whole, again, cut)]
    assert metrics[0] == metrics[1] == metrics[2]


def test_parts_of_a_batch_give_the_same_training(config):
    results = [
        run(changed(dataclasses.replace(config, out=config.out / str(parts)), accumulate=parts)) for parts in (1, 3)
    ]
    first, second = ([record.losses["loss"] for record in result.history.steps] for result in results)
    assert first == pytest.approx(second, rel=1e-3)


def trained_together(config):
    with Processes.start(config.loop) as processes:
        folder = RunFolder.open(config.out, config, main=processes.is_main)
        with folder:
            task = build_task(read_data(config), config, cache=config.out / "cache")
            history = fit(task, config.loop, config.optim, folder=folder, processes=processes)
        return [record.losses["loss"] for record in history.steps], [r.metrics for r in history.validations]


@pytest.mark.slow
def test_two_processes_train_as_one(config):
    config = dataclasses.replace(config, cache=False)
    alone = trained_together(dataclasses.replace(config, out=config.out / "alone"))
    together = launch(trained_together, dataclasses.replace(config, out=config.out / "together"))
    assert together[0] == together[1]
    assert together[0][0] == pytest.approx(alone[0], rel=1e-3)
    for one, other in zip(together[0][1], alone[1], strict=True):
        assert one == pytest.approx(other, rel=1e-2, abs=1e-3)


def test_loops_need_triplets_to_train_on(config):
    assert config.loop == LoopConfig(**dataclasses.asdict(config.loop))
    with pytest.raises(ValueError, match="triplets is not given"):
        run(dataclasses.replace(config, triplets=None))
