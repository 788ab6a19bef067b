"""The M/EEG study of the demo: files as a study of one's own has them, and figures that make it worth its while."""

from __future__ import annotations

import numpy as np
import pytest
from reference.simulate import squared_distances
from scipy.stats import binomtest, rankdata, spearmanr

from alignkit._demo._meg_lab import N_OBJECTS, RECORDING, make_meg_lab
from alignkit.data import simulate
from alignkit.meg import RDMStore
from alignkit.rsa import RDM, noise_ceiling

FEW = {"n_triplets": 100, "n_held_out": 50, "n_repeats": 20, "n_two_afc": 20, "n_scanned": 1}
SMALL = {"n_subjects": 2, "n_sessions": 6, "n_channels": 12, "n_times": 8, "sfreq": 20.0, "peak_s": 0.15}


@pytest.fixture(scope="module")
def lab():
    return simulate(16, n_participants=2, image_size=16, rng=3, **FEW)


def test_the_study_is_pictures_names_and_rdms_of_two_halves(lab, tmp_path):
    study = make_meg_lab(tmp_path, lab, views=2, **SMALL, snr=2.0)
    assert {path.relative_to(study.images).as_posix() for path in study.images.rglob("*.png")} == {
        f"{label}/view_0{view}.png" for label in lab.labels for view in range(2)
    }
    assert study.held_out.read_text().split() == list(lab.split["test"])
    assert [path.name for path in study.rdms] == ["p001.zarr", "p002.zarr"]
    assert [path.name for path in study.test_rdms] == ["p001.zarr", "p002.zarr"]
    for person, paths in enumerate(zip(study.rdms, study.test_rdms, strict=True)):
        first, second = (RDMStore.open(path).rdm() for path in paths)
        np.testing.assert_allclose(first.coords["time"], study.meg.times)
        assert set(first.labels) == set(lab.labels)
        assert not np.array_equal(first.values, second.values)
        at_peak = study.meg.times.tolist().index(0.15)
        truth = study.meg.planted_of(person).select(first.labels).values[at_peak]
        for half in (first, second):
            assert spearmanr(half.values[at_peak], truth).statistic > 0.7


def test_each_half_holds_its_own_sessions(lab, tmp_path):
    study = make_meg_lab(tmp_path, lab, **SMALL, snr=50.0, session_sd=0.0)
    meg, at_peak = study.meg, 5
    sessions = list(meg.sessions(1))
    for paths, which in ((study.rdms, (0, 1, 2)), (study.test_rdms, (3, 4, 5))):
        found = RDMStore.open(paths[1]).rdm().select(lab.labels).values[at_peak]
        means = np.mean(
            [sessions[k][np.argsort(meg.condition[meg.session == k]), :, at_peak] for k in which], axis=0, dtype=float
        )
        assert np.corrcoef(found, squared_distances(means.tolist()))[0, 1] > 0.98


def test_what_is_there_is_reused_and_what_is_missing_made_anew(lab, tmp_path):
    study = make_meg_lab(tmp_path, lab, **SMALL)
    kept, lost = study.rdms[0] / "zarr.json", study.test_rdms[1]
    before, written = RDMStore.open(lost).rdm(), kept.stat().st_mtime_ns
    for path in sorted(lost.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    lost.rmdir()
    make_meg_lab(tmp_path, lab, **SMALL)
    assert kept.stat().st_mtime_ns == written
    np.testing.assert_array_equal(RDMStore.open(lost).rdm().values, before.values)


def test_a_folder_of_another_study_is_refused(lab, tmp_path):
    make_meg_lab(tmp_path, lab, **SMALL)
    with pytest.raises(ValueError, match="holds another study, which differs in snr; name another folder"):
        make_meg_lab(tmp_path, lab, **SMALL, snr=0.2)
    other = simulate(16, n_participants=2, image_size=16, rng=4, **FEW)
    with pytest.raises(ValueError, match="differs in seed, truth; name another folder"):
        make_meg_lab(tmp_path, other, **SMALL)


@pytest.mark.parametrize("n_sessions", [4, 7])
def test_sessions_that_cannot_be_halved_are_refused(lab, tmp_path, n_sessions):
    with pytest.raises(ValueError, match=rf"n_sessions must be 6, 8, 10, .*; got {n_sessions}"):
        make_meg_lab(tmp_path / "new", lab, **{**SMALL, "n_sessions": n_sessions})
    assert not (tmp_path / "new").exists()


def standardised(values):
    ranks = rankdata(values, axis=-1)
    return (ranks - ranks.mean(axis=-1, keepdims=True)) / ranks.std(axis=-1, keepdims=True)


@pytest.mark.slow
def test_the_recording_has_the_ceilings_and_people_that_it_claims(tmp_path):
    lab = simulate(N_OBJECTS, image_size=16, **FEW)
    study = make_meg_lab(tmp_path, lab)
    meg, held_out, n = study.meg, lab.split["test"], RECORDING["n_subjects"]
    at_peak = int(np.abs(meg.times - meg.peak_s[0]).argmin())
    for paths in (study.rdms, study.test_rdms):
        found = np.stack([RDMStore.open(path).rdm().select(held_out).values for path in paths])
        ceiling = noise_ceiling(RDM(found, dims=("subject", "time")), method="spearman")
        assert 0.15 < float(np.asarray(ceiling.lower)[at_peak]) < 0.3
    after = meg.times > RECORDING["onset_s"]
    measured = standardised(found[:, after])
    # the group's truth: best at the planted peak
    group = standardised(meg.planted_group.select(held_out).values[after])
    course = np.einsum("stp,tp->t", measured, group)
    assert meg.times[after][course.argmax()] == pytest.approx(RECORDING["peak_s"], abs=0.0101)
    # everybody's truth: most are named, of twelve
    planted = standardised(np.stack([meg.planted_of(s).select(held_out).values[after] for s in range(n)]))
    matrix = np.einsum("stp,mtp->sm", measured, planted)
    named = int((matrix.argmax(axis=1) == np.arange(n)).sum())
    assert binomtest(named, n, 1 / n, alternative="greater").pvalue < 1e-4
    assert (np.diag(matrix)[:, None] >= matrix).mean() > 0.9
