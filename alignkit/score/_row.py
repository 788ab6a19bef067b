"""One line of a score table, and the settings that all lines share."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

from alignkit._typing import FloatArray, IntArray

Role = Literal["model", "baseline", "layer"]

#: What is known of features that come from elsewhere: not what their model was trained on.
NOT_FITTED = "nothing was fitted to these data here; what the model was trained on is not checked"


#: How a split begins that is none: what is scored was fitted to.
IN_SAMPLE, PARTLY = "in-sample", "partly in-sample"


def is_in_sample(split: str | None) -> bool:
    """Return whether a split says that all, or a part, of what is scored was fitted to."""
    return (split or "").startswith((IN_SAMPLE, PARTLY))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRow:
    """One measure of one model on one part of a data set, beside its ceiling and with its interval."""

    model: str
    """Who is scored: a model or a named baseline."""
    role: Role
    """``"model"``, ``"baseline"``, or ``"layer"``: one point of a model's layer curve."""
    layer: str = ""
    """Which layer, where it is one point of a curve."""
    part: str
    """Part of the data set: ``repeats``, ``test10``, ``RDM48``, ``fMRI IT`` ..."""
    measure: str
    """What is measured, in the field's words."""
    value: float
    """The score."""
    low: float = float("nan")
    """Lower end of its interval."""
    high: float = float("nan")
    """Upper end of its interval."""
    people_low: float = float("nan")
    """Lower end of its interval over people, where participants are known and resampled as well."""
    people_high: float = float("nan")
    """Upper end of that interval."""
    over: str = ""
    """What the interval was resampled over: ``triplets``, ``subjects``, ``trials`` ..."""
    n: int = 0
    """Answers, trials or item pairs behind the score."""
    n_items: int = 0
    """Items the model and the data share."""
    ceiling_low: float = float("nan")
    """Lower (held-out) noise ceiling."""
    ceiling_high: float = float("nan")
    """Upper (in-sample) noise ceiling."""
    ceiling: str = ""
    """How the ceilings are defined."""
    percent_of_ceiling: float = float("nan")
    """Per cent of the way from chance to the lower ceiling."""
    split: str = NOT_FITTED
    """What was fitted to what, and what was held out."""
    higher_is_better: bool = True
    """Direction of the measure."""
    primary: bool = False
    """Whether models are ranked by this measure."""
    chosen: float = float("nan")
    """Of a layer: the share of splits in which it was the best on the items that were not scored."""


def rank_key(row: ScoreRow) -> tuple[bool, float]:
    """Return what rows of one measure are sorted by: best first, undefined last."""
    if math.isnan(row.value):
        return True, 0.0
    return False, -row.value if row.higher_is_better else row.value


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A paired difference of two models on the same answers, trials or subjects."""

    better: str
    """The model ranked higher."""
    other: str
    """The model it is compared with."""
    part: str
    """Part of the data set."""
    measure: str
    """What is compared."""
    difference: float
    """Value of ``better`` minus value of ``other``: negative where lower is better."""
    low: float
    """Lower end of the paired bootstrap interval."""
    high: float
    """Upper end of the paired bootstrap interval."""
    over: str
    """What was resampled."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How scores are computed; the same for every model of a table."""

    kernel: str = "cosine"
    """Similarity of two feature vectors in triplets and 2AFC: ``cosine``, ``dot`` or ``euclidean``."""
    centre: bool = False
    """Whether the mean over the scored items was subtracted from every channel of the features first."""
    metric: str = "correlation"
    """Dissimilarity of two feature vectors in model RDMs: any metric of :func:`alignkit.rsa.rdm`."""
    method: str = "spearman"
    """How RDMs are compared: any method of :func:`alignkit.rsa.compare`."""
    ties: str = "wrong"
    """What a tied choice is worth: ``wrong``, ``share`` or ``random``."""
    layers: str = ""
    """The layers of the curves: ``all``, or their names; empty: no curve."""
    n_splits: int = 20
    """How often the items are halved to choose a layer on one half and score it on the other."""
    items: str = ""
    """Name of the manifest that says what photos show; empty: inputs are matched by name."""
    relation: str = "any"
    """Photos that show a narrower kind of an item: kept (``any``) or left out (``exact``)."""
    where: str = ""
    """Further filters of the manifest, ``column=value``."""
    many: str = "average"
    """Several photos of one item: their mean (``average``), or the one nearest to it (``best``)."""
    min_votes: int = 0
    """2AFC: trials with fewer votes are left out."""
    n_bootstrap: int = 1000
    """Resamples for every interval."""
    n_shuffles: int = 20
    """Repetitions of the baseline with shuffled items."""
    confidence: float = 0.95
    """Level of every interval."""
    seed: int = 0
    """Seed of every random draw."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """What a paired test needs: one credit per answer, trial or subject, of one model on one measure."""

    row: ScoreRow
    credits: FloatArray
    groups: IntArray | None = None
    """Number of the cluster that is drawn as a whole (all answers to one triplet); None: each on its own."""
    items: IntArray | None = None
    """The items that each answer is about, shape (n, m), where these can be drawn again as well."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """What a suite returns for one model: lines for the table, and the credits that paired differences need."""

    rows: tuple[ScoreRow, ...]
    units: tuple[Unit, ...] = ()
