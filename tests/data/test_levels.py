"""Levels: what the published pickle says of each trial, kept as plain arrays; hostile pickles are refused."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest
from reference.alignet_sets import levels_people, write_levels

from alignkit.data import Levels, load_levels, read_levels

NAMES = [f"n0000000{c}_{k}" for c in range(1, 6) for k in range(5)]
LEVEL = {"between_class": "global", "within_class": "local", "class_border": "class border"}


@pytest.fixture(scope="module")
def people():
    return levels_people(np.random.default_rng(0).normal(size=(25, 4)), NAMES)


@pytest.fixture(scope="module")
def root(people, tmp_path_factory):
    root = tmp_path_factory.mktemp("levels")
    write_levels(root, people)
    return root


@pytest.fixture(scope="module")
def levels(root) -> Levels:
    return load_levels(root)


def test_every_answer_is_that_of_its_trial(levels, people):
    trials = [(who, trial) for who, own in people.items() for trial in own if trial["exp_trial_type"] == "exp_trial"]
    triplets = levels.triplets
    assert len(triplets) == len(trials)
    assert levels.n_left_out == len(people)
    for row, (who, trial) in enumerate(trials):
        items = [triplets.labels[i] for i in triplets.items[row]]
        shown = [trial[f"image{k}Path"].removesuffix(".JPEG") for k in (1, 2, 3)]
        assert sorted(items) == sorted(shown)
        assert items[2] == trial["selected_image"].removesuffix(".JPEG")
        assert triplets.position[row] == shown.index(items[2]) + 1
        assert triplets.participant[row] == who
        assert triplets.response_time[row] == pytest.approx(trial["rt"] / 1000)
        assert levels.level[row] == LEVEL[trial["triplet_type"]]


def test_answers_at_one_level(levels):
    assert levels.levels == ("global", "local", "class border")
    for name, n_classes in (("global", 3), ("local", 1), ("class border", 2)):
        own = levels.of(name)
        assert len(own) == 240
        for row in own.items:
            assert len({own.labels[i].partition("_")[0] for i in row}) == n_classes
    with pytest.raises(ValueError, match="level must be one of 'global', 'local', 'class border'; got 'fine'"):
        levels.of("fine")


def test_it_comes_back_from_npz(levels, root, tmp_path):
    levels.save(tmp_path / "levels.npz")
    again = read_levels(tmp_path / "levels.npz")
    for name in ("items", "participant", "response_time", "position", "labels"):
        np.testing.assert_array_equal(getattr(again.triplets, name), getattr(levels.triplets, name))
    np.testing.assert_array_equal(again.level, levels.level)
    assert again.n_left_out == levels.n_left_out
    (tmp_path / "levels").mkdir()
    levels.save(tmp_path / "levels" / "levels.npz")
    assert repr(load_levels(tmp_path)) == repr(levels)
    with pytest.raises(ValueError, match=r"must end in \.npz"):
        levels.save(tmp_path / "levels.pkl")


@pytest.mark.parametrize(("unit", "factor"), [("auto", 1.0), ("s", 1.0), ("ms", 1e-3)])
def test_seconds_are_seconds(people, tmp_path, unit, factor):
    trials = [{**trial, "rt": trial["rt"] / 1000} for trial in people["P000"]]
    trials[1]["rt"] = None
    trials[2]["rt"] = -1
    found = read_levels(write_levels(tmp_path, {"P000": trials}), time_unit=unit).triplets.response_time
    assert found[0] == pytest.approx(factor * trials[0]["rt"])
    assert np.isnan(found[1:3]).all()


def test_response_times_need_not_be_there(people, tmp_path):
    trials = [{name: value for name, value in trial.items() if name != "rt"} for trial in people["P000"]]
    assert read_levels(write_levels(tmp_path, {"P000": trials})).triplets.response_time is None


class _Runs:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.system, (f"touch {self.target}",)


def test_no_code_in_a_pickle_is_run(people, tmp_path):
    target = tmp_path / "hacked"
    path = write_levels(tmp_path, {"P000": [{**people["P000"][0], "extra": _Runs(target)}]})
    with pytest.raises(ValueError, match="could run code; it is another file than the published"):
        read_levels(path)
    assert not target.exists()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"selected_image": "other.JPEG"}, "a trial of 'P000' selects 'other', which it does not show"),
        ({"triplet_type": "fine"}, "is of the kind 'fine'"),
        ({"image2Path": 3}, "lacks image2Path"),
        ({"exp_trial_type": "catch"}, r"no answered trial of the experiment \(1 other trials\)"),
        ({"selected_image": None}, "no answered trial of the experiment"),
    ],
)
def test_damaged_trials_are_named(people, tmp_path, change, text):
    with pytest.raises(ValueError, match=text):
        read_levels(write_levels(tmp_path, {"P000": [{**people["P000"][0], **change}]}))


@pytest.mark.parametrize("content", [[1, 2], {}, {"P000": {"a": 1}}, {"P000": [3]}])
def test_other_layouts_are_refused(content, tmp_path):
    path = tmp_path / "levels.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError, match=r"as published; it holds|no mapping of fields"):
        read_levels(path)


def test_damaged_files_are_one_sentence(levels, tmp_path):
    path = tmp_path / "levels.npz"
    levels.save(path)
    np.savez(tmp_path / "other.npz", items=np.zeros((2, 3)))
    path.write_bytes(path.read_bytes()[:500])
    for damaged in (path, tmp_path / "other.npz"):
        with pytest.raises(ValueError, match=r"is not a readable|does not hold answers at levels"):
            read_levels(damaged)
    truncated = tmp_path / "levels.pkl"
    truncated.write_bytes(pickle.dumps({"a": [1] * 1000})[:500])
    with pytest.raises(ValueError, match="cannot be read as a pickle of plain values"):
        read_levels(truncated)


def test_what_is_missing_says_how_to_get_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gin\.g-node\.org/fborn/Dataset_Levels.*data import levels --from"):
        load_levels(tmp_path)
