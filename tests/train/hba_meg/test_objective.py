"""The sum of terms, each beside what it was."""

from __future__ import annotations

import pytest
import torch

from alignkit.train._time_losses import each_time_loss, generalization_loss, over_all_loss, size_loss
from alignkit.train.hba_meg._objective import Objective
from alignkit.train.hba_meg.config import TermsConfig

GENERATOR = torch.Generator().manual_seed(0)
BEFORE, NOW, TARGET = torch.rand(3, 6, 10, generator=GENERATOR).double()


def test_terms_count_relative_to_what_they_were():
    """The weights that CLIP-HBA-MEG has for the group, each term divided by its initial value."""
    objective = Objective(TermsConfig(), BEFORE, TARGET)
    expected = (
        over_all_loss(NOW, TARGET) / over_all_loss(BEFORE, TARGET)
        + 0.1 * size_loss(NOW, TARGET) / size_loss(BEFORE, TARGET)
        + 0.15 * generalization_loss(NOW, TARGET) / generalization_loss(BEFORE, TARGET)
    )
    found = objective(NOW, TARGET)
    torch.testing.assert_close(found["loss"], expected)
    assert set(found) == {"loss", "over_all", "size", "generalization"}
    torch.testing.assert_close(found["size"], size_loss(NOW, TARGET))
    # before training the loss is the sum of the weights
    assert float(objective(BEFORE, TARGET)["loss"]) == pytest.approx(1.25)


def test_terms_may_count_as_they_are():
    config = TermsConfig(over_all=0, each_time=2, size=0, generalization=0, relative=False)
    torch.testing.assert_close(Objective(config, BEFORE, TARGET)(NOW, TARGET)["loss"], 2 * each_time_loss(NOW, TARGET))


def test_a_term_that_is_not_defined_is_left_out_and_told():
    with pytest.warns(UserWarning, match=r"'generalization' is not defined on these RDMs \(1 time\)"):
        objective = Objective(TermsConfig(), BEFORE[:1], TARGET[:1])
    assert set(objective.weights) == {"over_all", "size"}
    assert float(objective(BEFORE[:1], TARGET[:1])["loss"]) == pytest.approx(1.1)


def test_a_model_that_is_the_same_at_all_times_does_not_generalise_and_trains():
    still = NOW[:1].repeat(6, 1).requires_grad_()
    objective = Objective(TermsConfig(over_all=0, size=0, generalization=2), still, TARGET)
    assert objective.before == {"generalization": 1.0}
    found = objective(still, TARGET)
    assert float(found["loss"].detach()) == 2.0
    found["loss"].backward()
    assert torch.isfinite(still.grad).all()


@pytest.mark.parametrize("n_numbers", [0, 2])
@pytest.mark.parametrize("name", ["over_all", "each_time", "size", "generalization"])
def test_a_batch_with_too_few_numbers_teaches_nothing_instead_of_ending_the_training(name, n_numbers):
    terms = {**dict.fromkeys(("over_all", "each_time", "size", "generalization"), 0.0), name: 1.0}
    objective = Objective(TermsConfig(**terms, relative=False), BEFORE, TARGET)
    few = TARGET.clone()
    few[:, n_numbers:] = torch.nan
    rdms = NOW.clone().requires_grad_()
    found = objective(rdms, few)["loss"]
    found.backward()
    assert torch.isfinite(found)
    assert torch.isfinite(rdms.grad).all()
    if n_numbers == 0:
        assert float(found.detach()) == (0.0 if name == "size" else 1.0)
    if n_numbers == 0 or name in ("each_time", "generalization"):
        assert not rdms.grad.any()


def test_one_pair_of_a_model_that_is_the_same_at_all_times_teaches_nothing_of_order():
    one = TARGET.clone()
    one[:, 1:] = torch.nan
    still = NOW[:1].repeat(6, 1).requires_grad_()
    found = Objective(TermsConfig(relative=False), BEFORE, TARGET)(still, one)
    found["loss"].backward()
    assert float(found["over_all"]) == float(found["generalization"]) == 1.0
    assert torch.isfinite(still.grad).all()
    assert still.grad.any()  # of the size


@pytest.mark.parametrize("name", ["over_all", "each_time", "size", "generalization"])
def test_a_model_that_gives_no_numbers_still_does_not_pass(name):
    terms = {**dict.fromkeys(("over_all", "each_time", "size", "generalization"), 0.0), name: 1.0}
    objective = Objective(TermsConfig(**terms), BEFORE, TARGET)
    for broken in (torch.nan, torch.inf):
        assert not torch.isfinite(objective(torch.full_like(NOW, broken), TARGET)["loss"])


def test_data_without_any_number_are_refused():
    empty = torch.full_like(TARGET, torch.nan)
    with pytest.raises(ValueError, match=r"cannot be computed on these RDMs; too few pairs"):
        Objective(TermsConfig(), BEFORE, empty)


def test_weights_that_are_all_zero_are_refused():
    with pytest.raises(ValueError, match="all of over_all, each_time, size, generalization are 0"):
        TermsConfig(over_all=0, size=0, generalization=0)
