"""Texts that are longer than a text model reads: they are cut without a word by the tokenizer, so we say it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from alignkit._check import join_names
from alignkit.models._model import Tokenizer

if TYPE_CHECKING:
    from alignkit.models._items import Item
    from alignkit.models._model import Model

#: Texts whose tokens are counted at once.
_BATCH = 1024


def warn_cut_texts(model: Model, items: Sequence[Item]) -> dict[str, int]:
    """Warn once of the texts that the model reads in part; return their number, for the manifest, where there are any.

    All texts are counted before the first is encoded, so that a run that goes on tells the same as a whole one.
    """
    tokenizer = model.preprocess
    if not isinstance(tokenizer, Tokenizer) or tokenizer.count is None:
        return {}
    cut: list[str] = []
    for start in range(0, len(items), _BATCH):
        batch = items[start : start + _BATCH]
        counts = tokenizer.count([item.source for item in batch])
        cut += [item.label for item, n in zip(batch, counts, strict=True) if n > tokenizer.max_length]
    if not cut:
        return {}
    warnings.warn(
        f"{len(cut)} of {len(items)} texts are longer than the {tokenizer.max_length} tokens that {model.name} reads "
        f"and are cut: {join_names(cut)}; shorten them.",
        UserWarning,
        stacklevel=3,
    )
    return {"n_cut_texts": len(cut)}
