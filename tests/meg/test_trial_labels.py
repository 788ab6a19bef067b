"""Labels of trials: from names of events, columns and sequences; in natural order; gaps refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.epochs import make_epochs

from alignkit.meg._recordings import recordings_of
from alignkit.meg._trial_labels import choose, design_of, in_natural_order

pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")


def sessions(*epochs):
    pytest.importorskip("mne")
    return recordings_of(list(epochs), times=None, ch_types=None, level="error")


def design(recordings, by=None, folds=None, query=None):
    return design_of(recordings, by, folds, choose(recordings, query))


def test_names_of_events_are_the_default():
    made = design(sessions(make_epochs()))
    assert made.labels == ("face/other", "face/own", "house", "tool")
    np.testing.assert_array_equal(made.condition[:4], [1, 0, 2, 3])
    assert made.fold is None
    assert made.n_folds == 0


def test_columns_of_the_metadata():
    made = design(sessions(make_epochs()), "concept", "session")
    assert made.labels == ("9", "10", "11", "12")  # not 10.0, and not '10' before '9'
    assert made.folds == ("1", "2", "3")
    np.testing.assert_array_equal(made.condition, np.arange(24) % 4)
    np.testing.assert_array_equal(made.fold, np.repeat([0, 1, 2], 8))
    np.testing.assert_array_equal(made.counts, np.full((3, 4), 2))
    assert design(sessions(make_epochs()), "word").labels == ("ant", "image2", "image10", "Zebra")


def test_sequences():
    recordings = sessions(make_epochs(6))
    for by in (["b", "a"] * 3, np.array([2.0, 1.0] * 3), [True, False] * 3, ("é", "e\u0301") * 3):
        assert design(recordings, by).n_trials == 6
    assert design(recordings, ("é", "e\u0301") * 3).labels == ("é",)
    assert design(recordings, np.array([2.0, 10.5] * 3)).labels == ("2", "10.5")
    assert design(recordings, [-1, -10] * 3).labels == ("-10", "-1")


def test_a_query_keeps_trials_and_sequences_shrink_with_it():
    recordings = sessions(make_epochs())
    made = design(recordings, "concept", "session", "kind == 'exp' and session > 1")
    assert made.labels == ("9", "10", "11")
    assert made.folds == ("2", "3")
    assert made.n_trials == 12
    by = design(recordings, np.arange(24), None, "session == 3")
    assert by.labels == tuple(str(i) for i in range(16, 24))
    np.testing.assert_array_equal(choose(recordings, "face"), np.flatnonzero(np.arange(24) % 4 < 2))
    np.testing.assert_array_equal(choose(recordings, "face/own"), np.arange(0, 24, 4))


def test_sessions_follow_one_another():
    recordings = sessions(make_epochs(8), make_epochs(4))
    made = design(recordings, "concept", "file")
    np.testing.assert_array_equal(made.fold, [0] * 8 + [1] * 4)
    assert made.folds == ("1", "2")
    np.testing.assert_array_equal(choose(recordings, "concept == 9"), [0, 4, 8])
    with_column = make_epochs(8)
    with_column.metadata = with_column.metadata.assign(file=["x", "y"] * 4)
    assert design(sessions(with_column), "concept", "file").folds == ("x", "y")


def test_gaps_are_named():
    epochs = make_epochs()
    epochs.metadata.loc[[2, 6], "concept"] = np.nan
    recordings = sessions(epochs)
    with pytest.raises(
        ValueError, match=r"by is missing \(NaN or empty\) for 2 of 24 trials, the first at position 2; leave .* query="
    ):
        design(recordings, "concept")
    assert design(recordings, "concept", query="concept == concept").labels == ("9", "10", "11", "12")
    epochs.metadata["word"] = ["a", " "] * 12
    with pytest.raises(
        ValueError, match=r"folds is missing \(NaN or empty\) for 12 of 24 trials, the first at position 1"
    ):
        design(sessions(epochs), "session", "word")


def test_what_is_not_there_is_said():
    recordings = sessions(make_epochs())
    with pytest.raises(
        ValueError, match=r"by='x' must be a column of the metadata; EpochsArray has only 'concept', 'w"
    ):
        design(recordings, "x")
    bare = make_epochs()
    bare.metadata = None
    with pytest.raises(ValueError, match=r"folds='run' must be a column of the metadata; EpochsArray has no metadata"):
        design(sessions(bare), None, "run")
    with pytest.raises(ValueError, match=r"query='concept > 1' looks into metadata, and EpochsArray has none"):
        choose(sessions(bare), "concept > 1")
    with pytest.raises(ValueError, match=r"query='concept > 99' keeps none of the 24 trials"):
        choose(recordings, "concept > 99")
    with pytest.raises(ValueError, match=r"query='concept >' cannot be evaluated on the metadata \(.*\)\.$"):
        choose(recordings, "concept >")
    with pytest.raises(ValueError, match=r"query=\"concept = 'zzz'\" must be a condition, and = assigns: write =="):
        design(recordings, "concept", query="concept = 'zzz'")
    with pytest.raises(TypeError, match="query must be a text such as"):
        choose(recordings, 3)
    with pytest.raises(ValueError, match="by must hold one label per item: expected 24, got 3"):
        design(recordings, [1, 2, 3])
    with pytest.raises(TypeError, match="folds must be a sequence of labels"):
        design(recordings, None, 5)
    array = recordings_of(np.zeros((2, 3, 4)), times=np.arange(4) / 10, ch_types=None, level="error")
    with pytest.raises(ValueError, match="by is needed with an array: one label per trial"):
        design(array)
    with pytest.raises(ValueError, match="query='a' looks into metadata, and array has none"):
        choose(array, "a")


@given(st.sets(st.integers(-(10**9), 10**9), max_size=30))
def test_numbers_are_sorted_by_size(numbers):
    assert in_natural_order({str(n) for n in numbers}) == tuple(map(str, sorted(numbers)))


@given(st.sets(st.text(min_size=1, max_size=6), max_size=12), st.randoms())
def test_the_order_depends_on_the_labels_alone(labels, random):
    shuffled = list(labels)
    random.shuffle(shuffled)
    assert in_natural_order(set(shuffled)) == in_natural_order(labels)
    assert set(in_natural_order(labels)) == labels


def test_a_query_says_yes_or_no():
    epochs = make_epochs()
    recordings = sessions(epochs)
    concept = epochs.metadata["concept"].to_numpy()
    np.testing.assert_array_equal(choose(recordings, "concept > 10"), np.flatnonzero(concept > 10))
    np.testing.assert_array_equal(choose(recordings, "concept in [9, 12]"), np.flatnonzero(np.isin(concept, [9, 12])))
    # a column of numbers would be read as labels of rows, the same ones again and again
    for query in ("concept", "concept + 1", "word", "1 == 1"):
        with pytest.raises(ValueError, match="must say yes or no to each trial"):
            choose(recordings, query)
    with pytest.raises(ValueError, match="must be a condition"):
        choose(recordings, "concept = 3")


def test_a_gap_in_an_answer_is_a_no():
    pandas = pytest.importorskip("pandas")
    epochs = make_epochs(4)
    epochs.metadata["seen"] = pandas.array([True, None, False, True], dtype="boolean")
    np.testing.assert_array_equal(choose(sessions(epochs), "seen"), [0, 3])


def test_nan_and_infinity_are_words():
    # as numbers they have no order, so that the order of rows would be that of a set
    assert in_natural_order({"nan", "10", "2", "inf", "1"}) == ("inf", "nan", "1", "2", "10")
    assert in_natural_order({"1e999", "2"}) == in_natural_order({"2", "1e999"})
