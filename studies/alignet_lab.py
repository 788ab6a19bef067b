"""What AligNet's students are worth where the truth is known: in labs of simulated people.

Objects are drawn from known latents with a coarse, a middle and a fine level: two superordinates, eight categories,
single objects. *People* give odd-one-out answers about training objects. *The teacher's features* know the latents of
every picture and weigh them wrongly: latents times weights exp(N(0, 1)), beside 96 tanh units of these, mixed into 64
channels by one random matrix, plus noise of a twentieth of their spread for each picture; nothing of people is in them.
*Pictures* are plaids: a grating for each latent, whose contrast is the latent's value and whose phase is new in each
view, and one of constant contrast, because a network with normalised layers sees contrasts only beside each other. What
is asked here is what teaching can do where seeing is easy: of the lab's rendered objects, a network of this size that
is trained on the true latents themselves reads too little for any student to come near people.
`run_alignet` fits a transform of these features to the answers, lets it compare triplets of training pictures, and
trains a small network from nothing on each arm's similarities. *Scores* are on pictures of objects that nothing learned
from, means over four views: three objects of different categories (global), of one category (local), and two of one
with one of another (class border). An answer counts as right as often as people give it, so that the ceiling is an
observer who knows everybody's probabilities.

Settings were chosen in the lab of seed 0, which is not among those that are reported.

    python -m studies.alignet_lab --work FOLDER
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._io import atomic_write
from alignkit.align import sample_triplets
from alignkit.data import SimulatedLab, simulate
from alignkit.models import AdapterConfig, Features, extract, load
from alignkit.rsa import Triplets
from alignkit.train import AligNetChainConfig, LoopConfig, OptimConfig, run_alignet
from alignkit.train.alignet._chain_teacher import open_teacher
from benchmarks._harness import machine

OBJECTS, STEPS, VIEWS, VIEWS_HELD_OUT = 1600, 600, 3, 4
#: Answers about training objects, about held-out ones, and triplets of each level.
ANSWERS, HELD_OUT_ANSWERS, TRIPLETS = 20_000, 4000, 6000
LEVELS = {"global": "between_class", "local": "within_class", "class border": "class_border"}
#: Pixels of a picture's side; cycles and hues of the latents' gratings; shades per unit, and the constant contrast.
SIZE, CYCLES, HUES = 64, (5.0, 10.0, 16.0), ((1.0, 1.0, 1.0), (1.0, -1.0, 0.0), (0.5, 0.5, -1.0))
CONTRAST, REFERENCE = 22.0, 1.5
#: Units of the teacher, its channels, and its noise.
HIDDEN, CHANNELS, NOISE = 96, 64, 0.05


def main() -> None:
    """Run the study and keep what it found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for pictures, chains and scores")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="labs")
    parser.add_argument("--steps", type=int, default=STEPS, help="of each student")
    parser.add_argument("--small", action="store_true", help="one tiny lab in seconds; nothing is kept")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    size = {"objects": 96, "steps": 6} if options.small else {"objects": OBJECTS, "steps": options.steps}
    seeds = options.seeds[:1] if options.small else options.seeds
    rows: dict[str, Any] = {}
    for seed in seeds:
        rows[f"lab {seed}"] = run_lab(options.work / f"lab-{seed}-{size['objects']}", seed, **size)
        print(json.dumps({f"lab {seed}": rows[f"lab {seed}"]}, indent=1), flush=True)
    if not options.small:
        content = {
            "study": "alignet_lab",
            "machine": machine(),
            "seeds": seeds,
            "epochs": {"steps of a student": size["steps"]},
            "below the ceiling": shortfall(rows),
            "rows": rows,
        }
        Path(__file__).with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")


def shortfall(rows: dict[str, Any]) -> dict[str, Any]:
    """Return how far each is below the ceiling at every level: mean, and the most in any lab."""
    found: dict[str, Any] = {}
    for level in LEVELS:
        labs = [row["levels"][level] for row in rows.values()]
        for name in set(labs[0]) - {"ceiling", "chance"}:
            below = [lab["ceiling"] - lab[name] for lab in labs]
            found.setdefault(name, {})[level] = {"mean": float(np.mean(below)), "most": max(below)}
    return dict(sorted(found.items()))


def run_lab(work: Path, seed: int, *, objects: int, steps: int) -> dict[str, Any]:
    """Return accuracies of students, controls, teachers and the untrained network at every level, with ceilings."""
    started = time.monotonic()
    few = {"n_triplets": 1, "n_held_out": 1, "n_repeats": 1, "n_two_afc": 1, "n_scanned": 1}
    lab = simulate(objects, rng=seed, **few)
    work.mkdir(exist_ok=True)
    views = {**dict.fromkeys(lab.split["train"], VIEWS), **dict.fromkeys(lab.split["test"], VIEWS_HELD_OUT)}
    draw(lab, work / "images", views, seed)
    features = teacher_features(lab, views, seed)
    config = settings(work, lab, features, steps, seed)
    found = run_alignet(config)
    scored = score(lab, work, config, features)
    return {
        "levels": scored,
        "students": found.students,
        "teacher": repr(open_teacher(config.out)),
        "seconds": {**found.seconds, "all": time.monotonic() - started},
    }


def draw(lab: SimulatedLab, folder: Path, views: dict[str, int], seed: int) -> None:
    """Write so many plaids of each object, where they are missing."""
    from PIL import Image

    grid = (np.arange(SIZE) + 0.5) / SIZE
    row = {label: i for i, label in enumerate(lab.labels)}
    for label, n in views.items():
        (folder / label).mkdir(parents=True, exist_ok=True)
        for view in range(n):
            path = folder / label / f"view_{view:02d}.png"
            if path.is_file():
                continue
            phases = np.random.default_rng([seed, row[label], view]).uniform(0.0, 2 * np.pi, lab.embedding.shape[1] + 1)
            picture = REFERENCE * _wave(grid, 22.0, 0.14, phases[-1])[..., None] * np.ones(3)
            for k, value in enumerate(lab.embedding[row[label]]):
                wave = _wave(grid, CYCLES[k % 3], np.pi / 4 * (k // 3), phases[k])
                picture = picture + value * wave[..., None] * np.array(HUES[(k + k // 3) % 3])
            with atomic_write(path) as file:
                shades = np.clip(127.5 + CONTRAST * picture, 0, 255).round().astype(np.uint8)
                Image.fromarray(shades).save(file, format="PNG", compress_level=1)


def _wave(grid: Any, cycles: float, angle: float, phase: float) -> Any:
    """Return a grating of so many cycles per picture, shape (size, size)."""
    along = np.cos(angle) * grid[None, :] + np.sin(angle) * grid[:, None]
    return np.sin(2 * np.pi * cycles * along + phase)


def teacher_features(lab: SimulatedLab, views: dict[str, int], seed: int) -> Features:
    """Return what a network that weighs the latents wrongly says of every picture."""
    rng = np.random.default_rng([seed, 7])
    n_dims = lab.embedding.shape[1]
    wrong = lab.embedding * np.exp(rng.standard_normal(n_dims))
    wrong /= np.sqrt((wrong**2).sum(axis=1).mean())
    units = np.tanh(wrong @ rng.standard_normal((n_dims, HIDDEN)) + 0.5 * rng.standard_normal(HIDDEN))
    mixed = np.hstack([3 * wrong, units]) @ rng.standard_normal((n_dims + HIDDEN, CHANNELS)) / np.sqrt(HIDDEN)
    row = {label: i for i, label in enumerate(lab.labels)}
    x = mixed[np.repeat([row[label] for label in views], list(views.values()))]
    x = x + NOISE * mixed.std() * rng.standard_normal(x.shape)
    names = [f"{label}/view_{view:02d}.png" for label, n in views.items() for view in range(n)]
    return Features.from_array(x.astype(np.float32), names, name="wrong weights")


def settings(work: Path, lab: SimulatedLab, features: Features, steps: int, seed: int) -> AligNetChainConfig:
    """Write what a study of one's own would have, and return the settings of its chain."""
    features.save(work / "features.npz")
    train, test = lab.split["train"], lab.split["test"]
    asked = [lab.ask(ANSWERS, objects=train), lab.ask(HELD_OUT_ANSWERS, objects=test, rng=1)]
    Triplets(np.concatenate([own.items for own in asked]), lab.labels).save(work / "answers.npz")
    with atomic_write(work / "held_out.txt") as file:
        file.write("".join(f"{name}\n" for name in test).encode())
    return AligNetChainConfig(
        out=work / f"chain-{steps}",
        images=work / "images",
        image_features=work / "features.npz",
        answers=work / "answers.npz",
        held_out=work / "held_out.txt",
        root=work / "no-things-here",
        divisions=0,
        sampling=("cluster_border", "within_class", "between_class"),
        n_clusters=8,
        n_triplets=max(1000, steps * 64),
        val_share=0.1,
        backbone="random:small_cnn",
        head=64,
        centre=True,
        objective="kl",
        student_temperature=0.0,
        adapter=AdapterConfig(kind="full", image_blocks=1000),
        optim=OptimConfig(lr=3e-3, weight_decay=0.1, schedule="cosine", warmup=min(50, steps // 4)),
        loop=LoopConfig(
            max_steps=steps,
            batch_size=64,
            validate_every=max(1, steps // 4),
            monitor="val_loss",
            log_every=max(1, steps // 40),
            seed=seed,
            device="cpu",
        ),
        cache=False,
        n_bootstrap=200,
    )


def score(lab: SimulatedLab, work: Path, config: AligNetChainConfig, features: Features) -> dict[str, Any]:
    """Return how often everybody gives people's answers about held-out objects, level by level."""
    test = lab.split["test"]
    row = {label: i for i, label in enumerate(lab.labels)}
    numbers = np.array([row[name] for name in test])
    described: dict[str, Any] = {arm: _of_student(work, config, arm, test) for arm in config.students}
    own = features.select([f"{name}/view_{view:02d}.png" for name in test for view in range(VIEWS_HELD_OUT)]).array()
    described["teacher, aligned"] = _means(open_teacher(config.out).apply(own))
    described["teacher, untransformed"] = _means(own)
    described["before training"] = _before(work, config, test)
    found: dict[str, Any] = {}
    categories = np.array(lab.categories)[numbers].tolist()
    for level, sampling in LEVELS.items():
        triplets = sample_triplets(categories, TRIPLETS, sampling=sampling, seed=config.loop.seed)  # type: ignore[arg-type]
        people = lab.true_choice_probabilities(Triplets(numbers[triplets]))
        found[level] = {"ceiling": float(people.max(axis=1).mean()), "chance": 1 / 3}
        for name, values in described.items():
            odd = _odd(values, triplets)
            found[level][name] = float(people[np.arange(len(odd)), odd].mean())
    return found


def _of_student(work: Path, config: AligNetChainConfig, arm: str, test: tuple[str, ...]) -> Any:
    return _extracted(work, f"run:{config.out}/students/{arm}", "head", test)


def _before(work: Path, config: AligNetChainConfig, test: tuple[str, ...]) -> Any:
    """Return the untrained network's embedding, centred and of unit length."""
    x = _extracted(work, config.backbone, None, test)
    x = x - x.mean(axis=0)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def _extracted(work: Path, model: str, layer: str | None, test: tuple[str, ...]) -> Any:
    paths = {
        f"{name}/{view}": work / "images" / name / f"view_{view:02d}.png"
        for name in test
        for view in range(VIEWS_HELD_OUT)
    }
    found = extract(load(model), paths, layers=layer, progress=False)
    return _means(found.array())


def _means(rows: Any) -> Any:
    """Return means over the views of each object."""
    return rows.reshape(-1, VIEWS_HELD_OUT, rows.shape[1]).astype(np.float64).mean(axis=1)


def _odd(values: Any, triplets: Any) -> Any:
    """Return the column of the item without which the other two are most similar."""
    pairs = ((1, 2), (0, 2), (0, 1))
    return np.stack([(values[triplets[:, a]] * values[triplets[:, b]]).sum(axis=1) for a, b in pairs]).argmax(axis=0)


if __name__ == "__main__":
    main()
