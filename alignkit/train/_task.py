"""What a training method owns: its model, its data, its loss and its validation. The loop knows no method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from alignkit.train._order import Samples

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import nn

    from alignkit.train._processes import Processes

    #: What the module gives: per-sample tensors, samples first; tensors without axes belong to the whole batch.
    Outputs = torch.Tensor | Mapping[str, torch.Tensor]


class Task(Protocol):
    """One training method at work.

    The loss sees the outputs of the *whole* batch of an optimiser step, whatever the number of processes and of
    gradient accumulation steps it was computed in: the loop gathers outputs with their gradients. (With plain
    accumulation every part, of all processes, is such a batch of its own.) A loss must have no
    parameters of its own (they belong into ``module``), and losses that compare samples (triplets, contrastive, RDMs)
    are exact on any number of processes.

    A task whose loss would take much memory over the whole batch sets ``exchanges`` (bool, may be left out): nothing is
    gathered then. Its ``loss(outputs, targets, processes=processes)`` takes the rows of one process and the targets of
    that process' samples, and itself gets what it needs of the others, with gradients, as ``contrastive_loss`` and
    ``siglip_loss`` do. Its mean over processes must be the loss of the whole batch; that mean is logged. All processes
    must give losses of the same names.

    More attributes may be left out. ``rates`` (mapping of str to float) are factors of the learning rate by what
    parameters' names begin with. ``stages`` (sequence of configs of the method) are trained before the config itself,
    each in a folder of its own, named by its ``out``; ``begin(config)`` is called before each of them and before the
    last, and says what trains. ``after_step(module)`` is called after every optimiser step, with what trains (sharded,
    under FSDP), to keep it within bounds.
    """

    #: All that trains, with the frozen parts that it needs. ``module(inputs)`` gives the outputs.
    module: nn.Module
    #: Number of training samples; the loop draws numbers below it.
    n_samples: int

    def inputs(self, samples: Samples, /) -> Any:
        """Return what the module takes, on the CPU: a tensor, or mappings and sequences of tensors, samples first.

        A pure function of ``samples``: what is random (which photo of an object) comes from ``samples.uniform``.
        """

    def targets(self, samples: Samples, /) -> Any:
        """Return what the loss needs besides the outputs, on the CPU; a pure function of ``samples`` too."""

    def loss(self, outputs: Any, targets: Any, /) -> Mapping[str, torch.Tensor]:
        """Return scalars by name: ``"loss"`` is minimised, everything is logged."""

    def validate(self, module: nn.Module, /, *, processes: Processes) -> Mapping[str, float]:
        """Return metrics by name. The module is in evaluation mode (and holds the averaged weights, with EMA).

        All of ``processes`` call this together, and may share the samples out (:func:`predict`); the main one's metrics
        count.
        """

    def names(self, samples: Samples, /) -> Sequence[str]:
        """Return what the samples are called, for messages about them."""

    def export(self, folder: Path, /) -> None:
        """Write the trained model into ``folder``, so that ``alignkit.models.load("run:...")`` opens it.

        Training may go on afterwards (``loop.keep_epochs``): what trains must be left as it is.
        """
