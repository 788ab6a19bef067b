"""Why values over time are NaN, with the names of the participants, times and models at fault."""

from __future__ import annotations

import numpy as np

from alignkit._check import NanPolicy
from alignkit._typing import AnyArray, BoolArray
from alignkit.meg._inputs import Inputs
from alignkit.meg._judge import Judged
from alignkit.meg._sample_unit import at_time
from alignkit.rsa._pooling import plain_of
from alignkit.rsa._similarity_methods import undefined_rows

_OMIT = "(nan_policy='omit' leaves those pairs out)"


def why_undefined(
    judged: Judged, given: Inputs, method: str, nan_policy: NanPolicy, *, ceiling: bool
) -> dict[str, list[str]]:
    """Return the reasons for NaN among what was judged, each with those at fault."""
    undefined = np.isnan(judged.similarity)
    bounds = np.zeros_like(judged.missing)
    if ceiling and len(bounds) > 1:
        bounds = np.isnan(judged.lower) | np.isnan(judged.upper)
    if not undefined.any() and not bounds.any():
        return {}
    reasons: dict[str, list[str]] = {}
    open_models = ~_explain_models(reasons, given, undefined, method, nan_policy)
    unexplained = undefined[open_models].any(axis=0)
    missing = judged.missing if nan_policy != "omit" else np.zeros_like(judged.missing)
    reasons[f"the data hold NaN {_OMIT} for"] = names_of(missing, given)
    flat = judged.flat & (undefined.all(axis=0) | bounds)
    kind = "zero" if _plain(method) == "cosine" else "equal"
    reasons[f"{method} is undefined for RDMs whose values are all {kind}"] = names_of(flat, given)
    unexplained &= ~missing & ~flat
    few = unexplained & (judged.n_pairs.max(axis=0) < 2)
    reasons["fewer than two item pairs are without NaN for"] = names_of(few, given)
    left = "the controls leave nothing of, or " if given.controls is not None else ""
    reasons[f"{left}{method} is undefined on the item pairs that are left of"] = names_of(unexplained & ~few, given)
    explained = (missing | judged.flat).any(axis=0)
    reasons[
        "participants cancel out or share fewer than two item pairs, so that a bound of the ceiling is undefined, at"
    ] = [at_time(time, timed=given.slices.timed) for time in given.slices.times[bounds.any(axis=0) & ~explained]]
    return reasons


def _explain_models(
    reasons: dict[str, list[str]], given: Inputs, undefined: BoolArray, method: str, nan_policy: NanPolicy
) -> BoolArray:
    """Name models and controls that leave nothing to compare; return which models need no other reason."""
    explained = np.zeros(len(given.rows), dtype=bool)
    if nan_policy != "omit":
        incomplete = _incomplete(given.rows)
        reasons[f"models hold NaN {_OMIT}"] = model_names(incomplete, given)
        explained |= incomplete
        if given.controls is not None:
            broken = _incomplete(given.controls)
            names = [name for name, bad in zip(given.control_names, broken, strict=True) if bad]
            reasons[f"controls hold NaN {_OMIT}"] = names
            explained |= broken.any()
    never = undefined.all(axis=(1, 2)) & ~explained
    flat = never & undefined_rows(given.rows, _plain(method))
    kind = "zero" if _plain(method) == "cosine" else "equal"
    reasons[f"{method} is undefined for models whose values are all {kind}"] = model_names(flat, given)
    explained |= flat
    if given.controls is not None and not never.all():
        taken = never & ~flat
        reasons["the controls leave nothing of the models"] = model_names(taken, given)
        explained |= taken
    return explained


def names_of(cells: BoolArray, given: Inputs) -> list[str]:
    """Return what to call marked RDMs of the data, shape (subject, time)."""
    slices = given.slices
    when = [at_time(time, timed=slices.timed) for time in slices.times]
    return [f"{slices.subjects[i]} at {when[j]}" for i, j in np.argwhere(cells)]


def model_names(rows: BoolArray, given: Inputs) -> list[str]:
    """Return what to call marked rows of models."""
    models = given.models
    if models.times is None:
        return [name for name, marked in zip(models.names, rows, strict=True) if marked]
    where = np.argwhere(rows.reshape(len(models.names), models.n_times))
    return [f"{models.names[i]} at {at_time(models.times[j], timed=models.timed)}" for i, j in where]


def _incomplete(rows: AnyArray) -> BoolArray:
    return np.asarray(np.isnan(rows.max(axis=-1)))


def _plain(method: str) -> str:
    return {"bures": "cosine", "bures-metric": "rho-a"}.get(method, plain_of(method))
