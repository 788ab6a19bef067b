"""Is what lies on disk what was published? Files compared by SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from alignkit._io import read_json, sha256, write_json
from alignkit._result import Result
from alignkit._typing import PathLike
from alignkit.data._registry import DataFile, DataFolder, Dataset, data_root, dataset, dataset_path

if TYPE_CHECKING:
    import pandas as pd

State = Literal["ok", "missing", "changed", "unpinned"]
#: Checksums recorded on first use, beside the data sets.
RECORD = "alignkit-checksums.json"


@dataclass(frozen=True, slots=True, repr=False)
class Verification(Result):
    """The state of a data set's files.

    Parameters
    ----------
    name, folder : str
        The data set and where it lies.
    files : tuple of str
        Paths relative to ``folder``; a folder of pictures ends with a slash.
    states : tuple of str
        ``"ok"`` (as published, or as first recorded), ``"missing"``, ``"changed"``, or ``"unpinned"`` (there, but
        no checksum is known).
    optional : tuple of bool
        Whether the loader works without the file.
    hints : tuple of str
        Where a missing or changed file comes from.
    citation : str
        Whom to cite.
    """

    name: str
    folder: str
    files: tuple[str, ...]
    states: tuple[str, ...]
    optional: tuple[bool, ...]
    hints: tuple[str, ...]
    citation: str

    @property
    def ok(self) -> bool:
        """Whether every file that the loader needs is there and unchanged, and no optional one is changed."""
        pairs = zip(self.states, self.optional, strict=True)
        return all(state in ("ok", "unpinned") or (state == "missing" and optional) for state, optional in pairs)

    def __repr__(self) -> str:
        lines = [f"<Verification of {self.name!r} in {self.folder}: {'ok' if self.ok else 'incomplete'}"]
        for file, state, optional, hint in zip(self.files, self.states, self.optional, self.hints, strict=True):
            source = f"  <- {hint}" if state in ("missing", "changed") else ""
            lines.append(f"  {state:8} {file}{' (optional)' if optional else ''}{source}")
        return "\n".join(lines) + ">"

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per file: file, state, optional, source."""
        import pandas as pd

        return pd.DataFrame({"file": self.files, "state": self.states, "optional": self.optional, "source": self.hints})

    def methods_text(self) -> str:
        """Return which data were used and how many files match their published checksums."""
        n_ok = self.states.count("ok")
        return f"Data: {self.name} ({self.citation}); {n_ok} of {len(self.files)} files match their SHA-256 checksums."


def verify(name: str, /, *, root: PathLike | None = None) -> Verification:
    """Compare the files of a data set with their checksums.

    Parameters
    ----------
    name : str
        One of :func:`datasets`.
    root : path, optional
        Folder that holds the data sets; by default the environment variable ``ALIGNKIT_DATA``, else the user's cache.

    Returns
    -------
    Verification
        One state per file: ok, missing, changed or unpinned. Nothing is written.

    Raises
    ------
    ValueError
        An unknown data set, or a damaged record of checksums.

    Examples
    --------
    >>> import tempfile
    >>> verify("nights", root=tempfile.mkdtemp()).states
    ('missing', 'missing', 'missing')
    """
    entry = dataset(name)
    recorded = read_record(root)
    rows = list(_states(entry, root, recorded))
    return Verification(
        name=name,
        folder=str(dataset_path(name, root=root)),
        files=tuple(row[0] for row in rows),
        states=tuple(row[1] for row in rows),
        optional=tuple(row[2] for row in rows),
        hints=tuple(row[3] for row in rows),
        citation=entry.citation,
    )


def _states(entry: Dataset, root: PathLike | None, recorded: dict[str, Any]) -> Iterator[tuple[str, State, bool, str]]:
    for part in entry.files.values():
        path = dataset_path(entry.name, part.path, root=root)
        state = file_state(path, known_hash(entry.name, part, recorded))
        yield part.path, state, part.optional, part.url or part.by_hand or entry.page
    for folder in entry.folders.values():
        path = dataset_path(entry.name, folder.path, root=root)
        yield f"{folder.path}/", _folder_state(path, folder), folder.optional, folder.by_hand


def file_state(path: Path, expected: str | None) -> State:
    """Return the state of one file against its checksum, where one is known."""
    if not path.is_file():
        return "missing"
    if expected is None:
        return "unpinned"
    return "ok" if sha256(path) == expected else "changed"


def known_hash(name: str, part: DataFile, recorded: dict[str, Any]) -> str | None:
    """Return the pinned checksum of a file, else the one recorded on first use, else None."""
    return part.sha256 or recorded.get(f"{name}/{part.path}")


def _folder_state(path: Path, folder: DataFolder) -> State:
    names = pictures(path, folder.suffixes)
    if not names or (folder.n_files is not None and len(names) < folder.n_files):
        return "missing"
    if folder.sha256 is None:
        return "unpinned"
    listing = "".join(f"{sha256(path / name)}  {name}\n" for name in names)
    return "ok" if hashlib.sha256(listing.encode()).hexdigest() == folder.sha256 else "changed"


def pictures(path: Path, suffixes: tuple[str, ...]) -> list[str]:
    """Return the relative names of the pictures in a folder, sorted."""
    found = (p for p in path.rglob("*") if p.suffix.lower() in suffixes and p.is_file())
    return sorted(p.relative_to(path).as_posix() for p in found)


def read_record(root: PathLike | None) -> dict[str, str]:
    """Return the checksums recorded on first use."""
    path = data_root(root) / RECORD
    if not path.exists():
        return {}
    content = read_json(path)
    if not isinstance(content, dict) or not all(isinstance(value, str) for value in content.values()):
        msg = f"{path} must map file names to SHA-256 checksums; delete it to record them anew."
        raise ValueError(msg)
    return content


def record(name: str, parts: list[DataFile], root: PathLike | None, *, anew: bool = False) -> None:
    """Record the checksums of files that have no pinned one: the first time, or ``anew`` after an import by hand."""
    recorded = read_record(root)
    new = {}
    for part in parts:
        key = f"{name}/{part.path}"
        path = dataset_path(name, part.path, root=root)
        if part.sha256 is None and (anew or key not in recorded) and path.is_file():
            new[key] = sha256(path)
    if new:
        write_json(data_root(root) / RECORD, {**recorded, **new})
