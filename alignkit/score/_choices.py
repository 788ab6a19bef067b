"""What the options of :func:`alignkit.score.score` may be; measures come from where they are defined."""

from __future__ import annotations

from alignkit.rsa._metrics import METRICS
from alignkit.rsa._similarity_methods import METHODS

#: Features have one row per item: no folds to cross-validate over, and no noise to be scaled by.
_NEEDED = frozenset({"folds", "noise"})

CHOICES = {
    "kernel": ("cosine", "dot", "euclidean"),
    "metric": tuple(name for name, kind in METRICS.items() if not kind.takes & _NEEDED),
    "method": tuple(METHODS),
    "ties": ("wrong", "share", "random"),
    "relation": ("any", "exact"),
    "many": ("average", "best"),
}
