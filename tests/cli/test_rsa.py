"""``alignkit rdm``: what the function returns, and one sentence for each wrong input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alignkit.rsa import RDM, noise_precision, rdm

# --- rdm


def test_rdm_writes_what_the_function_returns(run, here, patterns):
    x = patterns()
    np.save("x.npy", x)
    Path("labels.txt").write_text("a\nb\nc\nd\né\n", encoding="utf-8")
    code, out, err = run("rdm", "x.npy", "--metric", "cosine", "--labels", "labels.txt", "--out", "r.npz")
    assert (code, err) == (0, "")
    saved = RDM.load("r.npz")
    expected = rdm(x, metric="cosine", labels=["a", "b", "c", "d", "é"])
    np.testing.assert_array_equal(saved.values, expected.values)
    assert saved.labels == expected.labels
    assert saved.metric == "cosine"
    assert "5 items" in out
    assert "saved to r.npz" in out
    assert len(out.splitlines()) <= 24


def test_rdm_names_its_extreme_pairs(run, here):
    np.savetxt("x.csv", [[0, 0], [0, 1], [5, 5], [9, 0]], delimiter=",")
    Path("labels.txt").write_text("a\nb\nc\nd")
    _, out, _ = run("rdm", "x.csv", "--metric", "euclidean", "--labels", "labels.txt")
    assert "closest: a, b (1)" in out
    assert "farthest: b, d (9.055)" in out


def test_rdm_crossnobis_takes_its_files(run, here, patterns):
    trials = np.concatenate([patterns(4, seed) for seed in range(3)])
    labels, folds = ["a", "b", "c", "d"] * 3, [f"run{i // 4}" for i in range(12)]
    precision = np.diag(np.arange(1.0, 9.0))
    np.save("x.npy", trials)
    np.save("p.npy", precision)
    Path("labels.txt").write_text("\n".join(labels))
    Path("folds.txt").write_text("\n".join(folds))
    words = ["rdm", "x.npy", "--metric", "crossnobis", "--labels", "labels.txt", "--folds", "folds.txt"]
    assert run(*words, "--noise", "p.npy", "--out", "r.npz")[0] == 0
    expected = rdm(trials, metric="crossnobis", labels=labels, folds=folds, noise=precision)
    np.testing.assert_array_equal(RDM.load("r.npz").values, expected.values)


@pytest.fixture
def trials(here, patterns) -> tuple[np.ndarray, list[str], list[str]]:
    """Write trials with their conditions and runs, one of which lacks a condition."""
    x = np.abs(np.concatenate([patterns(4, seed) for seed in range(3)]))[:11]
    labels, folds = (["a", "b", "c", "d"] * 3)[:11], [f"run{i // 4}" for i in range(11)]
    np.save("x.npy", x)
    Path("labels.txt").write_text("\n".join(labels))
    Path("folds.txt").write_text("\n".join(folds))
    return x, labels, folds


FOLDED = ("--labels", "labels.txt", "--folds", "folds.txt", "--out", "r.npz")


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (("--metric", "crossnobis", "--cv", "fold-pairs"), {"cv": "fold-pairs"}),
        (("--metric", "sqeuclidean_cv", "--cv", "observation-pairs", "--normalize"), {"normalize": True}),
        (("--metric", "correlation_cv", "--cv", "fold-pairs", "--variance-floor", "0.5"), {"variance_floor": 0.5}),
        (("--metric", "poisson_cv", "--cv", "fold-pairs", "--prior-weight", "0.3"), {"prior_weight": 0.3}),
    ],
)
def test_rdm_of_incomplete_designs(run, trials, words, options):
    x, labels, folds = trials
    assert run("rdm", "x.npy", *words, *FOLDED)[0] == 0
    expected = rdm(x, metric=words[1], labels=labels, folds=folds, **{"cv": words[3], **options})
    np.testing.assert_array_equal(RDM.load("r.npz").values, expected.values)


def test_rdm_estimates_the_noise_from_residuals(run, fails, trials):
    x, labels, folds = trials
    residuals = np.random.default_rng(5).normal(size=(60, 8))
    np.save("residuals.npy", residuals)
    Path("runs.txt").write_text("\n".join(["run0"] * 20 + ["run1"] * 20 + ["run2"] * 20))
    words = ("rdm", "x.npy", "--metric", "crossnobis", "--cv", "fold-pairs", "--noise", "residuals.npy", *FOLDED)
    options = {"metric": "crossnobis", "labels": labels, "folds": folds, "cv": "fold-pairs"}
    assert run(*words, "--noise-kind", "residuals", "--shrinkage", "shrinkage_diag", "--dof", "40")[0] == 0
    noise = noise_precision(residuals, method="shrinkage_diag", dof=40)
    saved = RDM.load("r.npz")
    np.testing.assert_array_equal(saved.values, rdm(x, noise=noise, **options).values)
    assert (saved.provenance["noise"], saved.provenance["shrinkage"]) == ("shrinkage_diag", [noise.shrinkage])
    assert run(*words, "--noise-kind", "residuals", "--noise-folds", "runs.txt")[0] == 0
    noise = noise_precision(residuals, folds=np.repeat(["run0", "run1", "run2"], 20))
    np.testing.assert_array_equal(RDM.load("r.npz").values, rdm(x, noise=noise, **options).values)
    noise.save("noise.json")
    assert run(*[word.replace("residuals.npy", "noise.json") for word in words])[0] == 0
    np.testing.assert_allclose(RDM.load("r.npz").values, rdm(x, noise=noise, **options).values, rtol=1e-12)
    assert fails(*words, "--shrinkage", "diag") == "--shrinkage is only for --noise-kind residuals."
    assert fails(*words).startswith("residuals.npy: noise must be a (8, 8) precision matrix; got shape (60, 8)")
    assert fails("rdm", "x.npy", "--noise-kind", "residuals").startswith("--noise-kind residuals says what --noise is")


def test_rdm_takes_a_covariance(run, fails, here, patterns):
    x, covariance = patterns(), np.diag(np.arange(1.0, 9.0))
    np.save("x.npy", x)
    np.save("c.npy", covariance)
    words = ("rdm", "x.npy", "--metric", "mahalanobis", "--noise", "c.npy", "--out", "r.npz")
    assert run(*words, "--noise-kind", "covariance")[0] == 0
    expected = rdm(x, metric="mahalanobis", noise=covariance, noise_kind="covariance")
    np.testing.assert_array_equal(RDM.load("r.npz").values, expected.values)
    np.save("c.npy", -covariance)
    assert fails(*words).startswith("c.npy: noise must be positive semi-definite")
    assert fails(*words[:4]).startswith("mahalanobis needs --noise")


def test_rdm_of_other_metrics_precisions_and_missing_channels(run, here, patterns):
    x = patterns()
    x[0, 1] = x[3, 2] = np.nan
    np.save("x.npy", x)
    assert run("rdm", "x.npy", "--nan-policy", "omit", "--dtype", "float32", "--out", "r.npz")[0] == 0
    saved, expected = RDM.load("r.npz"), rdm(x, nan_policy="omit", dtype="float32")
    assert saved.values.dtype == np.float32
    np.testing.assert_array_equal(saved.values, expected.values)
    assert saved.provenance == expected.provenance
    np.save("x.npy", np.abs(patterns()))
    assert run("rdm", "x.npy", "--metric", "minkowski", "--p", "3", "--out", "r.npz")[0] == 0
    np.testing.assert_array_equal(RDM.load("r.npz").values, rdm(np.abs(patterns()), metric="minkowski", p=3.0).values)
    assert run("rdm", "x.npy", "--metric", "braycurtis", "--out", "r.npz")[0] == 0
    assert run("rdm", "x.npy", "--metric", "poisson", "--prior-lambda", "2", "--out", "r.npz")[0] == 0
    assert RDM.load("r.npz").provenance["prior_lambda"] == 2.0


def test_rdm_reads_stored_features(run, here, patterns):
    from alignkit.models import Features

    Features.from_array(patterns(), list("abcde")).save("f.npz")
    assert run("rdm", "f.npz", "--out", "r.npz")[0] == 0
    assert RDM.load("r.npz").labels == tuple("abcde")


def test_rdm_takes_its_options_from_a_file(run, here, patterns):
    np.save("x.npy", patterns())
    Path("c.toml").write_text('source = "x.npy"\nmetric = "cosine"\nout = "r.npz"\n')
    assert run("rdm", "--config", "c.toml")[0] == 0
    assert RDM.load("r.npz").metric == "cosine"
    assert run("rdm", "--config", "c.toml", "--metric", "euclidean")[0] == 0
    assert RDM.load("r.npz").metric == "euclidean"


def test_rdm_says_that_rows_of_one_name_were_averaged(run, here, patterns):
    x = patterns()
    np.save("x.npy", x)
    Path("labels.txt").write_text("a\nb\na\nc\nd\n")
    _, out, _ = run("rdm", "x.npy", "--labels", "labels.txt", "--out", "r.npz")
    assert "5 rows were averaged into 4 items, by label" in out
    np.testing.assert_array_equal(RDM.load("r.npz").values, rdm(x, labels=list("abacd")).values)
    assert "averaged" not in run("rdm", "x.npy")[1]


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.ones((1, 3)), "bad.npy has 1 item(s); at least 2 are needed."),
        (np.ones((3, 3), dtype="M8[s]"), "bad.npy must hold real numbers of one dtype"),
        (np.full((3, 3), np.inf, dtype=np.float16), "bad.npy is float16 and holds infinities"),
        (np.ones(3), "bad.npy must have shape (..., items, channels)"),
    ],
)
def test_rdm_names_the_file_at_fault(fails, here, array, sentence):
    np.save("bad.npy", array)
    assert fails("rdm", "bad.npy", "--out", "r.npz").startswith(sentence)


@pytest.mark.filterwarnings("always")
def test_a_warning_is_one_line_and_the_result_is_kept(run, here, patterns):
    x = patterns()
    x[2] = 1.0
    np.save("x.npy", x)
    code, _, err = run("rdm", "x.npy", "--out", "r.npz")
    assert code == 0
    assert err.startswith("warning: ")
    assert err.count("\n") == 1
    assert Path("r.npz").exists()
    code, _, err = run("rdm", "x.npy", "--nan-policy", "raise")
    assert code == 2


# --- wrong input, each with its own sentence and nothing written


def test_no_input(fails, here, patterns):
    (here / "folder").mkdir()
    (here / "empty.npy").touch()
    assert fails("rdm", "no.npy") == "no.npy does not exist."
    assert fails("rdm", "empty.npy").startswith("empty.npy is empty (0 bytes)")
    assert fails("compare", "folder", "folder").startswith("folder")
    assert "folder is no features folder" in fails("rdm", "folder")
    np.save("x.npy", patterns())
    assert fails("rdm", "x.npy", "--labels", "folder") == "folder is a directory; a file is expected."


def test_damaged_files(fails, here, patterns):
    from scipy.io import savemat

    np.savez("whole.npz", x=patterns())
    savemat("whole.mat", {"x": patterns(40)}, do_compression=True)
    for suffix in (".npz", ".mat"):
        whole = Path(f"whole{suffix}").read_bytes()
        Path(f"cut{suffix}").write_bytes(whole[: len(whole) // 2])
        assert f"cut{suffix} is not a readable" in fails("rdm", f"cut{suffix}", "--out", "r.npz")
    Path("a.xyz").write_text("1 2")
    assert "cannot tell the format from the suffix '.xyz'" in fails("rdm", "a.xyz")
    Path("a.csv").write_text("name,value\n1,2\n")
    assert fails("rdm", "a.csv").startswith("a.csv must hold a table of numbers")


def test_pickled_arrays(fails, here):
    np.save("x.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert "x.npy holds pickled Python objects, which can run code when read" in fails("rdm", "x.npy")
    np.savez("x.npz", x=np.array([{"a": 1}], dtype=object))
    assert "x.npz holds pickled Python objects" in fails("compare", "x.npz", "x.npz")


def test_arrays_that_are_no_patterns(fails, here, patterns):
    np.save("text.npy", np.array([["a", "b"]]))
    assert "must hold real numbers of one dtype" in fails("rdm", "text.npy")
    np.save("half.npy", np.array([[1, np.inf], [2, 3], [4, 5]], dtype=np.float16))
    assert "is float16 and holds infinities" in fails("rdm", "half.npy")
    np.save("one.npy", patterns(1))
    assert "at least 2 are needed" in fails("rdm", "one.npy")


def test_labels_that_do_not_fit(fails, here, patterns, save_labelled):
    np.save("x.npy", patterns())
    cases = {
        "a\nb\nc\nd\n": "one label per item: expected 5, got 4",
        "a\nb\n\nd\ne\n": "an empty label at position 2",
    }
    for content, sentence in cases.items():
        Path("labels.txt").write_text(content)
        assert sentence in fails("rdm", "x.npy", "--labels", "labels.txt", "--out", "r.npz")
    Path("labels.txt").write_bytes(b"\xff\xfe\x00")
    assert fails("rdm", "x.npy", "--labels", "labels.txt").startswith("labels.txt is not UTF-8 text")
    a = save_labelled(here / "a.npz", "abcde")
    a.replace(a.values, labels=None).save("bare.npz")
    save_labelled(here / "b.npz", "abcd")
    assert "a different number" in fails("compare", "bare.npz", "b.npz") or "items" in fails(
        "compare", "bare.npz", "b.npz"
    )


def test_options_that_do_not_belong_together_speak_in_flags(fails, here, patterns):
    np.save("x.npy", patterns())
    sentence = fails("rdm", "x.npy", "--metric", "crossnobis")
    assert "--labels" in sentence
    assert "--folds" in sentence
    assert "=" not in sentence
    assert fails("rdm", "x.npy", "--normalize").startswith("--normalize is only for the metrics sqeuclidean")
    assert fails("rdm", "x.npy", "--layer", "3").startswith("--layer is for features")


def test_outputs_are_checked_before_any_work(fails, here, monkeypatch, patterns, save_labelled):
    np.save("x.npy", patterns())
    save_labelled(here / "a.npz", "abcde")
    (here / "folder.npz").mkdir()
    monkeypatch.setattr("alignkit._cli._rsa.load_array", lambda *_: pytest.fail("work started"))
    monkeypatch.setattr("alignkit._cli._rsa.RDM.load", lambda *_: pytest.fail("work started"))
    assert fails("rdm", "x.npy", "--out", "no/r.npz") == "the folder no of --out does not exist; create it first."
    assert fails("rdm", "x.npy", "--out", "r.pkl") == "the suffix of --out must be one of '.npz', '.zarr'; got '.pkl'."
    assert fails("rdm", "x.npy", "--out", "folder.npz") == "--out folder.npz is a directory; give a file name."
    assert fails("rdm", "x.npy", "--out", "x.npy").startswith("--out x.npy is also an input and would be overwritten")
    (here / "link.npz").symlink_to("a.npz")
    for out in ("a.npz", "./a.npz", "link.npz"):
        assert "is also an input" in fails("compare", "a.npz", "a.npz", "--out", out)


def test_an_overwritten_output_survives_a_failure(fails, run, here, patterns):
    np.save("x.npy", patterns())
    assert run("rdm", "x.npy", "--out", "r.npz")[0] == 0
    Path("labels.txt").write_text("a\n")
    fails("rdm", "x.npy", "--labels", "labels.txt", "--out", "r.npz")
    assert RDM.load("r.npz").n_items == 5


@pytest.mark.parametrize("out", ["r.npz", "r.zarr"])
def test_a_result_that_cannot_be_kept_is_not_shown_as_if_it_were(run, here, patterns, out, monkeypatch):
    np.save("x.npy", patterns())
    monkeypatch.setattr(RDM, "save", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device", out)))
    told = f"error: {out}: no space left on device; free some, or choose another place.\n"
    assert run("rdm", "x.npy", "--out", out) == (2, "", told)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--folds", "runs.txt"), "--folds is only for the metrics crossnobis, "),
        (("--noise", "p.npy"), "p.npy: noise is only for the metrics mahalanobis, sqmahalanobis and crossnobis; got"),
        (("--prior-weight", "3"), "--prior-weight is only for the metrics poisson and poisson_cv; got --metric corr"),
        (("--p", "3"), "--p is only for --metric minkowski; got --metric correlation."),
        (("--metric", "minkowski", "--p", "0"), "--p must be a finite number above 0; got 0.0."),
        (("--metric", "poisson", "--prior-lambda", "-1"), "--prior-lambda must be a finite number of at least 0"),
        (("--labels", "runs.txt"), "--labels must hold one label per item: expected 5, got 2."),
        (("--metric", "mahalanobis", "--noise", "x.npy"), "x.npy: noise must be a (8, 8) precision matrix; got"),
    ],
)
def test_rdm_speaks_of_its_options_as_flags(words, sentence, fails, here, patterns):
    np.save("x.npy", patterns())
    np.save("p.npy", np.eye(8))
    Path("runs.txt").write_text("a\nb\n")
    assert fails("rdm", "x.npy", *words).startswith(sentence)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--noise-folds", "runs.txt"), "--noise-folds must hold one label per item: expected 5, got 2."),
        (("--dof", "0"), "--dof must be at least 1; got 0."),
        (("--shrinkage", "full"), "x.npy: the covariance must be positive definite"),
        (("--shrinkage", "full"), "(5 rows); use --shrinkage shrinkage_eye."),
    ],
)
def test_residuals_speak_of_their_options_as_flags(words, sentence, fails, here, patterns):
    np.save("x.npy", patterns())
    Path("runs.txt").write_text("a\nb\n")
    said = fails("rdm", "x.npy", "--metric", "mahalanobis", "--noise", "x.npy", "--noise-kind", "residuals", *words)
    assert said.startswith(sentence) or said.endswith(sentence)


def test_rdm_says_how_noise_was_treated(run, trials):
    residuals = np.random.default_rng(5).normal(size=(60, 8))
    np.save("residuals.npy", residuals)
    np.save("p.npy", np.eye(8))
    Path("runs.txt").write_text("\n".join(["run0"] * 20 + ["run1"] * 20 + ["run2"] * 20))
    words = ("rdm", "x.npy", "--metric", "crossnobis", "--cv", "fold-pairs", *FOLDED)
    estimated = ("--noise", "residuals.npy", "--noise-kind", "residuals")
    weight = noise_precision(residuals).shrinkage
    weights = noise_precision(residuals, folds=np.repeat([0, 1, 2], 20)).shrinkage
    cases = {
        (): "noise: none (channels weigh the same; see --noise)",
        ("--noise", "p.npy"): "noise: precision",
        estimated: f"noise: shrinkage_eye (shrinkage {weight:.3f})",
        (*estimated, "--noise-folds", "runs.txt"): (
            f"noise: shrinkage_eye per fold (shrinkage {weights.min():.3f} to {weights.max():.3f})"
        ),
    }
    for more, line in cases.items():
        assert line in run(*words, *more)[1].splitlines()
    assert "noise" not in run("rdm", "x.npy", "--metric", "euclidean")[1]


def test_rdm_says_that_rows_were_averaged_within_folds(run, here, patterns):
    np.save("x.npy", np.concatenate([patterns(4, seed) for seed in range(4)]))
    Path("labels.txt").write_text("\n".join(list("abcd") * 4))
    Path("folds.txt").write_text("\n".join(["run0"] * 8 + ["run1"] * 8))
    for metric in ("crossnobis", "sqeuclidean_cv"):
        lines = run("rdm", "x.npy", "--metric", metric, *FOLDED)[1].splitlines()
        assert "16 rows were averaged into 4 items, by label, within 2 folds" in lines


def test_noise_that_does_not_fit_is_told_in_flags(fails, here, patterns):
    np.save("x.npy", patterns())
    np.save("residuals.npy", patterns(6))
    np.save("less.npy", np.eye(7))
    words = ("rdm", "x.npy", "--metric", "mahalanobis", "--noise")
    assert fails(*words, "residuals.npy").endswith("(6, 8). If it holds residuals, say --noise-kind residuals.")
    assert fails(*words, "less.npy").startswith("less.npy: noise is of 7 channels and the patterns have 8;")
    said = fails(*words, "residuals.npy", "--noise-kind", "residuals", "--dof", "100000")
    assert said == "--dof must be at most the number of rows of residuals; got 100,000 for 6 rows."


@pytest.mark.parametrize("name", ["r.npz", "r.zarr"])
def test_an_rdm_is_no_patterns(run, fails, here, patterns, name):
    np.save("x.npy", patterns())
    assert run("rdm", "x.npy", "--out", name)[0] == 0
    assert fails("rdm", name) == f"{name} is an RDM already; `alignkit compare` takes it as it is."


def test_patterns_too_large_for_float32(fails, here, patterns):
    np.save("x.npy", patterns().astype(np.float32) * np.float32(1e20))
    said = fails("rdm", "x.npy", "--metric", "sqeuclidean", "--dtype", "float32")
    assert said.startswith("x.npy holds values up to ")
    assert "--dtype float64" in said
    assert "divide the patterns by a constant" in said
