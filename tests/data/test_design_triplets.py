"""Lists of odd-one-out trials: sizes, balance, catch trials, repeats, and what they promise."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from alignkit.data import StudyAssumptions, TripletDesign, design_triplets, read_triplets

NAMES = [f"{group}/{i}.jpg" for group in ("cat", "car", "bus") for i in range(8)]
GROUPS = [name.split("/")[0] for name in NAMES]


@pytest.fixture(scope="module")
def design():
    return design_triplets(NAMES, n_people=12, n_answers=60, groups=GROUPS, people_per_triplet=6)


def lists(design):
    table = design.to_dataframe()
    return [table[table["list"] == p] for p in range(1, design.n_people + 1)]


def sets(table):
    return [frozenset(row) for row in table[["position1", "position2", "position3"]].to_numpy().tolist()]


def test_every_list_has_its_trials(design):
    assert design.kinds() == {"main": 48, "shared": 6, "retest": 3, "catch": 3}
    for part in lists(design):
        assert part["trial"].tolist() == list(range(1, 61))
        assert Counter(part["kind"]) == {"main": 48, "shared": 6, "retest": 3, "catch": 3}
        assert all(len(triplet) == 3 for triplet in sets(part))
        new = part[~part["kind"].isin(["retest"])]
        assert len(set(sets(new))) == len(new)


def test_repeats_were_shown_in_the_first_half(design):
    for part in lists(design):
        first = part[(part["trial"] <= 30) & part["kind"].isin(["main", "shared"])]
        again = part[part["kind"] == "retest"]
        assert (again["trial"] > 30).all()
        assert set(sets(again)) <= set(sets(first))
        assert len(set(sets(again))) == 3


def test_shared_triplets_have_as_many_people_as_asked_for(design):
    table = design.to_dataframe()
    shared = table[table["kind"] == "shared"]
    people = shared.groupby("triplet")["list"].nunique()
    assert set(people) == {6}
    assert len(people) == design.n_shared == 12
    assert design.people_per_triplet == 6.0
    main = table[table["kind"] == "main"]
    assert main["triplet"].is_unique
    assert not set(main["triplet"]) & set(shared["triplet"])


def test_catch_trials_have_one_odd_group_and_are_nowhere_else(design):
    table = design.to_dataframe()
    catch = table[table["kind"] == "catch"]
    for row in catch.itertuples():
        group = [name.split("/")[0] for name in (row.position1, row.position2, row.position3)]
        odd = row.expected.split("/")[0]
        assert group.count(odd) == 1
        assert len(set(group)) == 2
    assert (table[table["kind"] != "catch"]["expected"] == "").all()
    assert not set(sets(catch)) & set(sets(table[table["kind"] != "catch"]))
    trials = design.catch_trials()
    assert {trials.labels[i] for i in trials.items[:, 2]} == set(catch["expected"])
    assert len(trials) == len(set(sets(catch)))


def test_positions_are_balanced_within_a_list(design):
    number = {name: i for i, name in enumerate(NAMES)}
    for part in lists(design):
        ordinary = part[part["kind"] != "catch"]
        orders = [
            tuple(np.argsort([number[name] for name in row]))
            for row in ordinary[["position1", "position2", "position3"]].to_numpy()
        ]
        assert set(orders) == set(itertools.permutations(range(3)))
        catch = part[part["kind"] == "catch"]
        places = [[row.position1, row.position2, row.position3].index(row.expected) for row in catch.itertuples()]
        assert sorted(places) == [0, 1, 2]


def test_coverage_is_counted_over_distinct_triplets(design):
    table = design.to_dataframe()
    distinct = set(sets(table[table["kind"] != "catch"]))
    pairs = Counter(pair for triplet in distinct for pair in itertools.combinations(sorted(triplet), 2))
    coverage = design.coverage
    assert coverage.n_triplets == len(distinct) == 12 * 48 + 12
    assert (coverage.pair_min, coverage.pair_max) == (min(pairs.values()), max(pairs.values()))
    assert coverage.pair_mean == pytest.approx(3 * len(distinct) / (24 * 23 / 2))
    assert coverage.pair_max - coverage.pair_min <= 2
    items = Counter(name for triplet in distinct for name in triplet)
    assert coverage.item_max - coverage.item_min <= 2
    assert coverage.item_max == max(items.values())


def test_more_answers_than_triplets_are_spread_evenly():
    design = design_triplets(list("abcdefg"), n_people=10, n_answers=20, retest=0.0, people_per_triplet=4)
    table = design.to_dataframe()
    main = table[table["kind"] == "main"]
    assert len(set(sets(main))) == 35 - design.n_shared
    counts = Counter(sets(main))
    assert max(counts.values()) - min(counts.values()) <= 1
    for part in lists(design):
        assert len(set(sets(part))) == 20


def test_one_person_shares_with_nobody():
    design = design_triplets(NAMES, n_people=1, n_answers=100)
    assert design.kinds() == {"main": 95, "shared": 0, "retest": 5, "catch": 0}
    assert np.isnan(design.precision.ceiling)
    assert "ceiling" not in repr(design)
    with pytest.raises(ValueError, match="no catch trials"):
        design.catch_trials()


def test_a_seed_makes_the_same_lists(design):
    again = design_triplets(NAMES, n_people=12, n_answers=60, groups=GROUPS, people_per_triplet=6, rng=0)
    pd.testing.assert_frame_equal(again.to_dataframe(), design.to_dataframe())
    other = design_triplets(NAMES, n_people=12, n_answers=60, groups=GROUPS, people_per_triplet=6, rng=1)
    assert not other.to_dataframe().equals(design.to_dataframe())


def test_more_people_and_better_models_tell_more(design):
    more = design_triplets(NAMES, n_people=24, n_answers=60, groups=GROUPS, people_per_triplet=6)
    assert more.precision.accuracy_se < design.precision.accuracy_se
    assert more.precision.ceiling_se < design.precision.ceiling_se
    assert more.precision.person_se == design.precision.person_se
    alike = design_triplets(NAMES, n_people=12, n_answers=60, assume=StudyAssumptions(correlation=0.9))
    assert alike.precision.detectable < design.precision.detectable


def test_it_is_kept_and_read_again(design, tmp_path):
    design.save(tmp_path / "design.json")
    again = TripletDesign.load(tmp_path / "design.json")
    pd.testing.assert_frame_equal(again.to_dataframe(), design.to_dataframe())
    assert again.precision == design.precision
    assert repr(again) == repr(design)
    assert again.methods_text() == design.methods_text()
    assert again.plot() is not None


def test_lists_become_answers(design, tmp_path):
    paths = design.save_lists(tmp_path / "lists")
    assert [path.name for path in paths][:2] == ["list01.csv", "list02.csv"]
    table = pd.read_csv(paths[0]).assign(answer=2, ms=900)
    table.to_csv(tmp_path / "answers.csv", index=False)
    answers = read_triplets(
        tmp_path / "answers.csv",
        odd="position",
        labels=NAMES,
        items=("position1", "position2", "position3"),
        position="answer",
        participant="list",
        response_time="ms",
        time_unit="ms",
    )
    assert [answers.labels[i] for i in answers.items[:, 2]] == table["position2"].tolist()
    assert answers.response_time == pytest.approx(np.full(60, 0.9))
    assert set(answers.position) == {2}
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="give a folder"):
        design.save_lists(tmp_path / "file")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"n_people": 0}, "n_people must be at least 1"),
        ({"n_answers": 10**7}, "more than the 2,000,000 trials"),
        ({"shared": 1.5}, "shared must lie between 0 and 1"),
        ({"shared": 0.9, "retest": 0.2}, "leave 0 of 40 trials"),
        ({"catch": 0.1}, "catch trials need groups="),
        ({"people_per_triplet": 9}, "people_per_triplet must be at most n_people"),
        ({"n_answers": 3000}, "24 items make 2,024 triplets"),
        ({"groups": ["one"] * 24}, "groups must be at least two"),
        ({"groups": [str(i) for i in range(24)]}, "groups must be at least two"),
        ({"groups": ["a", "b"]}, "expected 24, got 2"),
    ],
)
def test_impossible_designs_are_named(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        design_triplets(NAMES, **{"n_people": 5, "n_answers": 40, **options})


def test_three_items_make_one_triplet():
    with pytest.raises(ValueError, match="at least 4 are needed"):
        design_triplets(list("abc"), n_people=2, n_answers=1)


@pytest.mark.parametrize("shared", [0.0, 0.2])
def test_nobody_sees_an_ordinary_trial_as_a_catch_trial_too(shared):
    names = [f"{group}{i}" for group in "ab" for i in range(4)]  # 56 triplets, 48 of them like catch trials
    design = design_triplets(
        names, n_people=12, n_answers=40, groups=[name[0] for name in names], shared=shared, catch=0.2, retest=0.0
    )
    assert design.coverage.n_triplets == 56
    for part in lists(design):
        catch = set(sets(part[part["kind"] == "catch"]))
        assert len(catch) == 8
        assert not catch & set(sets(part[part["kind"] != "catch"]))


def test_a_person_who_sees_all_that_could_be_catch_trials_is_told():
    names = [f"{group}{i}" for group in "ab" for i in range(2)]  # four triplets
    with pytest.raises(ValueError, match=r"no catch trial is left for person 1, whose .* all 4 triplets of two items"):
        design_triplets(
            names, n_people=3, n_answers=5, groups=[name[0] for name in names], shared=0, catch=0.2, retest=0
        )


def test_one_group_of_two_is_enough_for_catch_trials():
    groups = ["pair", "pair", *map(str, range(6))]
    design = design_triplets(list("abcdefgh"), n_people=3, n_answers=20, groups=groups)
    catch = design.catch_trials()
    assert {frozenset(row) for row in catch.items[:, :2].tolist()} == {frozenset({0, 1})}
