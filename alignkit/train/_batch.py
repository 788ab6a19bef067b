"""What one optimiser step needs, on the CPU: the inputs of this process, and what the loss is computed with."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from alignkit.train._order import Samples, joined, share

if TYPE_CHECKING:
    from alignkit.train._task import Task


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Samples that one loss is computed over.

    Parameters
    ----------
    samples : Samples
        Of the whole batch, in the order in which the processes have them.
    own : Samples
        Those of this process.
    parts : list
        Inputs of this process, part by part.
    targets : object
        What the loss needs: of the whole batch, or of this process' samples where the task's loss exchanges.
    first : int
        Number of the first of these parts within the optimiser step.
    weight : float
        Share of the optimiser step's samples.
    """

    samples: Samples
    own: Samples
    parts: list[Any]
    targets: Any
    first: int = 0
    weight: float = 1.0


def make_batch(task: Task, samples: Samples, *, accumulate: int, rank: int, world_size: int, pin: bool) -> Batch:
    """Return what one process needs for a step, its share of the samples in ``accumulate`` parts at most."""
    # every process has as many parts as the others, and none is empty
    n_parts = min(accumulate, len(samples) // world_size)
    own = share(samples, rank, world_size)
    parts = [task.inputs(share(own, part, n_parts)) for part in range(n_parts)]
    targets = task.targets(own if exchanges(task) else samples)
    return Batch(samples, own, _pinned(parts) if pin else parts, _pinned(targets) if pin else targets)


def make_batches(
    task: Task, samples: Samples, *, accumulate: int, plain: bool, rank: int, world_size: int, pin: bool
) -> list[Batch]:
    """Return what one process needs for a step: one batch, or with ``plain`` accumulation one of every part.

    A part's batch has the samples that all processes have in that part, one process after the other.
    """
    n_parts = min(accumulate, len(samples) // world_size)
    if not plain or n_parts == 1:
        return [make_batch(task, samples, accumulate=accumulate, rank=rank, world_size=world_size, pin=pin)]
    batches = []
    for part in range(n_parts):
        of_ranks = [share(share(samples, r, world_size), part, n_parts) for r in range(world_size)]
        own, everyone = of_ranks[rank], joined(of_ranks)
        inputs, targets = task.inputs(own), task.targets(own if exchanges(task) else everyone)
        if pin:
            inputs, targets = _pinned(inputs), _pinned(targets)
        batches.append(Batch(everyone, own, [inputs], targets, part, len(everyone) / len(samples)))
    return batches


def exchanges(task: Task) -> bool:
    """Return whether the task's loss takes the rows of one process, and exchanges what it needs of others itself."""
    return bool(getattr(task, "exchanges", False))


def _pinned(value: Any) -> Any:
    """Return tensors in memory that a GPU can fetch by itself, in mappings and sequences too."""
    if isinstance(value, Mapping):
        return {name: _pinned(item) for name, item in value.items()}
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return type(value)(_pinned(item) for item in value)
    return value.pin_memory() if hasattr(value, "pin_memory") else value
