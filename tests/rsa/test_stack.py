"""Stacks hold every RDM over the same items, in the order of the first."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit.rsa import RDM, noise_ceiling, stack

A = RDM([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], labels=list("abcd"), metric="m")


def test_rows_are_matched_by_label():
    shuffled = A.select(list("dbca"))
    assert not np.array_equal(shuffled.values, A.values)
    result = stack([A, shuffled, A], names=["s1", "s2", "s3"])
    assert result.labels == A.labels
    assert result.dims == ("subject",)
    assert result.coords["subject"].tolist() == ["s1", "s2", "s3"]
    np.testing.assert_array_equal(result.values, [A.values] * 3)
    assert noise_ceiling(result, n_bootstrap=0).lower == pytest.approx(1)


def test_further_axes_stay():
    pair = RDM([A.values, A.values + 1], list("abcd"), dims=["session"])
    result = stack([pair, pair], dim="subject")
    assert result.dims == ("subject", "session")
    assert result.shape == (2, 2)


def test_shared_items_only_where_asked():
    other = RDM(np.arange(1.0, 7.0), labels=list("bcde"), metric="m")
    with pytest.raises(ValueError, match="do not hold the same items"):
        stack([A, other])
    assert stack([A, other], on_mismatch="intersect").labels == ("b", "c", "d")


@pytest.mark.parametrize(
    ("rdms", "error", "sentence"),
    [
        ([], ValueError, "rdms is empty"),
        (A, TypeError, "must be a list of RDMs; got RDM"),
        ([A, A.replace(A.values, metric="other")], ValueError, "different metric"),
        ([A, RDM([A.values], list("abcd"))], ValueError, "different dims"),
        ([A, [1.0, 2.0]], ValueError, r"rdms\[1\]"),
    ],
)
def test_what_cannot_be_stacked_is_said(rdms, error, sentence):
    with pytest.raises(error, match=sentence):
        stack(rdms)
