"""Training one person's adapters: the likelihood of the person's answers, and the group's as a prior."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from alignkit._typing import FloatArray, IntArray
from alignkit.models._prompt_model import PromptModel
from alignkit.rsa import Triplets
from alignkit.train._order import Samples
from alignkit.train._source import Source
from alignkit.train._splits import Splits
from alignkit.train.hba._data import HBAData
from alignkit.train.hba.config import HBAConfig
from alignkit.train.hba.task import HBATask

if TYPE_CHECKING:
    from alignkit.train._processes import Processes


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class PersonData:
    """What one person's training knows besides the objects.

    Parameters
    ----------
    subject : str
    train, val : Triplets
        The person's answers to fit to, and to choose the step on, over the data's labels.
    start : ndarray, shape (objects, dimensions)
        What the model gives before training, in the targets' units; rows of objects without answers are not used.
    log_scale : float
        Minus the logarithm of the temperature that suits all people.
    prior : float
        Further answers that the start's probabilities count as.
    saved : tuple of str
        Parameters that a saved model has: those that train, and the group's.
    """

    subject: str
    train: Triplets
    val: Triplets
    start: FloatArray
    log_scale: float
    prior: float
    saved: tuple[str, ...]


class PersonTask(HBATask):
    r"""What the loop needs of one person's adapters; a sample is an answer.

    With n answers, whose kept pairs have probabilities p under the model, and the start's probabilities q of all three
    pairs of a triplet, the loss is

    .. math:: -\frac{1}{n + \kappa} \sum_{a=1}^n \Big(\log p_a + \frac{\kappa}{n} \sum_{\text{pairs}} q \log p\Big)

    as if the group had given :math:`\kappa` more answers to the same triplets: the fewer own answers there are, the
    closer the person is held to the group.

    Parameters
    ----------
    data : HBAData
        Objects and their images.
    model : PromptModel
        Its parameters are at the start.
    config : HBAConfig
        With ``answers="human"``.
    person : PersonData
        Answers and prior.
    source : callable
        Inputs of the model for photos.
    """

    def __init__(
        self, data: HBAData, model: PromptModel, config: HBAConfig, person: PersonData, /, *, source: Source
    ) -> None:
        of_person = dataclasses.replace(
            data,
            splits=Splits(train=data.labels, val=()),
            answers=person.train,
            triplets=None,
            repeats=None,
            rdm48=None,
        )
        super().__init__(of_person, model, config, source=source)
        self.person = person
        self.validated = np.unique(person.val.items)
        self._weight = person.prior / (person.prior + len(person.train))
        logits = triplet_logits(torch.from_numpy(person.start[person.train.items]), person.log_scale)
        self._start = torch.softmax(logits, dim=1).float().numpy()

    def targets(self, samples: Samples, /) -> Mapping[str, Tensor]:
        """Return the start's probabilities of the three pairs of each answer's triplet, the kept one first."""
        return {"start": torch.from_numpy(self._start[samples.index])}

    def loss(self, outputs: Tensor, targets: Mapping[str, Tensor], /) -> Mapping[str, Tensor]:
        """Return the loss, and minus the log-likelihood of the answers alone, in nats per answer."""
        log_p = torch.log_softmax(self._logits(outputs), dim=1)
        own, group = -log_p[:, 0].mean(), -(targets["start"] * log_p).sum(dim=1).mean()
        return {"loss": (1 - self._weight) * own + self._weight * group, "answers": own.detach()}

    def validate(self, module: nn.Module, /, *, processes: Processes | None = None) -> Mapping[str, float]:
        """Return minus the log-likelihood, and the accuracy, of the answers to choose on."""
        x = np.full((len(self.data.labels), len(self.data.dimensions)), np.nan)
        x[self.validated] = self.predictions(self.validated, module=module, processes=processes)
        logits = self._logits(torch.from_numpy(x[self.person.val.items]))
        kept, rejected = logits[:, 0], logits[:, 1:].max(dim=1).values
        return {
            "val_loss": -torch.log_softmax(logits, dim=1)[:, 0].mean().item(),
            "val_answer_accuracy": (kept > rejected).double().mean().item(),
        }

    def export(self, folder: Path, /) -> None:
        """Write the person's model into ``folder``, so that ``alignkit.models.load("run:...")`` opens it."""
        from alignkit.models._run_model import save_run_model

        manifest = {
            "method": "hba",
            "subject": self.person.subject,
            "dimensions": list(self.data.dimensions),
            "targets": self.data.name,
            "scale": list(self.data.scale),
            "loss": "triplets",
            "answers": "human",
            "n_answers": len(self.person.train) + len(self.person.val),
            "log_scale_of_answers": self.person.log_scale,
        }
        own = {name for name, parameter in self.model.named_parameters() if parameter.requires_grad}
        require_gradients(self.model, self.person.saved)
        save_run_model(folder, self.model, manifest=manifest)  # type: ignore[arg-type]
        require_gradients(self.model, own)

    def _logits(self, outputs: Tensor) -> Tensor:
        return triplet_logits(self.objective.in_units(outputs), self.person.log_scale)


def require_gradients(model: nn.Module, names: Collection[str], /) -> None:
    """Let the parameters of these names train, and no others."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in names)


def triplet_logits(x: Tensor, log_scale: float, /) -> Tensor:
    """Return the similarities of the kept pair and of both rejected ones, shape (n, 3), of items (n, 3, dimensions)."""
    i, j, k = x.unbind(dim=1)
    return math.exp(log_scale) * torch.stack([(i * j).sum(dim=1), (i * k).sum(dim=1), (j * k).sum(dim=1)], dim=1)


def score_answers(x: FloatArray, items: IntArray, log_scale: float, /) -> tuple[Tensor, Tensor]:
    """Return whether the kept pair is the most similar one, and the log-likelihood, of each answer.

    Parameters
    ----------
    x : ndarray, shape (objects, dimensions)
        In the targets' units.
    items : ndarray of int, shape (n, 3)
        The odd one out last.
    log_scale : float
        Minus the logarithm of the temperature.
    """
    logits = triplet_logits(torch.from_numpy(x[items]), log_scale)
    # equals are no prediction: the kept pair has to be more alike than both others
    return logits[:, 0] > logits[:, 1:].max(dim=1).values, torch.log_softmax(logits, dim=1)[:, 0]
