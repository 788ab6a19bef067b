"""Where RDMs over time come from: what must be the same for a computation to go on, and the sentence for a paper."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from alignkit._check import counted
from alignkit._typing import AnyArray
from alignkit.meg._trials import Trials

_METRICS = {
    "correlation": "correlation distances (1 - r)",
    "cosine": "cosine distances",
    "euclidean": "Euclidean distances",
    "sqeuclidean": "squared Euclidean distances",
    "mahalanobis": "Mahalanobis distances",
    "sqmahalanobis": "squared Mahalanobis distances",
    "crossnobis": "cross-validated squared Mahalanobis (crossnobis) distances per channel (Walther et al., 2016)",
    "sqeuclidean_cv": "cross-validated squared Euclidean distances",
    "correlation_cv": "cross-validated correlation distances",
    "cosine_cv": "cross-validated cosine distances",
    "decoding": "accuracies of linear discriminants between all pairs of conditions",
    "decoding_weighted": "decision values of linear discriminants between all pairs of conditions, in standard "
    "deviations of the noise",
    "svm": "accuracies of linear support vector machines between all pairs of conditions",
}
_PAIRING = {
    "leave-one-fold-out": "each fold against the mean of the others",
    "fold-pairs": "every two folds against each other",
    "observation-pairs": "every two trials of different folds against each other",
}
_NOISE = {
    "time": "at each time",
    "epoch": "at each time and averaged over the epoch (Guggenmos et al., 2018)",
    "baseline": "at each time before 0 s and averaged",
}


def data_of(trials: Trials) -> dict[str, Any]:
    """Return what the data are, in JSON's types."""
    per_condition = trials.design.counts.sum(axis=0)
    found: dict[str, Any] = {
        "source": trials.source,
        "n_trials": trials.design.n_trials,
        "n_trials_per_condition": [int(per_condition.min()), int(per_condition.max())],
        "n_channels": trials.n_channels,
        "channel_types": dict(Counter(trials.channel_types)),
        "rank": trials.rank,
        **trials.selection,
    } | ({"averages": True} if trials.averages else {})
    return found | ({"n_folds": trials.design.n_folds} if trials.design.fold is not None else {})


def digest_of(trials: Trials, noise: AnyArray | None = None) -> str:
    """Return a short code of the design, the data at the first time and the noise that was given.

    Another one is another computation's.
    """
    design, found = trials.design, hashlib.sha256()
    for codes in (design.condition, design.fold if design.fold is not None else design.condition):
        found.update(np.ascontiguousarray(codes, dtype=np.int64).tobytes())
    found.update("\0".join((*design.labels, *design.folds, *trials.channels)).encode())
    found.update(np.ascontiguousarray(trials.read(0, 1)).tobytes())
    if noise is not None:
        found.update(np.ascontiguousarray(noise).tobytes())
    return found.hexdigest()[:16]


def methods_of(metric: str, n_conditions: int, times: Any, found: Mapping[str, Any]) -> str:
    """Return what a paper's Methods section needs to say of RDMs over time."""
    types = " and ".join(f"{n:,} {name}" for name, n in found["channel_types"].items())
    low, high = found["n_trials_per_condition"]
    per_condition = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    parts = [
        f"Representational dissimilarities of {n_conditions:,} conditions were computed at "
        f"{counted(len(times), 'time')} from {times[0]:g} to {times[-1]:g} s{_windows(found)}, from "
        f"{found['n_trials']:,} trials ({per_condition} per condition) and {types} channels (rank {found['rank']:,}): "
        f"{_METRICS[metric]}{_folds(metric, found)}.",
        _selection(found),
        _pseudo_trials(found),
        _noise(found),
    ]
    text = " ".join(part for part in parts if part)
    # who gives averages has no trials to speak of
    return text.replace("trial", "average").replace("Trial", "Average") if found.get("averages") else text


def _selection(found: Mapping[str, Any]) -> str:
    parts = []
    if found.get("baseline") is not None:
        low, high = found["baseline"]
        span = f"{low:g} to {high:g} s" if low < high else f"the sample at {low:g} s"
        parts.append(f"The mean of {span} was subtracted from every trial and channel.")
    if found.get("crop") is not None:
        parts.append("Of the data, {:g} to {:g} s were kept.".format(*found["crop"]))
    if found.get("decim", 1) > 1:
        parts.append(f"One in {found['decim']} samples was kept.")
    return " ".join(parts)


def _windows(found: Mapping[str, Any]) -> str:
    if "window" not in found:
        return ""
    how = "averaged" if found["window_mode"] == "mean" else "put side by side as features"
    return f", the centres of windows of {found['window']:g} s whose samples were {how}"


def _folds(metric: str, found: Mapping[str, Any]) -> str:
    if "n_folds" not in found:
        return ""
    if found.get("cv"):
        return f", of {found['n_folds']} folds, {_PAIRING[found['cv']]}"
    of_pair = ", whose noise covariance was that of the pair's training trials" * (
        found.get("covariance") == "pairwise" and metric == "decoding"
    )
    return f"{of_pair}, trained on all folds but one and tested on that one, in turn ({found['n_folds']} folds)"


def _pseudo_trials(found: Mapping[str, Any]) -> str:
    if "pseudo_trials" not in found:
        return ""
    seed = "" if found.get("seed") is None else f" (seed {found['seed']})"
    return (
        f"Trials of the same condition{' and fold' * ('n_folds' in found)} were averaged in random groups of "
        f"{found['pseudo_trials']}, and the dissimilarities over {counted(found['pseudo_repeats'], 'such grouping')}"
        f"{seed}."
    )


def _noise(found: Mapping[str, Any]) -> str:
    mode = found["noise"]
    if mode is None:
        return "" if found.get("covariance") == "pairwise" else "Channels were not whitened."
    if mode not in _NOISE:
        return f"Channels were whitened by a noise matrix ({mode})."
    outside = "the trials outside each fold" if found["noise_from"] == "training" else "all trials"
    return (
        f"Channels were whitened by the noise covariance of {outside} around their condition means, estimated "
        f"{_NOISE[mode]}, {_shrinkage(found)}."
    )


def _shrinkage(found: Mapping[str, Any]) -> str:
    shrinkage = found["shrinkage"]
    if shrinkage == "none":
        return "without shrinkage"
    if shrinkage != "ledoit-wolf":
        return f"with a weight of {shrinkage:g} of equal variances"
    low, high = found.get("shrinkage_range", (None, None))
    weights = "" if low is None else f" (weights {low:.3f} to {high:.3f})"
    return f"shrunk towards equal variances by the rule of Ledoit and Wolf (2004){weights}"
