"""Runs in the shared folder: dimensions come back, a stopped run ends in the same bits, and refusals are sentences."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from reference.embeddings import best_match

from alignkit.rsa import Triplets, choice_probabilities, cross_entropy
from alignkit.train import HumanEmbedding, evaluate_run, run
from alignkit.train._loop import fit
from alignkit.train._processes import Processes
from alignkit.train._run_folder import RunFolder
from alignkit.train.embedding._data import read_data
from alignkit.train.embedding.task import EmbeddingTask, build


@pytest.mark.parametrize("method", ["spose", "vice"])
def test_dimensions_are_recovered_from_answers(settings, known, method):
    config = settings(method)
    result = run(config)
    embedding = HumanEmbedding.load(config.out / "embedding.npz")
    assert min(best_match(known, embedding.values)) > 0.9
    assert embedding.n_dims <= 8
    # on answers that it never saw it says nearly as much as what they were drawn from
    test = read_data(config).part("test")
    own = cross_entropy(choice_probabilities(known, test.items))
    assert cross_entropy(embedding.choice_probabilities(test)) < own + 0.02
    assert result.metrics["n_dims"] == embedding.n_dims
    assert (embedding.sd is not None) == (method == "vice")
    table = (config.out / "embedding.csv").read_text().splitlines()
    assert len(table) == 41
    assert table[0].startswith("item,dimension_1,")
    assert np.all(np.diff(embedding.values.sum(axis=0)) <= 0)


@pytest.mark.parametrize("method", ["spose", "vice"])
def test_choice_probabilities_teach_more_than_as_many_answers(settings, known, answers, tmp_path, method):
    items = np.random.default_rng(0).permuted(answers.items, axis=1)  # no place is that of an answer
    soft = choice_probabilities(known, items)
    Triplets(items, answers.labels, soft=soft).save(tmp_path / "soft.npz")
    config = settings(method, triplets=tmp_path / "soft.npz", start_penalty=0.05, loop={"max_steps": 600})
    config = dataclasses.replace(config, penalty=0.02) if method == "spose" else config
    result = run(config)
    embedding = HumanEmbedding.load(config.out / "embedding.npz")
    test = read_data(config).part("test")
    p = embedding.choice_probabilities(test)
    entropy = float(-(test.soft * np.log(test.soft)).sum(axis=1).mean())
    found = float(-(test.soft * np.log(p)).sum(axis=1).mean())
    assert found - entropy < 0.006
    assert min(best_match(known, embedding.values)) > 0.97
    scores = evaluate_run(config.out)
    assert scores.cross_entropy == pytest.approx(found)
    wanted = [row[k] for row, k in zip(test.soft, p.argmax(axis=1), strict=True)]
    assert scores.accuracy == pytest.approx(np.mean(wanted))
    assert scores.ece < 0.05
    assert scores.soft
    assert result.metrics["val_cross_entropy"] == pytest.approx(found, abs=0.03)


@pytest.mark.parametrize("method", ["spose", "vice"])
def test_a_stopped_run_ends_in_the_same_bits(settings, tmp_path, method):
    short = {"max_steps": 60, "validate_every": 20}
    whole = settings(method, loop=short, out=tmp_path / "whole", start_steps=40)
    run(whole)
    stopped = dataclasses.replace(whole, out=tmp_path / "stopped")
    with pytest.raises(Stop):
        stop_after(stopped, 75)  # in the second stage: the first has 40 steps
    assert len(list((tmp_path / "stopped" / "start" / "checkpoints").iterdir())) > 0
    assert not (tmp_path / "stopped" / "finished.json").exists()
    run(stopped)
    first, second = (HumanEmbedding.load(path / "embedding.npz") for path in (whole.out, stopped.out))
    assert np.array_equal(first.values, second.values)
    assert first.sd is None or np.array_equal(first.sd, second.sd)


class Stop(Exception):
    """Raised in place of a signal."""


def stop_after(config, n_steps):
    """Train until the loss was asked for that many times."""
    from alignkit.train._run import train_task

    with Processes.start(config.loop) as processes, RunFolder.open(config.out, config) as folder:
        task = build(config, folder)
        loss, calls = task.loss, []

        def counted(*given):
            calls.append(1)
            if len(calls) > n_steps:
                raise Stop
            return loss(*given)

        task.loss = counted
        train_task(task, config, folder, processes)


def test_the_embedding_that_is_kept_is_that_of_the_best_step(settings):
    config = settings(start="random", loop={"max_steps": 40, "validate_every": 20})
    data = read_data(config)
    with Processes.start(config.loop) as processes, RunFolder.open(config.out, config) as folder:
        task = EmbeddingTask(data, config)
        history = fit(task, config.loop, config.optim, folder=folder, processes=processes)
    kept = next(one for one in history.validations if one.step == history.best_step)
    assert task.validate(task.module) == pytest.approx(kept.metrics)
    p = choice_probabilities(task.embedding().values, data.part("val").items)
    assert kept.metrics["val_cross_entropy"] == pytest.approx(cross_entropy(p))


def test_accumulation_gives_the_same_gradients(settings):
    config = settings(start="random")
    task = EmbeddingTask(read_data(config), config)
    whole = task.module(torch.from_numpy(task.data.triplets.items[:10]))
    assert set(whole) == {"logits", "penalty"}
    run(settings(start="random", loop={"max_steps": 3, "accumulate": 2}))
    run(settings("vice", start="random", loop={"max_steps": 3, "accumulate": 2}))


@pytest.mark.parametrize("method", ["spose", "vice"])
def test_no_dimension_left_is_said(settings, tmp_path, method):
    config = settings(method, start="random")
    task = EmbeddingTask(read_data(config), config)
    with torch.no_grad():
        task.model.values_ND.zero_()
    assert task.validate(task.module) == {"val_cross_entropy": np.log(3), "val_accuracy": 1 / 3, "n_dims": 0.0}
    with pytest.raises(ValueError, match=r"^none of the 12 dimensions is needed to explain 1\d,\d\d\d answers; lower"):
        task.export(tmp_path)
    assert not (tmp_path / "embedding.npz").exists()


def test_changed_answers_are_not_scored_on(settings, answers):
    config = settings(loop={"max_steps": 20}, start_steps=20)
    run(config)
    scores, n_val = evaluate_run(config.out), len(read_data(config).val)
    assert scores.side == "test"
    assert scores.n_test == len(read_data(config).test)
    splits = json.loads((config.out / "splits.json").read_text())
    assert [splits[name]["n"] for name in ("train", "val", "test")] == [scores.n_answers, n_val, scores.n_test]
    answers.take(np.arange(5000)).save(config.triplets)
    with pytest.raises(ValueError, match="are not those that it was trained on"):
        evaluate_run(config.out)


def test_changed_choice_probabilities_are_not_scored_on(settings, known, answers, tmp_path):
    soft = choice_probabilities(known, answers.items)
    path = tmp_path / "soft.npz"
    Triplets(answers.items, answers.labels, soft=soft).save(path)
    config = settings(triplets=path, start="random", loop={"max_steps": 2, "validate_every": 1})
    run(config)
    evaluate_run(config.out)
    for changed in (np.roll(soft, 1, axis=1), None):
        Triplets(answers.items, answers.labels, soft=changed).save(path)
        with pytest.raises(ValueError, match="are not those that it was trained on"):
            evaluate_run(config.out)


def test_a_damaged_loss_names_items(settings):
    task = EmbeddingTask(read_data(settings()), settings())
    from alignkit.train._order import Order

    samples = Order(n_samples=task.n_samples, batch_size=2, seed=0).batch(0)
    assert all(name.count(" | ") == 2 for name in task.names(samples))
