"""The measures that compare features, and which options each of them takes."""

from __future__ import annotations

from typing import Any, Literal, Protocol, get_args

from alignkit._check import check_choice, check_count, check_positive, check_probability, shown
from alignkit._typing import IntArray
from alignkit.rsa._cca import CCA
from alignkit.rsa._cka import CKA
from alignkit.rsa._feature_rows import Rows
from alignkit.rsa._mutual_neighbours import MutualNeighbours
from alignkit.rsa._procrustes import Procrustes, Score

FeatureMethod = Literal["cka", "procrustes", "cca", "svcca", "pwcca", "mutual-knn"]
#: The options of every method.
OPTIONS: dict[str, tuple[str, ...]] = {
    "cka": ("kernel", "debiased", "bandwidth"),
    "procrustes": ("score", "alpha"),
    "cca": ("squared",),
    "svcca": ("squared", "variance"),
    "pwcca": (),
    "mutual-knn": ("n_neighbours",),
}
#: What an option is where a method does not take it.
DEFAULTS: dict[str, Any] = {
    "kernel": "linear",
    "debiased": True,
    "bandwidth": 1.0,
    "score": "nbs",
    "alpha": 1.0,
    "squared": False,
    "variance": 0.99,
    "n_neighbours": 10,
}


class Measure(Protocol):
    """One measure: ``value(prepare(x), prepare(y))``, so that a layer is prepared once for all its partners."""

    @property
    def label(self) -> str:
        """What a figure calls the numbers."""

    @property
    def sentence(self) -> str:
        """What a Methods section calls the measure."""

    @property
    def is_distance(self) -> bool:
        """Whether smaller means more alike."""

    @property
    def min_items(self) -> int:
        """Fewest items for which it is defined."""

    def prepare(self, rows: Rows, n_uses: int) -> Any:
        """Return what one layer gives to every comparison; its ``undefined`` says why it gives nothing."""

    def permute(self, prepared: Any, order: IntArray, /) -> Any:
        """Return the same of the items in another order."""

    def value(self, x: Any, y: Any) -> Any:
        """Return the similarity or distance of two layers."""

    def forced(self, x: Any, y: Any) -> tuple[int, int]:
        """Return how many of how many canonical correlations are 1 whatever the features are."""


def as_measure(method: str, options: dict[str, Any]) -> tuple[Measure, dict[str, Any]]:
    """Return the measure and the settings it runs with.

    Raises
    ------
    ValueError
        An unknown method or word, an option that the method does not take, or a number out of range.
    TypeError
        An option of another kind.
    """
    check_choice("method", method, tuple(OPTIONS))
    for name, value in options.items():
        if name not in OPTIONS[method] and value != DEFAULTS[name]:
            takers = [repr(other) for other, names in OPTIONS.items() if name in names]
            msg = f"{name} is only for method={' or '.join(takers)}; got method={method!r}."
            raise ValueError(msg)
    settings = {name: _checked(name, options[name]) for name in OPTIONS[method]}
    if settings.get("kernel") == "linear":
        if settings["bandwidth"] != DEFAULTS["bandwidth"]:
            msg = "bandwidth is only for kernel='rbf'; got kernel='linear'."
            raise ValueError(msg)
        del settings["bandwidth"]
    if method == "cka":
        return CKA(**settings), settings
    if method == "procrustes":
        return Procrustes(**settings), settings
    if method == "mutual-knn":
        return MutualNeighbours(**settings), settings
    return CCA(method, **settings), settings  # type: ignore[arg-type]


def _checked(name: str, value: Any) -> Any:
    if name in ("debiased", "squared"):
        if not isinstance(value, bool):
            msg = f"{name} must be True or False; got {shown(value)}."
            raise TypeError(msg)
        return value
    if name == "n_neighbours":
        return check_count(name, value, 1)
    if name in ("kernel", "score"):
        check_choice(name, value, ("linear", "rbf") if name == "kernel" else get_args(Score))
        return value
    number = check_positive(name, value) if name != "alpha" else check_probability(name, value)
    if name == "variance" and number > 1:
        msg = f"variance must lie above 0 and be at most 1; got {shown(value)}."
        raise ValueError(msg)
    return number
