"""Haxby et al. 2001: one person, twelve runs, faces, houses and six more kinds of things, in half a slice of brain."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alignkit._typing import PathLike
from alignkit.data._events import read_attributes
from alignkit.data._patterns import Patterns
from alignkit.data._registry import locate
from alignkit.data._timeseries import read_timeseries

_NAME = "fmri_haxby"
_TR = 2.5
_N_VOLUMES = 1452


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Haxby:
    """Half an axial slice of one person who looked at eight kinds of things, a block of each in each of 12 runs.

    Parameters
    ----------
    bold : pathlib.Path
        The time series, 40 x 20 x 1 voxels and 1,452 volumes (12 runs of 121).
    mask : pathlib.Path
        The 530 voxels of brain.
    labels : tuple of str, shape (1452,)
        What was shown during each volume: a category or ``"rest"``.
    runs : tuple of str, shape (1452,)
        The run of each volume, ``"0"`` to ``"11"``.
    categories : tuple of str, shape (8,)
        The categories in alphabetical order.
    tr : float
        Seconds between volumes.
    """

    bold: Path
    mask: Path
    labels: tuple[str, ...]
    runs: tuple[str, ...]
    categories: tuple[str, ...]
    tr: float = _TR

    def __repr__(self) -> str:
        return (
            f"<Haxby {len(self.labels):,} volumes in {len(set(self.runs))} runs, {len(self.categories)} categories "
            f"({', '.join(self.categories)})\n  in {self.bold.parent}>"
        )

    def patterns(self, **options: Any) -> Patterns:
        """Return the patterns of the categories in every run.

        Parameters
        ----------
        **options
            As in :func:`read_timeseries`; by default its GLM.
        """
        settings = {"labels": self.labels, "runs": self.runs, "tr": self.tr, "mask": self.mask, **options}
        return read_timeseries(self.bold, **settings)


def load_haxby(root: PathLike | None = None, /) -> Haxby:
    """Read the fMRI data set of Haxby et al. 2001, as far as it is at hand: half a slice of one person.

    Parameters
    ----------
    root : path, optional
        Folder that holds ``fmri_haxby/``; by default the environment variable ``ALIGNKIT_DATA``, else the user's cache.

    Returns
    -------
    Haxby

    Raises
    ------
    FileNotFoundError
        A file is not there; the sentence says how to get it.
    ValueError
        A damaged file, or not the published one.

    References
    ----------
    Haxby et al. (2001), https://doi.org/10.1126/science.1063736

    Examples
    --------
    >>> data = load_haxby()  # doctest: +SKIP
    >>> data.patterns().rdm(metric="crossnobis")  # doctest: +SKIP
    <RDM 8 items (scissors, face, cat, ...), metric: crossnobis>
    """
    path = locate(_NAME, "attributes_literal.txt", root)
    attributes = read_attributes(path)
    if len(attributes.labels) != _N_VOLUMES:
        msg = f"{path} has {len(attributes.labels):,} lines, {_N_VOLUMES:,} are expected; it is truncated or damaged."
        raise ValueError(msg)
    return Haxby(
        bold=locate(_NAME, "bold.nii.gz", root),
        mask=locate(_NAME, "mask.nii.gz", root),
        labels=attributes.labels,
        runs=attributes.runs,
        categories=tuple(sorted(set(attributes.labels) - {"rest"})),
    )
