"""Logs of runs as curves, and which data sets of people are in-sample for whom."""

from __future__ import annotations

import dataclasses
import json
import shutil

import pytest

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
