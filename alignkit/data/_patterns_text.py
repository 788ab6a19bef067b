"""How brain patterns were made, in the words of a Methods section."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from alignkit._check import counted

if TYPE_CHECKING:
    from alignkit.data._patterns import Patterns

_NOISE = {"ols": "ordinary least squares", "ar1": "an AR(1) model of the noise"}


def methods_text(patterns: Patterns) -> str:
    """Return the sentences on rows, voxels and model."""
    region = "" if patterns.roi is None else f" of {patterns.roi}"
    region = f" in {counted(len(patterns.regions), 'region')}" if patterns.regions else region
    n_dropped = sum(sum(counts.values()) for counts in patterns.dropped.values())
    dropped = f" ({n_dropped:,} more had no signal and were left out)" if n_dropped else ""
    sentences = [
        f"Brain patterns of {counted(len(patterns.conditions), 'condition')} in {counted(len(patterns.runs), 'run')} "
        f"were read from {counted(patterns.n_voxels, 'voxel')}{region}{dropped}."
    ]
    with suppress(KeyError, TypeError, ValueError, OverflowError):  # anyone may write a provenance of their own
        sentences.append(_model(patterns.provenance))
    if patterns.residuals is not None:
        dof = counted(sum(patterns.dof.values()), "degree")
        which = "the run" if len(patterns.dof) == 1 else "all runs"
        sentences.append(f"The residuals of {which} have {dof} of freedom.")
    return " ".join(sentences)


def _model(made: Mapping[str, Any]) -> str:
    return {"glm": _glm, "blocks": _averages, "volumes": _averages}[made["model"]](made)


def _glm(made: Mapping[str, Any]) -> str:
    drift = {
        "cosine": f"cosine drifts up to {made.get('high_pass', 0):.4g} Hz",
        "polynomial": f"a polynomial drift of order {made.get('drift_order')}",
    }.get(made["drift"], "no drift")
    confounds = ", and confounds" if made["confounds"] else ""
    return (
        f"Each run was modelled on its own with nilearn: one regressor per condition, convolved with the {made['hrf']} "
        f"haemodynamic response (TR {made['tr']:g} s), {drift}, a constant{confounds}; betas were estimated by "
        f"{_NOISE[made['noise_model']]}, without scaling."
    )


def _averages(made: Mapping[str, Any]) -> str:
    rows = "averaged within events" if made["model"] == "blocks" else "taken as they are"
    return (
        f"Each run was detrended on its own by a polynomial of order {made['drift_order']}; volumes {made['lag']:g} s "
        f"after those of each event (TR {made['tr']:g} s) were {rows}."
    )
