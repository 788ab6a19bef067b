"""Epochs in a BIDS data set, by subject, session, task and run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from alignkit._check import join_names, shown
from alignkit._typing import PathLike

_SUFFIX = re.compile(r"[-_]epo\.fif(\.gz)?$")
_ENTITY = re.compile(r"(?:^|_)([a-z]+)-([A-Za-z0-9+]+)(?=_|-epo|$)")
#: What tells the epochs of one participant apart, by their short names in file names.
_SHORT = {"session": "ses", "task": "task", "run": "run", "processing": "proc", "description": "desc"}
#: What tells apart parts of the same participant's data, in the order in which they are sorted.
_PARTS = ("ses", "task", "acq", "run")


def find_epochs(
    root: PathLike,
    /,
    *,
    subject: str | int,
    session: str | int | None = None,
    task: str | None = None,
    run: str | int | None = None,
    processing: str | None = None,
    description: str | None = None,
    pipeline: str | None = None,
) -> list[Path]:
    """Return the files of one subject's epochs in a BIDS data set or in one of its derivatives.

    Looks for ``sub-<subject>/[ses-<session>/][meg/ or eeg/]sub-<subject>_..._epo.fif`` in the folder itself and in each
    of ``derivatives/``; mne-bids is not needed. Later parts of split files are left out: the first brings them.

    Parameters
    ----------
    root : path
        The data set, or one pipeline's folder in its ``derivatives``.
    subject : str or int
        With or without ``sub-``; a number matches with leading zeros, too.
    session, run : str or int, optional
        By default all.
    task, processing, description : str, optional
        Entities ``task-``, ``proc-`` and ``desc-`` of the file names.
    pipeline : str, optional
        The folder of ``derivatives``; needed where several hold such epochs.

    Returns
    -------
    list of pathlib.Path
        One per session, task and run, in that order: what functions that take epochs accept as the sessions of one
        participant.

    Raises
    ------
    FileNotFoundError
        No such folder, subject or epochs; the sentence names what there is.
    ValueError
        Several files for one session, task and run, several subjects of that number, or entities that are no labels.
    TypeError
        A folder that is no path.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> for session in ("02", "01"):
    ...     folder = root / "derivatives" / "mne-bids-pipeline" / "sub-03" / f"ses-{session}" / "meg"
    ...     folder.mkdir(parents=True)
    ...     (folder / f"sub-03_ses-{session}_task-main_epo.fif").touch()
    >>> [path.name for path in find_epochs(root, subject=3)]
    ['sub-03_ses-01_task-main_epo.fif', 'sub-03_ses-02_task-main_epo.fif']
    """
    if not isinstance(root, str | Path) and not hasattr(root, "__fspath__"):
        msg = f"root must be the folder of a BIDS data set; got {shown(root)}."
        raise TypeError(msg)
    folder = Path(root)
    if not folder.is_dir():
        msg = f"{folder} is no folder; give that of a BIDS data set."
        raise FileNotFoundError(msg)
    given = {"session": session, "task": task, "run": run, "processing": processing, "description": description}
    wanted = {_SHORT[name]: _as_label(name, _SHORT[name], value) for name, value in given.items() if value is not None}
    wanted["sub"] = _as_label("subject", "sub", subject)
    bases = _bases(folder, pipeline)
    everything = [(path, entities) for base in bases for path, entities in _epochs_of(base, wanted["sub"])]
    if isinstance(subject, str):  # as it is written, where that is there
        everything = [item for item in everything if item[1]["sub"] == wanted["sub"]] or everything
    found = [(path, entities) for path, entities in everything if _matches(entities, wanted)]
    if not found:
        raise FileNotFoundError(_nothing(folder, bases, wanted, everything))
    _check_one_subject(wanted["sub"], found)
    _check_one_each(found)
    return [path for path, _ in sorted(found, key=lambda item: _order(item[1]))]


def _as_label(name: str, short: str, value: object) -> str:
    text = str(value).removeprefix(f"{short}-") if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not re.fullmatch(r"[A-Za-z0-9+]+", text):
        msg = f"{name} must be a label of BIDS: letters and digits; got {shown(value)}."
        raise ValueError(msg)
    return text


def _bases(folder: Path, pipeline: str | None) -> list[Path]:
    derivatives = folder / "derivatives"
    if pipeline is None:
        return [folder, *sorted(path for path in derivatives.glob("*") if path.is_dir())]
    if not isinstance(pipeline, str) or Path(pipeline).name != pipeline or not (derivatives / pipeline).is_dir():
        there = join_names(sorted(path.name for path in derivatives.glob("*") if path.is_dir())) or "nothing"
        msg = f"{derivatives} has no folder {shown(pipeline)}; it has {there}."
        raise FileNotFoundError(msg)
    return [derivatives / pipeline]


def _epochs_of(base: Path, subject: str) -> Iterator[tuple[Path, dict[str, str]]]:
    for home in base.glob("sub-*"):
        if not _same(home.name.removeprefix("sub-"), subject):
            continue
        for pattern in ("*epo.fif*", "*/*epo.fif*", "*/*/*epo.fif*"):
            for path in home.glob(pattern):
                entities = dict(_ENTITY.findall(_SUFFIX.sub("", path.name)))
                first = int(entities.get("split", "1")) == 1 if entities.get("split", "1").isdigit() else True
                if _SUFFIX.search(path.name) and path.is_file() and first and not path.name.startswith("."):
                    yield path, {"sub": home.name.removeprefix("sub-"), **entities}


def _same(there: str, wanted: str) -> bool:
    return there == wanted or (there.isdigit() and wanted.isdigit() and int(there) == int(wanted))


def _matches(entities: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(name in entities and _same(entities[name], value) for name, value in wanted.items())


def _order(entities: Mapping[str, str]) -> list[tuple[int, str]]:
    labels = [entities.get(name, "") for name in _PARTS]
    return [(int(label), "") if label.isdigit() else (-1, label) for label in labels]


def _check_one_subject(wanted: str, found: list[tuple[Path, dict[str, str]]]) -> None:
    homes = sorted({entities["sub"] for _, entities in found})
    if len(homes) > 1:
        msg = f"subject {wanted!r} could be {join_names(f'sub-{home}' for home in homes)}, which are different people."
        raise ValueError(msg)


def _check_one_each(found: list[tuple[Path, dict[str, str]]]) -> None:
    seen: dict[tuple[str, ...], Path] = {}
    for path, entities in found:
        key = tuple(entities.get(name, "") for name in _PARTS)
        if key in seen:
            msg = (
                f"{seen[key]} and {path} are epochs of the same session, task and run; choose with pipeline=, "
                "processing= or description=, or list the files yourself."
            )
            raise ValueError(msg)
        seen[key] = path


def _nothing(
    folder: Path, bases: list[Path], wanted: Mapping[str, str], there: list[tuple[Path, dict[str, str]]]
) -> str:
    asked = "_".join(f"{name}-{wanted[name]}" for name in ("sub", *_SHORT.values()) if name in wanted)
    if there:
        return f"{folder} has no epochs of {asked}; this subject's are {join_names(path.name for path, _ in there)}."
    homes = sorted({home.name for base in bases for home in base.glob("sub-*") if home.is_dir()})
    if any(_same(home.removeprefix("sub-"), wanted["sub"]) for home in homes):
        return f"{folder} has no epochs of {asked}: no file ends in _epo.fif there (or in its derivatives)."
    return f"{folder} has no subject sub-{wanted['sub']}; it has {join_names(homes) or 'no folder sub-...'}."
