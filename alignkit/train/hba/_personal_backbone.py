"""The backbone that all people share: its frozen part computed once, and where everybody's training starts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from alignkit._check import join_names
from alignkit._result import jsonable
from alignkit._typing import FloatArray
from alignkit.models._personal_model import PersonalModel, as_seen_by
from alignkit.models._run_model import SavedModel, read_run_model
from alignkit.train.hba._build import build_model, build_source
from alignkit.train.hba._data import HBAData
from alignkit.train.hba._personal_compare import Outcome
from alignkit.train.hba._personal_fit import People, fit_shared
from alignkit.train.hba._personal_study import PRIOR, Study
from alignkit.train.hba._personal_task import PersonData, PersonTask, require_gradients, score_answers
from alignkit.train.hba.config import HBAConfig
from alignkit.train.hba.task import HBATask

if TYPE_CHECKING:
    import torch

    from alignkit.models._prompt_model import PromptModel


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Start:
    """The group's model, recalibrated to what all people answered outside a fold.

    Parameters
    ----------
    trained : dict of str to Tensor
        Its parameters.
    embedding : ndarray, shape (objects, dimensions)
        What it gives, in the targets' units; NaN for objects that no answer is about.
    log_scale : float
        Minus the logarithm of the temperature of all people's answers.
    """

    trained: dict[str, torch.Tensor]
    embedding: FloatArray
    log_scale: float


class SharedBackbone:
    """One network for all people: each one's training begins with the same parameters, whoever came before.

    Parameters
    ----------
    data : HBAData
        The objects of the group's run; their scale is that of the group's model.
    study : Study
        Everybody's answers about them.
    config : HBAConfig
        Settings of the people's training, with ``start``, the group's run.
    cache : Path
        Folder of what lies before the first trained block.

    Attributes
    ----------
    group : ndarray, shape (objects, dimensions)
        What the group's model gives, in the targets' units.
    group_checksum : str
        Of the group's weights.
    starts : dict of (int or None) to Start
        By the fold that is left out; None: by all answers.
    """

    def __init__(self, data: HBAData, study: Study, config: HBAConfig, /, *, cache: Path) -> None:
        self.study = study
        self.config = config
        saved = read_run_model(Path(str(config.start)))
        self.group_checksum = str(saved.manifest["tensors_sha256"])
        self.data = dataclasses.replace(data, scale=tuple(saved.manifest.get("scale", data.scale)))
        settings = dataclasses.replace(config, start=None, affine=True, head="prompts")
        self.model, towers = build_model(self.data, settings)
        _check_backbone(saved, self.model)
        # jobs of several people share the cache
        self.source = build_source(self.data, settings, towers, cache, wait=True)
        plain = dataclasses.replace(settings, loss="mse", answers="embedding")
        self._reader = HBATask(self.data, self.model, plain, source=self.source)
        self._objects = np.unique(study.answers.items)
        self._own = own_parameters(self.model)
        if "projection.weight" not in self._own:
            self.model.dropout.p = 0.0  # it helps a projection that is trained, and would only disturb another
        self._load(_weighted(saved, self.data, np.zeros(len(data.dimensions))))
        self.group = self.embedding()
        self.starts = self._recalibrate(saved)

    @property
    def n_parameters(self) -> int:
        """Numbers that are trained for each person."""
        return sum(parameter.numel() for name, parameter in self.model.named_parameters() if name in self._own)

    def embedding(self) -> FloatArray:
        """Return what the model gives now for all objects of answers, in the targets' units; NaN for others."""
        x = np.full((len(self.data.labels), len(self.data.dimensions)), np.nan)
        x[self._objects] = self.data.in_units(self._reader.predictions(self._objects))
        return x

    def task(self, subject: str, fold: int | None, *, seed: int) -> PersonTask:
        """Return the task of one person's training without a fold, the model being at its start.

        Parameters
        ----------
        subject : str
            The person's id.
        fold : int or None
            The fold to leave out; None for none.
        seed : int
            The person's own, of the choice of answers to choose the step on.
        """
        start, answers = self.starts[fold], self.study.answers
        number = self.study.number(subject)
        train, val = self.study.training_rows(number, fold, val_share=self.config.val_share, seed=seed)
        person = PersonData(
            subject=subject,
            train=answers.take(train),
            val=answers.take(val),
            start=start.embedding,
            log_scale=start.log_scale,
            prior=float(self.config.prior or PRIOR),
            saved=tuple(start.trained),
        )
        self._load(start.trained)
        return PersonTask(self.data, self.model, self.config, person, source=self.source)

    def outcome(self, x: FloatArray, fold: int) -> Outcome:
        """Return what an embedding predicts of everybody's answers in a fold, at the temperature without the fold."""
        right, log_p = score_answers(x, self.study.answers.items[self.study.folds == fold], self.starts[fold].log_scale)
        return Outcome(right.numpy(), log_p.numpy())

    def outcome_of_starts(self) -> Outcome:
        """Return what the weights that all share predict of all answers, those of each fold fitted without it."""
        return self.study.join([self.outcome(self.starts[fold].embedding, fold) for fold in range(self.study.n_folds)])

    def _load(self, trained: Mapping[str, torch.Tensor]) -> None:
        """Put all of the group's parameters into the model, and let a person's own ones train."""
        require_gradients(self.model, trained)
        self.model.load_trained(trained)
        require_gradients(self.model, self._own)

    def _recalibrate(self, saved: SavedModel) -> dict[int | None, Start]:
        """Return the start of every fold, whose weights suit all people's answers outside it."""
        study = self.study
        everybody = People.of(self.group, study.answers.items, study.person)
        starts: dict[int | None, Start] = {}
        for fold in (None, *range(study.n_folds)):
            use = study.folds != (-1 if fold is None else fold)
            shared = fit_shared(everybody.only(use), keep=everybody.n_people < 2)
            trained = _weighted(saved, self.data, shared[:-1])
            self._load(trained)
            starts[fold] = Start(trained, self.embedding(), float(shared[-1]))
        return starts


def own_parameters(model: PromptModel, /) -> frozenset[str]:
    """Return the names of what is trained for each person: adapters, and every dimension's slope and offset.

    The projection of a pair is everybody's, unless the backbone has no adapters.
    """
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    of_all = {name for name in trained if name.startswith("projection.") or name == "log_scale"}
    affine = {"slope", "offset"}
    return frozenset(trained - of_all if trained - of_all - affine else trained)


def _weighted(saved: SavedModel, data: HBAData, log_weights: FloatArray) -> dict[str, torch.Tensor]:
    """Return the group's parameters with every dimension weighted, which its slope and offset do."""
    return as_seen_by(saved, PersonalModel("all", data.dimensions, log_weights, 0.0)).trained


def _check_backbone(saved: SavedModel, model: PromptModel) -> None:
    """Raise where the group's model was trained on another backbone, or with other prompts or settings."""
    if list(saved.manifest["prompts"]) != list(model.prompts):
        msg = f"the prompts are not those that the model in {saved.path} was trained with; give them back."
        raise ValueError(msg)
    then, now = saved.manifest["backbone"], jsonable(model.identity)
    if then.get("weights_sha256") != now.get("weights_sha256"):
        msg = f"the backbone has other weights than the one that {saved.path} was trained on; give them back."
        raise ValueError(msg)
    # parameters of the same names and shapes that would mean something else
    other = [name for name in ("layer", "preprocess") if then.get(name) != now.get(name)]
    if saved.manifest["adapter"].get("alpha") != model.adapter.alpha:
        other.append("adapter.alpha")
    if other:
        msg = f"{join_names(other)} must be as the model in {saved.path} was trained with; give these settings again."
        raise ValueError(msg)
