"""AligNet's student at work: batches of triplets, the loss, validation on other images, and the finished model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from alignkit._typing import FloatArray, IntArray
from alignkit.models._student_model import StudentModel
from alignkit.train._images import mean_over_photos, photos_of_objects
from alignkit.train._order import Samples
from alignkit.train._predict import predict
from alignkit.train._similarity_losses import pair_similarities
from alignkit.train._source import Source
from alignkit.train.alignet._build import build_model, build_source, fit_student_temperature, start_head_at
from alignkit.train.alignet._data import AligNetData, photos_in_use, read_data
from alignkit.train.alignet._validation import Objective, agreement, drift, retention_metrics
from alignkit.train.alignet.config import AligNetConfig

if TYPE_CHECKING:
    from alignkit.train._processes import Processes
    from alignkit.train._run_folder import RunFolder

#: Triplets that are validated, and images whose neighbours are looked at, at most.
_MAX_VAL, _MAX_NEIGHBOURS = 20_000, 2000
#: Training triplets that the start is fitted to.
_START = 1000


class AligNetTask:
    """What the loop needs of AligNet's student.

    A sample is a triplet; where its names are those of items, one photo of each is drawn.

    Parameters
    ----------
    data : AligNetData
        The triplets.
    model : StudentModel
        The student.
    config : AligNetConfig
        Settings.
    source : callable
        Inputs of the model for photos, by their numbers among :func:`photos_in_use`.
    """

    def __init__(self, data: AligNetData, model: StudentModel, config: AligNetConfig, /, *, source: Source) -> None:
        self.data = data
        self.model = model
        self.config = config
        self.source = source
        self.objective = Objective(config)
        self.module: nn.Module = TripletsOf(model)
        self.n_samples = len(data.teaching)
        self._photos_of = data.photos_of
        self._counts = np.array([len(own) for own in self._photos_of])
        self._starts = np.cumsum(self._counts) - self._counts
        self._flat = np.concatenate(self._photos_of)
        self._choosing = data.choosing.take(slice(_MAX_VAL))
        self._val, self._val_rows = np.unique(self._choosing.items.astype(np.int64), return_inverse=True)
        place = {path: number for number, path in enumerate(photos_in_use(data))}
        probe = () if data.probe is None else data.probe.paths
        self._probe = np.array([place[path] for path in probe], dtype=np.int64)
        self.before: FloatArray | None = None
        self._first: dict[str, Tensor] = {}

    # --- training

    def inputs(self, samples: Samples, /) -> Mapping[str, Tensor]:
        """Return the photos of triplets, once each, and which belong to which."""
        names = self.data.teaching.items[samples.index].astype(np.int64)
        photos = np.stack([self._draw(names[:, k], samples.uniform(k)) for k in range(3)], axis=1)
        distinct, rows = np.unique(photos, return_inverse=True)
        return {**self.source(distinct), "rows": torch.from_numpy(rows.reshape(photos.shape))}

    def targets(self, samples: Samples, /) -> Tensor:
        """Return the teacher's similarities, shape (n, 3)."""
        return torch.from_numpy(self.data.teaching.similarities[samples.index])

    def loss(self, outputs: Tensor, targets: Tensor, /) -> Mapping[str, Tensor]:
        """Return the loss, and the share of triplets whose most similar pair is the teacher's."""
        similarities = pair_similarities(outputs)
        loss = self.objective.loss(similarities, targets, self.model.temperature)
        return {"loss": loss, "accuracy": agreement(similarities.detach(), targets)}

    def names(self, samples: Samples, /) -> Sequence[str]:
        """Return the images of each triplet, the teacher's odd one out last."""
        labels = self.data.labels
        return [f"{labels[i]}, {labels[j]} | {labels[k]}" for i, j, k in self.data.teaching.items[samples.index]]

    # --- validation

    def validate(self, module: nn.Module, /, *, processes: Processes | None = None) -> Mapping[str, float]:
        """Return loss and agreement with the teacher on images that are not trained on, and what is left of the start.

        ``drift`` is the distance of all trained parameters from their first values; ``knn_overlap`` the share of each
        image's 10 nearest neighbours that are those of the first embedding, in the embedding and (``_head``) in what
        similarities are made of; ``probe_embedding`` and ``probe_head`` the accuracy of linear classifiers of these.
        """
        embedding, output = self._describe(module, processes)
        n = len(self._val)
        targets = torch.from_numpy(self._choosing.similarities).double()
        triplets = self._val_rows.reshape(-1, 3)
        temperature = float(self.model.temperature)
        metrics = self.objective.metrics(torch.from_numpy(output[:n]), triplets, targets, temperature)
        if self.before is not None:
            few = np.r_[: min(n, _MAX_NEIGHBOURS), n : len(output)]
            kept = min(n, _MAX_NEIGHBOURS)
            metrics |= retention_metrics(self.before[few], embedding[few], output[few], self.data.probe, kept)
        return {**metrics, **self._drift(module, processes)}

    def remember_start(self) -> None:
        """Keep what the student is now: later validations say how far it has moved from there."""
        self._first = {
            name: p.detach().to("cpu", copy=True) for name, p in self.module.named_parameters() if p.requires_grad
        }
        self.before = self._describe(self.module, None)[0]

    def start_from_data(self) -> None:
        """Let the head begin at centred features and find the temperature, where the config asks for it."""
        config = self.config
        if not config.centre and config.student_temperature:
            return
        rows = np.linspace(0, self.n_samples - 1, min(_START, self.n_samples)).astype(np.int64)
        triplets = self.data.teaching.take(rows)
        names, where = np.unique(triplets.items.astype(np.int64), return_inverse=True)
        width = self.model.image.width
        if config.centre:
            start_head_at(self.model, self.describe(names)[:, :width].mean(axis=0))
        if not config.student_temperature:
            z = torch.from_numpy(self.describe(names)[:, width:])
            targets = torch.from_numpy(triplets.similarities).double() / config.teacher_temperature
            similarities = pair_similarities(z[torch.from_numpy(where.reshape(-1, 3))]).numpy()
            found = fit_student_temperature(similarities, torch.softmax(targets, dim=1).numpy())
            self.model.temperature.fill_(found)

    def describe(
        self, names: IntArray, /, *, module: nn.Module | None = None, processes: Processes | None = None
    ) -> FloatArray:
        """Return embedding and output side by side for names of the data, mean over their photos."""
        photos, where, sizes = photos_of_objects(self._photos_of, names)
        return mean_over_photos(self.describe_photos(photos, module=module, processes=processes)[where], sizes)

    def describe_photos(
        self, photos: IntArray, /, *, module: nn.Module | None = None, processes: Processes | None = None
    ) -> FloatArray:
        """Return embedding and output side by side for photos, shape (photos, W + H), float64."""
        outputs = predict(
            self.module if module is None else module,
            lambda index: self.source(photos[index]),
            len(photos),
            batch_size=min(self.config.loop.batch_size, 256),
            device=next(self.model.parameters()).device,
            processes=processes,
        )
        return outputs.double().numpy()

    def export(self, folder: Path, /) -> None:
        """Write the trained model into ``folder``, so that ``alignkit.models.load("run:...")`` opens it."""
        from alignkit.models._student_run_model import save_student_model

        save_student_model(folder, self.model, manifest=self._manifest())

    # --- what these need

    def _manifest(self) -> dict[str, Any]:
        return {
            "method": "alignet",
            "arm": self.data.arm,
            "objective": self.config.objective,
            "teacher_temperature": self.config.teacher_temperature,
            "n_triplets": {"train": len(self.data.teaching), "val": len(self.data.choosing)},
            "splits": "splits.json",
        }

    def _draw(self, names: IntArray, uniform: FloatArray) -> IntArray:
        """Return one photo of each name, chosen by a number in [0, 1)."""
        photos: IntArray = self._flat[self._starts[names] + (uniform * self._counts[names]).astype(np.int64)]
        return photos

    def _describe(self, module: nn.Module, processes: Processes | None) -> tuple[FloatArray, FloatArray]:
        """Return embeddings and outputs of the images that weights are chosen on, and of the probe's."""
        photos, where, sizes = photos_of_objects(self._photos_of, self._val)
        rows = self.describe_photos(np.concatenate([photos, self._probe]), module=module, processes=processes)
        n = len(photos)
        both = np.concatenate([mean_over_photos(rows[:n][where], sizes), rows[n:]])
        return both[:, : self.model.image.width], both[:, self.model.image.width :]

    def _drift(self, module: nn.Module, processes: Processes | None) -> dict[str, float]:
        if not self._first:
            return {}
        inner = module if processes is None else processes.unwrap(module)
        now = {name: p.detach() for name, p in inner.named_parameters() if name in self._first}
        whole = {name: p.cpu() for name, p in now.items()} if processes is None else processes.full(now)
        return drift(whole, self._first)


class TripletsOf(nn.Module):
    """A student that gives its outputs for the images of triplets; those that several triplets share are seen once."""

    def __init__(self, model: StudentModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return outputs, shape (n, 3, H), where ``inputs`` say which rows are meant; else one row per photo.

        Such a row has the embedding before the output.
        """
        rows = inputs.get("rows")
        embedding = self.model.embed({name: value for name, value in inputs.items() if name != "rows"})
        output = self.model.on_top(embedding)
        return torch.cat([embedding.float(), output.float()], dim=1) if rows is None else output[rows]


def build(config: AligNetConfig, folder: RunFolder, /) -> AligNetTask:
    """Read what a config names and return its task; the splits are written into the run's folder.

    Raises
    ------
    FileNotFoundError, ValueError, ImportError
        Data or weights that are not there or do not fit; the sentence says which.
    """
    return build_task(read_data(config), config, folder)


def build_task(
    data: AligNetData, config: AligNetConfig, folder: RunFolder | None = None, /, *, cache: Path | None = None
) -> AligNetTask:
    """Return the task of these data: backbone, adapters, head, and where they begin.

    Parameters
    ----------
    data : AligNetData
        From :func:`read_data`.
    config : AligNetConfig
        Settings; those that name data are not used.
    folder : RunFolder, optional
        Takes the splits, so that a run that is gone on with has the same.
    cache : Path, optional
        Folder of what lies before the first trained block; by default in the run's folder. Runs may share one.
    """
    if folder is not None:
        folder.write_splits(data.splits.to_dict())
        cache = config.cache_folder or folder.path / "cache" if cache is None else cache
    model, towers = build_model(config)
    source = build_source(photos_in_use(data), config, towers, cache)
    task = AligNetTask(data, model, config, source=source)
    task.start_from_data()
    task.remember_start()
    return task
