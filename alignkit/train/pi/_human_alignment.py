"""How well image embeddings agree with people, at one moment of training: by the very scores of ``alignkit score``."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from alignkit._typing import FloatArray
from alignkit.data import dataset_path, load_cifar10h, load_material2afc, load_rsa92
from alignkit.models._features import Features
from alignkit.models._items import list_images
from alignkit.train._images import open_photo

if TYPE_CHECKING:
    from PIL.Image import Image


class HumanImages:
    """The images of a data set of people, by the names that its scores know.

    Parameters
    ----------
    dataset : str
        As ``alignkit score --dataset`` names it.
    root : path, optional
        Folder of the data sets.

    Raises
    ------
    FileNotFoundError
        The data set, or its images, are not at hand; the sentence says how to get them.
    """

    def __init__(self, dataset: str, root: Path | None) -> None:
        self.dataset = dataset
        self.root = root
        self.items: Path | None = None
        self.labels, self.read = self._open()

    def __len__(self) -> int:
        return len(self.labels)

    def metrics(self, embeddings: FloatArray, /) -> dict[str, float]:
        """Return the scores of embeddings, shape (images, D), by ``<data set>_<part>_<measure>``; no intervals.

        Those that models are ranked by come first.
        """
        from alignkit.score import score

        features = Features.from_array(embeddings, self.labels, name="model")
        table = score(features, self.dataset, root=self.root, items=self.items, n_bootstrap=0, n_shuffles=1)
        rows = sorted((row for row in table.rows if row.role == "model"), key=lambda row: not row.primary)
        return {_name(self.dataset, row.part, row.measure): float(row.value) for row in rows}

    def _open(self) -> tuple[tuple[str, ...], Callable[[int], Image]]:
        return getattr(self, f"_open_{self.dataset}")()

    def _open_things(self) -> tuple[tuple[str, ...], Callable[[int], Image]]:
        folder = dataset_path("things", root=self.root) / "photos"
        if not folder.is_dir():
            msg = f"there are no photos of THINGS at {folder}; see `alignkit data list`."
            raise FileNotFoundError(msg)
        manifest = folder.parent / "photos_manifest.csv"
        self.items = manifest if manifest.is_file() else None
        return _of_files(folder)

    def _open_material2afc(self) -> tuple[tuple[str, ...], Callable[[int], Image]]:
        data = load_material2afc(self.root)
        return data.labels, _reader([data.image_folder / label for label in data.labels])

    def _open_rsa92(self) -> tuple[tuple[str, ...], Callable[[int], Image]]:
        from PIL import Image

        data = load_rsa92(self.root)
        images = data.images()
        return data.labels, lambda i: Image.fromarray(images[i])

    def _open_cifar10h(self) -> tuple[tuple[str, ...], Callable[[int], Image]]:
        from PIL import Image

        data = load_cifar10h(self.root)
        return data.labels, lambda i: Image.open(io.BytesIO(data.jpeg(i)))


def _of_files(folder: Path) -> tuple[tuple[str, ...], Callable[[int], Image]]:
    paths = list_images(folder)
    return tuple(path.relative_to(folder).as_posix() for path in paths), _reader(paths)


def _reader(paths: Sequence[Path]) -> Callable[[int], Image]:
    return lambda i: open_photo(paths[i])


def _name(dataset: str, part: str, measure: str) -> str:
    return "_".join(word.replace(" ", "_") for word in (dataset, part, measure) if word)
