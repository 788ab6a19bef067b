"""What was asked of an evaluation, and which of it goes together."""

from __future__ import annotations

import dataclasses
from typing import Literal

from alignkit._check import NanPolicy, check_choice
from alignkit._executor import Executor, Threads
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
    n_folds: int | None = None
    n_subject_folds: int | None = None
    n_cv: int = 2
    n_repeats: int = 10
    fitted: bool = False
    #: Who computes resamples.
    executor: Executor = dataclasses.field(default_factory=Threads)
    #: Where torch adds up and ranks in resamples of items; None: numpy does.
    device: str | None = None

    def __post_init__(self) -> None:
        check_choice("test", self.test, ("auto", "sign-flip", "permutation", "t"))
        fitting = _FITTING[self.generalize]
        if self.test not in ("auto", *fitting):
            msg = (
                f"test={self.test!r} does not speak of new {_NEW[self.generalize]}; with "
                f"generalize={self.generalize!r} test is one of {', '.join(map(repr, ('auto', *fitting)))}."
            )
            raise ValueError(msg)
        needed = self.generalize != "subjects" or self.interval != "t"
        if self.n_bootstrap == 1 or (needed and not self.n_bootstrap):
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

    def for_inputs(self, inputs: Inputs) -> Settings:
        """Return what holds for these inputs, or raise where a test does not know what the comparison needs."""
        if self.device is not None and (inputs.fitted or inputs.controls is not None):
            msg = "device is for fixed models without controls: what is fitted is computed by numpy; leave it out."
            raise ValueError(msg)
        if inputs.fitted:
            return self._for_fitted()
        if self.n_folds is not None or self.n_subject_folds is not None:
            msg = "n_folds and n_subject_folds are for models that are fitted; all of these are fixed."
            raise ValueError(msg)
        permuted = self.test_zero == "permutation"
        if inputs.sigma_k is not None and permuted:
            msg = "sigma_k belongs to the items, and cannot be permuted with them; use test='t'."
            raise ValueError(msg)
        if inputs.controls is None:
            return self
        if self.pooling != "rank":
            msg = f"with controls there are ceilings of pooling='rank' only; got pooling={self.pooling!r}."
            raise ValueError(msg)
        if self.test == "permutation" or self.interval == "bca":
            msg = (
                "with controls, items are not permuted (that would break what models share with the controls) and "
                "there is no jackknife; use test='t', and interval='t' or 'percentile'."
            )
            raise ValueError(msg)
        return dataclasses.replace(self, test="t") if permuted else self

    def _for_fitted(self) -> Settings:
        if self.test not in ("auto", "t"):
            msg = (
                f"test={self.test!r} is for fixed models: held-out scores share what they were fitted to, and have no "
                "exact test; use test='t'."
            )
            raise ValueError(msg)
        if self.interval == "bca":
            msg = "interval='bca' is for fixed models; use 't' or 'percentile'."
            raise ValueError(msg)
        if self.pooling != "rank":
            msg = f"models that are fitted have ceilings of pooling='rank' only; got pooling={self.pooling!r}."
            raise ValueError(msg)
        if self.n_bootstrap < 2:
            msg = f"n_bootstrap must be at least 2 where models are fitted; got {self.n_bootstrap}."
            raise ValueError(msg)
        return dataclasses.replace(self, test="t", fitted=True)
