"""What takes long to import and tests need in processes of their own; what is not installed is passed over."""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
import warnings

import alignkit

#: Other packages' modules; none of them may start a thread.
_OTHERS = (
    "pytest",
    "pandas",
    "scipy.optimize",
    "scipy.stats",
    "sklearn.cluster",
    "sklearn.linear_model",
    "sklearn.manifold",
    "zarr",
    "matplotlib.pyplot",
    "torch",
    "torch.distributed.fsdp",
    "torch.nn.parallel",
    "safetensors.torch",
    "open_clip",
    "peft",
    "timm",
    "transformers",
)
#: Our own packages, with all modules of theirs.
_OURS = ("alignkit._cli", "alignkit.align", "alignkit.models", "alignkit.report", "alignkit.train")


def _preload() -> None:
    ours = (module.name for module in pkgutil.walk_packages(alignkit.__path__, "alignkit."))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in (*_OTHERS, *(name for name in ours if name.startswith(_OURS))):
            with contextlib.suppress(ImportError):
                importlib.import_module(name)


_preload()
