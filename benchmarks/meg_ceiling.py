"""Noise ceilings over time, 15 participants x 92 items x 121 samples, beside rsatoolbox at every sample."""

from __future__ import annotations

import numpy as np

from alignkit.meg import timecourse
from alignkit.rsa import RDM
from benchmarks._harness import Line, arguments, extrapolated, in_turn, keep, largest_difference, peer

#: Samples that rsatoolbox is given.
N_TIMED = 3


def main() -> None:
    small = arguments(__doc__).parse_args().small
    n_subjects, n_items, n_times = (4, 12, 5) if small else (15, 92, 121)
    if peer("rsatoolbox") is None:
        return
    from rsatoolbox.inference.noise_ceiling import boot_noise_ceiling
    from rsatoolbox.rdm import RDMs

    rng = np.random.default_rng(0)
    n_pairs = n_items * (n_items - 1) // 2
    model = rng.normal(size=n_pairs)
    data = rng.normal(size=(n_subjects, n_times, n_pairs)) + 0.5 * model
    people = RDM(data, dims=("subject", "time"), coords={"time": np.arange(n_times) / 100})

    def ours() -> np.ndarray:
        found = timecourse(model, people, n_bootstrap=0)
        return np.stack([found.lower, found.upper], axis=1)

    def theirs() -> np.ndarray:
        return np.array([boot_noise_ceiling(RDMs(data[:, t]), method="spearman") for t in range(N_TIMED)])

    difference = largest_difference(ours()[:N_TIMED], theirs(), limit=1e-12)
    timing = in_turn({"ours": ours}, repeats=1 if small else 7)["ours"]
    loop = extrapolated(theirs, n_times / N_TIMED, repeats=1 if small else 3)
    task = f"noise ceiling and similarity of a model, {n_subjects} participants x {n_items} items x {n_times} samples"
    rival = f"rsatoolbox boot_noise_ceiling, without the model ({N_TIMED} samples timed)"
    keep("meg_ceiling", [Line(task, rival, timing, loop, None, "", 0, difference)], small=small)


if __name__ == "__main__":
    main()
