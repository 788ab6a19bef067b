"""The progress bar of a run."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from alignkit.train._history import STALLED

_FORMAT = "{desc} |{bar}| {percentage:3.0f}% {rate_fmt}, {remaining} left{postfix}"


class Progress:
    """A bar over the samples of a run: loss, metric, samples per second and the time left, on stderr.

    Where the run has waited for data for more than 5 % of its time, it says so.

    Parameters
    ----------
    n_steps, n_samples : int
        Of the whole run.
    shown : bool
        Whether to show anything.
    """

    def __init__(self, n_steps: int, n_samples: int, *, shown: bool) -> None:
        self._n_steps = n_steps
        self._n_samples = n_samples
        self._shown = shown
        self._bar: Any = None
        self._loss = self._metric = self._stall = ""

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last state of the bar on the screen."""
        with self._drawing():
            if self._bar is not None:
                self._bar.close()

    def start(self, n_seen: int) -> None:
        """Start the clock; samples of an earlier session count as done, but not for the speed."""
        if self._shown:
            from tqdm import tqdm

            with self._drawing():
                self._bar = tqdm(
                    total=self._n_samples,
                    initial=n_seen,
                    unit="sample",
                    unit_scale=True,
                    bar_format=_FORMAT,
                    dynamic_ncols=True,
                    file=sys.stderr,
                )

    def step(self, step: int, epoch: int, n_seen: int, loss: float, *, stall: float = 0.0) -> None:
        """Count a step, after which ``n_seen`` samples of the run have been seen; ``stall`` is the share of waiting."""
        self._loss = f"loss {loss:.4g}"
        self._stall = f", {stall:.0%} waiting for data" if stall > STALLED else ""
        with self._drawing():
            if self._bar is not None:
                self._bar.set_description_str(f"epoch {epoch}, step {step}/{self._n_steps}", refresh=False)
                self._bar.set_postfix_str(self._loss + self._metric + self._stall, refresh=False)
                self._bar.update(n_seen - self._bar.n)

    def validated(self, name: str, metrics: Mapping[str, float], best: float) -> None:
        """Show the monitored metric from now on."""
        self._metric = f", val {name.removeprefix('val_')} {metrics[name]:.4g} (best {best:.4g})"
        with self._drawing():
            if self._bar is not None:
                self._bar.set_postfix_str(self._loss + self._metric + self._stall)

    @contextmanager
    def _drawing(self) -> Iterator[None]:
        """Go on without a bar where nobody reads it any more: a closed terminal or pipe is no reason to end a run."""
        try:
            yield
        except (OSError, ValueError):
            if self._bar is not None:
                self._bar.disable = True
            self._bar = None
