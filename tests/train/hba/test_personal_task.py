from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from alignkit.rsa import Triplets
from alignkit.train._order import Samples
from alignkit.train.config import LoopConfig
from alignkit.train.hba._personal_task import PersonData, PersonTask, require_gradients, score_answers
from alignkit.train.hba.config import HBAConfig

CONFIG = HBAConfig(loss="triplets", answers="human", loop=LoopConfig(monitor="val_loss", batch_size=5, device="cpu"))
RNG = np.random.default_rng(3)


class Table(nn.Module):
    """A model of photos that has a row of dimensions for each."""

    def __init__(self, rows):
        super().__init__()
        self.rows = nn.Parameter(torch.from_numpy(rows))

    def forward(self, inputs):
        return self.rows[inputs["number"]]


def task_of(lab_data, *, prior, log_scale=0.3, n=12):
    n_objects, n_dims = lab_data.targets.shape
    items = np.array([RNG.permutation(n_objects)[:3] for _ in range(n + 4)])
    answers = Triplets(items, lab_data.labels, participant=["a"] * len(items))
    rows = RNG.uniform(0, 100, size=(len(lab_data.photos), n_dims))
    start = RNG.uniform(0, 1, size=(n_objects, n_dims))
    person = PersonData(
        subject="a",
        train=answers.take(np.arange(n)),
        val=answers.take(np.arange(n, n + 4)),
        start=start,
        log_scale=log_scale,
        prior=prior,
        saved=("rows",),
    )
    task = PersonTask(
        lab_data, Table(rows), CONFIG, person, source=lambda numbers: {"number": torch.from_numpy(numbers)}
    )
    return task, person


def probabilities(x, log_scale):
    """Of the three pairs of each triplet, x of shape (n, 3, dimensions), by loops."""
    found = []
    for first, second, third in x:
        pairs = [first @ second, first @ third, second @ third]
        exponentials = [math.exp(math.exp(log_scale) * pair) for pair in pairs]
        found.append([value / sum(exponentials) for value in exponentials])
    return found


def in_units(lab_data, values):
    low, high = lab_data.scale
    return low + values / 100 * (high - low)


@pytest.mark.parametrize("prior", [1e-9, 6.0, 300.0])
def test_the_loss_is_that_of_own_answers_and_of_the_group_s(lab_data, prior):
    task, person = task_of(lab_data, prior=prior)
    samples = Samples(np.array([3, 0, 7]), np.array([3, 0, 7]), 0)
    outputs = RNG.uniform(0, 100, size=(3, 3, len(lab_data.dimensions)))
    losses = task.loss(torch.from_numpy(outputs), task.targets(samples))

    q = probabilities(person.start[person.train.items[samples.index]], person.log_scale)
    p = probabilities(in_units(lab_data, outputs), person.log_scale)
    own = -sum(math.log(row[0]) for row in p)
    group = -sum(a * math.log(b) for before, now in zip(q, p, strict=True) for a, b in zip(before, now, strict=True))
    # of n answers the batch has three, and so three n-ths of the prior's
    n = len(person.train)
    assert losses["answers"].item() == pytest.approx(own / 3, rel=1e-6)
    assert losses["loss"].item() == pytest.approx((own + prior / n * group) / (3 * (1 + prior / n)), rel=1e-6)


def test_a_strong_prior_leaves_the_start_where_it_is(lab_data):
    task, person = task_of(lab_data, prior=1e12)
    samples = Samples(np.arange(5), np.arange(5), 0)
    low, high = lab_data.scale
    start = (person.start[person.train.items[:5]] - low) / (high - low) * 100
    outputs = torch.from_numpy(start).requires_grad_()
    task.loss(outputs, task.targets(samples))["loss"].backward()
    assert outputs.grad.abs().max() < 1e-6


def test_samples_are_the_person_s_answers(lab_data):
    task, person = task_of(lab_data, prior=10.0)
    assert task.n_samples == 12
    samples = Samples(np.array([2, 5]), np.array([2, 5]), 0)
    i, j, k = (lab_data.labels[number] for number in person.train.items[5])
    assert task.names(samples)[1] == f"{i}, {j} | {k}"
    inputs = task.inputs(samples)
    shown = inputs["number"][inputs["rows"]].numpy()
    for answer, photos in zip(person.train.items[samples.index], shown, strict=True):
        for number, photo in zip(answer, photos, strict=True):
            assert photo in lab_data.photos_of[number]


def test_steps_are_chosen_on_other_answers(lab_data):
    task, person = task_of(lab_data, prior=10.0)
    x = np.stack([task.model.rows.detach().numpy()[own].mean(axis=0) for own in lab_data.photos_of])
    p = probabilities(in_units(lab_data, x)[person.val.items], person.log_scale)
    metrics = task.validate(task.module)
    assert metrics["val_loss"] == pytest.approx(np.mean([-math.log(row[0]) for row in p]), rel=1e-5)
    assert metrics["val_answer_accuracy"] == np.mean([row[0] > max(row[1:]) for row in p])


def test_answers_are_scored_as_by_loops_and_ties_are_errors():
    x = RNG.normal(size=(6, 3))
    x[1] = x[2]
    items = np.array([[0, 1, 3], [3, 4, 5], [0, 1, 2]])
    right, log_p = score_answers(x, items, -0.4)
    p = probabilities(x[items], -0.4)
    assert log_p.numpy() == pytest.approx([math.log(row[0]) for row in p])
    assert right.tolist()[:2] == [row[0] > max(row[1:]) for row in p][:2]
    assert not right[2]  # 0 is as much like 1 as like 2


def test_only_what_is_named_trains():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    require_gradients(model, {"1.weight"})
    assert [name for name, value in model.named_parameters() if value.requires_grad] == ["1.weight"]
