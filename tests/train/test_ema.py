from __future__ import annotations

import torch
from torch import nn

from alignkit.train._ema import Ema


def test_the_average_follows_its_formula_and_can_take_the_weights_place():
    p = nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    ema = Ema({"p": p}, 0.75)
    expected = p.detach().clone()
    for value in (3.0, 5.0, -1.0):
        p.data = torch.full((2,), value, dtype=torch.float64)
        ema.update()
        expected = 0.75 * expected + 0.25 * value
    torch.testing.assert_close(ema.averages["p"], expected, rtol=1e-15, atol=0)
    with ema.swapped():
        assert torch.equal(p, ema.averages["p"])
    assert p.eq(-1.0).all()
    assert not ema.averages["p"].requires_grad


def test_weights_come_back_after_an_error():
    p = nn.Parameter(torch.ones(2))
    ema = Ema({"p": p}, 0.5)
    p.data.fill_(3.0)
    context = ema.swapped()
    context.__enter__()
    assert p.eq(1.0).all()
    assert not context.__exit__(ValueError, ValueError(), None)  # which it does not keep to itself
    assert p.eq(3.0).all()
