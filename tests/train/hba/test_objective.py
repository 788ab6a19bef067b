from __future__ import annotations

import numpy as np
import pytest
import torch
from reference import losses as reference

from alignkit.rsa import RDM, compare, rdm, triplet_accuracy
from alignkit.train.hba._objective import Objective, rdm48_spearman

SCALE = (-0.5, 2.5)


@pytest.fixture
def pair(rng):
    return 100 * rng.random((9, 5)), 100 * rng.random((9, 5))


def units(x):
    return -0.5 + x / 100 * 3.0


def test_each_loss_is_its_own(pair):
    x, y = (torch.from_numpy(a) for a in pair)
    assert Objective("mse", SCALE).of_embeddings(x, y).item() == pytest.approx(float(((x - y) ** 2).mean()))
    assert Objective("rdm", SCALE).of_embeddings(x, y).item() == pytest.approx(reference.rdm_loss(*pair))
    # similarities are dot products in the targets' own units, not from 0 to 100
    soft = reference.soft_triplets(units(pair[0]), units(pair[1]))
    assert Objective("triplets", SCALE).of_embeddings(x, y).item() == pytest.approx(soft)


def test_answers_are_taken_as_they_come(pair):
    answers = [[0, 1, 2], [4, 2, 6], [4, 2, 7]]
    rows = torch.from_numpy(pair[0][answers])
    loss = Objective("triplets", SCALE).of_answers(rows).item()
    assert loss == pytest.approx(reference.answers(units(pair[0]), answers))


@pytest.mark.parametrize("loss", ["mse", "triplets", "rdm"])
def test_metrics_are_those_of_the_rsa_side(pair, loss):
    x, y = pair
    objective = Objective(loss, SCALE)
    metrics = objective.metrics(x, y)
    assert metrics["val_loss"] == pytest.approx(
        objective.of_embeddings(torch.from_numpy(x), torch.from_numpy(y)).item()
    )
    assert metrics["val_mse"] == pytest.approx(((x - y) ** 2).mean())
    for method in ("spearman", "pearson"):
        assert metrics[f"val_rdm_{method}"] == pytest.approx(float(compare(rdm(x), rdm(y), method=method)))
    assert metrics["val_triplet_accuracy"] == pytest.approx(reference.agreeing(units(x), units(y)))
    assert "val_answer_accuracy" not in metrics


def test_answers_are_scored_where_there_are_any(pair):
    answers = np.array([[0, 1, 2], [4, 2, 6], [4, 2, 7], [5, 3, 8]])
    metrics = Objective("triplets", SCALE).metrics(*pair, answers)
    assert metrics["val_loss"] == pytest.approx(reference.answers(units(pair[0]), answers.tolist()))
    assert metrics["val_answer_accuracy"] == triplet_accuracy(units(pair[0]), answers, n_bootstrap=0).accuracy


def test_many_objects_are_thinned_for_triplets_alone(rng):
    x, y = 100 * rng.random((230, 4)), 100 * rng.random((230, 4))
    objective = Objective("triplets", (0.0, 1.0))
    first, again = objective.metrics(x, y), objective.metrics(x, y)
    assert first == again
    assert first["val_mse"] == pytest.approx(((x - y) ** 2).mean())


def test_the_48_are_compared_in_their_order(rng):
    x = rng.random((6, 4))
    people = RDM(rdm(x).values, list("fedcba"))
    assert rdm48_spearman(x, people) == pytest.approx(1.0)
