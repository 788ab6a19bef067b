"""What a training run recorded: its steps, its validations, the best of them, and why it stopped."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from alignkit._check import check_count, counted, shown
from alignkit._result import Result
from alignkit.train._monitor import Monitor

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Stopped = Literal["finished", "patience"]
_NOTHING = " (before training; no step improved it)"
#: What a line of a step holds besides its losses.
RESERVED = ("step", "epoch", "samples", "lr", "grad_norm", "seconds", "data_seconds", "val")
#: From which share of the time on waiting for data is worth a word.
STALLED = 0.05


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """One optimiser step.

    Attributes
    ----------
    step : int
        Optimiser steps taken, this one included.
    epoch : int
        Pass over the data that it belongs to, from 1.
    samples : int
        Samples seen, those of this step included.
    losses : dict of str to float
        What the task's loss gave, before the step.
    lr : float
        Learning rate of the step.
    grad_norm : float
        Norm of the gradient over all parameters, before clipping.
    seconds : float
        Time since the run began, validations included and pauses left out.
    data_seconds : float
        How much of it was spent waiting for data, on the process that waited longest; 0 in logs of earlier versions.
    """

    step: int
    epoch: int
    samples: int
    losses: dict[str, float]
    lr: float
    grad_norm: float
    seconds: float
    data_seconds: float = 0.0

    def to_line(self) -> dict[str, Any]:
        """Return the record as a line of ``metrics.jsonl``."""
        line = dataclasses.asdict(self)
        losses = line.pop("losses")
        return {name: line.pop(name) for name in ("step", "epoch", "samples")} | losses | line

    @classmethod
    def from_line(cls, line: Mapping[str, Any]) -> StepRecord:
        """Return the record that :meth:`to_line` made the line of; null is NaN."""
        losses = {name: _number(value) for name, value in line.items() if name not in RESERVED}
        return cls(
            step=int(line["step"]),
            epoch=int(line["epoch"]),
            samples=int(line["samples"]),
            losses=losses,
            lr=_number(line["lr"]),
            grad_norm=_number(line["grad_norm"]),
            seconds=_number(line["seconds"]),
            data_seconds=_number(line.get("data_seconds", 0.0)),
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ValidationRecord:
    """One validation.

    Attributes
    ----------
    step : int
        Optimiser steps taken before it; 0 is the untrained model.
    metrics : dict of str to float
        What the task's validation gave.
    """

    step: int
    metrics: dict[str, float]

    def to_line(self) -> dict[str, Any]:
        """Return the record as a line of ``metrics.jsonl``."""
        return {"step": self.step, "val": dict(self.metrics)}

    @classmethod
    def from_line(cls, line: Mapping[str, Any]) -> ValidationRecord:
        """Return the record that :meth:`to_line` made the line of; null is NaN."""
        return cls(step=int(line["step"]), metrics={name: _number(value) for name, value in line["val"].items()})


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class History(Result):
    """What a training run recorded.

    Attributes
    ----------
    steps : tuple of StepRecord
        The optimiser steps that were logged.
    validations : tuple of ValidationRecord
        All validations, that of the untrained model first.
    monitor : str
        Validation metric that the best weights were chosen by.
    mode : {"max", "min", "last"}
        Whether that metric is better when it is large or small, or the last weights were kept whatever it was.
    best_step : int
        Optimiser steps that the best weights had seen.
    best : float
        The metric there; NaN where it never was a number.
    n_steps : int
        Optimiser steps that the settings allow.
    stopped : {"finished", "patience"}
        Whether all of these were taken, or validations had not become better for long enough.
    n_processes : int
        How many trained together.
    """

    steps: tuple[StepRecord, ...]
    validations: tuple[ValidationRecord, ...]
    monitor: str
    mode: str
    best_step: int
    best: float
    n_steps: int
    stopped: str
    n_processes: int = 1

    @classmethod
    def from_lines(
        cls,
        lines: Iterable[Mapping[str, Any]],
        *,
        monitor: str,
        mode: str,
        n_steps: int,
        stopped: Stopped,
        best_step: int | None = None,
        n_processes: int = 1,
    ) -> History:
        """Return the history that lines of ``metrics.jsonl`` tell.

        Parameters
        ----------
        lines : iterable of mapping
            The lines, in order.
        monitor, mode, n_steps, stopped : str, int
            As attributes.
        best_step : int, optional
            The step whose weights were kept, where that is known; by default the best of the lines. What the metric was
            there is NaN, with a warning, where the lines do not tell.
        n_processes : int
            As the attribute.

        Raises
        ------
        ValueError
            A line that is neither a step's nor a validation's.
        """
        steps: list[StepRecord] = []
        validations: list[ValidationRecord] = []
        watch = Monitor(monitor, mode)
        for line in lines:
            try:
                if "val" in line:
                    validations.append(ValidationRecord.from_line(line))
                else:
                    steps.append(StepRecord.from_line(line))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                msg = f"metrics.jsonl holds a line that is neither a step's nor a validation's: {shown(line)}."
                raise ValueError(msg) from error
        for record in validations:
            watch.update(record.step, record.metrics)
        best = watch.best
        if best_step is not None and best_step != watch.best_step:
            best = _metric_at(best_step, validations, monitor)
        return cls(
            steps=tuple(steps),
            validations=tuple(validations),
            monitor=monitor,
            mode=mode,
            best_step=watch.best_step if best_step is None else best_step,
            best=best,
            n_steps=n_steps,
            stopped=stopped,
            n_processes=n_processes,
        )

    @property
    def improved(self) -> bool:
        """Whether any step made the validation better than it was before training."""
        return self.best_step > 0

    @property
    def last_step(self) -> int:
        """Optimiser steps that were taken."""
        return max([0, *(r.step for r in self.steps), *(r.step for r in self.validations)])

    def samples_per_second(self, last: int | None = None) -> float:
        """Return how many training samples each process went through in a second, validations included.

        Parameters
        ----------
        last : int, optional
            Of the last so many logged steps; by default of the whole run.

        Returns
        -------
        float
            NaN where nothing was logged.
        """
        samples, seconds, _ = self._spent(last)
        return samples / self.n_processes / seconds if seconds > 0 else math.nan

    def data_stall(self, last: int | None = None) -> float:
        """Return the share of the time that was spent waiting for data, from 0 to 1.

        Batches are made while the one before is computed, so that data cost time only where they are slower than that.

        Parameters
        ----------
        last : int, optional
            Of the last so many logged steps; by default of the whole run.

        Returns
        -------
        float
            NaN where nothing was logged.
        """
        _, seconds, waited = self._spent(last)
        return waited / seconds if seconds > 0 else math.nan

    def _spent(self, last: int | None) -> tuple[int, float, float]:
        """Return samples, seconds, and seconds of waiting for data of the last logged steps, or of all."""
        if last is not None:
            check_count("last", last, 1)
        if not self.steps:
            return 0, 0.0, 0.0
        end = self.steps[-1]
        if last is None or last >= len(self.steps):
            return end.samples, end.seconds, end.data_seconds
        start = self.steps[-1 - last]
        waited = end.data_seconds - start.data_seconds
        return end.samples - start.samples, end.seconds - start.seconds, waited

    def _speed(self) -> str:
        """Return how fast the run was, for people; nothing where that is not known."""
        rate, stall = self.samples_per_second(), self.data_stall()
        if not math.isfinite(rate):
            return ""
        each = " per process" if self.n_processes > 1 else ""
        waiting = f", {stall:.0%} of the time waiting for data" if stall > STALLED else ""
        return f"; {rate:,.0f} samples/s{each}{waiting}" if rate >= 10 else f"; {rate:.2g} samples/s{each}{waiting}"

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per number: step, split ("train" or "val"), name and value."""
        import pandas as pd

        rows = [(r.step, "train", name, value) for r in self.steps for name, value in _numbers(r)]
        rows += [(r.step, "val", name, value) for r in self.validations for name, value in r.metrics.items()]
        return pd.DataFrame(rows, columns=["step", "split", "name", "value"])

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        ended = ""
        if self.stopped == "patience":
            ended = f"; training stopped after {counted(self.last_step, 'step')}, as validations no longer got better"
        return (
            f"The model was trained for at most {counted(self.n_steps, 'optimiser step')}{ended}. "
            f"The weights of step {self.best_step}, {self._which()} ({self.best:.4g}; "
            f"{counted(len(self.validations), 'validation')}, that of the untrained model included), were kept."
        )

    def _which(self) -> str:
        """Return the words that say why the weights that were kept were."""
        if self.mode == "last":
            return f"the last, whatever its validation {self.monitor} was"
        return f"with the {'largest' if self.mode == 'max' else 'smallest'} validation {self.monitor}"

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the training loss and the monitored metric against the step, the best step marked."""
        from alignkit._plot import new_axes

        ax = new_axes(ax)
        ax.plot(
            [r.step for r in self.steps], [r.losses["loss"] for r in self.steps], color="0.6", label="training loss"
        )
        ax.set(xlabel="optimiser step", ylabel="training loss")
        ax.locator_params("x", integer=True)
        beside = ax.twinx()
        values = [r.metrics[self.monitor] for r in self.validations]
        beside.plot([r.step for r in self.validations], values, "o-", ms=3, label=f"validation {self.monitor}")
        beside.axvline(self.best_step, color="0.3", lw=0.8, ls=":", label=f"best: {self.best:.4g}")
        beside.set_ylabel(f"validation {self.monitor}")
        handles = [*ax.get_legend_handles_labels()[0], *beside.get_legend_handles_labels()[0]]
        # above the axes: curves that fall and curves that rise leave no corner free
        ax.legend(handles=handles, frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
        return ax

    def __repr__(self) -> str:
        return (
            f"History of {counted(self.last_step, 'step')} (of at most {self.n_steps:,}; {self.stopped}), "
            f"{counted(len(self.validations), 'validation')}{self._speed()}\n"
            f"best {self.monitor}: {self.best:.4g} at step {self.best_step}{'' if self.improved else _NOTHING}"
        )


def _metric_at(step: int, validations: Iterable[ValidationRecord], monitor: str) -> float:
    """Return what was monitored at the step whose weights were kept; NaN where the log has lost it."""
    found = next((record.metrics for record in validations if record.step == step), None)
    if found is None:
        msg = (
            f"metrics.jsonl has lost the validation of step {step}, whose weights were kept; its metrics are unknown. "
            "evaluate_run scores these weights."
        )
        warnings.warn(msg, stacklevel=3)
        return math.nan
    return found[monitor]


def _numbers(record: StepRecord) -> list[tuple[str, float]]:
    return [*record.losses.items(), ("lr", record.lr), ("grad_norm", record.grad_norm)]
