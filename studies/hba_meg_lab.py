"""What a model that unfolds as people's M/EEG does is worth, where the truth is known: in labs of simulated people.

Twelve people with dynamics of their own, planted in the latent dimensions of drawn objects. A group's model and models
of single people are trained on half of the sessions and most of the objects; scores are on the other half of the
sessions and held-out objects. As a control, everybody's model is trained on another person's M/EEG. Settings were
chosen in the lab of seed 0, which is not among those that are reported.

    python -m studies.hba_meg_lab --work FOLDER
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._demo._config import DemoConfig
from alignkit._demo._dynamics import WINDOW, Unfolded, unfold_in_lab
from alignkit._demo._training import draw_study
from alignkit.train import PersonalDynamics, personal_dynamics
from alignkit.train.hba_meg.config import HBAMEGConfig
from benchmarks._harness import machine

STEPS = 7200


def main() -> None:
    """Run the study and keep what it found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for labs, runs and scores")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="labs")
    parser.add_argument("--steps", type=int, default=STEPS, help="three times those of the start's training")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    rows = {f"lab {seed}": run_lab(options.work / f"lab-{seed}", seed, options.steps) for seed in options.seeds}
    content = {
        "study": "hba_meg_lab",
        "machine": machine(),
        "seeds": options.seeds,
        "epochs": {"start": options.steps // 3},
        "window_s": list(WINDOW),
        "rows": rows,
    }
    print(json.dumps(rows, indent=1))
    Path(__file__).with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")


def run_lab(work: Path, seed: int, steps: int) -> dict[str, Any]:
    """Return what a lab says of the group's model, of people's own, and of the control."""
    started = time.monotonic()
    config = DemoConfig(out=work, n_participants=12, seed=seed, training_steps=steps)
    unfolded = unfold_in_lab(config, _pictures(config))
    group = describe_group(unfolded)
    seconds = time.monotonic() - started
    own, control = (_people(unfolded, work, shuffle=shuffle) for shuffle in (False, True))
    return {
        "group": group,
        "people": describe_people(own),
        "control: people shuffled": describe_people(control),
        "seconds": {"start and group": seconds, "people and control": time.monotonic() - started - seconds},
    }


def describe_group(unfolded: Unfolded, /) -> dict[str, Any]:
    """Return time courses on held-out objects and sessions beside their ceiling, and when they are highest."""
    cell = unfolded.scores.cell("held_out", "train")
    course = cell.course
    found: dict[str, Any] = {
        "cell": cell.name,
        "n_people": course.similarity.shape[1],
        "n_items": cell.n_items,
        "planted_peak_s": float(unfolded.study.meg.peak_s.mean()),
        "lower_in_window": cell.lower,
        "upper_in_window": cell.upper,
    }
    for number, (name, row) in enumerate(zip(course.models, cell.models, strict=True)):
        best = int(np.nanargmax(course.mean[number]))
        found["unfolding model" if number == 0 else name] = {
            "mean_in_window": row.mean,
            "mean_95": [row.low, row.high],
            "peak_s": float(course.times[best]),
            "peak_95_s": None if row.peak is None else row.peak.interval.tolist(),
            "at_peak": float(course.mean[number, best]),
            "lower_at_peak": float(course.lower[best]),
            "upper_at_peak": float(course.upper[best]),
            "p": row.p,
        }
    found["differences"] = {
        f"{one.model} - {one.other}": {"value": one.difference, "95": [one.low, one.high], "p": one.p}
        for one in cell.differences
        if one.model == course.models[0]
    }
    return found


def describe_people(found: PersonalDynamics, /) -> dict[str, Any]:
    """Return whether models tell their owners apart, and whether they do better than the group's."""
    assert found.identification is not None
    tests = {test.name: {"value": test.value, "p": test.p} for test in found.identification.tests}
    compared = {test.name: {"value": test.mean, "95": [test.low, test.high], "p": test.p} for test in found.tests}
    return {
        "identification": tests,
        "differences": compared,
        "own": float(found.mean(found.own).mean()),
        "group": float(found.mean(found.group).mean()),
        "own_other_sessions": None if found.sessions is None else float(np.nanmean(found.mean(found.sessions))),
        "kept_steps": found.kept_steps.tolist(),
        "matrix": found.identification.matrix.round(4).tolist(),
    }


def _people(unfolded: Unfolded, work: Path, *, shuffle: bool) -> PersonalDynamics:
    """Return models of all people, or the control in which everybody's is trained on another person's M/EEG."""
    group = unfolded.result.config
    same = {
        name: getattr(group, name)
        for name in ("optim", "loop", "weights_lr", "weights_epochs", "weights_patience", "window_s", "split_seed")
    }
    out = work / ("people-shuffled" if shuffle else "people")
    return personal_dynamics(
        HBAMEGConfig(out=out, start=unfolded.result.path, subject="all", shuffle_people=shuffle, **same)
    )


def _pictures(config: DemoConfig) -> Path:
    """Draw the larger lab that the start learns from, and write down its dimensions."""
    folder = config.out / "training"
    folder.mkdir(parents=True, exist_ok=True)
    draw_study(config, folder)
    return folder


if __name__ == "__main__":
    main()
