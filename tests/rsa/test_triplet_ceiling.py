from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import triplets as reference

from alignkit.rsa import TripletCeiling, Triplets, percent_of_ceiling, triplet_ceiling


def answers(seed, n=50, n_people=9):
    rng = np.random.default_rng(seed)
    pool = np.array([[0, 1, 2], [0, 1, 3], [1, 2, 4], [2, 3, 4], [0, 3, 4]])
    shown = pool[rng.integers(0, 5, n)]
    return np.take_along_axis(shown, np.array([rng.permutation(3) for _ in range(n)]), axis=1), rng.integers(
        0, n_people, n
    )


@given(seed=st.integers(0, 1000))
@settings(max_examples=20)
def test_equals_the_loops(seed):
    items, people = answers(seed, n=35)
    expected = reference.ceilings(items, people)
    result = triplet_ceiling(Triplets(items, participant=people), n_bootstrap=0)
    assert set(result.definition) == set(expected)
    for name in result.definition:
        assert result[name] == pytest.approx(expected[name], abs=1e-12, nan_ok=True)


@given(seed=st.integers(0, 1000))
def test_names_of_people_and_items_do_not_matter(seed):
    items, people = answers(seed)
    rng = np.random.default_rng(seed)
    order, rows = rng.permutation(5), rng.permutation(50)
    names = np.array([f"p{k}" for k in rng.permutation(9)])
    one = triplet_ceiling(Triplets(items, participant=people), n_bootstrap=0)
    other = triplet_ceiling(Triplets(order[items][rows], participant=names[people][rows]), n_bootstrap=0)
    np.testing.assert_allclose(one.estimate, other.estimate, atol=1e-12)


@pytest.mark.slow
def test_known_answers_on_things(things_repeats):
    result = triplet_ceiling(things_repeats, n_bootstrap=1000, rng=0)
    percent = {name: 100 * result[name] for name in result.definition}
    assert percent["plug-in"] == pytest.approx(67.22, abs=0.005)
    assert percent["leave-one-out"] == pytest.approx(64.38, abs=0.005)
    assert percent["half-split"] == pytest.approx(62.8, abs=0.3)  # measured by one random split: they scatter by .2
    assert percent["between-person"] == pytest.approx(54.0, abs=0.05)
    assert percent["answer-pairs"] == pytest.approx(54.1, abs=0.05)
    assert percent["within-person"] == pytest.approx(71.1, abs=0.05)
    assert percent["leave-one-person-out"] < percent["leave-one-out"]
    assert (result.n, result.n_triplets, result.n_people, result.n_cells) == (20000, 1000, 325, 1031)
    low, high = result.interval("plug-in")
    assert 100 * (high - low) / 2 == pytest.approx(1.04, abs=0.06)
    np.testing.assert_allclose(100 * np.array(result.interval("leave-one-out")), [62.95, 65.78], atol=0.15)
    assert not any(result.reason)
    people_low, people_high = result.interval("between-person", over="people")
    assert people_low < result["between-person"] < people_high
    assert (result.plug_in, result.leave_one_out) == (result["plug-in"], result["leave-one-out"])


@pytest.mark.parametrize("seed", range(4))
def test_people_intervals_are_centred_on_the_estimate(seed):
    # people drawn twice agree with themselves: the plain bootstrap of the plug-in ceiling lies above it
    rng = np.random.default_rng(seed)
    people = np.repeat(np.arange(6), 40)
    items = np.array([rng.permutation([0, 1, 2]) + 3 * (k % 40) for k in range(240)])
    result = triplet_ceiling(Triplets(items, participant=people), n_bootstrap=200, rng=seed)
    for k, name in enumerate(result.definition):
        if not result.reason[k]:
            low, high = result.interval(name, over="people")
            assert low < result[name] < high
            assert abs((low + high) / 2 - result[name]) < 0.35 * (high - low)


def test_people_interval_has_the_right_width():
    """Of 40 people each answers everything; half always take one item, half another: sd of the mean is known."""
    people = np.repeat(np.arange(40), 30)
    triplet = np.tile(np.arange(30), 40)
    odd = np.where(people % 4 == 0, 1, 2)
    items = np.array([[3 * t + (k + 1) % 3, 3 * t + (k + 2) % 3, 3 * t + k] for t, k in zip(triplet, odd, strict=True)])
    result = triplet_ceiling(Triplets(items, participant=people), n_bootstrap=1000, rng=0)
    # plug-in is the share of the majority, 3/4 of 40 people in every triplet
    assert result["plug-in"] == 0.75
    half = 1.96 * np.sqrt(0.75 * 0.25 / 40)
    np.testing.assert_allclose(result.interval("plug-in", over="people"), [0.75 - half, 0.75 + half], atol=0.02)
    # all triplets are alike: drawing them again changes nothing
    assert result.interval("plug-in") == pytest.approx((0.75, 0.75), abs=1e-12)


def test_same_seed_same_bits():
    items, people = answers(0)
    results = [triplet_ceiling(Triplets(items, participant=people), n_bootstrap=50, rng=3) for _ in range(2)]
    np.testing.assert_array_equal(results[0].people_low, results[1].people_low)
    np.testing.assert_array_equal(results[0].low, results[1].low)


def test_what_is_unknown_has_its_reason():
    items, _ = answers(1)
    bare = triplet_ceiling(items, n_bootstrap=20, rng=0)
    for name in ("leave-one-person-out", "between-person", "within-person"):
        assert np.isnan(bare[name])
        assert bare.reason[bare.definition.index(name)] == "participants are unknown"
    assert np.isnan(bare.people_low).all()
    assert np.isfinite(bare.interval("plug-in")).all()
    strangers = triplet_ceiling(Triplets(items, participant=np.arange(50)), n_bootstrap=0)
    assert strangers.reason[-1] == "nobody answered the same triplet twice"
    hermit = triplet_ceiling(Triplets(items, participant=np.zeros(50)), n_bootstrap=20, rng=0)
    assert hermit.reason[hermit.definition.index("between-person")] == "no triplet was answered by two people"
    assert np.isnan(hermit.people_low).all()


def test_single_answers_are_left_out_and_counted():
    result = triplet_ceiling([[0, 1, 2], [1, 0, 2], [3, 4, 5]], n_bootstrap=0)
    assert (result.n, result.n_triplets, result.n_single) == (2, 1, 1)
    with pytest.raises(ValueError, match="none of the 2 triplets was answered twice"):
        triplet_ceiling([[0, 1, 2], [3, 4, 5]])


def test_saves_loads_plots_and_speaks(tmp_path):
    items, people = answers(2)
    result = triplet_ceiling(Triplets(items, participant=people), n_bootstrap=20, rng=0)
    result.save(tmp_path / "c.json")
    back = TripletCeiling.load(tmp_path / "c.json")
    np.testing.assert_array_equal(back.estimate, result.estimate)
    assert back.definition == result.definition
    assert len(result.to_dataframe()) == 7
    assert "plug-in" in result.methods_text()
    assert "leave-one-out" in repr(result)
    assert "majority of the other answers" in result.describe("leave-one-out")
    axes = result.plot()
    assert len(axes.get_yticks()) == 7
    axes.figure.clear()
    with pytest.raises(ValueError, match="definition must be one of"):
        result["best"]
    with pytest.raises(ValueError, match="over must be"):
        result.interval("plug-in", over="items")


def test_percent_of_ceiling():
    assert percent_of_ceiling(0.6460, 0.6722) == pytest.approx(92.3, abs=0.05)
    assert percent_of_ceiling(0.5, 0.9, chance=0.5) == 0
    assert np.isnan(percent_of_ceiling(0.5, 0.3))
    assert np.isnan(percent_of_ceiling(0.5, np.nan))
    assert percent_of_ceiling(-0.2, 0.4, chance=0.0) == pytest.approx(-50)
    for bad in ((64.6, 0.67), (0.646, 67.2), (0.6, np.inf)):
        with pytest.raises(ValueError, match="divide per cent by 100"):
            percent_of_ceiling(*bad)
