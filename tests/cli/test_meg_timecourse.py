"""``alignkit meg timecourse``: what the functions return, all files, kill and resume, one sentence for bad input."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alignkit.meg import LabelTest, RDMStore, TimeCourse, auc, cluster_test, label_test, onset, peak, timecourse
from alignkit.rsa import RDM

LABELS = tuple("abcdefghij")
TIMES = np.arange(-10, 31) / 100
NAMES = [f"p{i}.zarr" for i in range(1, 7)]
ALL = ("--data", *NAMES)
MODELS = ("--models", "shape.npz", "noise.npz")


@pytest.fixture
def lab(here) -> Path:
    """Six participants' stores, with one model that they show after 50 ms and one that they do not."""
    rng = np.random.default_rng(0)
    models = rng.random((3, 45))
    for name, values in zip(("shape", "noise", "control"), models, strict=True):
        RDM(values, LABELS).save(here / f"{name}.npz")
    envelope = np.clip((TIMES - 0.05) / 0.05, 0, 1) * np.exp(-np.clip(TIMES - 0.1, 0, None) / 0.1)
    for name in NAMES:
        movie = models[0] * envelope[:, None] + 0.3 * rng.standard_normal((len(TIMES), 45))
        with RDMStore.create(here / name, labels=LABELS, times=TIMES, metric="crossnobis", dtype="float64") as store:
            store.write(0, movie)
    return here


def files(names: list[str] | tuple[str, ...]) -> dict[str, str]:
    return {Path(name).stem: name for name in names}


def test_a_name_gives_every_file(run, lab):
    words = ("meg", "timecourse", *MODELS, *ALL, "--test", "cluster", "--tail", "greater", "--seed", "3")
    code, out, err = run(*words, "--out", "result", "--no-progress")
    assert (code, err) == (0, "")
    course = timecourse(files(["shape.npz", "noise.npz"]), files(NAMES), rng=3)
    saved = TimeCourse.load("result.json")
    for name in ("similarity", "mean", "interval", "lower", "upper"):
        np.testing.assert_array_equal(getattr(saved, name), getattr(course, name))
    assert saved.subjects == ("p1", "p2", "p3", "p4", "p5", "p6")
    assert len(pd.read_csv("result.csv")) == 2 * 6 * 41
    assert Path("result.png").read_bytes()[:4] == b"\x89PNG"
    table = pd.read_csv("result-summary.csv").set_index("model")
    top, start = peak(course, model="shape", rng=3), onset(course, model="shape", rng=3)
    area = auc(course, model="shape", tmin=0.01, of_ceiling=True, rng=3)
    row = table.loc["shape"]
    for name, value in (("peak_s", top.value), ("peak", top.amplitude), ("onset_s", start.value), ("mean", area.mean)):
        assert row[name] == pytest.approx(value, rel=1e-12)
    assert row[["peak_s_low", "peak_s_high"]].to_numpy(float) == pytest.approx(top.interval)
    assert row["share_lower"] == pytest.approx(area.share_lower)
    test = cluster_test(course, model="shape", tail="greater", rng=3)
    first, last = test.times[test.significant][[0, -1]]
    assert row["significant"] == f"{1000 * first:g} to {1000 * last:g}"
    assert row["significant"] in out
    found = pd.read_csv("result-test.csv")
    np.testing.assert_array_equal(found[found["model"] == "shape"]["significant"], test.significant)
    methods = Path("result-methods.txt").read_text()
    for one in (course, area, top, start, test):
        assert one.methods_text() in methods
    best = int(course.lower.argmax())
    assert f"ceiling: {course.lower[best]:.4f} (lower) to {course.upper[best]:.4f} (upper)" in out
    assert "N = 6 participants, rank pooling" in out
    assert "not when it begins or how long it lasts" in out
    assert f"{top.amplitude:.4f} [{top.amplitude_interval[0]:.4f}" in out
    assert out.endswith(
        "saved to result.json, result.csv, result-summary.csv, result-test.csv, result-methods.txt, result.png\n"
    )
    assert not list(lab.glob("*.partial*"))


def test_one_file_and_a_figure(run, lab):
    options = {"method": "pearson", "controls": {"control": "control.npz"}, "partial": "data", "n_bootstrap": 50}
    words = ("--method", "pearson", "--controls", "control.npz", "--partial", "data", "--n-bootstrap", "50")
    words += ("--confidence", "0.9", "--no-ceiling")
    code, out, _ = run("meg", "timecourse", *MODELS, *ALL, *words, "--out", "r.csv", "--figure", "r.svg")
    assert code == 0
    expected = timecourse(
        files(["shape.npz", "noise.npz"]), files(NAMES), confidence=0.9, ceiling=False, rng=0, **options
    )
    np.testing.assert_allclose(pd.read_csv("r.csv")["similarity"], expected.similarity.ravel(), rtol=1e-12)
    assert "<svg" in Path("r.svg").read_text()
    assert "ceiling: none (6 participants)" in out
    assert "significant" not in out
    assert sorted(path.name for path in lab.glob("r.*")) == ["r.csv", "r.svg"]


def test_labels_are_permuted_within_participants(run, lab):
    words = ("meg", "timecourse", *MODELS, *ALL, "--test", "labels", "--n-permutations", "200", "--seed", "1")
    code, out, _ = run(*words, "--out", "result")
    assert code == 0
    test = label_test(files(["shape.npz", "noise.npz"]), files(NAMES), n_permutations=200, rng=1)
    assert isinstance(test, LabelTest)
    assert f"{test.n_significant[0].max()} of 6 at " in out
    found = pd.read_csv("result-test.csv")
    np.testing.assert_array_equal(found["significant"].to_numpy(bool), test.significant.ravel())
    assert "not when it begins" not in out
    assert "not when it begins" in run(*words, "--correction", "cluster")[1]


@pytest.mark.filterwarnings("always")
@pytest.mark.parametrize("test", ["cluster", "max", "tfce"])
def test_a_small_group_is_told_once(run, lab, test):
    words = ("--data", *NAMES[:4], "--test", test, "--no-progress")
    code, out, err = run("meg", "timecourse", *MODELS, *words)
    assert code == 0
    assert err.startswith("warning: 4 subjects have 16 sign patterns, so that two-sided p cannot be below 0.125 (2/16)")
    assert err.endswith("report how many of them pass: --test labels.\n")
    assert err.count("\n") == 1
    assert "never" in out


def test_one_participant_has_no_ceiling(run, lab):
    code, out, _ = run("meg", "timecourse", "--models", "shape.npz", "--data", "p1.zarr", "--test", "labels")
    assert code == 0
    assert "ceiling: none (1 participant)" in out
    assert "1 of 1 at " in out


def test_windows_of_the_summary(run, lab):
    words = ("--tmin", "0.02", "--tmax", "0.2", "--baseline", "-0.05", "0", "--onset-method", "fraction-of-peak")
    code, _, _ = run("meg", "timecourse", "--models", "shape.npz", *ALL, *words, "--out", "r")
    assert code == 0
    row = pd.read_csv("r-summary.csv").iloc[0]
    course = TimeCourse.load("r.json")
    assert row["mean"] == pytest.approx(auc(course, tmin=0.02, tmax=0.2, n_bootstrap=0).mean)
    assert (row["tmin"], row["tmax"]) == (0.02, 0.2)
    options = {"tmin": 0.02, "tmax": 0.2, "baseline": (-0.05, 0.0), "method": "fraction-of-peak", "n_bootstrap": 0}
    assert row["onset_s"] == pytest.approx(onset(course, **options).value)


def test_no_per_cent_of_a_ceiling_that_may_be_zero(run, lab):
    assert "of ceiling" in run("meg", "timecourse", "--models", "shape.npz", *ALL)[1]
    rng = np.random.default_rng(11)  # a lower ceiling of .005, with an interval from -.016 to .025
    values = rng.standard_normal((4, len(TIMES), 45))
    RDM(values, LABELS, dims=["subject", "time"], coords={"time": TIMES}).save("noisy.npz")
    code, out, _ = run("meg", "timecourse", "--models", "shape.npz", "--data", "noisy.npz", "--out", "r")
    assert code == 0
    assert "%" not in out
    area = auc(TimeCourse.load("r.json"), tmin=0.01, of_ceiling=True, n_bootstrap=0)
    assert area.ceiling_interval[0] <= 0 <= area.ceiling_interval[1]
    assert pd.read_csv("r-summary.csv")["share_upper"][0] == pytest.approx(area.share_upper)


def test_models_with_times_of_their_own_are_maps(run, lab):
    movie = RDM(np.random.default_rng(1).random((5, 45)), LABELS, dims=["time"], coords={"time": np.arange(5) / 10})
    movie.save("movie.npz")
    code, out, _ = run("meg", "timecourse", "--models", "movie.npz", *ALL, "--test", "max", "--out", "map")
    assert code == 0
    assert "of 205 cells" in out
    assert "note: no mean, peak, onset: the models have times of their own (see the figure, a map)." in out
    assert TimeCourse.load("map.json").similarity.shape == (1, 6, 5, 41)
    assert Path("map.png").stat().st_size > 5000


@pytest.mark.filterwarnings("always")
def test_what_cannot_be_summed_up_is_a_note(run, lab):
    store = RDMStore.open("p1.zarr")
    values = store.rdm().values.copy()
    values[5, 3] = np.nan
    RDM(values, LABELS, dims=["time"], coords={"time": TIMES}, metric="crossnobis").save("gap.npz")
    words = ("meg", "timecourse", "--models", "shape.npz", "--data", "gap.npz", *NAMES[1:], "--no-progress")
    code, out, err = run(*words)
    assert code == 0
    assert err.startswith("warning: the data hold NaN (--nan-policy omit leaves those pairs out) for: 'gap at -0.05 s'")
    assert "note: no mean, peak, onset: the curves hold NaN" in out
    code, out, err = run(*words, "--nan-policy", "omit")
    assert (code, err) == (0, "")
    assert "note" not in out
    late = RDM(values[11:], LABELS, dims=["time"], coords={"time": TIMES[11:]})
    late.save("late.npz")
    code, out, _ = run("meg", "timecourse", "--models", "shape.npz", "--data", "late.npz")
    assert code == 0
    assert "note: no onset: " in out


RUN = """
import os, signal, sys
from alignkit import _executor
from alignkit.cli import main
from alignkit.meg import _judged_file, _over_time
from alignkit.meg._judge import Judge

limit, calls, judge = int(sys.argv.pop(1)), [], Judge.__call__
_over_time._BLOCK, _executor.n_threads = 5 * 6 * 45, lambda: 1
_judged_file._EVERY = 0.0

def counted(self, rows):
    calls.append(rows.shape[1])
    if len(calls) == limit:
        os.kill(os.getpid(), signal.SIGKILL)
    return judge(self, rows)

Judge.__call__ = counted
code = main(sys.argv[1:])
print(sum(calls))
sys.exit(code)
"""


def test_a_killed_run_goes_on_with_the_same_bits(run, shell, lab):
    def start(limit: int) -> subprocess.CompletedProcess[str]:
        given = (str(limit), "meg", "timecourse", *MODELS, *ALL, "--out", "result")
        return shell(*given, code=RUN, env={"OMP_NUM_THREADS": "1"})

    assert start(4).returncode == -9
    assert sorted(path.name for path in lab.glob("result*")) == ["result.partial.npz"]
    code, _, err = run("meg", "timecourse", *MODELS, *ALL, "--out", "result", "--method", "pearson")
    assert code == 2
    assert err.startswith("error: result.partial.npz holds the start of another time course")
    again = start(-1)
    assert again.returncode == 0, again.stderr
    assert again.stdout.split()[-1] == str(41 - 15)
    assert "time course: " in again.stderr
    assert not list(lab.glob("*.partial*"))
    assert run("meg", "timecourse", *MODELS, *ALL, "--out", "whole")[0] == 0
    for end in (".json", ".csv", "-summary.csv", "-methods.txt"):
        assert Path(f"result{end}").read_bytes() == Path(f"whole{end}").read_bytes(), end


KILLED_IN_LABELS = """
import os, signal, sys
from alignkit.cli import main
from alignkit.meg import _label_test

limit, calls, permuted = int(sys.argv.pop(1)), [], _label_test._permuted

def counted(*given):
    calls.append(given)
    if len(calls) == limit:
        os.kill(os.getpid(), signal.SIGKILL)
    return permuted(*given)

_label_test._permuted = counted
code = main(sys.argv[1:])
print(len(calls))
sys.exit(code)
"""


def test_a_run_killed_in_its_test_of_labels_goes_on_there(run, shell, lab):
    words = ("meg", "timecourse", *MODELS, *ALL, "--test", "labels", "--n-permutations", "99", "--out")

    def start(limit: int) -> subprocess.CompletedProcess[str]:
        return shell(str(limit), *words, "result", code=KILLED_IN_LABELS, env={"OMP_NUM_THREADS": "1"})

    assert start(5).returncode == -9
    left = sorted(path.name for path in lab.glob("result*"))
    assert left == ["result.labels.partial.npz", "result.partial.npz"]
    again = start(-1)
    assert again.returncode == 0, again.stderr
    assert again.stdout.split()[-1] == str(6 - 4)
    assert "time course: " not in again.stderr  # of what is done there is no bar
    assert not list(lab.glob("*.partial*"))
    assert run(*words, "whole")[0] == 0
    for end in (".json", ".csv", "-summary.csv", "-test.csv", "-methods.txt"):
        assert Path(f"result{end}").read_bytes() == Path(f"whole{end}").read_bytes(), end


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--models", "no.npz"), "no.npz does not exist."),
        (("--data", "no.zarr"), "no.zarr does not exist."),
        (("--models", "feats"), "feats is a folder; features become an RDM by `alignkit rdm feats --out feats.npz`."),
        (("--models", "feats.npy"), "Features (one row per item) become an RDM by `alignkit rdm`."),
        (("--models", "condensed.npy"), "features (one row per item) become an RDM by `alignkit rdm`."),
        (("--data", "p1.zarr", "p2.zarr", "p1.zarr"), "--data must name each file once; p1.zarr is there 2 times."),
        (("--data", "shape.npz"), "the data of 'shape' has no axis of time; a time course takes"),
        (("--data", "p1.zarr", "half.zarr"), "half.zarr is not finished: 3 of 41 times are computed; run the command"),
        (
            ("--data", "p1.zarr", "short.npz"),
            "has 41 times and the data of 'short' 5; compute both with the same --tmin",
        ),
        (("--data", "p1.zarr", "shifted.npz"), "If they are meant to be the same, pass --tolerance 0.02 (seconds)."),
        (("--data", "p1.zarr", "others.npz"), "Select the shared items, or pass --on-mismatch intersect."),
        (("--data", "p1.zarr", "decoding.npz"), "different kinds of dissimilarities ('crossnobis', 'decoding')"),
        (("--out", "r.txt"), "--out ends in .json or .csv, or has no suffix (result: result.json, result.csv, ...)"),
        (("--out", "feats"), "--out feats is a directory; give a name for the files, such as feats/result."),
        (("--out", "no/r"), "the folder no of --out does not exist; create it first."),
        (("--figure", "r.gif"), "the suffix of --figure must be one of '.png', '.pdf', '.svg'; got '.gif'."),
        (("--figure", "no/r.png"), "the folder no of --figure does not exist; create it first."),
        (("--method", "kendall-tau-a", "--controls", "control.npz"), "--controls are for the methods 'pearson'"),
        (("--partial", "models"), "--partial models says which side the controls leave; give --controls."),
        (("--pooling", "normalized-rank", "--method", "pearson"), "--pooling normalized-rank is for --method spearman"),
        (("--sigma-k", "sigma.npy"), "--sigma-k is for the methods 'whitened-cosine' and 'whitened-pearson'"),
        (("--sigma-k", "sigma.npy", "--method", "whitened-cosine"), "--sigma-k must hold one variance per item"),
        (("--data", "p1.zarr", "--test", "max"), "--test max needs two participants at least; for one, permute labels"),
        (("--tail", "greater"), "--tail is for a test; name one with --test."),
        (("--n-permutations", "9"), "--n-permutations is for a test; name one with --test."),
        (("--n-permutations", "0", "--test", "max"), "--n-permutations must be at least 1; got 0."),
        (("--correction", "max", "--test", "tfce"), "--correction is for --test labels; got --test tfce."),
        (("--test", "labels", "--controls", "control.npz"), "--test labels does without --controls"),
        (("--test", "tfce", "--method", "bures-metric"), "--method bures-metric gives distances; use --test labels."),
        (("--alpha", "2"), "--alpha must lie between 0 and 1 (exclusive); got 2.0."),
        (("--confidence", "95"), "--confidence must lie between 0 and 1"),
        (("--n-bootstrap", "-1"), "--n-bootstrap must be at least 0"),
        (("--tmin", "3"), "the stretch (--tmin, --tmax) from 3 to 0.3 s holds no sample"),
        (("--baseline", "-3", "-2"), "--baseline from -3 to -2 s holds no sample"),
        (("--memory", "1"), "--memory must be a number of bytes or a text such as '1 GB'"),
        (("--nan-policy", "drop"), "--nan-policy must be one of"),
    ],
)
def test_bad_input_is_said_in_one_sentence(fails, lab, words, expected):
    rdm = RDMStore.open("p1.zarr").rdm()
    Path("feats").mkdir()
    np.save("feats.npy", np.random.default_rng(0).random((10, 4)))
    np.save("condensed.npy", np.random.default_rng(0).random((10, 6)))  # as if of 4 items
    np.save("sigma.npy", np.ones(3))

    def save(name: str, values: np.ndarray, times: np.ndarray, labels: object = LABELS, metric: str = "crossnobis"):
        RDM(values, labels, dims=["time"], coords={"time": times}, metric=metric).save(name)

    save("short.npz", rdm.values[:5], TIMES[:5])
    save("shifted.npz", rdm.values, TIMES + 0.012)
    save("others.npz", rdm.values, TIMES, [f"x{label}" for label in LABELS])
    save("decoding.npz", rdm.values, TIMES, metric="decoding")
    with RDMStore.create("half.zarr", labels=LABELS, times=TIMES, metric="crossnobis") as store:
        store.write(0, rdm.values[:3])
    given = [*(() if "--models" in words else ("--models", "shape.npz")), *(() if "--data" in words else ALL)]
    assert expected in fails("meg", "timecourse", *given, *words, "--no-progress")


def test_outputs_are_no_inputs(fails, lab):
    assert fails("meg", "timecourse", *ALL) == "--models PATH ... is required."
    Path("model.json").write_text("{}")
    words = ("--models", "shape.npz", "--controls", "model.csv", *ALL)
    Path("model.csv").write_text("0,1\n1,0\n")
    assert fails("meg", "timecourse", *words, "--out", "model") == (
        "--out model.csv is also an input and would be overwritten; choose another name."
    )
    assert json.loads(Path("model.json").read_text()) == {}
