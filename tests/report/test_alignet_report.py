"""The page of a chain: its parts, its tables, and names that try to be markup."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from alignkit.align import cross_validate
from alignkit.report import write_alignet_report
from alignkit.rsa import Triplets
from alignkit.train import AligNetChain, AligNetChainConfig
from alignkit.train.alignet._scores import AligNetScores

NASTY = "<script>alert('x')</script>"


@pytest.fixture(scope="module")
def teacher():
    rng = np.random.default_rng(0)
    x = rng.random((30, 3))
    answers = Triplets(np.array([rng.permutation(30)[:3] for _ in range(900)]))
    return cross_validate(x, answers, fit=["ridge"], embedding=x, repeats=1, n_bootstrap=0)


@pytest.fixture
def found(tmp_path, teacher, table):
    return AligNetChain(
        path=tmp_path / "my chain",
        done=("human", "features", "teacher", "clusters", "triplets", "students", "scores"),
        seconds={step: 1.5 for step in ("human", "features", "teacher", "clusters", "triplets", "students", "scores")},
        n_answers=1234,
        n_items=30,
        n_held_out=12,
        teacher=teacher,
        students={"aligned": {"val_loss": 0.25, "drift": 3.0, "probe_embedding": 0.9}, NASTY: {"val_loss": 0.5}},
        scores=AligNetScores("aligned", "aligned", table, {"val_loss": 0.25}),
        notes=(NASTY,),
    )


@pytest.fixture
def config(tmp_path):
    return AligNetChainConfig(images=tmp_path / NASTY.replace("/", ""), out=tmp_path / "my chain")


def test_the_page_has_every_part(tmp_path, read, found, config):
    write_alignet_report(tmp_path / "page.html", found, config)
    page = read(tmp_path / "page.html")
    assert page.problems == []
    assert page.text_of("h1") == ["AligNet: my chain"]
    titles = page.text_of("h2")
    for title in ("Use it, repeat it", "Teacher", "Students", "How it was made", "Steps", "Settings"):
        assert title in titles
    cells = page.text_of("td")
    for cell in ("ridge *", "ridge, shuffled *", "0.250", "3.000", "0.900", "teacher_model"):
        assert cell in cells
    assert NASTY in cells
    assert NASTY in page.text_of("li")
    assert len(page.all("script")) == 1
    assert any("possibly optimistic" in note for note in page.text_of("li"))
    assert found.methods_text() in page.text_of("p")


def test_a_chain_on_its_way_has_a_page(tmp_path, read, found, config):
    half = dataclasses.replace(found, scores=None, students={}, done=found.done[:3], notes=())
    write_alignet_report(tmp_path / "page.html", half, config)
    page = read(tmp_path / "page.html")
    assert page.text_of("p")[0] == "Steps that are done: human, features, teacher."
    assert "Students" not in page.text_of("h2")
    with pytest.raises(IsADirectoryError):
        write_alignet_report(tmp_path, half, config)
