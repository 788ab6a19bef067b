"""Class weights from the features of prompts."""

from __future__ import annotations

import numpy as np

from alignkit._typing import FloatArray
from alignkit.rsa._grouping import sum_groups
from alignkit.score._joint_space import as_codes, as_unit_rows

#: A mean of unit vectors shorter than this is rounding: the prompts cancel out.
_NO_LENGTH = 1e-12


def zero_shot_classifier(text_features: object, classes_of_rows: object, /) -> FloatArray:
    r"""Return one weight vector per class: the direction of the mean of its prompts' unit vectors.

    .. math:: w_c = \frac{m_c}{\|m_c\|}, \qquad m_c = \frac{1}{n_c} \sum_{p \in c} \frac{t_p}{\|t_p\|}

    It is the transpose of what ``open_clip.build_zero_shot_classifier`` returns.

    Parameters
    ----------
    text_features : array_like, shape (texts, channels)
        One row per prompt, of any length.
    classes_of_rows : array_like of int, shape (texts,)
        The class of each prompt, from 0 on; every class has at least one. :func:`fill_templates` gives both texts and
        classes.

    Returns
    -------
    ndarray, shape (classes, channels)
        Rows of unit length.

    Raises
    ------
    ValueError
        Features with NaN or rows of zeros, another number of classes than of rows, a class without prompts, or one
        whose prompts cancel out.
    TypeError
        Features that are no numbers, or classes that are no whole numbers.

    References
    ----------
    Radford et al. (2021), https://doi.org/10.48550/arXiv.2103.00020

    Examples
    --------
    >>> zero_shot_classifier([[2.0, 0.0], [0.0, 3.0], [0.0, -1.0]], [0, 0, 1]).round(3).tolist()
    [[0.707, 0.707], [0.0, -1.0]]
    """
    unit = as_unit_rows("text_features", text_features)
    codes = as_codes("classes_of_rows", classes_of_rows, n=len(unit))
    # a number beyond the texts leaves a class without one; no table is made for numbers that large
    n_classes = min(int(codes.max()) + 1, len(unit) + 1)
    missing = np.setdiff1d(np.arange(n_classes), codes)
    if missing.size:
        msg = f"every class up to {int(codes.max())} needs a prompt; class {missing[0]} has none."
        raise ValueError(msg)
    means = sum_groups(unit, codes, n_classes) / np.bincount(codes)[:, None]
    length = np.linalg.norm(means, axis=1)
    if (length < _NO_LENGTH).any():
        msg = f"the prompts of class {int(length.argmin())} cancel out: their mean has no direction."
        raise ValueError(msg)
    return np.asarray(means / length[:, None])
