"""Whose models are trained, on whose RDMs, and what they have from the group's run."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from alignkit._config import dump_config
from alignkit.models import AdapterConfig
from alignkit.train import LoopConfig, OptimConfig
from alignkit.train._splits import Splits
from alignkit.train.hba.config import HBAConfig
from alignkit.train.hba_meg._data import HBAMEGData
from alignkit.train.hba_meg._people import check_personal, personal_dynamics
from alignkit.train.hba_meg._people_study import PeopleStudy, donors, dynamics_settings
from alignkit.train.hba_meg.config import HBAMEGConfig, TermsConfig

NAMES = ("ada", "ben", "cem", "dua", "eve")
ITEMS = tuple(f"item {i}" for i in range(20))
VALIDATED = {"monitor": "val_spearman", "mode": "max"}
SPLITS = Splits(train=ITEMS[:10], val=ITEMS[10:15], held_out=ITEMS[15:])


def write_group(folder, config=None, *, splits=SPLITS, method="HBAMEGConfig", finished=True):
    """Write what a finished group's run has, as far as settings and splits go."""
    folder.mkdir()
    config = HBAMEGConfig(tmin=-0.1, average=5, split_seed=3, out=folder) if config is None else config
    dump_config(config, folder / "config.toml")
    (folder / "versions.json").write_text(json.dumps({"method": method}))
    splits.save(folder / "splits.json")
    if finished:
        (folder / "model.json").write_text("{}")
    return folder


@pytest.fixture
def start(tmp_path):
    return write_group(tmp_path / "group")


def data_of(splits=SPLITS, held_out=()):
    """Return data as far as names go."""
    train = tuple(name for name in NAMES if name not in held_out)
    return HBAMEGData(
        labels=ITEMS,
        images=tuple((Path(f"{item}.png"),) for item in ITEMS),
        splits=splits,
        rdms=None,
        test_rdms=None,
        train_people=train,
        held_out_people=held_out,
        times=np.array([0.0, 0.1]),
    )


def ask(start, **changes):
    return HBAMEGConfig(**{"subject": "all", "start": start, "out": start.parent / "people", **changes})


# --- settings


def test_data_and_model_are_the_groups_and_the_rest_is_peoples_own(tmp_path):
    group = HBAMEGConfig(
        images=tmp_path / "photos",
        rdms=(tmp_path / "a.zarr",),
        people=("ada", "ben"),
        held_out_people=("cem",),
        tmin=-0.1,
        average=5,
        split_seed=3,
        terms=TermsConfig(each_time=1.0),
        adapter=AdapterConfig(rank=6),
        readout="linear",
        noise="mean",
        loop=LoopConfig(epochs=7, **VALIDATED),
        optim=OptimConfig(lr=0.5),
        weights_lr=0.25,
        n_bootstrap=3,
        out=tmp_path / "group",
    )
    start = write_group(tmp_path / "group", group)
    found = dynamics_settings(
        ask(start, loop=LoopConfig(epochs=2, **VALIDATED), test_rdms=(tmp_path / "b.zarr",), tmax=0.4)
    )
    for name in ("images", "rdms", "tmin", "average", "split_seed", "terms", "adapter", "readout", "noise"):
        assert getattr(found, name) == getattr(group, name), name
    assert found.test_rdms == (tmp_path / "b.zarr",)
    assert found.tmax == 0.4
    default = HBAMEGConfig()
    for name in ("people", "held_out_people", "optim", "weights_lr", "n_bootstrap"):
        assert getattr(found, name) == getattr(default, name), name
    assert found.loop.epochs == 2
    assert (found.subject, found.start, found.out) == ("all", start, tmp_path / "people")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"readout": "linear"}, "people's models start at the group's, whose 'readout' they have"),
        ({"window": "centred", "reach": 3}, "'window', 'reach'"),
        ({"img_size": 64}, "'img_size'"),
        ({"adapter": AdapterConfig(rank=6)}, "'adapter'"),
        ({"noise": "mean", "dimension_weights": True}, "'dimension_weights', 'noise'"),
    ],
)
def test_what_would_be_another_model_is_refused(start, changes, text):
    with pytest.raises(ValueError, match=text):
        dynamics_settings(ask(start, **changes))


def test_what_agrees_with_the_groups_may_be_said_again(tmp_path):
    start = write_group(tmp_path / "group", HBAMEGConfig(readout="linear", out=tmp_path / "group"))
    assert dynamics_settings(ask(start, readout="linear")).readout == "linear"


def test_a_start_that_is_no_finished_group_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no run"):
        dynamics_settings(ask(tmp_path))
    other = write_group(tmp_path / "other", HBAConfig(out=tmp_path / "other"), method="HBAConfig")
    with pytest.raises(ValueError, match="holds a run of HBAConfig"):
        dynamics_settings(ask(other))
    unfinished = write_group(tmp_path / "unfinished", finished=False)
    with pytest.raises(ValueError, match="is not finished"):
        dynamics_settings(ask(unfinished))
    person = write_group(tmp_path / "person", HBAMEGConfig(subject="ada", start=tmp_path, out=tmp_path / "person"))
    with pytest.raises(ValueError, match="the model of 'ada' alone"):
        dynamics_settings(ask(person))


def test_a_function_of_somebodys_own_is_called_only_where_it_is_named(tmp_path):
    start = write_group(tmp_path / "group", HBAMEGConfig(backbone="my_module:factory", out=tmp_path / "group"))
    with pytest.raises(ValueError, match="function of somebody's own"):
        dynamics_settings(ask(start))
    assert dynamics_settings(ask(start, backbone="my_module:factory")).backbone == "my_module:factory"


# --- who, and on what


def test_everybody_has_a_seed_and_a_folder_of_their_own(start):
    study = PeopleStudy.of(data_of(), dynamics_settings(ask(start)))
    settings = [study.settings_of(name) for name in NAMES]
    assert len({one.loop.seed for one in settings}) == 5
    assert [one.out.name for one in settings] == [f"subject-{name}" for name in NAMES]
    assert [one.subject for one in settings] == list(NAMES)
    assert not any(one.loop.progress for one in settings)
    assert study.donors == {name: name for name in NAMES}
    again = PeopleStudy.of(data_of(held_out=("ada",)), dynamics_settings(ask(start)))
    assert again.settings_of("cem") == study.settings_of("cem")  # whoever else there is
    assert again.asked() == NAMES[1:]


def test_one_person_is_asked_for_by_name(start):
    assert PeopleStudy.of(data_of(), dynamics_settings(ask(start, subject="cem"))).asked() == ("cem",)
    with pytest.raises(ValueError, match="there are no RDMs of 'adda'; 5 people have some, among them 'ada'"):
        PeopleStudy.of(data_of(), dynamics_settings(ask(start, subject="adda"))).asked()
    held = data_of(held_out=("cem",))
    with pytest.raises(ValueError, match="'cem' is held out"):
        PeopleStudy.of(held, dynamics_settings(ask(start, subject="cem"))).asked()


@pytest.mark.parametrize(
    ("splits", "items", "n"),
    [
        (SPLITS, "held_out", 5),
        (dataclasses.replace(SPLITS, held_out=ITEMS[15:18]), "val", 5),
        (Splits(train=ITEMS[:6], val=()), "train", 6),
    ],
)
def test_scores_are_on_held_out_items_where_there_are_enough(tmp_path, splits, items, n):
    start = write_group(tmp_path / "group", splits=splits)
    study = PeopleStudy.of(data_of(splits), dynamics_settings(ask(start)))
    assert study.items == items
    np.testing.assert_array_equal(study.rows, splits.index(items, ITEMS))
    assert len(study.rows) == n


def test_of_many_items_some_are_drawn(start, monkeypatch):
    monkeypatch.setattr("alignkit.train.hba_meg._people_study.MAX_ITEMS", 4)
    study = PeopleStudy.of(data_of(), dynamics_settings(ask(start)))
    assert len(study.rows) == 4
    assert set(study.rows) <= set(range(15, 20))
    again = PeopleStudy.of(data_of(), dynamics_settings(ask(start)))
    np.testing.assert_array_equal(again.rows, study.rows)
    assert study.left_out == ("held-out items: 4 of 5 are scored, drawn at random (seed 3).",)


def test_items_that_the_group_was_trained_on_are_not_scored_on(start):
    other = Splits(train=ITEMS[5:15], val=ITEMS[15:], held_out=ITEMS[:5])
    with pytest.raises(ValueError, match="was trained or chosen on 'item 0', 'item 1'"):
        PeopleStudy.of(data_of(other), dynamics_settings(ask(start)))


def test_digests_tell_items_and_times_apart(start):
    study = PeopleStudy.of(data_of(), dynamics_settings(ask(start)))
    later = dataclasses.replace(data_of(), times=np.array([0.0, 0.2]))
    fewer = Splits(train=ITEMS[:10], val=ITEMS[10:15], held_out=ITEMS[15:19])
    others = [PeopleStudy.of(one, dynamics_settings(ask(start))) for one in (later, data_of(fewer))]
    assert len({study.digest, *(one.digest for one in others)}) == 3


# --- shuffled


@pytest.mark.parametrize("n", [2, 3, 5, 12])
@pytest.mark.parametrize("seed", [0, 1, 7])
def test_shuffled_nobody_keeps_the_own_rdms_and_nobodys_come_twice(n, seed):
    names = tuple(f"p{k:02d}" for k in range(n))
    found = donors(names, seed, shuffle=True)
    assert tuple(found) == names
    assert sorted(found.values()) == sorted(names)
    assert all(name != donor for name, donor in found.items())
    turned = donors(names[::-1], seed, shuffle=True)
    assert turned == found  # it does not depend on the order of files


def test_seeds_shuffle_differently():
    names = tuple(f"p{k:02d}" for k in range(12))
    assert donors(names, 0, shuffle=True) != donors(names, 1, shuffle=True)
    assert donors(names, 0, shuffle=False) == dict(zip(names, names, strict=True))


def test_one_person_alone_cannot_be_shuffled():
    with pytest.raises(ValueError, match=r"two people or more; there is 'ada'\."):
        donors(("ada",), 0, shuffle=True)


# --- refusals


def test_a_config_says_whose_model_and_where_it_starts(tmp_path):
    with pytest.raises(TypeError, match="must be an HBAMEGConfig"):
        check_personal({"subject": "all"})
    for given in ({"subject": "all"}, {"start": tmp_path}):
        with pytest.raises(ValueError, match="personal models need subject="):
            personal_dynamics(HBAMEGConfig(**given))
    with pytest.raises(ValueError, match="resume must be one of"):
        personal_dynamics(ask(tmp_path), resume="maybe")


def test_several_processes_are_told_to_share_people_out(start, monkeypatch):
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match="give each process people of its own"):
        personal_dynamics(ask(start))
