"""``alignkit data list | fetch | import | path | verify``."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from alignkit._check import check_choice
from alignkit._cli._help import width
from alignkit._config import Positional, named
from alignkit.data import Dataset, Verification, dataset_path, datasets, fetch, import_dataset, verify


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DataListConfig:
    """List the data sets alignkit reads and how much of each is at hand, or the files of one.

    Examples
    --------
    alignkit data list
    alignkit data list things
    alignkit data list --long
    """

    name: Positional[str | None] = None
    """A data set, to see its card and its files."""
    long: bool = False
    """Show the card of every data set: what, who, licence, size, citation, what it can and cannot show."""
    root: Path | None = None
    """Folder with the data sets; else $ALIGNKIT_DATA, else the user's cache."""

    def __post_init__(self) -> None:
        if self.name is not None:
            check_choice("the data set", self.name, sorted(datasets()))


def run_list(config: DataListConfig) -> None:
    """Print the registry, or one entry of it."""
    if config.name is not None:
        print(_entry(datasets()[config.name], config.root))
        return
    if config.long:
        print("\n\n".join(_card(entry, config.root) for entry in datasets().values()))
        return
    column = max(map(len, datasets())) + 2
    for name, entry in datasets().items():
        here = sum(path.exists() for path in _paths(entry, config.root).values())
        state = f"{here} of {len(_paths(entry, config.root))} at hand"
        text = f"{name:<{column}}{state:<17}{entry.description}"
        print(textwrap.fill(text, width(), subsequent_indent=" " * (column + 17)))
    print(f"\nThey lie in {dataset_path(next(iter(datasets())), root=config.root).parent}")


def _paths(entry: Dataset, root: Path | None) -> dict[str, Path]:
    return {part: dataset_path(entry.name, part, root=root) for part in (*entry.files, *entry.folders)}


def _entry(entry: Dataset, root: Path | None) -> str:
    """Return a data set's page: its card, and each part with whether it is there."""
    parts = [f"{'at hand' if path.exists() else 'missing':<9}{part}" for part, path in _paths(entry, root).items()]
    return "\n".join([_card(entry, root), "", *map(_filled, parts)])


def _card(entry: Dataset, root: Path | None) -> str:
    """Return what a data set is, of whom, under which terms, and what it can and cannot show."""
    fields = {
        "who": entry.people,
        "shows": entry.shows,
        "cannot": entry.cannot,
        "size": entry.size,
        "licence": entry.licence,
        "cite": f"{entry.citation} (BibTeX: alignkit cite --data {entry.name})",
        "page": entry.page,
        "folder": str(dataset_path(entry.name, root=root)),
    }
    lines = [f"{name + ':':<9}{text}" for name, text in fields.items()]
    return "\n".join(map(_filled, [f"{entry.name}: {entry.description}", "", *lines]))


def _filled(line: str) -> str:
    return textwrap.fill(line, width(), subsequent_indent=" " * 9, break_on_hyphens=False)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DataFetchConfig:
    """Download data sets, verified by checksum; what is there already is left alone.

    An interrupted download leaves no half file: run the same command again to go on.

    Examples
    --------
    alignkit data fetch things
    alignkit data fetch rsa92 cifar10h --root ~/data
    """

    names: Positional[tuple[str, ...]]
    """Data sets (`alignkit data list` names them)."""
    root: Path | None = None
    """Folder with the data sets; else $ALIGNKIT_DATA, else the user's cache."""
    timeout: float = 30.0
    """Seconds without an answer after which a server counts as out of reach."""
    progress: bool = True
    """Show progress bars."""

    def __post_init__(self) -> None:
        _check_names(self.names)


def run_fetch(config: DataFetchConfig) -> None:
    """Download data sets and say what must be got by hand."""
    _report([fetch(name, root=config.root, timeout=config.timeout, progress=config.progress) for name in config.names])


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DataImportConfig:
    """Bring in a data set that was downloaded by hand, from its folder or zip.

    Everything is checked before the first file is written; the source stays as it is.

    Examples
    --------
    alignkit data import nights --from ~/Downloads/nights.zip
    """

    name: Positional[str]
    """The data set (`alignkit data list` names them)."""
    source: Annotated[Path, named("from")]
    """Folder or .zip that was downloaded."""
    root: Path | None = None
    """Folder with the data sets; else $ALIGNKIT_DATA, else the user's cache."""
    max_gib: float | None = None
    """Largest source accepted, in GiB; by default the data set's own limit."""
    progress: bool = True
    """Show a progress bar."""

    def __post_init__(self) -> None:
        _check_names([self.name])


def run_import(config: DataImportConfig) -> None:
    """Import one data set and say what is still missing."""
    _report(
        [import_dataset(config.name, config.source, root=config.root, max_gib=config.max_gib, progress=config.progress)]
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DataPathConfig:
    """Print where a data set, or one of its files, lies (or belongs when it is not there yet).

    Examples
    --------
    head "$(alignkit data path things things_concepts.tsv)"
    """

    name: Positional[str]
    """The data set (`alignkit data list` names them)."""
    file: Positional[str | None] = None
    """A path inside the data set's folder."""
    root: Path | None = None
    """Folder with the data sets; else $ALIGNKIT_DATA, else the user's cache."""


def run_path(config: DataPathConfig) -> None:
    """Print one path and nothing else, for use in scripts."""
    print(dataset_path(config.name, config.file, root=config.root))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DataVerifyConfig:
    """Compare the files of data sets with their checksums; exit code 2 when one is missing or changed.

    Examples
    --------
    alignkit data verify things
    """

    names: Positional[tuple[str, ...]]
    """Data sets (`alignkit data list` names them)."""
    root: Path | None = None
    """Folder with the data sets; else $ALIGNKIT_DATA, else the user's cache."""

    def __post_init__(self) -> None:
        _check_names(self.names)


def run_verify(config: DataVerifyConfig) -> None:
    """Print the state of every file."""
    _report([verify(name, root=config.root) for name in config.names])


def words() -> dict[str, list[str]]:
    """Return what the names of the verbs on data sets may be."""
    return {"name": sorted(datasets()), "names": sorted(datasets())}


def _check_names(names: Sequence[str]) -> None:
    if not names:
        msg = f"name at least one data set: {', '.join(sorted(datasets()))}."
        raise ValueError(msg)
    for name in names:
        check_choice("the data set", name, sorted(datasets()))


def _report(verifications: Sequence[Verification]) -> None:
    """Print the state of data sets; an incomplete one is an error for the script that goes on with it."""
    for verification in verifications:
        print(verification)
    incomplete = [verification for verification in verifications if not verification.ok]
    if incomplete:
        lacking = [
            f"{file} ({state})"
            for verification in incomplete
            for file, state, optional in zip(
                verification.files, verification.states, verification.optional, strict=True
            )
            if state == "changed" or (state == "missing" and not optional)
        ]
        more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
        names = ", ".join(verification.name for verification in incomplete)
        msg = f"{names} is not complete: {', '.join(lacking[:3])}{more}; the list above says where each comes from."
        raise ValueError(msg)
