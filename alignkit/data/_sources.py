"""Where an import reads from: a folder, or a zip whose members were all checked before one is opened."""

from __future__ import annotations

import hashlib
import shutil
import stat
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from alignkit._io import atomic_write, check_file
from alignkit._typing import PathLike

_CHUNK = 2**20


class Source(ABC):
    """Names relative to the source, their sizes, and a way to read them."""

    sizes: dict[str, int]

    @abstractmethod
    def open(self, name: str) -> IO[bytes]:
        """Open one member for reading."""

    def sha256(self, name: str) -> str:
        """Return the checksum of one member."""
        digest = hashlib.sha256()
        with self.open(name) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
        return digest.hexdigest()

    def copy(self, name: str, target: Path) -> None:
        """Copy one member to ``target``, atomically."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with self.open(name) as file, atomic_write(target) as out:
            shutil.copyfileobj(file, out, _CHUNK)


class _Folder(Source):
    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.sizes = {}
        for file in sorted(path.rglob("*")):
            # a link that leaves the folder could copy any file of this machine into the cache
            if file.is_file() and file.resolve().is_relative_to(self.path):
                self.sizes[file.relative_to(path).as_posix()] = file.stat().st_size

    def open(self, name: str) -> IO[bytes]:
        return open(self.path / name, "rb")


class _Zip(Source):
    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path = path
        self.archive = archive
        members = [member for member in archive.infolist() if not member.is_dir()]
        for member in members:
            _check_member(path, member)
        self.sizes = {member.filename: member.file_size for member in members}

    def open(self, name: str) -> IO[bytes]:
        try:
            return self.archive.open(name)
        except (RuntimeError, NotImplementedError) as error:
            msg = (
                f"{self.path}: the member {name!r} cannot be read ({error}); unpack the archive and import the folder."
            )
            raise ValueError(msg) from error


@contextmanager
def open_source(path: PathLike, max_bytes: int) -> Iterator[Source]:
    """Open a folder or a zip archive whose contents do not exceed ``max_bytes``.

    Raises
    ------
    ValueError
        Not a folder or zip, a damaged zip, a member that would leave the target folder, a link, or too many bytes.
    FileNotFoundError
        Nothing there.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        yield _checked(path, _Folder(path), max_bytes)
        return
    try:
        with zipfile.ZipFile(check_file(path)) as archive:
            yield _checked(path, _Zip(path, archive), max_bytes)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        msg = f"{path} is neither a folder nor a readable zip archive ({error}); it may be truncated."
        raise ValueError(msg) from error


def _checked(path: Path, source: Source, max_bytes: int) -> Source:
    total = sum(source.sizes.values())
    if total > max_bytes:
        msg = (
            f"{path} holds {total / 2**30:.1f} GiB, more than the {max_bytes / 2**30:.0f} GiB expected of this data "
            "set; point to the folder that holds just its files."
        )
        raise ValueError(msg)
    return source


def _check_member(path: Path, member: zipfile.ZipInfo) -> None:
    name = member.filename
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or ":" in name:
        msg = f"{path} holds the member {name!r}, which would be written outside its folder; nothing was imported."
        raise ValueError(msg)
    if stat.S_ISLNK(member.external_attr >> 16):
        msg = f"{path} holds the link {name!r}; alignkit imports only plain files. Nothing was imported."
        raise ValueError(msg)
