"""RDMs over time of a finished run's model beside people's, of items that tell something."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from alignkit._check import check_count
from alignkit._typing import FloatArray, IntArray, PathLike
from alignkit.rsa import RDM
from alignkit.rsa._container import condensed_rdm
from alignkit.train.hba_meg._cells import MIN_ITEMS, Cell, cells_of, drawn
from alignkit.train.hba_meg._curves import mean_of_numbers
from alignkit.train.hba_meg._data import HBAMEGData


def rdm_movies(
    path: PathLike,
    /,
    *,
    n_items: int = 60,
    device: str = "auto",
    progress: bool = True,
    architecture: str | Sequence[str] | None = None,
) -> dict[str, RDM]:
    """Return people's mean RDMs over time and those of a finished run's model, to be looked at side by side.

    Of items that were held out, where there are enough of them; from other sessions, where there are any. Items that
    people's RDMs hold alike (mean over times from 0 on; average linkage) lie next to each other.

    Parameters
    ----------
    path : path
        Folder of a finished run of ``alignkit train hba-meg``.
    n_items : int
        Most items; of more, some are drawn.
    device : str
        Where to compute.
    progress : bool
        Show bars with the time left.
    architecture : str or sequence of str, optional
        ``my_module:factory`` that the run's settings name as a model, which is only called when it is named here too.

    Returns
    -------
    dict of str to RDM
        ``"people"`` and ``"model"``, over ``("time",)``, of the same items in the same order.

    Raises
    ------
    FileNotFoundError
        A folder without a finished run, or data that are not there.
    ValueError
        Data or weights that are not those of the run, too few items, or a function of somebody's own.

    Examples
    --------
    >>> from alignkit.train import rdm_movies
    >>> movies = rdm_movies("my-dynamic-model")  # doctest: +SKIP
    >>> list(movies)  # doctest: +SKIP
    ['people', 'model']
    """
    check_count("n_items", n_items, MIN_ITEMS)
    from alignkit.train.hba_meg._finished_run import FinishedRun
    from alignkit.train.hba_meg._predictors import predictor_of

    run = FinishedRun.open(path, device=device, progress=progress, architecture=architecture)
    cells, _ = cells_of(run.data, seed=run.config.loop.seed)
    if not cells:
        msg = f"the run in {path} has too few items on any side of its split for an RDM that tells something."
        raise ValueError(msg)
    cell = cells[0]
    rows = _ordered(run.data, cell, drawn(cell.rows, n_items, run.config.loop.seed))
    model = predictor_of(run.model, run.name, run.data, run.config)
    return {"people": _people(run.data, cell, rows), "model": model(rows)}


def _people(data: HBAMEGData, cell: Cell, rows: IntArray) -> RDM:
    """Return the mean RDMs of the people of a cell."""
    everybody = data.movie(rows, cell.names, test=cell.other_sessions)
    mean = mean_of_numbers(everybody.values)
    return condensed_rdm(mean, everybody.labels, dims=("time",), coords={"time": data.times}, metric=everybody.metric)


def _ordered(data: HBAMEGData, cell: Cell, rows: IntArray) -> IntArray:
    """Return rows in an order in which what people's RDMs hold alike is near."""
    from scipy.cluster.hierarchy import leaves_list, linkage

    late = data.times >= 0 if (data.times >= 0).any() else np.ones(len(data.times), dtype=bool)
    mean: FloatArray = mean_of_numbers(np.asarray(_people(data, cell, rows).values)[late])
    if not np.isfinite(mean).all():  # nothing to go by: some pairs were never measured
        return rows
    # crossnobis distances may lie below 0, which linkages do not take
    return np.asarray(rows[leaves_list(linkage(mean - mean.min(), "average", optimal_ordering=True))])
