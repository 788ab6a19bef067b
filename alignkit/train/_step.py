"""The gradient of one optimiser step: of the whole batch's loss, in however many parts and processes it is computed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from alignkit._check import join_names, shown
from alignkit.train._batch import Batch, exchanges
from alignkit.train._history import RESERVED
from alignkit.train._precision import Precision, full_precision
from alignkit.train._seeded import draw_from, seed_of
from alignkit.train._to_device import to_device

if TYPE_CHECKING:
    import torch
    from torch import nn

    from alignkit.train._processes import Processes
    from alignkit.train._task import Task

    #: Outputs by name, also where the module gives a single tensor.
    Named = dict[str, torch.Tensor]

#: The name of a module's only output.
_ONLY = ""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Gradients:
    """Computes gradients, step by step.

    A batch in one part is a plain forward and backward pass. In several, outputs are first computed without
    gradients, the loss gives their gradients, and each part is computed once more to pass its share of these on (Gao
    et al. 2021, "GradCache", doi:10.18653/v1/2021.repl4nlp-1.31): the gradient is that of the whole batch for any loss,
    contrastive ones too, at the price of a second forward pass. Outputs without axes (scales) get theirs once. Plain
    accumulation (:meth:`accumulate`) takes the mean of the parts' own losses instead.

    Parameters
    ----------
    task : Task
    module : nn.Module
        The task's, as it was wrapped.
    precision : Precision
    processes : Processes
    seed : int
        Of the run; what a module draws (dropout) is a pure function of seed, step, process and part.
    """

    task: Task
    module: nn.Module
    precision: Precision
    processes: Processes
    seed: int

    def compute(self, batch: Batch, step: int) -> dict[str, float]:
        """Add the gradient of a batch, times its weight, to the parameters (scaled, in float16); return its losses.

        Parameters
        ----------
        batch : Batch
        step : int
            Optimiser steps taken before this one.

        Raises
        ------
        FloatingPointError
            A loss that is no finite number, with the step and the items.
        ValueError
            Outputs or losses of other shapes than a task may give.
        """
        targets = to_device(batch.targets, self.processes.device)
        if len(batch.parts) == 1:
            outputs = self._forward(batch, 0, step)
            return self._backward(outputs, targets, batch, step)
        cached = self._cache(batch, step)
        # detached: a module may give a parameter itself, as open_clip does with the bias of its scores
        joined = {name: value.detach() for name, value in _join(cached).items()}
        leaves = {name: value.requires_grad_(value.is_floating_point()) for name, value in joined.items()}
        losses = self._backward(leaves, targets, batch, step)
        starts = [0, *np.cumsum([_n_rows(part) for part in cached])]
        for part in range(len(batch.parts)):
            if part + 1 < len(batch.parts):
                with self.processes.no_sync(self.module):
                    self._pass_on(batch, part, step, leaves, slice(starts[part], starts[part + 1]), last=False)
            else:
                self._pass_on(batch, part, step, leaves, slice(starts[part], starts[part + 1]), last=True)
        return losses

    def accumulate(self, batches: Sequence[Batch], step: int) -> dict[str, float]:
        """Add the mean of several batches' gradients, weighted by their samples, and return such means of their losses.

        Parameters
        ----------
        batches : sequence of Batch
            One, or those of :func:`make_batches` with plain accumulation.
        step : int
            Optimiser steps taken before this one.

        Raises
        ------
        FloatingPointError, ValueError
            As :meth:`compute`.
        """
        found = []
        for batch in batches[:-1]:
            with self.processes.no_sync(self.module):
                found.append(self.compute(batch, step))
        found.append(self.compute(batches[-1], step))
        if len(found) == 1:
            return found[0]
        return {
            name: sum(b.weight * losses[name] for b, losses in zip(batches, found, strict=True)) for name in found[0]
        }

    def _forward(self, batch: Batch, part: int, step: int) -> Named:
        draw_from(seed_of(self.seed, step, self.processes.rank, batch.first + part), self.processes.device)
        with self.precision.autocast():
            outputs = self.module(to_device(batch.parts[part], self.processes.device))
        named = outputs if isinstance(outputs, Mapping) else {_ONLY: outputs}
        return {name: full_precision(value) for name, value in named.items()}

    def _cache(self, batch: Batch, step: int) -> list[Named]:
        """Return the outputs of all parts, and leave buffers (running means) as they were."""
        import torch

        before = {name: buffer.clone() for name, buffer in self.module.named_buffers()}
        with torch.no_grad():
            cached = [self._forward(batch, part, step) for part in range(len(batch.parts))]
            for name, buffer in self.module.named_buffers():
                buffer.copy_(before[name])
        return cached

    def _backward(self, outputs: Named, targets: Any, batch: Batch, step: int) -> dict[str, float]:
        """Send the loss of the whole batch back into the outputs of this process."""
        losses = self._losses(outputs, targets, batch)
        values = {name: float(value.detach()) for name, value in losses.items()}
        if exchanges(self.task):
            values = self.processes.mean(values)  # where one is no number, all processes know
        if not math.isfinite(values["loss"]):
            raise FloatingPointError(self._not_finite(values["loss"], outputs, batch, step))
        self.precision.scaler.scale(losses["loss"] * batch.weight).backward()  # type: ignore[no-untyped-call]
        return values

    def _losses(self, outputs: Named, targets: Any, batch: Batch) -> dict[str, torch.Tensor]:
        """Return the whole batch's losses, or those of which the mean over processes is the whole batch's."""
        if exchanges(self.task):
            _check_rows(outputs, len(batch.own))
            loss = cast("Any", self.task.loss)
            return _checked(loss(outputs.get(_ONLY, outputs), targets, processes=self.processes))
        whole = self.processes.gather(outputs)
        _check_rows(whole, len(batch.samples))
        return _checked(self.task.loss(whole.get(_ONLY, whole), targets))

    def _pass_on(self, batch: Batch, part: int, step: int, leaves: Named, rows: slice, *, last: bool) -> None:
        """Compute a part once more, and send its share of the outputs' gradients back into the parameters."""
        import torch

        outputs, gradients = [], []
        for name, output in self._forward(batch, part, step).items():
            gradient = leaves[name].grad
            if gradient is None or not output.requires_grad:
                continue
            if output.ndim:
                gradient = gradient[rows]
            elif not last:
                # not left out: processes wait for the gradient of every parameter
                gradient = torch.zeros_like(gradient)
            outputs.append(output)
            gradients.append(gradient)
        torch.autograd.backward(outputs, gradients)

    def _not_finite(self, loss: float, outputs: Named, batch: Batch, step: int) -> str:
        """Return the sentence about a loss that is no number: the step, and the items whose outputs are none."""
        import torch

        names = list(self.task.names(batch.samples))
        finite = torch.ones(len(batch.own), dtype=torch.bool, device=self.processes.device)
        for value in outputs.values():
            if value.ndim:
                finite &= torch.isfinite(value.detach()).reshape(len(batch.own), -1).all(dim=1)
        bad = ~self.processes.gather(finite).cpu().numpy()
        those = [name for name, is_bad in zip(names, bad, strict=True) if is_bad]
        where = f"the model gives no finite numbers for {join_names(those, 16)}" if 0 < len(those) < len(names) else ""
        which = "the batch" if batch.weight == 1.0 else f"part {batch.first + 1} of the batch"
        where = where or f"{which} holds {join_names(names, 16)}"
        return f"the loss is {loss} at step {step + 1}; {where}."


def _n_rows(outputs: Named) -> int:
    return next((len(value) for value in outputs.values() if value.ndim), 0)


def _join(parts: list[Named]) -> Named:
    """Return the outputs of all parts as those of one: rows one after the other, what has no axes once."""
    import torch

    joined: Named = {}
    for name, first in parts[0].items():
        if first.ndim:
            joined[name] = torch.cat([part[name] for part in parts])
            continue
        if any(not torch.equal(first, part[name]) for part in parts):
            msg = (
                f"the module's output {name!r} has no axes, but depends on the samples: it differs between the parts "
                "of a batch; give it a row per sample, or set accumulate=1."
            )
            raise ValueError(msg)
        joined[name] = first.clone()
    return joined


def _check_rows(outputs: Named, n: int) -> None:
    for name, value in outputs.items():
        if value.ndim and len(value) != n:
            what = f"output {name!r}" if name else "output"
            msg = f"the module's {what} has {len(value)} rows for a batch of {n} samples; it must give one per sample."
            raise ValueError(msg)


def _checked(losses: Any) -> dict[str, torch.Tensor]:
    """Return what a task's loss gave, when the loop can train with it."""
    import torch

    if not isinstance(losses, Mapping) or "loss" not in losses:
        given = join_names(losses) or "none" if isinstance(losses, Mapping) else f"a {type(losses).__name__}"
        msg = f"the task's loss must give a value named 'loss'; it gives {given}."
        raise ValueError(msg)
    for name, value in losses.items():
        if not isinstance(value, torch.Tensor) or value.ndim:
            what = f"has shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else f"is {shown(value)}"
            msg = f"the task's loss {name!r} must be one number, as a tensor; it {what}."
            raise ValueError(msg)
        if name in RESERVED:
            msg = f"the task's loss may not be named {name!r}, as other numbers of a step are."
            raise ValueError(msg)
    if not losses["loss"].requires_grad:
        msg = "the loss has no gradient: it does not depend on the outputs, or they depend on nothing that trains."
        raise ValueError(msg)
    return dict(losses)
