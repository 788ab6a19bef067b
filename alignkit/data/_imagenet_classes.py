"""ImageNet's classes in names of files and folders, and the sets of them that models' robustness is tested with."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import PurePosixPath

_WNID = re.compile(r"n\d{8}")
#: A folder of this name holds the natural adversarial examples.
_ADVERSARIAL = re.compile(r"imagenet[-_]a", re.IGNORECASE)


def wnid_of(name: str) -> str | None:
    """Return the WordNet id in a path: of the innermost folder of that name, else what the file's name begins with."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    folder = next((part for part in reversed(parts[:-1]) if _WNID.fullmatch(part)), None)
    if folder is not None or not parts:
        return folder
    begins = re.match(r"(n\d{8})(?!\d)", parts[-1])
    return begins[1] if begins else None


def is_adversarial(name: str) -> bool:
    """Return whether a path lies in a folder of ImageNet-A."""
    return any(_ADVERSARIAL.fullmatch(part) for part in PurePosixPath(name.replace("\\", "/")).parts[:-1])


@cache
def living17() -> dict[str, tuple[str, str]]:
    """Return, for each WordNet id of Living-17, its superclass and its domain."""
    text = resources.files("alignkit.data").joinpath("living17.csv").read_text(encoding="utf-8")
    return {row["wnid"]: (row["class"], row["domain"]) for row in csv.DictReader(text.splitlines())}


def of_living17(names: Sequence[str]) -> list[tuple[int, str, str]]:
    """Return (position, superclass, domain) of the pictures of Living-17, those of ImageNet-A left out."""
    known = living17()
    found = []
    for position, name in enumerate(names):
        wnid = wnid_of(name)
        if wnid in known and not is_adversarial(name):
            found.append((position, *known[wnid]))
    return found


def of_imagenet_a(names: Sequence[str]) -> list[tuple[int, str, str]]:
    """Return (position, class, domain) of ImageNet-A's pictures (target) and of others of the same classes (source)."""
    ids = [wnid_of(name) for name in names]
    targets = {wnid for name, wnid in zip(names, ids, strict=True) if wnid and is_adversarial(name)}
    sources = {wnid for name, wnid in zip(names, ids, strict=True) if wnid and not is_adversarial(name)}
    both = targets & sources
    return [
        (position, wnid, "target" if is_adversarial(name) else "source")
        for position, (name, wnid) in enumerate(zip(names, ids, strict=True))
        if wnid in both
    ]
