"""The zero-shot sets that runs follow, whose scores must be told apart by their names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from alignkit.data import open_zero_shot_set

if TYPE_CHECKING:
    from alignkit.data import ZeroShotSet


def open_followed_sets(
    paths: Iterable[Path],
    /,
    *,
    human: Sequence[str] = (),
    root: Path | None = None,
    check: Literal["decode", "header"] = "header",
) -> list[ZeroShotSet]:
    """Open sets; metrics begin with their names, as they do with those of data sets of people.

    Parameters
    ----------
    paths : iterable of Path
    human : sequence of str
        Data sets of people that are followed too.
    root : Path, optional
        Folder of the published class names and templates.
    check : {"decode", "header"}
        As :func:`alignkit.data.open_zero_shot_set` takes it.

    Raises
    ------
    FileNotFoundError, ValueError
        A set that is not there or cannot be used, or two of one name.
    """
    found: list[ZeroShotSet] = []
    taken: dict[str, Path] = {}
    for path in paths:
        one = open_zero_shot_set(path, root=root, check=check)
        if one.name in taken:
            msg = f"{taken[one.name]} and {path} are both called {one.name!r}, so that one's scores would replace the "
            msg += "other's; rename a folder."
            raise ValueError(msg)
        people = next((name for name in human if one.name == name or one.name.startswith(f"{name}_")), None)
        if people is not None:
            msg = f"{path} is called {one.name!r}, like the data set of people {people!r}; rename the folder."
            raise ValueError(msg)
        taken[one.name] = path
        found.append(one)
    return found
