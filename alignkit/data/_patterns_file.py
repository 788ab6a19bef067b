"""Brain patterns on disk: one ``.npz`` without pickle."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import as_labels
from alignkit._io import load_npz, save_npz
from alignkit._typing import AnyArray, PathLike

if TYPE_CHECKING:
    from alignkit.data._patterns import Patterns

KIND = "Patterns"
_MEMBERS = {"alignkit.json.npy", "values.npy", "labels.npy", "folds.npy"}
_OPTIONAL = ("voxels", "affine", "residuals")
_TEXTS = ("labels", "folds")


def save_patterns(patterns: Patterns, path: PathLike) -> None:
    """Write patterns, atomically."""
    if Path(path).suffix.lower() != ".npz":
        msg = f"patterns are saved as .npz; got {str(path)!r}."
        raise ValueError(msg)
    arrays: dict[str, AnyArray] = {"values": patterns.values}
    arrays |= {name: np.array(getattr(patterns, name)) for name in _TEXTS}
    arrays |= {name: getattr(patterns, name) for name in _OPTIONAL if getattr(patterns, name) is not None}
    if patterns.residuals is not None:
        arrays["residual_folds"] = np.array(patterns.residual_folds)
    arrays |= {f"region_{i}": columns for i, columns in enumerate(patterns.regions.values())}
    meta = {
        "kind": KIND,
        "roi": patterns.roi,
        "regions": list(patterns.regions),
        "grid": patterns.grid,
        "dof": patterns.dof,
        "dropped": patterns.dropped,
        "provenance": patterns.provenance,
    }
    save_npz(path, arrays, meta)


def is_patterns_file(path: PathLike) -> bool:
    """Return whether a file holds the arrays that :func:`save_patterns` writes; only its index is read."""
    path = Path(path)
    if path.suffix.lower() != ".npz" or not path.is_file():
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return set(archive.namelist()) >= _MEMBERS
    except (zipfile.BadZipFile, OSError):  # whoever reads it says what is wrong
        return False


def load_patterns(path: PathLike) -> Patterns:
    """Read patterns, with one sentence when the file is another kind or damaged."""
    from alignkit.data._patterns import Patterns

    arrays, meta = load_npz(path)
    if meta.get("kind") != KIND:
        msg = f"{path} does not hold brain patterns; `alignkit patterns` or Patterns.save writes them."
        raise ValueError(msg)
    try:
        return Patterns(**_fields(arrays, meta))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        msg = f"{path} does not hold brain patterns of this version of alignkit ({error}); it may be damaged."
        raise ValueError(msg) from error


def _fields(arrays: dict[str, AnyArray], meta: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {"values": arrays["values"]}
    fields |= {name: tuple(arrays[name].tolist()) for name in _TEXTS}
    fields |= {name: arrays.get(name) for name in _OPTIONAL}
    fields["residual_folds"] = tuple(arrays["residual_folds"].tolist()) if "residual_folds" in arrays else ()
    names = as_labels("regions", meta["regions"])
    fields["regions"] = {name: arrays[f"region_{i}"] for i, name in enumerate(names)}
    fields["grid"] = None if meta["grid"] is None else tuple(meta["grid"])
    return fields | {name: meta[name] for name in ("roi", "dof", "dropped", "provenance")}
