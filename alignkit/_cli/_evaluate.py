"""``alignkit rsa evaluate``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

import numpy as np

from alignkit._check import NanPolicy, check_count, check_fraction, join_names
from alignkit._cli._cluster import Scheduler, cluster_client
from alignkit._cli._compare import in_flags, load_rdm, read_sigma_k, stack_files
from alignkit._cli._files import check_out, first_rows, keep_and_show
from alignkit._cli._meg_outputs import check_figure, save_figure
from alignkit._config import Positional
from alignkit.rsa import RDM, Evaluation, FixedModel, InterpolatedModel, SelectedModel, WeightedModel, evaluate
from alignkit.rsa._align_all import check_one_order
from alignkit.rsa._inference._model_rows import named_models
from alignkit.rsa._models import Model
from alignkit.rsa._pooling import PoolingMethod

#: Flags for models that are fitted.
_FITTED: dict[str, type[Model]] = {
    "select": SelectedModel,
    "weighted": WeightedModel,
    "interpolate": InterpolatedModel,
}
#: Options that are handed on as they are.
_PASSED_ON = (
    "generalize",
    "method",
    "test",
    "interval",
    "alternative",
    "alpha",
    "confidence",
    "fixed_ceiling",
    "n_bootstrap",
    "n_permutations",
    "pooling",
    "dim",
    "nan_policy",
    "on_mismatch",
    "progress",
    "device",
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateConfig:
    r"""Score model RDMs against people's, with errors and tests for new people, new items, or both.

    Models are tested against zero, against each other and against the noise ceiling. Labelled RDMs are
    matched by label. --data takes one file with the RDMs of several people, or one file each.

    Examples
    --------
    alignkit rsa evaluate shape.npz colour.npz --data people.npz
    alignkit rsa evaluate layers.npz --data people.npz \
        --generalize both --out result.json --figure result.png
    alignkit rsa evaluate shape.npz colour.npz --data people.npz \
        --weighted shape.npz colour.npz
    """

    models: Positional[tuple[Path, ...]]
    """Model RDMs, one or several in each file."""
    data: tuple[Path, ...]
    """RDMs of several people, or files with one RDM each."""
    generalize: Literal["subjects", "items", "both"] = "subjects"
    """To whom errors, intervals and tests speak."""
    method: PoolingMethod = "spearman"
    """Similarity of two RDMs."""
    test: Literal["auto", "sign-flip", "permutation", "t"] = "auto"
    """Sign flips or t (subjects), permuted items or t (items), t (both)."""
    interval: Literal["t", "percentile", "bca"] = "t"
    """Intervals: by t, or of resamples."""
    alternative: Literal["greater", "less", "two-sided"] = "greater"
    """Of the tests against zero."""
    alpha: float = 0.05
    """Level of the tests; one that cannot reach it gives a reason in place of p."""
    confidence: float = 0.95
    """Level of the intervals."""
    fixed_ceiling: bool = False
    """Test against the ceiling as if it were known."""
    n_bootstrap: int = 1000
    """Resamples."""
    n_permutations: int = 10_000
    """Random permutations of items, or sign flips of more than 20 people."""
    pooling: Literal["rank", "raw", "rsatoolbox"] = "rank"
    """How people are averaged for the ceiling."""
    select: tuple[str, ...] = ()
    """Add the best of these models, chosen on other items and people; all: of all. Names as in the table."""
    weighted: tuple[str, ...] = ()
    """Add a non-negative weighted sum of these models (or all), fitted on other items and people."""
    interpolate: tuple[str, ...] = ()
    """Add the best mixture of consecutive ones of these models (or all), fitted on other items and people."""
    sigma_k: Path | None = None
    """Array file with the variances or the covariance of the items of the data (whitened methods)."""
    dim: str | None = None
    """Name of the axis of people; by default subject, or the only one."""
    nan_policy: NanPolicy = "propagate"
    """NaN in an RDM: give NaN, leave those pairs of items out for all, or raise."""
    on_mismatch: Literal["raise", "intersect"] = "raise"
    """RDMs over different items: raise, or take the items they share."""
    seed: int = 0
    """Seed of resamples and permutations."""
    progress: bool = True
    """Show a progress bar with the time left when it takes long."""
    scheduler: Scheduler = None
    device: str | None = None
    """Resample items with torch on auto, cpu, cuda, cuda:1 or mps; by default numpy does."""
    out: Path | None = None
    """Where to write the result (.json: everything; .csv: the table)."""
    figure: Path | None = None
    """Where to draw it (.png, .pdf, .svg)."""

    def __post_init__(self) -> None:
        if not self.models:
            msg = "models are required: at least one file."
            raise ValueError(msg)
        if not self.data:
            msg = "--data needs at least one file."
            raise ValueError(msg)
        check_count("n_bootstrap", self.n_bootstrap)
        check_count("n_permutations", self.n_permutations, 1)
        check_fraction("alpha", self.alpha)
        check_fraction("confidence", self.confidence)


def run_evaluate(config: EvaluateConfig) -> None:
    """Evaluate RDM files, print the tables, save and draw them."""
    inputs = (*config.models, *config.data, config.sigma_k)
    check_out(config.out, (".json", ".csv"), inputs)
    check_figure(config.figure, inputs)
    paths = (*config.data, *config.models)
    given = [load_rdm(path) for path in paths]
    check_one_order([(path.name, rdm) for path, rdm in zip(paths, given, strict=True)])
    people = _people(config, given[: len(config.data)])
    models = _with_fitted(config, _models(config, given[len(config.data) :]))
    options = {name: getattr(config, name) for name in _PASSED_ON}
    sigma_k = read_sigma_k(config.sigma_k, given[0], people)
    with cluster_client(config.scheduler) as client, in_flags("dim", "n_bootstrap"):
        result = evaluate(models, people, sigma_k=sigma_k, rng=config.seed, client=client, **options)
    if config.figure is not None:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(max(4.4, min(12.0, 1.6 + 0.62 * len(result.models))), 4.6), layout="compressed")
        result.plot(figure.subplots())
        save_figure(figure, config.figure)
    keep_and_show(result, config.out, _tables(result))


def _people(config: EvaluateConfig, given: list[RDM]) -> RDM:
    if len(given) > 1:
        return stack_files(config.data, given, config.on_mismatch)
    return given[0] if given[0].dims else RDM(given[0].values[None], given[0].labels, dims=["subject"])


def _models(config: EvaluateConfig, given: list[RDM]) -> RDM:
    if len(given) == 1 and len(given[0].dims) == 1:
        return given[0]
    return stack_files(config.models, given, config.on_mismatch)


def _with_fitted(config: EvaluateConfig, models: RDM) -> RDM | dict[str, Model]:
    """Return the models, those that are to be fitted beside fixed ones by name."""
    asked = [(flag, getattr(config, flag)) for flag in _FITTED]
    if not any(names for _, names in asked):
        return models
    rows = dict(zip(named_models(models)[1], models.values.reshape(-1, models.n_pairs), strict=True))
    found: dict[str, Model] = {name: FixedModel(RDM(row, models.labels)) for name, row in rows.items()}
    for flag, names in asked:
        chosen = tuple(rows) if names == ("all",) else names
        unknown = [name for name in chosen if name not in rows]
        if unknown:
            msg = f"--{flag} names {join_names(unknown)}; the models are {join_names(rows)} (or all)."
            raise ValueError(msg)
        if len(chosen) == 1 or len(set(chosen)) < len(chosen):
            msg = f"--{flag} takes two or more different models; got {join_names(chosen)}."
            raise ValueError(msg)
        if chosen:
            found[flag] = _FITTED[flag]({name: RDM(rows[name], models.labels) for name in chosen})
    return found


def _tables(result: Evaluation) -> str:
    """Return the models, the pairs, and the reasons for what is missing among them, as text."""
    kept = ["model", "score", "se", "lower", "upper", "p_zero", "p_zero_max", "p_ceiling", "p_ceiling_max"]
    parts = [first_rows(result.to_dataframe()[kept], digits=".4g")]
    if len(result.models) > 1:
        kept = ["model", "other", "difference", "se_difference", "p_pairwise", "p_pairwise_fdr", "p_pairwise_max"]
        parts.append(first_rows(result.pairs()[kept], digits=".4g"))
    bounds = zip(("lower", "upper"), (result.ceiling_lower, result.ceiling_upper), result.ceiling_interval, strict=True)
    shown = [
        f"{name} {value:.4f}" + (f" [{low:.4f}, {high:.4f}]" if np.isfinite(low) else "")
        for name, value, (low, high) in bounds
    ]
    return "\n\n".join([*parts, f"noise ceiling: {', '.join(shown)}"])
