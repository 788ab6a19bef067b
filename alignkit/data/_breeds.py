"""BREEDS: superclasses of ImageNet whose subclasses are split into a source and a target."""

from __future__ import annotations

from pathlib import Path

from alignkit._check import check_choice
from alignkit._typing import PathLike
from alignkit.data._imagenet_classes import living17, of_living17
from alignkit.data._labelled_images import SUFFIXES, LabelledImages
from alignkit.data._verify import pictures

_TASKS = ("living17",)


def load_breeds(folder: PathLike, /, *, task: str = "living17") -> LabelledImages:
    """List the ImageNet pictures of a BREEDS task: their superclass, and whether their subclass is source or target.

    Living-17 has 17 superclasses (salamander, turtle, ...) with two source and two target subclasses each: a read-out
    that is fitted to the source's dogs is scored on dogs of breeds that it never saw. Other tasks can be given to
    :func:`read_labelled_images` as a table.

    Parameters
    ----------
    folder : path
        Pictures of ImageNet (training or validation) in folders named by WordNet ids (``n01629819/...``), or with
        names that begin with one (``n01629819_12.JPEG``), at any depth.
    task : {"living17"}
        Which task.

    Returns
    -------
    LabelledImages

    Raises
    ------
    FileNotFoundError
        No such folder.
    ValueError
        An unknown task, or a folder without any of its pictures.

    References
    ----------
    Santurkar, Tsipras & Madry (2021), https://doi.org/10.48550/arXiv.2008.04859

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for wnid in ("n01631663", "n01630670", "n07747607"):
    ...     (folder / wnid).mkdir()
    ...     (folder / wnid / "1.JPEG").touch()
    >>> images = load_breeds(folder)
    >>> list(zip(images.files, images.classes, images.domain))
    [('n01630670/1.JPEG', 'salamander', 'target'), ('n01631663/1.JPEG', 'salamander', 'source')]
    """
    check_choice("task", task, _TASKS)
    files = pictures_in(folder)
    found = of_living17(files)
    if not found:
        msg = f"{folder} holds no pictures of the {len(living17())} classes of Living-17 (n01629819/... and others)."
        raise ValueError(msg)
    return LabelledImages(
        tuple(files[position] for position, _, _ in found),
        tuple(superclass for _, superclass, _ in found),
        tuple(domain for _, _, domain in found),
        "BREEDS Living-17",
    )


def pictures_in(folder: PathLike) -> list[str]:
    """Return the relative names of a folder's pictures, or raise where there is no such folder."""
    path = Path(folder)
    if not path.is_dir():
        msg = f"{path} is no folder; give the one that holds ImageNet's pictures, by class."
        raise (NotADirectoryError if path.exists() else FileNotFoundError)(msg)
    return pictures(path, SUFFIXES)
