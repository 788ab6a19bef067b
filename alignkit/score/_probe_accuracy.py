"""How many held-out items a probe of features puts into their class."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import as_float_array, as_labels, check_finite
from alignkit._result import Result
from alignkit._typing import FloatArray, IntArray
from alignkit.rsa._intervals import check_bootstrap, cluster_intervals

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class ProbeAccuracy(Result):
    """Accuracy of a read-out of features on items that it was not fitted to.

    Attributes
    ----------
    accuracy, low, high : float
        Share of held-out items whose class is predicted, and its bootstrap interval over items.
    chance : float
        One over the number of classes.
    n, n_classes : int
        Items scored, and classes.
    probe : str
        What was fitted to what, in words.
    n_bootstrap : int
        Resamples behind the interval.
    confidence : float
        Its level.
    per_item : ndarray, shape (items,), or None
        Share of its predictions that were right, for each item; NaN where it was never held out. Two models that are
        probed with one seed are compared item by item. Not saved to files.
    """

    accuracy: float
    low: float
    high: float
    chance: float
    n: int
    n_classes: int
    probe: str
    n_bootstrap: int
    confidence: float
    per_item: FloatArray | None = None

    def __repr__(self) -> str:
        return (
            f"<ProbeAccuracy {self.accuracy:.4f} [{self.low:.4f}, {self.high:.4f}] of {self.n:,} items in "
            f"{self.n_classes:,} classes (chance {self.chance:.4f}): {self.probe}>"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return every field but ``per_item`` in JSON's own types."""
        content = Result.to_dict(self)
        del content["per_item"]
        return content

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row with every field but ``per_item``."""
        import pandas as pd

        names = [field.name for field in dataclasses.fields(self) if field.name != "per_item"]
        return pd.DataFrame([{name: getattr(self, name) for name in names}])

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        return (
            f"Classes were read out of the features by a {self.probe}; accuracy is that of {self.n:,} held-out "
            f"items of {self.n_classes:,} classes, with a {self.confidence:.0%} bootstrap interval over items "
            f"({self.n_bootstrap:,} samples)."
        )


def as_probed(features: object, classes: Iterable[Any]) -> tuple[FloatArray, IntArray, int]:
    """Return features, the number of each item's class, and how many classes there are.

    Raises
    ------
    ValueError
        Features that are no matrix or hold NaN, classes of another number of items, or fewer than two classes.
    TypeError
        Features that are no numbers, or classes that are no sequence.
    """
    x = as_float_array("features", features, ndim=2)
    check_finite("features", x)
    names = as_labels("classes", classes, len(x), unique=False)
    found, codes = np.unique(np.array(names), return_inverse=True)
    if len(found) < 2:
        msg = f"classes must name at least two different classes; got {len(found)}."
        raise ValueError(msg)
    return x, codes.reshape(-1).astype(np.int64), len(found)


def summarise(
    per_item: FloatArray, n_classes: int, probe: str, n_bootstrap: int, confidence: float, seed: int
) -> ProbeAccuracy:
    """Return the mean over the items that were held out, with its interval."""
    check_bootstrap(n_bootstrap, confidence)
    scored = per_item[~np.isnan(per_item)]
    low, high = cluster_intervals(
        scored[:, None],
        np.ones((len(scored), 1)),
        n_bootstrap=n_bootstrap,
        confidence=confidence,
        rng=np.random.default_rng(seed),
    )
    return ProbeAccuracy(
        accuracy=float(scored.mean()) if len(scored) else float("nan"),
        low=float(low[0]),
        high=float(high[0]),
        chance=1 / n_classes,
        n=len(scored),
        n_classes=n_classes,
        probe=probe,
        n_bootstrap=n_bootstrap,
        confidence=confidence,
        per_item=per_item,
    )
