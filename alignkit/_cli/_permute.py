"""``alignkit permute``."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from alignkit._check import NanPolicy, check_count
from alignkit._cli._cluster import Scheduler, cluster_client
from alignkit._cli._compare import in_flags, load_rdm
from alignkit._cli._files import check_out, first_rows, keep_and_show
from alignkit._config import Positional
from alignkit.rsa import PermutationTest, permutation_test
from alignkit.rsa._matrix_methods import ComparisonMethod


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PermuteConfig:
    r"""Test whether RDMs are alike by permuting item labels (Mantel).

    The items of the first file are relabelled, rows and columns together, and its RDMs are compared anew
    with those of the second. Where there are several, all see the same permutations, and p values are also
    corrected for all of them.

    Examples
    --------
    alignkit permute model.npz people.npz
    alignkit permute layers.npz people.npz --average subject --out test.json
    alignkit permute model.npz people.npz --method pearson \
        --controls pixels.npz --alternative greater
    """

    first: Positional[Path]
    """RDMs whose items are relabelled: models, say."""
    second: Positional[Path]
    """RDMs they are compared with: people, say."""
    method: ComparisonMethod = "spearman"
    """Similarity of two RDMs (bures-metric: a distance)."""
    n_permutations: int = 10_000
    """Random permutations; all of them where there are no more."""
    alternative: Literal["two-sided", "greater", "less"] = "two-sided"
    """What counts as extreme: values far from chance on either side, high ones, or low ones."""
    average: str | None = None
    """Axis of the second file (subject) to average over: tests the mean."""
    controls: tuple[Path, ...] = ()
    """RDMs to control for (pearson, spearman)."""
    partial: Literal["both", "first", "second"] = "both"
    """Which side the controls are regressed out of."""
    nan_policy: NanPolicy = "propagate"
    """NaN in an RDM: give NaN, leave items without values and single missing pairs out, or raise."""
    on_mismatch: Literal["raise", "intersect"] = "raise"
    """RDMs over different items: raise, or compare the items they share."""
    seed: int = 0
    """Seed of the permutations."""
    progress: bool = True
    """Show a progress bar with the time left when it takes long."""
    scheduler: Scheduler = None
    out: Path | None = None
    """Where to write the result (.json: everything; .csv: the table)."""

    def __post_init__(self) -> None:
        check_count("n_permutations", self.n_permutations, 1)


def run_permute(config: PermuteConfig) -> None:
    """Test RDM files, print the p-values and save them."""
    check_out(config.out, (".json", ".csv"), (config.first, config.second, *config.controls))
    first, second = load_rdm(config.first), load_rdm(config.second)
    with cluster_client(config.scheduler) as client, in_flags("average"), _naming(config):
        result = permutation_test(
            first,
            second,
            method=config.method,
            n_permutations=config.n_permutations,
            alternative=config.alternative,
            average=config.average,
            controls=[load_rdm(path) for path in config.controls] or None,
            partial=config.partial,
            nan_policy=config.nan_policy,
            on_mismatch=config.on_mismatch,
            progress=config.progress,
            rng=config.seed,
            client=client,
        )
    keep_and_show(result, config.out, _table(result) if result.dims else "")


@contextmanager
def _naming(config: PermuteConfig) -> Iterator[None]:
    """Let refusals speak of files."""
    try:
        yield
    except ValueError as error:
        text = str(error)
        for what, path in (("the first RDM", config.first), ("the second RDM", config.second)):
            text = text.replace(what, path.name)
        raise ValueError(text) from error


def _table(result: PermutationTest) -> str:
    table = result.to_dataframe()[[*result.dims, "statistic", "p", "p_corrected", "z"]]
    return first_rows(table, digits=".4g")
