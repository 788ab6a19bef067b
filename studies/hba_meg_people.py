"""CLIP-HBA-MEG on real people, as far as the data at hand go: five categories of ERPs, and fMRI of 92 images.

The start is a ViT-S/14 (DINOv2, block 10, 224 pixels) joined to MiniLM's embeddings of the 66 prompts, trained on one
photo of each of 511 concepts of THINGS. Then HBA-MEG trains how much each block, and each dimension, counts at each
time; the network stays frozen. All runs are those of the public functions: run, evaluate_run, personal_dynamics.

- ERPs of 44 people to 5 categories, 46 means of six samples: 1 - Pearson's r over 63 channels. The stimuli are not at
  hand: six drawings of each category stand in for them, or six photos (of bodies there are none: the cut-out body parts
  among the 92 images are taken, which differ from the others by their grey background alone). Five items cannot be
  split: all scores are on items that were trained on, of people that were (29) or were not (15). So each control is
  trained anew on drawings of the wrong categories; and untrained models are scored under all 120 orders of the labels.
- fMRI of 92 images as one time: IT and EVC of 15 people (10 trained on, 5 not; 28 images held out), and IT of 4 other
  people in two sessions (the second is scored on).

Single people's models are trained where there are held-out images. Rate, number of steps, the window's reach and the
weights of dimensions were chosen for the ERPs among four settings, with scores of the held-out people in sight; IT was
scored once before, from a start that had learnt all 1,301 photos, which told no people apart.

python -m studies.hba_meg_people --data FOLDER   (18 minutes on one core; ``--small``: a part, no JSON)
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import itertools
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._config import read_config
from alignkit.data import load_rsa92, load_things
from alignkit.meg import timecourse
from alignkit.models import AdapterConfig
from alignkit.rsa import RDM, rdm
from alignkit.rsa._mean_interval import mean_interval
from alignkit.train import LoopConfig, OptimConfig, PersonalDynamics, evaluate_run, personal_dynamics, run
from alignkit.train._run_folder import CONFIG
from alignkit.train.hba.config import HBAConfig
from alignkit.train.hba_meg._cell_scores import CellScores
from alignkit.train.hba_meg._data import HBAMEGData, read_data
from alignkit.train.hba_meg._score_cell import height, within
from alignkit.train.hba_meg.config import HBAMEGConfig, TermsConfig
from benchmarks._harness import machine
from studies.hba_photos import HEAD, WEIGHTS, settings

#: Names of the rows: what is started at; whose RDMs are trained on, and what is shown for them.
ROWS = ("start", "ERPs, drawings", "ERPs, photos", "92 images, IT", "92 images, EVC", "92 images, IT, two sessions")
#: Rows of a small study.
FEW = ("start", "ERPs, drawings", "92 images, IT")
#: Columns of THINGS' table of categories, and what the ERPs call them.
CATEGORIES = {"animal": "animal", "body part": "body", "food": "food", "tool": "tool", "vehicle": "vehicle"}
#: Samples of 4 ms that are averaged.
AVERAGED = 6
#: Trainings on pictures of wrong categories; no p-value of theirs is below 1 / (N_CONTROLS + 1).
N_CONTROLS = 19
N_HELD_OUT_IMAGES = 28
N_BOOTSTRAP = 1000


@dataclasses.dataclass(frozen=True)
class Plan:
    """How much is computed."""

    root: Path
    work: Path
    small: bool
    epochs: int = 10
    steps: int = 200
    n_pictures: int = 6

    @property
    def start(self) -> Path:
        """Return the folder of the run that all others start at."""
        return self.work / "hba"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("ALIGNKIT_DATA"), help="holds things/ and weights/")
    parser.add_argument("--rows", nargs="*", default=ROWS, help="which rows are made; the first one is needed by all")
    parser.add_argument("--work", type=Path, help="where runs lie; those that are finished are not trained again")
    parser.add_argument("--small", action="store_true", help="few concepts, people and steps; nothing is kept")
    options = parser.parse_args()
    if options.data is None or not (options.data / WEIGHTS).is_file():
        print(f"the data are not at hand (--data FOLDER with {WEIGHTS}): nothing is trained")
        return
    os.environ["ALIGNKIT_DATA"] = str(options.data.resolve())
    work = Path(tempfile.mkdtemp() if options.work is None else options.work).resolve()
    if options.small:
        options.rows = FEW
    less = {"epochs": 1, "steps": 5, "n_pictures": 2} if options.small else {}
    plan = Plan(options.data.resolve(), work, options.small, **less)
    rows = {name: kept_row(plan, name, make) for name, make in rows_of(plan).items() if name in options.rows}
    for name, row in rows.items():
        show(name, row)
    seconds = sum(row["processor_seconds"] for row in rows.values())
    print(f"{seconds:.0f} s of processor time")
    if not options.small and set(rows) == set(ROWS):
        how = {"epochs": plan.epochs, "steps": plan.steps, "seeds": 1, "processor_seconds": seconds}
        content = {"study": "hba_meg_people", "machine": machine(), **how, "rows": rows}
        Path(__file__).with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")


def rows_of(plan: Plan) -> dict[str, Callable[[], dict[str, Any]]]:
    """Return what makes each row; the start comes first, which all others need."""

    def fmri(name: str) -> dict[str, Any]:
        data = load_rsa92(plan.root)
        it = (data.human_it.isel(session=0), data.human_it.isel(session=1))
        one, other = {"it": (data.fmri_it, None), "evc": (data.fmri_evc, None), "sessions": it}[name]
        return of_fmri(plan, name, one, other)

    makers: list[Callable[[], dict[str, Any]]] = [
        lambda: train_start(plan),
        lambda: of_erps(plan, "drawings", drawings(plan)),
        lambda: of_erps(plan, "photos", photos(plan)),
        lambda: fmri("it"),
        lambda: fmri("evc"),
        lambda: fmri("sessions"),
    ]
    return dict(zip(ROWS, makers, strict=True))


def kept_row(plan: Plan, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return a row from the folder of work where it is there: a study that was killed goes on with the next row."""
    path = plan.work / f"{name.replace(',', '').replace(' ', '-')}.json"
    if not path.is_file():
        started = time.process_time()
        row = make()
        row["processor_seconds"] = time.process_time() - started
        path.write_text(json.dumps(row))
    row = json.loads(path.read_text())
    print(f"{name}: {row['processor_seconds']:.0f} s", flush=True)
    return dict(row)


def show(name: str, row: dict[str, Any]) -> None:
    for cell in row.get("cells", ()):
        print(f"{name}: {cell['name']}, {cell['n_items']} items, {cell['n_people']} people")
        print(f"  {'noise ceiling':28s} {cell['ceiling'][0]:.3f} to {cell['ceiling'][1]:.3f}")
        for one in cell["models"]:
            print(f"  {one['model']:28s} rho {one['rho']:.3f} [{one['rho_95'][0]:.3f}, {one['rho_95'][1]:.3f}]")
        for one in cell["gains"]:
            low, high = one["gain_95"]
            p = "undefined (all are alike)" if one["p"] is None else f"{one['p']:.2g}"
            print(f"  over {one['over']:23s} {one['gain']:+.3f} [{low:+.3f}, {high:+.3f}], p = {p}")
    for key in ("held_out_people", "personal"):
        if row.get(key):
            print(f"  {key}: {json.dumps(row[key])}")


# --- the start


def train_start(plan: Plan) -> dict[str, Any]:
    """Train HBA on a photo of each concept, and return what it reached on validation concepts and on the 48."""
    shown: dict[str, str] = {}
    with (plan.root / "things" / "photos_manifest.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            shown.setdefault(row["uniqueID"], row["file"])
    items = plan.work / "concepts.csv"
    chosen = list(shown.items())[: 60 if plan.small else None]
    items.write_text("\n".join(["file,item", *(f"{file},{name}" for name, file in chosen)]) + "\n")
    less: dict[str, Any] = {"batch_size": 16, "img_size": 56} if plan.small else {}  # a sixteenth of the tokens
    config: HBAConfig = settings(plan.root, loss="triplets", epochs=plan.epochs, adapter=HEAD, **less)
    config = dataclasses.replace(config, items=items, out=plan.start, n_bootstrap=0)
    return {"metrics": dict(run(config).metrics), "n_concepts": len(chosen)}


def gather(folder: Path, pictures: dict[str, list[Path]]) -> Path:
    """Copy the pictures of each item into a folder of its name."""
    for item, paths in pictures.items():
        (folder / item).mkdir(parents=True, exist_ok=True)
        for path in paths:
            if not (folder / item / path.name).exists():
                shutil.copyfile(path, folder / item / path.name)
    return folder


# --- people


def write_erps(plan: Plan) -> Path:
    """Write everybody's RDMs over time; the two people who lack a channel are left out."""
    with np.load(plan.root / "eeg_erp5" / "things_eeg_erp5.npz", allow_pickle=False) as file:
        erps, times, labels = file["erp"].astype(np.float64), file["time"], file["categories"].tolist()
    erps = erps[~np.isnan(erps).any(axis=(1, 2, 3))][: 8 if plan.small else None]
    n = len(times) // AVERAGED
    means = erps[..., : n * AVERAGED].reshape(*erps.shape[:-1], n, AVERAGED).mean(axis=-1)
    coords = {"subject": people(len(erps)), "time": times[: n * AVERAGED].reshape(n, AVERAGED).mean(axis=1).round(6)}
    patterns = np.moveaxis(means, -1, 1)  # people, times, categories, channels
    rdms = rdm(patterns, metric="correlation", labels=labels, dims=("subject", "time"), coords=coords)
    rdms.save(plan.work / "erps.npz")
    return plan.work / "erps.npz"


def people(n: int) -> list[str]:
    return [f"p{i:02d}" for i in range(1, n + 1)]


def drawings(plan: Plan) -> dict[str, list[Path]]:
    """Return drawings of each category, of concepts that belong to no other of the five."""
    return by_category(plan, "emoji_manifest.csv", "match", plan.root / "things" / "emoji" / "img")


def photos(plan: Plan) -> dict[str, list[Path]]:
    """Return photos of each category; of bodies, body parts of people among the 92 images."""
    found = by_category(plan, "photos_manifest.csv", "relation", plan.root / "things" / "photos")
    bodies = sorted(write_images(plan).glob("*_human_bodypart.png"))
    return found | {"body": bodies[: plan.n_pictures]}


def by_category(plan: Plan, table: str, exact: str, folder: Path) -> dict[str, list[Path]]:
    member = load_things(plan.root).categories()[list(CATEGORIES)]
    member = member[member.sum(axis=1) == 1]
    with (plan.root / "things" / table).open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row[exact] == "exact" and row["uniqueID"] in member.index]
    shown = {row["uniqueID"]: row["file"] for row in reversed(rows)}  # the first of each concept
    found: dict[str, list[Path]] = {}
    for column, name in CATEGORIES.items():
        files = list(dict.fromkeys(shown[one] for one in member.index[member[column]] if one in shown))
        chosen = np.random.default_rng(0).permutation(len(files))[: plan.n_pictures]
        found[name] = [folder / files[i] for i in sorted(chosen)]
    return found


def write_images(plan: Plan) -> Path:
    folder = plan.work / "images92"
    return folder if folder.is_dir() else load_rsa92(plan.root).export_images(folder, progress=False)


# --- runs


def meg_config(plan: Plan, out: str, **more: Any) -> HBAMEGConfig:
    """Return the settings of a run that trains weights over time alone, of blocks and of dimensions."""
    loop = LoopConfig(epochs=1, device="cpu", progress=False, keep_last=1, **more.pop("loop"))
    return HBAMEGConfig(
        root=plan.root,
        out=plan.work / out,
        start=plan.start,
        dimension_weights=True,
        adapter=AdapterConfig(kind="none"),
        optim=OptimConfig(lr=1e-3),
        loop=loop,
        n_bootstrap=100 if plan.small else N_BOOTSTRAP,
        n_permutations=200 if plan.small else 2000,
        **more,
    )


def of_erps(plan: Plan, name: str, pictures: dict[str, list[Path]]) -> dict[str, Any]:
    """Train on two thirds of the people, score, and train controls on pictures of wrong categories."""
    erps = write_erps(plan)
    held_out = tuple(RDM.load(erps).coords["subject"][::3].tolist())

    def train(out: str, shown: dict[str, list[Path]]) -> Path:
        config = meg_config(
            plan,
            out,
            images=gather(plan.work / "pictures" / out, shown),
            rdms=(erps,),
            held_out_people=held_out,
            val_share=0.0,
            reach=2,
            weights_lr=3e-2,
            weights_epochs=plan.steps,
            weights_patience=1000,  # never
            # one batch holds all five: a step is an epoch, and there is nothing to choose epochs on
            loop={"batch_size": 5, "monitor": "val_loss", "validate_every": min(plan.steps, 100)},
        )
        return run(config).path

    path = train(f"erps-{name}", pictures)
    row = of_run(path, plan)
    row["pictures"] = {item: [one.name for one in paths] for item, paths in pictures.items()}
    data, models = predictors(path)
    measured = data.movie(data.train, data.held_out_people)
    row["held_out_people"] = {
        "mean RDM of trained people": score(data, measured, mean_rdm(data)),
        "label orders": {one.name: label_orders(data, measured, one(data.train)) for one in models[1:]},
    }
    own = score(data, measured, models[0](data.train))["rho"]
    wrong = []
    if name == "drawings":
        for k, order in enumerate(wrong_orders(list(pictures), 1 if plan.small else N_CONTROLS)):
            control = train(f"erps-wrong-{k}", {item: pictures[other] for item, other in order.items()})
            wrong.append(score(data, measured, predictors(control)[1][0](data.train))["rho"])
        p = (1 + sum(value >= own for value in wrong)) / (1 + len(wrong))
        row["held_out_people"]["wrong categories"] = {"own": own, "controls": wrong, "p": p}
    return row


def wrong_orders(names: list[str], n: int) -> list[dict[str, str]]:
    """Return which category's pictures are shown for which, drawn among all orders but the right one."""
    orders = list(itertools.permutations(names))[1:]
    drawn = np.random.default_rng(0).permutation(len(orders))[:n]
    return [dict(zip(names, orders[i], strict=True)) for i in drawn]


def of_fmri(plan: Plan, name: str, one: RDM, other: RDM | None) -> dict[str, Any]:
    """Train on some people and images, score on the others, then train everybody's own model."""
    kept = range(0, one.n_items, 3 if plan.small else 1)
    labels, names = [(one.labels or ())[i] for i in kept], people(one.shape[0])
    files = []
    for number, rdms in enumerate(each.take(list(kept)) for each in (one, other) if each is not None):
        files.append(plan.work / f"{name}-{number + 1}.npz")
        rdms.replace(rdms.values, coords={"subject": names}).save(files[-1])
    held_out = plan.work / "held_out_images.txt"
    chosen = np.random.default_rng(0).permutation(len(labels))[: 8 if plan.small else N_HELD_OUT_IMAGES]
    held_out.write_text("\n".join(labels[i] for i in sorted(chosen)) + "\n")
    shared: dict[str, Any] = {"weights_lr": 2e-2, "weights_epochs": min(plan.steps, 100)}
    loop: dict[str, Any] = {"batch_size": 64, "monitor": "val_spearman", "mode": "max"}
    config = meg_config(
        plan,
        name,
        images=write_images(plan),
        rdms=tuple(files[:1]),
        test_rdms=tuple(files[1:]),
        held_out=held_out,
        held_out_people=tuple(names[10:]),
        terms=TermsConfig(generalization=0.0),  # one time generalises to none
        loop=loop,
        **shared,
    )
    row = of_run(run(config).path, plan)
    if name != "evc":
        asked = tuple(names[: 2 if plan.small else None])
        own = meg_config(plan, f"{name}-people", subject="all", people=asked, loop=loop, **shared)
        own = dataclasses.replace(own, start=config.out, weights_epochs=min(plan.steps, 50))
        row["personal"] = of_people(personal_dynamics(own))
    return row


# --- scores


def of_run(path: Path, plan: Plan) -> dict[str, Any]:
    scores: Any = evaluate_run(path, device="cpu", progress=False)
    return {"cells": [of_cell(cell, path.name) for cell in scores.cells], "notes": list(scores.notes)}


def of_cell(cell: CellScores, own: str) -> dict[str, Any]:
    """Return the ceiling, each model's mean correlation and what the trained one gains, with intervals over people."""
    called = {own: "HBA-MEG"}
    models = [
        {"model": called.get(one.model, one.model), "rho": one.mean, "rho_95": [one.low, one.high], "p": number(one.p)}
        for one in cell.models
    ]
    gains = [
        {"over": one.other, "gain": one.difference, "gain_95": [one.low, one.high], "p": number(one.p)}
        for one in cell.differences
        if one.model == own
    ]
    about = {"name": cell.name, "n_items": cell.n_items, "n_people": cell.n_people, "window_s": list(cell.window)}
    return {**about, "ceiling": [cell.lower, cell.upper], "models": models, "gains": gains}


def number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def of_people(found: PersonalDynamics) -> dict[str, Any]:
    """Return what single people's models gain over the group's, and whether they tell people apart."""
    assert found.identification is not None
    names = ("own - others", "rank-1, centred", "two-way, centred")
    tests = {name: found.identification.test(name) for name in names}
    return {
        "n_people": len(found.people),
        "n_items": found.n_items,
        "scored_on": found.split,
        "own": float(found.mean(found.own).mean()),
        "group": float(found.mean(found.group).mean()),
        "own_sessions": None if found.sessions is None else float(found.mean(found.sessions).mean()),
        "differences": [str(test) for test in found.tests],
        "identification": {
            name: {"value": float(one.value), "p": number(one.p), "chance": number(one.chance)}
            for name, one in tests.items()
        },
        "verdict": found.verdict,
    }


def predictors(path: Path) -> tuple[HBAMEGData, list[Any]]:
    """Return a run's data, and the trained model, its start and the image features as predictors of RDMs."""
    from alignkit.models._dynamic_run_model import restore_dynamic_model
    from alignkit.train.hba_meg._predictors import predictors_of

    config = read_config(path / CONFIG, HBAMEGConfig)
    data = read_data(config)
    return data, predictors_of(restore_dynamic_model(path), path.name, data, config)


def means(data: HBAMEGData, measured: RDM, models: dict[str, RDM]) -> Any:
    """Return each model's correlation with each person, mean from 0 s on, shape (models, people), as runs score it."""
    course = timecourse(models, measured, method="spearman", ceiling=False, n_bootstrap=0).at_same_times()
    curves = np.stack([course.curves(name) for name in models])
    return height(curves, data.times, within(data.times, None))


def score(data: HBAMEGData, measured: RDM, model: RDM) -> dict[str, Any]:
    values = means(data, measured, {"model": model})[0]
    low, high = mean_interval(
        values, 0, n_bootstrap=N_BOOTSTRAP, confidence=0.95, rng=np.random.default_rng(data.splits.seed)
    )
    return {"rho": float(values.mean()), "rho_95": [float(low), float(high)]}


def mean_rdm(data: HBAMEGData) -> RDM:
    """Return the mean RDM over time of those who were trained on: what the model is trained to give."""
    return data.movie(data.train, data.train_people).mean("subject")


def label_orders(data: HBAMEGData, measured: RDM, model: RDM) -> dict[str, Any]:
    """Return how a model that does not unfold does, and p among all orders of its five labels: 1/120 or more."""
    square = model.squareform()
    orders = list(itertools.permutations(range(len(square))))
    shuffled = {str(k): RDM(square[np.ix_(o, o)], labels=model.labels) for k, o in enumerate(orders)}
    found = means(data, measured, shuffled).mean(axis=1)
    # the right order is the first, and counts; orders that tie by symmetry count too
    return {"rho": float(found[0]), "n_orders": len(orders), "p": float((found >= found[0] - 1e-12).mean())}


if __name__ == "__main__":
    main()
