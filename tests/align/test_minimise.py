from __future__ import annotations

import numpy as np
import pytest
from reference.slopes import central_differences
from reference.teacher import cross_entropy, distance_from_identity, local_term

from alignkit.align._map_objective import Answers, MapObjective, transformed
from alignkit.align._maps import make_map
from alignkit.align._minimise import minimise
from alignkit.align._penalties import LocalTerm
from alignkit.align._soft_triplets import draw_triplets, soft_triplets

OPTIONS = {"max_iter": 300, "learning_rate": 1e-2, "batch_size": 64}


@pytest.fixture
def objective(rng):
    x = rng.normal(size=(30, 4))
    answers = soft_triplets(1.5 * x[:, :2], np.arange(30), 500, rng)
    return MapObjective(x, answers, make_map("full", x, None), bias=False, regulariser="global", penalty=1e-6)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("regulariser", ["global", "naive", "glocal"])
def test_the_whole_objective_equals_loops_and_differences(rng, regulariser, bias):
    x, far = rng.normal(size=(8, 3)), rng.normal(size=(6, 3))
    answers = Answers(draw_triplets(8, 20, rng), rng.dirichlet(np.ones(3), 20))
    local = LocalTerm(far, 0.5) if regulariser == "glocal" else None
    form = make_map("full", x, None)
    objective = MapObjective(x, answers, form, bias=bias, regulariser=regulariser, penalty=0.3, local=local, alpha=0.25)
    weights, b = rng.normal(size=(3, 3)), rng.normal(size=3)
    vector = objective.vector(weights, b if bias else None)
    value, gradient = objective(vector)
    shift = b if bias else 0.0
    expected = cross_entropy(x @ weights + shift, answers.items, answers.probabilities)
    if local is not None:
        expected = 0.75 * expected + 0.25 * local_term(far, far @ weights + shift, 0.5)
    cost = np.sqrt((weights**2).sum()) if regulariser == "naive" else distance_from_identity(weights)
    assert value == pytest.approx(expected + 0.3 * cost, rel=1e-12)
    slopes = central_differences(lambda v: objective(v)[0], vector)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-5, atol=1e-8)
    # a batch of everything is everything
    whole = objective.of_batch(vector, np.arange(20))
    assert whole[0] == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(whole[1], gradient, rtol=1e-9, atol=1e-12)


def test_both_optimizers_find_the_map_that_made_the_answers(objective, rng):
    gram = 2.25 * objective.x[:, :2] @ objective.x[:, :2].T
    off = ~np.eye(30, dtype=bool)
    for name, least in (("lbfgs", 0.9999), ("adam", 0.99)):
        start = objective.vector(0.12 * np.eye(4), None)
        found = minimise(objective, start, optimizer=name, rng=rng, **OPTIONS)
        y = transformed(objective.x, *objective.parts(found.vector))
        assert np.corrcoef((y @ y.T)[off], gram[off])[0, 1] > least
        assert found.history[0] == pytest.approx(objective(start)[0])
        assert found.history[-1] == pytest.approx(objective(found.vector)[0])
        assert np.isfinite(found.history).all()


def test_the_loss_of_lbfgs_never_rises_and_every_iteration_is_told(objective, rng):
    told = []
    start = objective.vector(0.12 * np.eye(4), None)
    found = minimise(objective, start, optimizer="lbfgs", rng=rng, tick=told.append, **OPTIONS)
    assert found.converged
    assert np.all(np.diff(found.history) <= 0)
    assert told == found.history[1:].tolist()
    short = minimise(objective, start, optimizer="lbfgs", rng=rng, **{**OPTIONS, "max_iter": 3})
    assert not short.converged
    assert len(short.history) == 4


def test_adam_takes_the_steps_of_torch(objective, rng):
    torch = pytest.importorskip("torch")
    start = objective.vector(0.3 * np.eye(4), None)
    options = {**OPTIONS, "max_iter": 3, "batch_size": 500}
    found = minimise(objective, start, optimizer="adam", rng=rng, **options)
    weight = torch.nn.Parameter(torch.from_numpy(start.copy()))
    optimizer = torch.optim.Adam([weight], lr=1e-2)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1.0, end_factor=1 / 3, total_iters=2)
    for _ in range(3):
        weight.grad = torch.from_numpy(objective(weight.detach().numpy())[1])
        optimizer.step()
        schedule.step()
    np.testing.assert_allclose(found.vector, weight.detach().numpy(), rtol=0, atol=1e-9)
