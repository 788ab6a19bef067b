"""
Which model explains people's brains?
=====================================

Three models of the same objects, twelve people, and a question: which model is better, and does that hold for new
people? A score alone does not say: it needs the noise ceiling, an interval and a test.
"""

# %%
# A simulated lab has objects with known latent dimensions, and people whose brains carry them with noise. Models that
# know 3, 6 or all 12 of the dimensions stand for networks; real ones come from :func:`alignkit.models.extract`.

from alignkit.data import simulate
from alignkit.rsa import evaluate, rdm

lab = simulate(48)
models = {f"{n} dimensions": rdm(lab.embedding[:, :n], metric="euclidean", labels=lab.labels) for n in (3, 6, 12)}
print(lab.fmri)

# %%
# RDMs can be looked at. With the objects of a category side by side, blocks along the diagonal are categories.

by_category = [label for _, label in sorted(zip(lab.categories, lab.labels, strict=True))]
models["12 dimensions"].select(by_category).plot()

# %%
# One call compares every model with every person. Stars and brackets come from exact sign flips of the people; the band
# is the noise ceiling.

result = evaluate(models, lab.fmri, generalize="subjects", rng=0)
result.plot()

# %%
# The same as tables: scores and tests against zero, then models against each other.

result.to_dataframe()

# %%

result.pairs()

# %%
# And the sentence for a Methods section.

print(result.methods_text())
