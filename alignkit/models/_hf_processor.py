"""The preprocessing that lies beside a transformers model: as ours where it can be said so, else as it is."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from alignkit._check import require
from alignkit.models._hub import quiet_transformers
from alignkit.models._options import Options
from alignkit.models._preprocess import Preprocess


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Processor:
    """transformers' own image processor, for what :class:`Preprocess` has no words for.

    Parameters
    ----------
    processor : callable
        Of transformers.
    settings : dict
        All of them, in JSON's own types.
    """

    processor: Any
    settings: dict[str, Any]

    def __call__(self, image: Any) -> Any:
        """Return the image as a tensor, shape (3, height, width)."""
        return self.processor(images=image, return_tensors="pt")["pixel_values"][0]

    def __repr__(self) -> str:
        return f"{type(self.processor).__name__}({json.dumps(self.settings, sort_keys=True)})"


def load_preprocess(folder: Path, options: Options, size: int) -> Any:
    """Return the preprocessing asked for, else the model's own.

    Raises
    ------
    ValueError
        The folder says nothing of preprocessing, or a size for one that has its own.
    """
    if options.preprocess is not None:
        return options.preprocess_or(lambda: Preprocess.imagenet(size), options.img_size or size)
    processor = _processor(folder)
    settings = json.loads(processor.to_json_string())
    try:
        own = Preprocess.from_transformers(settings)
    except ValueError:
        options.refuse("img_size")
        return Processor(processor, settings)
    return own if options.img_size is None else dataclasses.replace(own, size=options.img_size)


def _processor(folder: Path) -> Any:
    transformers: Any = require("transformers", "train")
    try:
        with quiet_transformers():
            return transformers.AutoImageProcessor.from_pretrained(
                folder, trust_remote_code=False, local_files_only=True
            )
    except Exception as error:  # none there, a damaged one, or one that is code
        msg = f"{folder} has no preprocessor_config.json that transformers can read; pass preprocess=."
        raise ValueError(msg) from error
