"""CLIP-HBA-MEG at work: batches of items, RDMs over time, two stages, validation, and the finished model."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from alignkit._typing import AnyArray, IntArray
from alignkit.models._dynamic_model import DynamicModel
from alignkit.models._run_model import DYNAMIC, kind_of_run
from alignkit.train._images import mean_over_photos, photos_of_objects
from alignkit.train._order import Order, Samples
from alignkit.train._predict import predict
from alignkit.train._seeded import seeded
from alignkit.train._source import Source
from alignkit.train._time_losses import rdms_over_time
from alignkit.train.hba_meg._build import build_model, build_source, build_targets, set_noise
from alignkit.train.hba_meg._coverage import Coverage
from alignkit.train.hba_meg._data import HBAMEGData, read_data
from alignkit.train.hba_meg._first_stage import WEIGHTS
from alignkit.train.hba_meg._missing_pairs import told_missing
from alignkit.train.hba_meg._objective import Objective
from alignkit.train.hba_meg._score_cell import within
from alignkit.train.hba_meg._target_store import TargetStore
from alignkit.train.hba_meg._validation import mean_spearman, validation_items
from alignkit.train.hba_meg.config import HBAMEGConfig

if TYPE_CHECKING:
    from alignkit.train._processes import Processes
    from alignkit.train._run_folder import RunFolder

#: Stream of :meth:`Samples.uniform`.
_PHOTO = 0
#: What the layers' weights over time are called among the model's parameters.
_MIXING = "mixing."


class HBAMEGTask:
    """What the loop needs of CLIP-HBA-MEG: a sample is an item, of which one photo is drawn.

    The first stage trains the layers' weights over time alone, the second adapters as well; each begins with the best
    weights of the one before, which are those of the untrained model where training never bettered it.

    Parameters
    ----------
    data : HBAMEGData
        The items.
    model : DynamicModel
        Inputs of photos to dimensions at every time.
    config : HBAMEGConfig
        Terms of the loss, stages, and the loop's batch size.
    targets : TargetStore
        Mean RDMs of those who are trained on, over training and validation items.
    source_of : callable
        Returns where inputs of photos come from, once the model's stage is set.
    save : callable, optional
        Writes the model into a folder.
    """

    def __init__(
        self,
        data: HBAMEGData,
        model: DynamicModel,
        config: HBAMEGConfig,
        /,
        *,
        targets: TargetStore,
        source_of: Callable[[], Source],
        save: Callable[[Path], None] | None = None,
    ) -> None:
        self.data = data
        self.model: DynamicModel = model
        self.module: nn.Module = model
        self.config = config
        self.store = targets
        self._source_of = source_of
        self._save = save
        self._photos_of = data.photos_of
        self._train = data.train
        self._checked = validation_items(data, seed=config.split_seed)
        self.n_samples = len(self._train)
        loop = config.loop
        order = Order(n_samples=self.n_samples, batch_size=loop.batch_size, seed=loop.seed, drop_last=loop.drop_last)
        _check_smallest_batch(order)
        self._coverage = Coverage(order)
        self.stages = _stages(config)
        self.rates: Mapping[str, float] = {}
        self.begin(config if not self.stages else self.stages[0])
        if config.noise != "off":
            set_noise(model, targets, self.source, np.unique(np.concatenate([self._photos_of[i] for i in self._train])))
        self._check_start()
        self.objective = Objective(config.terms, *self._validation_rdms(model, None))

    # --- stages

    def begin(self, config: HBAMEGConfig, /) -> None:
        """Set what trains from now on: in a stage of the list the layers' weights alone, else adapters too."""
        first = config in self.stages
        self.model.stage("weights" if first else "all")
        self.rates = {} if first else {_MIXING: config.weights_lr / config.optim.lr}
        self.source = self._source_of()

    # --- training

    def inputs(self, samples: Samples, /) -> Mapping[str, Tensor]:
        """Return one photo of every item."""
        uniform = samples.uniform(_PHOTO)
        photos = (self._photos_of[number] for number in self._train[samples.index])
        drawn = [own[int(u * len(own))] for own, u in zip(photos, uniform, strict=True)]
        return self.source(np.array(drawn, dtype=np.int64))

    def targets(self, samples: Samples, /) -> Mapping[str, Tensor]:
        """Return measured RDMs of the items, shape (times, pairs), and the share of pairs seen so far."""
        rdms = torch.from_numpy(self.store.batch(self._train[samples.index]))
        return {"rdms": rdms, "pairs_seen": torch.tensor(self._coverage.share(samples))}

    def loss(self, outputs: Tensor, targets: Mapping[str, Tensor], /) -> Mapping[str, Tensor]:
        """Return the loss and its terms, and the share of pairs of training items seen so far."""
        found = self.objective(self.rdms(outputs), targets["rdms"])
        return {**found, "pairs_seen": targets["pairs_seen"]}

    def rdms(self, embedding: Tensor, /) -> Tensor:
        """Return the model's dissimilarities, shape (times, pairs), of embeddings (items, times, dimensions)."""
        return rdms_over_time(embedding, self.config.metric)

    def names(self, samples: Samples, /) -> Sequence[str]:
        """Return the items' names."""
        return [self.data.labels[i] for i in self._train[samples.index]]

    # --- validation

    def validate(self, module: nn.Module, /, *, processes: Processes | None = None) -> Mapping[str, float]:
        """Return the loss on the validation items, and the mean over time of Spearman's correlation with their RDMs.

        Times before the picture do not count to the correlation. Without validation items these are the training items.
        """
        rdms, target = self._validation_rdms(module, processes)
        found = self.objective(rdms, target)
        metrics = {f"val_{name}": float(value) for name, value in found.items()}
        return {**metrics, "val_spearman": mean_spearman(rdms.numpy(), target.numpy(), self.data.times)}

    def embedding(
        self, items: IntArray, /, *, module: nn.Module | None = None, processes: Processes | None = None
    ) -> AnyArray:
        """Return the dimensions of items at every time, mean over their photos, shape (items, times, dimensions).

        Parameters
        ----------
        items : ndarray of int
            Rows of the data's items.
        module : nn.Module, optional
            By default the model as it is; the loop passes its own.
        processes : Processes, optional
            Share the photos out over these.
        """
        photos, where, sizes = photos_of_objects(self._photos_of, items)
        device = next(self.model.parameters()).device
        # noise, where a model draws any, is the same in every validation, on whatever was drawn before
        with seeded(device, self.config.loop.seed, processes.rank if processes else 0):
            outputs = predict(
                self.model if module is None else module,
                lambda index: self.source(photos[index]),
                len(photos),
                batch_size=self.config.loop.batch_size,
                device=device,
                processes=processes,
            ).numpy()
        rows = outputs.reshape(len(outputs), -1)[where]
        means = mean_over_photos(rows, sizes).astype(np.float32)
        return means.reshape(len(items), *outputs.shape[1:])

    def _check_start(self) -> None:
        """Raise where nothing is left of any item that training and validation use: every loss would be NaN."""
        if any(self.embedding(items).any() for items in (self._checked, self._train)):
            return
        start = self.config.start
        remedy = "train it longer, or use another start" if start is not None else "use other prompts, or a start"
        whose = f"{self.model.dimensions} dimensions of {start or self.config.backbone}"
        msg = f"all {whose} are <= 0 for all items, so that nothing is left after the ReLU; {remedy}."
        raise ValueError(msg)

    def _validation_rdms(self, module: nn.Module, processes: Processes | None) -> tuple[Tensor, Tensor]:
        mine = torch.from_numpy(self.embedding(self._checked, module=module, processes=processes))
        with torch.no_grad():
            return self.rdms(mine), torch.from_numpy(self.store.batch(self._checked))

    def export(self, folder: Path, /) -> None:
        """Write the trained model."""
        if self._save is not None:
            self._save(folder)


def build(config: HBAMEGConfig, folder: RunFolder, /) -> HBAMEGTask:
    """Read what a config names and return its task; the splits are written into the run's folder.

    Parameters
    ----------
    config : HBAMEGConfig
        Settings.
    folder : RunFolder
        The run's.

    Returns
    -------
    HBAMEGTask

    Raises
    ------
    FileNotFoundError, ValueError
        Data or weights that are not there or do not fit, or settings of personal models; the sentence says which.
    """
    if config.subject is not None:
        msg = (
            "subject asks for models of single people, which are compared with other people's: use `alignkit train "
            "hba-meg --subject`, or call personal_dynamics(config)."
        )
        raise ValueError(msg)
    if config.start is not None and kind_of_run(config.start) == DYNAMIC:
        msg = (
            f"start {config.start} holds a run of `alignkit train hba-meg`, at which only models of single people "
            "start: give subject, or as start a run of `alignkit train hba`."
        )
        raise ValueError(msg)
    return build_task(read_data(config, warn=folder.main), config, folder)


def build_task(
    data: HBAMEGData,
    config: HBAMEGConfig,
    folder: RunFolder,
    /,
    *,
    people: Sequence[str] | None = None,
    cache: Path | None = None,
    shared: bool = False,
) -> HBAMEGTask:
    """Return the task of these data.

    Parameters
    ----------
    data : HBAMEGData
        From :func:`read_data`.
    config : HBAMEGConfig
        Settings; those that name data are not used.
    folder : RunFolder
        Takes the splits, the targets and what frozen layers give, unless these have a ``cache`` of their own.
    people : sequence of str, optional
        Whose mean RDMs are learnt; by default all who are not held out.
    cache : Path, optional
        Folder of what frozen layers give, which several runs may share.
    shared : bool
        Wait where another run fills that folder.

    Returns
    -------
    HBAMEGTask

    Raises
    ------
    FileNotFoundError, ValueError, ImportError
        A backbone that is not at hand or has no class tokens, RDMs without enough numbers, or no sample within
        ``window_s``.
    """
    within(data.times, config.window_s)  # scoring, which needs samples there, comes after hours of training
    folder.write_splits(data.splits.to_dict())
    trained = tuple(data.train_people if people is None else people)
    store = build_targets(data, trained, config, folder.path / "targets")
    missing = told_missing(store.missing, store.n_pairs)
    if missing and folder.main:
        warnings.warn(missing, stacklevel=2)
    model = build_model(data, config)
    cache = folder.path / "cache" if cache is None else cache
    return HBAMEGTask(
        data,
        model,
        config,
        targets=store,
        source_of=lambda: build_source(data, config, model, cache, wait=shared),
        save=_saver(model, data, trained, store, config),
    )


def _saver(
    model: DynamicModel, data: HBAMEGData, people: Sequence[str], store: TargetStore, config: HBAMEGConfig
) -> Callable[[Path], None]:
    manifest = {
        "method": "hba-meg",
        "rdms": data.name,
        "people": list(people),
        "held_out_people": list(data.held_out_people),
        "target_scale": [store.low, store.high],
        "metric": config.metric,
        "terms": dataclasses.asdict(config.terms),
        "n_items": {part: len(getattr(data.splits, part)) for part in ("train", "val", "held_out")},
        "splits": "splits.json",
    }

    def save(folder: Path) -> None:
        from alignkit.models._dynamic_run_model import save_dynamic_model

        save_dynamic_model(folder, model, manifest=manifest)

    return save


def _stages(config: HBAMEGConfig) -> tuple[HBAMEGConfig, ...]:
    """Return the settings of the stage that trains the layers' weights alone, if there is one."""
    if not config.weights_epochs:
        return ()
    loop = dataclasses.replace(
        config.loop, epochs=config.weights_epochs, max_steps=None, patience=config.weights_patience
    )
    # every step of it counts, the first one fully
    optim = dataclasses.replace(config.optim, lr=config.weights_lr, warmup=0, schedule="constant")
    return (dataclasses.replace(config, out=config.out / WEIGHTS, loop=loop, optim=optim),)


def _check_smallest_batch(order: Order) -> None:
    if order.smallest_batch < 3:
        msg = (
            f"RDMs need at least 3 items, and with {order.n_samples} training items in batches of {order.batch_size} "
            f"the smallest batch has {order.smallest_batch}; set drop_last, or another batch_size."
        )
        raise ValueError(msg)
