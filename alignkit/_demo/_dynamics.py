"""CLIP-HBA-MEG in the simulated lab: a transformer that learns what people judge by, and then to unfold as they do."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from alignkit._demo._config import DemoPlan, say
from alignkit._demo._meg_lab import MEGLab, make_meg_lab
from alignkit._demo._training import training_config

if TYPE_CHECKING:
    from alignkit.train import HBAMEGScores, RunResult
    from alignkit.train.hba.config import HBAConfig
    from alignkit.train.hba_meg.config import HBAMEGConfig

#: Class tokens of its blocks are what unfolds.
_BACKBONE = "random:small_vit"
#: Pictures of each object that is shown to people in the helmet.
_VIEWS = 6
#: Where signals are, in seconds: from the planted onset on, to where little is left.
WINDOW = (0.1, 0.3)
#: What happens later is noise, by which no epoch should be chosen.
_TMAX = 0.35


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Unfolded:
    """A model that unfolds in time, and what it was worth.

    Attributes
    ----------
    study : MEGLab
        People's M/EEG.
    result : RunResult
        Of the group's model.
    scores : HBAMEGScores
        Time courses beside ceilings and baselines.
    """

    study: MEGLab
    result: RunResult
    scores: HBAMEGScores


def unfold_in_lab(plan: DemoPlan, folder: Path, /) -> Unfolded:
    """Train a start on the pictures and dimensions of a folder, record people, train the group's model, and score it.

    What is there is reused.

    Parameters
    ----------
    plan : DemoPlan
    folder : Path
        Of :func:`train_in_lab`.
    """
    from alignkit.train import run

    start = start_config(folder, plan)
    say(f"     training {_BACKBONE} for {start.loop.max_steps:,} steps into {start.out}")
    run(start)
    study = record(plan, folder)
    out = folder / f"unfolding-{start.out.name}-{len(study.rdms)}-people-{plan.unfolding_epochs}-epochs"
    settings = group_config(study, start.out, out, seed=plan.seed, epochs=plan.unfolding_epochs)
    say(f"     training it to unfold as {len(study.rdms)} people's M/EEG does, into {settings.out}")
    result = run(settings)
    say("     scoring it on held-out objects and sessions")
    return Unfolded(study, result, score(result, plan.n_bootstrap))


def start_config(folder: Path, plan: DemoPlan, /) -> HBAConfig:
    """Return the settings of the run of CLIP-HBA that the model starts at: the same study, another network."""
    from alignkit.models import AdapterConfig

    steps = max(10, plan.training_steps // 3)
    settings = training_config(folder, dataclasses.replace(plan, training_steps=steps))
    return dataclasses.replace(
        settings,
        out=folder / f"transformer-{steps}-steps",
        backbone=_BACKBONE,
        adapter=AdapterConfig(kind="full", image_blocks=99, text_blocks=0),  # the network as a whole
        optim=dataclasses.replace(settings.optim, lr=2e-3, weight_decay=0.1),
    )


def record(plan: DemoPlan, folder: Path, /) -> MEGLab:
    """Record M/EEG of the lab's first people, who see its first objects."""
    from alignkit.data import simulate

    n_people = min(plan.n_recorded, plan.n_participants)
    n_objects = min(plan.n_shown, plan.n_training_objects)
    say(f"     recording M/EEG of {n_people} simulated people, who see {n_objects} objects")
    lab = simulate(n_objects, n_participants=plan.n_participants, n_scanned=1, rng=plan.seed)
    place = folder / f"meg-{n_people}-people-{n_objects}-objects"
    return make_meg_lab(place, lab, views=_VIEWS, n_subjects=n_people, n_times=plan.n_times)


def group_config(study: MEGLab, start: Path, out: Path, /, *, seed: int, epochs: int) -> HBAMEGConfig:
    """Return the settings of the group's model.

    Squared distances, as the lab's RDMs are cross-validated ones. Small batches and strong decay hold back what single
    times would learn from their noise alone.
    """
    from alignkit.models import AdapterConfig
    from alignkit.train import LoopConfig, OptimConfig
    from alignkit.train.hba_meg.config import HBAMEGConfig, TermsConfig

    return HBAMEGConfig(
        images=study.images,
        rdms=study.rdms,
        test_rdms=study.test_rdms,
        held_out=study.held_out,
        tmax=_TMAX,
        start=start,
        out=out,
        metric="sqeuclidean",
        dimension_weights=True,
        reach=2,
        terms=TermsConfig(over_all=0.0, each_time=1.0, size=0.0, generalization=0.0),
        weights_lr=1e-2,
        weights_epochs=80,
        weights_patience=15,
        window_s=WINDOW,
        adapter=AdapterConfig(
            kind="lora", rank=8, dropout=0.0, projections=("q", "k", "v", "out"), image_blocks=6, text_blocks=0
        ),
        optim=OptimConfig(lr=3e-4, weight_decay=1.0),
        loop=LoopConfig(
            epochs=epochs,
            batch_size=min(24, len(study.lab.labels) // 4),
            drop_last=True,
            patience=15,
            monitor="val_spearman",
            mode="max",
            seed=seed,
        ),
    )


def score(result: RunResult, /, n_bootstrap: int) -> HBAMEGScores:
    """Return what a run bought, from its folder where it was scored before."""
    from alignkit.train import HBAMEGScores, evaluate_run

    path = result.path / "scores.json"
    if path.is_file():
        return HBAMEGScores.load(path)
    scores = evaluate_run(result.path, n_bootstrap=n_bootstrap)
    assert isinstance(scores, HBAMEGScores)
    scores.save(path)
    return scores
