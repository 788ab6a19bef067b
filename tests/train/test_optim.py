from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from alignkit.train import OptimConfig
from alignkit.train._full_state import gradient_norm
from alignkit.train._optim import check_warmup, learning_rate, make_optimizer, not_finite, scale_gradients, set_rate

SCHEDULES = st.sampled_from(["constant", "cosine", "linear"])


@given(SCHEDULES, st.integers(0, 10), st.integers(1, 60), st.floats(0, 1))
def test_the_rate_ends_at_its_share_and_warms_up_along_a_line(schedule, warmup, more, final):
    config = OptimConfig(lr=0.5, schedule=schedule, warmup=warmup, final_lr=final)
    n_steps = warmup + more
    rates = [learning_rate(step, n_steps, config) for step in range(n_steps)]
    assert rates[:warmup] == pytest.approx([0.5 * (step + 1) / warmup for step in range(warmup)])
    after = rates[max(warmup - 1, 0) :]
    assert after[0] == pytest.approx(0.5)
    if len(after) > 1:
        assert after[-1] == pytest.approx(0.5 if schedule == "constant" else 0.5 * final)
    assert all(a >= b - 1e-12 for a, b in itertools.pairwise(after))


def test_the_cosine_is_half_way_down_in_the_middle():
    config = OptimConfig(lr=2.0, schedule="cosine")
    assert learning_rate(50, 101, config) == pytest.approx(1.0)
    assert learning_rate(25, 101, config) == pytest.approx(1.0 + math.cos(math.pi / 4))
    assert learning_rate(100, 101, config) == 0.0


def test_a_warm_up_longer_than_the_run_is_refused():
    check_warmup(10, OptimConfig(warmup=10))
    with pytest.raises(ValueError, match=r"optim.warmup is 11 steps, but the run has 10: the full"):
        check_warmup(10, OptimConfig(warmup=11))


@pytest.mark.parametrize(
    ("decay_all", "decayed"), [(False, {"weight", "table"}), (True, {"weight", "table", "b", "s"})]
)
def test_matrices_alone_decay(decay_all, decayed):
    shapes = {"weight": (3, 2), "table": (2, 2, 2), "b": (3,), "s": ()}
    parameters = {name: nn.Parameter(torch.ones(shape)) for name, shape in shapes.items()}
    optimizer = make_optimizer(parameters, OptimConfig(weight_decay=0.25, decay_all=decay_all))
    names = {id(p): name for name, p in parameters.items()}
    got = {names[id(p)]: group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert got == {name: 0.25 if name in decayed else 0.0 for name in shapes}


def test_groups_of_parameters_have_rates_of_their_own():
    parameters = {name: nn.Parameter(torch.ones(2, 2)) for name in ("mixing.table", "image.a", "image.b")}
    optimizer = make_optimizer(parameters, OptimConfig(lr=0.5, weight_decay=0.0), {"mixing.": 100.0})
    set_rate(optimizer, 0.25)
    names = {id(p): name for name, p in parameters.items()}
    got = {names[id(p)]: group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert got == {"mixing.table": 25.0, "image.a": 0.25, "image.b": 0.25}


def test_a_rate_of_parameters_that_do_not_train_is_refused():
    with pytest.raises(ValueError, match=r"a learning rate is given for 'mixing.', but no such parameter trains"):
        make_optimizer({"image.a": nn.Parameter(torch.ones(2))}, OptimConfig(), {"mixing.": 2.0})


def test_no_parameters_are_refused():
    with pytest.raises(ValueError, match="nothing trains"):
        make_optimizer({}, OptimConfig())


def test_rates_and_gradients_are_set_in_all_groups():
    parameters = {
        "w": nn.Parameter(torch.ones(2, 2)),
        "b": nn.Parameter(torch.ones(2)),
        "idle": nn.Parameter(torch.ones(1)),
    }
    parameters["w"].grad, parameters["b"].grad = torch.full((2, 2), 3.0), torch.full((2,), 5.0)
    scale_gradients(parameters.values(), 0.5)
    assert parameters["w"].grad.eq(1.5).all()
    assert parameters["b"].grad.eq(2.5).all()
    assert parameters["idle"].grad is None
    optimizer = make_optimizer(parameters, OptimConfig())
    set_rate(optimizer, 0.125)
    assert [group["lr"] for group in optimizer.param_groups] == [0.125, 0.125]


def test_parameters_whose_gradient_is_no_number_are_named():
    parameters = {name: nn.Parameter(torch.zeros(2)) for name in ("fine", "nan", "inf", "large", "none")}
    for name, value in {"fine": 1.0, "nan": math.nan, "inf": -math.inf, "large": 1e15}.items():
        parameters[name].grad = torch.tensor([0.0, value], dtype=torch.float32)
    assert not_finite(parameters, gradient_norm) == ["nan", "inf"]
