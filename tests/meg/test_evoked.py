from __future__ import annotations

import numpy as np
import pytest

from alignkit.meg import timecourse
from alignkit.meg._evoked import as_evoked, sampling_rate
from alignkit.rsa import RDM

mne = pytest.importorskip("mne")

# centres of windows: no multiples of the step of 50 ms
CENTRES = np.arange(-0.055, 0.3, 0.05)


def test_times_are_exact_and_survive_a_file(tmp_path):
    values = np.arange(16.0).reshape(2, 8)
    info = mne.create_info(["a", "b"], sampling_rate(CENTRES), "misc")
    evoked = as_evoked(values, info, CENTRES, nave=3, comment="spearman")
    np.testing.assert_allclose(evoked.times, CENTRES, atol=1e-12)
    assert (evoked.nave, evoked.comment) == (3, "spearman")
    evoked.save(tmp_path / "curves-ave.fif", verbose="error")
    (again,) = mne.read_evokeds(tmp_path / "curves-ave.fif", verbose="error")
    np.testing.assert_allclose(again.times, CENTRES, atol=1e-6)  # a file holds them as float32
    np.testing.assert_allclose(evoked.copy().crop(-0.01, 0.1).times, CENTRES[1:4], atol=1e-12)


def test_a_time_course_of_windows_keeps_its_times():
    rdms = RDM(np.random.default_rng(0).random((8, 15)), dims=["time"], coords={"time": CENTRES})
    found = timecourse(RDM(np.arange(15.0)), rdms)
    np.testing.assert_allclose(found.to_evoked().times, found.times, atol=1e-12)


@pytest.mark.parametrize("times", [[0.0], [0.0, 0.1, 0.3]])
def test_uneven_times_are_refused(times):
    with pytest.raises(ValueError, match="two or more evenly spaced samples"):
        sampling_rate(np.array(times))
