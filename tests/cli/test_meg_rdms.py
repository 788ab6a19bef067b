"""``alignkit meg rdms``: what time_rdms returns, from files of epochs; kill and resume; one sentence for bad input."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from alignkit.data import simulate
from alignkit.meg import RDMStore, TimeCourse, read_things_meg, time_rdms, timecourse
from alignkit.rsa import RDM, rdm

mne = pytest.importorskip("mne")

THINGS = ("--epochs", "preprocessed_P1-epo.fif", "--by", "things_category_nr", "--folds", "session_nr")


@pytest.fixture(scope="session")
def recording(tmp_path_factory) -> Path:
    """Files of 16 concepts shown in 4 sessions, with test and catch trials, in two parts."""
    folder = tmp_path_factory.mktemp("things")
    meg = simulate(16, n_participants=2, n_dimensions=8).meg(n_subjects=1, n_sessions=4, n_channels=8, snr=0.3)
    meg.write_things(folder, n_test=3, n_catch=2, split_size=150_000)
    return folder


@pytest.fixture
def things(here, recording) -> Path:
    for path in recording.iterdir():
        shutil.copy(path, here)
    return here


def epochs():
    return read_things_meg("preprocessed_P1-epo.fif")


def test_decoding_of_things_epochs_without_test_and_catch_trials(run, things):
    code, out, err = run("meg", "rdms", *THINGS, "--metric", "decoding", "--out", "p1.zarr", "--no-progress")
    assert (code, err) == (0, "")
    expected = time_rdms(epochs(), by="things_category_nr", folds="session_nr", metric="decoding")
    store = RDMStore.open("p1.zarr")
    np.testing.assert_array_equal(store.rdm().values, expected.values)
    assert store.labels == tuple(str(i) for i in range(1, 17))
    mean = expected.values.mean(axis=1)
    assert "THINGS-MEG: 64 of" in out
    assert "trials: 64, 4 of each condition, in 4 folds" in out
    assert "channels: 8 mag (rank 8)" in out
    assert "noise: covariance of the trials outside each fold, at each time (shrinkage: ledoit-wolf)" in out
    assert f"highest {mean.max():.4g} at {expected.coords['time'][mean.argmax()]:g} s" in out
    assert "chance: 0.5 (accuracy)" in out
    assert out.endswith("saved to p1.zarr\n")


def test_things_concepts_by_name_meet_the_models_labels(run, fails, things):
    """Model RDMs are labelled by what THINGS calls its concepts, in another order than the recording's numbers."""
    lab = simulate(16, n_participants=2, n_dimensions=8)
    order = np.argsort(lab.labels[::-1])
    features = np.random.default_rng(0).standard_normal((16, 5))
    rdm(features[order], labels=np.array(lab.labels)[order], metric="euclidean").save("model.npz")
    by_name = ("meg", "rdms", *THINGS[:3], "concept", *THINGS[4:], "--metric", "sqeuclidean_cv", "--no-progress")
    assert run(*by_name, "--out", "p1.zarr")[0] == 0
    numbers = time_rdms(epochs(), by="things_category_nr", folds="session_nr", metric="sqeuclidean_cv")
    found = RDM.load("p1.zarr")
    assert set(found.labels) == set(lab.labels)
    np.testing.assert_allclose(found.select(lab.labels).values, numbers.values, rtol=1e-11)
    expected = timecourse(rdm(features, labels=lab.labels, metric="euclidean"), found).similarity
    assert run("meg", "timecourse", "--models", "model.npz", "--data", "p1.zarr", "--out", "r.json")[0] == 0
    np.testing.assert_allclose(TimeCourse.load("r.json").similarity, expected, atol=1e-14)
    code, out, err = run(*by_name, "--query", "trial_type == 'test'", "--out", "test.npz")
    assert (code, err, out.partition(" ")[0]) == (0, "", "<RDM")  # mne says nothing of the column
    assert len(RDM.load("test.npz").labels) == 3
    assert run("meg", "rdms", *THINGS, "--metric", "sqeuclidean_cv", "--out", "numbers.zarr")[0] == 0
    said = fails("meg", "timecourse", "--models", "model.npz", "--data", "numbers.zarr")
    assert "calls its items by number ('1', '2', '3' and 13 more)" in said
    assert said.endswith("(THINGS-MEG: `alignkit meg rdms` --by concept, `alignkit meg import` --labels).")


@pytest.mark.filterwarnings("always:decim")
def test_every_option_reaches_the_function(run, things):
    words = ("--metric", "sqeuclidean_cv", "--cv", "fold-pairs", "--normalize", "--noise", "none", "--window", "0.02")
    words += ("--step", "0.02", "--window-mode", "concat", "--pseudo-trials", "1", "--pseudo-repeats", "2")
    words += ("--tmin", "-0.05", "--tmax", "0.3", "--baseline", "-0.1", "none", "--decim", "2", "--seed", "3")
    words += ("--picks", "mag", "--query", "trial_type == 'exp'", "--dtype", "float32", "--memory", "20 MB")
    code, out, _ = run("meg", "rdms", *THINGS, *words, "--out", "a.npz")
    assert code == 0
    options = {"by": "things_category_nr", "folds": "session_nr", "metric": "sqeuclidean_cv", "cv": "fold-pairs"}
    options |= {"normalize": True, "noise": None, "window": 0.02, "step": 0.02, "window_mode": "concat"}
    options |= {"pseudo_trials": 1, "pseudo_repeats": 2, "tmin": -0.05, "tmax": 0.3, "baseline": (-0.1, None)}
    options |= {"decim": 2, "picks": "mag", "dtype": "float32", "rng": 3}
    with pytest.warns(RuntimeWarning, match="aliased"):
        expected = time_rdms(epochs(), **options)
    found = RDM.load("a.npz")
    np.testing.assert_array_equal(found.values, expected.values)
    np.testing.assert_array_equal(found.coords["time"], expected.coords["time"])
    assert "none (channels were not whitened)" in out
    assert "THINGS-MEG" not in out  # the query chose the trials


def test_options_of_slow_metrics_reach_the_function(run, things, monkeypatch):
    found = {}

    def note(data, **options):
        found.update(options)
        return time_rdms(data, by="things_category_nr", metric="cosine")

    monkeypatch.setattr("alignkit.meg.time_rdms", note)
    words = ("--metric", "decoding", "--covariance", "pairwise", "--ridge", "0.1", "--variance-floor", "0.2")
    assert run("meg", "rdms", *THINGS, *words)[0] == 0
    assert (found["covariance"], found["ridge"], found["variance_floor"]) == ("pairwise", 0.1, 0.2)
    assert (found["noise"], found["picks"], found["baseline"], found["out"]) == ("auto", None, None, None)


def test_noise_from_files(run, things):
    covariance = mne.compute_covariance(epochs().load_data(), tmax=0.0, verbose="error")
    covariance.save("noise-cov.fif", verbose="error")
    np.save("noise.npy", covariance.data)
    options = {"by": "things_category_nr", "folds": "session_nr"}
    assert run("meg", "rdms", *THINGS, "--noise", "noise-cov.fif", "--out", "a.npz")[0] == 0
    np.testing.assert_array_equal(RDM.load("a.npz").values, time_rdms(epochs(), noise=covariance, **options).values)
    code, out, _ = run("meg", "rdms", *THINGS, "--noise", "noise.npy", "--noise-kind", "covariance", "--out", "b.npz")
    assert code == 0
    assert "noise: given covariance" in out
    expected = time_rdms(epochs(), noise=covariance.data, noise_kind="covariance", **options)
    np.testing.assert_array_equal(RDM.load("b.npz").values, expected.values)
    words = ("--noise", "baseline", "--noise-from", "all", "--shrinkage", "0.3", "--out", "c.npz")
    assert "of all folds, mean over the baseline (shrinkage: 0.3)" in run("meg", "rdms", *THINGS, *words)[1]


def test_sessions_in_files_of_other_formats_are_folds(run, here):
    rng = np.random.default_rng(0)
    data = rng.standard_normal((5, 3, 4, 10))  # images, repetitions, channels, times
    for name in ("one.npz", "two.npz"):
        np.savez(name, preprocessed_eeg_data=data, ch_names=list("abcd"), times=np.arange(-2, 8) / 10)
        data = data + rng.standard_normal(data.shape)
    words = ("--epochs", "one.npz", "two.npz", "--by", "image", "--folds", "file", "--metric", "decoding")
    code, out, _ = run("meg", "rdms", *words)
    assert code == 0
    assert "<RDM 5 items (1, 2, 3, ...), time: 10, metric: decoding>" in out
    assert "in 2 folds" in out
    assert "saved" not in out


@pytest.mark.filterwarnings("always")
def test_undefined_values_are_counted(run, here):
    data = np.random.default_rng(0).standard_normal((12, 4, 6))
    data[:3, :, 2] = 1.0  # a pattern without any variance over channels
    events = np.stack([np.arange(12), np.zeros(12, int), np.repeat([1, 2, 3, 4], 3)], axis=1)
    info = mne.create_info(4, 100.0, "eeg")
    mne.EpochsArray(data, info, events, tmin=0.0, verbose="error").save("flat-epo.fif", verbose="error")
    code, out, err = run("meg", "rdms", "--epochs", "flat-epo.fif", "--metric", "correlation", "--no-progress")
    assert code == 0
    assert "NaN: 3 of 36 values" in out
    assert "mean over pairs: highest" in out
    assert "'1'" in err
    assert err.count("\n") == 1


RUN = """
import os, signal, sys
from alignkit.cli import main
from alignkit.meg import RDMStore, _rdms_over_time

limit, first = int(sys.argv.pop(1)), RDMStore.write
_rdms_over_time._STEP = 8
written = []

def write(store, start, values):
    first(store, start, values)
    written.append(start)
    if len(written) == limit:
        os.kill(os.getpid(), signal.SIGKILL)

RDMStore.write = write
code = main(sys.argv[1:])
print(len(written))
sys.exit(code)
"""


def test_a_killed_run_goes_on_with_the_same_bits(run, shell, things):
    def start(limit: int) -> subprocess.CompletedProcess[str]:
        words = ("meg", "rdms", *THINGS, "--metric", "crossnobis", "--out", "p1.zarr")
        return shell(str(limit), *words, code=RUN, env={"OMP_NUM_THREADS": "1"})

    assert start(3).returncode == -9
    done = RDMStore.open("p1.zarr").done
    assert done[:24].all()
    assert not done[24:].any()
    again = start(-1)
    assert again.returncode == 0, again.stderr
    assert again.stdout.split()[-1] == "5"  # of 8 stretches
    assert "RDMs over time" in again.stderr  # the bar
    assert run("meg", "rdms", *THINGS, "--metric", "crossnobis", "--out", "whole.npz")[0] == 0
    np.testing.assert_array_equal(RDMStore.open("p1.zarr").rdm().values, RDM.load("whole.npz").values)


def test_another_computation_is_refused_or_replaced(run, things):
    assert run("meg", "rdms", *THINGS, "--out", "p1.zarr")[0] == 0
    code, _, err = run("meg", "rdms", *THINGS, "--tmax", "0.2", "--out", "p1.zarr", "--no-progress")
    assert code == 2
    assert err.startswith("error: p1.zarr holds another computation (60 times")
    assert err.endswith("choose another name, or replace it with --overwrite.\n")
    assert err.count("\n") == 1
    assert run("meg", "rdms", *THINGS, "--tmax", "0.2", "--out", "p1.zarr", "--overwrite")[0] == 0
    assert len(RDMStore.open("p1.zarr")) == 31


def test_of_a_finished_store_nothing_is_left_to_do(run, things):
    assert run("meg", "rdms", *THINGS, "--out", "p1.zarr")[1].endswith("saved to p1.zarr\n")
    code, out, err = run("meg", "rdms", *THINGS, "--out", "p1.zarr")
    assert (code, err) == (0, "")  # no bar of nothing
    assert out.endswith("p1.zarr was finished: nothing left to do\n")
    assert run("meg", "rdms", *THINGS, "--out", "p1.zarr", "--overwrite")[1].endswith("saved to p1.zarr\n")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--folds", "nope"), "--folds nope must be a column of the metadata; preprocessed_P1-epo.fif has only"),
        (("--by", "nope"), "--by nope must be a column of the metadata"),
        (("--metric", "correlation"), "--folds is only for the metrics 'crossnobis'"),
        (("--out", "x.txt"), "the suffix of --out must be one of '.zarr', '.npz'; got '.txt'."),
        (("--out", "no/x.zarr"), "the folder no of --out does not exist; create it first."),
        (("--out", "preprocessed_P1-epo.fif"), "--out preprocessed_P1-epo.fif is also an input and would be"),
        (
            ("--tmin", "5"),
            "--tmin 5.0, no --tmax and --decim 1 keep no sample; the data goes from -0.1 to 0.49 s (times",
        ),
        (("--tmin", "0.4", "--tmax", "0.2"), "--tmin must not lie after --tmax; got 0.4 and 0.2."),
        (
            ("--baseline", "3", "4"),
            "--baseline 3.0 4.0 lies outside the data, which goes from -0.1 to 0.49 s; times are in",
        ),
        (("--baseline", "0"), "--baseline takes two times in seconds (none: the first or the last sample); got 1."),
        (("--baseline", "a", "b"), "--baseline takes two times in seconds"),
        (("--picks", "eeg"), "--picks eeg "),
        (("--query", "things_category_nr == 1"), "has 1 condition(s); at least 2 are needed (--by names"),
        (("--query", "foo == 1"), "--query 'foo == 1' cannot be evaluated on the metadata"),
        (("--query", "image_nr < 0"), "--query 'image_nr < 0' keeps none of the"),
        (
            ("--noise", "tim"),
            "--noise must be one of 'auto', 'time', 'epoch', 'baseline', 'none', 'a file'; got 'tim'; "
            "did you mean time?",
        ),
        (("--noise", "no-cov.fif"), "no-cov.fif does not exist."),
        (("--noise", "preprocessed_P1-epo.fif"), "preprocessed_P1-epo.fif cannot be read as a covariance of MNE's"),
        (("--shrinkage", "x"), "--shrinkage must be one of 'ledoit-wolf', 'none'; got 'x'."),
        (("--shrinkage", "2"), "--shrinkage must lie between 0 and 1"),
        (("--by", "image_nr"), "no condition has two trials. Pass --noise none, or a noise covariance"),
        (("--memory", "lots"), "--memory must be a number of bytes or a text such as '1 GB'"),
        (("--window", "-1"), "--window must be a finite number above 0; got -1.0."),
        (("--window", "10"), "--window 10.0 is longer than the data"),
        (("--step", "0.1"), "--step is from one --window to the next"),
        (("--pseudo-trials", "0"), "--pseudo-trials must be at least 1; got 0."),
        (("--decim", "0"), "--decim must be at least 1; got 0."),
        (("--covariance", "pairwise"), "--covariance is only for --metric decoding; got --metric crossnobis."),
        (("--variable", "ft"), "variable"),
    ],
)
def test_bad_options_are_said_in_one_sentence(fails, things, words, expected):
    assert expected in fails("meg", "rdms", *THINGS, *words, "--no-progress")


def test_bad_files_are_said_in_one_sentence(fails, things):
    assert fails("meg", "rdms", "--epochs", "no-epo.fif") == "no-epo.fif does not exist."
    assert fails("meg", "rdms", "--epochs", ".") == ". is a directory; a file is expected."
    assert fails("meg", "rdms") == "--epochs PATH ... is required."
    twice = ("--epochs", "preprocessed_P1-epo.fif", "preprocessed_P1-epo.fif")
    assert fails("meg", "rdms", *twice).startswith("--epochs names the same file twice: 'preprocessed_P1-epo.fif'")
    later = next(Path().glob("*-epo-1.fif"))
    assert "is a later part of preprocessed_P1-epo.fif" in fails("meg", "rdms", "--epochs", later)
    later.unlink()
    assert "is split and goes on in" in fails("meg", "rdms", *THINGS)
    Path("broken-epo.fif").write_bytes(b"nothing")
    assert "broken-epo.fif" in fails("meg", "rdms", "--epochs", "broken-epo.fif")
    np.save("plain.npy", np.zeros((3, 4, 5)))
    assert "it holds an array of numbers" in fails("meg", "rdms", "--epochs", "plain.npy")
    assert "got the suffix '.csv'" in fails("meg", "rdms", "--epochs", "sample_attributes_P1.csv")


def test_epochs_without_metadata(fails, run, here):
    info, events = (
        mne.create_info(3, 100.0, "eeg"),
        np.stack([np.arange(8), np.zeros(8, int), np.arange(8) % 4], axis=1),
    )
    data = np.random.default_rng(0).standard_normal((8, 3, 5))
    mne.EpochsArray(data, info, events, verbose="error").save("bare-epo.fif", verbose="error")
    words = ("meg", "rdms", "--epochs", "bare-epo.fif")
    assert fails(*words, "--by", "word") == (
        "--by word must be a column of the metadata; bare-epo.fif has no metadata."
    )
    assert fails(*words).startswith("crossnobis needs --folds (the session or run of each trial) with two folds")
    code, out, _ = run(*words, "--metric", "cosine")  # events name the conditions
    assert code == 0
    assert "<RDM 4 items (0, 1, 2, ...), time: 5, metric: cosine>" in out


def test_two_at_once_are_refused(fails, things, run):
    assert run("meg", "rdms", *THINGS, "--out", "p1.zarr")[0] == 0
    store = RDMStore.open("p1.zarr")
    known = {"labels": store.labels, "times": store.times, "metric": store.metric, "provenance": store.provenance}
    with RDMStore.create("p1.zarr", dtype="float64", **known):
        assert "p1.zarr" in fails("meg", "rdms", *THINGS, "--out", "p1.zarr")
