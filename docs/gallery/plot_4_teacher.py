"""
Teach features with people's answers
====================================

A linear map of a network's features, fitted to odd-one-out answers, makes them predict people. What is it worth on
objects that it has never seen? On those that it was fitted to, the score is in-sample and says little.
"""

# %%
# Features that know what people use, but weigh it wrongly, with noise channels beside.

import numpy as np

from alignkit.align import cross_validate, fit_transform
from alignkit.data import simulate
from alignkit.rsa import triplet_accuracy

lab = simulate(64, n_triplets=12_000)
rng = np.random.default_rng(0)
weights = np.geomspace(3, 0.2, lab.embedding.shape[1])
features = np.hstack([lab.embedding * weights, rng.normal(size=(64, 6))])

# %%
# Fitted to all answers: better, but in-sample.

teacher = fit_transform(features, lab.triplets, labels=lab.labels, seed=0)
before = triplet_accuracy(features, lab.triplets, n_bootstrap=0).accuracy
after = triplet_accuracy(teacher.apply(features), lab.triplets, n_bootstrap=0).accuracy
print(f"before {before:.3f}, after {after:.3f} (in-sample)")

# %%
# Held-out objects, beside a control that is fitted to answers about other objects. This is the number to report.

scores = cross_validate(features, lab.triplets, test_share=0.5, repeats=2, n_bootstrap=200, seed=0)
scores.plot()

# %%

print(scores)
