"""Brain patterns from betas that were estimated elsewhere: one volume per condition and run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from alignkit._check import as_labels, join_names, shown
from alignkit._typing import BoolArray, FloatArray
from alignkit.data._nifti import Image, check_same_grid, open_images
from alignkit.data._patterns import Patterns
from alignkit.data._regions import Atlas, ImageLike, Names, find_regions
from alignkit.data._voxels import place, union_of, unusable

_REMEDY = "all images must share one grid; bring them there with nilearn.image.resample_to_img."


def read_betas(
    images: ImageLike | Sequence[ImageLike],
    /,
    *,
    labels: Iterable[Any],
    folds: Iterable[Any],
    mask: ImageLike | None = None,
    atlas: Atlas | None = None,
    names: Names | None = None,
    roi: str | Iterable[str] | None = None,
    residuals: Mapping[str, ImageLike] | Sequence[ImageLike] | None = None,
    dof: int | Mapping[str, int] | None = None,
    resample: bool = False,
) -> Patterns:
    """Read brain patterns from images of betas (or t values), one volume per condition and run.

    Parameters
    ----------
    images : path, nibabel image, or sequence of these
        One 4-D image or several images of one grid; their volumes, in order, are the rows.
    labels, folds : sequence, shape (rows,)
        The condition and the run (session, subject) of each volume. Runs are the folds of cross-validated distances:
        betas of one run must rest on that run alone.
    mask : path or nibabel image, optional
        Binary 3-D image of the voxels to read, on the grid of the images.
    atlas : path, nibabel image, mapping of str to these, or sequence of paths, optional
        Regions: one image with a whole number per region (0 outside), or a binary mask per region. With ``mask``,
        voxels must lie in both.
    names : path, DataFrame, mapping of int to str, or sequence of str, optional
        The regions of ``atlas`` by number: a table with the columns index and name (a BIDS ``dseg.tsv``, nilearn's
        ``lut``), or a list that begins with the name of 0. Numbers of one name are one region. By default their number
        is their name.
    roi : str or sequence of str, optional
        Read these regions only.
    residuals : mapping of str to 4-D image, or sequence of 4-D images, optional
        What the models left unexplained, by run or in the order in which runs first appear in ``folds``; the noise is
        estimated from it.
    dof : int, or mapping of str to int, optional
        Degrees of freedom of each run's residuals (volumes less regressors); required with ``residuals``.
    resample : bool
        Bring a mask or atlas of another grid to that of the images (nearest neighbour, by nilearn). The images
        themselves are never resampled.

    Returns
    -------
    Patterns
        Voxels with NaN, voxels that are constant within a run and voxels of regions that lie outside the images are
        left out, and counted in one warning and in ``dropped``.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        Nothing where an image should be, or a folder.
    ValueError
        Damaged files, an image given twice, other grids, masks that are not binary or are empty, names that do not fit,
        a wrong number of labels or folds, residuals that do not fit the runs, or no voxel left.
    TypeError
        Arrays in place of images.

    Examples
    --------
    >>> read_betas(  # doctest: +SKIP
    ...     sorted(Path("glm").glob("beta_*.nii")), labels=["face", "house"] * 8, folds=np.repeat(range(8), 2),
    ...     mask="ventral_temporal.nii",
    ... )
    <Patterns 16 rows x 577 voxels: 2 conditions (face, house) in 8 runs; no residuals>
    """
    opened = open_images("images", images)
    for other in opened[1:]:
        check_same_grid(opened[0], other, remedy=_REMEDY)
    n_rows = sum(image.n_volumes for image in opened)
    label_names = as_labels("labels", labels, n_rows, unique=False)
    fold_names = as_labels("folds", folds, n_rows, unique=False)
    regions = find_regions(opened[0], mask=mask, atlas=atlas, names=names, roi=roi, resample=resample)
    union = union_of(regions)
    values = np.concatenate([image.voxels(union) for image in opened])
    nan, constant = unusable(values, fold_names)
    noise = _read_residuals(residuals, dof, tuple(dict.fromkeys(fold_names)), opened[0], union)
    if noise:
        noise_nan, noise_constant = unusable(noise["residuals"], noise["residual_folds"])
        nan, constant = nan | noise_nan, (constant | noise_constant) & ~(nan | noise_nan)
    where = place(regions, nan, constant, opened[0])
    good = ~(nan | constant)
    if noise:
        noise["residuals"] = noise["residuals"][:, good]
    made = {"made_by": "read_betas", "images": [image.name for image in opened], **source_names(mask, atlas)}
    return Patterns(values[:, good], label_names, fold_names, **where, **noise, provenance=made)


def source_names(mask: object, atlas: object) -> dict[str, Any]:
    """Return the files of mask and atlas where they are files."""
    sources = {"mask": mask, "atlas": atlas}
    return {name: os.fspath(source) for name, source in sources.items() if isinstance(source, str | os.PathLike)}


def _read_residuals(
    residuals: Mapping[str, ImageLike] | Sequence[ImageLike] | None,
    dof: int | Mapping[str, int] | None,
    runs: tuple[str, ...],
    grid: Image,
    union: BoolArray,
) -> dict[str, Any]:
    if residuals is None:
        if dof is not None:
            msg = "dof is of residuals=, which is missing."
            raise ValueError(msg)
        return {}
    if dof is None:
        msg = "residuals need dof=, the degrees of freedom of each run's model: its volumes less its regressors."
        raise ValueError(msg)
    by_run = _by_run(residuals, runs)
    parts: list[FloatArray] = []
    for run, image in zip(runs, open_images("residuals", list(by_run.values())), strict=True):
        check_same_grid(grid, image, remedy=_REMEDY)
        if image.n_volumes < 2:
            msg = f"the residuals of run {run!r} must be a 4-D image with a volume per time point; {image.name} is 3-D."
            raise ValueError(msg)
        parts.append(image.voxels(union))
    return {
        "residuals": np.concatenate(parts),
        "residual_folds": tuple(run for run, part in zip(runs, parts, strict=True) for _ in part),
        "dof": {str(run): n for run, n in dof.items()} if isinstance(dof, Mapping) else dict.fromkeys(runs, dof),
    }


def _by_run(residuals: Mapping[str, ImageLike] | Sequence[ImageLike], runs: tuple[str, ...]) -> dict[str, ImageLike]:
    if isinstance(residuals, Mapping):
        named = {str(run): image for run, image in residuals.items()}
        if set(named) != set(runs):
            msg = f"residuals must name the runs {join_names(runs)}; it names {join_names(named)}."
            raise ValueError(msg)
        return {run: named[run] for run in runs}
    if isinstance(residuals, str | os.PathLike) or not isinstance(residuals, Sequence) or len(residuals) != len(runs):
        msg = f"residuals must be one 4-D image per run, {len(runs)} in all; got {shown(residuals)}."
        raise ValueError(msg)
    return dict(zip(runs, residuals, strict=True))
