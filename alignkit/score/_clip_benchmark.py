"""Results in the layout of CLIP_benchmark: written one to a file, read from files and published tables."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alignkit._check import check_number, shown
from alignkit._io import check_file, read_json, write_json
from alignkit._typing import PathLike
from alignkit.data._tables import text_table

#: Largest file that is read; the published table of all models is a thousand times smaller.
_MAX_BYTES = 64 * 2**20
_NAMES = ("dataset", "model", "pretrained", "task", "language")
#: Columns of tables that are no metrics.
_OTHER = frozenset({*_NAMES, "model_fullname"})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ClipBenchmarkRecord:
    """One result of CLIP_benchmark: a model's metrics on one data set.

    Attributes
    ----------
    dataset : str
        The data set, such as ``"cifar10"`` or ``"vtab/dtd"``.
    model, pretrained : str
        The architecture, and its weights.
    task : str
        Such as ``"zeroshot_classification"`` or ``"zeroshot_retrieval"``.
    metrics : mapping of str to float
        Names and values; NaN where a metric is not defined.
    language : str
        That of prompts and captions; empty where a table does not say.
    """

    dataset: str
    model: str
    pretrained: str
    task: str
    metrics: Mapping[str, float]
    language: str = "en"

    def __post_init__(self) -> None:
        for name in _NAMES:
            if not isinstance(getattr(self, name), str):
                msg = f"{name} must be a text; got {shown(getattr(self, name))}."
                raise TypeError(msg)
        given: object = self.metrics
        if not isinstance(given, Mapping):
            msg = f"metrics must be a mapping of names to numbers; got {shown(given)}."
            raise TypeError(msg)
        metrics = {str(name): _as_metric(f"the metric {name!r}", value) for name, value in given.items()}
        object.__setattr__(self, "metrics", metrics)


def write_clip_benchmark(path: PathLike, record: ClipBenchmarkRecord, /) -> None:
    """Write one result as CLIP_benchmark does, for its ``build`` command and tables.

    Parameters
    ----------
    path : path-like
        The ``.json`` file; it replaces one that is there.
    record : ClipBenchmarkRecord
        Its ``metrics`` come from the method of that name of :class:`ZeroShotAccuracy`, :class:`AveragePrecision` and
        :class:`RetrievalRecall`. Undefined ones are written as null.

    Raises
    ------
    TypeError
        Something else than a record.
    FileNotFoundError
        A folder that does not exist.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp(), "cifar10.json")
    >>> names = {"dataset": "cifar10", "model": "ViT-B-32", "pretrained": "pi", "task": "zeroshot_classification"}
    >>> write_clip_benchmark(path, ClipBenchmarkRecord(**names, metrics={"acc1": 0.6}))
    >>> read_clip_benchmark(path)[0].metrics
    {'acc1': 0.6}
    """
    given: object = record
    if not isinstance(given, ClipBenchmarkRecord):
        msg = f"record must be a ClipBenchmarkRecord; got {shown(given)}."
        raise TypeError(msg)
    metrics = {name: None if math.isnan(value) else value for name, value in record.metrics.items()}
    keys = ("dataset", "model", "pretrained", "task")
    write_json(path, {**{key: getattr(record, key) for key in keys}, "metrics": metrics, "language": record.language})


def read_clip_benchmark(path: PathLike, /) -> tuple[ClipBenchmarkRecord, ...]:
    r"""Read results of CLIP_benchmark: a ``.json`` file with one or a list of them, or a ``.csv`` table of many.

    Parameters
    ----------
    path : path-like
        At most 64 MiB. Of a table, every column but dataset, model, pretrained, task, language and model_fullname is
        a metric; an empty cell says that the row has none.

    Returns
    -------
    tuple of ClipBenchmarkRecord

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        A damaged or too large file, one of another kind, a record without one of the names, or a metric that is no
        number.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp(), "benchmark.csv")
    >>> _ = path.write_text("acc1,dataset,model,pretrained,task\n0.6,imagenet1k,ViT-B-32,openai,zeroshot\n")
    >>> read_clip_benchmark(path)[0].dataset
    'imagenet1k'
    """
    path = check_file(path)
    if path.stat().st_size > _MAX_BYTES:
        msg = f"{path} is larger than {_MAX_BYTES // 2**20} MiB; that is no table of results."
        raise ValueError(msg)
    if path.suffix.lower() not in (".json", ".csv"):
        msg = f"{path}: results of CLIP_benchmark are .json or .csv files."
        raise ValueError(msg)
    rows = _table_rows(path) if path.suffix.lower() == ".csv" else _json_rows(path)
    return tuple(_record(path, number, row) for number, row in enumerate(rows, 1))


def _json_rows(path: Path) -> list[Any]:
    content = read_json(path)
    return content if isinstance(content, list) else [content]


def _table_rows(path: Path) -> list[dict[str, Any]]:
    table = text_table(path, sep=",", columns=_NAMES[:4], as_text=True)
    metrics = [name for name in table.columns if name not in _OTHER]
    return [
        {
            **{name: row.get(name, "") for name in _NAMES},
            "metrics": {name: _as_number(row[name]) for name in metrics if row[name]},
        }
        for row in table.to_dict("records")
    ]


def _as_number(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return cell  # said with its row and name where the record is made


def _record(path: Path, number: int, row: Any) -> ClipBenchmarkRecord:
    if not isinstance(row, dict) or not {*_NAMES[:4], "metrics"} <= set(row):
        msg = f"{path}: result {number} must hold dataset, model, pretrained, task and metrics; got {shown(row)}."
        raise ValueError(msg)
    try:
        return ClipBenchmarkRecord(**{name: row[name] for name in (*_NAMES, "metrics") if name in row})
    except (TypeError, ValueError) as error:
        msg = f"{path}: in result {number}, {error}"
        raise ValueError(msg) from error


def _as_metric(name: str, value: Any) -> float:
    """Return a number; null, which is what JSON has for it, is NaN."""
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    return float("nan") if missing else check_number(name, value)
