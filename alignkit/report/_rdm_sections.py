"""RDMs as parts of a page: heat map, map of items, and how alike several are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from alignkit.models import Features
from alignkit.report._grid_chart import grid_chart
from alignkit.report._heat_map import heat_map
from alignkit.report._item_map import item_map
from alignkit.report._items import Items
from alignkit.report._page import Section
from alignkit.report._svg import number
from alignkit.rsa import RDM, compare, rdm
from alignkit.rsa._metrics import Metric

#: Items of features whose RDM is computed; of more, these are spread evenly.
MOST_ITEMS = 1000


def rdm_of(features: Features, metric: Metric, layer: str | None = None) -> RDM:
    """Return the RDM of features of a layer, the last by default, or of items spread evenly over many."""
    array = features.array(layer or features.layers[-1])
    rows = np.unique(np.linspace(0, len(array) - 1, min(len(array), MOST_ITEMS)).round().astype(int))
    labels = None if features.labels is None else [features.labels[k] for k in rows]
    found: RDM = rdm(np.asarray(array)[rows], metric=metric, labels=labels)
    return found


def rdm_sections(found: RDM, name: str, items: Items) -> list[Section]:
    """Return an RDM, or the mean of several, as parts of a page."""
    single = _mean(found)
    drawn = item_map(single, name, items)
    axes = " x ".join(f"{size} {axis}" for axis, size in zip(found.dims, found.shape, strict=True))
    about = [["items", f"{found.n_items:,}"], ["dissimilarity", found.metric or "not said"]]
    about += [["averaged over", axes]] if axes else []
    about += [[f"made with: {key}", str(value)[:200]] for key, value in found.provenance.items()][:20]
    finite = single.values[np.isfinite(single.values)]
    if finite.size:
        about.append(["least, median, largest", ", ".join(number(float(q)) for q in np.quantile(finite, (0, 0.5, 1)))])
    notes = [] if drawn else ["No map of items: some dissimilarities are missing."]
    figures = [heat_map(single, name, items), *([drawn] if drawn else [])]
    return [Section("RDM", figures=figures, tables=[("What it is.", ["property", "value"], about)], notes=notes)]


def comparison_of_rdms(rdms: Mapping[str, RDM]) -> list[Section]:
    """Return how alike RDMs of several sources are, over the items that all of them have; nothing for fewer than two.

    RDMs without labels are compared where all have as many items.
    """
    if len(rdms) < 2:
        return []
    names = list(rdms)
    means = [_mean(one) for one in rdms.values()]
    shared, n_items = _shared(means)
    if n_items < 3:
        text = "The RDMs have fewer than three items in common by label: nothing is compared."
        return [Section("How alike the RDMs are", paragraphs=[text])]
    values = np.eye(len(names))
    for i, one in enumerate(shared):
        for k in range(i):
            values[i, k] = values[k, i] = float(np.ravel(compare(one, shared[k], method="spearman").values)[0])
    caption = f"Spearman's correlation of RDMs (means of stacks) over {n_items:,} items that all have."
    chart = grid_chart(values, names, names, title="RDMs by RDMs", caption=caption)
    rows = [[names[i], *(number(values[i, k], 3) for k in range(len(names)))] for i in range(len(names))]
    return [Section("How alike the RDMs are", figures=[chart], tables=[(caption, ["RDM", *names], rows)])]


def _mean(found: RDM) -> RDM:
    single = found.numpy()
    for axis in found.dims:
        single = single.mean(axis)
    return single


def _shared(rdms: Sequence[RDM]) -> tuple[list[RDM], int]:
    """Return RDMs over the items that all have, and how many these are."""
    if any(one.labels is None for one in rdms):
        same = len({one.n_items for one in rdms}) == 1
        return list(rdms), rdms[0].n_items if same else 0
    common = set(rdms[0].labels or ()).intersection(*(one.labels or () for one in rdms))
    order = [label for label in rdms[0].labels or () if label in common]
    return ([one.select(order) for one in rdms], len(order)) if len(order) > 2 else (list(rdms), len(order))
