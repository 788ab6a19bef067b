"""Single people's models on top of a group's, and whether they are theirs."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from alignkit.models import extract, load
from alignkit.models._weights import read_weights
from alignkit.rsa._condensed import squareform
from alignkit.train._people import own_seed
from alignkit.train._time_losses import rdms_over_time
from alignkit.train.hba_meg import _people, _people_train
from alignkit.train.hba_meg._data import read_data
from alignkit.train.hba_meg._people import describe_people, fit_dynamics, personal_dynamics
from alignkit.train.hba_meg._people_result import PersonalDynamics
from alignkit.train.hba_meg._people_study import PeopleStudy, donors, dynamics_settings
from alignkit.train.hba_meg._people_train import PREDICTED, Trained
from alignkit.train.hba_meg.task import HBAMEGTask
from tests.reference.hba_meg_runs import lab_config, people_config, train_group
from tests.reference.toy_clip import add_tiny_clip, sizes

NAMES = ("p001", "p002", "p003", "p004")


@pytest.fixture(scope="module")
def group(meg_lab, tmp_path_factory):
    """Settings of a finished group's run."""
    folder = tmp_path_factory.mktemp("group")
    with pytest.MonkeyPatch.context() as patch:
        weights = add_tiny_clip(folder, patch, sizes(4))
        config = lab_config(meg_lab, folder, weights)
        train_group(config)
        yield config


@pytest.fixture(scope="module")
def found(group, tmp_path_factory):
    """Everybody's models, and the settings that made them."""
    config = people_config(group, tmp_path_factory.mktemp("everybody") / "people")
    return personal_dynamics(config), config


@pytest.fixture
def config(group, tmp_path):
    return people_config(group, tmp_path / "people")


def models_in(out):
    """Return the bytes of everybody's model, and of what it gives for the scored items."""
    names = ("adapter.safetensors", "model.json", PREDICTED)
    return {f"{path.parent.name}/{path.name}": path.read_bytes() for name in names for path in out.glob(f"*/{name}")}


# --- what comes out


def test_everybody_has_a_model_of_their_own_that_loads_by_name(found, group):
    result, config = found
    assert result.people == result.trained_on == NAMES
    tensors = [read_weights(config.out / f"subject-{name}" / "adapter.safetensors") for name in NAMES]
    start = read_weights(group.out / "adapter.safetensors")
    learned = [any(not torch.equal(one[name], start[name]) for name in start) for one in tensors]
    assert sum(learned) >= 2
    (note,) = [note for note in result.notes if "the model is the group's" in note] or [""]
    assert [name not in note for name in NAMES] == learned
    assert not torch.equal(tensors[1]["mixing.table"], tensors[2]["mixing.table"])
    # what nobody trains is the group's
    assert torch.equal(tensors[0]["text_features"], start["text_features"])
    for name in NAMES:
        manifest = json.loads((config.out / f"subject-{name}" / "model.json").read_text())
        assert manifest["people"] == [name]
        assert load(f"run:{config.out / f'subject-{name}'}", weights=group.weights).layers
    assert result.n_parameters == sum(start[name].numel() for name in start if "lora" in name or name == "mixing.table")


def test_scores_are_correlations_of_held_out_items_in_other_sessions(found, group):
    result, config = found
    data = read_data(group)
    assert (result.items, result.other_sessions, result.n_items) == ("held_out", True, len(data.held_out))
    tests, first = (data.movie(data.held_out, NAMES, test=test).values for test in (True, False))
    for k, name in enumerate(NAMES):
        given = read_weights(config.out / f"subject-{name}" / PREDICTED)
        for t in range(len(data.times)):
            assert result.own[k, t] == pytest.approx(spearmanr(tests[k, t], given["own"][t]).statistic)
            assert result.group[k, t] == pytest.approx(spearmanr(tests[k, t], given["group"][t]).statistic)
            assert result.sessions[k, t] == pytest.approx(spearmanr(tests[k, t], first[k, t]).statistic)
    late = data.times >= 0
    assert result.window == (data.times[late][0], data.times[-1])
    identification = result.identification
    np.testing.assert_allclose(identification.own, result.own[:, late].mean(axis=1))
    np.testing.assert_allclose(identification.own_sessions, result.sessions[:, late].mean(axis=1))
    np.testing.assert_allclose(result.over_group, (result.own - result.group)[:, late].mean(axis=1))
    assert identification.exact  # four people have 24 permutations
    assert result.tests[0].mean == pytest.approx(result.over_group.mean())
    assert result.tests[1].mean == pytest.approx(identification.own_minus_others.mean())


def test_predictions_are_those_of_the_model_that_was_kept(found, group):
    result, config = found
    del result
    data = read_data(group)
    model = load(f"run:{config.out / 'subject-p002'}", weights=group.weights)
    images = {data.labels[row]: data.images[row][0] for row in data.held_out}
    features = extract(model, images, layers=list(model.main_layers), progress=False)
    embedding = np.stack([features.array(layer) for layer in model.main_layers], axis=1)
    given = read_weights(config.out / "subject-p002" / PREDICTED)["own"]
    mine = rdms_over_time(torch.from_numpy(np.asarray(embedding)))
    np.testing.assert_allclose(mine.numpy(), given.numpy(), atol=1e-4)


def test_the_group_is_the_same_for_everybody(found, group):
    _, config = found
    group_rdms = [read_weights(config.out / f"subject-{name}" / PREDICTED)["group"] for name in NAMES]
    assert all(torch.equal(group_rdms[0], one) for one in group_rdms[1:])


# --- one after the other, all at once, cut off


def test_jobs_of_one_person_each_give_the_same_bits_as_all_at_once(found, config):
    result, together = found
    alone = personal_dynamics(dataclasses.replace(config, subject="p003"))
    assert alone.people == ("p003",)
    assert alone.identification is None
    assert alone.tests == ()
    assert any("all people are asked for" in note for note in alone.notes)
    np.testing.assert_array_equal(alone.own[0], result.own[2])
    personal_dynamics(dataclasses.replace(config, subject="p001"))
    # who is done is left alone
    before = {path: path.stat().st_mtime_ns for path in config.out.glob("subject-*/adapter.safetensors")}
    rest = personal_dynamics(config)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert models_in(config.out) == models_in(together.out)
    np.testing.assert_array_equal(rest.own, result.own)
    np.testing.assert_array_equal(rest.identification.over_time, result.identification.over_time)
    assert rest.identification.tests == result.identification.tests


def test_a_finished_run_is_returned_as_it_is(found, monkeypatch):
    result, config = found
    monkeypatch.setattr(_people, "read_data", None)
    again = personal_dynamics(config)
    np.testing.assert_array_equal(again.own, result.own)
    with pytest.raises(FileExistsError):
        personal_dynamics(config, resume="never")


@pytest.mark.parametrize(
    ("where", "name", "call"),
    [(HBAMEGTask, "validate", 2), (HBAMEGTask, "validate", 5), (_people_train, "write_tensors", 1)],
    ids=["in the first stage", "in the second stage", "after training"],
)
def test_a_run_that_was_cut_off_goes_on_to_the_same_bits(found, config, monkeypatch, where, name, call):
    result, together = found
    real, calls = getattr(where, name), []

    def cut_off(*given, **more):
        calls.append(1)
        if len(calls) == call:
            raise KeyboardInterrupt
        return real(*given, **more)

    config = dataclasses.replace(config, subject="p003")
    monkeypatch.setattr(where, name, cut_off)
    with pytest.raises(KeyboardInterrupt):
        personal_dynamics(config)
    monkeypatch.undo()
    again = personal_dynamics(config)
    mine = models_in(config.out)
    assert len(mine) == 3
    assert mine.items() <= models_in(together.out).items()
    np.testing.assert_array_equal(again.own[0], result.own[2])


def test_only_what_is_needed_later_stays_on_disk(found):
    _, config = found
    own = config.out / "subject-p001"
    assert not (own / "checkpoints").exists()
    assert not (own / "weights" / "checkpoints").exists()
    assert not (own / "targets").exists()
    assert (own / "metrics.jsonl").is_file()


def test_seeds_are_peoples_own(group, config):
    study = PeopleStudy.of(read_data(group), dynamics_settings(config))
    seeds = {name: study.settings_of(name).loop.seed for name in NAMES}
    assert seeds == {name: own_seed(group.loop.seed, name, None) for name in NAMES}
    assert len(set(seeds.values())) == 4


# --- damage


def test_damaged_predictions_are_refused_and_made_anew_when_deleted(found, config):
    result, together = found
    shutil.copytree(together.out, config.out)
    (config.out / "personal.json").unlink()
    path = config.out / "subject-p002" / PREDICTED
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match=r"predicted\.safetensors"):
        personal_dynamics(config)
    path.unlink()
    again = personal_dynamics(config)
    np.testing.assert_array_equal(again.own, result.own)
    assert models_in(config.out) == models_in(together.out)


@pytest.mark.parametrize("finished", [True, False])  # everybody, or each person alone by a job
def test_a_damaged_model_is_named_and_only_that_person_is_trained_again(found, config, finished):
    result, before = found
    shutil.copytree(before.out, config.out)
    if not finished:
        for name in ("config.toml", "versions.json", "finished.json", "personal.json"):
            (config.out / name).unlink()
    whole = models_in(config.out)
    path = config.out / "subject-p002" / "adapter.safetensors"
    path.write_bytes(path.read_bytes()[:-7])
    sentence = rf"^{path} is not the file that .*; delete the folder {path.parent} to train 'p002' again, which leaves"
    with pytest.raises(ValueError, match=sentence):
        personal_dynamics(config)
    others = {name: path.stat().st_mtime_ns for name in NAMES for path in config.out.glob(f"subject-{name}/adapter*")}
    shutil.rmtree(path.parent)
    again = personal_dynamics(config)
    assert models_in(config.out) == whole
    np.testing.assert_array_equal(again.own, result.own)
    now = {name: path.stat().st_mtime_ns for name in NAMES for path in config.out.glob(f"subject-{name}/adapter*")}
    assert [name for name in NAMES if now[name] != others[name]] == ["p002"]


def test_predictions_of_another_groups_model_or_other_items_are_refused(found, group, tmp_path):
    _, together = found
    config = dataclasses.replace(together, out=tmp_path / "people")
    shutil.copytree(together.out, config.out)
    data, settings = read_data(group), dynamics_settings(config)
    study = PeopleStudy.of(data, settings)
    for change, text in (
        ({"group": "0" * 64}, "another group's model"),
        ({"digest": "0" * 64}, "other items, times or splits"),
        ({"donors": dict.fromkeys(NAMES, "p004")}, "trained on 'p001', not on 'p004'"),
    ):
        other = dataclasses.replace(study, **change)
        folder = _people_train.RunFolder.open(config.out / "subject-p001", dataclasses.replace(config, subject="p001"))
        with folder, pytest.raises(ValueError, match=text):
            _people_train._read(other, "p001", folder)


# --- shuffled


def test_shuffled_people_are_trained_on_anothers_rdms_and_say_so(found, config):
    _, together = found
    config = dataclasses.replace(config, subject="p002", shuffle_people=True)
    shuffled = personal_dynamics(config)
    assert shuffled.shuffled
    donor = donors(NAMES, config.loop.seed, shuffle=True)["p002"]
    assert donor != "p002"
    assert shuffled.trained_on == (donor,)
    # the scale of the targets tells whose they are
    mine, theirs = (out / f"subject-{n}" / "model.json" for out, n in ((config.out, "p002"), (together.out, donor)))
    mine, theirs = (json.loads(path.read_text()) for path in (mine, theirs))
    assert mine["people"] == theirs["people"] == [donor]
    assert mine["target_scale"] == theirs["target_scale"]
    assert any("another person's RDMs" in note for note in shuffled.notes)
    # the same folder does not take the honest run
    with pytest.raises(ValueError, match="other settings"):
        personal_dynamics(dataclasses.replace(config, shuffle_people=False))


# --- what can be told


def described(study, own, **changes):
    """Return the result of models that give these RDMs, shape (people, times, pairs)."""
    rng = np.random.default_rng(0)
    trained = {
        name: Trained(values, rng.random(values.shape), 3, 10) for name, values in zip(study.donors, own, strict=True)
    }
    return describe_people(dataclasses.replace(study, **changes), trained)


def test_models_that_are_their_owners_training_sessions_are_told_as_well_as_these(group, config):
    data = read_data(group)
    study = PeopleStudy.of(data, dynamics_settings(config))
    mine = data.movie(study.rows, NAMES).values.astype(np.float64)
    result = described(study, mine)
    np.testing.assert_allclose(result.own, result.sessions)
    np.testing.assert_allclose(result.identification.over_time, result.identification.sessions_over_time)
    assert result.identification.tests == result.identification.session_tests
    assert squareform(mine[0, 0]).shape == (len(study.rows),) * 2


def test_without_other_sessions_scores_are_on_those_that_were_trained_on_and_say_so(group, config):
    data = dataclasses.replace(read_data(group), test_rdms=None)
    study = PeopleStudy.of(data, dynamics_settings(config))
    rng = np.random.default_rng(1)
    result = described(study, rng.random((4, len(data.times), len(study.rows) * (len(study.rows) - 1) // 2)))
    assert not result.other_sessions
    assert result.sessions is None
    assert any("no other sessions" in note for note in result.notes)
    assert "sessions that were trained on" in result.split
    assert not result.in_sample  # the items are held out


def test_in_sample_scores_are_called_so(group, config):
    whole = read_data(group)
    splits = dataclasses.replace(whole.splits, val=(), held_out=())
    data = dataclasses.replace(whole, test_rdms=None, splits=splits)
    study = PeopleStudy.of(data, dynamics_settings(config))
    assert study.items == "train"
    n = len(study.rows)
    result = described(study, np.random.default_rng(1).random((4, len(data.times), n * (n - 1) // 2)))
    assert result.in_sample
    assert "in-sample" in result.split
    assert any("Too few items are held out" in note for note in result.notes)


def test_people_without_other_sessions_are_named_and_not_scored(group, config):
    data = read_data(group)
    some = data.test_rdms
    three = dataclasses.replace(some, sources=some.sources[:3], pairs=some.pairs[:3], subjects=some.subjects[:3])
    study = PeopleStudy.of(dataclasses.replace(data, test_rdms=three), dynamics_settings(config))
    n = len(study.rows)
    result = described(study, np.random.default_rng(1).random((4, len(data.times), n * (n - 1) // 2)))
    assert result.people == NAMES[:3]
    assert any(note.startswith("'p004': no RDMs of other sessions") for note in result.notes)


def test_one_time_point_is_enough(group, config):
    whole = read_data(group)
    first = dataclasses.replace(whole.rdms, times=whole.times[:1])
    other = dataclasses.replace(whole.test_rdms, times=whole.times[:1])
    data = dataclasses.replace(whole, rdms=first, test_rdms=other, times=whole.times[:1])
    study = PeopleStudy.of(data, dynamics_settings(config))
    n = len(study.rows)
    result = described(study, np.random.default_rng(1).random((4, 1, n * (n - 1) // 2)))
    assert result.own.shape == (4, 1)
    assert result.identification.matrix.shape == (4, 4)
    assert result.window == (whole.times[0], whole.times[0])


def test_missing_numbers_are_left_out_pair_by_pair(group, config):
    study = PeopleStudy.of(read_data(group), dynamics_settings(config))
    n = len(study.rows)
    own = np.random.default_rng(1).random((4, len(study.data.times), n * (n - 1) // 2))
    whole = described(study, own)
    own[1, :, 3] = np.nan
    result = described(study, own)
    assert np.isfinite(result.own).all()
    np.testing.assert_array_equal(result.own[[0, 2, 3]], whole.own[[0, 2, 3]])
    assert not np.array_equal(result.own[1], whole.own[1])
    assert np.isfinite(result.identification.matrix).all()


def test_newcomers_and_models_that_stayed_the_groups_are_named(group, config, tmp_path):
    shutil.copytree(group.out, tmp_path / "start")
    manifest = json.loads((tmp_path / "start" / "model.json").read_text())
    (tmp_path / "start" / "model.json").write_text(json.dumps(manifest | {"people": ["p001", "p002", "p003"]}))
    config = dataclasses.replace(config, start=tmp_path / "start")
    study = PeopleStudy.of(read_data(group), dynamics_settings(config))
    n = len(study.rows)
    rdms = np.random.default_rng(1).random((len(study.data.times), n * (n - 1) // 2))
    result = describe_people(study, {name: Trained(rdms, rdms, 0, 10) for name in NAMES})
    assert "'p004': took no part in the group's model." in result.notes
    assert any("the model is the group's" in note for note in result.notes)
    assert result.identification.test("rank-1").value == pytest.approx(1 / 4)
    assert "do not tell their owners apart" in result.verdict


def test_a_stretch_without_samples_is_refused_before_anybody_is_trained(config):
    with pytest.raises(ValueError, match="the window from 5 to 6 s holds no sample"):
        personal_dynamics(dataclasses.replace(config, window_s=(5.0, 6.0)))
    assert not config.out.exists()


def test_results_come_back_from_json(found, tmp_path):
    result, _ = found
    result.save(tmp_path / "a.json")
    again = PersonalDynamics.load(tmp_path / "a.json")
    np.testing.assert_array_equal(again.own, result.own)
    np.testing.assert_array_equal(again.identification.matrix, result.identification.matrix)
    assert again.verdict == result.verdict
    assert again.tests == result.tests
    assert repr(again) == repr(result)


def test_data_that_no_config_names_can_be_trained_on(found, group, config):
    result, _ = found
    same = fit_dynamics(read_data(group), dataclasses.replace(config, subject="p002"))
    np.testing.assert_array_equal(same.own[0], result.own[1])
