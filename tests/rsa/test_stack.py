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


def test_positions_are_not_guessed_beside_different_orders():
    with pytest.raises(ValueError, match=r"rdms\[1\] and rdms\[2\] hold their items in different orders"):
        stack([RDM(A.values, metric="m"), A, A.select(list("dbca"))])


def test_shared_items_only_where_asked():
    other = RDM(np.arange(1.0, 7.0), labels=list("bcde"), metric="m")
    with pytest.raises(ValueError, match="do not hold the same items"):
        stack([A, other])
    assert stack([A, other], on_mismatch="intersect").labels == ("b", "c", "d")


def test_union_leaves_missing_pairs_nan():
    other = RDM(np.arange(1.0, 7.0), labels=list("ecbd"), metric="m")
    result = stack([A, other], on_mismatch="union", names=["s1", "s2"])
    assert result.labels == tuple("abcde")
    for k, one in enumerate((A, other)):
        assert np.array_equal(result.isel(subject=k).select(one.labels).values, one.values)
        assert np.isnan(result.values[k]).sum() == 4
    assert stack([A, A], on_mismatch="union").labels == A.labels
    with pytest.raises(ValueError, match=r"rdms\[1\] has no labels; on_mismatch='union'"):
        stack([A, A.replace(A.values, labels=None)], on_mismatch="union")


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
def test_union_equals_rsatoolbox():
    combine = pytest.importorskip("rsatoolbox.rdm.combine")
    rng = np.random.default_rng(3)
    parts = [RDM(rng.random(6), list(labels), metric="m") for labels in ("abcd", "dbfe", "gabh")]
    theirs = combine.from_partials([part.to_rsatoolbox() for part in parts], descriptor="label")
    ours = stack(parts, on_mismatch="union")
    assert list(ours.labels) == list(theirs.pattern_descriptors["label"])
    assert np.array_equal(ours.values, theirs.get_vectors(), equal_nan=True)


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


@pytest.mark.parametrize("on_mismatch", ["raise", "union"])
def test_kinds_that_all_share_stay(on_mismatch):
    torch = pytest.importorskip("torch")
    other = A.select(list("dcba")) if on_mismatch == "raise" else RDM(np.arange(1.0, 7.0), list("bcde"), metric="m")
    expected = stack([A, other], on_mismatch=on_mismatch)
    single = [one.replace(one.values.astype(np.float32)) for one in (A, other)]
    assert stack(single, on_mismatch=on_mismatch).values.dtype == np.float32
    np.testing.assert_array_equal(stack(single, on_mismatch=on_mismatch).values, expected.values)
    leaf = torch.tensor(A.values, requires_grad=True)
    result = stack([A.replace(leaf), other.replace(torch.tensor(other.values))], on_mismatch=on_mismatch)
    np.testing.assert_array_equal(result.values.detach().numpy(), expected.values)
    assert result.labels == expected.labels
    result.values.nansum().backward()
    assert leaf.grad.tolist() == [1.0] * 6
    mixed = stack([A.replace(leaf), single[1]], on_mismatch=on_mismatch)
    assert mixed.values.dtype == np.float64
    np.testing.assert_array_equal(mixed.values, expected.values)


def test_what_cannot_be_stacked_says_what_to_do():
    a = RDM([1.0, 2.0, 3.0], metric="euclidean")
    b = RDM([1.0, 2.0, 3.0], metric="cosine")
    with pytest.raises(ValueError, match=r"'euclidean' and rdms\[1\] has 'cosine'; compute all with one metric"):
        stack([a, b])
    assert stack([one.replace(one.values, metric=None) for one in (a, b)]).shape == (2,)
    with pytest.raises(ValueError, match=r"different dims .*isel\(\)"):
        stack([a, RDM([[1.0, 2.0, 3.0]], dims=["time"], metric="euclidean")])
