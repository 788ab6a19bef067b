"""
Fewer dimensions than sensors
=============================

One second of MEG (306 sensors, 300 Hz) after signal-space separation (SSS), which rebuilds all sensors from 69 numbers.
The noise covariance lies in a file of its own.

What one learns: whitening must stop at the 69th dimension, for what lies beyond is rounding error; epochs that know
their history tell their rank, arrays do not; distances in 306 sensors and in the 69 dimensions are the same numbers;
and what distances are to be expected where there is nothing, and with a pattern that is known.
"""

# %%
# Segments of a recording
# -----------------------
# The file of events that comes with this recording has none within its one second (the first is three seconds later),
# so that no question about stimuli can be asked of it. Thirty segments of ten samples stand in for trials. They are put
# into three conditions at random, again and again: whatever differs between these is chance.

from __future__ import annotations

import matplotlib.pyplot as plt
import mne
import numpy as np
from _folders import folders

from alignkit.meg import time_rdms

data, out = folders()
mne.set_log_level("warning")
folder = data / "meg" / "mne_testing"
raw = mne.io.read_raw_fif(folder / "sample_audvis_trunc_raw_sss.fif")
covariance = mne.read_cov(folder / "sample_audvis_trunc-cov.fif")
events = mne.read_events(folder / "sample_audvis_trunc_raw-eve.fif")
within = (events[:, 0] >= raw.first_samp) & (events[:, 0] <= raw.last_samp)
print(f"{within.sum()} of {len(events)} events lie within the recording's {raw.times[-1]:.1f} s")

segments = mne.make_fixed_length_epochs(raw, duration=10 / raw.info["sfreq"], proj=False)
segments.load_data().pick("meg")
values = segments.get_data()
kinds = np.array(segments.get_channel_types())

# %%
# The spectrum
# ------------
# Gradiometers and magnetometers are first brought to one scale. After the 69th singular value the spectrum falls by
# five orders of magnitude, to what 32-bit numbers leave. ``mne.compute_rank`` counts these too unless it is told to
# believe the recording's history (``rank="info"``), which is what alignkit does.

scaled = values / np.array([values[:, kinds == kind].std() for kind in kinds])[:, None]
flat = np.moveaxis(scaled, 1, 0).reshape(len(kinds), -1)
left, singular, _ = np.linalg.svd(flat, full_matrices=False)
rank_of_values = mne.compute_rank(raw, verbose="error")["meg"]
rank_of_history = mne.compute_rank(raw, rank="info")["meg"]
print(f"rank from the values: {rank_of_values}; from the recording's history: {rank_of_history}")
print(
    f"singular values 69 and 70: {singular[68] / singular[0]:.1e} and {singular[69] / singular[0]:.1e} of the largest"
)

# %%
# One number, in 306 sensors or in 69 dimensions
# ----------------------------------------------
# The same trials as coordinates along the 69 directions have no sensors that depend on one another. Noise estimated
# from the segments themselves (here without shrinkage, whose target depends on the coordinates) gives the same
# distances in both, up to the rounding that 32-bit numbers bring: the rank was used, and nothing else.

rng = np.random.default_rng(0)


def random_design() -> dict[str, list[str]]:
    """Return three conditions and five folds at random, two segments of a condition in each fold."""
    order = rng.permutation(len(values)).argsort()
    return {"by": [f"condition {i % 3}" for i in order], "folds": [f"fold {i // 6}" for i in order]}


def conditions_alone(design: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return the design of distances within the data, which take no folds."""
    return {"by": design["by"]}


design = random_design()
coordinates = np.einsum("cd,tcs->tds", left[:, :rank_of_history], scaled)
alike = {"metric": "sqmahalanobis", "noise": "epoch", "shrinkage": "none", **conditions_alone(design)}
in_sensors = time_rdms(segments, **alike)
in_dimensions = time_rdms(coordinates, times=segments.times, **alike)
largest_difference = np.abs(in_sensors.values / in_dimensions.values - 1).max()
print(f"rank {in_sensors.provenance['rank']} of {len(kinds)} sensors, {in_dimensions.provenance['rank']} coordinates:")
print(f"distances differ by {largest_difference:.1e} at most")

# %%
# What to expect of nothing
# -------------------------
# Means of ten segments that differ by noise alone are :math:`r\,(1/10 + 1/10)` apart in squared distance, whitened by
# the covariance of the file, with r the rank: a fifth per dimension, if the covariance is that of this second. It is
# not quite (it comes from other seconds): over random groupings of the same segments the distance is .3.
# Cross-validated distances (crossnobis) are zero on average all the same, whatever the rank and whatever the
# covariance; how far a single grouping strays says how much noise one second leaves.
#
# An array of the same numbers does not know its rank. Noise estimated from it counts 306 dimensions, 237 of which are
# rounding. The covariance of the file, which is not cut to 69 dimensions then, is refused, in one sentence.

nothing = []
for _ in range(30):
    design = random_design()
    within_data = time_rdms(segments, metric="sqmahalanobis", noise=covariance, **conditions_alone(design))
    between_folds = time_rdms(segments, metric="crossnobis", noise=covariance, **design)
    nothing.append((within_data.values.mean() / within_data.provenance["rank"], between_folds.values.mean()))
of_nothing = np.array(nothing)
(mean_within, mean_between), (spread_within, spread_between) = of_nothing.mean(axis=0), of_nothing.std(axis=0)
print(f"within the data, per dimension: {mean_within:.3f} (SD {spread_within:.3f}), 0.2 if the covariance fits")
print(f"crossnobis: {mean_between:.4f} (SD {spread_between:.4f}), expected 0")

positions = [covariance["names"].index(name) for name in segments.ch_names]
try:
    time_rdms(
        values,
        times=segments.times,
        ch_types=kinds.tolist(),
        metric="sqmahalanobis",
        noise=covariance.data[np.ix_(positions, positions)],
        noise_kind="covariance",
        **conditions_alone(design),
    )
    refusal = ""
except ValueError as error:
    refusal = str(error)
print("An array with the file's covariance:", refusal)
as_array = time_rdms(values, times=segments.times, ch_types=kinds.tolist(), **design)
print(f"rank that is taken for an array: {as_array.provenance['rank']}")

# %%
# A pattern that is known
# -----------------------
# Patterns within the 69 dimensions, added to the segments of two conditions, have distances that follow from the
# covariance alone: those of the patterns without any noise. Crossnobis distances of the sums must be these, plus what
# chance adds.

true_rows, found_rows = [], []
for size in (0.0, 2.0, 4.0, 6.0):
    patterns = np.einsum("cd,kd->kc", left[:, :rank_of_history], rng.standard_normal((3, rank_of_history)))
    patterns *= size * np.array([values[:, kinds == kind].std() for kind in kinds]) / np.sqrt(rank_of_history)
    patterns[0] = 0
    for _ in range(3):
        design = random_design()
        shown = np.array([int(label[-1]) for label in design["by"]])
        noisy = mne.EpochsArray(values + patterns[shown][:, :, None], segments.info, proj=False)
        found_rows.append(time_rdms(noisy, noise=covariance, **design).values.mean(axis=0))
        without_noise = mne.EpochsArray(np.repeat(patterns[:, :, None], 2, axis=2), segments.info, proj=False)
        truth = time_rdms(without_noise, by=sorted(set(design["by"])), metric="sqmahalanobis", noise=covariance)
        true_rows.append(truth.values[0] / len(kinds))
true, found = np.array(true_rows), np.array(found_rows)
slope = float((true * found).sum() / (true**2).sum())
print(f"planted and found crossnobis: slope {slope:.3f}, r = {np.corrcoef(true.ravel(), found.ravel())[0, 1]:.3f}")

# %%
# Figure
# ------

figure, axes = plt.subplots(1, 3, figsize=(9.6, 3.4), layout="constrained")
ax = axes[0]
ax.semilogy(np.arange(1, len(singular) + 1), singular / singular[0], color="black", linewidth=1.2)
for rank, colour, name in ((rank_of_history, "#0072B2", "history"), (rank_of_values, "#D55E00", "values")):
    ax.axvline(rank, color=colour, linewidth=1.2, linestyle="--", label=f"rank from {name}: {rank}")
ax.set(xlabel="dimension", ylabel="singular value / largest", ylim=(1e-10, 3))
ax.legend(frameon=False, fontsize=8, loc="upper right", bbox_to_anchor=(0.93, 0.85))

ax = axes[1]
for column, place, colour in ((0, 0, "#D55E00"), (1, 1, "#0072B2")):
    jitter = rng.uniform(-0.15, 0.15, len(of_nothing))
    ax.plot(place + jitter, of_nothing[:, column], ".", color=colour, markersize=4, alpha=0.7)
ax.hlines([0.2, 0], [-0.3, 0.7], [0.3, 1.3], color="black", linewidth=1.2, label="noise as in the file")
ax.set_xticks([0, 1], ["within the data,\nper dimension", "crossnobis"])
ax.set(ylabel="squared distance of nothing", xlim=(-0.5, 1.5))
ax.legend(frameon=False, fontsize=8, loc="upper right")

ax = axes[2]
ax.plot(true.ravel(), found.ravel(), "o", color="#0072B2", markersize=4, alpha=0.7)
ax.axline((0, 0), slope=1, color="black", linewidth=0.8, label="equal")
ax.set(xlabel="crossnobis planted", ylabel="crossnobis found")
ax.legend(frameon=False, fontsize=8, loc="upper left")
for ax in axes:
    ax.spines[["top", "right"]].set_visible(False)
figure.savefig(out / "meg_sss_rank.png", dpi=100)
