"""Which of two materials looks more like a third? Human votes over 100 renders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alignkit._io import load_npz
from alignkit._typing import AnyArray, PathLike
from alignkit.data._registry import dataset_path, locate
from alignkit.rsa import TwoAFC


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Material2AFC:
    """Two-alternative choices between material renders.

    Parameters
    ----------
    train, test : TwoAFC
        Reference, the material most people chose (left) and the other (right), with votes; both splits share the
        100 images. Where the votes tie neither is a label: ``choice`` is -1.
    labels : tuple of str, shape (100,)
        File names of the images.
    image_folder : pathlib.Path
        The images.
    """

    train: TwoAFC
    test: TwoAFC
    labels: tuple[str, ...]
    image_folder: Path

    def __repr__(self) -> str:
        return (
            f"<Material2AFC {len(self.labels)} images; train {self.train!r}; test {self.test!r}; "
            f"images in {self.image_folder}>"
        )


def load_material2afc(root: PathLike | None = None, /) -> Material2AFC:
    """Read the material similarity choices.

    Parameters
    ----------
    root : path, optional
        Folder that holds ``material2afc/``; by default the environment variable ``ALIGNKIT_DATA``, else the user's
        cache.

    Returns
    -------
    Material2AFC
        Tied trials are kept: drop them with ``trials.take(~trials.tied)``.

    Raises
    ------
    FileNotFoundError
        A file is not there; the sentence says how to get it.
    ValueError
        A damaged file.

    References
    ----------
    Lagunas et al. (2019), https://doi.org/10.1145/3306346.3323036

    Examples
    --------
    >>> load_material2afc().test  # doctest: +SKIP
    <TwoAFC 3,000 trials, 11,800 votes, 262 tied>
    """
    path = locate("material2afc", "triplets.npz", root)
    arrays, _ = load_npz(path)
    wanted = ("train_triplets", "train_votes", "test_triplets", "test_votes", "files")
    missing = [name for name in wanted if name not in arrays]
    if missing:
        msg = f"{path} lacks the array(s) {', '.join(missing)}; it has {', '.join(arrays)}."
        raise ValueError(msg)
    labels = tuple(str(name) for name in arrays["files"])
    train, test = (_trials(arrays, split, labels, path) for split in ("train", "test"))
    return Material2AFC(train, test, labels, dataset_path("material2afc", "img", root=root))


def _trials(arrays: dict[str, AnyArray], split: str, labels: tuple[str, ...], path: Path) -> TwoAFC:
    try:
        return TwoAFC(arrays[f"{split}_triplets"], arrays[f"{split}_votes"], labels)
    except (ValueError, TypeError) as error:
        msg = f"{path}: the {split} trials are damaged ({error})"
        raise ValueError(msg) from error
