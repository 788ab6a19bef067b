from __future__ import annotations

import numpy as np
import pytest
from reference.score import mean_spearman
from scipy.spatial.distance import pdist, squareform
from scipy.stats import pearsonr, spearmanr

from alignkit.data import load_algonauts78, load_rsa92
from alignkit.models import Features
from alignkit.score import score


@pytest.fixture(scope="module")
def rsa92(root):
    return load_rsa92(root)


@pytest.fixture(scope="module")
def colours(rsa92):
    """Mean colour of the 92 images, named as extracted files are, with one file too many."""
    x = rsa92.stimuli.reshape(92, -1, 3).mean(axis=1)
    return Features.from_array(np.vstack([x, [[1, 2, 3]]]), [*(f"{label}.png" for label in rsa92.labels), "thumbs.png"])


@pytest.fixture(scope="module")
def table92(colours, root):
    return score([colours, colours.select(colours.labels[:92])], "rsa92", root=root, n_bootstrap=50, n_shuffles=30)


def test_published_ceilings_of_the_92_images(table92):
    row = table92.value("features (1)", "fMRI IT", "spearman")
    assert (row.ceiling_low, row.ceiling_high) == pytest.approx((0.45253, 0.54219), abs=1e-5)
    assert row.ceiling == "15 subjects, rank pooling: others' mean (low), everyone's mean (high)"
    assert table92.value("features (1)", "human IT", "spearman").ceiling.startswith("4 subjects")
    assert table92.value("features (1)", "behaviour", "spearman").ceiling.startswith("16 subjects")


def test_every_part_against_a_plain_loop(table92, colours, rsa92):
    model = squareform(pdist(colours.array()[:92], "correlation"))
    parts = {
        "human IT (Kriegeskorte 2008)": rsa92.human_it.squareform().mean(axis=1),
        "fMRI IT (Cichy 2014)": rsa92.fmri_it.squareform(),
        "fMRI EVC (Cichy 2014)": rsa92.fmri_evc.squareform(),
        "behaviour (Mur 2013)": rsa92.behaviour.squareform(),
    }
    assert {row.part for row in table92.rows} == set(parts)
    for part, people in parts.items():
        row = table92.value("features (1)", part, "spearman")
        assert row.value == pytest.approx(mean_spearman(model, people), abs=1e-10)
        assert (row.n, row.n_items) == (92 * 91 // 2, 92)
        monkey = rsa92.models.sel(model="monkeyIT").squareform()
        assert table92.value("model RDM: monkeyIT", part, "spearman").value == pytest.approx(
            mean_spearman(monkey, people), abs=1e-10
        )
        assert table92.value("shuffled items", part, "spearman").value == pytest.approx(0, abs=0.02)


def test_people_are_no_baseline_of_their_own_part(table92, rsa92):
    people = {
        "mean human IT RDM": ("human IT (Kriegeskorte 2008)", rsa92.human_it.squareform().mean(axis=(0, 1))),
        "mean fMRI IT RDM": ("fMRI IT (Cichy 2014)", rsa92.fmri_it.squareform().mean(axis=0)),
        "mean behavioural RDM": ("behaviour (Mur 2013)", rsa92.behaviour.squareform().mean(axis=0)),
    }
    evc = rsa92.fmri_evc.squareform()
    for name, (own, mean) in people.items():
        parts = {row.part for row in table92.rows if row.model == name}
        assert parts == {row.part for row in table92.rows} - {own}
        row = table92.value(name, "fMRI EVC", "spearman")
        assert row.value == pytest.approx(mean_spearman(mean, evc), abs=1e-10)
        assert (row.role, row.split) == ("baseline", "other people")
    assert table92.value("model RDM: animacy", "fMRI EVC", "spearman").split.startswith("a published RDM of a model")


def test_equal_models_differ_by_nothing(table92):
    assert {(d.difference, d.low, d.high, d.over) for d in table92.differences} == {(0.0, 0.0, 0.0, "subjects")}
    assert len(table92.differences) == 4


def test_the_stray_file_is_named(table92):
    assert table92.notes == ("features (1): 92 inputs stand for 92 items; 1 matched none ('thumbs.png').",)


def test_a_subset_of_the_92(colours, root, rsa92):
    some = list(colours.labels[:92:3])
    table = score(colours.select(some), "rsa92", root=root, n_bootstrap=0, n_shuffles=1)
    keep = np.arange(92)[::3]
    people = rsa92.fmri_it.squareform()[:, keep][:, :, keep]
    expected = mean_spearman(squareform(pdist(colours.array()[:92:3], "correlation")), people)
    row = table.value("features", "fMRI IT", "spearman")
    assert row.value == pytest.approx(expected, abs=1e-10)
    assert row.n_items == len(some)
    assert table.notes == (f"Scored on the {len(some)} of 92 items of rsa92 that the model has.",)


@pytest.mark.parametrize(("metric", "method"), [("euclidean", "pearson"), ("cosine", "spearman")])
def test_algonauts_against_plain_loops(root, metric, method):
    data = load_algonauts78(root)
    x = np.random.default_rng(0).normal(size=(78, 9))
    features = Features.from_array(x, [f"stimuli/{label}.jpg" for label in data.labels], name="noise")
    table = score(features, "algonauts78", root=root, metric=metric, method=method, n_bootstrap=50, n_shuffles=2)
    correlate = {"pearson": pearsonr, "spearman": spearmanr}[method]
    for part, rdms in (("fMRI IT", data.fmri_it), ("fMRI EVC", data.fmri_evc)):
        row = table.value("noise", part, method)
        expected = np.mean([correlate(pdist(x, metric), one).statistic for one in rdms.values])
        assert row.value == pytest.approx(expected, abs=1e-10)
        assert row.measure == f"{method} with people's RDMs"
        assert abs(row.value) < 0.05
    assert "row i is image i is an assumption" in table.notes[-1]
