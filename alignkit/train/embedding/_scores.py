"""How well an embedding says what people answer where nothing was fitted to, and how it came to be."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from alignkit._result import Result
from alignkit._typing import FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_CHANCE = math.log(3.0)


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class EmbeddingScores(Result):
    """Scores of a trained embedding on answers that it never saw, and its learning curve.

    Attributes
    ----------
    method : str
        SPoSE or VICE.
    n_dims, n_items, n_answers : int
        Dimensions kept, items, and answers trained on.
    n_test : int
        Answers scored on.
    side : str
        What these are: ``"test"``, or ``"val"`` where the run has no test answers (the step was chosen on them).
    cross_entropy, accuracy, ece : float
        Mean -log p of the answers in nats (chance: log 3); share of answers that are the most probable one (ties count
        as wrong); expected calibration error over 10 bins.
    cross_entropy_low, cross_entropy_high, accuracy_low, accuracy_high : float
        95 % intervals, resampling answers.
    steps : ndarray of int, shape (validations,)
        Optimiser steps before each validation.
    val_cross_entropy, n_dims_at : ndarray, shape (validations,)
        What each validation gave.
    kept_step : int
        Step of the weights that were kept.
    soft : bool
        Whether choice probabilities were learned from and scored on in place of answers: then the cross-entropy is
        -Σ p log q, and the accuracy the share of p on the most probable item.

    Examples
    --------
    >>> from alignkit.train import evaluate_run
    >>> scores = evaluate_run("my-embedding")  # doctest: +SKIP
    >>> scores.n_dims  # doctest: +SKIP
    49
    """

    method: str
    n_dims: int
    n_items: int
    n_answers: int
    n_test: int
    side: str
    cross_entropy: float
    cross_entropy_low: float
    cross_entropy_high: float
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    ece: float
    steps: IntArray
    val_cross_entropy: FloatArray
    n_dims_at: IntArray
    kept_step: int
    soft: bool = False

    def __post_init__(self) -> None:
        for name, dtype in (("steps", np.int64), ("val_cross_entropy", np.float64), ("n_dims_at", np.int64)):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=dtype))

    @property
    def constant_since(self) -> int:
        """Step from which on no validation gave another number of dimensions than the last one."""
        differs = np.flatnonzero(self.n_dims_at != self.n_dims_at[-1])
        return int(self.steps[differs[-1] + 1]) if len(differs) else int(self.steps[0])

    @property
    def _units(self) -> str:
        return "triplets" if self.soft else "answers"

    def to_dataframe(self) -> pd.DataFrame:
        """Return the learning curve: one row per validation."""
        import pandas as pd

        return pd.DataFrame({"step": self.steps, "val_cross_entropy": self.val_cross_entropy, "n_dims": self.n_dims_at})

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        kept = "" if self.side == "test" else ", on which the step was chosen"
        what = f"choice probabilities of {self.n_answers:,} triplets"
        what = what if self.soft else f"{self.n_answers:,} odd-one-out answers"
        return (
            f"{self.method} was fitted to {what} about {self.n_items:,} items and kept "
            f"{self.n_dims} dimensions; on {self.n_test:,} other {self._units}{kept} its cross-entropy was "
            f"{self.cross_entropy:.3f} nats (chance: {_CHANCE:.3f}) and its accuracy {self.accuracy:.1%}."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the cross-entropy of validation answers and the number of dimensions against the step."""
        from alignkit._plot import new_axes

        ax = new_axes(ax)
        ax.plot(self.steps, self.val_cross_entropy, label="cross-entropy")
        ax.axvline(self.kept_step, linestyle=":", color="0.5")
        ax.set_xlabel("step")
        ax.set_ylabel("cross-entropy of validation answers (nats)")
        other = ax.twinx()
        other.plot(self.steps, self.n_dims_at, color="C1", label="dimensions")
        other.set_ylabel("dimensions")
        return ax

    def __repr__(self) -> str:
        kept = "" if self.side == "test" else " (the step was chosen on them)"
        soft = "choice probabilities of " if self.soft else ""
        return (
            f"{self.method}: {self.n_dims} dimensions of {self.n_items:,} items from {soft}{self.n_answers:,} "
            f"{self._units}\n"
            f"  on {self.n_test:,} other {self._units}{kept}:\n"
            f"  cross-entropy  {self.cross_entropy:.4f} [{self.cross_entropy_low:.4f}, {self.cross_entropy_high:.4f}] "
            f"nats (chance {_CHANCE:.4f})\n"
            f"  accuracy       {self.accuracy:.4f} [{self.accuracy_low:.4f}, {self.accuracy_high:.4f}]\n"
            f"  ECE10          {self.ece:.4f}\n"
            f"  dimensions     {self.n_dims}; their number is constant since step {self.constant_since:,} of "
            f"{int(self.steps[-1]):,}, kept step {self.kept_step:,}"
        )
