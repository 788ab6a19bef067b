"""What each dimension is called in words: a prompt per dimension, in the order of the targets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from alignkit._check import as_labels, join_names
from alignkit._io import check_file, read_json
from alignkit._typing import PathLike
from alignkit.data import dataset_path
from alignkit.data._tables import text_table

#: Where CLIP-HBA's prompts stand in prompts.json, by number of dimensions.
_KEYS = {66: "prompts66_used", 49: "prompts49_positive_used"}


def things_prompts(n: int, root: PathLike | None = None, /) -> tuple[str, ...]:
    """Return CLIP-HBA's prompts for SPoSE-66 or SPoSE-49, in the order of the columns.

    Raises
    ------
    FileNotFoundError
        ``things/prompts.json`` is not there.
    ValueError
        A damaged file.
    """
    path = dataset_path("things", root=root) / "prompts.json"
    if not path.exists():
        msg = (
            f"CLIP-HBA's prompts are not at {path}; put its file there, or give prompts=, a text file with one prompt "
            "for each dimension."
        )
        raise FileNotFoundError(msg)
    content = read_json(path)
    prompts = content.get(_KEYS[n]) if isinstance(content, dict) else None
    if not isinstance(prompts, list) or not all(isinstance(prompt, str) for prompt in prompts):
        msg = f"{path} has no list {_KEYS[n]!r}; it is damaged or another version."
        raise ValueError(msg)
    return check_prompts(prompts, n, str(path))


def read_prompts(path: PathLike, dimensions: Sequence[str], /) -> tuple[str, ...]:
    """Read one prompt per dimension.

    Parameters
    ----------
    path : path
        A text file, one prompt a line in the order of the dimensions; or a ``.csv`` (``.tsv``) with the columns
        ``dimension`` and ``prompt``, in any order of rows.
    dimensions : sequence of str
        Names of the dimensions.

    Returns
    -------
    tuple of str
        In the order of ``dimensions``.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        Another number of prompts, equal or empty ones, dimensions that are missing or unknown, or lines that are the
        dimensions' names in another order.
    """
    path = Path(path)
    if path.suffix.lower() in (".csv", ".tsv", ".tab"):
        return _from_table(path, dimensions)
    try:
        lines = [line.strip() for line in check_file(path).read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        msg = f"{path} is not a text file ({error})."
        raise ValueError(msg) from error
    while lines and not lines[-1]:
        lines.pop()
    prompts = check_prompts(lines, len(dimensions), str(path))
    if set(prompts) == set(dimensions) and prompts != tuple(dimensions):
        first = next(i for i, (a, b) in enumerate(zip(prompts, dimensions, strict=True)) if a != b)
        msg = (
            f"{path} names the dimensions in another order than the targets (line {first + 1} is {prompts[first]!r}, "
            f"the targets' dimension {dimensions[first]!r}); give a csv with the columns dimension and prompt."
        )
        raise ValueError(msg)
    return prompts


def check_prompts(prompts: Sequence[str], n: int, name: str) -> tuple[str, ...]:
    """Return the prompts, or raise when their number is not ``n``, or one is empty or there twice."""
    if len(prompts) != n:
        msg = f"{name} must hold one prompt for each of the {n} dimensions; got {len(prompts)}."
        raise ValueError(msg)
    return as_labels(f"the prompts of {name}", prompts)


def _from_table(path: Path, dimensions: Sequence[str]) -> tuple[str, ...]:
    sep = "," if path.suffix.lower() == ".csv" else "\t"
    table = text_table(path, sep=sep, columns=("dimension", "prompt"), as_text=True)
    names = as_labels(f"the column 'dimension' of {path}", table["dimension"].str.strip())
    missing = [name for name in dimensions if name not in set(names)]
    unknown = [name for name in names if name not in set(dimensions)]
    if missing or unknown:
        parts = {"lacks": missing, "names unknown": unknown}
        found = "; ".join(f"{what} {join_names(some)}" for what, some in parts.items() if some)
        msg = f"{path} does not hold the targets' dimensions ({found})."
        raise ValueError(msg)
    prompt = dict(zip(names, table["prompt"].str.strip(), strict=True))
    return check_prompts([prompt[name] for name in dimensions], len(dimensions), str(path))
