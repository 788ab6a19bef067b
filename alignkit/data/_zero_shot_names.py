"""What zero-shot sets are called, and their published class names and templates where a data folder has them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alignkit._check import shown
from alignkit._io import check_file, read_json
from alignkit._typing import PathLike
from alignkit.data._registry import data_root

#: Where the lists of CLIP_benchmark may lie in a data folder.
_FOLDERS = ("reference/clip_benchmark", "clip_benchmark")
_CLASSES, _TEMPLATES = "en_classnames.json", "en_zeroshot_classification_templates.json"
_MAX_BYTES = 16 << 20
#: The same set under other names, all spelt as :func:`plain_name` does.
_SAME = {
    "aircraft": "fgvcaircraft",
    "closestobjectdistance": "clevrclosestobjectdistance",
    "countall": "clevrcountall",
    "flickr30k": "flickr1ktestimagetextretrieval",
    "flowers102": "flowers",
    "imagenet": "imagenet1k",
    "mscococaptions": "mscoco20145ktestimagetextretrieval",
    "mscococaptions2014": "mscoco20145ktestimagetextretrieval",
    "oxfordflowers102": "flowers",
    "oxfordiiitpet": "pets",
    "stanfordcars": "cars",
}
#: Sets that are described by another's class names, or by another's templates.
_CLASSES_OF = {"imagenetv2": "imagenet1k", "imagenetsketch": "imagenet1k"}
_TEMPLATES_OF = {
    name: "imagenet1k" for name in ("imagenetv2", "imagenetsketch", "imageneta", "imagenetr", "imageneto", "objectnet")
}
#: CLIP_benchmark's list of VTAB's Caltech-101 is in another order than torchvision's.
_CALTECH = "caltech101"


def plain_name(name: str, /) -> str:
    """Return a set's name as letters and digits: one for ``wds_vtab-cifar100``, ``vtab/cifar100`` and ``CIFAR-100``.

    Examples
    --------
    >>> plain_name("wds_vtab-cifar100"), plain_name("CIFAR-100"), plain_name("imagenet-a")
    ('cifar100', 'cifar100', 'imageneta')
    """
    text = re.sub(r"^wds[_/]", "", name.strip().lower())
    text = re.sub(r"^(vtab|retrieval)[/_-]", "", text)
    text = re.sub(r"[_-]test$", "", text)
    text = re.sub(r"[^0-9a-z]", "", text)
    return _SAME.get(text, text)


def published_classes(name: str, root: PathLike | None, /) -> tuple[str, ...] | None:
    """Return the class names that CLIP_benchmark gives a set, or None where they are not at hand."""
    plain = plain_name(name)
    wanted = _CLASSES_OF.get(plain, plain)
    if wanted == _CALTECH and "vtab" in name.lower():
        wanted = f"{_CALTECH}vtab"
    return _published(_CLASSES, wanted, root)


def published_templates(name: str, root: PathLike | None, /) -> tuple[str, ...] | None:
    """Return the templates that CLIP_benchmark gives a set, or None where they are not at hand."""
    plain = plain_name(name)
    return _published(_TEMPLATES, _TEMPLATES_OF.get(plain, plain), root)


def read_lines(path: Path, /) -> tuple[str, ...]:
    """Return the lines of a text file without blanks around them; empty lines inside count, those at the end do not.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        A file that is too large, or not UTF-8.
    """
    if check_file(path).stat().st_size > _MAX_BYTES:
        msg = f"{path} is larger than a list of names can be ({path.stat().st_size >> 20} MiB)."
        raise ValueError(msg)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"{path} is not UTF-8 text (byte {error.start})."
        raise ValueError(msg) from error
    return tuple(line.strip() for line in text.rstrip().split("\n")) if text.strip() else ()


def as_names(what: str, given: PathLike | Sequence[str], /) -> tuple[str, ...]:
    """Return names that were given as a list, or as the path of a text file with one a line.

    Raises
    ------
    TypeError
        Neither.
    FileNotFoundError, ValueError
        As :func:`read_lines`.
    """
    if isinstance(given, str | Path):
        return read_lines(Path(given))
    if not isinstance(given, list | tuple) or not all(isinstance(name, str) for name in given):
        msg = f"{what} must be a list of texts, or the path of a text file with one a line; got {shown(given)}."
        raise TypeError(msg)
    return tuple(given)


def described(
    name: str,
    classes: Sequence[str] | None,
    templates: Sequence[str] | None,
    root: PathLike | None,
    /,
    *,
    files: str = "",
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return a set's class names and templates: those given, else the published ones; ``files`` may hold them too.

    Raises
    ------
    ValueError
        Neither: the sentence says what to give.
    """
    names = published_classes(name, root) if classes is None else tuple(classes)
    texts = published_templates(name, root) if templates is None else tuple(templates)
    missing = [what for what, found in (("class names", names), ("templates", texts)) if not found]
    if names and texts:
        return names, texts
    given = {"class names": "class_names=[...]", "templates": "templates=['a photo of a {}.']"}
    folder = data_root(root) / _FOLDERS[0]
    msg = (
        f"the set {name} has no {' and no '.join(missing)}, and {folder} has none for it; "
        f"pass {' and '.join(given[what] for what in missing)}{f', or write {files}, one a line' if files else ''}."
    )
    raise ValueError(msg)


def _published(file: str, wanted: str, root: PathLike | None) -> tuple[str, ...] | None:
    for folder in _FOLDERS:
        path = data_root(root) / folder / file
        if path.is_file():
            return {_key(name): texts for name, texts in _lists(path).items()}.get(wanted)
    return None


def _key(name: str) -> str:
    return re.sub(r"[^0-9a-z]", "", name.lower())


def _lists(path: Path) -> dict[str, tuple[str, ...]]:
    if path.stat().st_size > _MAX_BYTES:
        msg = f"{path} is larger than lists of names can be ({path.stat().st_size >> 20} MiB)."
        raise ValueError(msg)
    content: Any = read_json(path)
    lists = content.items() if isinstance(content, dict) else ()
    found = {
        str(name): tuple(texts)
        for name, texts in lists
        if isinstance(texts, list) and all(isinstance(text, str) for text in texts)
    }
    if not found or len(found) < len(content):
        msg = f"{path} must hold a list of texts for each set."
        raise ValueError(msg)
    return found
