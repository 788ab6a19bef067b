"""
Epochs from FieldTrip, and what nothing looks like
==================================================

Twelve epochs of a CTF system, saved by FieldTrip (330 channels, 24 samples in 20 ms). All twelve are of one kind.

What one learns: epochs of FieldTrip open like any others, with ``trialinfo`` as metadata; which channels are taken by
default, and how a group of sensors is named; and what each metric says of conditions that do not differ, on real noise:
cross-validated distances and accuracies have a centre that is known, plain distances have none.
"""

# %%
# What is in the file
# -------------------
# By default sensors alone are taken: no triggers and clocks, and no reference sensors, which measure the noise far from
# the head. CTF names say where a sensor is: ``MLO11`` is left occipital, so that ``"M.O"`` names all occipital ones, as
# the five groups of THINGS-MEG are named.

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from _folders import folders

from alignkit.meg import read_epochs, time_rdms

data, out = folders()
epochs = read_epochs(data / "meg" / "fieldtrip" / "CTF_epoched_v7.mat")
kinds = epochs.metadata.iloc[:, 0].unique().tolist()
types = epochs.get_channel_types()
counts = {kind: types.count(kind) for kind in dict.fromkeys(types)}
print(f"{len(epochs)} epochs, trialinfo {kinds}; channels: {counts}")

rng = np.random.default_rng(0)


def random_design() -> dict[str, list[str]]:
    """Return three conditions and four folds at random, one trial of a condition in each fold."""
    order = rng.permutation(len(epochs))
    return {"by": [f"condition {i % 3}" for i in order], "folds": [f"fold {i // 3}" for i in order]}


default = time_rdms(epochs, metric="sqeuclidean_cv", **random_design())
print("taken by default:", default.provenance["channel_types"])

# %%
# The noise of each group
# -----------------------
# The squared distance of two conditions, per sensor and without folds, is the variance of the noise times :math:`1/4 +
# 1/4` for means of four trials. It is a mean over random groupings, in femtotesla.

groups = {"frontal": "M.F", "central": "M.C", "temporal": "M.T", "parietal": "M.P", "occipital": "M.O"}
noise = {}
for name, picks in groups.items():
    found = [
        time_rdms(epochs, by=random_design()["by"], picks=picks, metric="sqeuclidean", normalize=True) for _ in range(8)
    ]
    noise[name] = 1e15 * np.sqrt(2 * np.mean([one.values.mean() for one in found]))
    print(f"{name:10s} {found[0].provenance['n_channels']:3d} sensors, noise {noise[name]:.0f} fT")

# %%
# Conditions that do not differ
# -----------------------------
# The twelve trials are put into three conditions at random, 250 times, and each time all four metrics are computed from
# the 41 occipital sensors in windows of 4 ms (given as an array with its times, which is quick to call often). The
# plain distance says how noisy the data are, and cannot be told from an effect. The other three are where theory has
# them, to within the error of 250 groupings. How far a single grouping strays is what an effect has to exceed: with
# twelve trials, a lot, and further upwards than downwards.

occipital = epochs.get_data(picks=[name for name in epochs.ch_names if name[0] == "M" and name[2] == "O"])
metrics = {
    "sqeuclidean": ("squared distance (fT²)", None, {"normalize": True}),
    "sqeuclidean_cv": ("cross-validated (fT²)", 0.0, {"normalize": True}),
    "crossnobis": ("crossnobis", 0.0, {}),
    "decoding": ("accuracy", 0.5, {"noise": "epoch"}),
}
common = {"times": epochs.times, "ch_types": "mag", "window": 0.004, "step": 0.004}
rows = []
for _ in range(250):
    design = random_design()
    row = []
    for metric, (label, centre, options) in metrics.items():
        folds = {} if centre is None else {"folds": design["folds"]}
        rdms = time_rdms(occipital, by=design["by"], metric=metric, **folds, **options, **common)
        row.append(rdms.values.mean() * (1e30 if "fT" in label else 1))
    rows.append(row)
values = np.array(rows)
errors = values.std(axis=0, ddof=1) / np.sqrt(len(values))
for (label, centre, _), mean, error, spread in zip(
    metrics.values(), values.mean(axis=0), errors, values.std(axis=0, ddof=1), strict=True
):
    expected = "no known centre" if centre is None else f"expected {centre:g}"
    print(f"{label:24s} {mean:9.3g} (SE {error:.2g}, SD {spread:.2g}; {expected})")

# %%
# Twelve trials of one kind allow no statement about a brain, and none is made.
#
# Figure
# ------

figure = plt.figure(figsize=(8.2, 4.8), layout="constrained")
grid = figure.add_gridspec(2, 3, width_ratios=(1.05, 1, 1))
ax = figure.add_subplot(grid[:, 0])
ax.barh(list(noise)[::-1], list(noise.values())[::-1], color="#0072B2", height=0.6)
ax.set_xlabel("noise of a trial (fT)")
for column, (label, centre, _) in enumerate(metrics.values()):
    panel = figure.add_subplot(grid[column // 2, 1 + column % 2])
    panel.hist(values[:, column], bins=20, color="0.75" if centre is None else "#56B4E9")
    if centre is not None:
        panel.axvline(centre, color="black", linewidth=1.2, label="expected")
        panel.axvline(values[:, column].mean(), color="#D55E00", linewidth=1.2, linestyle="--", label="mean")
    panel.set(xlabel=label, yticks=[])
    panel.spines[["top", "right", "left"]].set_visible(False)
    if column == 1:
        panel.legend(frameon=False, fontsize=8, loc="upper right")
ax.spines[["top", "right"]].set_visible(False)
figure.savefig(out / "meg_ctf_fieldtrip.png", dpi=100)
