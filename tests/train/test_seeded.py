"""Random numbers that are a function of a seed."""

from __future__ import annotations

import torch

from alignkit.train._seeded import own_random_numbers, seed_of, seeded

CPU = torch.device("cpu")


def test_seeds_stay_what_they_were():
    assert seed_of(0, 0, 0, 0) == 15793235383387715774
    assert len({seed_of(0, step, rank, part) for step in range(5) for rank in range(4) for part in range(3)}) == 60


def test_the_callers_random_numbers_stay():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    with own_random_numbers(CPU):
        torch.manual_seed(4)
        torch.rand(3)
    with seeded(CPU, 5):
        torch.rand(3)
    assert torch.equal(torch.get_rng_state(), before)


def test_draws_are_those_of_the_seed_whatever_was_drawn_before():
    drawn = []
    for parts in ((5, 0), (5, 0), (5, 1)):
        torch.rand(1 + len(drawn))
        with seeded(CPU, *parts):
            drawn.append(torch.rand(4))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
