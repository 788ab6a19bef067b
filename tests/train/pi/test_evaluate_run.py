"""Finished runs are scored on what they were not trained on, beside what they began as."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from reference.pi import write_colours

from alignkit.rsa import two_afc_accuracy
from alignkit.train import evaluate_run, run
from alignkit.train.pi._judgements import read_judgements
from alignkit.train.pi._perceptual_task import build


def test_stage_1_is_scored_beside_its_start_and_its_ceiling(perceptual):
    result = run(perceptual)
    table = evaluate_run(result.path, n_bootstrap=200, device="cpu", progress=False)
    measure = "2AFC accuracy (majority of the votes)"
    after = table.value("stage-1", "val", measure)
    before = table.value("before training", "val", measure)
    assert after.value == pytest.approx(result.metrics["val_accuracy"])
    assert before.value == pytest.approx(result.history.validations[0].metrics["val_accuracy"])
    assert after.low <= after.value <= after.high
    assert "nothing was fitted to" in after.split
    votes = table.value("stage-1", "val", "agreement with single votes")
    # four people of five say one thing: a vote among the others' majority
    assert votes.ceiling_high == pytest.approx(0.8)
    (difference,) = [one for one in table.differences if one.part == "val"]
    assert abs(difference.difference) == pytest.approx(abs(after.value - before.value))
    shuffled = table.value("shuffled items", "val", measure)
    assert shuffled.role == "baseline"


def test_the_split_says_which_items_were_seen(perceptual):
    run(dataclasses.replace(perceptual, loop=dataclasses.replace(perceptual.loop, max_steps=2)))
    table = evaluate_run(perceptual.out, n_bootstrap=0, device="cpu", progress=False)
    data = read_judgements(perceptual)
    seen = set(data.parts["train"][0].ravel()) & set(data.parts["val"][0].ravel())
    of_val = set(data.parts["val"][0].ravel())
    row = table.value("stage-1", "val", "2AFC accuracy")
    assert f"{len(seen):,} of their {len(of_val):,} items were in others" in row.split


def test_odd_one_out_answers_count_as_two_trials_each(perceptual, tmp_path):
    for item in ("cat", "dog", "car", "bus"):
        write_colours(tmp_path / "photos" / item, 2)
    table = tmp_path / "answers.csv"
    table.write_text("first,second,odd\n" + "cat,dog,car\ncar,bus,dog\n" * 20)
    config = dataclasses.replace(
        perceptual,
        judgements=table,
        images=tmp_path / "photos",
        loop=dataclasses.replace(perceptual.loop, max_steps=2, epochs=2),
    )
    run(config)
    found = evaluate_run(config.out, n_bootstrap=0, device="cpu", progress=False)
    data = read_judgements(config)
    task = build(config)
    wanted = two_afc_accuracy(task.embed(), data.trials("val"), n_bootstrap=0)
    before = found.value("before training", "val", "2AFC accuracy")
    assert before.value == pytest.approx(wanted.accuracy)
    assert before.n == 2 * len(data.parts["val"][0])
    assert any("counts as two trials" in note for note in found.notes)


def test_stage_2_is_scored_on_the_sets_that_it_followed(contrastive, colour_set):
    config = dataclasses.replace(contrastive, zero_shot=(colour_set,))
    result = run(config)
    scores = evaluate_run(result.path, n_bootstrap=50, device="cpu", progress=False)
    frame = scores.to_dataframe()
    followed = result.metrics["hues_acc1"]
    assert np.isclose(frame["value"], followed).any()


def test_a_run_that_followed_no_set_says_how_it_is_scored(contrastive):
    run(dataclasses.replace(contrastive, loop=dataclasses.replace(contrastive.loop, max_steps=2)))
    with pytest.raises(ValueError, match=r"score it with `alignkit score --suite zeroshot`"):
        evaluate_run(contrastive.out)
