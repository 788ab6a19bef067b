"""Which files a source of pairs names: a folder, a pattern with braces, or a list of either."""

from __future__ import annotations

import itertools
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from alignkit._check import join_names, shown
from alignkit._typing import PathLike

#: Shards of one data set; LAION-2B has 232,000.
_MAX_SHARDS = 1_000_000
_SUFFIXES = (".tar", ".parquet")
_BRACES = re.compile(r"\{([^{}]*)\}")


def shard_paths(source: PathLike | Sequence[PathLike], /) -> list[Path]:
    """Return the ``.tar`` or the ``.parquet`` files of a source, in order: sorted in a folder, else as they are named.

    Raises
    ------
    TypeError
        Neither a path nor a list of paths.
    FileNotFoundError
        A file or folder that is not there.
    ValueError
        A folder or list without shards, with both kinds or with other files; one file named twice; broken braces.
    """
    sources = [source] if isinstance(source, str | os.PathLike) else source
    if not isinstance(sources, list | tuple) or not all(isinstance(one, str | os.PathLike) for one in sources):
        msg = f"source must be a folder, a pattern such as 'shards/{{000..099}}.tar', or a list; got {shown(source)}."
        raise TypeError(msg)
    paths = [path for one in sources for path in _expand(os.fspath(one))]
    suffixes = {path.suffix.lower() for path in paths}
    if len(suffixes) != 1 or not suffixes <= set(_SUFFIXES):
        what = join_names(sorted(suffixes)) if suffixes else "nothing"
        msg = f"source must name .tar shards, or .parquet files (not both, and unpacked); it names {what}."
        raise ValueError(msg)
    twice = [path for path, count in Counter(map(os.path.realpath, paths)).items() if count > 1]
    if twice:
        msg = f"source names {join_names(twice)} more than once; each pair may come once in an epoch."
        raise ValueError(msg)
    return paths


def _expand(text: str) -> list[Path]:
    path = Path(text)
    if path.is_dir():
        return _in_folder(path)
    paths = [path] if path.exists() else [Path(name) for name in expand_braces(text)]
    missing = [one for one in paths if not one.is_file()]
    if missing:
        what = "is missing" if len(missing) == 1 else "are missing"
        msg = f"{join_names(missing)} {what}: {len(missing):,} of the {len(paths):,} files that {shown(text)} names."
        raise FileNotFoundError(msg)
    return paths


def _in_folder(folder: Path) -> list[Path]:
    found = [path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")]
    if not found:
        msg = f"{folder} holds no .tar or .parquet files; for a folder of images, give captions=, a csv of their texts."
        raise ValueError(msg)
    return sorted(found)


def expand_braces(pattern: str) -> list[str]:
    """Return what a pattern with ``{000..099}`` (as many digits as written) or ``{a,b}`` stands for, in order.

    Raises
    ------
    ValueError
        Braces that do not pair up or stand for nothing, or more than a million names.
    """
    parts = _BRACES.split(pattern)
    choices = [[part] if k % 2 == 0 else _choices(part, pattern) for k, part in enumerate(parts)]
    if any(mark in part for part in parts[::2] for mark in "{}"):
        msg = f"the braces of {shown(pattern)} do not pair up, or stand in each other; write {{000..099}} or {{a,b}}."
        raise ValueError(msg)
    names = ["".join(chosen) for chosen in itertools.islice(itertools.product(*choices), _MAX_SHARDS + 1)]
    if len(names) > _MAX_SHARDS:
        raise _too_many(pattern)
    return names


def _choices(inside: str, pattern: str) -> list[str]:
    span = re.fullmatch(r"(\d{1,18})\.\.(\d{1,18})", inside)
    if span is None and "," not in inside:
        msg = f"{{{inside}}} in {shown(pattern)} stands for nothing; write {{000..099}} or {{a,b}}."
        raise ValueError(msg)
    if span is None:
        return inside.split(",")
    first, last = int(span[1]), int(span[2])
    if last < first:
        msg = f"{{{inside}}} in {shown(pattern)} counts down; write the smaller number first."
        raise ValueError(msg)
    if last - first >= _MAX_SHARDS:
        raise _too_many(pattern)
    return [str(number).zfill(len(span[1])) for number in range(first, last + 1)]


def _too_many(pattern: str) -> ValueError:
    return ValueError(f"{shown(pattern)} stands for more than {_MAX_SHARDS:,} files; name fewer.")
