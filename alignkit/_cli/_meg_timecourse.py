"""``alignkit meg timecourse``: models against everybody's RDMs over time, with ceiling and statistics."""

from __future__ import annotations

import dataclasses
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from alignkit._check import NanPolicy, check_count, check_fraction
from alignkit._cli._cluster import Scheduler, cluster_client
from alignkit._cli._meg_files import PHRASES, open_data, open_models
from alignkit._cli._meg_outputs import Outputs, outputs_of, save_figure
from alignkit._cli._meg_summary import Summary, ceiling_words, summarise
from alignkit._cli._meg_words import flags, in_words, reworded
from alignkit._io import atomic_write
from alignkit.meg import LabelTest
from alignkit.meg._curves import stretch
from alignkit.meg._label_p import Correction
from alignkit.meg._onset import OnsetMethod
from alignkit.meg._slices import as_sources
from alignkit.meg._time_test import TimeTest
from alignkit.meg._timecourse import Side, TimePooling
from alignkit.rsa._matrix_methods import DISTANCES, ComparisonMethod
from alignkit.rsa._sign_flips import Tail

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure

    from alignkit.meg import TimeCourse

Tests = dict[str, TimeTest] | LabelTest | None
#: Options that are handed on as they are.
_PASSED_ON = (
    "method",
    "pooling",
    "partial",
    "nan_policy",
    "on_mismatch",
    "tolerance",
    "ceiling",
    "n_bootstrap",
    "confidence",
    "memory",
    "progress",
)
_OF_TESTS = ("tail", "n_permutations", "alpha", "correction")
_FLAGS = flags(*_PASSED_ON, *_OF_TESTS, "models", "data", "controls", "sigma_k", "tmin", "tmax", "baseline")
_PHRASES = {
    **PHRASES,
    "label_test": "--test labels",
    "says which side the controls leave; give controls": "says which side the controls leave; give --controls",
    "curves has curves for each time of the model; choose one, and pass its curves as an array with times": (
        "the models have times of their own (see the figure, a map)"
    ),
    "curves holds distances": "the curves are distances",
    "; pass their negative as an array with times": "",
    "curves holds NaN": "the curves hold NaN",
    "has no onset by: ": "has no onset by --onset-method ",
    ": leave them or those samples out. Only whole sessions may be missing.": ".",
}
_CLUSTERS = (
    "note: clusters and TFCE say that there is an effect, not when it begins or how long it lasts (Sassenhagen and "
    "Draschkow, 2019); onsets come from their own estimate."
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MegTimecourseConfig:
    r"""Compare model RDMs with everybody's RDMs over time: curves, the noise ceiling, onsets, peaks, tests.

    Models are compared within each participant and then averaged. --out result writes result.json, result.csv,
    result.png, and tables of what is printed; the same command goes on where a killed one stopped.

    Examples
    --------
    alignkit meg timecourse --models clip.npz pixels.npz --data p1.zarr p2.zarr \
        --out result
    alignkit meg timecourse --models clip.npz --controls pixels.npz \
        --data all.npz --test cluster --out clip.json --figure clip.pdf
    alignkit meg timecourse --models clip.npz --data p1.zarr p2.zarr \
        p3.zarr p4.zarr --test labels --out result
    """

    models: tuple[Path, ...]
    """Model RDMs (`alignkit rdm` makes them of features), one or several in a file."""
    data: tuple[Path, ...]
    """RDMs over time (`alignkit meg rdms`, `alignkit meg import`): one file per participant, or one of all."""
    method: ComparisonMethod = "spearman"
    """Similarity of two RDMs (bures-metric: a distance)."""
    pooling: TimePooling = "rank"
    """How participants are averaged for the ceiling; see alignkit.meg.timecourse."""
    ceiling: bool = True
    """Find the noise ceiling."""
    sigma_k: Path | None = None
    """Array file with the variances or the covariance of the items of the first data file (whitened methods)."""
    controls: tuple[Path, ...] = ()
    """RDMs to control for: partial correlation (pearson, spearman)."""
    partial: Side = "both"
    """Which side the controls are regressed out of."""
    nan_policy: NanPolicy = "propagate"
    """NaN in an RDM: give NaN, leave those pairs of items out, or raise."""
    on_mismatch: Literal["raise", "intersect"] = "raise"
    """RDMs over different items: raise, or compare the items they share."""
    tolerance: float = 1e-6
    """Seconds by which the times of participants may differ."""
    n_bootstrap: int = 1000
    """Resamples of participants for every interval; 0 for none."""
    confidence: float = 0.95
    """Level of every interval."""
    tmin: float | None = None
    """First time searched for peak and onset, and of the mean; by default after 0 and after the baseline."""
    tmax: float | None = None
    """Last time of these."""
    baseline: tuple[float, float] | None = None
    """First and last second of the baseline for onsets; by default all up to 0."""
    onset_method: OnsetMethod = "broken-line"
    """How onsets are found; see alignkit.meg.onset."""
    test: Literal["none", "cluster", "max", "tfce", "labels"] = "none"
    """Sign flips of participants (cluster mass, largest statistic, TFCE), or permuted labels within each."""
    tail: Tail | None = None
    """What counts as extreme; by default two-sided, and greater for labels."""
    n_permutations: int | None = None
    """Flips or permutations, all where there are no more; by default 10,000, and 1,000 of labels."""
    alpha: float = 0.05
    """Level of the test."""
    correction: Correction | None = None
    """How --test labels is corrected over time; by default max."""
    memory: str = "1 GB"
    """Memory to work in."""
    seed: int = 0
    """Seed of every random draw."""
    progress: bool = True
    """Show a progress bar with the time left."""
    scheduler: Scheduler = None
    out: Path | None = None
    """Where to write: a name for .json, .csv, .png and tables, or one file (.json: everything; .csv: the curves)."""
    figure: Path | None = None
    """Where to write the figure (.png, .pdf, .svg)."""

    def __post_init__(self) -> None:
        for name in ("models", "data"):
            if not getattr(self, name):
                msg = f"--{name} needs at least one file."
                raise ValueError(msg)
        check_fraction("--alpha", self.alpha)
        if self.n_permutations is not None:
            check_count("--n-permutations", self.n_permutations, 1)
        if self.test == "none" and (self.tail is not None or self.n_permutations is not None):
            msg = f"--{'tail' if self.tail is not None else 'n-permutations'} is for a test; name one with --test."
            raise ValueError(msg)
        if self.test != "labels" and self.correction is not None:
            msg = f"--correction is for --test labels; got --test {self.test}."
            raise ValueError(msg)
        if self.test in ("cluster", "max", "tfce") and self.method in DISTANCES:
            msg = (
                f"--test {self.test} takes similarities, and --method {self.method} gives distances; use --test labels."
            )
            raise ValueError(msg)
        if self.test == "labels" and (self.controls or self.nan_policy == "omit" or self.sigma_k is not None):
            given = "--controls" if self.controls else "--sigma-k" if self.sigma_k is not None else "--nan-policy omit"
            msg = f"--test labels does without {given}: it compares models and data as they are."
            raise ValueError(msg)


def run_meg_timecourse(config: MegTimecourseConfig) -> None:
    """Compare models with data over time, test, sum up, keep it all and print the summary."""
    inputs = (*config.models, *config.data, *config.controls, config.sigma_k)
    outputs = outputs_of(config.out, config.figure, inputs, test=config.test != "none")
    with in_words(_FLAGS, _PHRASES):
        models, data = open_models(config.models), open_data(config.data)
        _check_data(config, data)
        with cluster_client(config.scheduler) as client:
            course = _compare(config, models, data, outputs, client)
            tests = _test(config, course, models, data, outputs, client)
        summary = summarise(
            course,
            tests,
            tmin=config.tmin,
            tmax=config.tmax,
            baseline=(None, 0.0) if config.baseline is None else config.baseline,
            onset_method=config.onset_method,
            seed=config.seed,
        )
    _keep(outputs, course, tests, summary)
    _show(outputs, course, tests, summary)


def _check_data(config: MegTimecourseConfig, data: dict[str, Any]) -> None:
    """Raise before anything is computed where a test has no group, or a stretch of time no samples."""
    sources = as_sources(data)
    if config.test in ("cluster", "max", "tfce") and sum(len(source.subjects) for source in sources) < 2:
        msg = (
            f"--test {config.test} needs two participants at least; for one, permute labels within them: --test labels."
        )
        raise ValueError(msg)
    times = sources[0].times
    if times is None or len(times) < 2:
        return
    if config.tmin is not None or config.tmax is not None:
        stretch(times, config.tmin, config.tmax, "the stretch (--tmin, --tmax)")
    if config.baseline is not None:
        stretch(times, *config.baseline, "--baseline")


def _compare(
    config: MegTimecourseConfig, models: dict[str, Any], data: dict[str, Any], outputs: Outputs, client: Any
) -> TimeCourse:
    from alignkit._io import load_array
    from alignkit.meg import timecourse

    options = {name: getattr(config, name) for name in _PASSED_ON}
    return timecourse(
        models,
        data,
        sigma_k=None if config.sigma_k is None else load_array(config.sigma_k),
        controls=open_models(config.controls) or None,
        resume=outputs.resume,
        rng=config.seed,
        client=client,
        **options,
    )


def _test(
    config: MegTimecourseConfig,
    course: TimeCourse,
    models: dict[str, Any],
    data: dict[str, Any],
    outputs: Outputs,
    client: Any,
) -> Tests:
    """Return the test asked for, of each model; a warning that holds for all of them comes once."""
    if config.test == "none":
        return None
    from alignkit.meg import cluster_test, label_test, max_test, tfce_test

    given = {name: getattr(config, name) for name in _OF_TESTS}
    options = {name: value for name, value in given.items() if value is not None}
    options |= {"progress": config.progress, "rng": config.seed}
    with _said_once():
        if config.test == "labels":
            matching = {name: getattr(config, name) for name in ("method", "on_mismatch", "tolerance", "memory")}
            return label_test(models, data, resume=outputs.resume_labels, client=client, **matching, **options)
        run: Any = {"cluster": cluster_test, "max": max_test, "tfce": tfce_test}[config.test]
        return {name: run(course, model=name, **options) for name in course.models}


@contextmanager
def _said_once() -> Iterator[None]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for text in dict.fromkeys(str(one.message) for one in caught):
        warnings.warn(reworded(text, _FLAGS, _PHRASES), RuntimeWarning, stacklevel=3)


def _keep(outputs: Outputs, course: TimeCourse, tests: Tests, summary: Summary) -> None:
    """Write all files; what a killed run would go on from is removed last."""
    for path in (outputs.json, outputs.csv):
        if path is not None:
            course.save(path)
    if outputs.summary is not None:
        with atomic_write(outputs.summary, "w") as file:
            summary.to_dataframe().to_csv(file, index=False)
    if outputs.test is not None and tests is not None:
        with atomic_write(outputs.test, "w") as file:
            _table_of(tests).to_csv(file, index=False)
    if outputs.methods is not None:
        with atomic_write(outputs.methods, "w") as file:
            file.write("\n\n".join(_methods(course, tests, summary)) + "\n")
    if outputs.figure is not None:
        _draw(outputs.figure, course, tests, summary)
    for path in (outputs.resume, outputs.resume_labels):
        if path is not None:
            path.unlink(missing_ok=True)


def _table_of(tests: dict[str, TimeTest] | LabelTest) -> Any:
    import pandas as pd

    if isinstance(tests, LabelTest):
        return tests.to_dataframe()
    tables = [test.to_dataframe() for test in tests.values()]
    for name, table in zip(tests, tables, strict=True):
        table.insert(0, "model", name)
    return pd.concat(tables)


def _methods(course: TimeCourse, tests: Tests, summary: Summary) -> list[str]:
    results: list[Any] = [course]
    results += [next(filter(None, row), None) for row in (summary.areas, summary.peaks, summary.onsets)]
    results.append(tests if not isinstance(tests, dict) else next(iter(tests.values())))
    return [result.methods_text() for result in results if result is not None]


def _draw(path: Path, course: TimeCourse, tests: Tests, summary: Summary) -> None:
    from matplotlib.figure import Figure

    if course.model_times is None:
        figure = Figure(figsize=(8.0, 4.0), layout="constrained")
        _draw_curves(figure, course, tests, summary)
    else:
        figure = Figure(figsize=(5.0, 4.0 * len(course.models)), layout="constrained")
        axes = figure.subplots(len(course.models), squeeze=False)[:, 0]
        for ax, name in zip(axes, course.models, strict=True):
            course.plot(ax, models=name)
    save_figure(figure, path)


def _draw_curves(figure: Figure, course: TimeCourse, tests: Tests, summary: Summary) -> None:
    marks: dict[str, Any] = {}
    if isinstance(tests, LabelTest):
        passed = tests.p_count <= tests.alpha
        marks["significance"] = dict(zip(tests.models, passed, strict=True))
    elif tests:
        marks["significance"] = tests
    for what, found in (("onset", summary.onsets), ("peak", summary.peaks)):
        pairs = zip(course.models, found, strict=True)
        marks[what] = {name: one for name, one in pairs if one is not None and one.value == one.value}
    course.plot(figure.subplots(), **marks)


def _show(outputs: Outputs, course: TimeCourse, tests: Tests, summary: Summary) -> None:
    print(repr(course).partition("\n")[0].rstrip(">") + ">")
    if table := summary.table():
        print(table)
    print(ceiling_words(course))
    if tests:
        one = tests if isinstance(tests, LabelTest) else next(iter(tests.values()))
        print(f"test: {one.methods_text()}")
    for note in summary.notes:
        print(f"note: {reworded(note, _FLAGS, _PHRASES)}")
    if _of_clusters(tests):
        print(_CLUSTERS)
    if outputs.written:
        print(f"saved to {', '.join(map(str, outputs.written))}")


def _of_clusters(tests: Tests) -> bool:
    if isinstance(tests, LabelTest):
        return tests.correction == "cluster"
    return bool(tests) and any(type(test).__name__ in ("ClusterTest", "TfceTest") for test in (tests or {}).values())
