from __future__ import annotations

import pytest
import torch
from reference.hba_meg_loop import mix

from alignkit.models._layer_mixing import LayerMixing, Window


@pytest.mark.parametrize("reach", [0, 1, 3])
@pytest.mark.parametrize("window", ["centred", "causal"])
def test_mixing_logits_once_equals_mixing_features_at_every_time(reach: int, window: Window) -> None:
    torch.manual_seed(0)
    mixing = LayerMixing(9, 5, reach=reach, window=window)
    with torch.no_grad():
        mixing.table.normal_()
    features, text = torch.randn(5, 4, 12), torch.nn.functional.normalize(torch.randn(7, 12), dim=1)
    logits = 100 * torch.einsum("lbw,dw->bld", features, text)
    expected = mix(mixing.table, features, text, reach, causal=window == "causal")
    found = mixing(logits).transpose(0, 1)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)
    upstream = torch.randn_like(found)
    gradients = [torch.autograd.grad((value * upstream).sum(), mixing.table)[0] for value in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-3)


def test_the_last_layer_alone_counts_at_first_and_all_weights_are_shares() -> None:
    mixing = LayerMixing(6, 4, reach=2)
    assert mixing.matrix().tolist() == [[0, 0, 0, 1]] * 6
    with torch.no_grad():
        mixing.table.normal_()
    matrix = mixing.matrix()
    assert matrix.min() == 0
    torch.testing.assert_close(matrix.sum(dim=1), torch.ones(6))


def test_a_causal_window_never_looks_ahead() -> None:
    mixing = LayerMixing(8, 3, reach=3)
    before = mixing.matrix()[:4].clone()
    with torch.no_grad():
        mixing.table[4:] = torch.rand(4, 3)
    assert torch.equal(mixing.matrix()[:4], before)
    centred = LayerMixing(8, 3, reach=3, window="centred")
    with torch.no_grad():
        centred.table[4:, 0] = 2.0
    assert not torch.equal(centred.matrix()[3], before[3])


def test_what_a_batch_says_of_an_image_does_not_depend_on_the_others() -> None:
    mixing = LayerMixing(5, 3, reach=1).double()
    logits = torch.randn(8, 3, 6, dtype=torch.float64)
    alone = torch.cat([mixing(logits[k : k + 1]) for k in range(8)])
    torch.testing.assert_close(alone, mixing(logits), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"n_times": 0}, "n_times must be at least 1"),
        ({"n_layers": 0}, "n_layers must be at least 1"),
        ({"reach": -1}, "reach must be at least 0"),
        ({"window": "late"}, "window must be one of"),
    ],
)
def test_bad_options_are_refused(options: dict[str, object], match: str) -> None:
    given = {"n_times": 3, "n_layers": 2, **options}
    with pytest.raises(ValueError, match=match):
        LayerMixing(given.pop("n_times"), given.pop("n_layers"), **given)  # type: ignore[arg-type]


def test_dimensions_may_have_factors_of_their_own_over_time():
    mixing = LayerMixing(5, 3, reach=1, n_dimensions=4)
    logits = torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(mixing(logits), LayerMixing(5, 3, reach=1)(logits))  # as they start
    with torch.no_grad():
        mixing.log_factors.copy_(torch.randn(5, 4, generator=torch.Generator().manual_seed(1)))
    expected = torch.stack(
        [
            torch.relu(mixing.matrix()[t] @ logits) * torch.exp(mixing.log_factors[max(0, t - 1) : t + 1].mean(dim=0))
            for t in range(5)
        ],
        dim=1,
    )
    torch.testing.assert_close(mixing(logits), expected)


def test_without_factors_there_are_none_to_show():
    with pytest.raises(ValueError, match="has no weights of dimensions; train it with dimension_weights"):
        LayerMixing(2, 2).factors()
