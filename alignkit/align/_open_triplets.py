"""Triplets with a teacher's similarities, from whichever format they are kept in."""

from __future__ import annotations

from pathlib import Path

from alignkit._check import check_choice
from alignkit._typing import PathLike
from alignkit.align._triplet_file import TripletFile

#: What triplets can be kept in.
SUFFIXES = (".npz", ".zarr", ".parquet")


def open_triplets(path: PathLike, /) -> TripletFile:
    r"""Open triplets with a teacher's similarities: AligNet's published layout, or what ``write_triplets`` wrote.

    Parameters
    ----------
    path : path-like
        - ``.npz``: ``filenames`` (n, 3) and ``similarities`` (n, 3), as published [1]_; ``indices`` that come with them
          number another data set and are not used.
        - ``.zarr``: a folder of :func:`write_triplets`.
        - ``.parquet``: a folder of :func:`write_triplets`; needs pyarrow.

    Returns
    -------
    TripletFile
        ``names``, the number of triplets by ``len()``, and ``block(start, stop)``.

    Raises
    ------
    FileNotFoundError
        No such file or folder.
    ValueError
        Another suffix, an unfinished, damaged or oversized file, pickled objects, or similarities that are not finite.
    ImportError
        Parquet without pyarrow.

    References
    ----------
    .. [1] Muttenthaler et al. (2025), Aligning machine and human visual representations across abstraction levels,
       Nature. doi:10.1038/s41586-025-09631-6

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import numpy as np
    >>> path = pathlib.Path(tempfile.mkdtemp(), "train_cluster_border.npz")
    >>> np.savez(path, filenames=[["cat.jpg", "dog.jpg", "car.jpg"]], similarities=[[4.0, 1.0, 0.5]])
    >>> triplets = open_triplets(path)
    >>> triplets.names
    ('car.jpg', 'cat.jpg', 'dog.jpg')
    >>> triplets.block(0, 1)[0]
    array([[1, 2, 0]])
    """
    path = Path(path)
    check_choice(f"the suffix of {path}", path.suffix.lower(), SUFFIXES)
    if path.suffix.lower() == ".npz":
        from alignkit.align._triplets_npz import read_npz

        return read_npz(path)
    if path.suffix.lower() == ".zarr":
        from alignkit.align._triplets_zarr import read_zarr

        return read_zarr(path)
    from alignkit.align._triplets_parquet import read_parquet

    return read_parquet(path)
