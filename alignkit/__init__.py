"""alignkit: does this vision model see as people do, and how to train it until it does."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alignkit import align, data, meg, models, rsa, score, train

__version__ = "0.1.0"
__all__ = ["__version__", "align", "data", "meg", "models", "rsa", "score", "train"]
_PACKAGES = frozenset({"align", "data", "meg", "models", "report", "rsa", "score", "train"})


def __getattr__(name: str) -> Any:
    # Packages load when first used: `import alignkit` stays free of torch, numba and matplotlib.
    if name in _PACKAGES:
        return import_module(f"alignkit.{name}")
    msg = f"module 'alignkit' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted(__all__)
