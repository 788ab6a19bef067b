"""``alignkit ceiling``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Literal

import numpy as np

from alignkit._check import NanPolicy, check_count, check_fraction
from alignkit._cli._compare import in_flags, load_rdm, read_sigma_k, stack_files
from alignkit._cli._files import check_out, first_rows, keep_and_show
from alignkit._config import Positional
from alignkit.rsa import RDM, NoiseCeiling, SplitHalf, noise_ceiling, split_half
from alignkit.rsa._axes import axis_columns
from alignkit.rsa._pooling import PoolingMethod

#: Resamples or halves where none are asked for.
_DRAWS = 1000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CeilingConfig:
    """Say how well any model could do, given how far people agree.

    One file holds the RDMs of several people, several files one RDM each; labelled RDMs are matched by
    label. leave-one-out gives the lower and upper noise ceiling, split-half the reliability of the mean
    RDM, corrected by Spearman and Brown. Further axes (time) give one value each.

    Examples
    --------
    alignkit ceiling people.npz
    alignkit ceiling s1.npz s2.npz s3.npz --method pearson --out ceiling.json
    alignkit ceiling people.npz --kind split-half --dim session
    """

    files: Positional[tuple[Path, ...]]
    """RDMs of several people, or files with one RDM each (.npz, .npy, .mat, .csv)."""
    kind: Literal["leave-one-out", "split-half"] = "leave-one-out"
    """Each person against the others (lower) and all (upper), or one half of the people against the other."""
    method: PoolingMethod = "spearman"
    """Similarity of two RDMs."""
    pooling: Literal["rank", "raw", "rsatoolbox"] = "rank"
    """How people are averaged: on the scale of the method, as they are, or as rsatoolbox does."""
    sigma_k: Path | None = None
    """Array file with the variances or the covariance of the items of the first file (whitened methods)."""
    dim: str | None = None
    """Name of the axis of people (sessions); by default subject, or the only one."""
    nan_policy: NanPolicy = "propagate"
    """NaN in anybody's RDM: give NaN, leave those pairs of items out for all, or raise."""
    on_mismatch: Literal["raise", "intersect"] = "raise"
    """Files over different items: raise, or take the items they share."""
    n_bootstrap: int | None = None
    """Resamples of people for the intervals (leave-one-out); by default 1000, 0 for none."""
    n_splits: int | None = None
    """Random halves (split-half); by default 1000, all of them where there are no more."""
    confidence: float = 0.95
    """Level of the interval."""
    seed: int = 0
    """Seed of the resamples or halves."""
    progress: bool = True
    """Show a progress bar with the time left when it takes long."""
    out: Path | None = None
    """Where to write the result (.json: everything; .csv: the table)."""

    def __post_init__(self) -> None:
        if not self.files:
            msg = "at least one file of RDMs is needed."
            raise ValueError(msg)
        for name, kind, minimum in (("n_bootstrap", "leave-one-out", 0), ("n_splits", "split-half", 1)):
            value = getattr(self, name)
            if value is None:
                continue
            check_count(name, value, minimum)
            if self.kind != kind:
                msg = f"--{name.replace('_', '-')} is for --kind {kind}; got --kind {self.kind}."
                raise ValueError(msg)
        check_fraction("confidence", self.confidence)


def run_ceiling(config: CeilingConfig) -> None:
    """Compute a ceiling or a reliability, print it and save it."""
    check_out(config.out, (".json", ".csv"), (*config.files, config.sigma_k))
    given = [load_rdm(path) for path in config.files]
    if len(given) == 1 and not given[0].dims:
        msg = f"{config.files[0]} holds a single RDM; give the RDMs of several people, in one file or one each."
        raise ValueError(msg)
    people = given[0] if len(given) == 1 else stack_files(config.files, given, config.on_mismatch)
    sigma_k = read_sigma_k(config.sigma_k, given[0], people)
    with in_flags("dim"):
        result = _compute(config, people, sigma_k)
    keep_and_show(result, config.out, _table(result) if result.dims[1:] else "")


def _compute(config: CeilingConfig, people: RDM, sigma_k: object) -> NoiseCeiling | SplitHalf:
    options: dict[str, Any] = {
        name: getattr(config, name) for name in ("method", "pooling", "dim", "nan_policy", "confidence", "progress")
    }
    options |= {"sigma_k": sigma_k, "rng": config.seed}
    if config.kind == "split-half":
        return split_half(people, n_splits=_DRAWS if config.n_splits is None else config.n_splits, **options)
    return noise_ceiling(people, n_bootstrap=_DRAWS if config.n_bootstrap is None else config.n_bootstrap, **options)


def _table(result: NoiseCeiling | SplitHalf) -> str:
    """Return what further axes hold as text: one row per index, the first ones where there are many."""
    import pandas as pd

    names = ("lower", "upper") if isinstance(result, NoiseCeiling) else ("similarity", "reliability")
    values = {name: np.asarray(getattr(result, name)) for name in names}
    axes = axis_columns(result.dims[1:], result.coords, values[names[0]].shape)
    return first_rows(pd.DataFrame({**axes, **{name: x.ravel() for name, x in values.items()}}))
