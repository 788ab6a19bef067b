"""What cross-validation of teachers found."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from alignkit._plot import new_axes
from alignkit._result import Result
from alignkit._typing import FloatArray
from alignkit.align._teacher_methods import BASELINES, SHUFFLED

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Differences in accuracy below this are not claimed: the choice of divisions and penalties moves scores about as much.
LEAST_DIFFERENCE = 0.02


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class TeacherScores(Result):
    """Held-out answers predicted by features as they are, by teachers, and by teachers of nonsense.

    Attributes
    ----------
    methods : tuple of str, shape (m,)
        Rows: four baselines (features as they are), then each teacher, then its control (", shuffled").
    accuracy, accuracy_low, accuracy_high : ndarray, shape (m,)
        Share of held-out answers predicted (ties shared), mean over divisions, and its bootstrap interval.
    cross_entropy, cross_entropy_low, cross_entropy_high : ndarray, shape (m,)
        Mean -log p of held-out answers in nats, at a temperature fitted without them.
    calibration_error : ndarray, shape (m,)
        ``|confidence - accuracy|`` over 10 equal-width bins, mean over divisions.
    temperature : ndarray, shape (m,)
        Geometric mean over divisions.
    n_parameters, distance_from_identity, penalty : ndarray, shape (m,)
        Numbers fitted; ||W - cI|| / ||cI|| of square linear maps; the penalty chosen (geometric mean).
    knn_overlap : ndarray, shape (m,)
        Share of the ``n_neighbours`` nearest neighbours (cosine) among held-out items that stay.
    accuracy_difference, accuracy_difference_low, accuracy_difference_high : ndarray, shape (m, m)
        Row's method minus column's, on the same answers, and its interval.
    cross_entropy_difference, cross_entropy_difference_low, cross_entropy_difference_high : ndarray, shape (m, m)
        The same of the cross-entropy.
    split_accuracy, split_cross_entropy : ndarray, shape (m, divisions)
        Before the mean over divisions (with ``pooled``, over repeats).
    train_share, test_share : ndarray, shape (divisions,)
        Share of the answers that a division keeps to learn from and to score.
    from_embedding : tuple of bool, shape (m,)
        Rows that learn from a human embedding, which may have been fitted to the answers scored: possibly optimistic.
    ceiling, ceiling_plug_in : float
        What people reach on repeated triplets: leave-one-out and plug-in majority; NaN where none were repeated.
    chance : float
        What guessing reaches.
    n_answers, n_given, n_items : int
        Answers used, answers given (before those about items without features were left out), and items.
    by, n_folds, pooled, repeats, held_out, n_neighbours, n_bootstrap, confidence, seed
        As asked; ``n_folds`` 0: ``held_out`` is the share of items or people held out.
    """

    methods: tuple[str, ...]
    accuracy: FloatArray
    accuracy_low: FloatArray
    accuracy_high: FloatArray
    cross_entropy: FloatArray
    cross_entropy_low: FloatArray
    cross_entropy_high: FloatArray
    calibration_error: FloatArray
    temperature: FloatArray
    n_parameters: FloatArray
    distance_from_identity: FloatArray
    penalty: FloatArray
    knn_overlap: FloatArray
    accuracy_difference: FloatArray
    accuracy_difference_low: FloatArray
    accuracy_difference_high: FloatArray
    cross_entropy_difference: FloatArray
    cross_entropy_difference_low: FloatArray
    cross_entropy_difference_high: FloatArray
    split_accuracy: FloatArray
    split_cross_entropy: FloatArray
    train_share: FloatArray
    test_share: FloatArray
    from_embedding: tuple[bool, ...]
    ceiling: float
    ceiling_plug_in: float
    chance: float
    n_answers: int
    n_given: int
    n_items: int
    by: str
    n_folds: int
    pooled: bool
    repeats: int
    held_out: float
    n_neighbours: int
    n_bootstrap: int
    confidence: float
    seed: int

    def __repr__(self) -> str:
        width = max(map(len, self.methods))
        lines = [
            f"<TeacherScores {self.n_answers:,} answers about {self.n_items:,} items, {self._division()}; "
            f"{self.train_share.mean():.1%} of the answers to learn from, {self.test_share.mean():.1%} to score"
        ]
        for i, name in enumerate(self.methods):
            mark = " *" if self.from_embedding[i] else ""
            lines.append(
                f"  {name:{width}s} {self.accuracy[i]:.4f} [{self.accuracy_low[i]:.4f}, {self.accuracy_high[i]:.4f}]"
                f"  cross-entropy {self.cross_entropy[i]:.4f}  ECE {self.calibration_error[i]:.4f}"
                f"  T {self.temperature[i]:.3g}  kNN {self.knn_overlap[i]:.2f}{mark}"
            )
        if any(self.from_embedding):
            lines.append("  * learned from an embedding that may have seen the answers: possibly optimistic")
        band = "" if np.isnan(self.ceiling) else f"; people {self.ceiling:.4f} to {self.ceiling_plug_in:.4f}"
        lines.append(f"  chance {self.chance:.4f}{band}; differences below {LEAST_DIFFERENCE} are not claimed>")
        return "\n".join(lines)

    def _division(self) -> str:
        what = {"items": "items", "participants": "people", "both": "items and people"}[self.by]
        if self.n_folds:
            pooled = ", predictions pooled" if self.pooled else ""
            return f"{self.repeats} x {self.n_folds} folds of {what}{pooled}"
        return f"{self.held_out:.0%} of the {what} held out, {self.repeats} times"

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per method: scores with intervals, and what was fitted."""
        import pandas as pd

        names = (
            "accuracy",
            "accuracy_low",
            "accuracy_high",
            "cross_entropy",
            "cross_entropy_low",
            "cross_entropy_high",
            "calibration_error",
            "temperature",
            "knn_overlap",
            "distance_from_identity",
            "n_parameters",
            "penalty",
        )
        table = {name: getattr(self, name) for name in names}
        return pd.DataFrame({"method": self.methods, **table, "possibly_optimistic": self.from_embedding})

    def differences(self) -> pd.DataFrame:
        """Return one row per pair of methods: the difference in accuracy and in cross-entropy, with intervals.

        ``claimed`` marks differences in accuracy of at least .02 whose interval leaves out 0. Controls are compared
        with nothing but what they control for.
        """
        import pandas as pd

        def row(i: int, j: int) -> dict[str, object]:
            own: dict[str, object] = {"method": self.methods[i], "minus": self.methods[j]}
            for name in ("accuracy_difference", "cross_entropy_difference"):
                for end in ("", "_low", "_high"):
                    own[name + end] = getattr(self, name + end)[i, j]
            low, high = self.accuracy_difference_low[i, j], self.accuracy_difference_high[i, j]
            large = abs(self.accuracy_difference[i, j]) >= LEAST_DIFFERENCE
            own["claimed"] = bool(large and (low > 0 or high < 0))
            return own

        return pd.DataFrame([row(i, j) for i, j in self._pairs()])

    def _pairs(self) -> list[tuple[int, int]]:
        pairs = []
        for i, name in enumerate(self.methods):
            if name in BASELINES or name.endswith(SHUFFLED):
                continue
            for j, other in enumerate(self.methods):
                compared = other == name + SHUFFLED if other.endswith(SHUFFLED) else j < i
                if compared:
                    pairs.append((i, j))
        return pairs

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        whose = {
            "items": "whose three items were all held out",
            "participants": "of people who were held out",
            "both": "of held-out people about held-out items",
        }[self.by]
        scored = "all answers, on predictions pooled over folds" if self.pooled else f"answers {whose}"
        return (
            f"Teachers were scored on {scored} ({self._division()}, seed {self.seed}; {self.train_share.mean():.1%} of "
            f"{self.n_answers:,} answers to learn from, {self.test_share.mean():.1%} to score, on average). Penalties "
            f"and temperatures were chosen on items held out within. {self.confidence:.0%} intervals are percentiles "
            f"of {self.n_bootstrap:,} bootstrap samples of items and, at the same time, of people (where these are "
            f"unknown: answers); accuracy differences below {LEAST_DIFFERENCE} are not claimed."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw accuracy with its interval, one row per method, beside chance and what people reach."""
        ax = new_axes(ax)
        places = np.arange(len(self.methods))[::-1]
        ends = np.abs(np.vstack([self.accuracy_low, self.accuracy_high]) - self.accuracy)
        ax.errorbar(self.accuracy, places, xerr=ends, fmt="o", color="k", capsize=2)
        ax.axvline(self.chance, color="0.7", linestyle="--", label="chance")
        if not np.isnan(self.ceiling):
            ax.axvspan(self.ceiling, self.ceiling_plug_in, color="0.9", label="people")
        ax.set_yticks(places, self.methods)
        ax.set_xlabel("accuracy on held-out answers")
        ax.legend(frameon=False)
        return ax
