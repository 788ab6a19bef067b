"""What a reader of an evaluation should know about its numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from alignkit.rsa._inference._evaluation_inputs import Inputs
from alignkit.rsa._inference._evaluation_settings import Settings
from alignkit.rsa._inference._measured_coverage import coverage_note
from alignkit.rsa._inference._score_tests import Tests
from alignkit.rsa._inference._spread import Spread
from alignkit.rsa._pooling import plain_of, pooling_note

#: With fewer items, resamples of them hold too few different ones.
FEW_ITEMS = 10
_FAMILIES = ("against zero", "between models", "against the ceiling")


def evaluation_note(inputs: Inputs, settings: Settings, spread: Spread, families: Sequence[Tests]) -> str:
    """Return all there is to say, in sentences; empty where that is nothing."""
    return " ".join(filter(None, _sentences(inputs, settings, spread, families)))


def _sentences(inputs: Inputs, settings: Settings, spread: Spread, families: Sequence[Tests]) -> Iterable[str]:
    for what, family in zip(_FAMILIES, families, strict=True):
        reasons = dict.fromkeys(filter(None, family.why))
        if len(reasons) == 1 and all(family.why):
            yield f"No test {what}: {next(iter(reasons))}."
        elif reasons:
            number = sum(map(bool, family.why))
            yield f"{number} of {len(family.why)} tests {what} give no p-value, for the reasons named beside them."
    if settings.generalize != "subjects" and inputs.n_items < FEW_ITEMS:
        yield f"{inputs.n_items} items are too few for resamples of them to say much about new ones."
    if spread.n_undefined:
        least = "three different items per fold or one subject per fold" if inputs.fitted else "three different items"
        yield (
            f"{spread.n_undefined:,} of {settings.n_bootstrap:,} resamples were left out: fewer than {least} "
            "in them, or a model or subject that is constant on these."
        )
    if plain_of(settings.method) == "cosine" and settings.test_zero != "permutation":
        yield "Cosine similarities of RDMs that share nothing are above zero already: a test against zero says little."
    yield pooling_note(settings.method, settings.pooling)
    if inputs.fitted:
        yield "How often intervals of models that are fitted cover the truth was not measured."
        return
    if inputs.controls is not None:
        return
    yield coverage_note(
        settings.generalize,
        settings.interval,
        settings.method,
        len(inputs.data),
        inputs.n_items,
        settings.confidence,
    )
