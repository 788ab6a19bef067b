"""
When does the brain look like a model?
======================================

M/EEG gives an RDM every few milliseconds. A model's time course says when the brain's geometry is the model's, and
needs a ceiling at every time, since the data are better at some times than at others.
"""

# %%
# Six simulated people saw 16 objects in four sessions. A low-level and a high-level geometry were planted, with known
# onsets and peaks; sessions are the folds, so that distances are unbiased.

from alignkit.data import simulate
from alignkit.meg import cluster_test, onset, peak, time_rdms, timecourse

lab = simulate(16, n_triplets=200)
meg = lab.meg(n_subjects=6, n_sessions=4)
people = [time_rdms(meg.epochs(subject=s), by="object", folds="session_nr", metric="crossnobis") for s in range(6)]
print(people[0])

# %%
# Curves with intervals over people, and the ceiling as a band.

course = timecourse({"low": meg.low, "high": meg.high}, people, rng=0)
course.plot(significance={"high": cluster_test(course, model="high", rng=0)})

# %%
# Onset and peak with intervals. Clusters say that there is something, and not when it begins.

print(onset(course, model="high", rng=0))
print(peak(course, model="high", rng=0))

# %%
# RDMs at single times.

people[0].sel(time=0.15, tolerance=1e-6).plot()
