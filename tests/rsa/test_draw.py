from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from alignkit.rsa import RDM, compare, noise_ceiling, permutation_test, split_half

LABELS = ("ant", "bee", "cat", "dog", "emu")


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


@pytest.fixture
def stack(rng) -> RDM:
    return RDM(rng.random((2, 3, 10)), LABELS, dims=["subject", "time"], coords={"subject": ["s1", "s2"]}, metric="m")


def drawn(ax: Axes) -> Axes:
    ax.figure.canvas.draw()
    return ax


def image(ax: Axes) -> np.ndarray:
    return np.ma.filled(ax.images[0].get_array(), np.nan)


def test_one_rdm(stack):
    one = stack.isel(subject=0, time=0)
    ax = drawn(one.plot())
    square = one.squareform()
    np.fill_diagonal(square, np.nan)
    assert np.array_equal(image(ax), square, equal_nan=True)
    assert [t.get_text() for t in ax.get_xticklabels()] == list(LABELS)
    assert ax.get_title() == ""
    assert ax.figure.axes[1].get_ylabel() == "m"


def test_a_stack_is_drawn_as_its_mean_and_says_so(stack):
    ax = drawn(stack.plot())
    expected = stack.values.mean(axis=(0, 1))
    assert np.allclose(image(ax)[np.triu_indices(5, 1)], expected, rtol=1e-15)
    assert ax.get_title() == "mean of 6 RDMs"
    assert stack.plot(title="mine").get_title() == "mine"


def test_given_axes_and_options(stack):
    figure, ax = plt.subplots()
    assert stack.plot(ax, cmap="magma", colorbar=False) is ax
    assert ax.images[0].get_cmap().name == "magma"
    assert len(figure.axes) == 1


def test_many_or_nameless_items_have_no_tick_labels(rng):
    for rdm in (RDM(rng.random(10)), RDM(rng.random(4186), range(92))):
        ax = drawn(rdm.plot())
        assert len(ax.get_xticks()) == 0
        assert ax.get_xlabel() == f"{rdm.n_items} items"


@pytest.mark.parametrize("fill", [np.nan, 0.0])
def test_rdms_without_contrast(fill):
    drawn(RDM(np.full(10, fill)).plot())


def test_nan_and_foreign_letters(rng):
    values = rng.random(3)
    values[0] = np.nan
    labels = ["café", "$\\frac$", "a_b"]
    ax = drawn(RDM(values, labels).plot())
    assert [t.get_text() for t in ax.get_yticklabels()] == labels


def test_a_single_comparison(stack):
    one = stack.isel(subject=0, time=0)
    ax = drawn(compare(one, stack.isel(subject=1, time=0)).plot())
    assert len(ax.patches) == 1
    assert ax.get_ylabel() == "spearman"


def test_bars(stack):
    models = RDM(stack.values.reshape(6, 10), LABELS, dims=["model"], coords={"model": list("uvwxyz")})
    result = compare(stack.isel(subject=0, time=0), models, method="rho-a")
    ax = drawn(result.plot())
    assert np.allclose([bar.get_height() for bar in ax.patches], result.values)
    assert [t.get_text() for t in ax.get_xticklabels()] == list("uvwxyz")
    assert ax.get_xlabel() == "model"


def test_matrix(stack):
    result = compare(stack.isel(time=0), stack.isel(subject=0))
    ax = drawn(result.plot())
    assert np.array_equal(image(ax), result.values)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["s1", "s2"]
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("subject", "time")


def test_more_axes_become_a_histogram(stack):
    result = compare(stack, stack)
    ax = drawn(result.plot())
    assert sum(bar.get_height() for bar in ax.patches) == result.values.size
    assert ax.get_xlabel() == "spearman"


def test_ceiling_band(rng):
    ceiling = noise_ceiling(rng.random((5, 10)), n_bootstrap=0)
    _, ax = plt.subplots()
    assert ceiling.plot(ax) is ax
    corners = drawn(ax).patches[0].get_corners()
    assert {round(y, 12) for y in corners[:, 1]} == {round(ceiling.lower, 12), round(ceiling.upper, 12)}


@pytest.mark.parametrize("n_subjects", [1, 2, 5])
def test_ceiling_alone_shows_its_subjects(rng, n_subjects):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        ceiling = noise_ceiling(rng.random((n_subjects, 10)), n_bootstrap=50, rng=0)
    ax = drawn(ceiling.plot())
    lower, upper = (points.get_offsets()[:, 1] for points in ax.collections)
    np.testing.assert_array_equal(np.ma.filled(lower, np.nan), ceiling.lower_per_subject)
    np.testing.assert_array_equal(np.ma.filled(upper, np.nan), ceiling.upper_per_subject)
    assert [label.get_text().splitlines()[1] for label in ax.get_xticklabels()] == ["(lower bound)", "(upper bound)"]
    assert f"{n_subjects} subject" in ax.get_title()


@pytest.mark.parametrize("coords", [{"time": [0.1, 0.2, 0.4]}, {"time": ["a", "b", "c"]}, {}])
def test_ceiling_over_time(coords, rng):
    stack = RDM(rng.random((5, 3, 10)), dims=["subject", "time"], coords=coords)
    ax = drawn(noise_ceiling(stack, n_bootstrap=0).plot())
    assert ax.get_xlabel() == "time"
    assert len(ax.collections) == 1


def test_ceiling_over_more_axes(rng):
    stack = RDM(rng.random((5, 3, 2, 10)), dims=["subject", "time", "roi"])
    with pytest.raises(ValueError, match=r"a ceiling over the axes \('time', 'roi'\) has no single curve"):
        noise_ceiling(stack, n_bootstrap=0).plot()


def boxes(figure, artists):
    figure.canvas.draw()
    return [artist.get_window_extent() for artist in artists]


def test_what_is_drawn_of_inference_has_a_legend_beside_it(rng):
    stack = RDM(rng.random((4, 3, 45)), dims=["subject", "time"])
    one, many = stack.isel(time=0), RDM(rng.random((30, 45)), dims=["a_model_with_a_name"])
    test = {"n_permutations": 20, "rng": 0}
    for result in (
        split_half(one),
        split_half(stack),
        permutation_test(one.isel(subject=0), one.isel(subject=1), **test),
        permutation_test(one, one.isel(subject=0), **test),
        permutation_test(many, one.isel(subject=0), **test),
    ):
        ax = drawn(result.plot())
        (legend,) = boxes(ax.figure, [ax.get_legend()])
        assert legend.y0 >= ax.get_window_extent().y1
        assert legend.x1 <= ax.figure.bbox.x1


def test_names_of_many_comparisons_do_not_overlap(rng):
    models = RDM(rng.random((30, 45)), dims=["model"], coords={"model": [f"network number {k}" for k in range(30)]})
    ax = drawn(permutation_test(models, rng.random(45), n_permutations=20, rng=0).plot())
    names = boxes(ax.figure, ax.get_xticklabels())
    assert len(names) == 30
    assert all(one.x1 <= other.x0 for one, other in itertools.pairwise(names))


def test_a_ceiling_of_one_subject_says_that_there_is_none(rng):
    ax = drawn(noise_ceiling(rng.random((1, 10)), n_bootstrap=0).plot())
    assert ax.get_title() == "noise ceiling, 1 subject: not defined"
    stack = RDM(rng.random((3, 4, 10)), dims=["subject", "time"])
    assert drawn(noise_ceiling(stack, n_bootstrap=0).plot()).get_title() == "noise ceiling, 3 subjects"


def test_a_heat_map_of_few_rows_fills_its_axes(rng):
    a, b = RDM(rng.random((2, 45)), dims=["model"]), RDM(rng.random((30, 45)), dims=["subject"])
    ax = drawn(compare(a, b).plot())
    (box,) = boxes(ax.figure, [ax])
    assert box.height > 0.5 * ax.figure.bbox.height


def test_labels_lie_within_a_saved_figure(rng, tmp_path):
    for n in (8, 20):
        figure = RDM(rng.random(n * (n - 1) // 2), labels=[f"a rather long name {i}" for i in range(n)]).plot().figure
        figure.savefig(tmp_path / "rdm.png")
        around, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
        assert min(around.x0, around.y0) >= 0
        assert around.x1 <= width
        assert around.y1 <= height
