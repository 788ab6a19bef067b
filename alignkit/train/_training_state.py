"""All that changes while a module trains, as one checkpoint, and back."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from alignkit._check import join_names
from alignkit.train._checkpoints import State
from alignkit.train._ema import Ema
from alignkit.train._monitor import Monitor
from alignkit.train._optim import make_optimizer
from alignkit.train._precision import Precision
from alignkit.train.config import LoopConfig, OptimConfig

if TYPE_CHECKING:
    import torch
    from torch import nn

    from alignkit.train._processes import Processes


class TrainingState:
    """What trains, and what follows it: optimiser, averages, scale of the loss, monitor and time.

    Parameters. What is frozen is no part of it.

    Parameters
    ----------
    module : nn.Module
        The task's own, after it was wrapped (which may shard its parameters).
    loop : LoopConfig
    optim : OptimConfig
    processes : Processes
    rates : mapping of str to float, optional
        Factors of the learning rate, by what parameters' names begin with.
    """

    def __init__(
        self,
        module: nn.Module,
        loop: LoopConfig,
        optim: OptimConfig,
        *,
        processes: Processes,
        rates: Mapping[str, float] | None = None,
    ) -> None:
        self.module = module
        self.parameters: dict[str, nn.Parameter] = {n: p for n, p in module.named_parameters() if p.requires_grad}
        self.optimizer = make_optimizer(self.parameters, optim, rates)
        self.precision = Precision(loop.precision, processes.device)
        self.ema = Ema(self.parameters, loop.ema) if loop.ema is not None else None
        self.monitor = Monitor(loop.monitor, loop.mode, loop.patience)
        self.step = 0
        self.seconds = self.data_seconds = 0.0
        self._processes = processes
        self._first_buffers = {name: buffer.detach().clone() for name, buffer in module.named_buffers()}

    def averaged(self) -> AbstractContextManager[None]:
        """Return a context in which the module has the averaged weights, if any are kept."""
        return self.ema.swapped() if self.ema is not None else nullcontext()

    def to_checkpoint(self, values: Mapping[str, Any]) -> State:
        """Return the state with ``values`` beside its own; all processes must ask for it."""
        averages = self.ema.averages if self.ema is not None else {}
        groups = {
            "model": self._processes.full({**self.parameters, **self._changed_buffers()}),
            "optim": self._processes.optimizer_state(self.module, self.optimizer),
            "ema": self._processes.full(averages),
            "rng": self._processes.rng_states(),
        }
        tensors = {f"{kind}.{name}": value for kind, group in groups.items() for name, value in group.items()}
        own = {
            "monitor": self.monitor.state(),
            "scaler": self.precision.scaler.state_dict(),
            "seconds": self.seconds,
            "data_seconds": self.data_seconds,
        }
        return State(self.step, tensors, {**values, **own})

    def restore(self, state: State) -> None:
        """Go on from a checkpoint.

        Raises
        ------
        ValueError
            One of another module.
        """
        self.restore_weights(state, averaged=False)
        self._processes.load_optimizer_state(self.module, self.optimizer, _below("optim", state.tensors))
        if self.ema is not None:
            self._processes.copy(self.ema.averages, _below("ema", state.tensors))
        self.monitor.restore(state.values["monitor"])
        if self.precision.scales:
            self.precision.scaler.load_state_dict(state.values["scaler"])
        self.step, self.seconds = state.step, float(state.values["seconds"])
        self.data_seconds = float(state.values.get("data_seconds", 0.0))  # earlier versions kept none
        self._processes.load_rng_states(_below("rng", state.tensors))

    def restore_weights(self, state: State, *, averaged: bool) -> None:
        """Put a checkpoint's weights, or the averaged ones where they are kept, into the module; its buffers too."""
        values = _below("model", state.tensors)
        buffers = {name: values.pop(name, first) for name, first in self._first_buffers.items()}
        self._processes.copy(dict(self.module.named_buffers()), buffers)
        averages = _below("ema", state.tensors) if averaged else {}
        self._processes.copy(self.parameters, averages or values)

    def _changed_buffers(self) -> dict[str, torch.Tensor]:
        """Return the buffers that training has changed, such as running means: the others are constants."""
        import torch

        return {
            name: buffer
            for name, buffer in self.module.named_buffers()
            if not torch.equal(buffer, self._first_buffers[name])
        }


def _below(kind: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(f"{kind}."): value for name, value in tensors.items() if name.startswith(f"{kind}.")}


def warn_of_dead(parameters: Mapping[str, nn.Parameter]) -> None:
    """Warn about parameters that train, but which the loss does not depend on.

    Raises
    ------
    ValueError
        It depends on none.
    """
    import warnings

    dead = [name for name, p in parameters.items() if p.grad is None]
    if len(dead) == len(parameters):
        msg = f"the loss depends on nothing that trains ({join_names(dead)}); are the module's outputs detached?"
        raise ValueError(msg)
    if dead:
        msg = f"the loss does not depend on {join_names(dead)}, which should train; compute with it, or freeze it."
        warnings.warn(msg, stacklevel=2)
