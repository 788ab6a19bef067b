"""RDMs on disk: one ``.npz`` without pickle, or a chunked ``.zarr`` folder."""

from __future__ import annotations

import math
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import as_floats, check_count
from alignkit._io import MAX_BYTES, check_file, exchange, load_array, load_npz, save_npz
from alignkit._typing import AnyArray, PathLike
from alignkit.rsa._container import RDM, condensed_rdm
from alignkit.rsa._counts import dtype_of_counts, from_counts
from alignkit.rsa._zarr_pieces import check_all_pieces, check_metadata

if TYPE_CHECKING:
    import zarr

SCHEMA = "alignkit.RDM/1"
#: A zarr folder that is written slice by slice has an array of that name: which slices are done.
DONE = "done"


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


def load(path: PathLike) -> RDM:
    """Return the RDM held by ``path``."""
    path = Path(path)
    if path.suffix == ".zarr":
        from alignkit.rsa._tiled_rdm import TiledRDM
        from alignkit.rsa._tiles._store_files import is_tiled

        if is_tiled(path):
            return TiledRDM.open(path).load()
        return _from_parts(path, *_load_zarr(path))
    if path.suffix == ".npz":
        arrays, meta = load_npz(path)
        if "schema" in meta:
            return _from_parts(path, arrays, meta)
    array = load_array(path)
    try:
        return RDM(array, provenance={"file": path.name})
    except (ValueError, TypeError) as error:
        msg = f"{path}: {error}"
        raise type(error)(msg) from error


def _to_parts(rdm: RDM) -> tuple[dict[str, AnyArray], dict[str, Any]]:
    arrays: dict[str, AnyArray] = {"values": rdm.values}
    if rdm.labels is not None:
        arrays["labels"] = np.array(rdm.labels)
    arrays |= {f"coord_{name}": values for name, values in rdm.coords.items()}
    meta = {
        "schema": SCHEMA,
        "dims": list(rdm.dims),
        "metric": rdm.metric,
        "provenance": dict(rdm.provenance),
    }
    return arrays, meta


def _from_parts(path: Path, arrays: dict[str, AnyArray], meta: dict[str, Any]) -> RDM:
    if meta.get("schema") != SCHEMA:
        msg = f"{path} is not an RDM saved by alignkit (schema {SCHEMA!r} expected, got {meta.get('schema')!r})."
        raise ValueError(msg)
    done = arrays.get(DONE, np.ones(1))
    if not done.all():
        msg = (
            f"{path} holds {np.count_nonzero(done):,} of {done.size:,} slices: what writes it has not finished; run "
            "that again with the same options to continue."
        )
        raise ValueError(msg)
    if "values" not in arrays:
        msg = f"{path} is damaged: its values are missing."
        raise ValueError(msg)
    try:
        return condensed_rdm(
            as_floats("values", _decoded(arrays["values"], meta.get("n_decisions"))),
            arrays["labels"].tolist() if "labels" in arrays else None,
            dims=meta["dims"],
            coords={name.removeprefix("coord_"): v for name, v in arrays.items() if name.startswith("coord_")},
            metric=meta["metric"],
            provenance=meta["provenance"],
        )
    except (KeyError, TypeError, ValueError) as error:
        msg = f"{path} is damaged: its parts do not make an RDM ({error})."
        raise ValueError(msg) from error


def _decoded(values: AnyArray, n_decisions: object) -> AnyArray:
    """Return the values, or the accuracies where counts of decisions were stored."""
    if n_decisions is None:
        return values
    number = check_count("n_decisions", n_decisions, 1)
    if values.dtype != dtype_of_counts(number):
        msg = f"counts of {number} decisions are not stored as {values.dtype}"
        raise ValueError(msg)
    return from_counts(values, number)


def _save_zarr(path: Path, arrays: dict[str, AnyArray], meta: dict[str, Any]) -> None:
    import zarr

    if not path.parent.is_dir():
        msg = f"the folder {path.parent} does not exist; create it first."
        raise FileNotFoundError(msg)
    if path.exists() and not (path / "zarr.json").is_file():
        msg = f"{path} exists and is not a zarr folder; choose another name."
        raise ValueError(msg)
    # written beside the target, then renamed: a reader never sees half a folder
    workshop = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        group = zarr.open_group(workshop / "new", mode="w", zarr_format=3)
        for name, array in arrays.items():
            # text travels as JSON: zarr v3 has no settled string type
            if array.dtype.kind == "U":
                group.attrs[name] = array.tolist()
            else:
                # every chunk is written, so that a missing one means damage
                group.create_array(name, data=np.asarray(array), config={"write_empty_chunks": True})
        group.attrs["alignkit"] = meta
        swap(workshop, path)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def swap(workshop: Path, path: Path) -> None:
    # a folder cannot be replaced in one step, only exchanged, and not everywhere: else the old one steps aside
    # first and comes back on failure
    if path.exists() and exchange(workshop / "new", path):
        return
    if path.exists():
        path.rename(workshop / "old")
    try:
        (workshop / "new").rename(path)
    except BaseException:
        if (workshop / "old").exists():
            (workshop / "old").rename(path)
        raise


def _load_zarr(path: Path) -> tuple[dict[str, AnyArray], dict[str, Any]]:
    import zarr

    if not path.is_dir():
        check_file(path)
        msg = f"{path} is a file; a .zarr folder is expected."
        raise ValueError(msg)
    try:
        check_metadata(path)
        # version 3 only: version 2 has a filter that unpickles
        group = zarr.open_group(path, mode="r", zarr_format=3)
        with warnings.catch_warnings():  # about members that have no metadata any more: they are missed below
            warnings.simplefilter("ignore")
            arrays = _read_arrays(path, group)
        if (path / DONE).exists() and DONE not in arrays:
            msg = "its list of slices that are done is lost"
            raise ValueError(msg)
        attributes = dict(group.attrs)
    except Exception as error:  # zarr raises many kinds on damaged folders
        msg = f"{path} is not a readable zarr folder ({error}); it is incomplete or damaged."
        raise ValueError(msg) from error
    meta = attributes.pop("alignkit", {})
    arrays |= {name: np.array(values) for name, values in attributes.items() if isinstance(values, list)}
    return arrays, meta if isinstance(meta, dict) else {}


def _read_arrays(path: Path, group: zarr.Group) -> dict[str, AnyArray]:
    members = dict(group.arrays())
    # a few bytes of metadata can claim any shape
    total = sum(math.prod(array.shape) * _item_bytes(array.dtype) for array in members.values())
    if total > MAX_BYTES:
        msg = f"it expands to {total / 2**30:.1f} GiB, more than the {MAX_BYTES // 2**30} GiB allowed"
        raise ValueError(msg)
    for name, array in members.items():
        check_all_pieces(path / name, array)
    if DONE in members and not np.asarray(members[DONE][...]).all():
        members = {DONE: members[DONE]}
    for name, array in members.items():
        if array.nchunks_initialized != array.nchunks:
            msg = f"{array.nchunks - array.nchunks_initialized} of {array.nchunks} chunks of {name!r} are missing"
            raise ValueError(msg)
    return {name: np.asarray(array[...]) for name, array in members.items()}


def _item_bytes(dtype: np.dtype[Any]) -> int:
    return 8 if dtype.kind == "u" else dtype.itemsize  # counts become accuracies
