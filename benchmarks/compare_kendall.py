"""Kendall's tau-a and tau-b of 1 with 10 RDMs of 1,000 items beside rsatoolbox."""

from __future__ import annotations

import numpy as np
from rsatoolbox.rdm import RDMs
from rsatoolbox.rdm import compare as compare_with_rsatoolbox

from alignkit.rsa import compare
from benchmarks._harness import Line, in_turn, keep, largest_difference

N_ITEMS, N_RDMS = 1000, 10


def main() -> None:
    rng = np.random.default_rng(0)
    n_pairs = N_ITEMS * (N_ITEMS - 1) // 2
    common = rng.random(n_pairs)
    model, data = common[None] + rng.random((1, n_pairs)), common + rng.random((N_RDMS, n_pairs))
    theirs = RDMs(model), RDMs(data)
    lines = []
    for method, name in (("kendall-tau-a", "tau-a"), ("kendall-tau-b", "tau-b")):
        ours = compare(model, data, method=method).values
        difference = largest_difference(ours, compare_with_rsatoolbox(*theirs, method=name), limit=1e-12)
        timings = in_turn(
            {
                "ours": lambda method=method: compare(model, data, method=method),
                "theirs": lambda name=name: compare_with_rsatoolbox(*theirs, method=name),
                "floor": lambda: np.sort(np.concatenate([model, data]), axis=1),
            },
            repeats=3,
        )
        task, floor_is = f"{method}, 1 x {N_RDMS} RDMs of {N_ITEMS:,} items", "sorting the values on one thread"
        lines.append(Line(task, f"rsatoolbox {name}", *(timings[key] for key in timings), floor_is, 0, difference))
    keep("compare_kendall", lines)


if __name__ == "__main__":
    main()
