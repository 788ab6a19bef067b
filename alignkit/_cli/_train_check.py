"""What training refuses at once, whatever its method, in place of later or in words that do not help."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from alignkit._check import require
from alignkit.data import dataset_path


def check_extra() -> None:
    """Raise unless the packages that training needs are here."""
    for module in ("torch", "peft", "safetensors"):
        require(module, "train")


def check_run_folder(out: Path) -> None:
    """Raise unless ``out`` can be a run's folder.

    Raises
    ------
    NotADirectoryError
        A file.
    FileNotFoundError
        A folder in one that does not exist.
    """
    if out.exists() and not out.is_dir():
        msg = f"--out {out} is a file; name a folder."
        raise NotADirectoryError(msg)
    if not out.absolute().parent.is_dir():
        msg = f"the folder {out.parent} of --out does not exist; create it first."
        raise FileNotFoundError(msg)


def check_images(images: Path | None, *, out: Path, root: Path | None, needed: bool) -> None:
    """Raise unless there is a folder of images, outside of which the run's lies.

    Parameters
    ----------
    images : Path or None
        As given.
    out, root : Path
        The run's folder, and that of the data sets.
    needed : bool
        Whether the photos of THINGS must be there where no folder is given.

    Raises
    ------
    FileNotFoundError, NotADirectoryError, ValueError
        No images, a file or nothing in place of their folder, or a run among the images.
    """
    if images is None:
        photos = dataset_path("things", root=root) / "photos"
        if needed and not photos.is_dir():
            msg = f"--images is not given, and there are no photos of THINGS at {photos}; name a folder of images."
            raise FileNotFoundError(msg)
        return
    if not images.is_dir():
        what = "is a file" if images.exists() else "does not exist"
        msg = f"--images {images} {what}; name a folder of images."
        raise NotADirectoryError(msg)
    if out.resolve().is_relative_to(images.resolve()):
        msg = f"--out {out} lies among the images of {images}; choose a folder elsewhere."
        raise ValueError(msg)


def check_inputs(files: Mapping[str, Path | None]) -> None:
    """Raise where a file that a flag names is not there, or is a folder.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
    """
    for flag, path in files.items():
        if path is None:
            continue
        if not path.exists():
            msg = f"--{flag} {path} does not exist."
            raise FileNotFoundError(msg)
        if path.is_dir() and path.suffix != ".zarr":
            msg = f"--{flag} {path} is a folder; name a file."
            raise IsADirectoryError(msg)
