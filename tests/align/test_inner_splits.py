from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from alignkit.align._inner_splits import _best, choose, make_splits
from alignkit.align._map_objective import Answers, MapObjective
from alignkit.align._maps import make_map
from alignkit.align._soft_triplets import draw_triplets, soft_triplets

OPTIONS = {"n_splits": 3, "held_out": 0.3, "n_drawn": 200, "draw": None}


@pytest.fixture
def answers(rng):
    return Answers(draw_triplets(40, 3000, rng))


def test_both_sides_of_a_split_share_no_item_and_keep_every_triplet_of_theirs(answers):
    splits = make_splits(answers, 40, **OPTIONS, rng=np.random.default_rng(0))
    assert len(splits) == 3
    for split in splits:
        inner, held = set(split.inner.items.ravel()), set(split.held_out.items.ravel())
        assert not inner & held
        assert len(held) <= 12 == round(40 * (1 - split.share))
        kept = sum(set(row) <= inner for row in answers.items.tolist())
        assert len(split.inner) == kept
    again = make_splits(answers, 40, **OPTIONS, rng=np.random.default_rng(0))
    assert all(np.array_equal(a.inner.items, b.inner.items) for a, b in zip(splits, again, strict=True))


def test_drawn_triplets_take_the_place_of_answers_in_the_fit_alone(answers, rng):
    embedding = rng.random((40, 3))

    def draw(rows, n, own):
        return soft_triplets(embedding, rows, n, own)

    splits = make_splits(answers, 40, **{**OPTIONS, "draw": draw}, rng=np.random.default_rng(0))
    assert all(len(split.inner) == 200 and split.inner.probabilities is not None for split in splits)
    assert all(split.held_out.probabilities is None for split in splits)
    nothing = Answers(np.empty((0, 3), dtype=np.int64))
    splits = make_splits(nothing, 40, **{**OPTIONS, "draw": draw}, rng=np.random.default_rng(0))
    assert all(len(split.held_out) == 200 for split in splits)
    assert all(not set(s.inner.items.ravel()) & set(s.held_out.items.ravel()) for s in splits)


def test_too_few_held_out_triplets_are_said_to_be(rng):
    with pytest.raises(ValueError, match=r"triplets lie among the 30% of the items .* give penalty="):
        make_splits(Answers(draw_triplets(40, 50, rng)), 40, **OPTIONS, rng=np.random.default_rng(0))


@pytest.mark.parametrize("soft", [True, False])
def test_the_best_temperature_is_that_of_a_plain_search(rng, soft):
    logits = 3.0 * rng.normal(size=(3, 400))
    p = rng.dirichlet([0.5, 0.5, 2.0], 400).T if soft else None
    wanted = np.array([[0.0], [0.0], [1.0]]) if p is None else p
    if not soft:
        logits[2] += 2.0

    def cost(log_t):
        return -np.mean(np.sum(wanted * log_softmax(logits / np.exp(log_t), axis=0), axis=0))

    found = minimize_scalar(cost, bounds=(-4, 6), method="bounded", options={"xatol": 1e-9})
    value, temperature = _best(logits, p)
    assert value == pytest.approx(found.fun, rel=1e-9)
    assert temperature == pytest.approx(np.exp(found.x), rel=1e-4)


def test_the_penalty_of_least_cross_entropy_is_chosen_and_a_given_one_is_kept(answers, rng):
    x = rng.normal(size=(40, 3))
    form = make_map("full", x, None)
    asked = []

    def fit(inner, penalty, start):
        asked.append((penalty, start is None))
        objective = MapObjective(x, inner, form, bias=False, regulariser="global", penalty=penalty)
        # best in the middle: a scale that suits the answers, which are random, is small
        return objective, form.start((0.01 + abs(np.log2(penalty * 0.7))) * form.reference)

    splits = make_splits(answers, 40, **OPTIONS, rng=np.random.default_rng(0))
    told = []
    chosen = choose(x, splits, fit, regulariser="global", penalty=None, tick=told.append)
    costs = chosen.cross_entropy
    assert chosen.penalties.tolist() == [2.0 ** (3 - i) for i in range(len(costs))]
    assert chosen.penalty == chosen.penalties[costs.argmin()]
    assert told == list(range(1, 3 * len(costs) + 1))
    assert [fresh for _, fresh in asked[:6]] == [True] * 3 + [False] * 3
    assert asked[0][0] == pytest.approx(8.0 / 0.7)
    assert chosen.n_held_out == sum(len(split.held_out) for split in splits)
    given = choose(x, splits, fit, regulariser="global", penalty=0.25)
    assert (given.penalty, given.penalties.tolist()) == (0.25, [0.25])
