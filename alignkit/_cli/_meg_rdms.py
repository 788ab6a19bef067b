"""``alignkit meg rdms``: from the epochs of one participant to RDMs over time."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from alignkit._check import check_choice, check_count, counted
from alignkit._cli._files import check_out
from alignkit._cli._meg_epochs import open_epochs
from alignkit._cli._meg_words import flags, in_words
from alignkit._typing import FloatArray
from alignkit.meg import RDMStore
from alignkit.meg._estimators import Covariance, Metric
from alignkit.meg._windows import WindowMode
from alignkit.rsa._patterns import CrossValidation

if TYPE_CHECKING:
    from alignkit.rsa import RDM

_NOISES = ("auto", "time", "epoch", "baseline", "none")
#: Options that are handed on as they are.
_PASSED_ON = (
    "by",
    "folds",
    "metric",
    "cv",
    "covariance",
    "ridge",
    "variance_floor",
    "normalize",
    "noise_kind",
    "noise_from",
    "window",
    "step",
    "window_mode",
    "pseudo_trials",
    "pseudo_repeats",
    "tmin",
    "tmax",
    "decim",
    "query",
    "dtype",
    "overwrite",
    "memory",
    "progress",
)
_FLAGS = flags(*_PASSED_ON, "noise", "shrinkage", "picks", "baseline", "variable")
#: What a value is where nothing tells two conditions apart.
_CHANCE = {
    "decoding": "0.5 (accuracy)",
    "svm": "0.5 (accuracy)",
    "decoding_weighted": "0 (decision value)",
    "crossnobis": "0 (distances may be negative)",
    "sqeuclidean_cv": "0 (distances may be negative)",
}
_BASELINE = "--baseline takes two times in seconds (none: the first or the last sample)"
#: Bytes of values that are read at once for the summary.
_AT_ONCE = 1 << 27


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MegRdmsConfig:
    r"""Compute the RDM of all conditions at every time, for one participant.

    Epochs are read a stretch of time at a time and never changed. With --out p1.zarr each stretch is on disk when
    it is done: the same command goes on where a killed one stopped, with the same numbers; another one is refused.

    Examples
    --------
    alignkit meg rdms --epochs preprocessed_P1-epo.fif --by concept \
        --folds session_nr --metric decoding --out p1.zarr
    alignkit meg rdms --epochs ses-01_epo.fif ses-02_epo.fif --by stimulus \
        --folds file --picks mag --tmin -0.1 --tmax 0.8 --out sub-01.zarr
    alignkit meg rdms --epochs sub-01.set --by type --metric correlation \
        --window 0.02 --step 0.01 --out sub-01.npz
    """

    epochs: tuple[Path, ...]
    """Files of one participant: MNE (-epo.fif, -ave.fif), EEGLAB (.set), FieldTrip (.mat), THINGS-EEG2 (.npy)."""
    by: str | None = None
    """Column of the metadata that says what each trial shows (THINGS-MEG: concept); by default its event's name."""
    folds: str | None = None
    """Column with each trial's session or run, or file: for crossnobis, all that end in _cv, and decoding."""
    metric: Metric = "crossnobis"
    """Dissimilarity of two conditions; see alignkit.meg.time_rdms."""
    cv: CrossValidation | None = None
    """What is multiplied across folds (crossnobis, all that end in _cv)."""
    covariance: Covariance = "shared"
    """Noise of linear discriminants: one for all pairs, or each pair's own (decoding; slow)."""
    ridge: float = 0.01
    """Added to a pair's own covariance, as part of its mean variance."""
    variance_floor: float = 0.0
    """Least cross-validated variance, as part of that within folds (correlation_cv, cosine_cv)."""
    normalize: bool = False
    """Divide squared distances by the number of channels (sqeuclidean, sqmahalanobis, sqeuclidean_cv)."""
    noise: str = "auto"
    """What whitens the channels: auto, time, epoch, baseline, none, or a file: -cov.fif, or an array (.npy ...)."""
    noise_kind: Literal["precision", "covariance"] = "precision"
    """What an array given as --noise is."""
    noise_from: Literal["training", "all"] = "training"
    """Trials that the noise is estimated from: those outside each fold, or all."""
    shrinkage: str = "ledoit-wolf"
    """Weight of equal variances in that estimate: ledoit-wolf, none, or a number from 0 to 1."""
    window: float | None = None
    """Length of sliding windows in seconds."""
    step: float | None = None
    """Seconds from one window to the next; by default one sample."""
    window_mode: WindowMode = "mean"
    """Average the samples of a window, or put them side by side as features."""
    pseudo_trials: int | None = None
    """Average so many random trials of a condition (and fold) first."""
    pseudo_repeats: int = 20
    """Random groupings whose RDMs are averaged."""
    picks: tuple[str, ...] = ()
    """Channels as in MNE: types, names, a pattern that names start with, or a group of Vectorview sensors."""
    tmin: float | None = None
    """First time kept, in seconds."""
    tmax: float | None = None
    """Last time kept, in seconds."""
    baseline: tuple[str, ...] = ()
    """First and last second of the baseline whose mean is subtracted, or none for the first or last sample."""
    decim: int = 1
    """Keep every so manieth sample."""
    query: str | None = None
    """Trials kept: a condition on the metadata, such as "trial_type == 'exp'"."""
    variable: str | None = None
    """FieldTrip's structure in a .mat file that holds several."""
    dtype: Literal["float64", "float32"] = "float64"
    """Precision of products and values."""
    memory: str = "1 GB"
    """Memory to work in; the numbers do not depend on it."""
    seed: int = 0
    """Seed of pseudo-trials."""
    progress: bool = True
    """Show a progress bar with the time left."""
    out: Path | None = None
    """Where to write the RDMs (.zarr: as they are done; .npz: at the end)."""
    overwrite: bool = False
    """Start anew, whatever the store --out holds."""

    def __post_init__(self) -> None:
        if not self.epochs:
            msg = "--epochs needs at least one file."
            raise ValueError(msg)
        if self.baseline and len(self.baseline) != 2:
            msg = f"{_BASELINE}; got {len(self.baseline)}."
            raise ValueError(msg)
        if self.pseudo_trials is not None:
            check_count("--pseudo-trials", self.pseudo_trials, 1)
        if self.step is not None and self.window is None:
            msg = "--step is from one --window to the next; give --window, or thin out samples with --decim."
            raise ValueError(msg)


def run_meg_rdms(config: MegRdmsConfig) -> None:
    """Compute RDMs over time, keep them and print a summary."""
    check_out(config.out, (".zarr", ".npz"), (*config.epochs, *_noise_file(config)))
    options = _options(config)
    finished = not config.overwrite and _is_finished(config.out)
    with in_words(_FLAGS, _phrases(config)):
        result, note = _compute(config, options)
    if config.out is not None and not isinstance(result, RDMStore):
        result.save(config.out)  # before anything is printed that looks like success
    print(result)
    if note:
        print(note)
    print(_summary(result))
    if config.out is not None:
        print(f"{config.out} was finished: nothing left to do" if finished else f"saved to {config.out}")


def _is_finished(out: Path | None) -> bool:
    """Return whether a store is there that holds all times; whether it is of the same RDMs is for time_rdms to say."""
    if out is None or out.suffix != ".zarr" or not out.is_dir():
        return False
    try:
        return bool(RDMStore.open(out).done.all())
    except (ValueError, OSError):
        return False


def _compute(config: MegRdmsConfig, options: dict[str, Any]) -> tuple[RDM | RDMStore, str]:
    from alignkit.meg import time_rdms

    epochs, note = open_epochs(config.epochs, query=config.query, variable=config.variable)
    out = config.out if config.out is not None and config.out.suffix == ".zarr" else None
    return time_rdms(epochs, out=out, rng=config.seed, **options), note


def _options(config: MegRdmsConfig) -> dict[str, Any]:
    options = {name: getattr(config, name) for name in _PASSED_ON}
    picks = config.picks[0] if len(config.picks) == 1 else list(config.picks)
    options |= {"picks": picks or None, "shrinkage": _shrinkage(config.shrinkage)}
    options |= {"noise": _noise(config), "baseline": tuple(map(_second, config.baseline)) or None}
    return options


def _second(text: str) -> float | None:
    if text.lower() == "none":
        return None
    try:
        return float(text)
    except ValueError as error:
        msg = f"{_BASELINE}; got {text!r}."
        raise ValueError(msg) from error


def _shrinkage(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        check_choice("--shrinkage", text, ("ledoit-wolf", "none"))
        return text


def _noise_file(config: MegRdmsConfig) -> list[Path]:
    return [] if config.noise in _NOISES else [Path(config.noise)]


def _noise(config: MegRdmsConfig) -> Any:
    if config.noise == "none":
        return None
    files = _noise_file(config)
    if not files:
        return config.noise
    path = files[0]
    if not path.suffix and not path.exists():
        check_choice("--noise", config.noise, (*_NOISES, "a file"))
    if path.name.endswith((".fif", ".fif.gz")):
        return _covariance_file(path)
    from alignkit._io import load_array

    return load_array(path)


def _covariance_file(path: Path) -> Any:
    from alignkit._check import require
    from alignkit._io import check_file

    check_file(path)
    try:
        return require("mne", "meg").read_cov(path, verbose="error")
    except ImportError:
        raise
    except Exception as error:  # whatever a damaged or foreign file makes mne raise
        reason = " ".join(str(error).split()).rstrip(".")[:200]
        msg = f"{path} cannot be read as a covariance of MNE's ({reason or type(error).__name__})."
        raise ValueError(msg) from error


def _phrases(config: MegRdmsConfig) -> dict[str, str]:
    """Return what messages say of Python, and what is said here."""
    return {
        **{f"data {verb} ": f"{_names(config.epochs)} {verb} " for verb in ("must hold", "holds", "has")},
        "data names the same": "--epochs names the same",
        "item(s); at least 2 are needed.": (
            "condition(s); at least 2 are needed (--by names the column that tells them apart)."
        ),
        "lie after tmax": "lie after --tmax",
        "noise=None": "--noise none",
    }


def _names(paths: Sequence[Path]) -> str:
    return paths[0].name if len(paths) == 1 else f"{paths[0].name} and {counted(len(paths) - 1, 'other file')}"


def _summary(result: RDM | RDMStore) -> str:
    """Return what the RDMs were made of, and the mean over pairs, in a few lines."""
    known = result.provenance
    low, high = known["n_trials_per_condition"]
    trials = f"trials: {known['n_trials']:,}, {low if low == high else f'{low} to {high}'} of each condition"
    folds = f", in {counted(known['n_folds'], 'fold')}" if "n_folds" in known else ""
    types = ", ".join(f"{n} {kind}" for kind, n in known["channel_types"].items())
    lines = [f"{trials}{folds}", f"channels: {types} (rank {known['rank']})", f"noise: {_noise_words(known)}"]
    mean, missing = _mean_over_pairs(result)
    lines.append(_curve_words(result.coords["time"], mean))
    if result.metric in _CHANCE:
        lines.append(f"chance: {_CHANCE[result.metric]}")
    if missing:
        lines.append(f"NaN: {missing:,} of {len(mean) * result.n_pairs:,} values")
    return "\n".join(lines)


def _noise_words(known: Mapping[str, Any]) -> str:
    mode = known["noise"]
    if mode is None:
        return "each pair's own" if known.get("covariance") == "pairwise" else "none (channels were not whitened)"
    if "shrinkage" not in known:
        return str(mode)
    outside = "outside each fold" if known["noise_from"] == "training" else "of all folds"
    when = {"time": "at each time", "epoch": "mean over the epoch", "baseline": "mean over the baseline"}[mode]
    return f"covariance of the trials {outside}, {when} (shrinkage: {known['shrinkage']})"


def _mean_over_pairs(result: RDM | RDMStore) -> tuple[FloatArray, int]:
    """Return the mean over pairs at every time, NaN left out, and how many values are NaN."""
    n_times, missing = len(result.coords["time"]), 0
    mean = np.full(n_times, np.nan)
    step = max(1, _AT_ONCE // (8 * result.n_pairs))
    for start in range(0, n_times, step):
        stop = min(start + step, n_times)
        values = result.read(start, stop) if isinstance(result, RDMStore) else np.asarray(result.values)[start:stop]
        there = ~np.isnan(values)
        missing += values.size - int(there.sum())
        count = there.sum(axis=1)
        total = np.where(there, values, 0.0).sum(axis=1, dtype=np.float64)
        np.divide(total, count, out=mean[start:stop], where=count > 0)
    return mean, missing


def _curve_words(times: FloatArray, mean: FloatArray) -> str:
    if not np.isfinite(mean).any():
        return "mean over pairs: undefined"
    best = int(np.nanargmax(mean))
    before = mean[times < 0]
    start = f"{np.nanmean(before):.4g} before 0 s, " if np.isfinite(before).any() else ""
    return f"mean over pairs: {start}highest {mean[best]:.4g} at {times[best]:g} s"
