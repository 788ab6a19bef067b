from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignkit.data import Things, check_convention
from alignkit.rsa import Triplets


def loop_shares(items: np.ndarray, x: np.ndarray) -> np.ndarray:
    counts = np.zeros(3)
    for row in items:
        pairs = [x[row[1]] @ x[row[2]], x[row[0]] @ x[row[2]], x[row[0]] @ x[row[1]]]
        best = [k for k in range(3) if pairs[k] == max(pairs)]
        for k in best:
            counts[k] += 1 / len(best)
    return counts / len(items)


def test_equals_a_plain_loop_with_ties(rng: np.random.Generator) -> None:
    x = rng.integers(0, 3, (12, 4)).astype(float)
    items = np.array([rng.permutation(12)[:3] for _ in range(300)])
    pairs = np.stack([(x @ x.T)[items[:, i], items[:, j]] for i, j in ((1, 2), (0, 2), (0, 1))], axis=1)
    # put the predicted odd one last in most rows, so that the check passes
    order = (pairs.argmax(axis=1)[:, None] + np.array([1, 2, 3])) % 3
    items[:200] = np.take_along_axis(items, order, axis=1)[:200]
    np.testing.assert_allclose(check_convention(items, x), loop_shares(items, x), atol=1e-12)


@given(seed=st.integers(0, 2**32 - 1))
def test_item_numbers_and_the_order_within_the_pair_do_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(9, 3))
    items = np.array([rng.permutation(9)[:3] for _ in range(40)])
    gram = x @ x.T
    kept = np.array([max(((a, b, c), (a, c, b), (b, c, a)), key=lambda t: gram[t[0], t[1]]) for a, b, c in items])
    new = rng.permutation(9)
    moved = np.empty_like(x)
    moved[new] = x
    np.testing.assert_array_equal(check_convention(kept, x), [0, 0, 1])
    np.testing.assert_array_equal(check_convention(new[kept[:, [1, 0, 2]]], moved), [0, 0, 1])


def test_spose_on_things(things: Things) -> None:
    shares = check_convention(things.test10, things.spose66)
    np.testing.assert_allclose(shares, [0.17, 0.17, 0.66], atol=0.01)
    shares = check_convention(things.repeats, things.spose66)
    np.testing.assert_allclose(shares, [0.18, 0.18, 0.64], atol=0.01)


@pytest.mark.parametrize(("order", "word"), [([2, 0, 1], "first"), ([0, 2, 1], "second")])
def test_swapped_convention_is_detected(things: Things, order: list[int], word: str) -> None:
    swapped = Triplets(things.repeats.items[:, order], things.labels)
    with pytest.raises(ValueError, match=rf"picks the {word} column as the odd one out in 64%.*odd='{word}'"):
        check_convention(swapped, things.spose66)


def test_shown_order_instead_of_odd_last_is_detected(things: Things, shared_data) -> None:
    raw = np.loadtxt(shared_data("things", "triplets_repeats.csv"), dtype=int)
    # the file keeps the shown order: its third column is odd in a third of the rows only
    third = raw[:, 3] == 3
    assert third.mean() < 0.36
    with pytest.raises(ValueError, match="finds no column to be the odd one out"):
        check_convention(raw[:, :3] - 1, things.spose66)


def test_mixed_up_items_are_detected(things: Things, rng: np.random.Generator) -> None:
    with pytest.raises(ValueError, match="finds no column"):  # whichever of three thirds is the largest by chance
        check_convention(things.repeats, things.spose66[rng.permutation(1854)])


@pytest.mark.parametrize("seed", range(6))
def test_chance_names_no_column(seed: int) -> None:
    rng = np.random.default_rng(seed)
    triplets = np.array([rng.permutation(20)[:3] for _ in range(400)])
    with pytest.raises(ValueError, match="finds no column to be the odd one out"):
        check_convention(triplets, rng.standard_normal((20, 5)))


def test_numbers_beyond_the_embedding(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"item number 3, but the embedding has 3 rows \(0 to 2\)"):
        check_convention([[1, 2, 3]], np.eye(3))


def test_not_numbers() -> None:
    with pytest.raises(TypeError, match="embedding must hold real numbers"):
        check_convention([[0, 1, 2]], [["a"], ["b"], ["c"]])
    with pytest.raises(ValueError, match="NaN"):
        check_convention([[0, 1, 2]], [[np.nan], [1.0], [2.0]])
