"""A result of a run: tables, text, pictures, and back from JSON."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from alignkit.train import LoopConfig, OptimConfig, RunResult
from alignkit.train._history import History
from alignkit.train.hba.config import HBAConfig
from alignkit.train.hba_meg.config import HBAMEGConfig

LINES = [
    {"step": 0, "val": {"loss": 3.0, "r": None}},
    {"step": 1, "epoch": 1, "samples": 8, "loss": 2.5, "lr": 0.1, "grad_norm": 1.0, "seconds": 0.5},
    {"step": 2, "epoch": 1, "samples": 16, "loss": 2.0, "lr": 0.1, "grad_norm": 0.5, "seconds": 1.0},
    {"step": 2, "val": {"loss": 1.5, "r": 0.25}},
]


def result(**changes: object) -> RunResult:
    history = History.from_lines(LINES, monitor="loss", mode="min", n_steps=2, stopped="finished")
    loop = LoopConfig(epochs=2, batch_size=8, seed=5, precision="bf16")
    optim = OptimConfig(lr=1e-3, schedule="cosine", warmup=1)
    config = HBAConfig(images=Path("photos"), loop=loop, optim=optim)
    made = RunResult("HBAConfig", config, history, {"loss": 1.5, "r": 0.25}, Path("runs/a"))
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def test_it_comes_back_from_json(tmp_path):
    path = tmp_path / "r.json"
    before = result()
    before.save(path)
    after = RunResult.load(path)
    assert after.config == before.config
    assert isinstance(after.config, HBAConfig)
    assert (after.metrics, after.path, after.method) == (before.metrics, before.path, before.method)
    assert after.history.steps == before.history.steps
    assert repr(after) == repr(before)


@pytest.mark.parametrize("changes", [{"method": "NoConfig"}, {"config": {"lr": 1}}, {"config": {"loop": 3}}])
def test_json_of_something_else_is_refused(tmp_path, changes):
    path = tmp_path / "r.json"
    result().save(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(ValueError, match="does not hold a RunResult of this version"):
        RunResult.load(path)


def test_a_table_has_one_row_per_number(tmp_path):
    table = result().to_dataframe()
    losses = table[table.name == "loss"]
    assert losses.value.tolist() == [2.5, 2.0, 3.0, 1.5]
    assert losses.split.tolist() == ["train", "train", "val", "val"]
    result().save(tmp_path / "r.csv")
    assert (tmp_path / "r.csv").read_text().startswith("step,split,name,value\n")


def test_the_text_says_how_it_was_trained():
    text = result().methods_text()
    for part in (
        "AdamW",
        "learning rate 0.001",
        "weight decay 0.01 of matrices",
        "cosine",
        "1 warm-up step,",
        "batches of 8",
        "bf16",
        "seed 5",
        "step 2",
    ):
        assert part in text
    plain = result(config=HBAConfig(optim=OptimConfig(decay_all=True)))
    assert "of all parameters) with a constant learning rate, in" in plain.methods_text()
    assert "each with a loss of its own" not in text
    parts = result(config=HBAConfig(loop=LoopConfig(batch_size=8, accumulate=4, accumulation="plain")))
    assert "in batches of 8 (in 4 parts, each with a loss of its own) (fp32" in parts.methods_text()


def test_its_screen_is_one(monkeypatch):
    text = repr(result())
    assert text.startswith("RunResult of HBA in runs/a: History of 2 steps")
    assert "  loss  1.5" in text
    many = repr(result(metrics={f"m{i}": float(i) for i in range(40)}))
    assert len(many.splitlines()) <= 20
    assert many.endswith("and 28 more metrics")


def test_of_two_stages_it_says_which_one_it_tells_and_when_that_improved_nothing():
    one, two = (HBAMEGConfig(weights_epochs=n, weights_lr=0.02) for n in (0, 7))
    assert "stage" not in repr(result(config=one)) + result(config=one).methods_text()
    better = result(method="HBAMEGConfig", config=two)
    assert "second stage, after that of the layers' weights alone: History of 2 steps" in repr(better)
    assert "improved nothing" not in repr(better) + better.methods_text()
    assert "were trained alone (at most 7 epochs, learning rate 0.02, constant)." in better.methods_text()
    history = dataclasses.replace(better.history, best_step=0, best=3.0)
    nothing = "second stage improved nothing"
    assert nothing in repr(result(config=two, history=history))
    assert nothing in result(config=two, history=history).methods_text()
    assert "No step improved on the model that training started at." in result(history=history).methods_text()


def test_it_can_be_drawn():
    ax = result().plot()
    assert ax.get_xlabel() == "optimiser step"
    plt.close("all")
