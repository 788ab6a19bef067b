"""What a simulation of power from pilot data gives back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._result import Result
from alignkit.rsa._matrix_methods import SENTENCES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_TESTS = {"t": "t tests", "sign-flip": "sign-flip tests (with more than 10 subjects taken to be that of t tests)"}


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class PowerCurve(Result):
    """Power of tests of models for numbers of subjects and items, as far as pilot data tell.

    Attributes
    ----------
    tests : tuple of str
        Every model against zero (``"a > 0"``, one-sided), then every two models against each other (``"a - b"``).
    effect : ndarray, shape (tests,)
        Mean score, or difference of mean scores, in the pilot.
    components : ndarray, shape (3, tests)
        Parts of the variance of the mean over subjects and items: a of subjects, b of items, c of single measurements,
        in a/S + b/N + c/(SN). Where no other number of items was asked for, items are not taken apart: b and c are NaN,
        and a stands for a + c/N.
    n_subjects, n_items : tuple of int
        Numbers that were asked for.
    power : ndarray, shape (tests, n_items, n_subjects)
        Of tests of normal scores with the pilot's effect and variance; 0 where sign flips cannot reach the level.
    pilot_interval : ndarray, shape (2, tests, n_items, n_subjects)
        What the power may be, given that effects (and over new subjects alone, variances) are known from one pilot.
    simulated : ndarray, shape (tests, n_items, n_subjects)
        Share of experiments drawn from the pilot in which the test rejects. NaN for more items than the pilot has,
        and for tests over new items.
    simulated_interval : ndarray, shape (2, tests, n_items, n_subjects)
        Its Monte-Carlo interval (Wilson's).
    n_needed : ndarray, shape (tests, n_items)
        Smallest number of subjects with the power ``target``; NaN where 1,000 are too few.
    n_needed_interval : ndarray, shape (2, tests, n_items)
        The same for the ends of what the effect may be; NaN for more than 1,000.
    alpha, target, confidence : float
        Level of the tests, power that is asked for, and level of the intervals.
    generalize, method : str
        As asked for.
    test : {"sign-flip", "t"}
        Which test.
    n_pilot : tuple of int
        Subjects and items of the pilot.
    n_simulations, n_bootstrap : int
        Experiments drawn for each number of items, and resamples of the pilot.
    note : str
        What to know about the numbers.
    """

    tests: tuple[str, ...]
    effect: np.ndarray[Any, np.dtype[np.float64]]
    components: np.ndarray[Any, np.dtype[np.float64]]
    n_subjects: tuple[int, ...]
    n_items: tuple[int, ...]
    power: np.ndarray[Any, np.dtype[np.float64]]
    pilot_interval: np.ndarray[Any, np.dtype[np.float64]]
    simulated: np.ndarray[Any, np.dtype[np.float64]]
    simulated_interval: np.ndarray[Any, np.dtype[np.float64]]
    n_needed: np.ndarray[Any, np.dtype[np.float64]]
    n_needed_interval: np.ndarray[Any, np.dtype[np.float64]]
    alpha: float
    target: float
    confidence: float
    generalize: str
    method: str
    test: str
    n_pilot: tuple[int, int]
    n_simulations: int
    n_bootstrap: int
    note: str

    def __repr__(self) -> str:
        head = (
            f"<PowerCurve {self.method}, new {self.generalize if self.generalize != 'both' else 'subjects and items'}, "
            f"pilot of {self.n_pilot[0]} subjects x {self.n_pilot[1]} items; subjects for a power of {self.target:g}:"
        )
        lines = [head]
        for k, name in list(enumerate(self.tests))[:10]:
            for i, items in enumerate(self.n_items):
                low, high = (_count(value) for value in self.n_needed_interval[:, k, i])
                needed = f"{_count(self.n_needed[k, i])} ({low} to {high})"
                if np.isnan(self.power[k, i]).all():
                    needed = "unknown, scores in the pilot do not vary"
                lines.append(f"  {name}, {items} items: {needed}")
        lines += [f"  and {len(self.tests) - 10} more tests"] if len(self.tests) > 10 else []
        return "\n".join([*lines, f"  {self.note}>"])

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per test, number of items and of subjects: power, its intervals, and the simulated one."""
        import pandas as pd

        test, items, subjects = (index.ravel() for index in np.indices(self.power.shape))
        table = {
            "test": np.array(self.tests, dtype=object)[test],
            "n_items": np.array(self.n_items)[items],
            "n_subjects": np.array(self.n_subjects)[subjects],
            "power": self.power.ravel(),
            "pilot_low": self.pilot_interval[0].ravel(),
            "pilot_high": self.pilot_interval[1].ravel(),
            "simulated": self.simulated.ravel(),
            "simulated_low": self.simulated_interval[0].ravel(),
            "simulated_high": self.simulated_interval[1].ravel(),
        }
        return pd.DataFrame(table).assign(n_needed=self.n_needed[test, items])

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        over = "new subjects" if self.generalize == "subjects" else "new subjects and new items"
        variance = "the variance of scores over subjects"
        if not np.isnan(self.components[1]).any():
            variance = "variance components of subjects, items and single measurements (Schuett et al., 2023)"
        simulated = ""
        if np.isfinite(self.simulated).any():
            simulated = f" and checked by {self.n_simulations:,} experiments drawn from the pilot"
        return (
            f"Power of {_TESTS[self.test]} over {over} at a level of {self.alpha:g} (models against zero: one-sided; "
            f"against each other: two-sided) was computed from a pilot of {self.n_pilot[0]} subjects and "
            f"{self.n_pilot[1]} items ({SENTENCES[self.method]}) by {variance}{simulated}; "
            f"{self.confidence:.0%} intervals by {self.n_bootstrap:,} bootstrap resamples of the pilot. {self.note}"
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw power over the number of subjects, one line per test and number of items, with the pilot's band."""
        from alignkit.rsa._inference._draw_power import plot_power

        return plot_power(self, ax)


def _count(value: float) -> str:
    return "more than 1000" if np.isnan(value) else f"{int(value)}"
