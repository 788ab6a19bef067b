"""From the names in a file of triplets to the images that they stand for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath

from alignkit._check import join_names
from alignkit.train._images import ImagesByObject


def find_named(
    names: Sequence[str], paths: Sequence[Path], folder: Path, items: ImagesByObject, /
) -> tuple[tuple[Path, ...], ...]:
    """Return the images of each name: the file of that name, or all that show the item of that name.

    A file is found by its path below the folder, by its name alone where only one has it, or by that without the
    ending.

    Parameters
    ----------
    names : sequence of str
        As triplets have them; those of items may have several images.
    paths : sequence of Path
        The images in ``folder``.
    folder : pathlib.Path
        Where they are.
    items : mapping of str to tuple of Path
        Images by item, where it is known what they show.

    Raises
    ------
    ValueError
        A name without an image.
    """
    files = _by_file(names, paths, folder)
    shown = [items.get(name, ()) for name in names]
    chosen = files if sum(map(bool, files)) >= sum(map(bool, shown)) else shown
    missing = [name for name, own in zip(names, chosen, strict=True) if not own]
    if missing:
        msg = (
            f"{len(missing):,} of the {len(names):,} images of the triplets are not in {folder}: "
            f"{join_names(missing, 3)}; name the folder that their features were extracted from."
        )
        raise ValueError(msg)
    return tuple(chosen)


def _by_file(names: Sequence[str], paths: Sequence[Path], folder: Path) -> list[tuple[Path, ...]]:
    whole = {path.relative_to(folder).as_posix(): path for path in paths}
    found = [whole.get(name.replace("\\", "/")) for name in names]
    if None in found:
        alone, stems = _unique(whole.items(), lambda path: path.name), _unique(whole.items(), lambda path: path.stem)
        for number, name in enumerate(names):
            if found[number] is None:
                plain = PurePosixPath(name.replace("\\", "/"))
                # the stem of a name without an ending is the name
                found[number] = alone.get(plain.name) or (None if _has_suffix(plain) else stems.get(plain.name))
    return [() if path is None else (path,) for path in found]


def _unique(files: Iterable[tuple[str, Path]], key: Callable[[Path], str]) -> dict[str, Path]:
    """Return the images by a part of their names that no other image has."""
    found: dict[str, Path | None] = {}
    for _, path in files:
        name = key(path)
        found[name] = None if name in found else path
    return {name: path for name, path in found.items() if path is not None}


def _has_suffix(name: PurePosixPath) -> bool:
    return name.suffix.lower() in {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
