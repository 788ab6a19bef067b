"""Trials of one participant, or of several by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from alignkit._check import check_same_labels, counted, join_names
from alignkit._typing import FloatArray


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Participant:
    """What one participant brings: data, and what each of its trials shows and belongs to."""

    name: str
    data: Any
    by: str | Sequence[Any] | None
    folds: str | Sequence[Any] | None

    def called(self) -> str:
        """Return what to call the data in a sentence."""
        return f"the data of {self.name!r}"


def participants_of(data: Any, by: Any, folds: Any) -> list[Participant]:
    """Return one participant, or one for each name of a mapping; ``by`` and ``folds`` may be mappings, too.

    Raises
    ------
    ValueError
        An empty mapping, or labels for other participants.
    """
    if not isinstance(data, Mapping):
        return [Participant("subject", data, by, folds)]
    if not data:
        msg = "data is empty; give the trials of at least one participant."
        raise ValueError(msg)
    for name, given in (("by", by), ("folds", folds)):
        missing = [key for key in data if key not in given] if isinstance(given, Mapping) else []
        if missing:
            msg = f"{name} names no trials of {join_names(missing)}, whose data was given."
            raise ValueError(msg)

    def own(given: Any, key: Any) -> Any:
        return given[key] if isinstance(given, Mapping) else given

    return [Participant(str(key), one, own(by, key), own(folds, key)) for key, one in data.items()]


def check_alike(first: tuple[str, Sequence[str], FloatArray], other: tuple[str, Sequence[str], FloatArray]) -> None:
    """Raise unless two participants, each (what to call it, conditions, times), have the same."""
    (name_a, labels_a, times_a), (name_b, labels_b, times_b) = first, other
    if tuple(labels_a) != tuple(labels_b):
        check_same_labels(name_a, labels_a, name_b, labels_b)
    if len(times_a) != len(times_b) or not np.allclose(times_a, times_b, rtol=0.0, atol=1e-6):
        msg = (
            f"{name_a} and {name_b} have different times: {counted(len(times_a), 'sample')} from {times_a[0]:g} to "
            f"{times_a[-1]:g} s, and {len(times_b):,} from {times_b[0]:g} to {times_b[-1]:g} s; use tmin, tmax and "
            "decim."
        )
        raise ValueError(msg)
