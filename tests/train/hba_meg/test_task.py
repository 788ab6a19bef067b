"""The task of HBA-MEG: batches, stages, what is logged, the same on one process and on two, cut off and gone on."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from reference.launch import launch
from scipy.stats import spearmanr

from alignkit.models import extract, load
from alignkit.models._weights import read_weights
from alignkit.rsa import RDM
from alignkit.rsa._container import pair_index
from alignkit.train import LoopConfig, run
from alignkit.train._order import Order
from alignkit.train._run_folder import RunFolder
from alignkit.train._time_losses import rdms_over_time
from alignkit.train.hba_meg._data import read_data
from alignkit.train.hba_meg.config import HBAMEGConfig, TermsConfig
from alignkit.train.hba_meg.task import WEIGHTS, HBAMEGTask, build, build_task
from tests.reference.hba_meg_runs import lab_config
from tests.reference.toy_clip import add_tiny_clip, sizes


@pytest.fixture
def config(meg_lab, tmp_path, monkeypatch) -> HBAMEGConfig:
    weights = add_tiny_clip(tmp_path, monkeypatch, sizes(4))
    return lab_config(meg_lab, tmp_path, weights)


@pytest.fixture
def task(config) -> HBAMEGTask:
    with RunFolder.open(config.out, config) as folder:
        return build_task(read_data(config), config, folder)


def lines_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


def steps_of(path: Path) -> list[dict]:
    return [line for line in lines_of(path) if "lr" in line]


# --- batches and their loss


def test_a_batch_s_targets_are_the_mean_of_people_s_rdms_of_these_items(task, config):
    order = Order(n_samples=task.n_samples, batch_size=6, seed=0)
    samples = order.batch(1)
    labels = task.names(samples)
    people = [RDM.load(path).select(labels).values for path in config.rdms]
    mean = np.mean(people, axis=0)
    everything = [
        RDM.load(path).select([*task.data.splits.train, *task.data.splits.val]).values for path in config.rdms
    ]
    whole = np.mean(everything, axis=0)
    expected = (mean - whole.min()) / (whole.max() - whole.min())
    np.testing.assert_allclose(task.targets(samples)["rdms"].numpy(), expected, atol=1e-5)


def test_the_loss_is_that_of_the_whole_batch_s_rdms(task):
    samples = Order(n_samples=task.n_samples, batch_size=6, seed=0).batch(0)
    targets = task.targets(samples)
    outputs = task.module(task.inputs(samples))
    assert outputs.shape == (6, len(task.data.times), 6)
    found = task.loss(outputs, targets)
    expected = task.objective(rdms_over_time(outputs), targets["rdms"])
    torch.testing.assert_close(found["loss"], expected["loss"])
    assert float(found["pairs_seen"]) == pytest.approx(15 / (task.n_samples * (task.n_samples - 1) / 2))


def test_validation_is_on_items_that_nothing_is_fitted_to(task):
    val = task.data.val
    assert len(val) >= 3
    mine = task.rdms(torch.from_numpy(task.embedding(task._checked)))
    target = task.store.batch(task._checked)
    times = task.data.times
    expected = np.nanmean([spearmanr(mine[t], target[t]).statistic for t in range(len(times)) if times[t] >= 0])
    found = task.validate(task.module)
    assert found["val_spearman"] == pytest.approx(expected, abs=1e-6)
    weights = task.config.terms
    assert found["val_loss"] == pytest.approx(weights.over_all + weights.size + weights.generalization)


def test_photos_of_an_item_are_averaged(task):
    items = task.data.train[:3]
    numbers = np.concatenate([task.data.photos_of[i] for i in items])
    with torch.no_grad():
        each = task.model(task.source(numbers)).numpy()
    np.testing.assert_allclose(task.embedding(items), each, rtol=1e-5, atol=1e-5)  # one photo of each here


# --- stages


def test_layers_weights_are_trained_first_and_adapters_after(config):
    result = run(config)
    first = read_weights(config.out / "adapter.safetensors")
    assert {"mixing.table"} < set(first)
    assert (config.out / WEIGHTS / "finished.json").is_file()
    stage, whole = steps_of(config.out / WEIGHTS), steps_of(config.out)
    assert {line["lr"] for line in stage} == {config.weights_lr}
    assert {line["lr"] for line in whole} == {config.optim.lr}
    assert result.metrics["val_spearman"] >= lines_of(config.out)[0]["val"]["val_spearman"]
    seen = [line["pairs_seen"] for line in whole]
    assert seen == sorted(seen)
    assert 0 < seen[0] < seen[-1] <= 1


def test_each_stage_trains_what_it_should_at_its_own_rate(task, config):
    task.begin(task.stages[0])
    assert [name for name, p in task.model.named_parameters() if p.requires_grad] == ["mixing.table"]
    assert task.rates == {}
    task.begin(config)
    trained = [name for name, p in task.model.named_parameters() if p.requires_grad]
    assert any("lora_A" in name for name in trained)
    assert task.rates == {"mixing.": config.weights_lr / config.optim.lr}


def test_a_first_stage_may_be_left_out(config):
    run(dataclasses.replace(config, weights_epochs=0))
    assert not (config.out / WEIGHTS).exists()


def test_training_starts_at_the_published_loss_of_one_for_each_weight(config):
    """Each term is divided by its value before training: 1 + .1 + .15 for the group."""
    run(dataclasses.replace(config, loop=dataclasses.replace(config.loop, epochs=1)))
    first = lines_of(config.out / WEIGHTS)[0]["val"]
    assert first["val_loss"] == pytest.approx(1.25)


# --- cut off, processes, models


class Stopped(Exception):
    """In place of a kill."""


@pytest.mark.parametrize("n_calls", [3, 6])
def test_a_run_that_was_cut_off_in_either_stage_comes_to_the_same_bits(config, tmp_path, monkeypatch, n_calls):
    run(dataclasses.replace(config, out=tmp_path / "whole"))
    calls = []
    plain = HBAMEGTask.loss

    def loss(self, outputs, targets):
        calls.append(1)
        if len(calls) == n_calls:
            raise Stopped
        return plain(self, outputs, targets)

    with monkeypatch.context() as patch:
        patch.setattr(HBAMEGTask, "loss", loss)
        with pytest.raises(Stopped):
            run(config)
    run(config)
    same = [(path / "adapter.safetensors").read_bytes() for path in (tmp_path / "whole", config.out)]
    assert same[0] == same[1]


def train_here(fields: dict, weights: str) -> dict[str, list[float]]:
    """Train in one of several processes and return losses and gradients of both stages."""
    with pytest.MonkeyPatch.context() as patch:
        add_tiny_clip(Path(weights).parent, patch, sizes(4))
        config = HBAMEGConfig(**fields)
        run(config)
    lines = {"first": steps_of(config.out / WEIGHTS), "second": steps_of(config.out)}
    return {
        f"{stage} {name}": [line[name] for line in own]
        for stage, own in lines.items()
        for name in ("loss", "grad_norm")
    }


def test_two_processes_have_the_loss_of_one(config, tmp_path):
    """RDMs of pairs that lie on different processes are among those of the batch."""
    fields = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    alone = train_here({**fields, "out": tmp_path / "alone"}, str(config.weights))
    together = launch(train_here, {**fields, "out": tmp_path / "together"}, str(config.weights), timeout=300)
    assert together[0] == together[1]
    for name, expected in alone.items():
        assert together[0][name][0] == pytest.approx(expected[0], rel=1e-4 if "grad" in name else 1e-5), name
        # from then on the optimiser, which divides by gradients that may be tiny, tells roundings apart
        if "loss" in name:
            np.testing.assert_allclose(together[0][name], expected, rtol=0.05, err_msg=name)


def test_the_finished_model_gives_what_the_task_s_gave(config):
    run(config)
    data = read_data(config)
    model = load(f"run:{config.out}", device="cpu")
    found = extract(model, {label: data.images[i][0] for i, label in enumerate(data.labels[:4])}, layers="all")
    with RunFolder.open(config.out / "again", dataclasses.replace(config, out=config.out / "again")) as folder:
        again = build_task(data, config, folder)
    again.begin(config)  # with what lies before the adapters, no longer what they give
    again.model.load_trained(
        {k: v for k, v in read_weights(config.out / "adapter.safetensors").items() if k in again.model.trained()}
    )
    expected = again.embedding(np.arange(4))
    for t, layer in enumerate(found.layers):
        np.testing.assert_allclose(found.array(layer), expected[:, t], rtol=1e-4, atol=1e-4)


# --- what is refused


def test_a_person_s_model_is_asked_for_elsewhere(config):
    config = dataclasses.replace(config, subject="p001")
    with RunFolder.open(config.out, config) as folder, pytest.raises(ValueError, match=r"personal_dynamics\(config\)"):
        build(config, folder)


def test_batches_of_two_have_no_rdm(config):
    loop = LoopConfig(epochs=1, batch_size=2, device="cpu", progress=False, monitor="val_spearman", mode="max")
    with pytest.raises(ValueError, match="RDMs need at least 3 items"):
        run(dataclasses.replace(config, loop=loop))


def test_a_run_of_another_config_is_refused(config):
    run(config)
    with pytest.raises(ValueError, match=r"holds a run with other settings \(terms.over_all 1.0, now 2.0\)"):
        run(dataclasses.replace(config, terms=TermsConfig(over_all=2.0)))


def test_after_the_first_stage_another_config_is_refused_in_its_own_settings(config, monkeypatch):
    stop = dataclasses.replace(config.loop, epochs=1)
    with monkeypatch.context() as patch:
        patch.setattr(HBAMEGTask, "begin", stopped)
        with pytest.raises(KeyboardInterrupt):
            run(config)
    assert not list((config.out / "checkpoints").glob("step-*.json"))
    sentence = r"group holds a run with other settings \(weights_lr 0.05, now 0.1; loop.epochs 2, now 1\); choose"
    with pytest.raises(ValueError, match=sentence):
        run(dataclasses.replace(config, weights_lr=0.1, loop=stop))
    assert run(config).history.last_step > 0


_BEGIN = HBAMEGTask.begin


def stopped(task, settings):
    """Begin a stage as the task does, and be stopped before the second."""
    if settings not in task.stages:
        raise KeyboardInterrupt
    _BEGIN(task, settings)


def test_what_is_missing_is_warned_of_before_training(config, meg_lab, tmp_path):
    first = RDM.load(config.rdms[0])
    values = first.values.copy()
    left, (a, b, c) = meg_lab.held_out.read_text().split(), (0, 1, 2)
    rows = [k for k, label in enumerate(first.labels) if label not in left]
    values[3, [pair_index(rows[a], rows[b], first.n_items), pair_index(rows[a], rows[c], first.n_items)]] = np.nan
    values[4, pair_index(rows[a], rows[b], first.n_items)] = np.nan
    path = tmp_path / config.rdms[0].name
    first.replace(values).save(path)
    config = dataclasses.replace(config, rdms=(path, *config.rdms[1:]))
    n = len(rows) * (len(rows) - 1) // 2
    with RunFolder.open(config.out, config) as folder:
        with pytest.warns(UserWarning, match=rf"^'p001': 2 of {n} pairs have no number at some time\.$"):
            build(config, folder)
        folder.path.joinpath("splits.json").unlink()
        photos = shutil.copytree(config.images, tmp_path / "photos")
        shutil.rmtree(photos / first.labels[rows[5]])
        with pytest.warns(UserWarning, match="pairs have no number|have no image") as caught:
            build(dataclasses.replace(config, images=photos), folder)
    assert str(caught[0].message) == f"1 of the 24 items of the RDMs have no image: {first.labels[rows[5]]!r}."


@pytest.mark.parametrize("start", [None, Path("my-model")])
def test_a_start_of_which_nothing_is_left_is_refused_before_training(task, start):
    config, again = dataclasses.replace(task.config, start=start), {"targets": task.store}
    again["source_of"] = lambda: task.source
    task.model.offset[1:] = -1e4
    HBAMEGTask(task.data, task.model, task.config, **again)  # one dimension is enough
    task.model.offset[0] = -1e4
    whose = "open_clip:Tiny-CLIP" if start is None else "my-model"
    sentence = (
        rf"^all 6 dimensions of {whose} are <= 0 for all items, so that nothing is left after the ReLU; (use|train)"
    )
    with pytest.raises(ValueError, match=sentence):
        HBAMEGTask(task.data, task.model, config, **again)


def test_squared_distances_train_as_well(config):
    result = run(dataclasses.replace(config, metric="sqeuclidean", dimension_weights=True))
    assert np.isfinite(result.metrics["val_loss"])
    assert "mixing.log_factors" in read_weights(config.out / "adapter.safetensors")
    manifest = json.loads((config.out / "model.json").read_text())
    assert (manifest["method"], manifest["metric"]) == ("hba-meg", "sqeuclidean")
