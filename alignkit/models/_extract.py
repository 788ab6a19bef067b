"""Features of images or texts, layer by layer, streamed to disk and continued after a kill."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from tqdm import tqdm

from alignkit._check import check_choice, check_count, join_names, shown
from alignkit._typing import AnyArray, PathLike
from alignkit._versions import versions
from alignkit.models._cut_texts import warn_cut_texts
from alignkit.models._features import Features
from alignkit.models._items import Item, as_items
from alignkit.models._manifest import KIND, SCHEMA
from alignkit.models._model import Model
from alignkit.models._pool import Pool, Pooling, pooling
from alignkit.models._run import (
    Precision,
    as_device,
    collate,
    evaluating,
    first_tensor,
    free_memory,
    hooked,
    is_out_of_memory,
    prepare,
    to_device,
)
from alignkit.models._store import FolderStore, MemoryStore, Record, Store

if TYPE_CHECKING:
    import torch

    from alignkit.models._model import Layers

OnError = Literal["raise", "skip"]
Format = Literal["safetensors", "zarr"]
Dtype = Literal["float32", "float16"]


def extract(
    model: Model,
    inputs: object,
    /,
    *,
    layers: Layers = None,
    out: PathLike | None = None,
    pool: Pool = "auto",
    batch_size: int = 32,
    device: str | torch.device | None = None,
    precision: Precision = "fp32",
    on_error: OnError = "raise",
    format: Format = "safetensors",
    dtype: Dtype = "float32",
    labels: Iterable[Any] | None = None,
    shard_size: int = 512,
    n_workers: int | None = None,
    progress: bool = True,
) -> Features:
    """Return the features that a model gives to images or texts, one row per item and one array per layer.

    With ``out``, rows are streamed to that folder, shard by shard, beside a ``manifest.json`` that says what decides
    them (model, weights, preprocessing, layers, pooling, precision) and holds every item's label and SHA-256. A
    killed run continues from its last whole shard when the same call is made again, and gives the same bits; a call
    that differs in anything that decides the features is refused. No more than one batch is in memory.

    Parameters
    ----------
    model : Model
        From :func:`alignkit.models.load` or :meth:`Model.from_module`.
    inputs : path-like, sequence, mapping or ndarray
        For an image model: a folder (searched with its subfolders; labels are POSIX paths relative to it), a list of
        paths, PIL images or uint8 arrays, one uint8 array of shape (items, height, width, 3), or a mapping of label to
        any of these. For a text model: a list of texts (each its own label) or a mapping of label to text.
    layers : str, int or sequence of both, optional
        Names or numbers, see :meth:`Model.resolve`; by default the model's own representation.
    out : path-like, optional
        Folder to write to; by default the features stay in memory.
    pool : {"auto", "cls", "mean", "flatten"}
        ``"cls"``: the class token. ``"mean"``: over patches (class token and registers left out), over space, or over
        a text's real tokens. ``"flatten"``: every number. ``"auto"``: the class token where an image model has one,
        else the mean; vectors stay as they are.
    batch_size : int
        Items per forward pass. A batch that does not fit the memory is halved until it does, with one warning; the
        size that fitted stands in the manifest. Results agree between batch sizes up to float32 rounding.
    device : str or torch.device, optional
        Where to compute; by default where the model is. The model is moved there.
    precision : {"fp32", "bf16", "fp16"}
        Mixed precision by autocast. It does not change what the features are stored as.
    on_error : {"raise", "skip"}
        What to do with an image that cannot be read: stop, naming it, or leave it out and list it in the manifest.
    format : {"safetensors", "zarr"}
        How ``out`` is written.
    dtype : {"float32", "float16"}
        What ``out`` holds; float16 halves its size and rounds to three digits. Features are float32 once they are read.
    labels : sequence of str, optional
        Unique names of the items, in place of the default ones.
    shard_size : int
        Items per shard (rounded up to whole batches): a kill loses at most that much work.
    n_workers : int, optional
        Threads that read and preprocess images; by default one per core, at most 8.
    progress : bool
        Show a bar with the time left on standard error.

    Returns
    -------
    Features

    Raises
    ------
    FileNotFoundError
        A folder or, with ``on_error="raise"``, a file that does not exist.
    FileExistsError
        ``out`` holds the features of another run, or something else.
    ValueError
        An image that cannot be read, an unknown layer, a pooling that a layer does not allow, a feature that is
        infinite or NaN, a single item that does not fit the memory, items that changed since an interrupted run, or
        duplicate labels.
    TypeError
        Inputs of a kind that the model does not take.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from alignkit.models import Model, Preprocess
    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> model = Model.from_module(net, Preprocess.clip(size=32), name="mine")
    >>> images = np.zeros((2, 48, 48, 3), dtype=np.uint8)
    >>> extract(model, images, layers=["1", "output"], labels=["a", "b"], progress=False)
    <Features 'mine': 2 items, layers: 1, output>
    """
    _check_model(model)
    for name, value, allowed in (
        ("precision", precision, get_args(Precision)),
        ("on_error", on_error, get_args(OnError)),
        ("format", format, get_args(Format)),
        ("dtype", dtype, get_args(Dtype)),
    ):
        check_choice(name, value, allowed)
    batch_size = check_count("batch_size", batch_size, 1)
    n_workers = check_count("n_workers", min(8, os.cpu_count() or 1) if n_workers is None else n_workers, 1)
    shard_size = -(-check_count("shard_size", shard_size, 1) // batch_size) * batch_size
    items = as_items(model.kind, inputs, labels)
    if device is not None:
        model.module.to(as_device(device))
    names = model.resolve(layers)
    rules = {layer: pooling(model, layer, pool) for layer in names}
    manifest = _manifest(model, rules, items, pool=pool, precision=precision, format=format)
    if dtype != "float32":
        if out is None:
            msg = "dtype='float16' is what a folder holds: pass out=, or leave dtype out."
            raise ValueError(msg)
        manifest["dtype"] = dtype
    manifest |= {"shard_size": shard_size, "chunk": batch_size, **warn_cut_texts(model, items)}
    if on_error == "raise":
        _check_present(items)
    store: Store = MemoryStore(manifest) if out is None else FolderStore(Path(out), manifest)
    run = _Run(model, rules, precision, dtype, batch_size, on_error, n_workers)
    return run.fill(store, items, out=out, progress=progress)


def _check_model(model: object) -> None:
    if not isinstance(model, Model):
        msg = f"model must be a Model, as alignkit.models.load returns; got {shown(model)}."
        raise TypeError(msg)


def _manifest(model: Model, rules: Mapping[str, Pooling], items: list[Item], **settings: Any) -> dict[str, Any]:
    order = hashlib.sha256("\n".join(item.label for item in items).encode()).hexdigest()
    return {
        "kind": KIND,
        "schema": SCHEMA,
        "state": "incomplete",
        "model": model.describe(),
        "layers": list(rules),
        "pool": {layer: dataclasses.asdict(rule) for layer, rule in rules.items()},
        "pool_asked": settings.pop("pool"),
        **settings,
        "inputs": {"n": len(items), "labels_sha256": order},
        "n_inputs": len(items),
        "device": str(model.device),
        "versions": versions(),
    }


def _check_present(items: list[Item]) -> None:
    gone = [item.source for item in items if isinstance(item.source, Path) and not item.source.is_file()]
    if gone:
        more = f" (and {len(gone) - 1} more of {len(items)})" if len(gone) > 1 else ""
        msg = f"{gone[0]} does not exist{more}; correct the list, or pass on_error='skip' to leave such images out."
        raise FileNotFoundError(msg)


@dataclasses.dataclass(slots=True)
class _Run:
    """One extraction: reads, computes and stores batch after batch."""

    model: Model
    rules: Mapping[str, Pooling]
    precision: Precision
    dtype: Dtype
    batch_size: int
    on_error: OnError
    n_workers: int
    #: Items that go through the network at once: the batch size, or what fits of it.
    fitting: int = 0

    def fill(self, store: Store, items: list[Item], *, out: PathLike | None, progress: bool) -> Features:
        unit = "text" if self.model.kind == "text" else "image"
        bar = tqdm(total=len(items), unit=unit, desc=self.model.name, disable=not progress)
        with bar, ThreadPoolExecutor(self.n_workers) as pool, _abandoning(store):
            self._verify(store.done, items, pool, out)
            bar.update(store.done.stop)
            bar.initial = store.done.stop  # what was done before says nothing about today's speed
            pending = islice(enumerate(items), store.done.stop, None)
            # a run that goes on computes as the one before it did, so that both give the same bits
            self.fitting = min(self.batch_size, store.done.batch_size or self.batch_size)
            while True:
                values, record = self._read(pending, min(self.batch_size, store.room), pool)
                if not record.stop:
                    break
                arrays = self._compute(values, record.labels) if values else {}
                record.batch_size = self.fitting if self.fitting < self.batch_size else 0
                store.append(arrays, record)
                bar.update(record.stop - bar.n)
            return store.finish()

    def _verify(self, done: Record, items: list[Item], pool: ThreadPoolExecutor, out: PathLike | None) -> None:
        """Raise unless what an interrupted run stored still belongs to these items."""
        if done.skipped and self.on_error == "raise":
            msg = (
                f"the run that this one continues left out {len(done.skipped)} unreadable item(s) "
                f"({join_names(skip['label'] for skip in done.skipped)}); pass on_error='skip', or choose another out."
            )
            raise ValueError(msg)
        by_label = {item.label: item for item in items}
        known = dict(zip(done.labels, done.item_sha256, strict=True))
        known |= {skip["label"]: skip["sha256"] for skip in done.skipped}
        now = pool.map(lambda label: by_label[label].sha256(), known)
        changed = [label for (label, then), found in zip(known.items(), now, strict=True) if found != then]
        if changed:
            msg = (
                f"{len(changed)} item(s) changed since their features were stored in {out}: {join_names(changed)}; "
                "choose another out or delete that folder."
            )
            raise ValueError(msg)

    def _read(
        self, pending: Iterator[tuple[int, Item]], size: int, pool: ThreadPoolExecutor
    ) -> tuple[list[Any], Record]:
        """Return the next ``size`` readable inputs, preprocessed, and their record; ``stop`` is 0 at the end."""
        values: list[Any] = []
        record = Record()
        # unreadable items are made up for, so that batches and shards are full wherever a run was interrupted
        while len(values) < size and (chunk := list(islice(pending, size - len(values)))):
            for (number, item), (value, sha256, reason) in zip(
                chunk, pool.map(self._read_one, [item for _, item in chunk]), strict=True
            ):
                record.stop = number + 1
                if reason is None:
                    values.append(value)
                    record.labels.append(item.label)
                    record.item_sha256.append(sha256)
                else:
                    record.skipped.append({"label": item.label, "reason": reason, "sha256": sha256})
        return values, record

    def _read_one(self, item: Item) -> tuple[Any, Any, str | None]:
        sha256: str | None = None
        try:
            value, sha256 = item.read()
            return prepare(self.model, value), sha256, None
        except (ValueError, MemoryError) as error:  # an UnreadableError, or an image that no preprocessing can take
            reason = getattr(error, "reason", str(error).rstrip("."))
            if self.on_error == "skip":
                return None, getattr(error, "sha256", sha256), reason
            where = item.source if isinstance(item.source, Path) else item.label
            msg = f"{where} cannot be read ({reason}); repair it, or pass on_error='skip' to leave it out."
            raise ValueError(msg) from error

    def _compute(self, values: list[Any], labels: list[str]) -> dict[str, AnyArray]:
        """Return the features of one batch, computed in as large parts as the memory holds."""
        asked = self.fitting
        while (arrays := self._try(values, labels)) is None:
            # only here, outside the handler of the error, is what its frames held free
            free_memory(self.model.device)
            self.fitting = max(1, min(self.fitting, len(values)) // 2)
        if self.fitting < asked:
            msg = (
                f"a batch of {min(asked, len(values))} does not fit the memory of {self.model.device}; "
                f"{self.model.name} goes on with {self.fitting} at a time (batch_size= starts there)."
            )
            warnings.warn(msg, UserWarning, stacklevel=4)
        return arrays

    def _try(self, values: list[Any], labels: list[str]) -> dict[str, AnyArray] | None:
        """Return the features of one batch, or None when its parts are too large for the memory."""
        size = min(self.fitting, len(values))
        try:
            parts = [self._pass(values[i : i + size], labels[i : i + size]) for i in range(0, len(values), size)]
            if len(parts) == 1:
                return parts[0]
            return {layer: np.concatenate([part[layer] for part in parts]) for layer in self.rules}
        except Exception as error:  # torch has no one kind for memory that has run out
            if not is_out_of_memory(error):
                raise
            if size == 1:
                msg = (
                    f"a single item does not fit the memory of {self.model.device} ({labels[0]!r}); free some, or "
                    "pass a smaller img_size=, precision='bf16' or another device=."
                )
                raise ValueError(msg) from error
            return None

    def _pass(self, values: list[Any], labels: list[str]) -> dict[str, AnyArray]:
        found: dict[str, AnyArray] = {}
        batch = to_device(collate(self.model, values), self.model.device)
        mask = batch.get("attention_mask") if isinstance(batch, Mapping) else None

        def record(layer: str, output: Any) -> None:
            # pooled and copied at once: a later layer may write into this one's output (in-place activations)
            tensor = first_tensor(output)
            if tensor is not None:
                found[layer] = self.rules[layer](tensor, mask).float().cpu().numpy().copy()
                if len(found) == len(self.rules):
                    raise _Enough

        running = evaluating(self.model.module, self.precision)
        with running, hooked(self.model.module, self.rules, record), suppress(_Enough):
            self.model.module(batch)
        for layer in self.rules:
            self._check(layer, found[layer], labels)
        if self.dtype == "float32":
            return {layer: found[layer] for layer in self.rules}
        return {layer: self._halved(layer, found[layer], labels) for layer in self.rules}

    def _halved(self, layer: str, rows: AnyArray, labels: list[str]) -> AnyArray:
        with np.errstate(over="ignore"):
            halved = rows.astype(np.float16)
        bad = np.isinf(halved).any(axis=1)
        if bad.any():
            msg = (
                f"the layer {layer!r} of {self.model.name} has values above 65504 for "
                f"{labels[int(np.argmax(bad))]!r}, which float16 cannot hold; store dtype='float32'."
            )
            raise ValueError(msg)
        return halved

    def _check(self, layer: str, rows: AnyArray, labels: list[str]) -> None:
        bad = ~np.isfinite(rows).all(axis=1)
        if not bad.any():
            return
        advice = {
            "fp16": "float16 overflows above 65504, so use precision='bf16' or 'fp32'",
            "bf16": "try precision='fp32'",
            "fp32": "check the weights and this item",
        }[self.precision]
        msg = (
            f"the layer {layer!r} of {self.model.name} gives infinity or NaN for {labels[int(np.argmax(bad))]!r} "
            f"in {self.precision}: {advice}."
        )
        raise ValueError(msg)


class _Enough(Exception):
    """Ends a forward pass when all wanted layers have run: the layers after them need not."""


@contextmanager
def _abandoning(store: Store) -> Iterator[None]:
    try:
        yield
    except BaseException:
        store.abandon()
        raise
