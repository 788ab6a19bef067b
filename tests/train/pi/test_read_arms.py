"""Logs of runs as curves, and which data sets of people are in-sample for whom."""

from __future__ import annotations

import dataclasses
import json
import shutil

import pytest
from reference.pi import hue_trials, write_colours, write_trials

from alignkit.train import PIConfig
from alignkit.train.pi._arm_runs import arm_runs, seeds_of
from alignkit.train.pi._read_arms import in_sample_sets, read_arms

pytest.importorskip("torch")


@pytest.fixture
def copy(trained, arms, tmp_path):
    shutil.copytree(trained.path, tmp_path / "pi")
    return dataclasses.replace(arms, out=tmp_path / "pi")


def test_samples_of_steps_that_were_not_logged(trained, copy):
    path = copy.out / "seed-5" / "pi" / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    kept = [line for line in lines if "val" in line or line["step"] % 2 == 0]
    assert len(kept) < len(lines)
    path.write_text("".join(json.dumps(line) + "\n" for line in kept))
    found = read_arms(copy, arm_runs(copy, copy.arms, copy.seeds))
    assert found.to_dataframe().equals(trained.to_dataframe())


def test_the_kept_validation_is_the_final_one(copy, arms):
    path = copy.out / "seed-5" / "pi" / "finished.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "best_step": 3}))
    (curve,) = (one for one in read_arms(copy, arm_runs(copy, ["pi"], [5])).curves)
    assert curve.kept == 1
    assert curve.final["zero_shot"] == curve.values["zero_shot"][1]


def test_damaged_logs_are_said_to_be(copy):
    runs = arm_runs(copy, ["web-only"], [5])
    path = runs[0].path / "metrics.jsonl"
    path.write_text('{"step": 0, "val": 3}\n')
    with pytest.raises(ValueError, match="neither a step's nor a validation's"):
        read_arms(copy, runs)
    path.write_text("")
    with pytest.raises(ValueError, match="has no validation"):
        read_arms(copy, runs)


def test_seeds_are_read_from_folders(tmp_path):
    for name in ("seed-3", "seed-10", "seed-x", "seed-", "seed-03"):
        (tmp_path / name).mkdir()
    (tmp_path / "seed-4").touch()
    assert seeds_of(tmp_path) == (3, 10)


def test_what_stage_1_learned_from_is_in_sample(tmp_path, monkeypatch):
    root = tmp_path / "data"
    own = ("pi", "post-hoc", "shuffled-triplets")
    config = PIConfig(human=("material2afc", "things"), root=root)
    assert in_sample_sets(config) == {"material2afc": own}
    assert in_sample_sets(dataclasses.replace(config, dataset="things")) == {"things": own}
    (root / "things" / "photos").mkdir(parents=True)
    learned = dataclasses.replace(config, judgements=tmp_path / "answers.npz", images=root / "things" / "photos")
    assert in_sample_sets(learned) == {"things": own}
    link = tmp_path / "link"
    link.symlink_to(root / "things" / "photos")
    assert in_sample_sets(dataclasses.replace(learned, images=link)) == {"things": own}
    elsewhere = dataclasses.replace(learned, images=tmp_path / "photos", label_images=root / "things" / "photos")
    assert in_sample_sets(elsewhere) == {"things": ("imagenet-triplets",)}
    assert in_sample_sets(dataclasses.replace(elsewhere, human=())) == {}


def test_a_folder_of_several_sets_is_looked_into(tmp_path):
    root = tmp_path / "data"
    names = write_colours(root / "things" / "photos", 12)
    write_colours(root / "own", 12)
    inside = [f"things/photos/{name}" for name in names]
    outside = [f"own/{name}" for name in names]
    table = write_trials(tmp_path / "trials.csv", inside, hue_trials(12, 20))
    config = PIConfig(human=("things",), root=root, judgements=table, images=root)
    own = ("pi", "post-hoc", "shuffled-triplets")
    assert in_sample_sets(config) == {"things": own}
    write_trials(table, outside, hue_trials(12, 20))
    assert in_sample_sets(config) == {}
    table.unlink()
    assert in_sample_sets(config) == {"things": own}  # nobody can tell any more


def test_zero_shot_sets_can_be_in_sample(tmp_path):
    config = PIConfig(judgements=tmp_path / "trials.csv", images=tmp_path / "sets" / "a")
    sets = {"a": tmp_path / "sets" / "a", "b": tmp_path / "sets" / "b"}
    assert in_sample_sets(config, sets) == {"a": ("pi", "post-hoc", "shuffled-triplets")}
    labels = dataclasses.replace(config, images=tmp_path / "c", label_images=tmp_path / "sets" / "b" / "train")
    assert in_sample_sets(labels, sets) == {"b": ("imagenet-triplets",)}
    above = dataclasses.replace(config, images=tmp_path / "c", label_images=tmp_path / "sets")
    assert in_sample_sets(above, sets) == {"a": ("imagenet-triplets",), "b": ("imagenet-triplets",)}


def test_controls_that_learned_from_other_numbers_of_judgements_are_told_of(copy):
    notes = read_arms(copy, arm_runs(copy, copy.arms, copy.seeds)).notes
    assert not any("different numbers" in note for note in notes)
    path = copy.out / "seed-5" / "stage-1" / "shuffled-triplets" / "splits.json"
    path.write_text(path.read_text().replace('"train": 180', '"train": 90'))
    notes = read_arms(copy, arm_runs(copy, copy.arms, copy.seeds)).notes
    assert any("(pi from 180, shuffled-triplets from 90)" in note for note in notes)
