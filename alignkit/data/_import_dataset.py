"""Bring in files that were downloaded by hand, from a folder or a zip."""

from __future__ import annotations

from pathlib import PurePosixPath

from alignkit._check import check_positive, join_names
from alignkit._typing import PathLike
from alignkit.data._fetch import make_folder
from alignkit.data._registry import DataFile, DataFolder, Dataset, dataset, dataset_path
from alignkit.data._sources import Source, open_source
from alignkit.data._verify import Verification, record, verify


def import_dataset(
    name: str,
    /,
    source: PathLike,
    *,
    root: PathLike | None = None,
    max_gib: float | None = None,
    progress: bool = True,
) -> Verification:
    """Copy the files of a data set from a folder or a zip that was downloaded by hand.

    Files are found by their path or their published name, at any depth. Everything is checked before the first file
    is written: member names and links of a zip, sizes, and the checksums that are known.

    Parameters
    ----------
    name : str
        One of :func:`datasets`.
    source : path
        A folder or a ``.zip``; it is not changed.
    root : path, optional
        Folder that holds the data sets; by default the environment variable ``ALIGNKIT_DATA``, else the user's cache.
        Made if it does not exist.
    max_gib : float, optional
        Largest source accepted; by default the data set's own limit (8 for most).
    progress : bool
        Show a progress bar on stderr.

    Returns
    -------
    Verification
        The state of every file, those that the source did not hold included.

    Raises
    ------
    ValueError
        An unknown data set, a source with none of its files, a file that is not the published one, a damaged zip, or
        a zip member that would be written outside its folder.
    FileNotFoundError
        No such source.
    PermissionError
        The root cannot be written.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> download, cache = pathlib.Path(tempfile.mkdtemp()), tempfile.mkdtemp()
    >>> _ = (download / "data.csv").write_text("id,left_vote,right_vote")
    >>> import_dataset("nights", download, root=cache, progress=False).states
    ('ok', 'missing', 'missing')
    """
    from tqdm import tqdm

    entry = dataset(name)
    limit = entry.max_gib if max_gib is None else check_positive("max_gib", max_gib)
    with open_source(source, int(limit * 2**30)) as opened:
        plan = _plan(entry, opened, source)
        copies = [(member, dataset_path(name, target, root=root)) for target, member in plan.items()]
        make_folder(dataset_path(name, root=root))
        for member, path in tqdm(copies, desc=f"import {name}", unit="file", disable=not progress):
            opened.copy(member, path)
    record(name, [part for part in entry.files.values() if part.path in plan], root, anew=True)
    return verify(name, root=root)


def _plan(entry: Dataset, source: Source, shown: PathLike) -> dict[str, str]:
    """Return, for each target path, the member to copy there."""
    plan: dict[str, str] = {}
    for part in entry.files.values():
        member = _find(part, source)
        if member is not None:
            plan[part.path] = member
    for folder in entry.folders.values():
        plan.update(_find_folder(folder, source))
    if not plan:
        wanted = join_names([*entry.files, *(f"{folder}/" for folder in entry.folders)])
        msg = f"{shown} holds none of the files of {entry.name!r}; expected {wanted}. See {entry.page}."
        raise ValueError(msg)
    return plan


def _find(part: DataFile, source: Source) -> str | None:
    """Return the member that is this file: the first name that fits, and of several the one with the checksum."""
    found: list[str] = []
    for wanted in dict.fromkeys((part.path, *part.aliases, PurePosixPath(part.path).name)):
        found = [name for name in source.sizes if name == wanted or name.endswith(f"/{wanted}")]
        if found:
            break
    if not found:
        return None
    if part.sha256 is None:
        return min(found, key=lambda name: (name.count("/"), name))
    for name in found:
        if source.sizes[name] == part.size and source.sha256(name) == part.sha256:
            return name
    if part.optional:
        return None
    msg = (
        f"{found[0]} is not the published {part.path} (its SHA-256 differs from {part.sha256}); it was damaged or "
        "edited, or is another version. Nothing was imported."
    )
    raise ValueError(msg)


def _find_folder(folder: DataFolder, source: Source) -> dict[str, str]:
    """Return target and member of the pictures below the first folder whose name fits."""
    pictures = [name for name in source.sizes if PurePosixPath(name).suffix.lower() in folder.suffixes]
    for wanted in (folder.path, *folder.aliases):
        below = {name: _below(name, wanted) for name in pictures}
        found = {f"{folder.path}/{rest}": name for name, rest in below.items() if rest}
        if found:
            return found
    return {}


def _below(name: str, folder: str) -> str:
    """Return the part of a member's name below ``folder``, or an empty text when it does not lie there."""
    _, separator, rest = f"/{name}".partition(f"/{folder}/")
    return rest if separator else ""
