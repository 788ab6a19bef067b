"""Sets of a zero-shot evaluation, in whatever layout they come."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from alignkit._check import check_choice, counted
from alignkit._typing import PathLike
from alignkit.data._cifar_files import cifar_file, cifar_name, open_cifar
from alignkit.data._class_folders import CAPTIONS, has_class_folders, open_captioned_folder, open_class_folders
from alignkit.data._wds_set import is_wds, open_wds_set
from alignkit.data._zero_shot_names import as_names
from alignkit.data._zero_shot_set import ZeroShotSet


def open_zero_shot_set(
    source: PathLike,
    /,
    *,
    name: str | None = None,
    class_names: PathLike | Sequence[str] | None = None,
    templates: PathLike | Sequence[str] | None = None,
    captions: PathLike | None = None,
    root: PathLike | None = None,
    check: Literal["decode", "header"] = "decode",
) -> ZeroShotSet:
    """Open a set of images for zero-shot classification, tagging or retrieval; nothing is unpacked to disk.

    Class names and templates are those given, else those that lie with the images, else the published ones of the
    set's name, where the data folder has them (``reference/clip_benchmark/en_classnames.json`` and
    ``en_zeroshot_classification_templates.json`` of CLIP_benchmark).

    Parameters
    ----------
    source : path
        - A webdataset of CLIP_benchmark (``wds_NAME`` with ``test/nshards.txt``, ``test/0.tar``, ...): each image with
          its class (``.cls``), its classes (``.npy``, where ``dataset_type.txt`` says multilabel) or its captions
          (``.txt``, one a line, where it says retrieval).
        - A folder with one folder of images for each class. Class names are the lines of its ``classnames.txt``, in
          the order of the sorted folders, else the folders' names with blanks for underscores; templates the lines of
          its ``templates.txt``.
        - A folder of images with ``captions.csv`` (columns file and caption; several rows per image): retrieval.
        - CIFAR's binary files (``test_batch.bin``, ``test.bin``), or an ``.npz`` of encoded images
          (``cifar10_test_jpg.npz``: data, offsets, labels, classes), or the folder of either.
    name : str, optional
        What the set is (``"vtab/cifar100"``); by default its folder says so.
    class_names, templates : sequence of str or path, optional
        In place of the set's own; a text file has one a line. Templates hold ``{}`` or ``{c}`` for the class.
    captions : path, optional
        The table of captions, where it is no ``captions.csv`` among the images.
    root : path, optional
        Folder of the published names; by default the environment variable ``ALIGNKIT_DATA``, else the user's cache.
    check : {"decode", "header"}
        Whether every image is decoded, or must only begin and end as one, which is several times faster but leaves
        damage in its middle to be found, and raised, when it is needed.

    Returns
    -------
    ZeroShotSet
        Broken samples are left out, with one warning; its ``bad`` names each.

    Raises
    ------
    FileNotFoundError
        Nothing there, or a missing shard or table.
    ValueError
        A truncated shard or damaged file, a folder in no known layout, class numbers without names, or class names or
        templates that are neither given nor published.
    TypeError
        Names that are no texts.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from PIL import Image
    >>> folder = pathlib.Path(tempfile.mkdtemp()) / "colours"
    >>> for colour in ("red", "blue"):
    ...     (folder / colour).mkdir(parents=True)
    ...     Image.new("RGB", (8, 8), colour).save(folder / colour / "1.png")
    >>> found = open_zero_shot_set(folder, templates=["a {} square"])
    >>> found, found.class_names, found.targets.tolist()
    (<ZeroShotSet colours (classification): 2 images, 2 classes, 1 template>, ('blue', 'red'), [0, 1])
    """
    check_choice("check", check, ("decode", "header"))
    path = Path(source)
    if not path.exists():
        msg = f"{path} does not exist; a folder or file with the images of a zero-shot set is expected."
        raise FileNotFoundError(msg)
    names = None if class_names is None else as_names("class_names", class_names)
    texts = None if templates is None else as_names("templates", templates)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")  # about single images; what is wrong with one is in bad
        found = _open(path, name, names, texts, captions, root, decode=check == "decode")
    if found.bad:
        of_all = counted(len(found) + len(found.bad), "sample")
        msg = f"{len(found.bad):,} of {of_all} of {found.name} are left out: {found.bad[0][0]!r}, {found.bad[0][1]}"
        more = f", and {len(found.bad) - 1:,} more" if len(found.bad) > 1 else ""
        warnings.warn(f"{msg}{more}; .bad names them all.", stacklevel=2)
    return found


def zero_shot_sources(folder: PathLike, /) -> list[Path]:
    """Return the sets in a folder, sorted: itself where it is one, else those in it and in its folders.

    Raises
    ------
    FileNotFoundError
        Nothing there.
    ValueError
        A folder without sets.
    """
    path = Path(folder)
    if not path.exists():
        msg = f"{path} does not exist; a zero-shot set, or a folder of them, is expected."
        raise FileNotFoundError(msg)
    # a set of captions among other sets looks like the images of a class
    inside = [child for child in _children(path) if _is_packed(child)]
    if _is_packed(path) or (not inside and has_folders(path)):
        return [path]
    found = [one for child in _children(path) for one in _in_collection(child)]
    if not found:
        msg = (
            f"{path} holds no zero-shot set: wds_NAME/test/0.tar of CLIP_benchmark, NAME/CLASS/*.jpg, a folder with "
            "captions.csv, or CIFAR's files."
        )
        raise ValueError(msg)
    return found


def has_folders(path: Path, /) -> bool:
    """Return whether a path is a folder with folders of images."""
    return path.is_dir() and has_class_folders(path)


def _in_collection(path: Path) -> list[Path]:
    if _is_packed(path):
        return [path]
    below = [child for child in _children(path) if _is_packed(child)]
    return below or ([path] if has_folders(path) else [child for child in _children(path) if has_folders(child)])


def _children(path: Path) -> list[Path]:
    if not path.is_dir():
        return []
    return sorted(child for child in path.iterdir() if child.is_dir() and not child.name.startswith("."))


def _is_packed(path: Path) -> bool:
    """Return whether a path is a set by the files in it, whatever folders there are."""
    if cifar_file(path) is not None or not path.is_dir():
        return cifar_file(path) is not None
    return is_wds(path) or any((path / table).is_file() for table in CAPTIONS)


def _open(
    path: Path,
    name: str | None,
    class_names: Sequence[str] | None,
    templates: Sequence[str] | None,
    captions: PathLike | None,
    root: PathLike | None,
    *,
    decode: bool,
) -> ZeroShotSet:
    called = _called(path) if name is None else name
    options: dict[str, Any] = {"class_names": class_names, "templates": templates, "root": root, "decode": decode}
    table = next((path / file for file in CAPTIONS if (path / file).is_file()), None)
    if captions is not None or table is not None:
        if class_names is not None or templates is not None:
            msg = f"{path} has captions, which need no class names and no templates; leave them out."
            raise ValueError(msg)
        return open_captioned_folder(path, Path(captions or str(table)), name=called, decode=decode)
    file = cifar_file(path)
    if file is not None:
        return open_cifar(file, name=cifar_name(file) if name is None else name, **options)
    if path.is_dir() and is_wds(path):
        return open_wds_set(path, name=called, **options)
    if has_folders(path):
        return open_class_folders(path, name=called, **options)
    msg = (
        f"{path} is no zero-shot set: a webdataset (test/0.tar), a folder of images by class, images with "
        "captions.csv, CIFAR's test_batch.bin or test.bin, or an .npz of images is expected."
    )
    raise ValueError(msg)


def _called(path: Path) -> str:
    """Return what a folder says that its set is called."""
    text = path.resolve().name
    if path.resolve().parent.name.lower() in ("vtab", "wds_vtab"):
        text = f"vtab/{text}"
    text = text.removeprefix("wds_")
    for prefix in ("vtab", "retrieval"):
        if text.startswith((f"{prefix}-", f"{prefix}_")):
            text = f"{prefix}/{text[len(prefix) + 1 :]}"
    return text
