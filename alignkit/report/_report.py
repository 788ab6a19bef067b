"""Runs and results of any kind as one page."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from alignkit._check import check_choice, counted, shown
from alignkit._result import Result
from alignkit._typing import PathLike
from alignkit.models import Features
from alignkit.report._answer_sections import answer_sections
from alignkit.report._compare_runs import compare_runs
from alignkit.report._items import Items, read_categories, small_pictures
from alignkit.report._open_result import Opened, open_result
from alignkit.report._overview import provenance_section, summary_section
from alignkit.report._page import Section, write_page
from alignkit.report._rdm_sections import comparison_of_rdms, rdm_of, rdm_sections
from alignkit.report._sections_of import sections_of
from alignkit.rsa import RDM, Triplets
from alignkit.rsa._metrics import Metric
from alignkit.rsa._similarity_matrix import Kernel
from alignkit.train import RunResult

#: Results of one page.
MOST = 40
_KERNELS = ("cosine", "dot", "euclidean")


def write_report(
    path: PathLike,
    results: object,
    /,
    *,
    title: str | None = None,
    images: PathLike | None = None,
    categories: PathLike | None = None,
    metric: Metric = "correlation",
    kernel: Kernel = "cosine",
    layer: str | None = None,
) -> None:
    """Write runs and results of any kind, one or several, as one self-contained HTML page.

    First stand the main measures of all models beside their noise ceilings, then what can be compared (runs by their
    curves, metrics and settings, RDMs by their similarity), then every result with its figures, tables and the
    sentences for a Methods section; at the end, versions and seeds. Features together with people's answers give
    calibration and the triplets that the model answers most and least as people do.

    Parameters
    ----------
    path : str or path
        Where to; the folder must exist.
    results : path, result, or sequence of these
        Folders of finished runs, results saved as ``.json``, RDMs (``.npz``, ``.zarr``), features (folders of
        :func:`alignkit.models.extract`) and answers (``.npz``), or such objects themselves.
    title : str, optional
        The page's heading.
    images : path, optional
        Folder with photos of the items, which are shown, small, where an item is pointed at. At most 4 MiB of them.
    categories : path, optional
        Table (.csv or .tsv) with the columns item and category, which items are sorted and coloured by.
    metric : str
        Dissimilarity of features in RDMs, as :func:`alignkit.rsa.rdm` takes it.
    kernel : {"cosine", "dot", "euclidean"}
        Similarity of features in triplets.
    layer : str, optional
        Which layer of features that hold several; by default the last.

    Raises
    ------
    FileNotFoundError
        A path that does not exist, or the folder of ``path``.
    IsADirectoryError
        ``path`` is a folder.
    TypeError
        Something that is neither a path nor a result.
    ValueError
        No results or too many, a file that holds none, a run that is not finished, or images without items.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from alignkit.data import simulate
    >>> lab = simulate(24)
    >>> page = pathlib.Path(tempfile.mkdtemp()) / "report.html"
    >>> write_report(page, lab.fmri, title="Simulated brains")
    >>> "Simulated brains" in page.read_text(encoding="utf-8")
    True
    """
    check_choice("kernel", kernel, _KERNELS)
    opened = _opened(results)
    items = _items(opened, images, categories)
    rdms = _rdms(opened, metric, layer)
    sections = [*summary_section(opened), *compare_runs(_of_type(opened, RunResult)), *comparison_of_rdms(rdms)]
    for one in opened:
        own = rdm_sections(rdms[one.name], one.name, items) if one.name in rdms else sections_of(one)
        sections += [_named(section, one.name) if len(opened) > 1 else section for section in own]
    for who, answers in _of_type(opened, Triplets).items():
        for name, features in _of_type(opened, Features).items():
            about = f"{name} on {who}"
            sections += [_named(one, about) for one in answer_sections(features, answers, name, items, kernel, layer)]
    origin = provenance_section(opened)
    sections.append(dataclasses.replace(origin, notes=[*items.notes, *origin.notes]))
    heading = title or (f"Report: {opened[0].name}" if len(opened) == 1 else f"Report on {len(opened)} results")
    write_page(path, title=heading, lead=_lead(opened), sections=sections)


def _opened(results: object) -> list[Opened]:
    """Return what is reported on, each by a name of its own."""
    single = isinstance(results, str | os.PathLike | Result | RDM | Features | Triplets)
    given: Sequence[Any] = [results] if single else list(results) if isinstance(results, Iterable) else []
    if not given:
        msg = f"results must be a path, a result, or several of them; got {shown(results)}."
        raise ValueError(msg) if isinstance(results, Iterable) else TypeError(msg)
    if len(given) > MOST:
        msg = f"one page takes at most {MOST} results; got {len(given)}: write several pages."
        raise ValueError(msg)
    found = [_open(one) for one in given]
    counts = Counter(one.name for one in found)
    seen: Counter[str] = Counter()
    named = []
    for one in found:
        seen[one.name] += 1
        name = f"{one.name} ({seen[one.name]})" if counts[one.name] > 1 else one.name
        named.append(dataclasses.replace(one, name=name))
    return named


def _open(one: object) -> Opened:
    if isinstance(one, str | os.PathLike):
        return open_result(one)
    if isinstance(one, RunResult):
        return Opened(one.path.resolve().name, one, one.path)
    if isinstance(one, Features):
        return Opened(one.name, one)
    if isinstance(one, Result | RDM | Triplets):
        return Opened(type(one).__name__, one)
    msg = f"results must be paths, results, RDMs, features or answers; got {shown(one)}."
    raise TypeError(msg)


def _of_type(opened: Sequence[Opened], kind: type[Any]) -> dict[str, Any]:
    return {one.name: one.value for one in opened if isinstance(one.value, kind)}


def _items(opened: Sequence[Opened], images: PathLike | None, categories: PathLike | None) -> Items:
    kinds = {} if categories is None else read_categories(categories)
    if images is None:
        return Items(categories=kinds)
    labelled = [one.value for one in opened if isinstance(one.value, RDM | Features | Triplets)]
    labels = list(dict.fromkeys(label for one in labelled for label in one.labels or ()))
    if not labels:
        msg = "images show the items of RDMs, features or answers, and none of these is given with names of items."
        raise ValueError(msg)
    return dataclasses.replace(small_pictures(images, labels), categories=kinds)


def _rdms(opened: Sequence[Opened], metric: Metric, layer: str | None) -> dict[str, RDM]:
    found = {}
    for one in opened:
        if isinstance(one.value, RDM):
            found[one.name] = one.value
        elif isinstance(one.value, Features):
            found[one.name] = rdm_of(one.value, metric, layer)
    return found


def _named(section: Section, name: str) -> Section:
    return dataclasses.replace(section, title=f"{name}: {section.title}")


def _lead(opened: Sequence[Opened]) -> str:
    runs = len(_of_type(opened, RunResult))
    others = len(opened) - runs
    told = [counted(runs, "training run")] if runs else []
    told += [counted(others, "result")] if others else []
    return f"{' and '.join(told)}: {', '.join(one.name for one in opened)}."
