"""RDMs on disk: one ``.npz`` without pickle, or a ``.zarr`` folder for what does not fit in memory."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._io import check_file, load_array, load_npz, save_npz
from alignkit._typing import AnyArray, PathLike

if TYPE_CHECKING:
    from alignkit.rsa._container import RDM

_SCHEMA = "alignkit.RDM/1"


def save(rdm: RDM, path: PathLike) -> None:
    """Write an RDM to ``.npz`` or ``.zarr``."""
    path = Path(path)
    arrays, meta = _to_parts(rdm)
    if path.suffix == ".npz":
        save_npz(path, arrays, meta)
    elif path.suffix == ".zarr":
        _save_zarr(path, arrays, meta)
    else:
        msg = f"RDMs are saved as .npz or .zarr; got {str(path)!r}."
        raise ValueError(msg)


def load(path: PathLike) -> dict[str, Any]:
    """Return the arguments that build the RDM held by ``path``."""
    path = Path(path)
    if path.suffix == ".zarr":
        return _from_parts(path, *_load_zarr(path))
    if path.suffix == ".npz":
        arrays, meta = load_npz(path)
        if meta.get("schema") == _SCHEMA:
            return _from_parts(path, arrays, meta)
    return {"values": load_array(path), "provenance": {"file": path.name}}


def _to_parts(rdm: RDM) -> tuple[dict[str, AnyArray], dict[str, Any]]:
    arrays: dict[str, AnyArray] = {"values": rdm.values}
    if rdm.labels is not None:
        arrays["labels"] = np.array(rdm.labels)
    arrays |= {f"coord_{name}": values for name, values in rdm.coords.items()}
    meta = {
        "schema": _SCHEMA,
        "dims": list(rdm.dims),
        "metric": rdm.metric,
        "provenance": dict(rdm.provenance),
    }
    return arrays, meta


def _from_parts(path: Path, arrays: dict[str, AnyArray], meta: dict[str, Any]) -> dict[str, Any]:
    if meta.get("schema") != _SCHEMA or "values" not in arrays:
        msg = f"{path} is not an RDM saved by alignkit (schema {_SCHEMA!r} expected, got {meta.get('schema')!r})."
        raise ValueError(msg)
    return {
        "values": arrays["values"],
        "labels": arrays["labels"].tolist() if "labels" in arrays else None,
        "dims": meta["dims"],
        "coords": {name.removeprefix("coord_"): v for name, v in arrays.items() if name.startswith("coord_")},
        "metric": meta["metric"],
        "provenance": meta["provenance"],
    }


def _save_zarr(path: Path, arrays: dict[str, AnyArray], meta: dict[str, Any]) -> None:
    import zarr

    if not path.parent.is_dir():
        msg = f"the folder {path.parent} does not exist; create it first."
        raise FileNotFoundError(msg)
    if path.exists() and not (path / "zarr.json").is_file():
        msg = f"{path} exists and is not a zarr folder; choose another name."
        raise ValueError(msg)
    # written beside the target, then renamed: a reader never sees half a folder
    building = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        group = zarr.open_group(building, mode="w")
        for name, array in arrays.items():
            # text travels as UTF-8 bytes in JSON: zarr v3 has no settled string type
            if array.dtype.kind in "US":
                group.attrs[name] = array.tolist()
            else:
                group.create_array(name, data=np.asarray(array))
        group.attrs["alignkit"] = meta
        _swap(building, path)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


def _swap(building: Path, path: Path) -> None:
    # a folder cannot be replaced in one step: the old one steps aside first and comes back on failure
    building.chmod(0o755)
    aside = path.with_name(f".{path.name}.old")
    shutil.rmtree(aside, ignore_errors=True)
    if path.exists():
        path.rename(aside)
    try:
        building.rename(path)
    except OSError:
        if aside.exists():
            aside.rename(path)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _load_zarr(path: Path) -> tuple[dict[str, AnyArray], dict[str, Any]]:
    import zarr

    if not path.is_dir():
        check_file(path)
        msg = f"{path} is a file; a .zarr folder is expected."
        raise ValueError(msg)
    try:
        group = zarr.open_group(path, mode="r")
        arrays: dict[str, AnyArray] = {name: np.asarray(array[...]) for name, array in group.arrays()}
        attributes = dict(group.attrs)
    except Exception as error:  # zarr raises many kinds on damaged folders
        msg = f"{path} is not a readable zarr folder ({error}); it is incomplete or damaged."
        raise ValueError(msg) from error
    meta = attributes.pop("alignkit", {})
    arrays |= {name: np.array(values) for name, values in attributes.items() if isinstance(values, list)}
    return arrays, meta if isinstance(meta, dict) else {}
