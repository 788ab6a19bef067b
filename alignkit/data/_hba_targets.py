"""The training targets of CLIP-HBA: SPoSE-66 on a scale from 0 to 100."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alignkit.data._things import Things

if TYPE_CHECKING:
    import pandas as pd

#: Smallest and largest entry of the published SPoSE-66, one pair for the whole matrix (not per column).
SPOSE66_RANGE = (-0.000520112575031817, 2.741537094116211)


def hba_targets(things: object, /) -> pd.DataFrame:
    """Return the 66 training targets of CLIP-HBA for every concept.

    Targets are ``100 (x - min) / (max - min)`` with ``SPOSE66_RANGE``, the minimum and maximum of the whole
    SPoSE-66 matrix [1]_. The published table names its rows in file order but keeps the values in uniqueID order, so
    that 21 concepts carry another one's vector: ``load_things(order="published")`` reproduces that.

    Parameters
    ----------
    things : Things
        From :func:`load_things`.

    Returns
    -------
    DataFrame, shape (1854, 66)
        Values from 0 to 100, indexed by the uniqueID that each row trains (uniqueID order for ``"fixed"``, file order
        for ``"published"``); columns are numbered from 0 as in the published table.

    Raises
    ------
    TypeError
        Not a :class:`Things`.

    References
    ----------
    .. [1] Zhao et al. (2025), CLIP Human Behavior Analysis; Hebart et al. (2023), https://doi.org/10.7554/eLife.82580

    Examples
    --------
    >>> round(float(hba_targets(load_things()).loc["aardvark", 2]), 2)  # doctest: +SKIP
    85.83
    """
    import pandas as pd

    if not isinstance(things, Things):
        msg = f"things must come from load_things; got {type(things).__name__}."
        raise TypeError(msg)
    low, high = SPOSE66_RANGE
    names = things.labels if things.order == "fixed" else things.file_order
    return pd.DataFrame(100 * (things.spose66 - low) / (high - low), index=pd.Index(names, name="uniqueID"))
