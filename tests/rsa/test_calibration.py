from __future__ import annotations

import numpy as np
import pytest

from alignkit.rsa import (
    Calibration,
    Triplets,
    calibration,
    choice_probabilities,
    cross_entropy,
    entropy_agreement,
    expected_calibration_error,
    fit_temperature,
    human_distribution,
    kl_divergence,
)


def answers(rng, n=300, n_items=12, **columns):
    return Triplets(np.array([rng.permutation(n_items)[:3] for _ in range(n)]), **columns)


def test_at_temperature_1_it_is_the_single_measures(rng):
    x, triplets = rng.standard_normal((12, 3)), answers(rng)
    result = calibration(x, triplets, repeats=triplets, n_bins=7, n_bootstrap=0, rng=0)
    human = human_distribution(triplets, min_answers=2)
    p, q = choice_probabilities(x, triplets), choice_probabilities(x, human)
    assert result.cross_entropy[0] == pytest.approx(cross_entropy(p), rel=1e-12)
    assert result.calibration_error[0] == pytest.approx(expected_calibration_error(p, n_bins=7), abs=1e-12)
    assert result.kl[0] == pytest.approx(kl_divergence(human, q), rel=1e-10)
    agreement = entropy_agreement(q, human, n_bootstrap=0, rng=0)
    assert result.entropy_spearman == pytest.approx(agreement.spearman, abs=1e-12)
    assert result.n_repeated == len(human)
    assert result.temperature[0] == 1.0


def test_without_repeats_the_folds_are_those_of_fit_temperature(rng):
    x, triplets = rng.standard_normal((12, 3)), answers(rng)
    result = calibration(x, triplets, n_bootstrap=0, rng=0)
    fit = fit_temperature(x, triplets, rng=np.random.default_rng(0).spawn(1)[0])
    np.testing.assert_allclose(result.fold_temperature, fit.fold_temperature)
    assert result.cross_entropy[1] == pytest.approx(fit.cross_entropy)
    assert result.temperature[1] == pytest.approx(np.exp(np.log(fit.fold_temperature).mean()))
    assert np.isnan([*result.kl, result.entropy_spearman, result.response_time_spearman]).all()


def test_a_repeat_is_scored_at_a_temperature_fitted_without_it():
    # one triplet's answers decide the temperature; its own distribution must be scored at the others'
    x = np.array([[2.0, 0.0], [2.0, 0.2], [0.0, 1.0], [0.3, 1.0]])
    shown = [[0, 1, 2], [0, 2, 1], [0, 1, 3], [1, 3, 0], [2, 3, 0], [0, 2, 3]]
    triplets = Triplets(np.repeat(shown, [40, 30, 9, 4, 9, 7], axis=0))
    human = human_distribution(triplets)
    result = calibration(x, triplets, repeats=triplets, n_folds=3, n_bootstrap=0, rng=0)
    assert result.n_triplets == 3
    expected = []
    for items, counts in zip(human.items, human.counts, strict=True):
        others = triplets.take((np.sort(triplets.items, axis=1) != items).any(axis=1))
        temperature = fit_temperature(x, others, n_folds=2, rng=0).temperature
        p = choice_probabilities(x, items[None], temperature=temperature)
        expected.append(kl_divergence(counts[None] / counts.sum(), p))
    assert result.kl[1] == pytest.approx(np.mean(expected), rel=1e-4)


def test_known_answers_on_things(things_repeats, spose66_files):
    result = calibration(spose66_files, things_repeats, repeats=things_repeats, n_bootstrap=300, rng=0)
    assert result.cross_entropy[0] == pytest.approx(0.8243, abs=5e-5)
    assert result.calibration_error[0] == pytest.approx(0.022, abs=5e-4)
    assert result.human_entropy == pytest.approx(0.732, abs=5e-4)
    # on the repeats cross-entropy is human entropy plus divergence, up to the weights of the triplets
    assert result.cross_entropy[0] == pytest.approx(result.human_entropy + result.kl[0], abs=2e-3)
    assert result.cross_entropy_low[0] < result.cross_entropy[0] < result.cross_entropy_high[0]
    assert result.kl_low[1] < result.kl[1] < result.kl_high[1]
    assert result.cross_entropy[1] < result.cross_entropy[0]


def test_the_reliability_diagram_adds_up(rng):
    x, triplets = rng.standard_normal((12, 3)), answers(rng)
    result = calibration(x, triplets, n_bootstrap=0, rng=0)
    np.testing.assert_allclose(result.bin_share.sum(axis=1), 1)
    gap = np.nansum(result.bin_share * np.abs(result.bin_confidence - result.bin_accuracy), axis=1)
    np.testing.assert_allclose(gap, result.calibration_error)
    assert np.isnan(result.bin_accuracy[:, :3]).all()  # the largest of three is above a third


def test_response_times_of_repeats_or_of_answers(rng):
    x = rng.standard_normal((12, 3))
    triplets = answers(rng, response_time=rng.random(300))
    human = human_distribution(triplets, min_answers=2)
    by_repeat = entropy_agreement(choice_probabilities(x, human), human, n_bootstrap=0).response_time
    by_answer = entropy_agreement(
        choice_probabilities(x, triplets), response_time=triplets.response_time, n_bootstrap=0
    ).response_time
    repeated = calibration(x, triplets, repeats=human, n_bootstrap=0, rng=0)
    assert repeated.response_time_spearman == pytest.approx(by_repeat, abs=1e-12)
    assert calibration(x, triplets, n_bootstrap=0, rng=0).response_time_spearman == pytest.approx(by_answer, abs=1e-12)


def test_undefined_answers_follow_the_policy(rng):
    x, triplets = rng.standard_normal((12, 3)), answers(rng)
    x[11] = np.nan
    with pytest.warns(RuntimeWarning, match="'item 11'") as record:
        result = calibration(x, triplets, repeats=triplets, n_bootstrap=20, rng=0)
    assert len(record) == 1
    assert np.isnan([*result.cross_entropy, *result.kl, *result.calibration_error, result.entropy_spearman]).all()
    kept = triplets.take((triplets.items < 11).all(axis=1))
    omitted = calibration(x, triplets, repeats=triplets, nan_policy="omit", n_bootstrap=0, rng=0)
    alone = calibration(x[:11], kept, repeats=kept, n_bootstrap=0, rng=0)
    assert omitted.cross_entropy[1] == pytest.approx(alone.cross_entropy[1], rel=1e-12)
    assert omitted.kl[1] == pytest.approx(alone.kl[1], rel=1e-12)
    assert (omitted.n, omitted.n_undefined) == (len(kept), 300 - len(kept))
    with pytest.raises(ValueError, match="item 11"):
        calibration(x, triplets, nan_policy="raise")


def test_repeats_must_name_the_same_items(rng):
    x = rng.standard_normal((12, 3))
    named = answers(rng, labels=[f"i{k}" for k in range(12)])
    with pytest.raises(ValueError, match="do not name the same items in the same order"):
        calibration(x, named, repeats=answers(rng))


def test_saves_loads_plots_and_speaks(rng, tmp_path):
    x, triplets = rng.standard_normal((12, 3)), answers(rng)
    result = calibration(x, triplets, repeats=triplets, n_bootstrap=20, rng=0)
    result.save(tmp_path / "c.json")
    back = Calibration.load(tmp_path / "c.json")
    np.testing.assert_array_equal(back.kl, result.kl)
    np.testing.assert_array_equal(back.bin_accuracy, result.bin_accuracy)
    table = result.to_dataframe()
    assert table.loc[table.measure == "kl", "value"].tolist() == result.kl.tolist()
    assert "temperature 1" in result.methods_text()
    assert "cross-entropy" in repr(result)
    axes = result.plot()
    assert axes.get_xlabel().startswith("confidence")
    axes.figure.clear()
