from __future__ import annotations

import re

import numpy as np
import pytest
from matplotlib import pyplot as plt
from scipy import stats

from alignkit.rsa import RDM, WeightedModel, compare, power
from alignkit.rsa._inference._t_power import t_power


def pilot_of(rng, n_subjects: int = 6, n_items: int = 12, noise: float = 3.0, spread: float = 0.0):
    """Return two models and RDMs of subjects who share the first of them."""
    models = rng.normal(size=(2, n_items * (n_items - 1) // 2))
    weights = 1 + spread * rng.normal(size=(n_subjects, 1))
    return models, weights * models[0] + noise * rng.normal(size=(n_subjects, models.shape[1]))


# ---- numbers ---------------------------------------------------------------------------------------------------------


def test_over_subjects_it_is_the_power_of_a_t_test(rng):
    models, pilot = pilot_of(rng)
    options = {"n_subjects": (5, 9), "n_bootstrap": 50, "n_simulations": 0, "rng": 0}
    curve = power({"a": models[0], "b": models[1]}, pilot, test="t", **options)
    a, b = compare(models, pilot).values
    assert curve.tests == ("a > 0", "b > 0", "a - b")
    for k, (x, two_sided) in enumerate([(a, False), (b, False), (a - b, True)]):
        assert curve.effect[k] == pytest.approx(x.mean())
        for j, n in enumerate((5, 9)):
            delta = x.mean() / x.std(ddof=1) * np.sqrt(n)
            expected = t_power(delta, n - 1, 0.05, two_sided=two_sided)
            assert curve.power[k, 0, j] == pytest.approx(float(expected), rel=1e-9)
        effect = x.mean() / x.std(ddof=1)
        n = np.arange(2, 1001)
        enough = n[t_power(effect * np.sqrt(n), n - 1, 0.05, two_sided=two_sided) >= 0.8]
        found = curve.n_needed[k, 0]
        assert (found == enough[0]) if len(enough) else np.isnan(found)
    assert np.isnan(curve.simulated).all()
    assert np.isnan(curve.components[1:]).all()


def test_sign_flips_of_few_subjects_have_no_power(rng):
    models, pilot = pilot_of(rng, noise=0.1)
    curve = power(models[:1], pilot, n_subjects=(4, 5, 6), n_simulations=50, n_bootstrap=20, rng=0)
    assert curve.test == "sign-flip"
    assert curve.power[0, 0, 0] == curve.simulated[0, 0, 0] == 0
    assert curve.power[0, 0, 1] > 0.9
    assert curve.simulated[0, 0, 1] > 0.9
    assert curve.n_needed[0, 0] == 5
    between = power(models, pilot, n_subjects=(5, 6), n_simulations=50, n_bootstrap=20, rng=0)
    assert between.power[2, 0, 0] == between.simulated[2, 0, 0] == 0
    assert between.simulated[2, 0, 1] > 0.9
    assert between.n_needed[2, 0] == 6
    assert power(models, pilot, generalize="both", n_subjects=[4], n_bootstrap=20, rng=0).test == "t"


def test_the_interval_resamples_subjects(rng):
    models, pilot = pilot_of(rng, n_subjects=8)
    curve = power(models[0], pilot, n_subjects=[10], n_bootstrap=4000, n_simulations=0, rng=1)
    x = compare(models[0], pilot).values
    drawn = x[rng.integers(8, size=(4000, 8))]
    # the variance of a resample is too small by (n-1)/n beside that of its n-1
    delta = drawn.mean(axis=1) / (drawn.std(axis=1, ddof=1) * np.sqrt(8 / 7)) * np.sqrt(10)
    expected = t_power(np.quantile(delta, [0.025, 0.975]), 9, 0.05, two_sided=False)
    assert curve.pilot_interval[:, 0, 0, 0] == pytest.approx(expected, abs=0.03)
    assert curve.pilot_interval[0, 0, 0, 0] <= curve.power[0, 0, 0] <= curve.pilot_interval[1, 0, 0, 0]


def test_drawn_experiments_agree_with_the_formula(rng):
    models, pilot = pilot_of(rng, n_subjects=40, noise=5.0)
    curve = power(models[0], pilot, test="t", n_subjects=(4, 8), n_simulations=1500, n_bootstrap=20, rng=2)
    assert np.allclose(curve.simulated, curve.power, atol=0.05)
    low, high = curve.simulated_interval
    assert ((low < curve.simulated) & (curve.simulated < high)).all()


def test_drawn_sign_flips_agree_with_the_formula(rng):
    models, pilot = pilot_of(rng, n_subjects=60, noise=6.0)
    curve = power(models, pilot, n_subjects=(5, 7, 10, 14), n_simulations=1000, n_bootstrap=20, rng=2)
    assert np.allclose(curve.simulated, curve.power, atol=0.06)
    k = curve.tests.index("model 0 > 0")
    needed = int(curve.n_needed[k, 0])
    near = power(models, pilot, n_subjects=(needed - 1, needed), n_simulations=0, n_bootstrap=20, rng=2).power[k, 0]
    assert near[0] < 0.8 <= near[1]


@pytest.mark.parametrize("method", ["pearson", "rho-a"])
def test_fewer_items_have_less_power_and_more_items_more(method, rng):
    models, pilot = pilot_of(rng, n_subjects=10, n_items=16, noise=4.0, spread=0.3)
    options = {"n_subjects": [6], "n_items": [8, 16, 32], "n_simulations": 300, "n_bootstrap": 300, "rng": 3}
    curve = power(models[0], pilot, method=method, **options)
    assert (np.diff(curve.power[0, :, 0]) > 0).all()
    assert np.isnan(curve.simulated[0, 2, 0])
    assert np.isfinite(curve.simulated[0, :2, 0]).all()
    assert "More than the pilot's 16 items" in curve.note


def test_over_new_items_power_is_lower(rng):
    models, pilot = pilot_of(rng, n_subjects=8, n_items=14, spread=0.4)
    options = {"n_items": [14, 28], "n_bootstrap": 300, "n_simulations": 0, "rng": 0}
    subjects = power(models[0], pilot, test="t", **options)
    both = power(models[0], pilot, generalize="both", **options)
    assert (both.power <= subjects.power + 1e-9).all()
    assert (both.n_needed >= subjects.n_needed)[np.isfinite(both.n_needed)].all()
    a, b, c = both.components[:, 0]
    variance = a / 12 + b / 28 + c / 12 / 28
    expected = t_power(both.effect[0] / np.sqrt(variance), 11, 0.05, two_sided=False)
    assert both.power[0, 1, both.n_subjects.index(12)] == pytest.approx(float(expected), rel=1e-9)
    assert np.isnan(both.simulated).all()


def test_the_interval_holds_the_true_power(rng):
    # scores of subjects: pearson with a model, whose population is known by a large sample
    model = rng.normal(size=66)

    def people(n: int) -> np.ndarray:
        return (0.3 + 0.3 * rng.normal(size=(n, 1))) * model + rng.normal(size=(n, 66))

    many = compare(model, people(20_000), method="pearson").values
    true = t_power(many.mean() / many.std() * np.sqrt(8), 7, 0.05, two_sided=False)
    held = 0
    for seed in range(60):
        curve = power(model, people(16), n_subjects=[8], method="pearson", n_simulations=0, n_bootstrap=300, rng=seed)
        low, high = curve.pilot_interval[:, 0, 0, 0]
        held += low <= true <= high
    assert held >= stats.binom.ppf(0.001, 60, 0.88)


def test_a_seed_decides_everything(rng):
    models, pilot = pilot_of(rng)
    options = {"n_items": [8, 12], "n_simulations": 70, "n_bootstrap": 40}
    one, same, other = (power(models, pilot, rng=seed, **options) for seed in (1, 1, 2))
    assert one.to_dict() == same.to_dict()
    assert one.to_dict() != other.to_dict()


# ---- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"generalize": "items"}, "generalize must be one of"),
        ({"method": "bures-metric"}, "is a distance"),
        ({"test": "sign-flip", "generalize": "both"}, "does not speak of new items"),
        ({"n_subjects": [1]}, "n_subjects must be"),
        ({"n_subjects": []}, "n_subjects must list"),
        ({"n_items": [3]}, "n_items must be"),
        ({"target": 1.0}, "target must"),
    ],
)
def test_bad_options(options, text, rng):
    with pytest.raises(ValueError, match=re.escape(text)):
        power(*pilot_of(rng), **options)


def test_bad_pilots(rng):
    models, pilot = pilot_of(rng)
    with pytest.raises(ValueError, match="a pilot needs at least 3 subjects"):
        power(models, pilot[:2])
    with pytest.raises(ValueError, match="the pilot has the axes"):
        power(models, RDM(pilot[:, None], dims=["subject", "time"]))
    broken = pilot.copy()
    broken[0, 0] = np.nan
    with pytest.raises(ValueError, match="the pilot holds NaN"):
        power(models, broken)
    with pytest.raises(ValueError, match="spearman is undefined"):
        power(np.ones((1, 66)), pilot)
    with pytest.raises(ValueError, match="pilot holds a single RDM; a pilot needs"):
        power(models, pilot[0])


def test_models_that_score_alike_have_no_power_to_tell(rng, recwarn):
    models, pilot = pilot_of(rng)
    options = {"n_subjects": (5, 9), "n_bootstrap": 20, "n_simulations": 0, "test": "t", "rng": 0}
    curve = power({"a": models[0], "again": models[0]}, pilot, **options)
    assert np.isnan(curve.power[2]).all()
    assert "a - again, 12 items: unknown, scores in the pilot do not vary" in repr(curve)
    assert "more than 1000" not in repr(power(models[:1], np.repeat(pilot[:1], 3, axis=0), **options))
    assert not len(recwarn)


# ---- the result ------------------------------------------------------------------------------------------------------


def test_the_result_goes_through_json_and_a_table(tmp_path, rng):
    models, pilot = pilot_of(rng)
    curve = power(models, pilot, n_items=[8, 12], n_simulations=30, n_bootstrap=30, rng=0, progress=False)
    curve.save(tmp_path / "c.json")
    back = type(curve).load(tmp_path / "c.json")
    assert back.to_dataframe().equals(curve.to_dataframe())
    table = curve.to_dataframe()
    row = table[(table.test == "model 0 - model 1") & (table.n_items == 12) & (table.n_subjects == 8)].iloc[0]
    assert (row.power, row.simulated) == (curve.power[2, 1, 2], curve.simulated[2, 1, 2])
    assert "pilot of 6 subjects x 12 items" in repr(curve)
    assert "30 experiments drawn" in curve.methods_text()
    axes = curve.plot()
    assert len(axes.get_legend().get_texts()) == 6


def test_the_key_hides_nothing(rng):
    models, pilot = pilot_of(rng)
    names = {f"a network with a long name/layers.11.mlp.fc{k}": model for k, model in enumerate(models)}
    options = {"n_subjects": (5, 9), "n_bootstrap": 5, "n_simulations": 0, "rng": 0}
    axes = power(names, pilot, generalize="both", n_items=(10, 20), **options).plot()
    axes.figure.canvas.draw()
    key, picture = axes.get_legend().get_window_extent(), axes.get_window_extent()
    assert not key.overlaps(picture)
    assert picture.width > 250
    assert axes.figure.bbox.x0 <= key.x0 <= key.x1 <= axes.figure.bbox.x1
    plt.close("all")


def test_every_number_once_and_rdms_as_models(rng):
    rows = rng.random((5, 45))
    with pytest.raises(ValueError, match="n_subjects must list every number once; got 8 twice"):
        power(rows[:1], rows, n_subjects=[4, 8, 8])
    with pytest.raises(ValueError, match="n_items must list every number once; got 10 twice"):
        power(rows[:1], rows, n_subjects=[4], n_items=[10, 10])
    with pytest.raises(TypeError, match="models holds a WeightedModel, which only evaluate"):
        power({"a": WeightedModel(rows)}, rows, n_subjects=[4])
    with pytest.raises(ValueError, match=r"^pilot holds a single RDM"):
        power(rows[:1], rows[0], n_subjects=[4])
