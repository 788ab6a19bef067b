"""What a finished training run gives back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignkit._check import counted
from alignkit._result import Result, restore
from alignkit.train._history import History
from alignkit.train._methods import config_class

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_SHOWN = 12


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class RunResult(Result):
    """A finished training run: what it was told, what it logged, and where its model is.

    Attributes
    ----------
    method : str
        Name of the config's class.
    config : dataclass
        Settings of the method.
    history : History
        Every logged step and validation.
    metrics : dict of str to float
        What the validation of the weights that were kept gave.
    path : Path
        The run's folder; ``alignkit.models.load(f"run:{path}")`` opens the model.

    Examples
    --------
    >>> from alignkit.train import LoopConfig, RunResult
    >>> from alignkit.train._history import History
    >>> from alignkit.train.hba.config import HBAConfig
    >>> lines = [{"step": 0, "val": {"loss": 3.0}}, {"step": 9, "val": {"loss": 1.5}}]
    >>> history = History.from_lines(lines, monitor="loss", mode="min", n_steps=9, stopped="finished")
    >>> result = RunResult("HBAConfig", HBAConfig(loop=LoopConfig()), history, {"loss": 1.5}, "my-run")
    >>> result.metrics["loss"], result.config.optim.lr
    (1.5, 0.0003)
    """

    method: str
    config: Any
    history: History
    metrics: dict[str, float]
    path: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))
        if isinstance(self.config, Mapping):  # from JSON
            object.__setattr__(self, "config", restore(config_class(self.method), dict(self.config)))

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per number that was logged: step, split ("train" or "val"), name and value."""
        return self.history.to_dataframe()

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        loop, optim = self.config.loop, self.config.optim
        decay = "all parameters" if optim.decay_all else "matrices"
        schedule = "a constant learning rate" if optim.schedule == "constant" else f"a {optim.schedule} schedule"
        warmup = f" after {counted(optim.warmup, 'warm-up step')}" if optim.warmup else ""
        plain = loop.accumulation == "plain" and loop.accumulate > 1
        parts = f" (in {loop.accumulate} parts, each with a loss of its own)" if plain else ""
        pull = f", decoupled decay {optim.decay_to_init:g} to the initial weights" if optim.decay_to_init else ""
        return (
            f"Parameters were optimised by AdamW (Loshchilov & Hutter 2019; learning rate {optim.lr:g}, weight decay "
            f"{optim.weight_decay:g} of {decay}{pull}) with {schedule}{warmup}, in batches of {loop.batch_size:,}"
            f"{parts} ({loop.precision}, seed {loop.seed}). {self.history.methods_text()}{self._of_stages()}"
        )

    def _of_stages(self) -> str:
        """Return what a methods text says of a stage before the one that the history is of."""
        if not self._two_stages:
            return "" if self.history.improved else " No step improved on the model that training started at."
        config = self.config
        first = (
            " This was the second of two stages; in the first the layers' weights over time were trained alone (at "
            f"most {counted(config.weights_epochs, 'epoch')}, learning rate {config.weights_lr:g}, constant)."
        )
        nothing = " The second stage improved nothing, so that the model is that of the first."
        return first if self.history.improved else first + nothing

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the training loss and the monitored metric against the step, the best step marked."""
        return self.history.plot(ax)

    def __repr__(self) -> str:
        names = list(self.metrics)[:_SHOWN]
        rest = len(self.metrics) - len(names)
        width = max(map(len, names), default=0)
        lines = [f"  {name:<{width}}  {self.metrics[name]:.4g}" for name in names]
        lines += [f"  and {counted(rest, 'more metric')}"] if rest else []
        stage = "second stage, after that of the layers' weights alone: " if self._two_stages else ""
        head = f"RunResult of {self.method.removesuffix('Config')} in {self.path}: {stage}{self.history!r}"
        nothing = "  The second stage improved nothing: the model is that of the first stage."
        return "\n".join([head, *([nothing] if self._two_stages and not self.history.improved else []), *lines])

    @property
    def _two_stages(self) -> bool:
        """Whether the method trains the layers' weights over time alone first, and the history is of what follows."""
        return bool(getattr(self.config, "weights_epochs", 0))
