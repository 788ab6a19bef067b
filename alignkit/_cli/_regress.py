"""``alignkit regress``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

from alignkit._check import NanPolicy
from alignkit._cli._compare import in_flags, load_rdm, stack_files
from alignkit._cli._files import check_out, first_rows, keep_and_show
from alignkit._config import Positional
from alignkit.rsa import Regression, regress
from alignkit.rsa._align_all import check_one_order

#: Rows that are printed at most.
_LIMIT = 20


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RegressConfig:
    """Explain RDMs as weighted sums of model RDMs.

    Labelled RDMs are matched by label; files without labels must hold the same items in the same order. What is
    explained is measured on items, or subjects, that the weights were not fitted to.

    Examples
    --------
    alignkit regress brain.npz shape.npz colour.npz
    alignkit regress people.npz a.npz b.npz --method nnls --split both --seed 0
    """

    data: Positional[Path]
    """RDMs to explain, one fit each."""
    models: Positional[tuple[Path, ...]]
    """RDMs that explain them."""
    method: Literal["ols", "nnls"] = "ols"
    """Ordinary least squares, or weights that are not negative."""
    intercept: bool = True
    """Fit a constant."""
    standardize: bool = False
    """Give weights in standard deviations."""
    split: Literal["items", "subjects", "both", "none"] = "items"
    """What to hold out to measure what is explained."""
    n_folds: int | None = None
    """Folds of items (--split items, both); by default 2 to 5, by the number of items."""
    dim: str | None = None
    """Name of the subjects' axis of the data (--split subjects, both); by default subject, or the only one."""
    nan_policy: NanPolicy = "propagate"
    """NaN in an RDM: give NaN, leave those pairs of items out, or raise."""
    on_mismatch: Literal["raise", "intersect"] = "raise"
    """RDMs over different items: raise, or take the items they share."""
    seed: int = 0
    """Seed of the folds."""
    out: Path | None = None
    """Where to write the result (.json: everything; .csv: the table)."""

    def __post_init__(self) -> None:
        if not self.models:
            msg = "models are required: at least one file after the data."
            raise ValueError(msg)


def run_regress(config: RegressConfig) -> None:
    """Fit RDM files with model RDM files, print the weights and save them."""
    check_out(config.out, (".json", ".csv"), (config.data, *config.models))
    data = load_rdm(config.data)
    given = [load_rdm(path) for path in config.models]
    check_one_order([(path.name, rdm) for path, rdm in zip((config.data, *config.models), (data, *given), strict=True)])
    models = stack_files(config.models, given, config.on_mismatch)
    with in_flags("dim", "n_folds"):
        result = regress(
            data,
            models,
            method=config.method,
            intercept=config.intercept,
            standardize=config.standardize,
            split=config.split,
            n_folds=config.n_folds,
            dim=config.dim,
            nan_policy=config.nan_policy,
            on_mismatch=config.on_mismatch,
            rng=config.seed,
        )
    keep_and_show(result, config.out, _table(result))


def _table(result: Regression) -> str:
    table = result.to_dataframe().drop(columns=["method", "split", "n_pairs"])
    # four digits are shown: no -0.0000 for what rounding leaves of 0
    shown = table.select_dtypes("float").round(4) + 0.0
    return first_rows(table.assign(**shown), _LIMIT)
