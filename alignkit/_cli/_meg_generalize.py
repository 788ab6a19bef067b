"""``alignkit meg generalize``: RDMs of one time against those of all others."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

from alignkit._check import NanPolicy
from alignkit._cli._meg_files import PHRASES, open_data
from alignkit._cli._meg_outputs import outputs_of, save_figure
from alignkit._cli._meg_words import flags, in_words
from alignkit.rsa._matrix_methods import ComparisonMethod
from alignkit.rsa._pooling import Pooling

#: Options that are handed on as they are.
_PASSED_ON = (
    "method",
    "reference",
    "pooling",
    "nan_policy",
    "on_mismatch",
    "tolerance",
    "n_bootstrap",
    "confidence",
    "memory",
    "progress",
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MegGeneralizeConfig:
    """Compare the RDM of every time with the RDMs of all other times: how long a geometry lasts.

    --out result writes result.json, result.csv and result.png.
    With --reference self neighbouring times share noise, which looks like a lasting geometry; others shares none.

    Examples
    --------
    alignkit meg generalize --data p1.zarr --out result
    alignkit meg generalize --data p1.zarr p2.zarr --reference others
    """

    data: tuple[Path, ...]
    """RDMs over time (`alignkit meg rdms`, `alignkit meg import`): one file per participant, or one of all."""
    method: ComparisonMethod = "spearman"
    """Similarity of two RDMs (bures-metric: a distance)."""
    reference: Literal["self", "others"] = "self"
    """Compare with the same participant's RDMs, or with the mean of all others'."""
    pooling: Pooling = "rank"
    """How the others are averaged."""
    nan_policy: NanPolicy = "propagate"
    """NaN in an RDM: give NaN, leave those pairs of items out, or raise."""
    on_mismatch: Literal["raise", "intersect"] = "raise"
    """RDMs over different items: raise, or compare the items they share."""
    tolerance: float = 1e-6
    """Seconds by which the times of participants may differ."""
    n_bootstrap: int = 1000
    """Resamples of participants for the interval of the mean; 0 for none."""
    confidence: float = 0.95
    """Level of that interval."""
    memory: str = "1 GB"
    """Memory to work in."""
    seed: int = 0
    """Seed of the bootstrap."""
    progress: bool = True
    """Show a progress bar with the time left."""
    out: Path | None = None
    """Where to write: a name for .json, .csv and .png, or one file (.json: everything; .csv: the table)."""
    figure: Path | None = None
    """Where to write the figure (.png, .pdf, .svg)."""

    def __post_init__(self) -> None:
        if not self.data:
            msg = "--data needs at least one file."
            raise ValueError(msg)


def run_meg_generalize(config: MegGeneralizeConfig) -> None:
    """Compare RDMs across times, keep the matrices and print what they come to."""
    from matplotlib.figure import Figure

    from alignkit.meg import rdm_generalization

    outputs = outputs_of(config.out, config.figure, config.data, tables=False)
    options = {name: getattr(config, name) for name in _PASSED_ON}
    with in_words(flags(*_PASSED_ON, "data"), PHRASES):
        result = rdm_generalization(open_data(config.data), rng=config.seed, **options)
    for path in (outputs.json, outputs.csv):
        if path is not None:
            result.save(path)
    if outputs.figure is not None:
        figure = Figure(figsize=(5.0, 4.2), layout="constrained")
        result.plot(figure.subplots())
        save_figure(figure, outputs.figure)
    print(result)
    if outputs.written:
        print(f"saved to {', '.join(map(str, outputs.written))}")
