"""
92 objects in behaviour, in brains and in models
================================================

The 92 object images of Kriegeskorte et al. (2008): arrangements of them by 16 people, fMRI of early visual cortex and
of inferior temporal cortex (IT) of 15 people, and models from a plain division into animate and inanimate to a vision
transformer. Three spaces, the same objects, the same order.

What one learns: every score beside the ceiling of its own space; errors that speak of new people and new objects at
once; which of two models is better, in one space and not in another; and a measure that does not favour models with
few values.
"""

# %%
# Three spaces
# ------------
# Ceilings say how well any model could do: each person against the mean of the others (lower bound) and of all (upper).
# Means over people are compared with one another first.

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from _folders import folders

from alignkit.data import load_rsa92
from alignkit.models import extract, load
from alignkit.rsa import compare, evaluate, noise_ceiling, rdm

data, out = folders()
objects = load_rsa92(data)
spaces = {"behaviour": objects.behaviour, "IT": objects.fmri_it, "EVC": objects.fmri_evc}
ceilings = {name: noise_ceiling(people, method="spearman") for name, people in spaces.items()}
means = {name: people.mean("subject") for name, people in spaces.items()}
for name, ceiling in ceilings.items():
    print(f"{name}: {len(spaces[name])} people, ceiling {float(ceiling.lower):.3f} to {float(ceiling.upper):.3f}")
other_it = objects.human_it.mean("session").mean("subject")
between = {
    "IT, behaviour": compare(means["IT"], means["behaviour"]),
    "IT, EVC": compare(means["IT"], means["EVC"]),
    "EVC, behaviour": compare(means["EVC"], means["behaviour"]),
    "IT, IT of four other people": compare(means["IT"], other_it),
}
between = {pair: float(np.squeeze(result.values)) for pair, result in between.items()}
print(", ".join(f"{pair} {value:.3f}" for pair, value in between.items()))

# %%
# Models
# ------
# Monkeys' IT, two hand-made models and two networks, of which the transformer enters by three of its blocks. Blocks are
# shown, none is chosen: ``things_rank_encoders.py`` shows how to choose one.

models = {name: objects.models.sel(model=name) for name in ("animacy", "monkeyIT", "HMAX")}
weights = data / "weights" / "vit_small_patch14_dinov2.imgfocus_fp16.safetensors"
vit = load("timm:vit_small_patch14_dinov2", weights=weights, img_size=224)
pictures = dict(zip(objects.labels, objects.images(), strict=True))
blocks = extract(vit, pictures, layers=[0, 5, 10], progress=False)
for layer in blocks.layers:
    number = layer.rpartition(".")[2]
    models[f"ViT-S block {number}"] = rdm(blocks.array(layer), metric="correlation", labels=blocks.labels)
cnn = extract(load("efficientnet-lite0"), pictures, progress=False)
models["EfficientNet-Lite0"] = rdm(cnn.array(), metric="correlation", labels=cnn.labels)

# %%
# Scores for new people and new objects
# -------------------------------------
# Spearman's correlation favours models with tied values: of a model that says only "the same" or "different" it makes
# too much. Rho-a is its expected value under random breaking of ties. Errors come from a bootstrap of people and of
# objects, corrected for counting both twice; p-values are corrected for the number of models.

found = {
    name: evaluate(models, people, generalize="both", method="rho-a", n_bootstrap=300, rng=0)
    for name, people in spaces.items()
}
for name, result in found.items():
    low, high = result.interval
    print(f"\n{name}: ceiling {result.ceiling_lower:.3f} to {result.ceiling_upper:.3f}")
    for i, model in enumerate(result.models):
        p = result.p_zero_max[i]
        print(f"  {model:<20}{result.score[i]:+.3f} [{low[i]:+.3f}, {high[i]:+.3f}]  p {p:.2g}")
place = {model: i for i, model in enumerate(models)}
first, last = place["ViT-S block 0"], place["ViT-S block 10"]
for name in ("IT", "EVC"):
    result = found[name]
    gap, p = result.difference[last, first], result.p_pairwise_max[last, first]
    print(f"{name}: block 10 less block 0 {gap:+.3f} (p {p:.2g})")
best = {name: result.models[int(result.score.argmax())] for name, result in found.items()}
print("highest:", ", ".join(f"{model} in {name}" for name, model in best.items()))
short = {name: result.p_ceiling_max[int(result.score.argmax())] for name, result in found.items()}
print("the highest against the ceiling, p:", ", ".join(f"{name} {p:.2g}" for name, p in short.items()))
print(found["IT"].methods_text())

# %%
# The transformer's first block is its nearest to early visual cortex, and its tenth to IT; for new people and new
# objects neither difference is beyond chance. A plain division into animate and inanimate is nearer to people's
# arrangements than any network. No model reaches a ceiling, in any space.
#
# Figure
# ------

figure, axes = plt.subplots(1, 3, figsize=(11.5, 3.6), layout="constrained", sharey=True)
rows = np.arange(len(models))
for ax, (name, result) in zip(axes, found.items(), strict=True):
    ax.axvspan(result.ceiling_lower, result.ceiling_upper, color="#E69F00", alpha=0.3, linewidth=0, label="ceiling")
    ax.barh(rows, result.score, color="#0072B2", height=0.6)
    ax.hlines(rows, *result.interval, color="black", linewidth=1.2)
    ax.axvline(0, color="0.4", linewidth=0.8)
    ax.set(title=f"{name} ({len(spaces[name])} people)", xlabel="rho-a")
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_yticks(rows, list(models))
axes[0].invert_yaxis()
axes[-1].legend(frameon=False, fontsize=8, loc="lower right")
figure.savefig(out / "rsa92_behaviour_brains_models.png", dpi=100)
