"""What was asked of an evaluation, and which of it goes together."""

from __future__ import annotations

import dataclasses
from typing import Literal

from alignkit._check import NanPolicy, check_choice
from alignkit.rsa._fdr import Method as FdrMethod
from alignkit.rsa._inference._contrast_variances import Generalize
from alignkit.rsa._inference._evaluation_inputs import Inputs
from alignkit.rsa._inference._score_intervals import Interval
from alignkit.rsa._permutations import Alternative
from alignkit.rsa._pooling import Pooling, PoolingMethod

EvaluationTest = Literal["sign-flip", "permutation", "t"]
#: Tests against zero that fit, the default first.
_FITTING: dict[str, tuple[EvaluationTest, ...]] = {
    "subjects": ("sign-flip", "t"),
    "items": ("permutation", "t"),
    "both": ("t",),
}
_NEW = {"subjects": "subjects", "items": "items", "both": "subjects and items"}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Options of an evaluation."""

    generalize: Generalize
    method: PoolingMethod
    test: EvaluationTest | Literal["auto"]
    interval: Interval
    alternative: Alternative
    alpha: float
    confidence: float
    fdr_method: FdrMethod
    fixed_ceiling: bool
    n_bootstrap: int
    n_permutations: int
    pooling: Pooling
    nan_policy: NanPolicy
    progress: bool
    seed: int | None

    def __post_init__(self) -> None:
        check_choice("test", self.test, ("auto", "sign-flip", "permutation", "t"))
        fitting = _FITTING[self.generalize]
        if self.test not in ("auto", *fitting):
            msg = (
                f"test={self.test!r} does not speak of new {_NEW[self.generalize]}; with "
                f"generalize={self.generalize!r} test is one of {', '.join(map(repr, ('auto', *fitting)))}."
            )
            raise ValueError(msg)
        if self.n_bootstrap < 2 and (self.generalize != "subjects" or self.interval != "t"):
            msg = f"n_bootstrap must be at least 2 where errors or intervals are resampled; got {self.n_bootstrap}."
            raise ValueError(msg)

    @property
    def test_zero(self) -> EvaluationTest:
        """Which test against zero."""
        return _FITTING[self.generalize][0] if self.test == "auto" else self.test

    @property
    def test_pairwise(self) -> EvaluationTest:
        """Which test between models: permuted items have none."""
        return "sign-flip" if self.test_zero == "sign-flip" else "t"

    def check_inputs(self, inputs: Inputs) -> None:
        """Raise where a test does not know what the comparison needs."""
        if inputs.sigma_k is not None and self.test_zero == "permutation":
            msg = "sigma_k belongs to the items, and cannot be permuted with them; use test='t'."
            raise ValueError(msg)
