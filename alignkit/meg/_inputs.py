"""Models, controls and data over time, over the same items in the same order."""

from __future__ import annotations

import dataclasses

from alignkit._typing import AnyArray
from alignkit.meg._model_rows import Models, as_models, rows_of
from alignkit.meg._slices import Slices, align_slices, as_sources
from alignkit.rsa._align import OnMismatch


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """What is compared: ``rows`` hold the models (times of one model side by side), ``controls`` what is left out."""

    slices: Slices
    models: Models
    rows: AnyArray
    controls: AnyArray | None
    control_names: tuple[str, ...]
    aligned_by: str


def read_inputs(models: object, data: object, controls: object, on_mismatch: OnMismatch, tolerance: float) -> Inputs:
    """Return models, data and controls over the same items in the order of the data.

    Raises
    ------
    ValueError
        Different items or times, axes that do not belong, controls with an axis of time.
    TypeError
        Values that are not real numbers.
    """
    sources = as_sources(data)
    own = as_models("model", models, tolerance=tolerance)
    others = None if controls is None else as_models("control", controls)
    if others is not None and others.times is not None:
        msg = "controls must be the same at all times; these have an axis of time of their own."
        raise ValueError(msg)
    named = [*own.named, *(() if others is None else others.named)]
    slices, aligned = align_slices(sources, named, on_mismatch, tolerance)
    bare = any(source.labels is None for source in sources) or any(one.labels is None for one in aligned)
    return Inputs(
        slices=slices,
        models=own,
        rows=rows_of(aligned[: len(own.named)]),
        controls=None if others is None else rows_of(aligned[len(own.named) :]),
        control_names=() if others is None else others.names,
        aligned_by="position" if bare else "label",
    )
