"""Small files in the layouts that AligNet's evaluation sets were published in."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.io import savemat
from scipy.spatial.distance import pdist, squareform

KINDS = ("between_class", "within_class", "class_border")


def levels_people(
    x: np.ndarray,
    names: Sequence[str],
    *,
    n_people: int = 12,
    n_trials: int = 60,
    seed: int = 0,
    temperature: float = 1.0,
) -> dict[str, list[dict[str, object]]]:
    """Return trials as published: people answer by a softmax over pair similarities, slower where they are unsure."""
    rng = np.random.default_rng(seed)
    wnid = np.array([name.partition("_")[0] for name in names])
    similarity = x @ x.T / temperature
    pools = {kind: [_draw(kind, wnid, rng) for _ in range(n_trials // 2)] for kind in KINDS}
    people: dict[str, list[dict[str, object]]] = {}
    for person in range(n_people):
        trials: list[dict[str, object]] = []
        for t in range(n_trials):
            kind = KINDS[t % 3]
            shown = rng.permutation(pools[kind][rng.integers(len(pools[kind]))])
            logits = np.array([similarity[shown[(k + 1) % 3], shown[(k + 2) % 3]] for k in range(3)])
            p = np.exp(logits - logits.max())
            p /= p.sum()
            odd = int(rng.choice(3, p=p))
            entropy = -(p * np.log(np.maximum(p, 1e-12))).sum()
            trials.append(
                {
                    **{f"image{k + 1}Path": f"{names[shown[k]]}.JPEG" for k in range(3)},
                    "selected_image": f"{names[shown[odd]]}.JPEG",
                    "triplet_type": kind,
                    "exp_trial_type": "exp_trial",
                    "rt": float(1000 * (1 + entropy) * np.exp(0.3 * rng.normal())),
                }
            )
        trials.append({**trials[0], "exp_trial_type": "catch_trial"})
        people[f"P{person:03d}"] = trials
    return people


def _draw(kind: str, wnid: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    classes = rng.permutation(np.unique(wnid))
    per_class = {"between_class": (1, 1, 1), "within_class": (3,), "class_border": (2, 1)}[kind]
    parts = [
        rng.choice(np.flatnonzero(wnid == name), size=n, replace=False)
        for name, n in zip(classes, per_class, strict=False)
    ]
    return np.concatenate(parts)


def write_levels(root: Path, people: dict[str, list[dict[str, object]]]) -> Path:
    """Write the pickle."""
    path = root / "levels" / "pruned_dataset.pkl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(people))
    return path


def people_rdms(x: np.ndarray, n_people: int, seed: int = 0) -> np.ndarray:
    """Return squares of people: distances of what is there, under noise."""
    rng = np.random.default_rng(seed)
    truth = pdist(x)
    return np.stack([squareform(np.abs(truth + 0.5 * rng.normal(size=truth.shape))) for _ in range(n_people)])


def write_cichy118_judgements(root: Path, squares: np.ndarray, names: Sequence[str]) -> None:
    """Write (people, items, items), and the names of the pictures."""
    folder = root / "cichy118"
    folder.mkdir(parents=True, exist_ok=True)
    savemat(folder / "judgments_general.mat", {"judgments": squares})
    (folder / "images.txt").write_text("\n".join(names) + "\n")


def write_king(root: Path, squares: dict[str, np.ndarray]) -> None:
    """Write MATLAB's structure of structures, distances of pairs of each person, and empty pictures 0001.jpg ..."""
    folder = root / "king2019"
    folder.mkdir(parents=True, exist_ok=True)
    sets = {}
    for name, people in squares.items():
        sets[name] = {"pairwisedistances": np.stack([squareform(person, checks=False) for person in people])}
        (folder / name).mkdir()
        for k in range(people.shape[-1]):
            (folder / name / f"{k + 1:04d}.jpg").touch()
    savemat(folder / "BEHAVIOR.mat", {"BEHAVIOR": sets})


def write_peterson(root: Path, category: str, similarity: np.ndarray, *, ratings: bool = False) -> None:
    """Write a matrix of mean ratings, or the ratings of each pair, and empty pictures."""
    folder = root / "peterson" / category
    (folder / "images").mkdir(parents=True)
    (folder / "sim_judgements").mkdir()
    n = len(similarity)
    for k in range(n):
        (folder / "images" / f"{category}{k + 1:02d}.png").touch()
    if not ratings:
        savemat(folder / "sim_judgements" / f"{category}_sims.mat", {"simMatrix": similarity})
        return
    upper = zip(*np.triu_indices(n, k=1), strict=True)
    content = {f"{i + 1}.png,{j + 1}.png": [similarity[i, j] - 0.5, similarity[i, j] + 0.5] for i, j in upper}
    (folder / "sim_judgements" / "fruits_mturkRESULTS_all.pickle").write_bytes(pickle.dumps(content))
