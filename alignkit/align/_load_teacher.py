"""Fitted teachers from their folders."""

from __future__ import annotations

from alignkit._typing import PathLike
from alignkit.align._teacher_transform import TeacherTransform


def load_teacher(path: PathLike, /) -> TeacherTransform:
    """Read a teacher that :meth:`TeacherTransform.save` or ``alignkit align fit`` wrote.

    Parameters
    ----------
    path : path-like
        Its folder.

    Returns
    -------
    TeacherTransform

    Raises
    ------
    FileNotFoundError
        No such folder, or one without a teacher.
    ValueError
        A teacher that is damaged, whose weights have another checksum than noted, or of a newer schema.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from alignkit.align import fit_transform
    >>> x = np.random.default_rng(0).normal(size=(6, 2))
    >>> teacher = fit_transform(x, [[0, 1, 2], [3, 4, 5], [0, 2, 4]], penalty=1.0, calibrate=False)
    >>> folder = pathlib.Path(tempfile.mkdtemp(), "teacher")
    >>> teacher.save(folder)
    >>> bool(np.array_equal(load_teacher(folder).apply(x), teacher.apply(x)))
    True
    """
    return TeacherTransform.load(path)
