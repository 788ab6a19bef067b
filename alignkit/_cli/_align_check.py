"""``alignkit align check``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from alignkit._check import counted
from alignkit._cli._answers import THINGS, open_answers, open_embedding
from alignkit._cli._compare import in_flags
from alignkit._cli._files import check_out, first_rows, keep_and_show
from alignkit._config import Positional

#: Rows of differences that are printed at most.
_LIMIT = 30


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AlignCheckConfig:
    r"""Check what teachers of features would be worth on items, or people, that they have not seen.

    Teachers are fitted to a part of the answers and scored on answers that share no item (or person) with it, beside
    the features as they are and teachers fitted to other items' answers. It says which share of the answers such
    divisions keep, how well calibrated each teacher is, and how many neighbours stay neighbours. Differences in
    accuracy below .02 are not claimed.

    Examples
    --------
    alignkit align check feats --triplets answers.csv
    alignkit align check feats --triplets things --embedding spose66 \
        --fit full ridge --out check.json
    alignkit align check clip.npy --labels names.txt --triplets answers.npz \
        --by participants --n-folds 5
    """

    features: Positional[Path]
    """Folder that `alignkit extract` wrote, or an array file with one row per item."""
    triplets: str
    """Answers: things, the .npz of Triplets.save, a .csv or .tsv with the columns first, second, odd, or jsPsych's
    .json."""
    fit: tuple[Literal["full", "lowrank", "diagonal", "orthogonal", "soft", "ridge", "kernel-ridge", "mlp"], ...] = (
        "full",
    )
    """Teachers: maps of the kinds that `alignkit align fit` knows, or (soft, ridge, kernel-ridge, mlp: by --embedding)
    such that learn a human embedding."""
    embedding: str | None = None
    """Human embedding to learn from (spose66, spose49 or a file of labelled features)."""
    center: bool = False
    """Take each channel's mean over the items away before a linear map is fitted (full to soft)."""
    by: Literal["items", "participants", "both"] = "items"
    """What the answers learned from and those scored do not share."""
    test_share: float = 0.3
    """Share of the items (or people) held out, without --n-folds."""
    n_folds: int | None = None
    """Hold out each of so many parts in turn."""
    pooled: bool = False
    """With folds of items: score all answers once, each item predicted by the fold that held it out."""
    repeats: int = 3
    """Random divisions."""
    control: bool = True
    """Fit every teacher to other items' answers, too."""
    n_neighbours: int = 10
    """Nearest neighbours, of which the share that stays is reported."""
    n_bootstrap: int = 1000
    """Resamples of items and answers for intervals; 0 for none."""
    confidence: float = 0.95
    """Coverage of the intervals."""
    labels: Path | None = None
    """Text file with the name of each row, one per line, for bare arrays (folders hold their own)."""
    layer: str | None = None
    """Which layer, of features with several."""
    root: Path | None = None
    """Folder that holds the data sets; by default ALIGNKIT_DATA, else the download cache."""
    seed: int = 0
    """Seed of divisions, fits and resamples."""
    progress: bool = True
    """Show a progress bar."""
    out: Path | None = None
    """Where to write the result (.json: everything; .csv: the table)."""


def run_align_check(config: AlignCheckConfig) -> None:
    """Cross-validate teachers, print the scores and the differences, and save them."""
    from alignkit.align import cross_validate
    from alignkit.models import Features, open_features

    check_out(config.out, (".json", ".csv"), (config.features, config.labels))
    features = open_features(config.features, labels=config.labels)
    answers = open_answers(config.triplets, features.labels, str(config.features), config.root)
    repeated = None
    if config.triplets == THINGS:
        from alignkit.data import load_things

        repeated = load_things(config.root).repeats
    with in_flags("fit", "embedding", "by", "test_share", "n_folds", "pooled", "control"):
        result = cross_validate(
            Features.from_array(features.array(config.layer), features.labels, name=features.name),
            answers,
            fit=_settings(config),
            embedding=None if config.embedding is None else open_embedding(config.embedding, config.root),
            by=config.by,
            test_share=config.test_share,
            n_folds=config.n_folds,
            pooled=config.pooled,
            repeats=config.repeats,
            control=config.control,
            ceiling_of=repeated,
            n_neighbours=config.n_neighbours,
            n_bootstrap=config.n_bootstrap,
            confidence=config.confidence,
            seed=config.seed,
            progress=config.progress,
        )
    table = first_rows(result.differences(), _LIMIT)
    keep_and_show(result, config.out, f"{counted(result.n_answers, 'answer')}; one method minus another:\n{table}")


def _settings(config: AlignCheckConfig) -> Sequence[str] | Mapping[str, dict[str, Any]]:
    from alignkit.align._teacher_methods import NAMED

    if not config.center:
        return config.fit
    linear = [name for name in config.fit if "method" not in NAMED[name]]
    if not linear or len(set(config.fit)) < len(config.fit):
        what = "names a teacher twice" if linear else "has no linear map, and the others take means away by themselves"
        msg = f"--fit {what}; change it, or leave --center out."
        raise ValueError(msg)
    return {name: {**NAMED[name], **({"center": True} if name in linear else {})} for name in config.fit}
