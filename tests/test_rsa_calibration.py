"""The study of calibration: what it draws, what it measures, and what it kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import binom

from alignkit.rsa import evaluate, noise_ceiling

ROOT = Path(__file__).resolve().parents[1]
STUDIES = ROOT / "studies"
if not STUDIES.exists():
    pytest.skip("the studies are not beside the tests", allow_module_level=True)
sys.path.insert(0, str(ROOT))

from studies import _rsa_lab as lab  # noqa: E402
from studies import rsa_calibration as study  # noqa: E402
from studies._rsa_measures import INTERVALS, flips, lower_bound, mantel, measured, scores_of  # noqa: E402


def example(n_subjects: int = 6, n_items: int = 12, k: int = 0):
    items = lab.draw_items(3, (k,), n_items)
    data = lab.measure(3, (k,), items, lab.draw_subjects(3, (k,), n_subjects))
    return items, data


# ---- what is drawn ---------------------------------------------------------------------------------------------------


def test_draws_are_a_function_of_where_they_stand():
    items, data = example()
    again = example()
    assert np.array_equal(items.shared, again[0].shared)
    assert np.array_equal(data, again[1])
    assert not np.array_equal(data, example(k=1)[1])


def test_distances_are_scipys(rng):
    patterns = rng.normal(size=(3, 7, 5))
    expected = [pdist(one, "sqeuclidean") for one in patterns]
    assert np.allclose(lab.distances(patterns), expected, rtol=0, atol=1e-12)


def test_the_mean_subject_has_the_shared_rdm():
    items = lab.draw_items(0, (0,), 14)
    many = lab.measure(0, (0,), items, lab.draw_subjects(0, (0,), 4000))
    assert np.corrcoef(many.mean(axis=0), items.truth)[0, 1] > 0.99
    nothing = lab.measure(0, (0,), items, lab.draw_subjects(0, (0,), 4000), share=0.0)
    assert abs(np.corrcoef(nothing.mean(axis=0), items.truth)[0, 1]) < 0.4
    scores = scores_of(items.models, nothing, "pearson")
    assert (np.abs(scores.mean(axis=1)) < 4 * scores.std(axis=1) / np.sqrt(4000)).all()


def test_twins_hold_both_halves_equally_dear():
    subjects = lab.draw_subjects(0, (1,), 6, twins=True)
    exchanged = [2, 3, 0, 1]
    assert np.array_equal(subjects[1::2], subjects[::2][:, exchanged][:, :, exchanged])
    # over many items, the models of both halves score the same
    scores = []
    for k in range(150):
        items = lab.draw_items(0, (k,), 12)
        scores.append(scores_of(items.models, lab.measure(0, (k,), items, subjects), "pearson").mean(axis=1))
    difference = np.array(scores)[:, 0] - np.array(scores)[:, 1]
    assert abs(difference.mean()) < 3.5 * difference.std() / np.sqrt(150)


# ---- what is measured ------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("method", study.METHODS)
@pytest.mark.parametrize("generalize", study.SCHEMES)
def test_it_is_what_evaluate_says(method, generalize):
    items, data = example()
    models = items.models
    ceilings = method == "pearson"
    found = measured(models, data, method, generalize, n_bootstrap=60, ceilings=ceilings, seed=5)
    for k, interval in enumerate(INTERVALS):
        options = {"generalize": generalize, "method": method, "test": "t", "n_bootstrap": 60, "rng": 5}
        result = evaluate(models, data, interval=interval, **options)
        assert np.allclose(found.score, result.score, rtol=0, atol=1e-14)
        assert np.allclose(found.intervals[k], result.interval, rtol=0, atol=1e-12), interval
        assert found.p_zero == pytest.approx(result.p_zero, rel=1e-9)
        assert found.p_models == pytest.approx(result.p_pairwise[0, 1], rel=1e-9)
        if ceilings:
            assert found.p_ceiling == pytest.approx(result.p_ceiling[-1], rel=1e-9)
    assert np.isnan(found.p_ceiling) == (not ceilings)


def test_flips_and_labels_are_those_of_evaluate():
    items, data = example()
    zero, models = flips(scores_of(items.models, data, "pearson"), seed=0, n_permutations=99)
    result = evaluate(items.models, data, method="pearson", n_bootstrap=0)
    assert (zero, models) == (result.p_zero[2], result.p_pairwise[0, 1])
    few = lab.measure(0, (0,), items, lab.draw_subjects(0, (0,), 4))
    assert np.isnan(flips(scores_of(items.models, few, "pearson"), seed=0, n_permutations=99)).all()
    small, data = example(n_items=6)
    p = mantel(small.models, data, "spearman", seed=0, n_permutations=720)
    result = evaluate(small.models, data, generalize="items", n_permutations=720, n_bootstrap=10, rng=0)
    assert np.array_equal(p, result.p_zero)


def test_the_lower_bound_is_that_of_the_ceiling():
    _, data = example()
    assert lower_bound(data) == pytest.approx(noise_ceiling(data, method="pearson", n_bootstrap=0).lower, abs=1e-14)


def test_the_last_model_scores_as_the_lower_bound():
    cell = study.Cell(6, 20, "pearson", "both", study.Size())
    known = [cell._known(0, k) for k in range(60)]
    weight = cell._weight(known)
    gap = []
    for k in range(100):
        models, data = cell._draw(study._DATA, 0, k, weight)
        gap.append(scores_of(models, data, "pearson")[3].mean() - lower_bound(data))
    assert abs(np.mean(gap)) < 4 * np.std(gap) / np.sqrt(100) + 0.01
    items = lab.draw_items(0, (0,), 9)
    mixed = study._mixed(items, 0.6)
    assert np.corrcoef(mixed, items.truth)[0, 1] == pytest.approx(0.6)


# ---- what is made of it ----------------------------------------------------------------------------------------------


def row(**fields):
    given = {"n_subjects": 4, "n_items": 20, "generalize": "subjects", "method": "pearson", "what": "test"}
    return {
        **given,
        "kind": "sign flips",
        "of": "zero",
        "n": 100,
        "rejected": 5,
        "share": 0.05,
        "exact": True,
        **fields,
    }


def test_exact_tests_are_judged_together():
    # 14 of 100 by chance at 5 %: 0.0005; with 40 such tests, 0.05 / 40 is what counts
    rows = [row() for _ in range(39)] + [row(rejected=14, share=0.14), row(kind="t", exact=False, share=0.3)]
    found = study.summary(rows)
    assert (found["exact_tests"], found["bonferroni"]) == (40, 0.05 / 40)
    assert found["smallest_p"] == pytest.approx(1 - binom.cdf(13, 100, 0.05))
    assert [one["rejected"] for one in found["above_their_level"]] == [14]
    assert study.summary(rows[:39])["above_their_level"] == []
    assert found["others"] == {"subjects, t test, zero": {"least": 0.3, "most": 0.3}}


def test_shares_of_rejections_and_of_coverage():
    found = study._test("items", "pearson", "t", "zero", [0.01, 0.05, 0.2, np.nan])
    assert (found["n"], found["rejected"], found["share"], found["without_p"]) == (3, 2, 2 / 3, 1)
    assert study._test("items", "pearson", "t", "zero", [np.nan])["share"] is None
    intervals = np.array([[[0.0, 1.0, np.nan], [1.0, 2.0, np.nan]]])
    held = study._holds(intervals, np.array([1.0, 0.5, 0.0]))
    assert held[0, :2].tolist() == [1, 0]
    assert np.isnan(held[0, 2])


def test_the_table_has_a_line_per_claim():
    interval = row(what="interval", kind="bca", share=0.9, exact=None)
    lines = study.table([row(), row(n_subjects=6, share=None), interval])
    assert lines[0].endswith("| items | 4 subjects | 6 subjects |")
    assert lines[2:] == [
        "| subjects | sign flips: zero (exact) | pearson | 20 | 5.0 | no p |",
        "| subjects | bca interval | pearson | 20 | **90.0** |  |",
    ]
    assert study.coverages([row(), interval]) == [
        {
            "generalize": "subjects",
            "interval": "bca",
            "method": "pearson",
            "n_subjects": 4,
            "n_items": 20,
            "coverage": 0.9,
        }
    ]


def test_the_picture_has_a_column_for_what_is_new():
    from matplotlib import pyplot as plt

    from studies._draw_calibration import draw

    rows = [row(), row(kind="t", exact=False, of="models", n_subjects=6), row(what="interval", kind="bca", share=0.9)]
    figure = draw([*rows, row(share=None), row(generalize="both", kind="t", exact=False)])
    try:
        titles = [ax.get_title() for ax in figure.axes[:3]]
        assert titles == ["over new subjects", "over new items", "over new subjects and items"]
        assert figure.axes[0].get_legend() is not None
        drawn = [line.get_ydata() for line in figure.axes[3].lines]
        assert next(float(y[0]) for y in drawn if len(y)) == 0.9
    finally:
        plt.close(figure)


def test_designs_of_many_items_take_fewer_data_sets():
    size = study.Size()
    assert [size.n_of("pearson", n) for n in (20, 50, 100, 200)] == [(320, 300), (320, 300), (160, 200), (160, 200)]
    assert [size.n_of("spearman", n)[0] for n in (50, 100, 200)] == [320, 160, 80]


def test_units_are_shared_out_whole_and_evenly():
    units = study.units_of(study.Size())
    assert len(set(units)) == 5 * 4 * 2 * 4
    parts = study.shared_out(units, 2)
    assert sorted(map(repr, [*parts[0], *parts[1]])) == sorted(map(repr, units))
    costs = [sum(unit.cost for unit in part) for part in parts]
    assert max(costs) < 1.05 * min(costs)


@pytest.mark.slow
def test_a_small_run_goes_on_and_keeps_nothing(tmp_path):
    before = {path: path.read_bytes() for path in [*STUDIES.glob("*.json"), study.TABLE]}
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def run(*options: str) -> str:
        command = [sys.executable, "-m", "studies.rsa_calibration", "--small", "--work", str(tmp_path), *options]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "exact_tests" not in run("--part", "1/2")
    made = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert len(made) == 8
    out = run()
    assert {path: path.stat().st_mtime_ns for path in made} == made
    assert len(list(tmp_path.iterdir())) == 16
    assert json.loads(out[out.index("{") :])["exact_tests"] > 0
    assert {path: path.read_bytes() for path in [*STUDIES.glob("*.json"), study.TABLE]} == before


# ---- what was kept ---------------------------------------------------------------------------------------------------


def test_the_kept_study_holds_what_is_promised():
    content = json.loads((STUDIES / "rsa_calibration.json").read_text())
    rows = content["rows"]
    assert {(one["n_subjects"], one["n_items"]) for one in rows} == {
        (s, n) for s in content["size"]["subjects"] for n in content["size"]["items"]
    }
    assert study.summary(rows) == content["summary"]
    assert content["summary"]["above_their_level"] == []
    assert json.loads(study.TABLE.read_text()) == study.coverages(rows)
    assert (STUDIES / "rsa_calibration.md").read_text().splitlines() == study.table(rows)
    assert (STUDIES / "rsa_calibration.png").exists()
