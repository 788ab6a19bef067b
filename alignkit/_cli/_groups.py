"""``alignkit rsa groups``."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from alignkit._check import NanPolicy, check_count, check_fraction
from alignkit._cli._cluster import Scheduler, cluster_client
from alignkit._cli._compare import load_rdm, stack_files
from alignkit._cli._files import check_out, first_rows, keep_and_show
from alignkit._cli._meg_outputs import check_figure, save_figure
from alignkit._config import Positional
from alignkit._result import Result
from alignkit.rsa import RDM, compare_groups
from alignkit.rsa._align import OnMismatch
from alignkit.rsa._matrix_methods import ComparisonMethod

_COLUMNS = ["what", "difference", "low", "high", "t", "p", "p_corrected", "p_welch"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GroupsConfig:
    r"""Test whether two groups of people differ in RDMs and in how models fit.

    Each file holds the RDMs of one group, one per person; labelled RDMs are matched by label. Who is in
    which group is permuted: all divisions where they are not too many.

    Examples
    --------
    alignkit rsa groups young.npz old.npz
    alignkit rsa groups young.npz old.npz --models shape.npz colour.npz \
        --out groups.json
    """

    first: Positional[Path]
    """RDMs of the first group."""
    second: Positional[Path]
    """RDMs of the second group."""
    models: tuple[Path, ...] = ()
    """Model RDMs, one or several in each file, whose fit is compared as well."""
    method: ComparisonMethod = "spearman"
    """Similarity of two RDMs (bures-metric: a distance)."""
    statistic: Literal["pairs", "means"] = "pairs"
    """How groups differ: by similarities of single people, or of the groups' mean RDMs."""
    alternative: Literal["two-sided", "greater", "less"] = "two-sided"
    """Of the models; greater: they fit the first group better."""
    n_permutations: int = 10_000
    """Random divisions into groups; all of them where there are no more."""
    alpha: float = 0.05
    """Level of the tests; one that cannot be reached gives a reason in place of p."""
    confidence: float = 0.95
    """Level of the intervals."""
    nan_policy: NanPolicy = "propagate"
    """NaN in an RDM: give NaN, leave those pairs of items out, or raise."""
    on_mismatch: Literal["raise", "intersect"] = "raise"
    """RDMs over different items: raise, or compare the items they share."""
    seed: int = 0
    """Seed of random divisions."""
    progress: bool = True
    """Show a progress bar with the time left when it takes long (means)."""
    scheduler: Scheduler = None
    out: Path | None = None
    """Where to write the result (.json: everything; .csv: the table)."""
    figure: Path | None = None
    """Where to draw it (.png, .pdf, .svg)."""

    def __post_init__(self) -> None:
        check_count("n_permutations", self.n_permutations, 1)
        check_fraction("alpha", self.alpha)
        check_fraction("confidence", self.confidence)


def run_groups(config: GroupsConfig) -> None:
    """Compare two files of RDMs, print the tests, save and draw them."""
    inputs = (config.first, config.second, *config.models)
    check_out(config.out, (".json", ".csv"), inputs)
    check_figure(config.figure, inputs)
    first, second = load_rdm(config.first), load_rdm(config.second)
    models = models_of(config.models, config.on_mismatch)
    with cluster_client(config.scheduler) as client, _naming(config):
        result = compare_groups(
            first,
            second,
            models=models,
            groups=(config.first.stem, config.second.stem),
            method=config.method,
            statistic=config.statistic,
            alternative=config.alternative,
            n_permutations=config.n_permutations,
            alpha=config.alpha,
            confidence=config.confidence,
            nan_policy=config.nan_policy,
            on_mismatch=config.on_mismatch,
            progress=config.progress,
            rng=config.seed,
            client=client,
        )
    draw_to(result, config.figure)
    keep_and_show(result, config.out, first_rows(result.to_dataframe()[_COLUMNS], digits=".4g"))


def models_of(paths: Sequence[Path], on_mismatch: OnMismatch) -> RDM | None:
    """Return all models of several files as one stack, named by file, or as the one file's own axis names them."""
    given = [load_rdm(path) for path in paths]
    if not given:
        return None
    if len(given) == 1 and len(given[0].dims) == 1:
        return given[0]
    return stack_files(paths, given, on_mismatch)


def draw_to(result: Result, path: Path | None) -> None:
    """Draw a result that has a picture, where that was asked for."""
    if path is None:
        return
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.4), layout="compressed")
    result.plot(figure.subplots())  # type: ignore[attr-defined]
    save_figure(figure, path)


@contextmanager
def _naming(config: GroupsConfig) -> Iterator[None]:
    """Let refusals speak of files."""
    try:
        yield
    except ValueError as error:
        text = str(error)
        for what, path in (("the first group", config.first), ("the second group", config.second)):
            text = text.replace(what, path.name)
        raise ValueError(text) from error
