"""The container of brain patterns: voxels by rows, with the condition and the run of each row."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import as_float_array, as_labels, check_count, check_finite, counted, join_names, shown
from alignkit._result import jsonable
from alignkit._typing import AnyArray, FloatArray, IntArray, PathLike

if TYPE_CHECKING:
    from alignkit.rsa import RDM, NoisePrecision
    from alignkit.rsa._metrics import Metric
    from alignkit.rsa._shrinkage import Shrinkage


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Patterns:
    """Brain patterns of one region: a row per condition and run (or per block, volume, trial), a column per voxel.

    Parameters
    ----------
    values : ndarray, shape (rows, voxels)
        Betas or averages, in the unit of the images; read-only.
    labels : tuple of str, shape (rows,)
        The condition of each row.
    folds : tuple of str, shape (rows,)
        The run of each row: the independent folds of cross-validated distances.
    roi : str, optional
        Name of the one region that the voxels are from.
    regions : mapping of str to ndarray of int
        The columns of each region of an atlas; empty where there is one region.
    voxels : ndarray of int, shape (voxels, 3), optional
        Where each voxel lies in the image's grid.
    affine : ndarray, shape (4, 4), optional
        From the grid to mm.
    grid : tuple of int, shape (3,), optional
        Size of the grid.
    residuals : ndarray, shape (volumes, voxels), optional
        What the model of each run left unexplained; the noise is estimated from it.
    residual_folds : tuple of str, shape (volumes,)
        The run of each row of ``residuals``.
    dof : mapping of str to int
        Degrees of freedom of each run's residuals: their expected sum of squares per voxel and unit of variance.
    dropped : mapping of str to mapping of str to int
        How many voxels of each region (or of the ``"mask"``) were left out, by reason: ``"nan"``, ``"constant"``,
        ``"outside"`` the image.
    provenance : mapping
        What the patterns were made from and how.

    Raises
    ------
    ValueError
        Sizes that do not fit each other, NaN or infinite values, or residuals of runs without degrees of freedom.
    TypeError
        Values that are not real numbers.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> runs = Patterns(rng.normal(size=(6, 50)), labels=["face", "house", "shoe"] * 2, folds=[1, 1, 1, 2, 2, 2])
    >>> runs
    <Patterns 6 rows x 50 voxels: 3 conditions (face, house, shoe) in 2 runs; no residuals>
    >>> runs.rdm(metric="crossnobis").labels
    ('face', 'house', 'shoe')
    """

    values: FloatArray
    labels: tuple[str, ...]
    folds: tuple[str, ...]
    roi: str | None = None
    regions: Mapping[str, IntArray] = dataclasses.field(default_factory=dict)
    voxels: IntArray | None = None
    affine: FloatArray | None = None
    grid: tuple[int, ...] | None = None
    residuals: FloatArray | None = None
    residual_folds: tuple[str, ...] = ()
    dof: Mapping[str, int] = dataclasses.field(default_factory=dict)
    dropped: Mapping[str, Mapping[str, int]] = dataclasses.field(default_factory=dict)
    provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        values = _as_matrix("values", self.values)
        n_rows, n_voxels = values.shape
        fields: dict[str, Any] = {
            "values": values,
            "labels": as_labels("labels", self.labels, n_rows, unique=False),
            "folds": as_labels("folds", self.folds, n_rows, unique=False),
            "voxels": None if self.voxels is None else _as_voxels(self.voxels, n_voxels),
            "affine": None if self.affine is None else _as_affine(self.affine),
            "grid": None if self.grid is None else tuple(check_count("grid", size, 1) for size in self.grid),
            "regions": _as_regions(self.regions, n_voxels),
            "dropped": {str(name): _as_counts(f"dropped[{name!r}]", each) for name, each in self.dropped.items()},
            "provenance": json.loads(json.dumps(jsonable(self.provenance), default=str)),
        }
        _check_kind("roi", self.roi, str | None, "the name of a region")
        _check_kind("provenance", self.provenance, Mapping, "a mapping")
        fields |= _as_noise(self.residuals, self.residual_folds, self.dof, n_voxels)
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    @property
    def n_voxels(self) -> int:
        """Number of voxels."""
        return self.values.shape[1]

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions, in order of first appearance."""
        return tuple(dict.fromkeys(self.labels))

    @property
    def runs(self) -> tuple[str, ...]:
        """The runs (folds), in order of first appearance."""
        return tuple(dict.fromkeys(self.folds))

    def __repr__(self) -> str:
        region = f" in {self.roi}" if self.roi is not None else ""
        region += f" in {counted(len(self.regions), 'region')}" if self.regions else ""
        names = ", ".join([*self.conditions[:3], "..."][: len(self.conditions)])
        noise = "no residuals"
        if self.residuals is not None:
            degrees = counted(sum(self.dof.values()), "degree")
            noise = f"residuals of {counted(len(self.residuals), 'volume')}, {degrees} of freedom"
        n_dropped = sum(sum(counts.values()) for counts in self.dropped.values())
        left_out = f"; {counted(n_dropped, 'voxel')} left out" if n_dropped else ""
        return (
            f"<Patterns {counted(len(self.values), 'row')} x {counted(self.n_voxels, 'voxel')}{region}: "
            f"{counted(len(self.conditions), 'condition')} ({names}) in {counted(len(self.runs), 'run')}; "
            f"{noise}{left_out}>"
        )

    def region(self, name: str) -> Patterns:
        """Return the patterns of one region of the atlas.

        Raises
        ------
        ValueError
            A region that there is not.
        """
        if name not in self.regions:
            msg = f"there is no region {shown(name)}; there are {join_names(self.regions, 20) or 'none'}."
            raise ValueError(msg)
        columns = self.regions[name]
        return dataclasses.replace(
            self,
            values=self.values[:, columns],
            roi=name,
            regions={},
            voxels=None if self.voxels is None else self.voxels[columns],
            residuals=None if self.residuals is None else self.residuals[:, columns],
            dropped={name: self.dropped[name]} if name in self.dropped else {},
        )

    def coordinates(self) -> FloatArray:
        """Return where each voxel lies in mm, shape (voxels, 3).

        Raises
        ------
        ValueError
            Patterns without voxels or affine.
        """
        if self.voxels is None or self.affine is None:
            msg = "these patterns do not say where their voxels lie; build them with voxels= and affine=."
            raise ValueError(msg)
        return self.voxels @ self.affine[:3, :3].T + self.affine[:3, 3]

    def select(
        self, *, labels: str | Iterable[Any] | None = None, folds: str | Iterable[Any] | None = None
    ) -> Patterns:
        """Return the rows of some conditions and runs, in their own order; residuals of other runs go as well.

        Raises
        ------
        ValueError
            Conditions or runs that do not occur, or no row that has both.
        """
        wanted = _wanted("labels", labels, self.conditions), _wanted("folds", folds, self.runs)
        pairs = zip(self.labels, self.folds, strict=True)
        rows = [i for i, (label, fold) in enumerate(pairs) if label in wanted[0] and fold in wanted[1]]
        if not rows:
            msg = "no row has one of these labels in one of these folds."
            raise ValueError(msg)
        changes: dict[str, Any] = {}
        if self.residuals is not None:
            kept = [i for i, fold in enumerate(self.residual_folds) if fold in wanted[1]]
            changes["residuals"] = self.residuals[kept] if kept else None
            changes["residual_folds"] = [self.residual_folds[i] for i in kept]
            changes["dof"] = {fold: n for fold, n in self.dof.items() if fold in wanted[1]} if kept else {}
        return dataclasses.replace(
            self,
            values=self.values[rows],
            labels=tuple(self.labels[i] for i in rows),
            folds=tuple(self.folds[i] for i in rows),
            **changes,
        )

    def rdm(self, *, metric: Metric = "crossnobis", noise: object = "auto", **options: Any) -> RDM:
        r"""Return the RDM of the conditions, cross-validated over runs where the metric is; one per region if several.

        Parameters
        ----------
        metric : str
            As in :func:`alignkit.rsa.rdm`.
        noise : {"auto", "shrinkage_eye", "shrinkage_diag", "diag", "full"}, None, or what alignkit.rsa.rdm takes
            How the voxels' noise is estimated from the residuals of all runs (:meth:`noise_precision`), or the noise
            itself. ``"auto"`` is ``"shrinkage_eye"`` when there are residuals and the metric takes noise, else None;
            None leaves the voxels as they are. The RDM's provenance says which it was.
        **options
            More options of :func:`alignkit.rsa.rdm`.

        Returns
        -------
        RDM
            With an axis ``"roi"`` where there are several regions.

        Raises
        ------
        ValueError
            What :func:`alignkit.rsa.rdm` refuses, or an estimate without residuals.
        """
        from alignkit.data._patterns_rdm import patterns_rdm

        return patterns_rdm(self, metric, noise, options)

    def noise_precision(self, *, method: Shrinkage = "shrinkage_eye", per_run: bool = False) -> NoisePrecision:
        """Return the precision of the voxels' noise, from the residuals of all runs or of each run by itself.

        Parameters
        ----------
        method : {"shrinkage_eye", "shrinkage_diag", "diag", "full"}
            As in :func:`alignkit.rsa.noise_precision`.
        per_run : bool
            One precision per run, in place of one for all.

        Raises
        ------
        ValueError
            Patterns without residuals or with several regions (choose one first), or an unknown method.
        """
        from alignkit.data._patterns_rdm import patterns_precision

        return patterns_precision(self, method, per_run)

    def save(self, path: PathLike) -> None:
        """Write everything to one ``.npz`` without pickle, atomically; ``alignkit rdm`` reads it.

        Raises
        ------
        ValueError
            Another suffix.
        """
        from alignkit.data._patterns_file import save_patterns

        save_patterns(self, path)

    @classmethod
    def load(cls, path: PathLike) -> Patterns:
        """Read what :meth:`save` wrote.

        Raises
        ------
        ValueError
            Another kind of file, or a damaged one.
        """
        from alignkit.data._patterns_file import load_patterns

        return load_patterns(path)

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        from alignkit.data._patterns_text import methods_text

        return methods_text(self)


def _as_matrix(name: str, values: object) -> FloatArray:
    matrix = as_float_array(name, values, ndim=2)
    if matrix.size == 0:
        msg = f"{name} must have at least one row and one voxel; got shape {matrix.shape}."
        raise ValueError(msg)
    check_finite(name, matrix)
    return _frozen(matrix)


def _frozen(array: AnyArray) -> AnyArray:
    """Return a read-only array that nobody else can write to."""
    result = array.copy() if array.flags.writeable or not array.flags.owndata else array
    result.flags.writeable = False
    return result


def _as_voxels(voxels: object, n_voxels: int) -> IntArray:
    array = np.asarray(voxels)
    if array.shape != (n_voxels, 3) or array.dtype.kind not in "iu":
        msg = f"voxels must hold three whole numbers per voxel, shape ({n_voxels}, 3); got {array.shape} {array.dtype}."
        raise ValueError(msg)
    return _frozen(array.astype(np.int64))


def _check_kind(name: str, value: object, kind: Any, allowed: str) -> None:
    if not isinstance(value, kind):
        msg = f"{name} must be {allowed}; got {shown(value)}."
        raise TypeError(msg)


def _as_affine(affine: object) -> FloatArray:
    array = as_float_array("affine", affine, ndim=2)
    if array.shape != (4, 4):
        msg = f"affine must have shape (4, 4); got {array.shape}."
        raise ValueError(msg)
    check_finite("affine", array)
    return _frozen(array)


def _as_counts(name: str, counts: Mapping[str, int]) -> dict[str, int]:
    return {str(reason): check_count(f"{name}[{reason!r}]", n) for reason, n in counts.items()}


def _as_regions(regions: Mapping[str, Any], n_voxels: int) -> dict[str, IntArray]:
    result = {}
    for name, columns in zip(as_labels("regions", regions), regions.values(), strict=True):
        array = np.asarray(columns)
        fits = array.ndim == 1 and array.size and array.dtype.kind in "iu"
        if not fits or array.min() < 0 or array.max() >= n_voxels or len(np.unique(array)) < array.size:
            msg = f"regions[{name!r}] must hold columns of the {n_voxels} voxels, each once; got {shown(columns)}."
            raise ValueError(msg)
        result[name] = _frozen(array.astype(np.int64))
    return result


def _as_noise(residuals: object, folds: Iterable[Any], dof: Mapping[str, int], n_voxels: int) -> dict[str, Any]:
    if residuals is None:
        if tuple(folds) or dof:
            msg = "residual_folds and dof are of residuals=, which is missing."
            raise ValueError(msg)
        return {"residual_folds": (), "dof": {}}
    matrix = _as_matrix("residuals", residuals)
    if matrix.shape[1] != n_voxels:
        msg = f"residuals must have the {n_voxels} voxels of the patterns; got {matrix.shape[1]}."
        raise ValueError(msg)
    names = as_labels("residual_folds", folds, len(matrix), unique=False)
    degrees = {str(fold): check_count(f"dof[{fold!r}]", n, 1) for fold, n in dof.items()}
    if set(degrees) != set(names):
        msg = (
            f"dof must say the degrees of freedom of every run of residuals: {join_names(dict.fromkeys(names))}; got "
            f"{join_names(degrees)}."
        )
        raise ValueError(msg)
    return {"residuals": matrix, "residual_folds": names, "dof": degrees}


def _wanted(name: str, values: str | Iterable[Any] | None, known: tuple[str, ...]) -> set[str]:
    if values is None:
        return set(known)
    wanted = as_labels(name, [values] if isinstance(values, str) else values)
    missing = [value for value in wanted if value not in known]
    if missing:
        msg = f"{name}: there is no {join_names(missing)}; there are {join_names(known, 12)}."
        raise ValueError(msg)
    return set(wanted)
