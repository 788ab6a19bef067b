"""
Decoding over time, one person, and a null result
=================================================

The tutorial recording of EEGLAB: one person, 30 electrodes, 128 Hz, 80 squares that appeared at the attended of two
neighbouring places in the left visual field (40 each), and 74 presses of a button in answer.

What one learns: folds must follow how the experiment was run; accuracies stand beside chance, signed distances beside
zero; a permutation that respects the folds gives the largest accuracy that chance reaches at any time; and a null
result needs a positive control to mean something.
"""

# %%
# Trials and folds
# ----------------
# The epochs file tells where each square appeared; the continuous file of the same recording, when the button was
# pressed. Places were shown in runs of five or ten trials. Trials of one run lie next to one another and share whatever
# drifts, so that a run must not be in training and test at once: a fold is five trials in a row of either place, and
# the presses belong to the fold of their square.

from __future__ import annotations

import matplotlib.pyplot as plt
import mne
import numpy as np
from _folders import folders

from alignkit.meg import read_epochs, time_rdms

data, out = folders()
folder = data / "meg" / "eeglab"
place = read_epochs(folder / "eeglab_data_epochs_ica.set").metadata["position"].astype(int).to_numpy()
print("places in order:", "".join(map(str, place)))

raw = mne.io.read_raw_eeglab(folder / "eeglab_data.set", verbose="error").drop_channels(["EOG1", "EOG2"])
events, codes = mne.events_from_annotations(raw, verbose="error")
is_square = events[:, 2] == codes["square"]
epochs = mne.Epochs(raw, events, tmin=-0.25, tmax=0.75, baseline=(-0.2, 0), preload=True, verbose="error")
kept = epochs.selection
trial = (np.cumsum(is_square) - 1)[kept]
is_square = is_square[kept]
run_of_five = np.empty(len(place), dtype=int)
for value in (1, 2):
    run_of_five[place == value] = np.arange(np.sum(place == value)) // 5
folds = run_of_five[trial].tolist()


def labels(places: np.ndarray) -> list[str]:
    """Return what each epoch shows, given the place of each square."""
    return [f"place {places[t]}" if square else "button" for t, square in zip(trial, is_square, strict=True)]


# %%
# Accuracies and signed distances
# -------------------------------
# All pairs of the three events are decoded in windows of 50 ms: places against one another, which is the question, and
# either against the button, which is the control: if that fails, so does the method. Noise is estimated from the
# training folds. Accuracy is a share of decisions (chance is .5); the signed distance from the boundary, in standard
# deviations of the noise (chance is 0), keeps how far a trial was on the right or the wrong side.

options = {"folds": folds, "window": 0.05, "step": 0.05, "noise": "epoch"}
accuracy = time_rdms(epochs, by=labels(place), metric="decoding", **options)
signed = time_rdms(epochs, by=labels(place), metric="decoding_weighted", **options)
times = accuracy.coords["time"]
print(accuracy.provenance["methods"])
order = [f"{a} / {b}" for i, a in enumerate(accuracy.labels) for b in accuracy.labels[i + 1 :]]
between, controls = order.index("place 1 / place 2"), [order.index(f"button / place {k}") for k in (1, 2)]
of_places, of_control = accuracy.values[:, between], accuracy.values[:, controls].mean(axis=1)
print(f"places: highest {of_places.max():.3f} at {1000 * times[of_places.argmax()]:.0f} ms")
print(f"button against places: highest {of_control.max():.3f} at {1000 * times[of_control.argmax()]:.0f} ms")

# %%
# What chance reaches
# -------------------
# If places make no difference, the two runs of a fold may change their labels. There are 256 ways to do so in eight
# folds, each with the accuracies of its mirror image, so that 128 are all there are: the test is exact. The largest
# accuracy over all times, of each, is what the largest one observed is compared with, and that holds for all times
# together. How often some window would pass by itself is printed beside it.


def accuracy_of_places(swapped: np.ndarray) -> np.ndarray:
    """Return the accuracies of places over time, with the places of some folds exchanged."""
    places = np.where(swapped[run_of_five], 3 - place, place)
    return time_rdms(epochs, by=labels(places), metric="decoding", **options).values[:, between]


patterns = np.array(np.meshgrid(*[[False, True]] * 7, [False])).reshape(8, -1).T
permuted = np.array([accuracy_of_places(swapped) for swapped in patterns])
largest = permuted.max(axis=1)
p = float((largest >= of_places.max() - 1e-12).mean())
threshold = float(np.sort(largest)[int(np.ceil(0.95 * len(largest))) - 1])
by_itself = np.array([(permuted >= row).mean(axis=0).min() <= 0.05 for row in permuted]).mean()
print(f"some window passes by itself at .05 in {by_itself:.0%} of all permutations")
print(f"largest accuracy by chance, at any time: {threshold:.3f} (95 %); p of {of_places.max():.3f}: {p:.2f}")
late = (times > 0.1) & (times < 0.4)
p_late = float((permuted[:, late].mean(axis=1) >= of_places[late].mean() - 1e-12).mean())
print(f"places, mean of 100 to 400 ms: {of_places[late].mean():.3f}, p {p_late:.2f}")

# %%
# No single time passes. The mean of 100 to 400 ms lies at p = .05 by itself: a stretch that was not named beforehand
# and is one of many, which is no evidence. Nor is there evidence of no difference: with 80 decisions one accuracy has a
# standard error of .056, so that an effect of a few percent would be missed. The control is far beyond chance, so that
# the reason is not the pipeline. One person: nothing follows for others.
#
# Figure
# ------

figure, axes = plt.subplots(2, 1, figsize=(7.6, 6.0), layout="constrained", sharex=True)
curves = ((between, "place 1 / place 2", "#0072B2"), (controls, "button / either place", "#D55E00"))
for ax, rdms, chance, label in (
    (axes[0], accuracy, 0.5, "accuracy"),
    (axes[1], signed, 0.0, "signed distance (noise SD)"),
):
    for columns, name, colour in curves:
        values = rdms.values[:, np.atleast_1d(columns)].mean(axis=1)
        ax.plot(1000 * times, values, color=colour, label=name)
    ax.axhline(chance, color="0.5", linewidth=0.8)
    ax.axvline(0, color="0.5", linewidth=0.8, linestyle="--")
    ax.set(ylabel=label, xlim=1000 * times[[0, -1]])
    ax.spines[["top", "right"]].set_visible(False)
low, high = np.quantile(permuted, [0.025, 0.975], axis=0)
axes[0].fill_between(1000 * times, low, high, color="0.85", linewidth=0, label="95 % by chance, each time", zorder=0)
axes[0].axhline(threshold, color="#0072B2", linestyle=":", label="largest by chance, 95 %")
axes[0].set_ylim(0.3, 1.0)
axes[0].legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
axes[1].set_xlabel("time from the square, or from the press (ms)")
figure.savefig(out / "meg_eeglab_decoding.png", dpi=100)
