"""
Averages of unequal trial counts
================================

Seven averages from one person (Elekta Neuromag, 204 planar gradiometers, -50 to 300 ms) give an RDM of 21 pairs at each
time. The averages hold 5 to 254 trials each.

What one learns: a distance between averages contains their noise, so that an RDM of averages is mostly a picture of the
trial counts, before the stimulus as much as after it; how to see that, how to control for it, and why an RDM that stays
the same is no evidence of a representation that does.
"""

# %%
# RDMs from a file of averages
# ----------------------------
# A path of an ``-ave.fif`` file is enough. Each average is one "trial" of the condition that its comment names, so that
# there are no folds, and only distances within the data, which noise makes larger. The 50 ms before the stimulus are a
# short baseline, but all there is. Windows of 20 ms, one period of the mains, take out the 50 Hz that an average of 7
# trials is full of.

from __future__ import annotations

import matplotlib.pyplot as plt
import mne
import numpy as np
from _folders import folders

from alignkit.meg import time_rdms, timecourse
from alignkit.rsa import RDM

data, out = folders()
path = data / "meg" / "mne_testing" / "test_elekta-ave.fif"
options = {"picks": "grad", "metric": "sqeuclidean", "normalize": True, "baseline": (None, 0)}
rdms = time_rdms(path, window=0.02, step=0.005, **options)
print(rdms)
print(rdms.provenance["methods"])
times = rdms.coords["time"]
before, after = times < -0.01, times > 0.05

# %%
# What noise alone predicts
# -------------------------
# If trials share one noise variance, averages of :math:`n_i` and :math:`n_j` trials are :math:`\sigma^2(1/n_i + 1/n_j)`
# apart even where the brain does not tell the conditions from one another. That is a model RDM without a free parameter
# but its scale. A second model asks something about the conditions: are the three kinds of "Event 1" more alike than
# other pairs?

counts = {evoked.comment: evoked.nave for evoked in mne.read_evokeds(path, verbose="error")}
n_trials = np.array([counts[label] for label in rdms.labels])
noise = 1 / n_trials[:, None] + 1 / n_trials
np.fill_diagonal(noise, 0)
is_first = np.array([label.startswith("Event 1") for label in rdms.labels])
by_count = RDM(noise, labels=rdms.labels)
by_kind = RDM((is_first[:, None] != is_first).astype(float), labels=rdms.labels)

course = timecourse({"trial counts": by_count, "kind of event": by_kind}, rdms, ceiling=False, n_bootstrap=0)
controlled = timecourse({"kind of event": by_kind}, rdms, controls=by_count, ceiling=False, n_bootstrap=0)
unsmoothed = timecourse({"trial counts": by_count}, time_rdms(path, **options), ceiling=False, n_bootstrap=0)
of_counts, of_kind = course.mean
of_kind_alone = controlled.mean[0]
print("Spearman correlation with the RDMs, mean before 0 s and after 50 ms:")
for name, curve in (
    ("trial counts", of_counts),
    ("kind of event", of_kind),
    ("kind of event, trial counts controlled", of_kind_alone),
):
    print(f"  {name:40s}{curve[before].mean():6.2f}{curve[after].mean():6.2f}")
print(f"  trial counts, without the windows: {unsmoothed.mean.mean():.2f}")

# %%
# The counts explain nearly all of the order of the 21 distances, before the stimulus as well as after. What is left to
# the other model is there before the stimulus already (.16; .25 after), and rises and falls. With one person, one
# average per condition and no independent half of the data there is no noise ceiling and no test: nothing can be
# concluded about kinds of events.
#
# From one time to another
# ------------------------
# RDMs with times may themselves be models: each of their times is compared with each time of the data. The RDMs are
# alike at any two times, before the stimulus too. That looks like a stable representation; it is the trial counts,
# which do not change. With the counts taken out of both sides nothing is shared between the baseline and later times.
# What is shared among later times may be a response or a slow drift away from the short baseline: a second half of the
# trials would tell, and there is none.

generalization = timecourse({"RDM": rdms}, rdms, ceiling=False, n_bootstrap=0)
without_counts = timecourse({"RDM": rdms}, rdms, controls=by_count, ceiling=False, n_bootstrap=0)
shared = generalization.mean[0][np.ix_(before, after)].mean()
shared_alone = without_counts.mean[0][np.ix_(before, after)].mean()
print(f"RDMs before against after 0 s: r = {shared:.2f}; trial counts controlled: {shared_alone:.2f}")

# %%
# Figure
# ------

order = np.argsort(-n_trials)
figure = plt.figure(figsize=(8.0, 8.4), layout="constrained")
top, middle, bottom = figure.subfigures(3, 1, height_ratios=(1.0, 1.15, 1.5))

panels = {"model: trial counts": by_count}
for when in (-0.03, 0.1, 0.25):
    at = int(np.argmin(np.abs(times - when)))
    panels[f"data: {1000 * times[at]:.0f} ms"] = rdms.isel(time=at)
axes = top.subplots(1, len(panels), sharey=True)
for ax, (title, one) in zip(axes, panels.items(), strict=True):
    matrix = one.squareform()[np.ix_(order, order)]
    image = ax.imshow(matrix / matrix.max(), cmap="viridis", vmin=0, vmax=1)
    ax.set_title(title, fontsize=9)
    ax.set_xticks(range(len(order)), n_trials[order], fontsize=7, rotation=90)
    ax.set_yticks(range(len(order)), n_trials[order], fontsize=7)
axes[0].set_ylabel("trials in the average")
top.colorbar(image, ax=axes, label="distance / largest", shrink=0.8)

ax = middle.subplots()
for name, curve, colour in (
    ("trial counts", of_counts, "#0072B2"),
    ("kind of event", of_kind, "#D55E00"),
    ("kind of event, trial counts controlled", of_kind_alone, "#009E73"),
):
    ax.plot(1000 * times, curve, color=colour, label=name)
ax.axhline(0, color="0.5", linewidth=0.8)
ax.axvline(0, color="0.5", linewidth=0.8, linestyle="--")
ax.set(xlabel="time (ms)", ylabel="Spearman r, 21 pairs", ylim=(-0.2, 1.05), xlim=1000 * times[[0, -1]])
ax.legend(frameon=False, fontsize=8, loc="upper right", bbox_to_anchor=(1.0, 0.83))
ax.spines[["top", "right"]].set_visible(False)

axes = bottom.subplots(1, 2, sharey=True)
for ax, title, result in zip(
    axes, ("RDM against RDM", "trial counts controlled"), (generalization, without_counts), strict=True
):
    mesh = ax.pcolormesh(1000 * times, 1000 * times, result.mean[0], cmap="RdBu_r", vmin=-1, vmax=1)
    ax.axhline(0, color="0.3", linewidth=0.8, linestyle="--")
    ax.axvline(0, color="0.3", linewidth=0.8, linestyle="--")
    ax.set(xlabel="time (ms)", aspect="equal")
    ax.set_title(title, fontsize=10)
axes[0].set_ylabel("time (ms)")
bottom.colorbar(mesh, ax=axes, label="Spearman r, 21 pairs", shrink=0.85)
figure.savefig(out / "meg_elekta_evokeds.png", dpi=100)
