"""Who is left out of a study, why, and what stays: the log of an exclusion, person by person."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from alignkit._result import Result
from alignkit._typing import AnyArray, FloatArray, IntArray
from alignkit.rsa import Triplets

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: The rules in the order in which a person's reasons name them.
RULES = ("catch trials", "too fast", "too slow", "side bias", "too few answers")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ExclusionRules:
    """The rules of an exclusion: what must hold of a person's answers; None: not asked for.

    Attributes
    ----------
    min_catch : float or None
        Least share of catch trials answered as expected.
    min_rt, max_rt : float or None
        Seconds; faster and slower answers are not meant.
    max_fast, max_slow : float
        Largest share of answers outside.
    side_bias : float or None
        Level of the binomial test of the position chosen most often.
    max_share : float
        Share of that position up to which a bias is tolerated, however certain.
    min_answers : int
        Least number of answers, catch trials apart.
    """

    min_catch: float | None
    min_rt: float | None
    max_rt: float | None
    max_fast: float
    max_slow: float
    side_bias: float | None
    max_share: float
    min_answers: int


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class Exclusion(Result):
    """Who is left out of a study of odd-one-out answers, why, and the answers that stay.

    Attributes
    ----------
    kept : Triplets
        Answers that count: of people who pass every rule, without catch trials and answers outside the response times.
    participant : ndarray, shape (people,)
        Everybody, in the order of the names.
    reason : tuple of str
        Why a person is left out, all rules that fail; empty for those who stay.
    n, n_kept : ndarray of int, shape (people,)
        Answers of each person without catch trials, and how many stay.
    n_catch : ndarray of int, shape (people,)
        Catch trials answered.
    catch_accuracy : ndarray, shape (people,)
        Share of them answered as expected; NaN without any.
    median_rt : ndarray, shape (people,)
        Median response time in seconds; NaN where unknown.
    fast, slow : ndarray, shape (people,)
        Share of timed answers below ``min_rt`` and above ``max_rt``; NaN where not asked or unknown.
    side : ndarray of int, shape (people,)
        Position chosen most often, 1 to 3; 0 where unknown.
    side_share, side_p : ndarray, shape (people,)
        Its share, and the binomial probability of at least so many under 1/3, times three (any of the positions);
        NaN where unknown.
    rules : ExclusionRules
        What was asked for.
    """

    kept: Triplets
    participant: AnyArray
    reason: tuple[str, ...]
    n: IntArray
    n_kept: IntArray
    n_catch: IntArray
    catch_accuracy: FloatArray
    median_rt: FloatArray
    fast: FloatArray
    slow: FloatArray
    side: IntArray
    side_share: FloatArray
    side_p: FloatArray
    rules: ExclusionRules

    @property
    def excluded(self) -> tuple[str, ...]:
        """Names of the people left out."""
        return tuple(str(name) for name, why in zip(self.participant, self.reason, strict=True) if why)

    def counts(self) -> dict[str, int]:
        """Return how many people fail each rule; one person may fail several."""
        return {rule: n for rule in RULES if (n := sum(rule in why for why in self.reason))}

    def __repr__(self) -> str:
        why = ", ".join(f"{rule} {n}" for rule, n in self.counts().items()) or "none fails a rule"
        lines = [
            f"<Exclusion {len(self.excluded)} of {len(self.participant)} people left out ({why}); "
            f"{len(self.kept):,} answers stay"
        ]
        lines += [f"  {name}: {reason}" for name, reason in zip(self.participant, self.reason, strict=True) if reason][
            :20
        ]
        more = len(self.excluded) - 20
        return "\n".join(lines + ([f"  and {more} more"] if more > 0 else [])) + ">"

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per person, those who stay too."""
        import pandas as pd

        names = ("participant", "reason", "n", "n_kept", "n_catch", "catch_accuracy", "median_rt", "fast", "slow")
        table = pd.DataFrame({name: getattr(self, name) for name in (*names, "side", "side_share", "side_p")})
        table.insert(1, "excluded", [bool(why) for why in self.reason])
        return table

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        r, count = self.rules, self.counts()
        said = {
            "catch trials": f"answered fewer than {r.min_catch or 0:.0%} of the catch trials as expected",
            "too fast": f"gave more than {r.max_fast:.0%} of their answers in under {r.min_rt or 0:g} s",
            "too slow": f"took more than {r.max_rt or 0:g} s for more than {r.max_slow:.0%} of their answers",
            "side bias": (
                f"chose one position in more than {r.max_share:.0%} of trials (binomial p < {r.side_bias or 0:g})"
            ),
            "too few answers": f"gave fewer than {r.min_answers} answers",
        }
        asked = (r.min_catch, r.min_rt, r.max_rt, r.side_bias, r.min_answers or None)
        rules = [
            f"{said[rule]} (n = {count.get(rule, 0)})"
            for rule, value in zip(RULES, asked, strict=True)
            if value is not None
        ]
        return (
            f"Of {len(self.participant)} participants, {len(self.excluded)} were excluded: those who "
            f"{'; who '.join(rules)}. {len(self.kept):,} answers of {len(self.participant) - len(self.excluded)} "
            "participants were analysed."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw everybody's catch accuracy (else the share of the position chosen most) over the median time."""
        from matplotlib import pyplot as plt

        ax = plt.gca() if ax is None else ax
        caught = not np.isnan(self.catch_accuracy).all()
        y = self.catch_accuracy if caught else self.side_share
        timed = not np.isnan(self.median_rt).all()
        x = self.median_rt if timed else np.arange(1, len(y) + 1, dtype=np.float64)
        out = np.array([bool(why) for why in self.reason])
        ax.plot(x[~out], y[~out], "o", color="black", label="stay")
        ax.plot(x[out], y[out], "x", color="tab:red", label="left out")
        ax.set_xlabel("median response time (s)" if timed else "participant")
        ax.set_ylabel("catch trials as expected" if caught else "share of the position chosen most")
        ax.legend()
        return ax
