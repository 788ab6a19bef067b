"""Download what has a direct address, verified and without repeating what is there."""

from __future__ import annotations

from pathlib import Path

from alignkit._check import check_positive
from alignkit._log import tell
from alignkit._typing import PathLike
from alignkit.data._registry import DataFile, data_root, dataset, dataset_path
from alignkit.data._resuming_download import ResumingDownload
from alignkit.data._verify import Verification, file_state, known_hash, read_record, record, verify


def fetch(name: str, /, *, root: PathLike | None = None, progress: bool = True, timeout: float = 30.0) -> Verification:
    """Download the files of a data set that have a direct address.

    Files that are there and match their checksum are left alone; the others are downloaded beside their place and
    moved there only when complete and verified. An interrupted download goes on where it stopped, if the server can.
    The checksum of a file without a pinned one is recorded on first use (``alignkit-checksums.json`` under the root).

    Parameters
    ----------
    name : str
        One of :func:`datasets`.
    root : path, optional
        Folder that holds the data sets; by default the environment variable ``ALIGNKIT_DATA``, else the user's cache.
        Made if it does not exist.
    progress : bool
        Show a progress bar on stderr.
    timeout : float
        Seconds without an answer after which a server counts as out of reach.

    Returns
    -------
    Verification
        The state of every file; those without a direct address are listed with where to get them.

    Raises
    ------
    ConnectionError
        No connection: the sentence names the file, its URL and the path where to put it.
    ValueError
        An unknown data set, a timeout that is not positive, or a download that does not match its checksum (nothing is
        kept).
    PermissionError
        The root cannot be written.

    Examples
    --------
    >>> fetch("cifar10h").ok  # doctest: +SKIP
    True
    """
    entry = dataset(name)
    timeout = check_positive("timeout", timeout)
    recorded = read_record(root)
    for part in entry.files.values():
        path = dataset_path(name, part.path, root=root)
        expected = known_hash(name, part, recorded)
        if part.url is not None and file_state(path, expected) in ("missing", "changed"):
            _download(part, path, expected, progress=progress, timeout=timeout)
    if data_root(root).is_dir() and any(part.sha256 is None for part in entry.files.values()):
        record(name, [part for part in entry.files.values() if part.url is not None], root)
    return verify(name, root=root)


def _download(part: DataFile, path: Path, expected: str | None, *, progress: bool, timeout: float) -> None:
    import pooch

    make_folder(path.parent)
    tell(f"downloading {part.url} to {path}", shown=False)
    downloader = ResumingDownload(path, progress=progress, timeout=timeout)
    try:
        pooch.retrieve(part.url, known_hash=expected, fname=path.name, path=path.parent, downloader=downloader)
    except PermissionError as error:
        raise PermissionError(_not_writable(path.parent)) from error
    except OSError as error:  # requests' errors are OSErrors: no network, no such host, refused, 404, timeout
        msg = (
            f"cannot download {path.name} from {part.url} ({_reason(error)}); "
            f"get it on a machine with a connection and put it at {path}."
        )
        raise ConnectionError(msg) from error
    except ValueError as error:
        msg = (
            f"the download of {path.name} from {part.url} does not have the expected SHA-256 {expected}; it was "
            "damaged on the way or has been replaced there. Nothing was kept: try again, or put the right file "
            f"at {path}."
        )
        raise ValueError(msg) from error


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, or say in one sentence that it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PermissionError(_not_writable(folder)) from error


def _not_writable(folder: Path) -> str:
    return f"cannot write to {folder}; choose another folder with root=... or the variable ALIGNKIT_DATA."


def _reason(error: OSError) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"the server answered {response.status_code}"
    if error.strerror:
        return error.strerror.lower()
    return "no answer in time" if "Timeout" in type(error).__name__ else "no connection"
