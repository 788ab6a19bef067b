"""
Distances across 44 people: when categories part
================================================

Averaged EEG responses (63 electrodes, -100 to 1000 ms, 250 Hz) of 46 people to five categories of objects: animals,
bodies, food, tools, vehicles. There is one average per person and category and no single trial.

What one learns: people can be the folds of a cross-validation, and distances across people are zero where nobody's
response is anybody else's; how an onset and a peak get intervals without using anybody twice; that a noise ceiling of
distances within people is high even before the stimulus, when the noise differs between conditions; and what a test of
clusters does and does not say.
"""

# %%
# The data
# --------
# Numbers are stored with 16 bits and are converted first. Two people are NaN throughout: they are left out, and said to
# be. The unit of the amplitudes is not known ("units" below).

from __future__ import annotations

import matplotlib.pyplot as plt
import mne
import numpy as np
from _folders import folders

from alignkit.meg import cluster_test, onset, peak, time_rdms, timecourse
from alignkit.rsa import RDM

data, out = folders()
with np.load(data / "eeg_erp5" / "things_eeg_erp5.npz", allow_pickle=False) as file:
    erps, times = file["erp"].astype(np.float64), file["time"]
    channels, categories = file["channels"].tolist(), file["categories"].tolist()
missing = np.isnan(erps).any(axis=(1, 2, 3))
print(f"{missing.sum()} of {len(erps)} people hold NaN and are left out: {np.flatnonzero(missing).tolist()}")
erps = erps[~missing]
n_people = len(erps)
before = times < 0

# %%
# Distances across people
# -----------------------
# Each person is a fold: the distance of two categories is the mean, over all pairs of people, of the product of one
# person's difference with the other's. It is zero on average where people have nothing in common, and it can be
# negative. The jackknife (all of it again without each person in turn) gives the standard error.


def across_people(of: np.ndarray, when: np.ndarray = times, picks: list[int] | None = None) -> RDM:
    """Return squared distances per channel across people, of averages (people, categories, channels, times)."""
    return time_rdms(
        of.reshape(-1, *of.shape[2:]),
        by=categories * len(of),
        folds=np.repeat(np.arange(len(of)), len(categories)).tolist(),
        times=when,
        ch_types="eeg",
        picks=picks,
        metric="sqeuclidean_cv",
        normalize=True,
    )


rdms = across_people(erps)
mean = rdms.values.mean(axis=1)
without_one = np.stack([across_people(np.delete(erps, i, axis=0)).values.mean(axis=1) for i in range(n_people)])
error = np.sqrt((n_people - 1) * without_one.var(axis=0))
base_error = np.sqrt((n_people - 1) * without_one[:, before].mean(axis=1).var())
print(f"before 0 s: mean distance {mean[before].mean():.4f} units² (SE {base_error:.4f})")
peak_time = float(times[mean.argmax()])
print(f"highest: {mean.max():.3f} units² (SE {error[mean.argmax()]:.3f}) at {1000 * peak_time:.0f} ms")

rows, columns = np.triu_indices(len(categories), k=1)
with_body = np.array(["body" in (rdms.labels[i], rdms.labels[j]) for i, j in zip(rows, columns, strict=True)])
at_peak = rdms.values[mean.argmax()]
print(f"then, pairs with body: {at_peak[with_body].mean():.2f}; the other six: {at_peak[~with_body].mean():.2f} units²")

# %%
# The four pairs with bodies are fourteen times as far apart as the other six: what the mean shows is that bodies differ
# from all else.
#
# Onset and peak, with nobody used twice
# --------------------------------------
# Curves of single people are needed for tests and bootstraps. A person's product with the mean of *all others* will not
# do: everybody is in everybody else's mean, so that the curves are correlated (by 1/(n - 1) where there is nothing),
# and the variance of their mean is twice what a test of independent people takes it to be. So one half of the people
# makes the pattern, and the other half is measured against it.

maker = np.arange(n_people) % 2 == 0
differences = erps[:, rows] - erps[:, columns]
pattern = differences[maker].mean(axis=0)
curves = (differences[~maker] * pattern).mean(axis=(1, 2))
test = cluster_test(curves, times=times, tail="greater", rng=0)
first = onset(curves, times=times, tmax=0.3, rng=0)
half = onset(curves, times=times, tmax=0.3, method="fraction-of-peak", rng=0)
highest = peak(curves, times=times, unit="units²", rng=0)
print(test, first, half, highest, sep="\n")
print(highest.methods_text())

# %%
# The test says that there is an effect, somewhere: not from when to when, which is why onset and peak are estimates of
# their own. The onset depends on the rule. Where a straight flank begins is uncertain (the rise begins slowly); half of
# the peak is a well-defined point of it. These are latencies of the group's mean curve for these 22 people's pattern.
#
# Within people: a ceiling that is not one
# ----------------------------------------
# With one average per category, each person has RDMs of their own, from distances within the data. Models are compared
# with each person and then averaged; the noise ceiling says how well people's RDMs agree. For squared distances the
# ceiling is above .6 *before the stimulus*, and a model of bodies against the rest nearly reaches it there: bodies have
# noisier averages (fewer trials, presumably), and noise adds to distances. All people share that. It is no
# representation. Correlation distances hardly depend on the amount of noise: nothing before the stimulus, and a ceiling
# that rises with the response. Look at the ceiling of the baseline first.

is_body = np.array([name == "body" for name in categories])
is_animate = np.array([name in ("animal", "body") for name in categories])
models = {
    "body": RDM((is_body[:, None] != is_body).astype(float), labels=categories),
    "animacy": RDM((is_animate[:, None] != is_animate).astype(float), labels=categories),
}
courses, tests = {}, {}
for metric in ("sqeuclidean", "correlation"):
    people = [time_rdms(one, by=categories, times=times, ch_types="eeg", metric=metric) for one in erps]
    course = timecourse(models, people, rng=0)
    tests[metric] = {name: cluster_test(course, model=name, tail="greater", rng=0) for name in models}
    courses[metric] = course
    late = (times >= 0.15) & (times < 0.25)
    print(
        f"{metric}: ceiling (lower) {course.lower[before].mean():.2f} before 0 s, {course.lower[late].mean():.2f} late"
    )
    for name, curve in zip(course.models, course.mean, strict=True):
        p = tests[metric][name].p_cluster.min(initial=1.0)
        print(f"  {name}: r {curve[before].mean():.2f} before 0 s, {curve[late].mean():.2f} late, cluster p {p:.2g}")

# %%
# By correlation distances bodies part from the rest, by a third of what people agree on, and there is no evidence of
# animacy: animals are no nearer to bodies than food is. Ten pairs of five categories are few. That other models fail
# does not follow.
#
# Where on the head
# -----------------
# The same distance for each electrode alone, at the peak. A map says where the differences are measured, not where in
# the brain they arise.

at = slice(int(mean.argmax()), int(mean.argmax()) + 1)
by_channel = np.array([across_people(erps[..., at], times[at], picks=[i]).values.mean() for i in range(len(channels))])
order = by_channel.argsort()[::-1]
print("largest at", ", ".join(f"{channels[i]} ({by_channel[i]:.2f})" for i in order[:4]))

# %%
# Figure
# ------

body, rest, blue = "#D55E00", "#009E73", "#0072B2"
figure = plt.figure(figsize=(8.6, 8.2), layout="constrained")
top, bottom = figure.subfigures(2, 1, height_ratios=(1.15, 1))
axes = top.subplots(2, 2, width_ratios=(1.9, 1), sharex="col")

ax = axes[0, 0]
ax.fill_between(1000 * times, mean - 1.96 * error, mean + 1.96 * error, color=blue, alpha=0.25, linewidth=0)
ax.plot(1000 * times, mean, color=blue, label="mean of 10 pairs, 95 % (jackknife)")
ax.plot(1000 * times, rdms.values[:, with_body].mean(axis=1), color=body, linewidth=1, label="4 pairs with bodies")
ax.plot(1000 * times, rdms.values[:, ~with_body].mean(axis=1), color=rest, linewidth=1, label="6 others")
ax.set_title(f"distance across {n_people} people", fontsize=10)
ax.set_ylabel("units²")
ax.legend(frameon=False, fontsize=8, loc="upper right")

ax = axes[1, 0]
ax.plot(1000 * times, curves.T, color="0.75", linewidth=0.5, zorder=0)
ax.plot(1000 * times, curves.mean(axis=0), color=blue)
low = -1.1
marked = np.ma.masked_where(~test.significant, np.full(len(times), low))
ax.plot(1000 * times, marked, color=blue, linewidth=4, solid_capstyle="butt", label="in a significant cluster")
for found, marker, name in ((first, "^", "onset"), (half, "s", "half of the peak"), (highest, "v", "peak")):
    height = {"^": 0.0, "s": curves.mean(axis=0).max() / 2, "v": curves.mean(axis=0).max()}[marker]
    ax.plot(1000 * found.interval, [height, height], color="black", linewidth=1.4, zorder=4)
    ax.plot(1000 * found.value, height, marker, color=body, markeredgecolor="black", label=name, zorder=5)
ax.set_title(f"{len(curves)} people against the pattern of the other {maker.sum()}", fontsize=10)
ax.set(xlabel="time (ms)", ylabel="units²", ylim=(-1.4, 3.6), xlim=1000 * times[[0, -1]])
ax.legend(frameon=False, fontsize=8, loc="upper right", ncols=2)
for ax in axes[:, 0]:
    ax.axhline(0, color="0.5", linewidth=0.8)
    ax.axvline(0, color="0.5", linewidth=0.8, linestyle="--")
    ax.spines[["top", "right"]].set_visible(False)

grid = axes[0, 1].get_gridspec()
for ax in axes[:, 1]:
    ax.remove()
ax = top.add_subplot(grid[:, 1])
info = mne.create_info(channels, 250.0, "eeg")
info.set_montage("easycap-M1")
image, _ = mne.viz.plot_topomap(by_channel, info, axes=ax, cmap="viridis", vlim=(0, by_channel.max()), show=False)
ax.set_title(f"each electrode, {1000 * peak_time:.0f} ms", fontsize=10)
top.colorbar(image, ax=ax, label="distance across people (units²)", shrink=0.6, location="bottom")

axes = bottom.subplots(1, 2)
for ax, (metric, course) in zip(axes, courses.items(), strict=True):
    course.plot(ax, significance=tests[metric])
    ax.set_title(f"within people: {metric}", fontsize=10)
    ax.get_legend().remove()
    ax.set_ylim(-0.35, 0.9)
axes[1].set_ylabel("")
axes[1].legend(*axes[1].get_legend_handles_labels(), frameon=False, fontsize=8, loc="upper right")
figure.savefig(out / "meg_categories_44_people.png", dpi=100)
