"""ImageNet-A: photographs that classifiers of ImageNet get wrong."""

from __future__ import annotations

from pathlib import Path

from alignkit._typing import PathLike
from alignkit.data._breeds import pictures_in
from alignkit.data._imagenet_classes import wnid_of
from alignkit.data._labelled_images import LabelledImages


def load_imagenet_a(folder: PathLike, /, *, source: PathLike | None = None) -> LabelledImages:
    """List the pictures of ImageNet-A, and those of the same classes that a read-out is fitted to.

    Parameters
    ----------
    folder : path
        ``imagenet-a`` as published: 7,500 pictures in 200 folders named by WordNet ids.
    source : path, optional
        Pictures of ImageNet in folders named by WordNet ids; those of the same classes become the source. Files are
        named relative to the folder above both.

    Returns
    -------
    LabelledImages
        Classes are WordNet ids; domain ``"target"`` for ImageNet-A, ``"source"`` for the others.

    Raises
    ------
    FileNotFoundError
        No such folder.
    ValueError
        A folder without pictures in folders named by WordNet ids, or a source of other classes.

    References
    ----------
    Hendrycks et al. (2021), https://doi.org/10.48550/arXiv.1907.07174

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "imagenet-a"
    >>> (folder / "n01498041").mkdir(parents=True)
    >>> (folder / "n01498041" / "0.00001.jpg").touch()
    >>> load_imagenet_a(folder).files
    ('imagenet-a/n01498041/0.00001.jpg',)
    """
    targets = _named(folder, Path(folder).resolve().parent)
    wanted = set(targets.values())
    sources: dict[str, str] = {}
    if source is not None:
        above = _common(Path(folder), Path(source))
        targets = _named(folder, above)
        sources = {name: wnid for name, wnid in _named(source, above).items() if wnid in wanted and name not in targets}
        if not sources:
            msg = f"{source} holds no pictures of the {len(wanted)} classes in {folder}."
            raise ValueError(msg)
    both = {**sources, **targets}
    domain = ("source",) * len(sources) + ("target",) * len(targets)
    return LabelledImages(tuple(both), tuple(both.values()), domain, "ImageNet-A")


def _named(folder: PathLike, above: Path) -> dict[str, str]:
    """Return the class of each picture, by its name relative to a folder above."""
    start = Path(folder).resolve().relative_to(above)
    names = [(start / name).as_posix() for name in pictures_in(folder)]
    found = {name: wnid for name in names if (wnid := wnid_of(name)) is not None}
    if not found:
        msg = f"{folder} holds no pictures in folders named by WordNet ids (n01498041/...)."
        raise ValueError(msg)
    return found


def _common(first: Path, second: Path) -> Path:
    one, other = first.resolve(), second.resolve()
    return next(path for path in (one.parent, *one.parent.parents) if other.is_relative_to(path) and other != path)
