"""What a result was made with: our version and those of the packages that did the numbers."""

from __future__ import annotations

import functools
import platform
from importlib import metadata

PACKAGES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "numba",
    "pandas",
    "xarray",
    "torch",
    "torchvision",
    "open_clip_torch",
    "timm",
    "transformers",
    "peft",
    "sentence-transformers",
    "mne",
    "nibabel",
)


@functools.cache  # looked for in every folder that Python imports from, at every file that is saved
def installed(package: str) -> str | None:
    """Return the version of a distribution, or None when it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def versions() -> dict[str, str]:
    """Return the versions of Python, alignkit and the packages it computes with, where installed."""
    from alignkit import __version__

    found = {name: version for name in PACKAGES if (version := installed(name)) is not None}
    return {"python": platform.python_version(), "alignkit": __version__, **found}
