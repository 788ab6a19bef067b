"""Files: written whole or not at all, read without pickle and with checked sizes."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from alignkit._typing import AnyArray, PathLike

#: Largest uncompressed member of an archive we expand; a zip bomb stops here.
MAX_BYTES = 8 * 2**30
_META = "alignkit.json"


@contextmanager
def atomic_write(path: PathLike, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a temporary file beside ``path`` and rename it over ``path`` when the block succeeds.

    A reader sees the old file or the new one, never half of one; a failed block leaves no trace.
    """
    path = Path(path)
    if path.is_dir():
        msg = f"{path} is a directory; give a file name."
        raise IsADirectoryError(msg)
    if not path.parent.is_dir():
        msg = f"the folder {path.parent} does not exist; create it first."
        raise FileNotFoundError(msg)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, mode, encoding=None if "b" in mode else "utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files private; give the result the permissions an ordinary open() would.
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def check_file(path: PathLike) -> Path:
    """Return ``path`` when it is a non-empty regular file; otherwise raise one clear sentence."""
    path = Path(path)
    if path.is_dir():
        msg = f"{path} is a directory; a file is expected."
        raise IsADirectoryError(msg)
    if not path.is_file():
        msg = f"{path} does not exist."
        raise FileNotFoundError(msg)
    if path.stat().st_size == 0:
        msg = f"{path} is empty (0 bytes); the download or export did not finish."
        raise ValueError(msg)
    return path


def sha256(path: PathLike) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: PathLike, value: Any) -> None:
    """Write ``value`` as indented UTF-8 JSON, atomically."""
    with atomic_write(path, "w") as file:
        json.dump(value, file, indent=1, ensure_ascii=False, allow_nan=False)
        file.write("\n")


def read_json(path: PathLike) -> Any:
    """Read a JSON file, naming it when it is damaged."""
    path = check_file(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        msg = f"{path} is not valid JSON ({error}); it may be truncated."
        raise ValueError(msg) from error


def save_npz(path: PathLike, arrays: Mapping[str, AnyArray], meta: Mapping[str, Any]) -> None:
    """Write arrays and a JSON header to one ``.npz`` without pickle, atomically."""
    for name, array in arrays.items():
        if array.dtype.hasobject:
            msg = f"{name} has dtype object and cannot be saved without pickle; convert it to text or numbers."
            raise TypeError(msg)
    header = np.frombuffer(json.dumps(dict(meta), ensure_ascii=False).encode(), dtype=np.uint8)
    with atomic_write(path) as file:
        np.savez(file, allow_pickle=False, **{_META: header}, **dict(arrays))


def load_npz(path: PathLike) -> tuple[dict[str, AnyArray], dict[str, Any]]:
    """Read what :func:`save_npz` wrote, or any plain ``.npz``: its arrays and its header (or ``{}``).

    Raises
    ------
    ValueError
        A truncated archive, pickled arrays, or members larger than 8 GiB in sum.
    """
    path = check_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            total = sum(member.file_size for member in archive.infolist())
        if total > MAX_BYTES:
            msg = f"{path} expands to {total / 2**30:.1f} GiB, more than the {MAX_BYTES // 2**30} GiB allowed."
            raise ValueError(msg)
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        msg = f"{path} is not a readable .npz archive ({error}); it is truncated or damaged."
        raise ValueError(msg) from error
    except ValueError as error:
        raise _readable(path, error) from error
    header = arrays.pop(_META, None)
    return arrays, json.loads(header.tobytes()) if header is not None else {}


def load_npy(path: PathLike, *, mmap: bool = False) -> AnyArray:
    """Read one ``.npy`` array without pickle, optionally memory-mapped."""
    path = check_file(path)
    try:
        array = np.load(path, mmap_mode="r" if mmap else None, allow_pickle=False)
    except (EOFError, OSError) as error:
        msg = f"{path} is not a readable .npy file ({error}); it is truncated or damaged."
        raise ValueError(msg) from error
    except ValueError as error:
        raise _readable(path, error) from error
    if not isinstance(array, np.ndarray):
        msg = f"{path} is an archive, not a single .npy array; rename it to .npz."
        raise ValueError(msg)
    return array


def _readable(path: Path, error: ValueError) -> ValueError:
    text = str(error)
    if "allow_pickle" in text or "Object arrays" in text or "pickle" in text:
        return ValueError(
            f"{path} holds pickled Python objects, which can run code when read; alignkit never loads them. "
            "Export plain numeric arrays instead."
        )
    if str(path) in text:
        return error
    return ValueError(f"{path} cannot be read ({text}); it is truncated or damaged.")


def load_mat(path: PathLike) -> dict[str, Any]:
    """Read a MATLAB v5-v7 file into a dictionary, with one clear sentence when it is damaged."""
    from scipy.io import loadmat

    path = check_file(path)
    try:
        content = loadmat(path)
    except NotImplementedError as error:
        msg = f"{path} is a MATLAB v7.3 file; read it with h5py, or save it with -v7."
        raise ValueError(msg) from error
    except Exception as error:  # scipy raises a dozen kinds on damaged files
        msg = f"{path} is not a readable MATLAB file ({error}); it is truncated or damaged."
        raise ValueError(msg) from error
    return {name: value for name, value in content.items() if not name.startswith("__")}


def load_array(path: PathLike) -> AnyArray:
    """Read the one array of a ``.npy``, ``.npz``, ``.mat``, ``.csv``, ``.tsv`` or ``.txt`` file.

    Raises
    ------
    ValueError
        An unknown suffix, a damaged file, or an archive with more than one array.
    """
    path = check_file(path)
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return load_npy(path)
    if suffix == ".npz":
        return _only(path, load_npz(path)[0])
    if suffix == ".mat":
        return _only(path, {k: v for k, v in load_mat(path).items() if isinstance(v, np.ndarray)})
    if suffix in {".csv", ".tsv", ".txt"}:
        return _load_text(path)
    msg = f"{path}: cannot tell the format from the suffix {suffix!r}; use .npy, .npz, .mat, .csv, .tsv or .txt."
    raise ValueError(msg)


def _load_text(path: Path) -> AnyArray:
    with open(path, encoding="utf-8") as file:
        first = file.readline()
    delimiter = next((mark for mark in ("\t", ",", ";") if mark in first), None)
    try:
        return np.loadtxt(path, delimiter=delimiter, ndmin=2)
    except ValueError as error:
        msg = f"{path} must hold numbers only, without a header ({error})."
        raise ValueError(msg) from error


def _only(path: Path, arrays: Mapping[str, AnyArray]) -> AnyArray:
    if len(arrays) != 1:
        msg = f"{path} holds {len(arrays)} arrays ({', '.join(arrays)}); exactly one is expected."
        raise ValueError(msg)
    return next(iter(arrays.values()))
