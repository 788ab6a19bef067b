"""
Does it choose the odd one out as people do?
============================================

Of three objects, people leave out one. A model leaves out the one that is least like the other two. How often do they
agree, how often could they, and is the model as sure as people are?
"""

# %%
# Simulated people answered random triplets, and all of them the same hundred, which gives the ceiling.

import numpy as np
from matplotlib import pyplot as plt

from alignkit.data import simulate
from alignkit.rsa import calibration, triplet_accuracy, triplet_ceiling

lab = simulate(48, n_triplets=4000)
ceiling = triplet_ceiling(lab.repeats, rng=0)
print(ceiling)

# %%
# Models that know more and more of the latent dimensions, and one whose rows are exchanged.

order = np.random.default_rng(0).permutation(len(lab.labels))
models = {f"{n} dimensions": lab.embedding[:, :n] for n in (2, 4, 8, 12)} | {"exchanged rows": lab.embedding[order]}
found = {name: triplet_accuracy(x, lab.triplets, n_bootstrap=200, rng=0) for name, x in models.items()}

figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
axes.axvspan(ceiling.leave_one_out, ceiling.plug_in, color="0.9", label="ceiling: leave-one-out to plug-in")
for name, one in found.items():
    axes.plot([one.low, one.high], [name, name], color="C0")
    axes.plot(one.accuracy, name, "o", color="C0")
axes.axvline(1 / 3, color="0.6", linestyle=":", label="chance")
axes.set_xlabel("answers predicted (95 % interval)")
axes.legend(loc="lower right", fontsize="small")

# %%
# Exchanged rows are at chance: nothing warns of them where rows have no names. Of models near the ceiling accuracy
# cannot tell which is better. Calibration can: do answers that the model gives 80 % come 80 times in 100?

calibration(lab.embedding, lab.triplets, repeats=lab.repeats, n_bootstrap=200, rng=0).plot()
