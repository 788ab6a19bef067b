"""Files: written whole or not at all, read without pickle and with checked sizes."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import secrets
import struct
import sys
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from alignkit._typing import AnyArray, PathLike

#: Largest uncompressed member of an archive we expand; a zip bomb stops here.
MAX_BYTES = 8 * 2**30
_META = "alignkit.json"
_BLOCK = 1 << 20
#: What a disk says that takes no more.
_FULL = frozenset({errno.ENOSPC, errno.EFBIG, errno.EDQUOT})
#: What a MATLAB file calls an element that is compressed.
_COMPRESSED = 15
#: One encoding and one line ending, whatever the system.
_TEXT: dict[str, Any] = {"encoding": "utf-8", "newline": ""}
#: What reading a damaged archive or array may raise besides ValueError.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,
    OverflowError,
    TypeError,
    KeyError,
    SyntaxError,
    struct.error,
    tokenize.TokenError,  # numpy reads old headers with Python's tokenizer
)


@contextmanager
def atomic_write(path: PathLike, mode: str = "wb", *, durable: bool = True) -> Iterator[IO[Any]]:
    """Open a temporary file beside ``path`` and rename it over ``path`` when the block succeeds.

    A reader sees the old file or the new one, never half of one; a failed block leaves no trace. What is not
    ``durable`` may be lost with the power: thousands of small files that can be made again take no wait for the disk.
    """
    path = Path(path)
    if path.is_dir():
        msg = f"{path} is a directory; give a file name."
        raise IsADirectoryError(msg)
    if not path.parent.is_dir():
        msg = f"the folder {path.parent} does not exist; create it first."
        raise FileNotFoundError(msg)
    # A link is written through, as open() would: the temporary file must lie on the target's disk.
    target = Path(os.path.realpath(path))
    handle, temporary = _open_beside(target, path)
    try:
        with os.fdopen(handle, mode, **_TEXT if "b" not in mode else {}) as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in _FULL and error.filename is None:
            raise OSError(error.errno, os.strerror(error.errno), os.fspath(path)) from error
        raise


def _open_beside(target: Path, shown: Path) -> tuple[int, Path]:
    """Open a new file in the target's folder, with the permissions that the target has or would get."""
    temporary = target.with_name(f".{target.name[:40]}.{secrets.token_hex(4)}.tmp")
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o666
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
    except OSError as error:
        msg = f"cannot write {shown} ({(error.strerror or 'the system refuses').lower()})."
        raise type(error)(msg) from error
    if target.exists():
        temporary.chmod(mode)  # the umask has no say over a file that is there
    return handle, temporary


def exchange(first: PathLike, second: PathLike) -> bool:
    """Swap two files or folders in one step, so that both names are there at any time; False where that is not known.

    Linux alone can (``renameat2``, from kernel 3.15 on and on its usual disks).
    """
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    try:
        swap = ctypes.CDLL(None).renameat2
    except (OSError, AttributeError):  # an old or another C library
        return False
    here, exchanging = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return bool(swap(here, os.fsencode(first), here, os.fsencode(second), exchanging) == 0)


def check_file(path: PathLike) -> Path:
    """Return ``path`` when it is a non-empty regular file; otherwise raise one clear sentence."""
    path = Path(path)
    if path.is_dir():
        msg = f"{path} is a directory; a file is expected."
        raise IsADirectoryError(msg)
    if not path.is_file():
        what = "is a device or a pipe; a file is expected" if path.exists() else "does not exist"
        msg = f"{path} {what}."
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
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
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
    with _damage(path, "a readable .npz archive"):
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            claimed = sum(max(member.file_size, _claimed_bytes(archive, member)) for member in members)
        if claimed > MAX_BYTES:
            msg = f"{path} expands to {claimed / 2**30:.1f} GiB, more than the {MAX_BYTES / 2**30:g} GiB allowed."
            raise ValueError(msg)
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        header = arrays.pop(_META, None)
        meta = {} if header is None else json.loads(header.tobytes())
    if not isinstance(meta, dict) or not all(isinstance(array, np.ndarray) for array in arrays.values()):
        msg = f"{path} is an archive, but not of arrays that numpy or alignkit saved."
        raise ValueError(msg)
    return arrays, meta


def load_npy(path: PathLike, *, mmap: bool = False) -> AnyArray:
    """Read one ``.npy`` array without pickle, optionally memory-mapped."""
    path = check_file(path)
    with _damage(path, "a readable .npy file"):
        _check_magic(path)
        array = np.load(path, mmap_mode="r" if mmap else None, allow_pickle=False)
    if not isinstance(array, np.ndarray):
        msg = f"{path} is an archive, not a single .npy array; rename it to .npz."
        raise ValueError(msg)
    return array


@contextmanager
def _damage(path: Path, kind: str) -> Iterator[None]:
    """Turn what numpy and zipfile raise on hostile or damaged files into one sentence that names the file."""
    try:
        yield
    except PermissionError:
        raise
    except MemoryError as error:
        msg = f"{path} asks for more memory than there is ({error}); it is damaged or too large for this machine."
        raise ValueError(msg) from error
    except _DAMAGE as error:
        msg = f"{path} is not {kind} ({error or type(error).__name__}); it is truncated or damaged."
        raise ValueError(msg) from error
    except ValueError as error:
        text = str(error)
        if str(path) in text:
            raise
        msg = f"{path} cannot be read ({text}); it is truncated or damaged."
        if "pickle" in text or "Python objects" in text:
            msg = _PICKLED.format(path)
        raise ValueError(msg) from error


_PICKLED = (
    "{} holds pickled Python objects, which can run code when read; alignkit never loads them. "
    "Export plain numeric arrays instead."
)


def _check_magic(path: Path) -> None:
    # numpy calls everything that is not its own format pickled; only a pickle is.
    with open(path, "rb") as file:
        start = file.read(6)
    if start[:1] == b"\x80":
        raise ValueError(_PICKLED.format(path))
    if start != b"\x93NUMPY" and start[:2] != b"PK":
        msg = f"{path} is not a .npy file; it is damaged, or another format under that name."
        raise ValueError(msg)


def _claimed_bytes(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> int:
    """Return the size that a member's array header claims: numpy sets that much aside before it reads."""
    if not member.filename.endswith(".npy"):
        return 0
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    return math.prod(shape) * dtype.itemsize


def load_mat(path: PathLike) -> dict[str, Any]:
    """Read a MATLAB v5-v7 file into a dictionary, with one clear sentence when it is damaged."""
    from scipy.io import loadmat

    path = check_file(path)
    check_mat_size(path)
    try:
        content = loadmat(path)
    except NotImplementedError as error:
        msg = f"{path} is a MATLAB v7.3 file; read it with h5py, or save it with -v7."
        raise ValueError(msg) from error
    except Exception as error:  # scipy raises a dozen kinds on damaged files
        msg = f"{path} is not a readable MATLAB file ({error}); it is truncated or damaged."
        raise ValueError(msg) from error
    return {name: value for name, value in content.items() if not name.startswith("__")}


def check_mat_size(path: Path) -> None:
    """Raise when a MATLAB v5-v7 file unpacks to more than is allowed."""
    try:
        size = _expanded_bytes(path)
    except zlib.error as error:
        msg = f"{path} is not a readable MATLAB file ({error}); it is truncated or damaged."
        raise ValueError(msg) from error
    if size > MAX_BYTES:
        msg = f"{path} expands to more than the {MAX_BYTES / 2**30:g} GiB allowed."
        raise ValueError(msg)


def _expanded_bytes(path: Path) -> int:
    """Return how many bytes the compressed elements of a MATLAB v5 file unpack to, counting no further than allowed."""
    total = 0
    with open(path, "rb") as file:
        header = file.read(128)
        order = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}.get(header[124:])
        while order and len(tag := file.read(8)) == 8 and total <= MAX_BYTES:
            kind, size = struct.unpack(f"{order}II", tag)
            stop = file.tell() + size
            if kind == _COMPRESSED:
                total += _unpacked_bytes(file, size, MAX_BYTES - total)
            file.seek(stop)
    return total


def _unpacked_bytes(file: IO[bytes], size: int, limit: int) -> int:
    unpacker, total = zlib.decompressobj(), 0
    while size > 0 and total <= limit and (part := file.read(min(size, _BLOCK))):
        size -= len(part)
        while part and total <= limit:
            total += len(unpacker.decompress(part, _BLOCK))
            part = unpacker.unconsumed_tail
    return total


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
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        first = next(line for line in lines if line.strip() and not line.startswith("#"))
        delimiter = next((mark for mark in ("\t", ",", ";") if mark in first), None)
        return np.loadtxt(lines, delimiter=delimiter, ndmin=2)
    except (ValueError, StopIteration) as error:
        reason = str(error).rstrip(".") or "it has none"
        msg = f"{path} must hold a table of numbers only, without a header ({reason})."
        raise ValueError(msg) from error


def _only(path: Path, arrays: Mapping[str, AnyArray]) -> AnyArray:
    if len(arrays) != 1:
        msg = f"{path} holds {len(arrays)} arrays ({', '.join(arrays)}); exactly one is expected."
        raise ValueError(msg)
    return next(iter(arrays.values()))
