"""CLIP-HBA at work: batches of objects, the three losses, validation on objects, and the finished model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from alignkit._typing import FloatArray, IntArray
from alignkit.models._prompt_model import PromptModel
from alignkit.rsa import RDM
from alignkit.train._images import mean_over_photos, photos_of_objects
from alignkit.train._losses import mse_loss
from alignkit.train._order import Order, Samples
from alignkit.train._predict import predict
from alignkit.train._source import Source
from alignkit.train.hba._build import build_model, build_source, start_at_ridge
from alignkit.train.hba._data import HBAData, read_data, restrict_answers
from alignkit.train.hba._objective import Objective, rdm48_spearman
from alignkit.train.hba.config import HBAConfig

if TYPE_CHECKING:
    from alignkit.train._processes import Processes
    from alignkit.train._run_folder import RunFolder

#: Streams of :meth:`Samples.uniform`.
_PHOTO, _PHOTO_OF_ANSWER = 0, 1


class HBATask:
    """What the loop needs of CLIP-HBA.

    A sample is an object, of which one photo is drawn; with human answers it is an answer, of three objects.

    Parameters
    ----------
    data : HBAData
        The objects.
    model : nn.Module
        A :class:`PromptModel`: inputs of photos to dimensions from 0 to 100; ``embed`` gives what lies before these.
    config : HBAConfig
        Loss, answers, and the loop's batch size.
    source : callable
        Inputs of the model for photos, by their numbers among ``data.photos``.
    save : callable, optional
        Writes the model into a folder.
    """

    def __init__(
        self,
        data: HBAData,
        model: nn.Module,
        config: HBAConfig,
        /,
        *,
        source: Source,
        save: Callable[[Path], None] | None = None,
    ) -> None:
        self.data = data
        self.model = model
        self.config = config
        self.source = source
        self.objective = Objective(config.loss, data.scale)
        self._save = save
        self._photos_of = data.photos_of
        self._train, self._val = data.train, data.val
        self._answers = _answers_of(data, "train") if config.answers == "human" else None
        self._val_answers = _answers_of(data, "val") if config.answers == "human" else None
        self.module: nn.Module = model if self._answers is None else RowsOf(model)
        self.n_samples = len(self._train) if self._answers is None else len(self._answers)
        self._logged48 = _rows48(data)
        _check_smallest_batch(self.n_samples, config)

    # --- training

    def inputs(self, samples: Samples, /) -> Mapping[str, Tensor]:
        """Return one photo of every object; of answers, the photos of all their objects and which belong to which."""
        if self._answers is None:
            return self.source(self._draw(self._train[samples.index], samples.uniform(_PHOTO)))
        objects = self._answers[samples.index]
        photos = self._draw(objects.ravel(), self._uniform_of_answers(samples, objects))
        distinct, rows = np.unique(photos, return_inverse=True)
        return {**self.source(distinct), "rows": torch.from_numpy(rows.reshape(objects.shape))}

    def targets(self, samples: Samples, /) -> Mapping[str, Tensor]:
        """Return the objects' dimensions, shape (n, dimensions); answers need nothing besides their objects."""
        if self._answers is not None:
            return {}
        return {"dimensions": self._targets(self._train[samples.index])}

    def loss(self, outputs: Tensor, targets: Mapping[str, Tensor], /) -> Mapping[str, Tensor]:
        """Return the loss, and the squared error beside it where that is another."""
        if self._answers is not None:
            return {"loss": self.objective.of_answers(outputs)}
        dimensions = targets["dimensions"]
        loss = self.objective.of_embeddings(outputs, dimensions)
        if self.config.loss == "mse":
            return {"loss": loss}
        return {"loss": loss, "mse": mse_loss(outputs.detach(), dimensions)}

    def names(self, samples: Samples, /) -> Sequence[str]:
        """Return the objects' names; of an answer all three, the odd one out last."""
        labels = self.data.labels
        if self._answers is None:
            return [labels[i] for i in self._train[samples.index]]
        return [f"{labels[i]}, {labels[j]} | {labels[k]}" for i, j, k in self._answers[samples.index]]

    # --- validation

    def validate(self, module: nn.Module, /, *, processes: Processes | None = None) -> Mapping[str, float]:
        """Return the loss and the agreement with the targets on the validation objects.

        Processes share the photos out.

        ``test_rdm48_spearman`` is there to be looked at; no epoch may be chosen by it.
        """
        held = [] if self._logged48 is None else [self._logged48[1]]
        objects = np.unique(np.concatenate([self._val, *held]))
        values = self.predictions(objects, module=module, processes=processes)
        row = {int(number): i for i, number in enumerate(objects)}
        mine = values[[row[int(number)] for number in self._val]]
        metrics = self.objective.metrics(mine, self.data.targets[self._val], self._val_answers)
        if self._logged48 is not None:
            people, numbers = self._logged48
            metrics["test_rdm48_spearman"] = rdm48_spearman(values[[row[int(number)] for number in numbers]], people)
        return metrics

    def predictions(
        self,
        objects: IntArray | None = None,
        /,
        *,
        module: nn.Module | None = None,
        processes: Processes | None = None,
    ) -> FloatArray:
        """Return the dimensions of objects, mean over their photos, shape (objects, dimensions), from 0 to 100.

        Parameters
        ----------
        objects : ndarray of int, optional
            Rows of the data's objects; by default all.
        module : nn.Module, optional
            By default the model as it is; the loop passes its own.
        processes : Processes, optional
            Those that call this together, and share the photos out; each gets all dimensions.
        """
        module = self.model if module is None else module
        return self._mean_over_photos(module, objects, processes)

    def features(self, objects: IntArray | None = None, /) -> FloatArray:
        """Return the image embeddings of objects, before any prompt, mean over their photos, shape (objects, width)."""
        return self._mean_over_photos(Embedding(self.model), objects)

    def photo_features(self, objects: IntArray, /) -> tuple[FloatArray, IntArray]:
        """Return the image embedding of every photo of objects, shape (photos, width), and whose each is.

        A photo that shows several of the objects comes once for each.
        """
        rows, sizes = self._every_photo(Embedding(self.model), objects)
        return rows, np.repeat(objects, sizes)

    def export(self, folder: Path, /) -> None:
        """Write the trained model into ``folder``, so that ``alignkit.models.load("run:...")`` opens it."""
        if self._save is None:
            msg = "this task was made without a way to save its model."
            raise ValueError(msg)
        self._save(folder)

    # --- what these need

    def _draw(self, objects: IntArray, uniform: FloatArray) -> IntArray:
        """Return one photo of each object, chosen by a number in [0, 1)."""
        photos = (self._photos_of[number] for number in objects)
        return np.array([own[int(u * len(own))] for own, u in zip(photos, uniform, strict=True)], dtype=np.int64)

    def _uniform_of_answers(self, samples: Samples, objects: IntArray) -> FloatArray:
        """Return one number per object of each answer, the same for an object throughout an optimiser step."""
        # with drop_last too: the numbers of the batches that it leaves out are never drawn
        order = Order(n_samples=self.n_samples, batch_size=self.config.loop.batch_size, seed=samples.seed)
        epoch, within = np.divmod(samples.position, self.n_samples)
        step = epoch * order.steps_per_epoch + within // order.batch_size
        position = step[:, None] * len(self.data.labels) + objects
        return Samples(objects.ravel(), position.ravel(), samples.seed).uniform(_PHOTO_OF_ANSWER)

    def _targets(self, objects: IntArray) -> Tensor:
        return torch.from_numpy(self.data.targets[objects]).float()

    def _mean_over_photos(
        self, module: nn.Module, objects: IntArray | None, processes: Processes | None = None
    ) -> FloatArray:
        objects = np.arange(len(self._photos_of)) if objects is None else objects
        return mean_over_photos(*self._every_photo(module, objects, processes))

    def _every_photo(
        self, module: nn.Module, objects: IntArray, processes: Processes | None = None
    ) -> tuple[FloatArray, IntArray]:
        """Return the outputs for all photos of each object, object by object, and how many photos each has."""
        photos, where, sizes = photos_of_objects(self._photos_of, objects)
        outputs = predict(
            module,
            lambda index: self.source(photos[index]),
            len(photos),
            batch_size=self.config.loop.batch_size,
            device=next(self.model.parameters()).device,
            processes=processes,
        )
        return outputs.double().numpy()[where], sizes


class RowsOf(nn.Module):
    """A model of photos that gives its outputs for the objects of answers.

    Photos that several answers of a part share are computed once.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return (answers, 3, dimensions) where ``inputs`` say which rows are meant, else one row per photo."""
        outputs: Tensor = self.model({name: value for name, value in inputs.items() if name != "rows"})
        return outputs[inputs["rows"]] if "rows" in inputs else outputs


class Embedding(nn.Module):
    """A model's image embedding, as a module of its own."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the embedding of each photo, shape (n, width)."""
        embedding: Tensor = self.model.embed(inputs)
        return embedding


def build(config: HBAConfig, folder: RunFolder, /) -> HBATask:
    """Read what a config names and return its task; the splits are written into the run's folder.

    Parameters
    ----------
    config : HBAConfig
        Settings.
    folder : RunFolder
        The run's.

    Returns
    -------
    HBATask

    Raises
    ------
    FileNotFoundError, ValueError
        Data or weights that are not there or do not fit, or settings of personal models; the sentence says which.
    """
    if config.subject is not None:
        msg = (
            "subject asks for models of single people, which are compared with the group's: use `alignkit train hba "
            "--subject`, or call personal_adapters(config), or fit_personal."
        )
        raise ValueError(msg)
    return build_task(read_data(config), config, folder)


def build_task(
    data: HBAData, config: HBAConfig, folder: RunFolder | None = None, /, *, cache: Path | None = None
) -> HBATask:
    """Return the task of these data: backbone, adapters, prompts, and where the head starts.

    Parameters
    ----------
    data : HBAData
        From :func:`read_data`, or :meth:`HBAData.from_lab`.
    config : HBAConfig
        Settings; those that name data are not used.
    folder : RunFolder, optional
        Takes the splits, so that a run that is gone on with has the same.
    cache : Path, optional
        Folder of what lies before the first trained block; by default in the run's folder. Runs may share one.

    Returns
    -------
    HBATask

    Raises
    ------
    FileNotFoundError, ValueError, ImportError
        As :func:`alignkit.models._towers.load_towers`, or a head that does not fit the backbone.
    """
    if folder is not None:
        folder.write_splits(data.splits.to_dict())
        cache = folder.path / "cache" if cache is None else cache
    model, towers = build_model(data, config)
    source = build_source(data, config, towers, cache)
    task = HBATask(data, model, config, source=source, save=_saver(model, data, config))
    if config.head == "ridge" and config.start is None:
        start_at_ridge(task, config.penalty, constant=config.ridge_constant)
    return task


def _saver(model: PromptModel, data: HBAData, config: HBAConfig) -> Callable[[Path], None]:
    manifest = {
        "method": "hba",
        "dimensions": list(data.dimensions),
        "targets": data.name,
        "scale": list(data.scale),
        "order": config.order,
        "loss": config.loss,
        "answers": config.answers,
        "n_objects": {part: len(getattr(data.splits, part)) for part in ("train", "val", "held_out")},
        "splits": "splits.json",
    }

    def save(folder: Path) -> None:
        from alignkit.models._run_model import save_run_model

        save_run_model(folder, model, manifest=manifest)

    return save


def _answers_of(data: HBAData, part: str) -> IntArray | None:
    """Return people's answers among the objects of a split; as rows of the data (train) or of the split (val)."""
    labels = getattr(data.splits, part)
    answers = restrict_answers(data.answers, labels)
    if answers is None and part == "train":
        msg = f"none of people's answers is about training objects alone ({len(labels)} of them); add answers."
        raise ValueError(msg)
    if answers is None:
        return None
    return data.splits.index(part, data.labels)[answers.items] if part == "train" else answers.items


def _rows48(data: HBAData) -> tuple[RDM, IntArray] | None:
    """Return people's RDM of the 48 objects, and where these stand in the data."""
    if data.rdm48 is None:
        return None
    row = {label: i for i, label in enumerate(data.labels)}
    return data.rdm48, np.array([row[label] for label in data.rdm48.labels or ()], dtype=np.int64)


def _check_smallest_batch(n_samples: int, config: HBAConfig) -> None:
    if config.loss == "mse" or config.answers == "human":
        return
    loop = config.loop
    order = Order(n_samples=n_samples, batch_size=loop.batch_size, seed=loop.seed, drop_last=loop.drop_last)
    if order.smallest_batch < 3:
        msg = (
            f"loss={config.loss!r} compares at least 3 objects, and with {n_samples} training objects in batches of "
            f"{loop.batch_size} the smallest batch has {order.smallest_batch}; set drop_last, or another batch_size."
        )
        raise ValueError(msg)
