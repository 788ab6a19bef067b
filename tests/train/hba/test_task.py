from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from reference.launch import launch
from torch import nn

from alignkit.rsa import RDM, rdm
from alignkit.train._order import Order, share
from alignkit.train._processes import Processes
from alignkit.train.config import LoopConfig
from alignkit.train.hba.config import HBAConfig
from alignkit.train.hba.task import HBATask


class Table(nn.Module):
    """A model whose inputs are its outputs but for a factor, in place of a network."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, inputs):
        return self.factor * inputs["hidden"]

    def embed(self, inputs):
        return inputs["hidden"][:, :2]


def make_task(data, loss="mse", answers="embedding", batch_size=9, seen=None, **changes):
    """Return a task whose photos show their object's dimensions, and how far from 0 a photo's number is."""
    owner = np.empty(len(data.photos), dtype=int)
    for number, photos in enumerate(data.photos_of):
        owner[photos] = number
    rows = data.targets[owner] + 0.01 * np.arange(len(owner))[:, None]

    def source(numbers):
        if seen is not None:
            seen.append(np.asarray(numbers))
        return {"hidden": torch.from_numpy(rows[numbers])}

    loop = LoopConfig(batch_size=batch_size, progress=False, **changes)
    return HBATask(data, Table(), HBAConfig(loss=loss, answers=answers, loop=loop), source=source), rows


def order_of(task, batch_size=9):
    return Order(n_samples=task.n_samples, batch_size=batch_size, seed=3)


def test_an_epoch_shows_every_training_object_once(lab_data):
    seen = []
    task, _ = make_task(lab_data, seen=seen, drop_last=True)
    order = order_of(task, 1)
    for step in range(order.steps_per_epoch):
        task.inputs(order.batch(step))
    owner = {photo: number for number, photos in enumerate(lab_data.photos_of) for photo in photos.tolist()}
    assert sorted(owner[int(numbers[0])] for numbers in seen) == sorted(lab_data.train)


def test_photos_of_an_object_take_turns_at_random(lab_data):
    seen = []
    task, _ = make_task(lab_data, seen=seen)
    order = order_of(task)
    for step in range(40 * order.steps_per_epoch):
        task.inputs(order.batch(step))
    drawn = np.bincount(np.concatenate(seen), minlength=len(lab_data.photos))
    first = [drawn[photos[0]] for photos in (lab_data.photos_of[i] for i in lab_data.train)]
    assert 0.4 < np.mean(first) / 40 < 0.6
    assert np.ptp(first) > 0


def test_inputs_and_targets_belong_together(lab_data):
    task, rows = make_task(lab_data)
    samples = order_of(task).batch(2)
    targets = task.targets(samples)["dimensions"]
    assert targets.dtype == torch.float32
    assert task.inputs(samples)["hidden"].numpy() == pytest.approx(targets.numpy(), abs=0.01 * len(rows) + 1e-3)
    labels = [lab_data.labels[i] for i in lab_data.train[samples.index]]
    assert list(task.names(samples)) == labels
    assert np.array_equal(targets, lab_data.targets[lab_data.train[samples.index]].astype(np.float32))


@pytest.mark.parametrize("answers", ["embedding", "human"])
def test_parts_of_a_batch_are_the_batch(lab_data, answers):
    task, _ = make_task(lab_data, "triplets", answers)
    samples = order_of(task).batch(1)
    whole = task.module(task.inputs(samples))
    parts = [task.module(task.inputs(share(samples, rank, 3))) for rank in range(3)]
    assert torch.equal(torch.cat(parts), whole)
    assert len(whole) == len(samples)


def test_answers_have_their_three_objects_and_each_photo_once(lab_data):
    seen = []
    task, rows = make_task(lab_data, "triplets", "human", seen=seen)
    samples = order_of(task).batch(0)
    outputs = task.module(task.inputs(samples))
    assert outputs.shape == (9, 3, len(lab_data.dimensions))
    assert len(set(seen[0].tolist())) == len(seen[0])
    names = [name.replace(" |", ",").split(", ") for name in task.names(samples)]
    for name, output in zip(names, outputs.detach().numpy(), strict=True):
        objects = [lab_data.labels.index(one) for one in name]
        assert output == pytest.approx(lab_data.targets[objects], abs=0.01 * len(rows))
        assert set(objects) <= set(lab_data.train.tolist())


@pytest.mark.parametrize("drop_last", [False, True])
def test_answers_of_a_step_share_an_object_s_photo_and_each_step_draws_anew(lab_data, drop_last):
    seen = []
    task, _ = make_task(lab_data, "triplets", "human", 99, seen, drop_last=drop_last)
    order = Order(n_samples=task.n_samples, batch_size=99, seed=3, drop_last=drop_last)
    assert task.n_samples % 99
    owner = {photo: number for number, photos in enumerate(lab_data.photos_of) for photo in photos.tolist()}
    drawn = []
    for step in range(4 * order.steps_per_epoch):
        seen.clear()
        for rank in range(2):
            task.inputs(share(order.batch(step), rank, 2))
        photos = set(np.concatenate(seen).tolist())
        assert len({owner[photo] for photo in photos}) == len(photos)
        drawn.append(photos)
    # of two photos each, about half are the same in two steps, and of one draw all would be
    common = [len(one & other) / min(len(one), len(other)) for one, other in itertools.combinations(drawn, 2)]
    assert 0.45 < np.mean(common) < 0.55
    assert max(common) < 1


def test_answers_about_objects_of_other_splits_are_left_out(lab_data):
    task, _ = make_task(lab_data, "triplets", "human")
    train = set(lab_data.train.tolist())
    kept = [set(row) <= train for row in lab_data.answers.items.tolist()]
    assert task.n_samples == sum(kept)
    assert 0 < task.n_samples < len(lab_data.answers)


def test_without_answers_about_training_objects_there_is_nothing_to_train(lab_data):
    held = lab_data.answers.restrict(lab_data.splits.held_out)
    answers = dataclasses.replace(lab_data, answers=held)
    with pytest.raises(ValueError, match="none of people's answers is about training objects alone"):
        make_task(answers, "triplets", "human")


@pytest.mark.parametrize("loss", ["mse", "triplets", "rdm"])
def test_the_loss_falls_where_the_model_is_right(lab_data, loss):
    task, _ = make_task(lab_data, loss)
    samples = order_of(task).batch(0)
    targets = task.targets(samples)
    right = task.loss(targets["dimensions"].double(), targets)["loss"]
    wrong = task.loss(targets["dimensions"].double().flip(0), targets)["loss"]
    assert right < wrong
    losses = task.loss(task.module(task.inputs(samples)), targets)
    assert set(losses) == ({"loss"} if loss == "mse" else {"loss", "mse"})
    losses["loss"].backward()
    assert torch.isfinite(task.model.factor.grad)


def test_validation_is_on_the_mean_over_photos_of_validation_objects(lab_data):
    task, rows = make_task(lab_data)
    metrics = task.validate(task.module)
    means = np.stack([rows[photos].mean(axis=0) for photos in (lab_data.photos_of[i] for i in lab_data.val)])
    assert metrics["val_mse"] == pytest.approx(((means - lab_data.targets[lab_data.val]) ** 2).mean())
    assert metrics["val_rdm_spearman"] == pytest.approx(1.0)
    assert "test_rdm48_spearman" not in metrics
    assert task.predictions(lab_data.val) == pytest.approx(means)
    assert task.features(lab_data.val) == pytest.approx(means[:, :2])
    assert task.predictions().shape == lab_data.targets.shape


def validate_together(data):
    seen = []
    loop = LoopConfig(batch_size=9, device="cpu", progress=False)
    with Processes.start(loop) as processes:
        task, _ = make_task(data, seen=seen)
        metrics = task.validate(processes.wrap(task.module, loop), processes=processes)
    return metrics, np.concatenate(seen).tolist()


def test_processes_share_the_photos_of_a_validation(lab_data):
    alone, photos = validate_together(lab_data)
    assert sorted(photos) == sorted(photo for number in lab_data.val for photo in lab_data.photos_of[number])
    (first, here), (second, there) = launch(validate_together, lab_data)
    assert first == second == alone
    assert sorted([*here, *there]) == sorted(photos)
    assert abs(len(here) - len(there)) <= 1


def test_answers_are_validated_by_their_likelihood(lab_data):
    task, _ = make_task(lab_data, "triplets", "human")
    metrics = task.validate(task.module)
    assert 0 < metrics["val_loss"] < np.log(3)
    assert metrics["val_answer_accuracy"] >= 0.5


def test_the_48_are_logged_and_never_needed(lab_data):
    names = tuple(reversed(lab_data.splits.held_out))[:10]
    places = [lab_data.labels.index(name) for name in names]
    people = RDM(rdm(lab_data.targets[places]).values, names)
    data = dataclasses.replace(lab_data, rdm48=people, always=names)
    task, _ = make_task(data)
    assert task.validate(task.module)["test_rdm48_spearman"] == pytest.approx(1.0)
    without, _ = make_task(lab_data)
    here, there = task.validate(task.module), without.validate(without.module)
    assert {name: here[name] for name in there} == there


def test_a_batch_that_cannot_be_compared_is_refused_at_once(lab_data):
    n = len(lab_data.train)
    with pytest.raises(ValueError, match=r"at least 3 objects.*the smallest batch has 1; set drop_last"):
        make_task(lab_data, "rdm", batch_size=n - 1)
    with pytest.raises(ValueError, match=f"{n} training samples and batches of {n + 1}: not one whole batch"):
        make_task(lab_data, "rdm", batch_size=n + 1, drop_last=True)
    make_task(lab_data, "rdm", batch_size=n + 1)
    make_task(lab_data, "rdm", batch_size=n - 1, drop_last=True)
    make_task(lab_data, "mse", batch_size=n - 1)


def test_a_task_without_a_way_to_save_says_so(lab_data, tmp_path):
    task, _ = make_task(lab_data)
    with pytest.raises(ValueError, match="without a way to save"):
        task.export(tmp_path)
