"""Accuracy and probabilities of triplets: 500 times faster than a loop over triplets on tensors, as published."""

from __future__ import annotations

import numpy as np

from alignkit.rsa import Triplets, choice_probabilities, triplet_accuracy
from benchmarks._harness import Line, arguments, extrapolated, in_turn, keep, largest_difference

N_ITEMS, N_CHANNELS = 1854, 768
#: All of THINGS' answers, and its test answers, of which the matrix of similarities takes most of the time.
N_TRIPLETS = {4_700_000: 500.0, 146_168: 0.0}
N_LOOP = 2000
PAIRS = ((0, 1), (0, 2), (1, 2))


def loop(x: np.ndarray, items: np.ndarray) -> tuple[float, np.ndarray]:
    """Return accuracy and probabilities as published scripts compute them.

    Three rows are stacked, three distances and three products taken, one after the other, and ties looked for.
    """
    import torch

    features = torch.from_numpy(x)
    hits = 0
    probabilities = torch.zeros(len(items), 3, dtype=torch.float64)
    for row, (i, j, k) in enumerate(items):
        triplet = torch.stack([features[i], features[j], features[k]])
        distances = torch.tensor(
            [1 - torch.nn.functional.cosine_similarity(triplet[a], triplet[b], dim=0) for a, b in PAIRS]
        )
        products = torch.tensor([triplet[a] @ triplet[b] for a, b in PAIRS], dtype=torch.float64)
        hits += torch.unique(distances).shape[0] > 1 and int(torch.argmin(distances)) == 0
        probabilities[row] = torch.softmax(products, dim=0)
    return hits / len(items), probabilities.numpy()


def vectorised(x: np.ndarray, triplets: Triplets) -> tuple[float, np.ndarray]:
    """Return the same from alignkit."""
    accuracy = triplet_accuracy(x, triplets, kernel="cosine", n_bootstrap=0).accuracy
    return accuracy, choice_probabilities(x, triplets)


def measured(x: np.ndarray, items: np.ndarray, n_loop: int, target: float, repeats: int) -> Line:
    """Return the line of one number of triplets."""
    triplets, some = Triplets(items), items[:n_loop]
    ours, theirs = vectorised(x, Triplets(some)), loop(x, some)
    # their columns are the pairs kept, ours the item left over: (0, 1) leaves item 2
    difference = largest_difference(
        np.append(ours[1][:, ::-1].ravel(), ours[0]), np.append(theirs[1].ravel(), theirs[0]), limit=1e-12
    )
    return Line(
        f"accuracy (cosine) and probabilities (dot) of {len(items):,} triplets on {N_CHANNELS} channels",
        f"a loop over triplets on tensors ({n_loop:,} timed)",
        in_turn({"ours": lambda: vectorised(x, triplets)}, repeats=repeats)["ours"],
        extrapolated(lambda: loop(x, some), len(items) / n_loop),
        None,
        "",
        target,
        difference,
    )


def main() -> None:
    small = arguments(__doc__).parse_args().small
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N_ITEMS, N_CHANNELS)) / np.sqrt(N_CHANNELS)
    lines = []
    for n, target in {20_000: 0.0}.items() if small else N_TRIPLETS.items():
        items = rng.integers(N_ITEMS, size=(n + n // 10, 3))
        a, b, c = items.T
        items = items[(a != b) & (a != c) & (b != c)][:n]
        lines.append(measured(x, items, 200 if small else N_LOOP, target, 3 if small else 7))
    keep("alignet_scoring", lines, small=small)


if __name__ == "__main__":
    main()
