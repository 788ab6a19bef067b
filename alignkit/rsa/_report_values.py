"""Which items are behind dissimilarities that have no value: one warning, or one error, with their names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from alignkit._check import NanPolicy
from alignkit.rsa._condensed import as_host
from alignkit.rsa._nan import items_of_pairs, name_items, report_all
from alignkit.rsa._patterns import Undefined


def report_values(
    undefined: Sequence[Undefined],
    n_items: int,
    names: Sequence[str] | None,
    nan_policy: NanPolicy,
    *,
    stacklevel: int = 2,
) -> None:
    """Warn once, or raise, with the names of the items behind every reason; each is named for the first of them."""
    undefined = [one for one in undefined if one.mask.any()]
    reasons: dict[str, list[str]] = {}
    lost = np.zeros(n_items, dtype=bool)
    for one in undefined:
        mask = as_host(one.mask)
        mask = np.any(mask.reshape(-1, mask.shape[-1]), axis=0, keepdims=True)[0]
        if one.of == "items":
            found = np.flatnonzero(mask & ~lost).tolist()
        else:
            rows, columns = np.triu_indices(n_items, k=1)
            found = items_of_pairs(mask & ~lost[rows] & ~lost[columns], n_items)
        lost[found] = True
        reasons[one.reason] = name_items(names, found)
    if reasons:
        report_all(reasons, nan_policy, stacklevel=stacklevel + 1)
