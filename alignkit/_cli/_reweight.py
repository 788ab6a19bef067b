"""``alignkit rsa reweight``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

from alignkit._cli._compare import in_flags, load_rdm
from alignkit._cli._files import check_out, first_rows, keep_and_show
from alignkit._cli._groups import draw_to
from alignkit._cli._meg_outputs import check_figure
from alignkit._cli._rsa import read_source
from alignkit._config import Positional
from alignkit.rsa import reweighted_rsa


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ReweightConfig:
    r"""Predict RDMs from features that may count more or less, judged on items held out.

    Every dissimilarity is a weighted sum of the features' squared differences; weights and their penalty
    come from the other items. Equal weights and the noise ceiling on the same pairs stand beside.

    Examples
    --------
    alignkit rsa reweight feats --layer blocks.10 --data people.npz
    alignkit rsa reweight features.npy --data people.npz --nonnegative \
        --out reweighted.json
    """

    features: Positional[Path]
    """Array (.npy, .npz, .mat, .csv, .tsv, .txt) with one row per item, or features (`alignkit extract`)."""
    data: Path
    """One complete RDM per subject, or a single one."""
    layer: str | None = None
    """Layer to take when the features hold several."""
    method: Literal["pearson", "spearman"] = "pearson"
    """Correlation that scores."""
    nonnegative: bool = False
    """Weights may not be negative."""
    standardize: bool = True
    """Divide features by their standard deviation."""
    n_folds: int | None = None
    """Folds of items; by default 2 to 5, by the number of items."""
    n_inner_folds: int | None = None
    """Folds of the training items for the penalty; by default 2 to 5."""
    n_repeats: int = 5
    """Random assignments to folds that are averaged."""
    dim: str | None = None
    """Name of the subjects' axis of the data; by default the only one."""
    on_mismatch: Literal["raise", "intersect"] = "raise"
    """Features and RDMs over different items: raise, or take the items they share."""
    seed: int = 0
    """Seed of the folds and of the bootstrap."""
    progress: bool = True
    """Show a progress bar with the time left."""
    out: Path | None = None
    """Where to write the result (.json: everything; .csv: the table)."""
    figure: Path | None = None
    """Where to draw it (.png, .pdf, .svg)."""


def run_reweight(config: ReweightConfig) -> None:
    """Read features and RDMs, print how well the ones predict the others, save and draw it."""
    inputs = (config.features, config.data)
    check_out(config.out, (".json", ".csv"), inputs)
    check_figure(config.figure, inputs)
    features, labels = read_source(config.features, config.layer)
    data = load_rdm(config.data)
    with in_flags("dim", "n_folds", "n_inner_folds", "n_repeats"):
        result = reweighted_rsa(
            features,
            data,
            method=config.method,
            nonnegative=config.nonnegative,
            standardize=config.standardize,
            n_folds=config.n_folds,
            n_inner_folds=config.n_inner_folds,
            n_repeats=config.n_repeats,
            labels=labels,
            dim=config.dim,
            on_mismatch=config.on_mismatch,
            progress=config.progress,
            rng=config.seed,
        )
    draw_to(result, config.figure)
    keep_and_show(result, config.out, first_rows(result.to_dataframe().drop(columns="method")))
