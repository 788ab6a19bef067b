"""Small files in the layouts that MEG data sets were published in, and plain loops over what they hold."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from reference.matlab73 import write_matlab73
from scipy.io import savemat
from scipy.spatial.distance import pdist, squareform
from scipy.stats import rankdata, spearmanr


def movies(n_people: int, times: np.ndarray, truth: np.ndarray, *, noise: float = 1.0, seed: int = 0) -> np.ndarray:
    """Return squares, shape (person, time, item, item): noise, and from 50 ms on the truth's distances."""
    rng = np.random.default_rng(seed)
    n = len(truth)
    planted = pdist(truth, "correlation")
    planted = (planted - planted.mean()) / planted.std()
    course = np.where(times >= 0.05, np.exp(-((times - 0.15) ** 2) / 0.02), 0.0)
    pairs = rng.normal(size=(n_people, len(times), n * (n - 1) // 2)) * noise + course[:, None] * planted + 5
    return np.stack([[squareform(pair) for pair in person] for person in pairs])


def write_things_meg(root: Path, squares: np.ndarray, concepts: Sequence[str]) -> None:
    """Write accuracies as MATLAB does (item, item, time, person), NaN diagonals, and the table of trials."""
    folder = root / "things_meg"
    folder.mkdir(parents=True)
    squares = squares.copy()
    diagonal = np.arange(len(concepts))
    squares[..., diagonal, diagonal] = np.nan
    write_matlab73(folder / "validation-pairwise_decoding_RDM1854.mat", {"mat": squares.transpose(2, 3, 1, 0)})
    rows = [
        f"exp,{number},images_meg/{name}/{name}_{k:02d}b.jpg"
        for k in range(1, 3)
        for number, name in reversed(list(enumerate(concepts, 1)))
    ]
    lines = ["trial_type,things_category_nr,image_path", *rows, "catch,,catch_images/1.jpg"]
    (folder / "sample_attributes_P1.csv").write_text("\n".join(lines) + "\n")


def write_cichy118(root: Path, squares: np.ndarray, names: Sequence[str]) -> None:
    """Write (person, session, time, item, item) in MATLAB's v7.3, two sessions that average to ``squares``."""
    folder = root / "cichy118"
    folder.mkdir(parents=True)
    sessions = np.stack([squares * 0.9, squares * 1.1], axis=1)
    write_matlab73(folder / "MEG_decoding_RDMs.mat", {"MEG_decoding_RDMs": sessions})
    (folder / "images.txt").write_text("\n".join(names) + "\n")


def write_result_dsm(root: Path, dataset: str, squares: np.ndarray, names: Sequence[str]) -> None:
    """Write (person, item, item, time) in MATLAB's v5, and empty pictures whose sorted names are those of the items."""
    folder = root / dataset
    (folder / "stimuli").mkdir(parents=True)
    savemat(folder / f"{dataset.removeprefix('meg_')}.mat", {"result_dsm": squares.transpose(0, 2, 3, 1)})
    for name in names:
        (folder / "stimuli" / name).touch()


def upper(square: np.ndarray) -> np.ndarray:
    return square[np.triu_indices(len(square), k=1)]


def spearman_course(model: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Return Spearman's rho of one model's pairs, or of one row per time, with each RDM; shape (person, time)."""
    rows = np.broadcast_to(model, (squares.shape[1], model.shape[-1]))
    return np.array(
        [[spearmanr(row, upper(s)).statistic for row, s in zip(rows, person, strict=True)] for person in squares]
    )


def ceilings(squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower and the upper ceiling at each time: ranks averaged over people."""
    lower, upper_ = [], []
    for t in range(squares.shape[1]):
        ranks = np.stack([rankdata(upper(person[t])) for person in squares])
        others = [(ranks.sum(axis=0) - own) / (len(ranks) - 1) for own in ranks]
        lower.append(np.mean([spearmanr(own, rest).statistic for own, rest in zip(ranks, others, strict=True)]))
        upper_.append(np.mean([spearmanr(own, ranks.mean(axis=0)).statistic for own in ranks]))
    return np.array(lower), np.array(upper_)


def area(curve: np.ndarray, times: np.ndarray) -> float:
    """Return the area from 0 ms on by trapezoids, in units x ms."""
    after = [k for k in range(len(times)) if times[k] > -1e-9]
    steps = itertools.pairwise(after)
    return float(sum((curve[a] + curve[b]) / 2 * (times[b] - times[a]) * 1000 for a, b in steps))
