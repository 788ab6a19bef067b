"""Whitened cosine and correlation of 1 with 10 RDMs of 1,854 items: at least 20 x rsatoolbox."""

from __future__ import annotations

import numpy as np
from rsatoolbox.rdm import RDMs
from rsatoolbox.rdm import compare as compare_with_rsatoolbox

from alignkit.rsa import compare, rdm
from benchmarks._harness import Line, in_turn, keep, largest_difference

N_ITEMS, N_RDMS = 1854, 10


def main() -> None:
    rng = np.random.default_rng(0)
    common = rng.normal(size=(N_ITEMS, 30))
    stack = np.stack(
        [rdm(common + rng.normal(size=common.shape), metric="sqeuclidean").values for _ in range(N_RDMS + 1)]
    )
    model, data = stack[:1], stack[1:]
    theirs = RDMs(model), RDMs(data)
    lines = []
    for method, name in (("whitened-cosine", "cosine_cov"), ("whitened-pearson", "corr_cov")):
        ours = compare(model, data, method=method).values
        difference = largest_difference(ours, compare_with_rsatoolbox(*theirs, method=name), limit=1e-10)
        timings = in_turn(
            {
                "ours": lambda method=method: compare(model, data, method=method),
                "theirs": lambda name=name: compare_with_rsatoolbox(*theirs, method=name),
                "floor": lambda: model @ data.T,
            },
        )
        task = f"{method}, 1 x {N_RDMS} RDMs of {N_ITEMS:,} items"
        lines.append(
            Line(
                task,
                f"rsatoolbox {name}",
                timings["ours"],
                timings["theirs"],
                timings["floor"],
                "the plain products",
                20,
                difference,
            )
        )
    keep("compare_whitened", lines)


if __name__ == "__main__":
    main()
