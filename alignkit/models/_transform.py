"""Linear transforms of features: gLocal's published matrices, any npz of the same layout, and fitted teachers."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import as_float_array, check_finite, check_positive, join_names
from alignkit._io import load_npz, sha256
from alignkit._typing import FloatArray, PathLike
from alignkit.models._transform_folder import read_transform_folder, temperature_of

if TYPE_CHECKING:
    from pathlib import Path


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Transform:
    r"""An affine map of features, :math:`((x - \mu) / \sigma)\, W + b`.

    gLocal learns W from human odd-one-out answers [1]_; its files store one scalar mean and one scalar standard
    deviation of the features it was fitted on.

    Parameters
    ----------
    weights : array_like, shape (channels, new_channels)
        W.
    bias : array_like, shape (new_channels,), optional
        b; zero by default.
    mean, std : float or array_like, shape (channels,), optional
        0 and 1 by default; ``std`` must not hold zeros.
    name : str
        Shown in tables; :func:`load_transform` takes the file's stem.
    sha256 : str, optional
        Of the file it came from.
    fitted_items : sequence of str, optional
        Items whose judgements it was fitted to, where that is known: scores about these are in-sample.

    Raises
    ------
    ValueError
        Shapes that do not fit together, NaN or infinities, a zero standard deviation.
    TypeError
        Values that are not real numbers.

    References
    ----------
    .. [1] Muttenthaler et al. (2023), Improving neural network representations using human similarity judgments,
       NeurIPS 36. doi:10.48550/arXiv.2306.04507

    Examples
    --------
    >>> swap = Transform([[0.0, 1.0], [1.0, 0.0]], bias=[10.0, 0.0], mean=1.0, std=2.0)
    >>> swap.apply([[1.0, 3.0]])
    array([[11.,  0.]])
    """

    weights: FloatArray
    bias: FloatArray | None = None
    mean: FloatArray | float = 0.0
    std: FloatArray | float = 1.0
    name: str = "transform"
    sha256: str | None = None
    fitted_items: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        weights = as_float_array("weights", self.weights, ndim=2)
        if weights.size == 0:
            msg = f"weights must have at least one row and one column; got shape {weights.shape}."
            raise ValueError(msg)
        check_finite("weights", weights)
        put = object.__setattr__
        put(self, "weights", weights)
        put(self, "bias", None if self.bias is None else _as_row("bias", self.bias, weights.shape[1], scalar=False))
        put(self, "mean", _as_row("mean", self.mean, weights.shape[0]))
        put(self, "std", _as_row("std", self.std, weights.shape[0]))
        put(self, "fitted_items", None if self.fitted_items is None else tuple(self.fitted_items))
        if not np.all(self.std):
            msg = "std holds zeros; features cannot be divided by them."
            raise ValueError(msg)

    def __repr__(self) -> str:
        before, after = self.weights.shape
        return f"<Transform {self.name!r}: {before} -> {after} channels, {'no ' if self.bias is None else ''}bias>"

    def apply(self, x: object, /) -> FloatArray:
        """Return the transformed features as float64.

        Parameters
        ----------
        x : array_like, shape (..., channels)

        Returns
        -------
        ndarray, shape (..., new_channels)

        Raises
        ------
        ValueError
            Another number of channels than the transform was fitted for.
        """
        array = as_float_array("the features", x)
        n = self.weights.shape[0]
        if array.ndim == 0 or array.shape[-1] != n:
            msg = (
                f"the transform {self.name!r} takes features of {n} channels; got shape {array.shape}. "
                "It must come from the same model and layer as the features."
            )
            raise ValueError(msg)
        result = ((array - self.mean) / self.std) @ self.weights
        return result if self.bias is None else result + self.bias

    def cooled(self, temperature: float) -> Transform:
        """Return the transform whose dot products are this one's divided by a temperature.

        Raises
        ------
        ValueError
            A temperature that is no finite number above 0.
        """
        root = np.sqrt(check_positive("temperature", temperature))
        bias = None if self.bias is None else self.bias / root
        return dataclasses.replace(self, weights=self.weights / root, bias=bias)


def load_transform(path: PathLike, /) -> Transform:
    """Read a transform from an ``.npz`` with ``weights`` and maybe ``bias``, ``mean``, ``std``, or a teacher's folder.

    Parameters
    ----------
    path : path-like
        A file of gLocal's published layout, or a folder of :meth:`alignkit.align.TeacherTransform.save`, whose
        temperature becomes part of the weights: what it gives is what the teacher's ``apply`` gives.

    Returns
    -------
    Transform

    Raises
    ------
    FileNotFoundError
        No such file, or a folder without a teacher.
    ValueError
        A damaged file, no ``weights``, unknown arrays, or shapes that do not fit together.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp(), "double.npz")
    >>> np.savez(path, weights=2 * np.eye(2), mean=0.5, std=1.0)
    >>> load_transform(path).apply([[1.5, 0.5]])
    array([[2., 0.]])
    """
    from pathlib import Path

    if Path(path).is_dir():
        return _from_folder(Path(path))
    arrays = load_npz(path)[0]
    names = {"weights", "bias", "mean", "std"}
    if "weights" not in arrays or not set(arrays) <= names:
        msg = (
            f"{path} is not a transform: it must hold 'weights' and at most bias, mean, std; got {join_names(arrays)}."
        )
        raise ValueError(msg)
    parts: dict[str, Any] = {name: array for name, array in arrays.items() if name != "weights"}
    try:
        return Transform(arrays["weights"], **parts, name=Path(path).stem, sha256=sha256(path))
    except (TypeError, ValueError) as error:
        msg = f"{path} is not a usable transform: {error}"
        raise ValueError(msg) from error


def _from_folder(folder: Path) -> Transform:
    arrays, manifest = read_transform_folder(folder)
    try:
        name, seen = folder.resolve().name, as_fitted_items(manifest.get("labels"))
        fitted = Transform(**arrays, name=name, sha256=manifest["sha256"], fitted_items=seen)
    except (TypeError, ValueError) as error:
        msg = f"{folder} holds no usable transform: {error}"
        raise ValueError(msg) from error
    return fitted.cooled(temperature_of(folder, manifest))


def as_fitted_items(names: object, /) -> tuple[str, ...] | None:
    """Return the names that a manifest notes; None where it notes none."""
    known = isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
    return tuple(names) if known else None  # type: ignore[arg-type]


def seen_by(earlier: object, items: tuple[str, ...] | None) -> dict[str, list[str]]:
    """Return what a manifest notes of the items that transforms were fitted to: those of earlier ones as well."""
    before = as_fitted_items(earlier.get("fitted_items")) if isinstance(earlier, dict) else None
    found = dict.fromkeys([*(before or ()), *(items or ())])
    return {"fitted_items": list(found)} if found else {}


def _as_row(name: str, values: object, n: int, *, scalar: bool = True) -> FloatArray:
    row = as_float_array(name, values)
    if row.shape not in ({(), (1,), (n,)} if scalar else {(n,)}):
        what = f"one number or {n}" if scalar else f"{n} numbers"
        msg = f"{name} must be {what}, to fit weights; got shape {row.shape}."
        raise ValueError(msg)
    check_finite(name, row)
    return row
