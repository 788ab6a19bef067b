"""What every sign-flip test over time begins and ends with: checked options, read curves, and shared fields."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, get_args

import numpy as np

from alignkit._check import check_choice, check_count, check_fraction
from alignkit._random import as_rng
from alignkit._typing import FloatArray, RNGLike
from alignkit.meg._read_curves import Curves, as_popmean, read_curves, report_cells
from alignkit.rsa._sign_flips import (
    SIDES,
    Flips,
    Statistic,
    Tail,
    directed,
    observed_statistic,
    sign_flips,
    warn_if_hopeless,
)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class FlipTest:
    """Curves to test and how: ``values``, shape (cells,), is their statistic, NaN where a cell is not tested."""

    curves: Curves
    values: FloatArray
    settings: dict[str, Any]
    n_permutations: int
    rng: np.random.Generator

    @property
    def tail(self) -> Tail:
        """Which values are extreme."""
        return self.settings["tail"]

    @property
    def side(self) -> int:
        """The same for kernels."""
        return SIDES[self.tail]

    def directed(self, values: FloatArray) -> FloatArray:
        """Return how extreme values are."""
        return directed(values, self.tail)

    def flip(self, observed: FloatArray, largest: Callable[[FloatArray], FloatArray], *, progress: bool) -> Flips:
        """Flip signs; ``observed`` are the values whose largest one every flip's is compared with; 0 if none."""
        x = np.where(np.isnan(self.values), np.nan, self.curves.x)
        highest = float(observed[~np.isnan(observed)].max()) if np.isfinite(observed).any() else 0.0
        statistic = self.settings["test"]
        return sign_flips(x, highest, statistic, self.tail, largest, self.n_permutations, self.rng, progress=progress)

    def fields(self, flips: Flips, corrected: FloatArray) -> dict[str, Any]:
        """Return the fields that the results of all these tests share."""
        curves, shape = self.curves, self.curves.shape
        return {
            "statistic": self.values.reshape(shape),
            "p": flips.p.reshape(shape),
            "p_corrected": corrected.reshape(shape),
            "significant": np.asarray(corrected <= self.settings["alpha"]).reshape(shape),
            "times": curves.times,
            "dims": curves.dims,
            "coords": curves.coords,
            "n_subjects": len(curves.x),
            "n_permutations": len(flips.largest),
            "exact": flips.exact,
            "null": flips.largest,
            **self.settings,
        }


def flip_test(
    curves: object,
    *,
    popmean: float,
    statistic: Statistic,
    tail: Tail,
    n_permutations: int,
    times: object,
    model: str | int | None,
    alpha: float,
    rng: RNGLike,
    channels: bool = False,
) -> FlipTest:
    """Check the options that all tests share, read the curves, and warn of what cannot be tested."""
    check_choice("statistic", statistic, get_args(Statistic))
    check_choice("tail", tail, get_args(Tail))
    check_count("n_permutations", n_permutations, 1)
    check_fraction("alpha", alpha)
    generator = as_rng(rng)
    middle = as_popmean(popmean)
    read = read_curves(curves, popmean=middle, times=times, model=model, channels=channels)
    note = warn_if_hopeless(len(read.x), tail, n_permutations, alpha, stacklevel=4)
    values, constant = observed_statistic(read.x, statistic)
    report_cells(read, constant, stacklevel=4)
    settings = {"test": statistic, "tail": tail, "popmean": middle, "alpha": float(alpha), "note": note}
    return FlipTest(read, values, settings, n_permutations, generator)
