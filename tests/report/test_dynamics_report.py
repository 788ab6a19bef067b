from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from PIL import Image
from reference.meg_cells import LABELS, N_PAIRS, models, planted, study

from alignkit.report import write_dynamics_report
from alignkit.rsa import RDM
from alignkit.train import LoopConfig, RunResult
from alignkit.train._history import History
from alignkit.train.hba_meg._evaluate_cells import evaluate_cells
from alignkit.train.hba_meg.config import HBAMEGConfig

NASTY = "<script>alert(1)</script> $x_"
STEP = {"epoch": 1, "samples": 9, "lr": 1e-3, "grad_norm": 1.0, "seconds": 0.1, "pairs_seen": 0.25}


def lines():
    return [
        {"step": 0, "val": {"val_spearman": 0.1}},
        *({"step": k, "loss": 5.0 / k, **STEP} for k in (1, 2)),
        {"step": 2, "val": {"val_spearman": 0.4}},
    ]


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    options = {"monitor": "val_spearman", "mode": "max"}
    history = History.from_lines(lines(), **options, n_steps=2, stopped="finished")
    config = HBAMEGConfig(images=folder / "my photos", rdms=("p1.zarr", NASTY), loop=LoopConfig(**options))
    return RunResult("HBAMEGConfig", config, history, {"val_spearman": 0.4}, folder / "my run")


@pytest.fixture(scope="module")
def whole(result, scores, movies, read):
    """The page of a run with two stages, and its folder."""
    folder = result.path / "weights"
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines()))
    (folder / "finished.json").write_text(json.dumps({"n_steps": 2, "stopped": "finished", "best_step": 2}))
    path = result.path.parent / "page.html"
    write_dynamics_report(path, result, scores, movies)
    return read(path), path.parent


@pytest.fixture(scope="module")
def scores():
    rng = np.random.default_rng(1)
    people = RDM(rng.normal(size=N_PAIRS), LABELS).take(range(18, 30))
    return evaluate_cells(
        study(rdm48=people, name="planted"),
        models(),
        weights=(rng.random((51, 3)), ["early", NASTY, "late"]),
        factors=(rng.random((51, 4)) + 0.5, ["red", "round", NASTY, "heavy"]),
        n_bootstrap=50,
        n_permutations=100,
    )


@pytest.fixture(scope="module")
def movies():
    movie = planted()
    few = [*range(20, 30)]
    return {"people": movie.take(few), "model": movie.take(few)}


def test_the_page_has_every_part(whole, scores):
    page, _ = whole
    assert page.text_of("h1") == ["my run, over time"]
    assert page.text_of("h2") == [
        "Use it, repeat it",
        "Time courses",
        "Scores",
        "What counts when",
        "RDMs over time",
        "Behaviour",
        *(["Notes"] if scores.notes else []),
        "Training",
        "How it was done",
        "Settings",
    ]
    # one cell and all; weights and factors; tiles; two measures of behaviour; two stages
    assert len(page.all("img")) == 2 + 2 + 1 + 2 + 2
    assert all(image["alt"] for image in page.all("img"))
    assert scores.methods_text() in page.text_of("p")
    assert any(text.startswith("Parameters were optimised by AdamW") for text in page.text_of("p"))
    assert "Of all pairs of training items, 25.0% were in one batch together." in page.text_of("li")


def test_the_lead_says_how_the_model_does_where_most_can_be_said(whole, scores):
    lead = whole[0].text_of("p")[0]
    cell = scores.cell()
    assert lead.startswith("Held-out items x trained people: 10 items, 6 people, 0 to 400 ms: ")
    assert f"mean rho {cell.models[0].mean:.3f}; noise ceiling {cell.lower:.3f} to {cell.upper:.3f}" in lead
    assert f"peak at {1000 * cell.models[0].peak.value:.0f} ms." in lead


def test_what_is_marked_is_said_and_no_more(whole, scores, result, tmp_path, read):
    (caption,) = [
        text for text in whole[0].text_of("figcaption") if text.startswith("Held-out items x trained people:")
    ]
    assert (
        "95% intervals over people; grey band: noise ceiling. Coloured bars below: clusters above 0 (p <= 0.05"
        in caption
    )
    assert "black lines through triangles: 95% intervals over people" in caption
    cell = scores.cells[0]
    models = tuple(dataclasses.replace(one, p=0.69) for one in cell.models)
    none = dataclasses.replace(scores, cells=(dataclasses.replace(cell, models=models),))
    write_dynamics_report(tmp_path / "page.html", result, none)
    page = read(tmp_path / "page.html")
    (caption,) = [text for text in page.text_of("figcaption") if text.startswith("Held-out items x trained people:")]
    assert caption.endswith("peaks are marked: no curve is above 0 by the cluster test (p > 0.05).")
    assert "peak" not in page.text_of("p")[0]


def test_every_cell_is_in_the_table_with_its_split_named(whole, scores):
    page, _ = whole
    heads, cells = page.text_of("span"), page.text_of("td")
    for cell in scores.cells:
        assert any(head.startswith(f"{cell.name}: {cell.n_items} items") for head in heads), cell.name
        assert math.isnan(cell.upper) or f"{cell.lower:.3f} to {cell.upper:.3f}" in cells
        for one in cell.models:
            span = f" [{one.low:.3f}, {one.high:.3f}]" if math.isfinite(one.low) else ""
            assert f"{one.mean:.3f}{span}" in cells
            assert f"{1000 * one.area.integral:.1f}" in cells
    assert any("in-sample" in head for head in heads)
    assert "moving - still" in cells


def test_behaviour_has_its_ceiling_and_chance(whole, scores):
    cells = whole[0].text_of("td")
    assert {"(people)", "(chance)"} <= set(cells)
    for one in scores.behaviour:
        assert f"{one.mean:.3f}" in cells


def test_the_movie_is_an_animation_beside_the_page(whole):
    page, folder = whole
    assert "The same as an animation: page-rdms.gif, beside this page." in page.text_of("li")
    with Image.open(folder / "page-rdms.gif") as gif:
        assert gif.n_frames == 51


def test_an_animation_of_many_times_skips_some(tmp_path, result, scores):
    times = np.linspace(-0.1, 0.5, 300)
    rdm = RDM(np.random.default_rng(0).random((300, 6)), dims=["time"], coords={"time": times})
    write_dynamics_report(tmp_path / "page.html", result, scores, {"people": rdm})
    with Image.open(tmp_path / "page-rdms.gif") as gif:
        assert gif.n_frames == 120


def test_one_time_has_no_animation_and_no_curves(tmp_path, read, result):
    times = np.array([0.0])
    scores = evaluate_cells(study(times=times), models(times), n_bootstrap=50, n_permutations=100)
    write_dynamics_report(tmp_path / "page.html", result, scores, {"people": planted(times).take(range(20, 30))})
    page = read(tmp_path / "page.html")
    assert "RDMs over time" in page.text_of("h2")
    assert not list(tmp_path.glob("*.gif"))
    assert "one time" in page.text_of("p")[0]
    assert "peak" not in page.text_of("p")[0]


def test_without_a_cell_the_page_says_so(tmp_path, read, result, scores):
    none = dataclasses.replace(scores, cells=(), behaviour=(), weights=None, factors=None, notes=("Too few items.",))
    write_dynamics_report(tmp_path / "page.html", result, none)
    page = read(tmp_path / "page.html")
    assert "no cell of items and people could be scored" in page.text_of("p")[0]
    assert "Too few items." in page.text_of("p")
    assert page.text_of("h2") == ["Use it, repeat it", "Notes", "Training", "How it was done", "Settings"]


def test_commands_can_be_pasted(whole, result):
    (code,) = whole[0].text_of("code")
    run, photos = result.path, result.config.images
    assert code.splitlines() == [
        f"alignkit extract --model 'run:{run}' --images '{photos}' --layers all --out 'my run-features'",
        f"alignkit train --from '{run}' --out '{run}-again'",
        f"alignkit train hba-meg --subject all --start '{run}' --out '{run}-people'",
    ]


def test_names_are_text_and_undefined_numbers_dashes(tmp_path, read, result, scores):
    cell = scores.cells[0]
    undefined = dataclasses.replace(cell, lower=math.nan, upper=math.nan)
    odd = dataclasses.replace(scores, cells=(undefined, *scores.cells[1:]), dataset=NASTY)
    write_dynamics_report(tmp_path / "page.html", result, odd)
    page = read(tmp_path / "page.html")
    assert "noise ceiling - to -" in page.text_of("p")[0]
    assert f"p1.zarr, {NASTY}" in page.text_of("td")


def test_where_no_page_can_be_is_said(tmp_path, result, scores, movies):
    (tmp_path / "page").mkdir()
    with pytest.raises(IsADirectoryError, match="is a directory"):
        write_dynamics_report(tmp_path / "page", result, scores, movies)
    assert not list(tmp_path.rglob("*.gif"))
