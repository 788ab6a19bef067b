"""One door for randomness: the same seed gives the same numbers, children are independent of workers."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit._random import as_rng, spawn


def test_a_generator_passes_through_and_a_seed_gives_numpys_own():
    generator = np.random.default_rng(5)
    assert as_rng(generator) is generator
    np.testing.assert_array_equal(as_rng(7).random(9), np.random.default_rng(7).random(9))
    np.testing.assert_array_equal(as_rng(np.int64(7)).random(9), np.random.default_rng(7).random(9))


def test_none_differs_from_call_to_call():
    assert as_rng(None).integers(2**62) != as_rng(None).integers(2**62)


@pytest.mark.parametrize("bad", [True, "7", 1.5, [1], np.random])
def test_other_types_are_refused(bad):
    with pytest.raises(TypeError, match="rng must be a numpy Generator, a non-negative integer or None; got"):
        as_rng(bad)


def test_negative_seeds_are_refused():
    with pytest.raises(ValueError, match=r"rng must be .* got -1\."):
        as_rng(-1)


def test_the_global_state_is_not_touched():
    before = np.random.get_state()[1].copy()  # noqa: NPY002 (that it stays as it is, is the point)
    as_rng(3).random(5)
    spawn(3, 2)[0].random(5)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_children_do_not_depend_on_how_many_there_are():
    few, many = spawn(11, 3), spawn(11, 8)
    for a, b in zip(few, many, strict=False):
        np.testing.assert_array_equal(a.random(4), b.random(4))


def test_children_are_those_of_numpys_seed_sequence_and_differ():
    expected = [np.random.default_rng(seq) for seq in np.random.SeedSequence(11).spawn(4)]
    draws = [child.random(6) for child in spawn(11, 4)]
    for child, other in zip(draws, expected, strict=True):
        np.testing.assert_array_equal(child, other.random(6))
    assert len({draw.tobytes() for draw in draws}) == 4


def test_a_generator_gives_new_children_each_time():
    generator = np.random.default_rng(0)
    first, second = spawn(generator, 2), spawn(generator, 2)
    assert not np.array_equal(first[0].random(4), second[0].random(4))
