"""``alignkit rsa power``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

from alignkit._check import check_count, check_fraction
from alignkit._cli._cluster import Scheduler, cluster_client
from alignkit._cli._compare import in_flags, load_rdm
from alignkit._cli._files import check_out, first_rows, keep_and_show
from alignkit._cli._groups import draw_to, models_of
from alignkit._cli._meg_outputs import check_figure
from alignkit._config import Positional
from alignkit.rsa import power
from alignkit.rsa._matrix_methods import ComparisonMethod

_COLUMNS = ["test", "n_items", "n_subjects", "power", "pilot_low", "pilot_high", "simulated"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PowerConfig:
    r"""Say how many people and items tests of models need, by pilot data.

    Power of the tests of each model against zero and of every two models against each other, by the
    variance of people (and items) in the pilot, with what so small a pilot leaves open.

    Examples
    --------
    alignkit rsa power shape.npz colour.npz --pilot people.npz
    alignkit rsa power shape.npz --pilot people.npz \
        --generalize both --n-items 50 100 200
    """

    models: Positional[tuple[Path, ...]]
    """Model RDMs, one or several in each file."""
    pilot: Path
    """RDMs of three or more people."""
    n_subjects: tuple[int, ...] = (4, 6, 8, 12, 16, 24, 32)
    """Numbers of people to give the power for."""
    n_items: tuple[int, ...] = ()
    """Numbers of items; by default that of the pilot."""
    generalize: Literal["subjects", "both"] = "subjects"
    """Tests over new people, or over new people and new items."""
    method: ComparisonMethod = "spearman"
    """Similarity of two RDMs."""
    test: Literal["auto", "sign-flip", "t"] = "auto"
    """Sign flips or t (people), t (both)."""
    alpha: float = 0.05
    """Level of each test."""
    target: float = 0.8
    """Power that is asked for."""
    n_simulations: int = 1000
    """Experiments drawn from the pilot for each number of items; 0 for none."""
    n_bootstrap: int = 1000
    """Resamples of the pilot."""
    confidence: float = 0.95
    """Level of the intervals."""
    on_mismatch: Literal["raise", "intersect"] = "raise"
    """RDMs over different items: raise, or take the items they share."""
    seed: int = 0
    """Seed of all draws."""
    progress: bool = True
    """Show a progress bar with the time left when it takes long."""
    scheduler: Scheduler = None
    out: Path | None = None
    """Where to write the result (.json: everything; .csv: the table)."""
    figure: Path | None = None
    """Where to draw it (.png, .pdf, .svg)."""

    def __post_init__(self) -> None:
        if not self.models:
            msg = "models are required: at least one file."
            raise ValueError(msg)
        check_count("n_bootstrap", self.n_bootstrap, 2)
        check_count("n_simulations", self.n_simulations)
        for name in ("alpha", "target", "confidence"):
            check_fraction(name, getattr(self, name))


def run_power(config: PowerConfig) -> None:
    """Read models and a pilot, print the power, save and draw it."""
    inputs = (config.pilot, *config.models)
    check_out(config.out, (".json", ".csv"), inputs)
    check_figure(config.figure, inputs)
    pilot, models = load_rdm(config.pilot), models_of(config.models, config.on_mismatch)
    with cluster_client(config.scheduler) as client, in_flags("n_subjects", "n_items"):
        result = power(
            models,
            pilot,
            n_subjects=config.n_subjects,
            n_items=config.n_items or None,
            generalize=config.generalize,
            method=config.method,
            test=config.test,
            alpha=config.alpha,
            target=config.target,
            n_simulations=config.n_simulations,
            n_bootstrap=config.n_bootstrap,
            confidence=config.confidence,
            on_mismatch=config.on_mismatch,
            progress=config.progress,
            rng=config.seed,
            client=client,
        )
    draw_to(result, config.figure)
    keep_and_show(result, config.out, first_rows(result.to_dataframe()[_COLUMNS], digits=".3f"))
