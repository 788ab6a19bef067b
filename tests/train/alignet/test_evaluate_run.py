"""A student, its start and its controls are asked about items that no triplet had."""

from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pytest
from PIL import Image

from alignkit.rsa import Triplets
from alignkit.train import AligNetScores, OptimConfig, evaluate_run, run
from alignkit.train.alignet._arms import find_controls, read_student_run

HELD = [f"thing{item:02d}" for item in range(16, 24)]


@pytest.fixture(scope="module")
def people(pictures, tmp_path_factory):
    """Answers about the items that follow from their colours."""
    names = [f"thing{item:02d}" for item in range(24)]
    x = np.stack([np.asarray(Image.open(pictures / f"{name}_0.png")).mean(axis=(0, 1)) for name in names])
    x = (x - x.mean(axis=0)) / x.std()
    rng = np.random.default_rng(2)
    answers = []
    for _ in range(4000):
        a, b, c = rng.permutation(24)[:3]
        pairs = [(a, b, c), (a, c, b), (b, c, a)]
        s = np.array([x[i] @ x[j] for i, j, _ in pairs])
        answers.append(pairs[rng.choice(3, p=np.exp(s) / np.exp(s).sum())])
    path = tmp_path_factory.mktemp("answers") / "answers.npz"
    Triplets(np.array(answers), labels=names).save(path)
    return path


@pytest.fixture(scope="module")
def probe(tmp_path_factory):
    """Twelve red and twelve blue pictures."""
    folder = tmp_path_factory.mktemp("probe")
    rng = np.random.default_rng(3)
    for name, colour in (("red", (200, 30, 30)), ("blue", (30, 30, 200))):
        (folder / name).mkdir()
        for number in range(12):
            pixels = np.clip(np.array(colour) + rng.integers(-30, 31, size=(32, 32, 3)), 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def settings(people, probe, table, tmp_path_factory):
    held = tmp_path_factory.mktemp("held") / "held.txt"
    held.write_text("\n".join(HELD) + "\n")
    return {"answers": people, "probe": probe, "items": table, "held_out": held}


@pytest.fixture
def arms(config, settings, tmp_path):
    """A finished student with its shuffled control beside it."""
    optim = OptimConfig(lr=2e-3, weight_decay=0.0)
    loop = dataclasses.replace(config.loop, epochs=10, max_steps=60, validate_every=15)
    config = dataclasses.replace(config, **settings, optim=optim, loop=loop, val_share=0.3)
    return [run(dataclasses.replace(config, out=tmp_path / "arms" / arm, arm=arm)) for arm in ("aligned", "shuffled")]


def test_the_student_is_compared_with_its_start_and_its_controls(arms, tmp_path):
    scores = evaluate_run(arms[0].path, progress=False, device="cpu", n_bootstrap=200)
    assert (scores.model, scores.arm) == ("aligned", "aligned")
    part, measure = "held-out items", "odd-one-out accuracy"
    value = {row.model: row for row in scores.table.rows if (row.part, row.measure) == (part, measure)}
    assert {
        "aligned",
        "aligned, embedding",
        "shuffled (shuffled)",
        "before training",
        "before training, centred",
    } < set(value)
    assert value["aligned"].value > value["shuffled (shuffled)"].value
    assert value["aligned"].low < value["aligned"].value < value["aligned"].high
    assert value["aligned"].over == "items and triplets"
    assert value["aligned"].role == "model"
    assert value["before training"].role == "baseline"
    gap = scores.difference("before training", part, measure)
    sign = 1 if gap.better == "aligned" else -1
    assert sign * gap.difference == pytest.approx(value["aligned"].value - value["before training"].value)
    assert gap.low <= gap.difference <= gap.high
    with pytest.raises(ValueError, match="no difference of aligned and nobody"):
        scores.difference("nobody", part, measure)
    # nothing that a triplet had is among the items
    trained = set(arms[0].path.joinpath("splits.json").read_text().split('"')) & {f"{name}_0.png" for name in HELD}
    assert value["aligned"].n_items == len(HELD)
    assert trained == {f"{name}_0.png" for name in HELD}, "as held out"
    assert scores.retention is not None
    assert isinstance(scores.retained, bool)
    assert scores.metrics["drift"] > 0
    assert "odd-one-out" in repr(scores)
    assert "Linear probes" in scores.methods_text()
    scores.save(tmp_path / "scores.json")
    again = AligNetScores.load(tmp_path / "scores.json")
    assert again.retention == pytest.approx(scores.retention)
    assert repr(again) == repr(scores)
    scores.plot()


def test_controls_are_runs_of_the_same_network_beside_it(arms, tmp_path):
    aligned = read_student_run(arms[0].path)
    assert [one.arm for one in find_controls(aligned)] == ["shuffled"]
    alone = tmp_path / "alone" / "student"
    shutil.copytree(arms[0].path, alone)
    (tmp_path / "alone" / "notes").mkdir()
    assert find_controls(read_student_run(alone)) == []
    shutil.copytree(arms[0].path, tmp_path / "alone" / "twin")
    assert find_controls(read_student_run(alone)) == [], "the same arm is no control"


def test_without_items_or_probe_there_is_nothing_to_score(config):
    result = run(dataclasses.replace(config, loop=dataclasses.replace(config.loop, max_steps=2)))
    scores = evaluate_run(result.path, progress=False, device="cpu")
    assert scores.table.rows == ()
    assert "nothing could be scored" in " ".join(scores.table.notes)
    assert scores.retention is None
    assert scores.retained is None


def test_changed_data_are_refused(arms):
    path = arms[0].path / "splits.json"
    path.write_text(path.read_text().replace("thing03_0.png", "thing99_0.png"))
    with pytest.raises(ValueError, match="the data are not those"):
        evaluate_run(arms[0].path, progress=False, device="cpu")
