from __future__ import annotations

import numpy as np
import pytest
from matplotlib import pyplot as plt

from alignkit.meg import cluster_test
from alignkit.rsa import RDM, evaluate

NASTY = "<script>alert(1)</script>"


@pytest.fixture
def found():
    values = np.random.default_rng(0).random((5, 28))
    people = RDM(values, dims=["subject"])
    models = RDM(values[:2], dims=["model"], coords={"model": [NASTY, "two"]})
    return evaluate(models, people, n_bootstrap=20, rng=0, progress=False)


def test_an_evaluation_adds_its_figure_its_words_and_its_table(found):
    mne = pytest.importorskip("mne")
    before = plt.get_fignums()
    report = mne.Report(verbose="error")
    found.add_to_report(report, tags=("rsa",), section="Models")
    assert plt.get_fignums() == before
    html = "".join(report.html)
    for shown in (found.methods_text()[:40], "Models beside the noise ceiling: all numbers", f"{found.score[1]:.4g}"):
        assert shown in html
    assert NASTY not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_what_is_no_report_is_refused_and_no_figure_stays_open(found):
    before = plt.get_fignums()
    for result in (found, cluster_test(np.random.default_rng(0).normal(size=(6, 4)), times=np.arange(4) / 10, rng=0)):
        with pytest.raises(TypeError, match=r"report must be an mne\.Report; got 3"):
            result.add_to_report(3)
    assert plt.get_fignums() == before
