from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from alignkit.report import write_training_report
from alignkit.train import HBAScores, LoopConfig, RunResult
from alignkit.train._history import History
from alignkit.train.hba._dimension_scores import DimensionScore
from alignkit.train.hba._scores import SelectionCurves
from alignkit.train.hba.config import HBAConfig

NASTY = "<script>alert(1)</script>"


@pytest.fixture
def result(tmp_path):
    step = {"epoch": 1, "samples": 9, "lr": 1e-3, "grad_norm": 1.0, "seconds": 0.1}
    lines = [{"step": 0, "val": {"val_mse": 9.0}}]
    lines += [{"step": k, "loss": 5.0 / k, **step} for k in (1, 2)]
    lines += [{"step": 2, "val": {"val_mse": 4.0}}]
    history = History.from_lines(lines, monitor="val_mse", mode="min", n_steps=2, stopped="finished")
    config = HBAConfig(images=tmp_path / "my photos", loop=LoopConfig(monitor="val_mse"), targets=NASTY)
    return RunResult("HBAConfig", config, history, {"val_mse": 4.0}, tmp_path / "my run")


@pytest.fixture
def scores(table):
    red = DimensionScore(
        dimension=NASTY,
        before=0.1,
        before_low=0.0,
        before_high=0.2,
        after=0.5,
        after_low=math.nan,
        after_high=math.nan,
        difference=0.4,
        difference_low=0.3,
        difference_high=0.5,
    )
    curves = SelectionCurves(np.array([0.0, 2.0]), np.array([0.1, 0.6]), np.array([9.0, 4.0]), "val_mse", 2)
    return HBAScores("my run", table, (red,), 10, curves)


def test_the_page_has_every_part(tmp_path, read, result, scores, table):
    write_training_report(tmp_path / "page.html", result, scores)
    page = read(tmp_path / "page.html")
    assert page.text_of("h1") == ["Training of my run"]
    titles = page.text_of("h2")
    assert titles[:2] == ["Use it, repeat it", "toy: p"]
    assert titles[-4:] == ["Dimensions", "Training", "How it was trained", "Settings"]
    assert len(page.all("img")) == 3  # dimensions, loss, both criteria
    charts = [one for one in page.all("div") if one.get("class") == "chart"]
    assert len(charts) == 2  # of the table; dimensions before and after
    assert table.methods_text() in page.text_of("p")
    assert any(text.startswith("Parameters were optimised by AdamW") for text in page.text_of("p"))
    lead = page.text_of("p")[0]
    assert "p, accuracy: 0.600; noise ceiling 0.650." in lead


def test_commands_can_be_pasted(tmp_path, read, result, scores):
    write_training_report(tmp_path / "page.html", result, scores)
    (code,) = read(tmp_path / "page.html").text_of("code")
    first, second = code.splitlines()
    run = tmp_path / "my run"
    assert first == f"alignkit extract --model 'run:{run}' --images '{tmp_path}/my photos' --out 'my run-features'"
    assert second == f"alignkit train --from '{run}' --out '{run}-again'"


def test_dimensions_metrics_and_settings_are_tables(tmp_path, read, result, scores):
    write_training_report(tmp_path / "page.html", result, scores)
    cells = read(tmp_path / "page.html").text_of("td")
    place = cells.index("0.100")
    assert cells[place - 1 : place + 6] == [
        NASTY,
        "0.100",
        "[0.000, 0.200]",
        "0.500",
        "+0.400",
        "[+0.300, +0.500]",
        "val_mse",
    ]
    assert cells[cells.index("val_mse") + 1] == "4.000"
    assert cells[cells.index("loop.batch_size") + 1] == "64"
    assert cells[cells.index("cache") + 1] == "true"
    assert cells[cells.index("adapter.projections") + 1] == "out"


def test_where_nothing_was_held_out_the_page_says_how(tmp_path, read, result, scores):
    table = dataclasses.replace(scores.table, rows=())
    write_training_report(tmp_path / "page.html", result, dataclasses.replace(scores, table=table, dimensions=()))
    assert "--held-out takes a list of them" in read(tmp_path / "page.html").text_of("p")[0]


def test_a_run_without_scores_has_a_page(tmp_path, read, result):
    write_training_report(tmp_path / "page.html", result)
    page = read(tmp_path / "page.html")
    assert page.text_of("h2") == ["Use it, repeat it", "Training", "How it was trained", "Settings"]
    assert len(page.all("img")) == 1


def test_a_function_of_the_users_own_is_named(tmp_path, read, result):
    import dataclasses

    own = dataclasses.replace(result, config=dataclasses.replace(result.config, backbone="my_module:towers"))
    write_training_report(tmp_path / "page.html", own)
    (code,) = read(tmp_path / "page.html").text_of("code")
    assert " --architecture my_module:towers " in code


def test_where_no_page_can_be_is_said(tmp_path, result):
    with pytest.raises(IsADirectoryError, match="is a directory"):
        write_training_report(tmp_path, result)
