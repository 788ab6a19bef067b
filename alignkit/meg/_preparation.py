"""What comes before an engine: which noise is asked for, windows over the trials, and their random groupings."""

from __future__ import annotations

import warnings
from typing import Any

from alignkit._check import check_choice, check_count, check_positive
from alignkit._typing import RNGLike
from alignkit.meg._estimators import KINDS
from alignkit.meg._noise import MODES, EstimatedNoise, GivenNoise, Noise, NoiseMode, Shrinkage
from alignkit.meg._pseudo_trials import pseudo_trials as make_pseudo_trials
from alignkit.meg._trials import Trials
from alignkit.meg._windows import WindowMode, windowed
from alignkit.rsa._arrays import Precision

#: What a pair's covariance is regularised by unless asked otherwise, as in CoSMoMVPA.
_RIDGE = 0.01


def noise_mode(noise: Any, metric: str, covariance: str) -> Any:
    """Return a mode, None, or the noise that was given."""
    if isinstance(noise, str) and noise.lower() == "none":
        msg = f"noise={noise!r} is no mode; pass None (no quotes) to leave channels as they are."
        raise ValueError(msg)
    if isinstance(noise, str):
        check_choice("noise", noise, ("auto", *MODES))
    if covariance == "pairwise":
        if noise is None or (isinstance(noise, str) and noise == "auto"):
            return None
        msg = "covariance='pairwise' has a noise covariance for each pair; leave noise= out."
        raise ValueError(msg)
    if isinstance(noise, str) and noise == "auto":
        return KINDS[metric].noise
    if noise is None and metric in ("mahalanobis", "sqmahalanobis"):
        msg = f"{metric} needs noise=; without it use metric={metric.replace('mahalanobis', 'euclidean')!r}."
        raise ValueError(msg)
    return noise


def check_in_use(mode: Any, kind: object, shrinkage: object, *, ridge: float, covariance: str) -> None:
    """Raise where an option was given that nothing would heed."""
    check_choice("noise_kind", kind, ("precision", "covariance"))
    check_positive("ridge", ridge)
    shrunk = isinstance(mode, str)
    if kind != "precision" and (shrunk or mode is None):
        msg = f"noise_kind={kind!r} says what an array is; give it as noise=."
        raise ValueError(msg)
    if shrinkage != "ledoit-wolf" and not shrunk:
        msg = "shrinkage is for noise that is estimated; pass noise='time', 'epoch' or 'baseline' as well."
        raise ValueError(msg)
    if ridge != _RIDGE and covariance != "pairwise":
        msg = "ridge is only for covariance='pairwise'."
        raise ValueError(msg)


def windows_of(trials: Trials, window: float | None, step: float | None, mode: WindowMode) -> Trials:
    """Return windows over the trials, or the trials where none are asked for."""
    check_choice("window_mode", mode, ("mean", "concat"))
    if window is not None:
        return windowed(trials, window=window, step=step, mode=mode)
    if step is not None or mode != "mean":
        msg = f"{'step' if step is not None else 'window_mode'} is for windows; give window= (seconds) as well."
        raise ValueError(msg)
    return trials


def warn_of_units(trials: Trials, mode: Any, covariance: str, *, stacklevel: int = 3) -> None:
    """Warn where types of channels with different units are mixed as they are."""
    kinds = list(dict.fromkeys(trials.channel_types))
    if len(kinds) > 1 and mode is None and covariance == "shared":
        warnings.warn(
            f"the channels are of the types {', '.join(kinds)} and are not whitened, so that each type weighs by its "
            "unit; pass noise='epoch', or pick one type.",
            RuntimeWarning,
            stacklevel=stacklevel,
        )


def groupings_of(trials: Trials, size: int | None, repeats: int, rng: RNGLike) -> list[Trials]:
    """Return the trials, or their random groupings."""
    check_count("pseudo_repeats", repeats, 1)
    if size is None:
        return [trials]
    check_count("pseudo_trials", size, 1)
    found = [make_pseudo_trials(trials, size=size, repeat=0, rng=rng)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # said once
        found += [make_pseudo_trials(trials, size=size, repeat=i, rng=rng) for i in range(1, repeats)]
    return found


def noise_for(
    mode: NoiseMode | Any,
    kind: str,
    trials: Trials,
    shrinkage: Shrinkage,
    by_fold: bool,
    dtype: Precision,
    before: float,
) -> Noise | None:
    """Return what whitens trials, None for nothing; ``before`` is the time at which the baseline ends."""
    if mode is None:
        return None
    if not isinstance(mode, str):
        return GivenNoise.of(mode, kind, trials, dtype=dtype)
    return EstimatedNoise(trials, mode, shrinkage=shrinkage, by_fold=by_fold, dtype=dtype, before=before)  # type: ignore[arg-type]
