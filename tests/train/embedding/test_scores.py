"""Scores are told in words, tables and pictures, and come back."""

from __future__ import annotations

import dataclasses

from alignkit.train import EmbeddingScores


def scores(sizes=(9, 5, 4, 4), side="test"):
    return EmbeddingScores(
        "SPoSE",
        4,
        30,
        1000,
        100,
        side,
        0.9,
        0.85,
        0.95,
        0.6,
        0.55,
        0.65,
        0.02,
        (0, 10, 20, 30),
        (1.1, 1, 0.95, 0.94),
        sizes,
        30,
    )


def test_since_when_the_dimensions_are_constant():
    assert scores().constant_since == 20
    assert scores((4, 4, 4, 4)).constant_since == 0
    assert scores((4, 5, 4, 3)).constant_since == 30


def test_they_come_back(tmp_path):
    scores().save(tmp_path / "s.json")
    again = EmbeddingScores.load(tmp_path / "s.json")
    assert repr(again) == repr(scores())
    assert list(again.to_dataframe()["n_dims"]) == [9, 5, 4, 4]
    assert "1.099" in again.methods_text()
    assert len(again.plot().lines) == 2


def test_choice_probabilities_are_not_called_answers():
    text = dataclasses.replace(scores(), soft=True).methods_text()
    assert "fitted to choice probabilities of 1,000 triplets about 30 items" in text
    assert "on 100 other triplets its" in text
    assert "answers" not in text
    assert "from choice probabilities of 1,000 triplets" in repr(dataclasses.replace(scores(), soft=True))


def test_answers_that_chose_the_step_are_named():
    assert "the step was chosen on them" in repr(scores(side="val"))
    assert "on which the step was chosen" in scores(side="val").methods_text()
