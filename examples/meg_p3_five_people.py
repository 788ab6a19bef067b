"""
Five people: what a group test can still say
============================================

The P3 of five people (ERP CORE; 30 electrodes, -200 to 797 ms, 128 Hz): averages of 40 rare targets and 160 frequent
non-targets, and the difference of the two, per person.

What one learns: curves of any kind go into the same tests and summaries; five people have 32 sign patterns, so that the
smallest p is .031 for a direction that was named beforehand and .0625 for none; the test says so itself; and intervals
of latencies from five people are wide.
"""

# %%
# A curve for each person
# -----------------------
# The files' comments are long formulas, so that averages are taken by position. The difference in the file is that of
# the other two, to rounding: it is no third condition, and with two conditions there is one distance and no RDM to
# compare with a model. The curve is the difference at Pz, where a P3 is expected: chosen before looking.

from __future__ import annotations

import warnings

import matplotlib.pyplot as plt
import mne
import numpy as np
from _folders import folders

from alignkit.meg import auc, cluster_test, max_test, onset, peak
from alignkit.rsa import RDM, evaluate, rdm, stack

data, out = folders()
files = [data / "meg" / "mne_misc" / f"sub-{number:03d}_ses-P3_task-P3_ave.fif" for number in range(15, 20)]
evokeds = [mne.read_evokeds(file, verbose="error") for file in files]
times, names = evokeds[0][0].times, evokeds[0][0].ch_names
differences = 1e6 * np.stack([target.data - other.data for target, other, _ in evokeds])
stored = 1e6 * np.stack([third.data for _, _, third in evokeds])
print(
    f"targets minus non-targets against the difference in the file: {np.abs(differences - stored).max():.0e} µV at most"
)
curves = differences[:, names.index("Pz")]

# %%
# Tests of five people
# --------------------
# A P3 to rare targets is positive: that direction can be tested alone. Of the 32 ways to give people's curves a sign,
# the one that was observed has the heaviest cluster, and p is 1/32: the smallest there is. The same data, tested in
# both directions, cannot reach .05 whatever they are, and a warning says so. One p of .031 by five people who all show
# it is modest evidence: it would be the same for an effect ten times the size. Inference for each person would need
# their single trials, which are not in the files.

one_sided = cluster_test(curves, times=times, tail="greater")
single_times = max_test(curves, times=times, tail="greater")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    two_sided = cluster_test(curves, times=times)
print(one_sided)
print(two_sided)
print("Warned:", *(str(one.message) for one in caught))
found = times[single_times.significant]
print(f"single times, corrected by the largest t: {1000 * found.min():.0f} to {1000 * found.max():.0f} ms")

# %%
# When, and how much
# ------------------
# Intervals resample people. The onset by a broken line is that of the group's mean, in which the people with the
# earliest and steepest rise weigh most; half of the peak is found with less spread. The area says how large the
# difference is: a mean in µV over a stretch that the literature names (300 to 600 ms), and every person's own.

first = onset(curves, times=times, rng=0)
half = onset(curves, times=times, method="fraction-of-peak", rng=0)
highest = peak(curves, times=times, unit="µV", rng=0)
area = auc(curves, times=times, tmin=0.3, tmax=0.6, unit="µV", rng=0)
for name, latency in (("onset", first), ("half of the peak", half), ("peak", highest)):
    low, high = 1000 * latency.interval
    print(f"{name}: {1000 * latency.value:.0f} ms [{low:.0f}, {high:.0f}]")
print(area)
print("each person's mean:", ", ".join(f"{value:.1f} µV" for value in area.per_subject))
print(area.methods_text())

# %%
# No p-value, with a reason
# -------------------------
# The same limit holds wherever people are compared with a model. Distances between windows of 100 ms (the correlation
# of their topographies) are an RDM for each person, and a model says that the windows of the P3 are alike and differ
# from the rest. Five people whose signs may be flipped have 32 patterns: a two-sided p is never below 2/32, so that a
# test at .05 is impossible. None is given, however well the model fits; the score, its interval and the reason are.

starts = np.arange(0.0, 0.7, 0.1)
windows = np.stack([differences[..., (times >= t) & (times < t + 0.1)].mean(axis=-1) for t in starts], axis=1)
labels = [f"{1000 * t:.0f} ms" for t in starts]
of_people = stack([rdm(one, metric="correlation", labels=labels) for one in windows], dim="subject")
late = (starts > 0.25) & (starts < 0.55)
model = RDM((late[:, None] != late).astype(float), labels=labels)
refused = evaluate({"P3": model}, of_people, method="rho-a", alternative="two-sided", rng=0)
low, high = refused.interval[:, 0]
print(f"rho-a {refused.score[0]:.2f} [{low:.2f}, {high:.2f}], p {refused.p_zero[0]}: {refused.why_zero[0]}")

# %%
# Figure
# ------

figure = plt.figure(figsize=(8.6, 5.6), layout="constrained")
grid = figure.add_gridspec(2, 2, width_ratios=(2.1, 1), height_ratios=(1.5, 1))
ax = figure.add_subplot(grid[:, 0])
ax.plot(1000 * times, curves.T, color="0.7", linewidth=0.8)
mean = curves.mean(axis=0)
ax.plot(1000 * times, mean, color="#0072B2", linewidth=1.8, label="mean of 5 people")
for test, height, colour, name in (
    (one_sided, -5.2, "#0072B2", "cluster, p = 1/32"),
    (single_times, -5.8, "#009E73", "single times, p = 1/32"),
):
    marked = np.ma.masked_where(~test.significant, np.full(len(times), height))
    ax.plot(1000 * times, marked, color=colour, linewidth=4, solid_capstyle="butt", label=name)
for latency, marker, height, name in (
    (first, "^", 0.0, "onset"),
    (half, "s", mean.max() / 2, "half of the peak"),
    (highest, "v", mean.max(), "peak"),
):
    ax.plot(1000 * latency.interval, [height, height], color="black", linewidth=1.4, zorder=4)
    ax.plot(1000 * latency.value, height, marker, color="#D55E00", markeredgecolor="black", label=name, zorder=5)
ax.axhline(0, color="0.5", linewidth=0.8)
ax.axvline(0, color="0.5", linewidth=0.8, linestyle="--")
ax.set(xlabel="time (ms)", ylabel="target minus non-target at Pz (µV)", xlim=1000 * times[[0, -1]], ylim=(-6.4, 12.5))
ax.legend(frameon=False, fontsize=8, loc="upper left")
ax.spines[["top", "right"]].set_visible(False)

ax = figure.add_subplot(grid[0, 1])
info = mne.create_info(names, 128.0, "eeg")
info.rename_channels({"FP1": "Fp1", "FP2": "Fp2"})
info.set_montage("easycap-M1")
stretch = (times >= 0.3) & (times <= 0.6)
topography = differences[..., stretch].mean(axis=(0, 2))
reach = float(np.abs(topography).max())
image, _ = mne.viz.plot_topomap(topography, info, axes=ax, cmap="RdBu_r", vlim=(-reach, reach), show=False)
ax.set_title("300 to 600 ms", fontsize=10)
figure.colorbar(image, ax=ax, label="µV", shrink=0.7)
ax = area.plot(figure.add_subplot(grid[1, 1]))
ax.set_xlabel("mean, 300 to 600 ms (µV)")
figure.savefig(out / "meg_p3_five_people.png", dpi=100)
