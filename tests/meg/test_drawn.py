from __future__ import annotations

import numpy as np
import pytest

from alignkit.meg import auc, bayes_factors, cluster_test, max_test, onset, peak, tfce_test, variance_partition
from alignkit.rsa import RDM

mne = pytest.importorskip("mne")

TIMES = np.linspace(-0.1, 0.4, 26)


def curves(rng):
    return rng.normal(size=(8, 26)) + 5 * np.exp(-(((TIMES - 0.2) / 0.05) ** 2))


def parts(values, times):
    rng = np.random.default_rng(0)
    models = {"a": rng.random(10), "b": rng.random(10)}
    return variance_partition(models, RDM(rng.random((3, 2, 10)), dims=["subject", "time"]))


CASES = {
    "Onset": lambda x, t: onset(x, times=t, rng=0),
    "Peak": lambda x, t: peak(x, times=t, rng=0),
    "Area under the curve": lambda x, t: auc(x, times=t, rng=0),
    "Cluster test": lambda x, t: cluster_test(x, times=t, rng=0),
    "Test of the largest statistic": lambda x, t: max_test(x, times=t, rng=0),
    "Threshold-free cluster enhancement": lambda x, t: tfce_test(x, times=t, rng=0),
    "Bayes factors": lambda x, t: bayes_factors(x, times=t),
    "Parts of variance": parts,
}


@pytest.mark.parametrize("title", CASES)
def test_every_result_with_a_figure_goes_into_a_report(rng, title):
    from matplotlib import pyplot as plt

    found = CASES[title](curves(rng), TIMES)
    before = plt.get_fignums()
    report = mne.Report(verbose=False)
    found.add_to_report(report, tags=("rsa",))
    found.add_to_report(report, title="my own")
    assert plt.get_fignums() == before
    assert title in report.html[0]
    assert "my own" in report.html[1]
    assert found.methods_text()[:40] in report.html[0]
