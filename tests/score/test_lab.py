from __future__ import annotations

import numpy as np
import pytest
from reference.score import mean_spearman
from reference.triplets import credits
from scipy.spatial.distance import pdist, squareform

from alignkit.models import Features
from alignkit.score import score


def test_every_line_against_a_plain_loop(lab, make, quick):
    model = make()
    table = quick(model, lab)
    x = model.select(lab.labels).array()
    for part, triplets in (("repeats", lab.repeats), ("answers", lab.triplets)):
        hits = credits(x, triplets.items.tolist(), "cosine", "wrong")
        assert table.value("model", part, "odd-one-out accuracy").value == pytest.approx(sum(hits) / len(hits))
        hits = credits(lab.embedding, triplets.items.tolist(), "dot", "wrong")
        assert table.value("true latents", part, "odd-one-out accuracy").value == pytest.approx(sum(hits) / len(hits))
    people = lab.fmri.squareform()
    for name, rows, metric in (("model", x, "correlation"), ("true latents", lab.embedding, "sqeuclidean")):
        expected = mean_spearman(squareform(pdist(rows, metric)), people)
        assert table.value(name, "fMRI", "spearman").value == pytest.approx(expected, abs=1e-12)


def test_everyone_is_there_and_in_order(table):
    for part, measure in (("answers", "odd-one-out accuracy"), ("fMRI", "spearman with people's RDMs")):
        rows = [row for row in table.rows if (row.part, row.measure) == (part, measure)]
        assert [row.model for row in rows[:2]] == ["good", "bad"]
        expected = {"true latents", "chance", "shuffled items"} - ({"chance"} if part == "fMRI" else set())
        assert {row.model for row in rows[2:]} == expected
        values = [row.value for row in rows[2:]]
        assert values == sorted(values, reverse=True)


def test_shuffled_items_are_at_chance(table):
    assert table.value("shuffled items", "answers", "odd-one-out").value == pytest.approx(1 / 3, abs=0.02)
    assert table.value("shuffled items", "fMRI", "spearman").value == pytest.approx(0, abs=0.03)


def test_the_truth_is_near_the_ceiling(table):
    row = table.value("true latents", "repeats", "odd-one-out")
    assert row.percent_of_ceiling > 85
    assert row.split == "the truth that people and brains were simulated from"


def test_it_says_that_it_is_simulated(table):
    assert table.dataset == "the simulated lab"
    assert table.notes[-1].startswith("Objects, people and brains are simulated")


def test_too_few_objects_for_any_answer_are_refused(lab):
    # find three objects that nobody judged together
    seen = {tuple(sorted(row)) for row in np.concatenate([lab.triplets.items, lab.repeats.items]).tolist()}
    three = next((0, 1, k) for k in range(2, 24) if (0, 1, k) not in seen)
    few = Features.from_array(np.eye(3), [lab.labels[i] for i in three])
    with pytest.raises(ValueError, match="none of the 900 triplets has all three items among the 3 labels"):
        score(few, lab)
