from __future__ import annotations

import threading

import pytest

from alignkit.train._prefetch import Prefetch


def test_every_step_is_made_once_and_one_ahead():
    made = []
    second = threading.Event()

    def make(step):
        made.append(step)
        if step == 1:
            second.set()
        return step * step

    with Prefetch(make, 4) as batches:
        assert batches.get(0) == 0
        assert second.wait(10)  # nobody has asked for it yet
        assert [batches.get(step) for step in range(1, 4)] == [1, 4, 9]
    assert made == [0, 1, 2, 3]


def test_it_begins_anywhere_and_goes_back():
    with Prefetch(lambda step: -step, 10) as batches:
        assert [batches.get(step) for step in (7, 8, 3, 9)] == [-7, -8, -3, -9]


def test_an_error_comes_with_its_own_step():
    def make(step):
        if step == 2:
            raise ValueError("broken.jpg cannot be read")  # noqa: EM101
        return step

    with Prefetch(make, 5) as batches:
        assert [batches.get(0), batches.get(1)] == [0, 1]
        with pytest.raises(ValueError, match=r"broken.jpg"):
            batches.get(2)
