"""Which validation is the best, and when to stop waiting for a better one."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from alignkit._check import join_names
from alignkit._config import nearest


@dataclasses.dataclass(slots=True)
class Monitor:
    """Follow one validation metric. The untrained model's counts: a run that only gets worse keeps what it began with.

    Parameters
    ----------
    metric : str
        Its name.
    mode : {"max", "min", "last"}
        Whether it is better when it is large or small; ``"last"`` takes every validation for the best so far. What is
        no finite number is better than nothing, and no more.
    patience : int, optional
        Validations without a better one after which to stop; by default never.

    Examples
    --------
    >>> monitor = Monitor("accuracy", "max", patience=2)
    >>> [monitor.update(step, {"accuracy": value}) for step, value in enumerate([0.5, 0.7, 0.6, 0.7])]
    [True, True, False, False]
    >>> monitor.best_step, monitor.best, monitor.exhausted
    (1, 0.7, True)
    """

    metric: str
    mode: str
    patience: int | None = None
    best: float = math.nan
    best_step: int = -1
    n_worse: int = 0

    def update(self, step: int, metrics: Mapping[str, float]) -> bool:
        """Take in the validation of a step, and return whether it is the best so far.

        Raises
        ------
        ValueError
            Metrics without the one that is monitored.
        """
        if self.metric not in metrics:
            msg = (
                f"monitor names {self.metric!r}, which validation does not give; "
                f"it gives {join_names(metrics, 12) or 'nothing'}{nearest(self.metric, list(metrics))}"
            )
            raise ValueError(msg)
        # an infinity is NaN once it is read back from the log, which must come to the same best one
        value = metrics[self.metric] if math.isfinite(metrics[self.metric]) else math.nan
        better = self.best_step < 0 or self._better(value)
        if better:
            self.best, self.best_step, self.n_worse = value, step, 0
        else:
            self.n_worse += 1
        return better

    def _better(self, value: float) -> bool:
        if self.mode == "last":
            return True
        if math.isnan(self.best):
            return not math.isnan(value)
        return value > self.best if self.mode == "max" else value < self.best

    @property
    def exhausted(self) -> bool:
        """Whether patience is at its end."""
        return self.patience is not None and self.n_worse >= self.patience

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint must hold, in JSON's own types."""
        best = self.best if math.isfinite(self.best) else str(self.best)
        return {"best": best, "best_step": self.best_step, "n_worse": self.n_worse}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state` gave."""
        self.best = float(state["best"])
        self.best_step, self.n_worse = int(state["best_step"]), int(state["n_worse"])
