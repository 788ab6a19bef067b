"""``alignkit patterns``: brain patterns from fMRI images."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from alignkit._cli._files import check_out, read_lines

if TYPE_CHECKING:
    from alignkit._cli._rsa import RdmConfig
    from alignkit.data import Patterns
    from alignkit.rsa import RDM


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PatternsConfig:
    r"""Read brain patterns from fMRI time series (--bold) or betas (--betas), for `alignkit rdm`.

    Every run is modelled on its own: runs are the folds of crossnobis, and residuals give the noise of the voxels.

    Examples
    --------
    alignkit patterns --bold bold.nii.gz --events attributes.txt \
        --mask mask.nii.gz --tr 2.5 --out brain.npz
    alignkit patterns --bold run-1.nii.gz run-2.nii.gz \
        --events run-1.tsv run-2.tsv --atlas dseg.nii.gz --names dseg.tsv \
        --out brain.npz
    alignkit patterns --betas beta_1.nii beta_2.nii --labels conditions.txt \
        --runs runs.txt --mask mask.nii --out brain.npz
    """

    bold: tuple[Path, ...] = ()
    """Time series: one 4-D image of all runs, or one per run."""
    betas: tuple[Path, ...] = ()
    """Betas estimated elsewhere, in place of time series: one volume per condition and run."""
    events: tuple[Path, ...] = ()
    """BIDS events (.tsv), one per run, or one attributes file: label and run of each volume."""
    labels: Path | None = None
    """Text file with the label of each volume, one per line (with --betas, or in place of --events)."""
    runs: Path | None = None
    """Text file with the run of each volume, one per line; else each image is a run."""
    mask: Path | None = None
    """Binary image of the voxels to read."""
    atlas: tuple[Path, ...] = ()
    """Regions: one image with a number per region, or several masks."""
    names: Path | None = None
    """Table (.tsv, .csv) with the columns index and name: the regions of the atlas."""
    roi: tuple[str, ...] = ()
    """Read these regions of the atlas only."""
    tr: float | None = None
    """Seconds between volumes; else what the header says."""
    model: Literal["glm", "blocks", "volumes"] = "glm"
    """A beta per condition and run, the mean volume of each event, or all its volumes."""
    rest: tuple[str, ...] = ("rest",)
    """Labels that are no condition."""
    hrf: Literal["glover", "spm", "glover + derivative", "spm + derivative"] = "glover"
    """Haemodynamic response (glm)."""
    drift: Literal["cosine", "polynomial", "none"] = "cosine"
    """Slow drifts (glm)."""
    high_pass: float = 1 / 128
    """Fastest cosine drift in Hz (glm)."""
    drift_order: int = 1
    """Order of polynomial drifts."""
    noise_model: Literal["ols", "ar1"] = "ols"
    """Noise over time: independent, or autoregressive of order 1 (glm)."""
    slice_time_ref: float = 0.0
    """When in the TR slices were taken, 0 to 1 (glm)."""
    lag: float = 5.0
    """Seconds by which the response trails the event (blocks, volumes)."""
    residuals: tuple[Path, ...] = ()
    """4-D images of each run's residuals (betas)."""
    dof: int | None = None
    """Degrees of freedom of each run's residuals (betas)."""
    keep_residuals: bool = True
    """Keep what the models leave, from which `alignkit rdm` estimates the noise (bold)."""
    resample: bool = False
    """Bring a mask or atlas of another grid to that of the images."""
    progress: bool = True
    """Show a progress bar."""
    out: Path | None = None
    """Where to write the patterns (.npz)."""

    def __post_init__(self) -> None:
        if bool(self.bold) == bool(self.betas):
            msg = "give either --bold (time series) or --betas."
            raise ValueError(msg)
        if self.betas and (self.events or self.tr is not None):
            msg = f"--{'events' if self.events else 'tr'} is for --bold; betas have --labels and --runs."
            raise ValueError(msg)
        if self.betas and (self.labels is None or self.runs is None):
            msg = "--betas needs --labels and --runs, the condition and the run of each volume."
            raise ValueError(msg)
        if self.bold and (self.residuals or self.dof is not None):
            msg = f"--{'residuals' if self.residuals else 'dof'} is for --betas; the model of --bold leaves its own."
            raise ValueError(msg)


def run_patterns(config: PatternsConfig) -> None:
    """Read patterns, print a summary and save them."""
    inputs = (*config.bold, *config.betas, *config.events, *config.atlas, *config.residuals)
    check_out(config.out, (".npz",), (*inputs, config.labels, config.runs, config.mask, config.names))
    patterns = _read(config)
    if config.out is not None:
        patterns.save(config.out)  # before anything is printed that looks like success
    print(_summary(patterns))
    if config.out is not None:
        print(f"saved to {config.out}")


def _read(config: PatternsConfig) -> Patterns:
    from alignkit.data import read_betas, read_timeseries

    where: dict[str, Any] = {
        "mask": config.mask,
        "atlas": (config.atlas[0] if len(config.atlas) == 1 else config.atlas) or None,
        "names": config.names,
        "roi": config.roi or None,
        "resample": config.resample,
    }
    labels = None if config.labels is None else read_lines(config.labels)
    runs = None if config.runs is None else read_lines(config.runs)
    if config.betas:
        assert labels is not None and runs is not None  # noqa: PT018 (the config says so)
        betas = _one_or_all(config.betas)
        try:
            return read_betas(
                betas, labels=labels, folds=runs, residuals=config.residuals or None, dof=config.dof, **where
            )
        except ValueError as error:
            raise ValueError(re.sub(r"\bfolds\b", "runs", str(error))) from error
    return read_timeseries(
        _one_or_all(config.bold),
        events=_one_or_all(config.events) if config.events else None,
        labels=labels,
        runs=runs,
        tr=config.tr,
        model=config.model,
        rest=config.rest,
        hrf=config.hrf,
        drift=None if config.drift == "none" else config.drift,
        high_pass=config.high_pass,
        drift_order=config.drift_order,
        noise_model=config.noise_model,
        slice_time_ref=config.slice_time_ref,
        lag=config.lag,
        keep_residuals=config.keep_residuals,
        progress=config.progress,
        **where,
    )


def _one_or_all(paths: tuple[Path, ...]) -> Path | tuple[Path, ...]:
    return paths[0] if len(paths) == 1 else paths


def _summary(patterns: Patterns) -> str:
    """Return the patterns in a line, the rows of each condition, and the voxels of each region."""
    rows = {name: patterns.labels.count(name) for name in patterns.conditions}
    lines = [repr(patterns), "rows: " + ", ".join(f"{name} {n}" for name, n in rows.items())]
    if patterns.regions:
        lines.append("voxels: " + ", ".join(f"{name} {columns.size}" for name, columns in patterns.regions.items()))
    return "\n".join(lines)


def patterns_rdm(config: RdmConfig) -> tuple[RDM, int]:
    """Return the RDM of a file that `alignkit patterns` wrote, and how many rows it holds.

    The file brings labels, folds and noise; every other option is passed on.

    Raises
    ------
    ValueError
        Options that name what the file brings.
    """
    from alignkit._cli._rsa import metric_options, read_noise
    from alignkit.data import Patterns

    given = {"labels": config.labels, "folds": config.folds, "layer": config.layer}
    for name, value in given.items():
        if value is not None:
            msg = f"--{name} is not for {config.source}: brain patterns bring their own conditions, runs and voxels."
            raise ValueError(msg)
    patterns = Patterns.load(config.source)
    estimated = all(one is None for one in (config.noise, config.noise_folds, config.dof))
    estimated = estimated and config.noise_kind == "precision"
    if not estimated and len(patterns.regions) > 1:
        msg = (
            f"--noise is of the voxels of one region and {config.source} holds {len(patterns.regions)}; write one of "
            "them alone with `alignkit patterns --roi NAME`."
        )
        raise ValueError(msg)
    noise: dict[str, Any] = {"noise": config.shrinkage or "auto"} if estimated else read_noise(config)
    return patterns.rdm(**noise, **metric_options(config)), len(patterns.values)
