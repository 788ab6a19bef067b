from __future__ import annotations

import dataclasses
import json
import math

import pytest

from alignkit.train._history import History, StepRecord, ValidationRecord

STEPS = [
    StepRecord(
        step=i,
        epoch=1 + i // 3,
        samples=8 * i,
        losses={"loss": 1 / i, "mse": 2 / i},
        lr=0.1,
        grad_norm=3.0,
        seconds=i / 2,
        data_seconds=i * i / 40,
    )
    for i in range(1, 5)
]
VALIDATIONS = [ValidationRecord(step=s, metrics={"loss": v, "rdm": 1 - v}) for s, v in ((0, 0.9), (2, 0.5), (4, 0.6))]


def lines():
    return [record.to_line() for record in (VALIDATIONS[0], *STEPS[:2], VALIDATIONS[1], *STEPS[2:], VALIDATIONS[2])]


def history(mode="min", monitor="loss"):
    return History.from_lines(lines(), monitor=monitor, mode=mode, n_steps=10, stopped="patience")


def test_it_is_what_the_lines_tell():
    got = history()
    assert list(got.steps) == STEPS
    assert list(got.validations) == VALIDATIONS
    assert (got.best_step, got.best, got.last_step) == (2, 0.5, 4)
    assert (history("max").best_step, history("max", "rdm").best_step) == (0, 2)


def test_lines_are_flat_and_read_back():
    line = STEPS[0].to_line()
    assert list(line) == ["step", "epoch", "samples", "loss", "mse", "lr", "grad_norm", "seconds", "data_seconds"]
    assert StepRecord.from_line(json.loads(json.dumps(line))) == STEPS[0]
    del line["data_seconds"]  # as earlier versions wrote it
    assert StepRecord.from_line(line) == dataclasses.replace(STEPS[0], data_seconds=0.0)
    assert math.isnan(StepRecord.from_line({**line, "grad_norm": None}).grad_norm)
    assert math.isnan(ValidationRecord.from_line({"step": 0, "val": {"loss": None}}).metrics["loss"])


@pytest.mark.parametrize("line", [{"step": 1}, {"val": {"loss": 1.0}}, {"step": 1, "val": 3.0}, {"loss": "x"}])
def test_other_lines_are_shown(line):
    with pytest.raises(ValueError, match=r"metrics.jsonl holds a line that is neither a step's nor a validation's: \{"):
        History.from_lines([line], monitor="loss", mode="min", n_steps=1, stopped="finished")


def test_it_survives_a_file(tmp_path):
    history().save(tmp_path / "history.json")
    assert History.load(tmp_path / "history.json") == history()


def test_its_table_holds_every_number():
    table = history().to_dataframe()
    assert len(table) == 4 * 4 + 3 * 2
    row = table.query("step == 2 and split == 'val' and name == 'rdm'")
    assert row["value"].item() == 0.5


def test_it_says_what_was_done():
    text = history().methods_text()
    assert "at most 10 optimiser steps; training stopped after 4 steps, as validations no longer got better." in text
    assert "weights of step 2, with the smallest validation loss (0.5; 3 validations" in text
    assert repr(history()).splitlines()[1] == "best loss: 0.5 at step 2"
    untrained = dataclasses.replace(history(), best_step=0, best=1.0)
    assert repr(untrained).splitlines()[1] == "best loss: 1 at step 0 (before training; no step improved it)"


def test_it_says_how_fast_it_was():
    got = history()
    # 32 samples in 2 s, of which 0.4 were spent waiting; the last two steps took 16 samples and 1 s, 0.3 of it waiting
    assert (got.samples_per_second(), got.data_stall()) == (16.0, pytest.approx(0.2))
    assert (got.samples_per_second(2), got.data_stall(2)) == (16.0, pytest.approx(0.3))
    assert got.data_stall(4) == got.data_stall(99) == got.data_stall()
    both = dataclasses.replace(got, n_processes=2)
    assert (both.samples_per_second(), both.data_stall()) == (8.0, got.data_stall())
    assert repr(got).splitlines()[0].endswith("3 validations; 16 samples/s, 20% of the time waiting for data")
    assert "; 8 samples/s per process, 20% of" in repr(both)
    steps = tuple(dataclasses.replace(record, data_seconds=0.04 * record.seconds) for record in STEPS)
    assert repr(dataclasses.replace(got, steps=steps)).splitlines()[0].endswith("; 16 samples/s")
    with pytest.raises(ValueError, match="last must be"):
        got.samples_per_second(0)


def test_without_steps_it_does_not_know_how_fast_it_was():
    got = dataclasses.replace(history(), steps=())
    assert math.isnan(got.samples_per_second())
    assert math.isnan(got.data_stall())
    assert "samples/s" not in repr(got)


def test_it_draws_both_curves():
    ax = history().plot()
    assert ax.get_xlabel() == "optimiser step"
    assert list(ax.lines[0].get_ydata()) == [record.losses["loss"] for record in STEPS]
    (beside,) = (other for other in ax.figure.axes if other is not ax)
    ax.figure.canvas.draw()
    assert all(tick == int(tick) for tick in ax.get_xticks())
    assert ax.get_legend().get_window_extent().y0 >= ax.get_window_extent().y1
    assert list(beside.lines[0].get_ydata()) == [0.9, 0.5, 0.6]
    import matplotlib.pyplot as plt

    plt.close(ax.figure)
