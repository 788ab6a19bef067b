"""The teacher's features of a chain: of images, and of the items that people judged."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from alignkit._check import join_names
from alignkit._typing import FloatArray
from alignkit.models import Features, open_features
from alignkit.train._images import mean_over_photos, photos_of_objects
from alignkit.train.alignet._chain_config import AligNetChainConfig
from alignkit.train.alignet._chain_data import ChainData
from alignkit.train.alignet._named_images import find_named


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ChainFeatures:
    """Where the teacher's features lie.

    Parameters
    ----------
    config : AligNetChainConfig
    data : ChainData
    folder : Path
        The chain's.
    """

    config: AligNetChainConfig
    data: ChainData
    folder: Path

    @property
    def images(self) -> Path:
        """Features of the images."""
        return self.config.image_features or self.folder / "features" / "images"

    @property
    def photos(self) -> Path:
        """Features of the items' photos: of the images, where these are among them."""
        return self.folder / "features" / "items" if self.data.apart else self.images

    def make(self) -> None:
        """Extract what is missing; a call that was stopped goes on."""
        wanted: dict[Path, Path] = {}
        if self.config.image_features is None:
            wanted[self.images] = self.data.folder
        if self.config.item_features is None and self.data.apart:
            assert self.config.item_images is not None
            wanted[self.photos] = self.config.item_images
        if not wanted:
            return
        from alignkit.models import extract, load
        from alignkit.models._run import as_device

        config = self.config
        model = load(config.teacher_model, weights=config.teacher_weights, img_size=config.teacher_img_size)
        layer = config.teacher_layer
        for out, source in wanted.items():
            out.parent.mkdir(exist_ok=True)
            extract(
                model,
                source,
                layers=None if layer is None else [int(layer) if layer.isdigit() else layer],
                out=out,
                batch_size=config.teacher_batch_size,
                device=as_device(config.loop.device),
                progress=config.loop.progress,
            )

    def of_items(self, names: tuple[str, ...], /) -> Features:
        """Return the features of items: means over their photos, or as given.

        Raises
        ------
        ValueError
            Items or photos that the features do not have.
        """
        if self.config.item_features is not None:
            return open_features(self.config.item_features).select(names)
        stored = open_features(self.photos)
        place = self._places(stored)
        photos = [np.array([place[path] for path in self.data.photos[name]]) for name in names]
        rows, where, sizes = photos_of_objects(photos, np.arange(len(names)))
        values: FloatArray = stored.array()[rows].astype(np.float64)
        layer = stored.layers[0]
        manifest = stored.manifest
        return Features.from_array(
            mean_over_photos(values[where], sizes), names, name=stored.name, layer=layer, manifest=manifest
        )

    def _places(self, stored: Features) -> dict[Path, int]:
        """Return the row of every photo."""
        folder = self.config.item_images if self.data.apart else self.data.folder
        assert folder is not None
        wanted = dict.fromkeys(path for paths in self.data.photos.values() for path in paths)
        if stored.labels is None:
            msg = f"{self.photos} names no images; extract them with alignkit extract, which does."
            raise ValueError(msg)
        place: dict[Path, int] = {}
        for row, own in enumerate(self._found(stored.labels, list(wanted), folder)):
            place |= dict.fromkeys(own, row)
        missing = [path.name for path in wanted if path not in place]
        if missing:
            msg = f"{self.photos} lacks the features of {len(missing)} photos of items: {join_names(missing, 3)}."
            raise ValueError(msg)
        return place

    @staticmethod
    def _found(labels: tuple[str, ...], paths: list[Path], folder: Path) -> list[tuple[Path, ...]]:
        known = {path.relative_to(folder).as_posix(): path for path in paths}
        if any(label in known for label in labels):  # the usual case: names are paths below the folder
            return [(known[label],) if label in known else () for label in labels]
        return list(find_named(labels, paths, folder, {}))

    def names(self) -> tuple[str, ...]:
        """Return the names of the stored images.

        Raises
        ------
        ValueError
            Features without names, or of images that are not in the folder.
        """
        labels = open_features(self.images).labels
        if labels is None:
            msg = f"the features {self.images} name no images; students find the images by them."
            raise ValueError(msg)
        return labels

    def sides(self) -> tuple[FloatArray, FloatArray]:
        """Return which stored images are trained and which are chosen on, as masks; held-out ones are on no side.

        Raises
        ------
        ValueError
            Features of images that are not in the folder.
        """
        labels = self.names()
        every = {path.relative_to(self.data.folder).as_posix(): path for path in self._all_images()}
        found = find_named(labels, list(every.values()), self.data.folder, {})
        name_of = {path: name for name, path in self.data.images.items()}
        train, val = set(self.data.sides.train), set(self.data.sides.val)
        own = [name_of.get(paths[0]) for paths in found]
        return np.array([name in train for name in own]), np.array([name in val for name in own])

    def _all_images(self) -> list[Path]:
        from alignkit.models._items import list_images

        return list_images(self.data.folder)
