"""``alignkit patterns``, and ``alignkit rdm`` on what it wrote."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from reference.fmri import write_nifti

from alignkit._cli._patterns import PatternsConfig
from alignkit._config import options
from alignkit.data import Patterns, load_haxby, read_betas, read_timeseries
from alignkit.rsa import RDM, rdm

nibabel = pytest.importorskip("nibabel")
pytest.importorskip("nilearn")
SHAPE, N = (3, 4, 2), 60
ONE_RUN = ["rest"] * 6 + ["face"] * 6 + ["rest"] * 8 + ["house"] * 6 + ["rest"] * 8 + ["shoe"] * 6 + ["rest"] * 20
#: What users' scripts may contain.
FLAGS = {
    "bold",
    "betas",
    "events",
    "labels",
    "runs",
    "mask",
    "atlas",
    "names",
    "roi",
    "tr",
    "model",
    "rest",
    "hrf",
    "drift",
    "high-pass",
    "drift-order",
    "noise-model",
    "slice-time-ref",
    "lag",
    "residuals",
    "dof",
    "keep-residuals",
    "resample",
    "progress",
    "out",
}


@pytest.fixture
def images(here: Path, rng: np.random.Generator) -> None:
    """bold.nii.gz with three runs, attributes.txt, mask.nii.gz, and an atlas of two regions with its table."""
    write_nifti(here / "bold.nii.gz", rng.normal(size=(*SHAPE, 3 * N)) + 100, tr=2.0)
    (here / "attributes.txt").write_text("".join(f"{name} {run}\n" for run in range(3) for name in ONE_RUN))
    mask = np.ones(SHAPE, dtype=np.uint8)
    mask[0, 0] = 0
    write_nifti(here / "mask.nii.gz", mask)
    write_nifti(
        here / "atlas.nii.gz", np.arange(1, 4, dtype=np.int16)[:, None, None] // 2 * np.ones(SHAPE, np.int16) + 1
    )
    (here / "atlas.tsv").write_text("index\tname\n1\tV1\n2\tFFA\n")


def test_the_flags_are_frozen() -> None:
    assert set(options(PatternsConfig)) == FLAGS


def test_the_flags_are_the_options_of_the_functions() -> None:
    import inspect

    known = {name for function in (read_timeseries, read_betas) for name in inspect.signature(function).parameters}
    # confounds are tables with a choice of columns: for that there is Python
    assert {flag.replace("-", "_") for flag in FLAGS} - {"betas", "out"} == known - {"images", "folds", "confounds"}


@pytest.mark.usefixtures("images")
def test_from_images_to_an_rdm(run, here: Path) -> None:
    words = ["--bold", "bold.nii.gz", "--mask", "mask.nii.gz", "--events", "attributes.txt", "--tr", "2.0"]
    code, out, err = run("patterns", *words, "--no-progress", "--out", "brain.npz")
    assert (code, err) == (0, "")
    assert "<Patterns 9 rows x 22 voxels: 3 conditions (face, house, shoe) in 3 runs" in out
    assert "rows: face 3, house 3, shoe 3" in out
    assert "saved to brain.npz" in out
    found = Patterns.load("brain.npz")
    expected = read_timeseries("bold.nii.gz", events="attributes.txt", mask="mask.nii.gz", tr=2.0)
    np.testing.assert_array_equal(found.values, expected.values)
    assert found.provenance == expected.provenance
    code, out, err = run("rdm", "brain.npz", "--metric", "crossnobis", "--out", "rdm.npz")
    assert (code, err) == (0, "")
    assert "9 rows were averaged into 3 items" in out
    np.testing.assert_array_equal(RDM.load("rdm.npz").values, expected.rdm().values)
    assert RDM.load("rdm.npz").provenance["noise"].startswith("shrinkage_eye")


@pytest.mark.usefixtures("images")
def test_an_rdm_without_noise_or_with_ones_own(run, here: Path) -> None:
    start = ["patterns", "--bold", "bold.nii.gz", "--mask", "mask.nii.gz", "--events", "attributes.txt"]
    assert run(*start, "--no-keep-residuals", "--out", "plain.npz")[0] == 0
    assert run("rdm", "plain.npz", "--metric", "crossnobis", "--out", "rdm.npz")[0] == 0
    plain = Patterns.load("plain.npz")
    assert plain.residuals is None
    folds = {"labels": plain.labels, "folds": plain.folds}
    np.testing.assert_array_equal(RDM.load("rdm.npz").values, rdm(plain.values, metric="crossnobis", **folds).values)
    precision = np.diag(np.linspace(1, 2, 22))
    np.save("precision.npy", precision)
    assert run(*start, "--out", "brain.npz")[0] == 0
    assert run("rdm", "brain.npz", "--metric", "crossnobis", "--noise", "precision.npy", "--out", "own.npz")[0] == 0
    own = rdm(plain.values, metric="crossnobis", noise=precision, **folds).values
    np.testing.assert_allclose(RDM.load("own.npz").values, own, rtol=1e-12)
    assert run("rdm", "brain.npz", "--out", "correlation.npz")[0] == 0
    np.testing.assert_array_equal(RDM.load("correlation.npz").values, rdm(plain.values, labels=plain.labels).values)


@pytest.mark.usefixtures("images")
def test_regions_give_a_stack(run, here: Path) -> None:
    words = ["--bold", "bold.nii.gz", "--atlas", "atlas.nii.gz", "--names", "atlas.tsv", "--events", "attributes.txt"]
    code, out, _ = run("patterns", *words, "--model", "blocks", "--lag", "4", "--out", "brain.npz")
    assert code == 0
    assert "voxels: V1 8, FFA 16" in out
    assert run("rdm", "brain.npz", "--metric", "crossnobis", "--out", "rdm.npz")[0] == 0
    stack = RDM.load("rdm.npz")
    assert stack.coords["roi"].tolist() == ["V1", "FFA"]
    assert run("patterns", *words, "--roi", "FFA", "--out", "ffa.npz")[0] == 0
    assert list(Patterns.load("ffa.npz").regions) == ["FFA"]


def test_betas(run, here: Path, rng: np.random.Generator) -> None:
    files = [write_nifti(here / f"beta_{i}.nii", rng.normal(size=SHAPE)) for i in range(6)]
    write_nifti(here / "mask.nii", np.ones(SHAPE, dtype=np.uint8))
    residuals = [write_nifti(here / f"res_{i}.nii", rng.normal(size=(*SHAPE, 40))) for i in range(2)]
    (here / "labels.txt").write_text("face\nhouse\nshoe\n" * 2)
    (here / "runs.txt").write_text("a\na\na\nb\nb\nb\n")
    words = ["--betas", *files, "--labels", "labels.txt", "--runs", "runs.txt", "--mask", "mask.nii"]
    assert run("patterns", *words, "--residuals", *residuals, "--dof", "30", "--out", "brain.npz")[0] == 0
    found = Patterns.load("brain.npz")
    expected = read_betas(
        files,
        labels=["face", "house", "shoe"] * 2,
        folds=list("aaabbb"),
        mask="mask.nii",
        residuals=residuals,
        dof=30,
    )
    np.testing.assert_array_equal(found.values, expected.values)
    assert (found.labels, found.folds, found.dof) == (expected.labels, expected.folds, {"a": 30, "b": 30})


@pytest.mark.usefixtures("images")
def test_refusals(fails, here: Path) -> None:
    mask, events = ["--mask", "mask.nii.gz"], ["--events", "attributes.txt"]
    bold = ["--bold", "bold.nii.gz"]
    assert fails("patterns", *mask) == "give either --bold (time series) or --betas."
    assert "--events is for --bold" in fails("patterns", "--betas", "bold.nii.gz", *mask, *events)
    assert "--betas needs --labels and --runs" in fails("patterns", "--betas", "bold.nii.gz", *mask)
    assert "--dof is for --betas" in fails("patterns", *bold, *mask, *events, "--dof", "3")
    assert fails("patterns", *bold, *events).startswith(
        "give --mask (a binary image) or --atlas (one number per region)"
    )
    assert fails("patterns", "--bold", "none.nii", *mask, *events) == "none.nii does not exist."
    assert fails("patterns", "--bold", "attributes.txt", *mask, *events).startswith(
        "attributes.txt is not a NIfTI image"
    )
    assert "--out bold.nii.gz is also an input" in fails("patterns", *bold, *mask, *events, "--out", "bold.nii.gz")
    assert "the suffix of --out must be one of '.npz'" in fails("patterns", *bold, *mask, *events, "--out", "x.npy")


@pytest.mark.usefixtures("images")
def test_what_brain_patterns_bring_themselves(run, fails, here: Path) -> None:
    words = ["--bold", "bold.nii.gz", "--mask", "mask.nii.gz", "--events", "attributes.txt"]
    assert run("patterns", *words, "--out", "brain.npz")[0] == 0
    (here / "labels.txt").write_text("a\nb\nc\n" * 3)
    for flag, value in (("--labels", "labels.txt"), ("--folds", "labels.txt"), ("--layer", "x")):
        assert fails("rdm", "brain.npz", flag, value).startswith(f"{flag} is not for brain.npz: brain patterns bring")


def test_real_data_from_images_to_an_rdm(run, here: Path, shared_data) -> None:
    folder = shared_data("fmri_haxby", "bold.nii.gz").parent
    words = ["--bold", folder / "bold.nii.gz", "--mask", folder / "mask.nii.gz", "--tr", "2.5"]
    assert run("patterns", *words, "--events", folder / "attributes_literal.txt", "--out", "haxby.npz")[0] == 0
    code, out, err = run("rdm", "haxby.npz", "--metric", "crossnobis", "--out", "rdm.npz")
    assert (code, err) == (0, "")
    assert "<RDM 8 items" in out
    expected = load_haxby(folder.parent).patterns().rdm()
    np.testing.assert_array_equal(RDM.load("rdm.npz").values, expected.values)


@pytest.mark.usefixtures("images")
def test_noise_of_ones_own_is_of_one_region(run, here: Path) -> None:
    start = ["patterns", "--bold", "bold.nii.gz", "--atlas", "atlas.nii.gz", "--events", "attributes.txt"]
    assert run(*start, "--out", "all.npz")[0] == 0
    assert run(*start, "--roi", "1", "--out", "one.npz")[0] == 0
    np.save("precision.npy", np.diag(np.linspace(1, 2, 8)))
    code, _, err = run("rdm", "all.npz", "--metric", "crossnobis", "--noise", "precision.npy")
    assert code == 2
    assert "--noise is of the voxels of one region and all.npz holds 2; write one of them alone" in err
    assert run("rdm", "one.npz", "--metric", "crossnobis", "--noise", "precision.npy", "--out", "rdm.npz")[0] == 0
    one = Patterns.load("one.npz")
    expected = one.region("1").rdm(noise=np.diag(np.linspace(1, 2, 8)))
    np.testing.assert_array_equal(RDM.load("rdm.npz").values[0], expected.values)
    np.testing.assert_array_equal(one.noise_precision().precision, one.region("1").noise_precision().precision)


@pytest.mark.usefixtures("images")
def test_sentences_on_betas_speak_of_runs(run, here: Path) -> None:
    (here / "labels.txt").write_text("face\nhouse\n" * 90)
    (here / "runs.txt").write_text("1\n2\n")
    words = ["--betas", "bold.nii.gz", "--labels", "labels.txt", "--runs", "runs.txt", "--mask", "mask.nii.gz"]
    code, _, err = run("patterns", *words)
    assert (code, err) == (2, "error: runs must hold one label per item: expected 180, got 2.\n")


@pytest.mark.usefixtures("images")
def test_runs_that_are_not_what_they_seem(run, fails, here: Path, rng: np.random.Generator) -> None:
    write_nifti(here / "run-1.nii.gz", rng.normal(size=(*SHAPE, N)) + 100, tr=2.0)
    rows = [(10, "face", 1), (40, "house", 1), (12, "face", 2), (42, "house", 2)]
    for name, kept in (("ev_run.tsv", rows), ("run-1.tsv", rows[:2])):
        lines = "".join(f"{onset}\t8\t{kind}\t{number}\n" for onset, kind, number in kept)
        (here / name).write_text("onset\tduration\ttrial_type\trun\n" + lines)
    start = ["patterns", "--bold", "run-1.nii.gz", "--mask", "mask.nii.gz", "--events"]
    assert fails(*start, "ev_run.tsv").startswith(
        "ev_run.tsv: the table of events is of several runs (its column run says '1', '2'); give one table per run"
    )
    twice = ["--bold", "run-1.nii.gz", "./run-1.nii.gz", "--events", "run-1.tsv", "run-1.tsv", "--mask", "mask.nii.gz"]
    assert fails("patterns", *twice).startswith("run-1.nii.gz is given twice (bold[0] and bold[1] are the same image)")
    assert fails(*start, "run-1.tsv", "--high-pass", "5").startswith(
        "--high-pass must be below the Nyquist frequency, 0.25 Hz"
    )
    code, out, err = run(*start, "run-1.tsv", "--no-progress")
    assert (code, err) == (0, "")
    assert "2 conditions (face, house) in 1 run;" in out


@pytest.mark.usefixtures("images")
def test_the_rdm_of_patterns_speaks_in_flags(run, fails, here: Path) -> None:
    words = ["--bold", "bold.nii.gz", "--mask", "mask.nii.gz", "--events", "attributes.txt", "--out", "brain.npz"]
    assert run("patterns", *words)[0] == 0
    assert fails("rdm", "brain.npz", "--cv", "fold-pairs").startswith("--cv is only for the metrics crossnobis, sqeu")
    np.save("less.npy", np.eye(21))
    said = fails("rdm", "brain.npz", "--metric", "crossnobis", "--noise", "less.npy")
    assert said.startswith("less.npy: noise is of 21 channels and the patterns have 22;")
    np.save("few.npy", np.load("brain.npz")["residuals"][:9])
    words = ("--metric", "crossnobis", "--noise", "few.npy", "--noise-kind", "residuals", "--shrinkage", "full")
    assert fails("rdm", "brain.npz", *words).endswith("use --shrinkage shrinkage_eye.")
    saved = Patterns.load("brain.npz")
    assert saved.residuals is not None
    nine = {"residuals": saved.residuals[:9], "residual_folds": saved.residual_folds[:9]}
    few = dataclasses.replace(saved, **nine, dof={saved.residual_folds[0]: 8})
    few.save("few.npz")
    assert fails("rdm", "few.npz", *words[:2], *words[-2:]).endswith("use --shrinkage shrinkage_eye.")
