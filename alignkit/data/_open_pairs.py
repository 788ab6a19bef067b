"""Image-text pairs for contrastive training, from shards, Parquet files or a folder."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from alignkit._check import check_choice, counted, shown
from alignkit._typing import PathLike
from alignkit.data._folder_pairs import open_folder_pairs
from alignkit.data._image_text_pairs import ImageTextPairs, Source
from alignkit.data._parquet_pairs import open_parquet_pairs
from alignkit.data._shard_paths import shard_paths
from alignkit.data._tar_pairs import open_tar_pairs


def open_pairs(
    source: PathLike | Sequence[PathLike],
    /,
    *,
    captions: PathLike | None = None,
    index: PathLike | None = None,
    check: Literal["decode", "header"] = "decode",
) -> ImageTextPairs:
    """Open image-text pairs, so that any one of them can be read by its number.

    Every file is gone through once, and with ``index`` only then: pairs without image or caption, captions that are
    empty or not UTF-8, broken images, keys that come twice, and links are left out, with one warning; the result's
    ``bad`` names each. Nothing is unpacked to disk, and members other than images, ``.txt`` and ``.json`` are not read.

    Parameters
    ----------
    source : path, or sequence of paths
        Webdataset shards (``.tar``: files of one key, one of them ``.jpg``, ``.jpeg``, ``.png`` or ``.webp``, another
        ``.txt``, or ``.json`` with ``"caption"``), or ``.parquet`` files with the columns ``images`` (bytes) and
        ``texts`` (captions, or token ids): a folder, a pattern such as ``"cc3m/{00000..00331}.tar"``, or a list. With
        ``captions``, a folder of images.
    captions : path, optional
        A ``.csv`` or ``.tsv`` with the columns ``file`` (a path in the folder) and ``caption``; an image may have
        several rows.
    index : path, optional
        Folder that keeps what was found (made if it does not exist), so that files that have not changed since, by
        size and time, are not gone through again.
    check : {"decode", "header"}
        Whether every image is decoded, or must only begin and end as one, which is several times faster but leaves
        damage in its middle to be found, and raised, when it is needed.

    Returns
    -------
    ImageTextPairs

    Raises
    ------
    TypeError
        A source that is neither a path nor a list of paths.
    FileNotFoundError
        A shard, folder or table that is missing.
    ValueError
        A truncated or damaged shard or table, or no pair at all.
    ImportError
        Parquet files without pyarrow.

    Examples
    --------
    >>> import io, pathlib, tarfile, tempfile
    >>> from PIL import Image
    >>> shard = pathlib.Path(tempfile.mkdtemp()) / "00000.tar"
    >>> with tarfile.open(shard, "w") as tar:
    ...     for key, text in (("a", "a red square"), ("b", "a blue one")):
    ...         image = io.BytesIO()
    ...         Image.new("RGB", (8, 8), text.split()[1]).save(image, "PNG")
    ...         for name, content in ((f"{key}.png", image.getvalue()), (f"{key}.txt", text.encode())):
    ...             info = tarfile.TarInfo(name)
    ...             info.size = len(content)
    ...             tar.addfile(info, io.BytesIO(content))
    >>> pairs = open_pairs(shard)
    >>> pairs, pairs.name(1), pairs.caption(1), pairs.image(1).getpixel((0, 0))
    (<ImageTextPairs: 2 images with captions, 0 left out>, '00000.tar/b', 'a blue one', (0, 0, 255))
    """
    check_choice("check", check, ("decode", "header"))
    folder = None if index is None else Path(index)
    if folder is not None and folder.exists() and not folder.is_dir():
        msg = f"index must be a folder; {folder} is a file."
        raise NotADirectoryError(msg)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")  # about single images; what is wrong with one is in bad
        found = _open(source, captions, folder, decode=check == "decode")
    return _checked(ImageTextPairs(found), source)


def _open(
    source: PathLike | Sequence[PathLike], captions: PathLike | None, index: Path | None, *, decode: bool
) -> Source:
    if captions is not None:
        if not isinstance(source, str | os.PathLike):
            msg = f"with captions=, source must be one folder of images; got {shown(source)}."
            raise TypeError(msg)
        return open_folder_pairs(Path(source), Path(captions), index, decode=decode)
    paths = shard_paths(source)
    if paths[0].suffix.lower() == ".tar":
        return open_tar_pairs(paths, _labels(paths), index, decode=decode)
    return open_parquet_pairs(paths, _labels(paths), index, decode=decode)


def _labels(paths: Sequence[Path]) -> list[str]:
    """Return the files' names, with as many of their folders as tell them apart."""
    whole = [Path(os.path.abspath(path)) for path in paths]
    common = os.path.commonpath([path.parent for path in whole])
    return [path.relative_to(common).as_posix() for path in whole]


def _checked(pairs: ImageTextPairs, source: object) -> ImageTextPairs:
    first = "".join(f": {name!r}, {reason}" for name, reason in pairs.bad[:1])
    if not len(pairs):
        where = os.fspath(source) if isinstance(source, str | os.PathLike) else "source"
        msg = f"{where} holds no image-text pair that can be used{first or ': it is empty'}."
        raise ValueError(msg)
    if pairs.bad:
        more = f", and {len(pairs.bad) - 1:,} more" if len(pairs.bad) > 1 else ""
        of_all = counted(len(pairs) + len(pairs.bad), "sample")
        msg = f"{len(pairs.bad):,} of {of_all} are left out{first}{more}; .bad names them all."
        warnings.warn(msg, stacklevel=3)
    return pairs
