from __future__ import annotations

import numpy as np
import pytest
import torch
from reference.hba_meg_loop import rdm as loop_rdm

from alignkit.rsa import rdm
from alignkit.train._time_losses import (
    each_time_loss,
    generalization_curve,
    generalization_loss,
    over_all_loss,
    rdms_over_time,
    size_loss,
)


def movies(rng, n_times=6, n_items=7):
    """Return two movies of RDMs that have something in common."""
    n_pairs = n_items * (n_items - 1) // 2
    common = rng.normal(size=(n_times, n_pairs))
    return [torch.from_numpy(common + rng.normal(size=common.shape)) for _ in range(2)]


def test_rdms_are_those_of_the_rsa_package_at_every_time(rng):
    x = rng.normal(size=(8, 5, 12))
    found = rdms_over_time(torch.from_numpy(x))
    for t in range(5):
        assert found[t].numpy() == pytest.approx(rdm(x[:, t], metric="correlation").values, abs=1e-12)
        torch.testing.assert_close(found[t], loop_rdm(torch.from_numpy(x[:, t])))


def test_an_item_without_differences_is_undefined_and_spoils_no_gradient(rng):
    x = torch.from_numpy(rng.normal(size=(5, 3, 6)))
    x[2, 1] = 0.0
    x.requires_grad_()
    found = rdms_over_time(x)
    pairs = np.array(np.triu_indices(5, 1)).T
    expected = np.zeros(found.shape, dtype=bool)
    expected[1] = (pairs == 2).any(axis=1)
    assert (torch.isnan(found).numpy() == expected).all()
    target = torch.from_numpy(rng.random(found.shape))
    losses = [loss(found, target) for loss in (over_all_loss, each_time_loss, size_loss, generalization_loss)]
    (gradient,) = torch.autograd.grad(sum(losses), x)
    assert torch.isfinite(gradient).all()
    assert (gradient[2, 1] == 0).all()
    assert (gradient[[0, 1, 3, 4]] != 0).any(dim=2).all()


def test_losses_are_numpy_s_correlations(rng):
    mine, theirs = movies(rng)
    x, y = mine.numpy(), theirs.numpy()
    assert over_all_loss(mine, theirs).item() == pytest.approx(1 - np.corrcoef(x.ravel(), y.ravel())[0, 1])
    each = [np.corrcoef(a, b)[0, 1] for a, b in zip(x, y, strict=True)]
    assert each_time_loss(mine, theirs).item() == pytest.approx(1 - np.mean(each))
    assert size_loss(mine, theirs).item() == pytest.approx(((x - y) ** 2).mean())
    curves = [np.corrcoef(values).mean(axis=1) for values in (x, y)]
    assert generalization_curve(mine).numpy() == pytest.approx(curves[0])
    assert generalization_loss(mine, theirs).item() == pytest.approx(1 - np.corrcoef(*curves)[0, 1])


def test_pairs_without_a_number_count_nowhere(rng):
    mine, theirs = movies(rng)
    theirs[2, 3] = theirs[4, 0] = mine[0, 5] = torch.nan
    x, y = mine.numpy(), theirs.numpy()
    used = ~np.isnan(x) & ~np.isnan(y)
    assert over_all_loss(mine, theirs).item() == pytest.approx(1 - np.corrcoef(x[used], y[used])[0, 1])
    each = [np.corrcoef(a[own], b[own])[0, 1] for a, b, own in zip(x, y, used, strict=True)]
    assert each_time_loss(mine, theirs).item() == pytest.approx(1 - np.mean(each))
    size = [((a - b)[own] ** 2).mean() for a, b, own in zip(x, y, used, strict=True)]
    assert size_loss(mine, theirs).item() == pytest.approx(np.mean(size))

    def curve(values):
        table = np.where(used, values, np.nan)
        both = [[used[s] & used[t] for t in range(6)] for s in range(6)]
        r = [[np.corrcoef(table[s][both[s][t]], table[t][both[s][t]])[0, 1] for t in range(6)] for s in range(6)]
        return np.mean(r, axis=1)

    expected = 1 - np.corrcoef(curve(x), curve(y))[0, 1]
    assert generalization_loss(mine, theirs).item() == pytest.approx(expected)


def test_pairs_that_are_missing_throughout_are_left_out(rng):
    mine, theirs = movies(rng)
    theirs[:, 4] = torch.nan
    keep = [pair for pair in range(mine.shape[1]) if pair != 4]
    for loss in (over_all_loss, each_time_loss, size_loss, generalization_loss):
        assert loss(mine, theirs).item() == pytest.approx(loss(mine[:, keep], theirs[:, keep]).item())


def test_gradients_are_those_of_finite_differences(rng):
    x = torch.from_numpy(rng.normal(size=(5, 4, 6))).requires_grad_()
    _, target = movies(rng, 4, 5)
    target[1, 2] = torch.nan
    for loss in (over_all_loss, each_time_loss, size_loss, generalization_loss):
        assert torch.autograd.gradcheck(lambda value, loss=loss: loss(rdms_over_time(value), target), (x,))


def test_a_time_without_differences_counts_for_no_other(rng):
    mine, theirs = movies(rng)
    flat = mine.clone()
    flat[3] = 0.5
    others = [0, 1, 2, 4, 5]
    curve = generalization_curve(flat.requires_grad_())
    assert torch.isnan(curve).tolist() == [False, False, False, True, False, False]
    torch.testing.assert_close(curve[others], generalization_curve(mine[others]))
    (gradient,) = torch.autograd.grad(generalization_loss(flat, theirs), flat)
    assert torch.isfinite(gradient).all()


def test_one_time_generalises_to_itself(rng):
    mine, theirs = movies(rng, n_times=1)
    assert generalization_curve(mine).tolist() == pytest.approx([1.0])
    assert torch.isnan(generalization_loss(mine, theirs))
    assert over_all_loss(mine, theirs).item() == pytest.approx(each_time_loss(mine, theirs).item())


def test_shapes_that_would_be_broadcast_are_refused(rng):
    mine, theirs = movies(rng)
    for loss in (over_all_loss, each_time_loss, size_loss, generalization_loss):
        with pytest.raises(ValueError, match=r"both must have shape \(times, pairs\), the same; got \(6, 21\)"):
            loss(mine, theirs[:1])
    with pytest.raises(ValueError, match=r"embedding must have shape \(items, times, dimensions\)"):
        rdms_over_time(torch.zeros(4, 3))
