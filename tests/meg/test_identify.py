"""Identification of people by their own models."""

from __future__ import annotations

import warnings

import matplotlib as mpl
import numpy as np
import pytest

from alignkit.meg import Identification, RDMStore, identify
from alignkit.rsa import RDM
from tests.reference.identify import all_scores, similarity

mpl.use("Agg")
NAMES = ("p1", "p2", "p3", "p4", "p5")
TIMES = np.arange(-2, 6) / 100
N = 9
LABELS = [f"item {i}" for i in range(N)]


def movies(seed):
    return np.random.default_rng(seed).random((len(NAMES), len(TIMES), N * (N - 1) // 2))


def as_people(values, names=NAMES, times=TIMES, labels=LABELS):
    return RDM(values, labels, dims=["subject", "time"], coords={"subject": list(names), "time": times})


def as_model(values, times=TIMES, labels=LABELS):
    return RDM(values, labels, dims=["time"], coords={"time": times})


def study(noise=1.0, seed=0):
    """Return models, people's RDMs, and those of other sessions, all about one movie a person."""
    truth, rng = movies(seed), np.random.default_rng(seed + 1)
    models = {name: as_model(one) for name, one in zip(NAMES, truth, strict=True)}
    return models, *(as_people(truth + noise * rng.random(truth.shape)) for _ in range(2))


def test_matrix_and_scores_equal_plain_loops():
    models, people, other = study()
    found = identify(models, people, other=other, n_permutations=200, rng=0)
    expected = similarity(people.values, [models[name].values for name in NAMES])
    np.testing.assert_allclose(found.matrix, expected, atol=1e-12)
    np.testing.assert_allclose(found.sessions, similarity(people.values, other.values), atol=1e-12)
    assert {one.name: one.value for one in found.tests} == pytest.approx(all_scores(expected, range(5)))
    np.testing.assert_allclose(found.own, np.diagonal(expected))
    rest = (expected.sum(axis=1) - np.diagonal(expected)) / 4
    np.testing.assert_allclose(found.others, rest)
    np.testing.assert_allclose(found.own_minus_others, np.diagonal(expected) - rest)
    np.testing.assert_allclose(found.own_sessions, np.diagonal(found.sessions))
    assert found.exact
    assert found.n_permutations == 120
    assert found.test("own - others").p == pytest.approx(1 / 120)


def test_a_window_is_the_mean_over_its_samples():
    models, people, _ = study()
    found = identify(models, people, window=(0.0, 0.02), n_permutations=10, rng=0)
    expected = similarity(people.values[:, 2:5], [models[name].values[2:5] for name in NAMES])
    np.testing.assert_allclose(found.matrix, expected, atol=1e-12)
    np.testing.assert_allclose(found.times, [0, 0.01, 0.02])
    late = identify(models, people, window=(0.03, None), n_permutations=10, rng=0)
    np.testing.assert_allclose(late.times, TIMES[5:])


def test_items_are_matched_by_label_and_people_by_name():
    models, people, other = study()
    plain = identify(models, people, other=other, n_permutations=50, rng=0)
    order = np.random.default_rng(2).permutation(N)
    mixed = {name: models[name].take(order) for name in reversed(NAMES)}
    turned = other.isel(subject=[4, 2, 0, 1, 3]).take(order[::-1])
    found = identify(mixed, people, other=turned, n_permutations=50, rng=0)
    np.testing.assert_allclose(found.matrix, plain.matrix, atol=1e-12)
    np.testing.assert_allclose(found.sessions, plain.sessions, atol=1e-12)
    assert found.aligned_by == "label"


def test_one_store_per_person_is_read_as_one_stack_of_all(tmp_path):
    models, people, other = study()
    for folder, stack in (("first", people), ("second", other)):
        (tmp_path / folder).mkdir()
        for k, name in enumerate(NAMES):
            path = tmp_path / folder / f"{name}.zarr"
            with RDMStore.create(path, labels=LABELS, times=TIMES, dtype="float64") as store:
                store.write(0, stack.values[k])
    paths = [tmp_path / "first" / f"{name}.zarr" for name in NAMES]
    found = identify(models, paths, other=[tmp_path / "second" / path.name for path in paths], rng=0)
    plain = identify(models, people, other=other, rng=0)
    np.testing.assert_allclose(found.matrix, plain.matrix, atol=1e-9)
    np.testing.assert_allclose(found.sessions, plain.sessions, atol=1e-9)
    assert found.people == NAMES


def test_static_models_are_compared_at_all_times():
    _, people, _ = study()
    static = {name: RDM(people.values[k, 3], LABELS) for k, name in enumerate(NAMES)}
    found = identify(static, people, n_permutations=10, rng=0)
    repeated = {name: as_model(np.tile(one.values, (len(TIMES), 1))) for name, one in static.items()}
    np.testing.assert_allclose(found.matrix, identify(repeated, people, n_permutations=10, rng=0).matrix, atol=1e-12)


def test_static_and_dynamic_models_go_together():
    models, people, _ = study()
    mixed = models | {"p1": RDM(people.values[0, 3], LABELS)}
    found = identify(mixed, people, n_permutations=10, rng=0)
    np.testing.assert_allclose(found.matrix[:, 1:], identify(models, people, rng=0).matrix[:, 1:], atol=1e-12)


def test_a_single_time_point_is_enough():
    models, people, _ = study()
    one = {name: model.isel(time=[4]) for name, model in models.items()}
    found = identify(one, people.isel(time=[4]), rng=0)
    np.testing.assert_allclose(found.matrix, similarity(people.values[:, 4:5], [m.values for m in one.values()]))


def test_shuffled_models_identify_nobody():
    models, people, _ = study()
    turned = dict(zip(NAMES, np.roll(np.array(list(models.values()), dtype=object), 1), strict=True))
    found = identify(turned, people, rng=0)
    assert found.test("rank-1").value == 0
    assert all(one.p > 0.05 for one in found.tests)


def test_missing_pairs_are_left_out_of_their_comparisons_alone():
    models, people, _ = study()
    values = people.values.copy()
    values[1, :, 5] = np.nan
    gappy = as_people(values)
    with pytest.warns(RuntimeWarning, match="the data of p2"):
        found = identify(models, gappy, rng=0)
    assert np.isnan(found.matrix[1]).all()
    assert not np.isnan(found.matrix[[0, 2]]).any()
    omitted = identify(models, gappy, nan_policy="omit", rng=0)
    whole = identify(models, people, rng=0)
    np.testing.assert_allclose(omitted.matrix[[0, 2, 3, 4]], whole.matrix[[0, 2, 3, 4]], atol=1e-12)
    left = np.delete(np.arange(values.shape[-1]), 5)
    np.testing.assert_allclose(
        omitted.matrix[1], similarity(values[1:2, :, left], [models[n].values[:, left] for n in NAMES])[0], atol=1e-12
    )
    assert omitted.n_pairs == values.shape[-1] - 1
    with pytest.raises(ValueError, match="the data of p2"):
        identify(models, gappy, nan_policy="raise", rng=0)


def test_all_models_are_compared_over_the_same_pairs():
    models, people, other = study()
    data, again, movie = people.values.copy(), other.values.copy(), models["p3"].values.copy()
    data[1, :, 5] = np.nan  # of p2's data at all times, of p3's model at one, of p5's other sessions at another
    movie[2, [7, 8]] = np.nan
    again[4, 3, 9] = np.nan
    gappy = models | {"p3": as_model(movie)}
    found = identify(gappy, as_people(data), other=as_people(again), nan_policy="omit", rng=0)
    n = data.shape[-1]
    for t in range(len(TIMES)):
        for i in range(len(NAMES)):
            lacking = ([5] if i == 1 else []) + ([7, 8] if t == 2 else [])
            pairs = np.delete(np.arange(n), lacking)
            expected = similarity(
                data[i : i + 1, t : t + 1, pairs], [m.values[t : t + 1, pairs] for m in models.values()]
            )
            np.testing.assert_allclose(found.over_time[t, i], expected[0], atol=1e-12)
            pairs = np.delete(np.arange(n), ([5] if i == 1 else []) + ([9] if t == 3 else []))
            expected = similarity(data[i : i + 1, t : t + 1, pairs], again[:, t : t + 1, pairs])
            np.testing.assert_allclose(found.sessions_over_time[t, i], expected[0], atol=1e-12)
    assert found.n_pairs == n - 3
    assert "all models over the same pairs, 33 of 36 or more" in found.note
    assert "each used 33 of 36 pairs or more" in found.methods_text()
    assert "pairs" not in identify(models, people, nan_policy="omit", rng=0).note


def test_samples_without_a_model_are_left_out_for_everybody_or_named():
    models, people, _ = study()
    values = models["p3"].values.copy()
    values[:2] = 1.0  # nothing before the onset
    flat = models | {"p3": as_model(values)}
    with pytest.warns(RuntimeWarning, match="the model of p3"):
        found = identify(flat, people, rng=0)
    assert np.isnan(found.matrix[:, 2]).all()
    with pytest.warns(RuntimeWarning, match=r"2 samples, the first at -0\.02 s, left out"):
        omitted = identify(flat, people, nan_policy="omit", rng=0)
    np.testing.assert_allclose(omitted.times, TIMES[2:])
    np.testing.assert_allclose(omitted.matrix, identify(flat, people, window=(0, None), rng=0).matrix)
    assert "left out" in omitted.note


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda m, p, o: ({k: m[k] for k in NAMES[:4]}, p, {}), "only the data has 'p5'"),
        (lambda m, p, o: (m | {"p9": m["p1"]}, p, {}), "only models has 'p9'"),
        (lambda m, p, o: (m, p, {"other": o.isel(subject=[0, 1])}), "the data and other are of different people"),
        (lambda m, p, o: ({"p1": m["p1"]}, p.isel(subject=[0]), {}), "fewer than two"),
        (lambda m, p, o: (m | {"p1": m["p1"].isel(time=[0, 1])}, p, {}), "the model of 'p1' has 2 times"),
        (lambda m, p, o: (m | {"p1": as_model(m["p1"].values, TIMES + 1)}, p, {}), "have different times"),
        (lambda m, p, o: (m, p, {"other": as_people(o.values, times=TIMES + 1)}), "have different times"),
        (lambda m, p, o: (m | {"p2": m["p2"].take(range(6))}, p, {}), "do not hold the same items"),
        (lambda m, p, o: (m, p, {"window": 0.1}), "must be a pair"),
        (lambda m, p, o: (m, p, {"window": (3.0, 4.0)}), "holds no sample"),
        (lambda m, p, o: (m, p, {"method": "bures-metric"}), "method must be one of"),
        (lambda m, p, o: (m, p, {"n_permutations": 0}), "n_permutations must be at least 1"),
        (lambda m, p, o: (m, p, {"nan_policy": "drop"}), "nan_policy must be one of"),
        (lambda m, p, o: (m, as_people(p.values, names=["a", "a", "b", "c", "d"]), {}), "'a'"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(change, text):
    models, people, options = change(*study())
    with pytest.raises(ValueError, match=text):
        identify(models, people, **options)


def test_models_need_names():
    models, people, _ = study()
    with pytest.raises(TypeError, match="models must be a mapping"):
        identify(list(models.values()), people)


def test_items_of_one_side_can_be_left_out():
    models, people, other = study()
    less = {name: model.take(range(7)) for name, model in models.items()}
    found = identify(less, people, other=other, on_mismatch="intersect", rng=0)
    few = people.take(range(7))
    np.testing.assert_allclose(found.matrix, identify(less, few, rng=0).matrix, atol=1e-12)
    assert found.n_items == 7


def test_permutations_are_seeded():
    models, people, _ = study(noise=20.0)
    first, second = (identify(models, people, n_permutations=50, rng=4) for _ in range(2))
    assert first.tests == second.tests


def test_results_say_what_was_done_and_come_back(tmp_path):
    models, people, other = study()
    found = identify(models, people, other=other, rng=0)
    found.save(tmp_path / "people.json")
    again = Identification.load(tmp_path / "people.json")
    np.testing.assert_array_equal(again.over_time, found.over_time)
    np.testing.assert_array_equal(again.matrix, found.matrix)
    np.testing.assert_array_equal(again.sessions, found.sessions)
    assert again.tests == found.tests
    assert again.people == NAMES
    alone = identify(models, people, rng=0)
    alone.save(tmp_path / "alone.json")
    assert Identification.load(tmp_path / "alone.json").sessions is None
    assert "all 120 permutations" in found.methods_text()
    assert "5 people" in found.methods_text()
    text = repr(found)
    assert len(text.splitlines()) < 25
    assert "rank-1 100.0% (chance 20.0%)" in text
    assert "rank-1, centred 100.0% (chance 20.0%)" in text
    assert text.count("centred: less each model's mean over people") == 1


def test_tables_hold_every_cell_person_and_test():
    models, people, other = study()
    found = identify(models, people, other=other, rng=0)
    table = found.to_dataframe()
    assert len(table) == 25
    assert table["own"].sum() == 5
    cell = table[(table["participant"] == "p2") & (table["model"] == "p4")]
    assert cell["similarity"].item() == found.matrix[1, 3]
    each = found.people_dataframe().set_index("participant")
    assert each.loc["p3", "own"] == pytest.approx(found.own[2])
    assert each["rank_1"].mean() == pytest.approx(found.test("rank-1").value)
    assert each["two_way_centred"].mean() == pytest.approx(found.test("two-way, centred").value)
    tests = found.tests_dataframe()
    assert list(tests["by"].unique()) == ["models", "sessions"]
    assert len(tests) == 10
    alone = identify(models, people, rng=0)
    assert np.isnan(alone.people_dataframe()["own_sessions"]).all()
    assert "sessions" not in alone.to_dataframe()


def test_curves_average_to_the_matrix_and_are_drawn():
    from matplotlib import pyplot as plt

    models, people, other = study()
    found = identify(models, people, other=other, rng=0)
    own, others = found.curves()
    np.testing.assert_allclose(own.mean(axis=1), found.own)
    np.testing.assert_allclose(others.mean(axis=1), found.others)
    own_sessions, others_sessions = found.curves(of_sessions=True)
    np.testing.assert_allclose(own_sessions.mean(axis=1), found.own_sessions)
    np.testing.assert_allclose(others_sessions.mean(axis=1), found.others_sessions)
    ax = found.plot_over_time()
    drawn = {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}
    assert set(drawn) == {"own model", "others' models", "own other sessions", "others' sessions"}
    np.testing.assert_allclose(drawn["own model"].get_ydata(), own.mean(axis=0))
    np.testing.assert_allclose(drawn["own model"].get_xdata(), 1000 * TIMES)
    assert ax.get_xlabel() == "time (ms)"
    plt.close(ax.figure)
    alone = identify(models, people, rng=0)
    with pytest.raises(ValueError, match="there are no other sessions"):
        alone.curves(of_sessions=True)


def test_an_unknown_test_is_refused():
    models, people, _ = study()
    with pytest.raises(ValueError, match="name must be one of"):
        identify(models, people, rng=0).test("rank-2")


def test_few_people_say_so():
    models, people, _ = study()
    found = identify({k: models[k] for k in NAMES[:3]}, people.isel(subject=[0, 1, 2]), rng=0)
    assert "no p-value can be below 0.01" in found.note
    assert found.test("rank-1").p == pytest.approx(1 / 6)


@pytest.mark.parametrize("centred", [False, True])
def test_figures_frame_own_models_and_mark_the_best(centred):
    from matplotlib import pyplot as plt

    models, people, _ = study()
    found = identify(models, people, rng=0)
    ax = found.plot(centred=centred)
    matrix = found.matrix
    if centred:  # less every model's and every person's mean, and the whole mean once too often
        rows, columns = matrix.mean(axis=1), matrix.mean(axis=0)
        matrix = matrix - columns - rows[:, None] + matrix.mean()
    np.testing.assert_allclose(np.asarray(ax.images[0].get_array()), matrix, atol=1e-12)
    labels = [one.get_ylabel() for one in ax.figure.axes[1:]]
    assert labels == ["similarity (spearman)" + ("\nless the means of each model and person" if centred else "")]
    assert ax.get_title().startswith("rank-1, centred: " if centred else "rank-1: ")
    marks = np.asarray(ax.collections[0].get_offsets())
    np.testing.assert_array_equal(marks[:, 0], matrix.argmax(axis=1))
    assert len(ax.patches) == 5
    assert [text.get_text() for text in ax.get_yticklabels()] == list(NAMES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax.figure.canvas.draw()
    plt.close(ax.figure)
