"""The command line: frozen flags, one sentence and exit code 2 for bad input, readable help, nothing half-written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import numpy as np
import pytest

import alignkit
from alignkit import cli
from alignkit._cli import _guard
from alignkit._cli._registry import VERBS
from alignkit._config import options
from alignkit.rsa import RDM, compare, rdm

#: What users' scripts may contain. A change here is a change of the public interface: say so in the changelog.
FROZEN = {
    "rdm": {"(source)", "metric", "labels", "folds", "noise", "normalize", "layer", "nan-policy", "out"},
    "compare": {"(files)", "method", "nan-policy", "on-mismatch", "out"},
    "data list": {"(name)", "root"},
    "data fetch": {"(names)", "root", "timeout", "progress"},
    "data import": {"(name)", "from", "root", "max-gib", "progress"},
    "data path": {"(name)", "(file)", "root"},
    "data verify": {"(names)", "root"},
    "extract": {
        "model",
        "out",
        "images",
        "texts",
        "template",
        "label",
        "layers",
        "pool",
        "batch-size",
        "precision",
        "device",
        "weights",
        "architecture",
        "img-size",
        "preprocess",
        "seed",
        "on-error",
        "format",
        "shard-size",
        "n-workers",
        "progress",
    },
}
ROOT = Path(alignkit.__file__).resolve().parents[1]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder and a terminal of 80 columns."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv(_guard.TRACEBACK, raising=False)
    return tmp_path


@pytest.fixture
def run(here, capsys):
    """Return a function that runs a command line and gives its exit code, stdout and stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.main([str(word) for word in words])
        return (code, *capsys.readouterr())

    return run


@pytest.fixture
def fails(run, here):
    """Return a function that holds what every refusal must be, and gives the sentence."""

    def fails(*words: object) -> str:
        before = {path: path.stat().st_mtime_ns for path in here.rglob("*")}
        code, out, err = run(*words)
        assert code == 2, (out, err)
        assert err.startswith("error: ")
        assert err.count("\n") == 1, err
        assert "Traceback" not in err
        assert {path: path.stat().st_mtime_ns for path in here.rglob("*")} == before, "something was written"
        return err.removeprefix("error: ").rstrip("\n")

    return fails


@pytest.fixture
def shell(here):
    """Return a function that runs ``python -m alignkit`` in a process of its own."""

    def shell(*words: str, code: str | None = None, **options: object) -> subprocess.CompletedProcess[str]:
        start = ["-m", "alignkit"] if code is None else ["-c", textwrap.dedent(code)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}  # type: ignore[dict-item]
        return subprocess.run(
            [sys.executable, *start, *words], capture_output=True, text=True, env=environment, timeout=120, **options
        )  # type: ignore[call-overload]

    return shell


def patterns(n: int = 5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 8))


def save_labelled(path: Path, labels: str, seed: int = 0) -> RDM:
    result = rdm(patterns(len(labels), seed), labels=list(labels))
    result.save(path)
    return result


# --- the interface


def test_the_flags_are_frozen():
    for name, expected in FROZEN.items():
        found = options(VERBS[name].load().config).values()
        shown = {f"({option.name})" if option.kind == "positional" else option.name for option in found}
        assert shown == expected, name


def test_every_verb_has_a_summary_and_a_config_with_documented_examples():
    for name, verb in VERBS.items():
        config = verb.load().config
        assert verb.summary.endswith("."), name
        assert len(verb.summary) <= 80, name
        assert f"alignkit {name}" in (config.__doc__ or ""), name
        assert config.__dataclass_params__.frozen, name
        assert hasattr(config, "__slots__"), name


def test_the_examples_of_every_verb_parse(here):
    import inspect
    import shlex

    from alignkit._cli._parse import parse

    for name, verb in VERBS.items():
        config = verb.load().config
        _, _, examples = (inspect.getdoc(config) or "").partition("Examples\n--------\n")
        lines = [line for line in examples.replace("\\\n", " ").splitlines() if line.startswith("alignkit ")]
        for line in lines:
            words = shlex.split(line)
            assert words[1 : 1 + len(name.split())] == name.split(), line
            assert isinstance(parse(config, words[1 + len(name.split()) :], name), config), line


# --- help and versions


def test_alone_and_with_help_it_lists_every_verb(run):
    code, out, err = run()
    assert (code, err) == (0, "")
    assert run("--help")[1] == run("-h")[1] == out
    for name, verb in VERBS.items():
        assert f"  {name} " in out
        assert verb.group in out
    assert "examples" in out
    assert max(map(len, out.splitlines())) <= 80


def test_a_group_lists_its_verbs(run):
    code, out, _ = run("data")
    assert code == 0
    assert run("data", "--help")[1] == out
    assert "data fetch" in out
    assert "compare" not in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("name", list(VERBS))
def test_help_of_a_verb_is_readable_at_80_columns(run, name):
    code, out, err = run(*name.split(), "--help")
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    for option in options(VERBS[name].load().config).values():
        if option.kind != "positional":
            assert f"--{option.name}" in out
    for noise in ("None", "Config", "{[", "│", "\x1b", "default: )"):
        assert noise not in out
    assert f"usage: alignkit {name}" in out
    assert "examples" in out
    assert "--config FILE" in out


def test_help_follows_the_width_of_the_terminal(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    assert max(map(len, run("data", "list", "--help")[1].splitlines())) <= 74  # the last lines are examples
    monkeypatch.setenv("COLUMNS", "300")
    assert max(map(len, run("extract", "--help")[1].splitlines())) <= 100


def test_versions_are_those_of_what_is_used(run):
    import numpy
    import scipy

    code, out, _ = run("--version")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == f"alignkit {alignkit.__version__}"
    assert f"numpy {numpy.__version__}" in lines
    assert f"scipy {scipy.__version__}" in lines
    assert any(line.startswith("python 3.") for line in lines)


def test_unknown_verbs_suggest_the_nearest(fails):
    assert fails("comparre") == "alignkit has no verb 'comparre'; did you mean compare?"
    assert fails("data", "ftch") == "alignkit data has no verb 'ftch'; did you mean fetch?"
    assert fails("xyz").startswith("alignkit has no verb 'xyz'.")


def test_unknown_flags_and_values(fails, here):
    np.save("x.npy", patterns())
    assert fails("rdm", "x.npy", "--metirc", "cosine") == "there is no option --metirc; did you mean --metric?"
    assert (
        fails("rdm", "x.npy", "--nan-policy", "omit") == "--nan-policy must be one of 'propagate', 'raise'; got 'omit'."
    )
    assert fails("rdm") == "SOURCE is required."
    assert fails("rdm", "x.npy", "y.npy") == "unexpected: y.npy."
    assert fails("compare", "x.npy") == "at least two files are compared; got 1."


# --- rdm


def test_rdm_writes_what_the_function_returns(run, here):
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


def test_rdm_crossnobis_takes_its_files(run, here):
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


def test_rdm_reads_stored_features(run, here):
    from alignkit.models import Features

    Features.from_array(patterns(), list("abcde")).save("f.npz")
    assert run("rdm", "f.npz", "--out", "r.npz")[0] == 0
    assert RDM.load("r.npz").labels == tuple("abcde")


def test_rdm_takes_its_options_from_a_file(run, here):
    np.save("x.npy", patterns())
    Path("c.toml").write_text('source = "x.npy"\nmetric = "cosine"\nout = "r.npz"\n')
    assert run("rdm", "--config", "c.toml")[0] == 0
    assert RDM.load("r.npz").metric == "cosine"
    assert run("rdm", "--config", "c.toml", "--metric", "euclidean")[0] == 0
    assert RDM.load("r.npz").metric == "euclidean"


@pytest.mark.filterwarnings("always")
def test_a_warning_is_one_line_and_the_result_is_kept(run, here):
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


# --- compare


def test_compare_two_files(run, here):
    a, b = save_labelled(here / "a.npz", "abcde"), save_labelled(here / "b.npz", "edcba", seed=1)
    code, out, _ = run("compare", "a.npz", "b.npz", "--method", "pearson", "--out", "r.json")
    assert code == 0
    expected = float(compare(a, b, method="pearson"))
    assert json.loads(Path("r.json").read_text())["values"] == pytest.approx(expected, abs=1e-15)
    assert f"{expected:.4f}" in out


def test_compare_many_files_gives_all_pairs(run, here):
    rdms = [save_labelled(here / f"{name}.npz", "abcde", seed) for seed, name in enumerate("xyz")]
    code, out, _ = run("compare", "x.npz", "y.npz", "z.npz", "--out", "r.csv")
    assert code == 0
    pd = pytest.importorskip("pandas")
    table = pd.read_csv("r.csv").set_index(["rdm", "rdm_2"]).similarity
    for i, a in enumerate("xyz"):
        for j, b in enumerate("xyz"):
            assert table[f"{a}.npz", f"{b}.npz"] == pytest.approx(float(compare(rdms[i], rdms[j])), abs=1e-12)
    assert "x.npz" in out


def test_compare_matches_rows_by_label_over_the_shared_items(run, here, fails):
    a, b = save_labelled(here / "a.npz", "abcde"), save_labelled(here / "b.npz", "fedcb", seed=1)
    assert fails("compare", "a.npz", "b.npz").startswith(
        "a.npz and b.npz do not hold the same items (only in a.npz: 'a'; only in b.npz: 'f')."
    )
    code, out, _ = run("compare", "a.npz", "b.npz", "--on-mismatch", "intersect")
    assert code == 0
    expected = float(compare(a.select(list("bcde")), b.select(list("bcde"))))
    assert f"{expected:.4f}" in out
    code, out, _ = run("compare", "a.npz", "b.npz", "a.npz", "--on-mismatch", "intersect")
    assert code == 0
    assert "a.npz (2)" in out


# --- wrong input, each with its own sentence and nothing written


def test_no_input(fails, here):
    (here / "folder").mkdir()
    (here / "empty.npy").touch()
    assert fails("rdm", "no.npy") == "no.npy does not exist."
    assert fails("rdm", "empty.npy").startswith("empty.npy is empty (0 bytes)")
    assert fails("compare", "folder", "folder").startswith("folder")
    assert "folder is no features folder" in fails("rdm", "folder")
    np.save("x.npy", patterns())
    assert fails("rdm", "x.npy", "--labels", "folder") == "folder is a directory; a file is expected."


def test_damaged_files(fails, here):
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


def test_arrays_that_are_no_patterns(fails, here):
    np.save("text.npy", np.array([["a", "b"]]))
    assert "must hold real numbers of one dtype" in fails("rdm", "text.npy")
    np.save("half.npy", np.array([[1, np.inf], [2, 3], [4, 5]], dtype=np.float16))
    assert "is float16 and holds infinities" in fails("rdm", "half.npy")
    np.save("two.npy", patterns(2))
    assert "at least 3 are needed" in fails("rdm", "two.npy")


def test_arrays_that_are_no_rdms(fails, here):
    np.save("asymmetric.npy", patterns(8))
    sentence = fails("compare", "asymmetric.npy", "asymmetric.npy")
    assert sentence.startswith("asymmetric.npy: the array is not symmetric: entries (0, 1) and (1, 0) differ")
    np.save("oblong.npy", patterns(7))
    assert fails("compare", "oblong.npy", "oblong.npy").startswith("oblong.npy: ")
    np.save("similar.npy", np.eye(4))
    assert "zero diagonal" in fails("compare", "similar.npy", "similar.npy")


def test_labels_that_do_not_fit(fails, here):
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


def test_options_that_do_not_belong_together_speak_in_flags(fails, here):
    np.save("x.npy", patterns())
    sentence = fails("rdm", "x.npy", "--metric", "crossnobis")
    assert "--labels" in sentence
    assert "--folds" in sentence
    assert "=" not in sentence
    assert fails("rdm", "x.npy", "--normalize").startswith("--normalize is only for --metric sqeuclidean")
    assert fails("rdm", "x.npy", "--layer", "3").startswith("--layer is for features")


def test_outputs_are_checked_before_any_work(fails, here, monkeypatch):
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


def test_an_overwritten_output_survives_a_failure(fails, run, here):
    np.save("x.npy", patterns())
    assert run("rdm", "x.npy", "--out", "r.npz")[0] == 0
    Path("labels.txt").write_text("a\n")
    fails("rdm", "x.npy", "--labels", "labels.txt", "--out", "r.npz")
    assert RDM.load("r.npz").n_items == 5


# --- data


def test_data_list_and_path(run, here):
    code, out, _ = run("data", "list", "--root", "cache")
    assert code == 0
    assert "things" in out
    assert "cache" in out
    assert max(map(len, out.splitlines())) <= 80
    code, out, _ = run("data", "list", "material2afc", "--root", "cache")
    assert "licence:" in out
    assert "missing  triplets.npz" in out
    assert run("data", "path", "things", "item_names.tsv", "--root", "cache")[1] == "cache/things/item_names.tsv\n"
    assert not (here / "cache").exists()


def test_data_import_then_verify(run, here):
    (here / "download").mkdir()
    (here / "download" / "data.csv").write_text("id,left_vote,right_vote")
    code, _, _ = run("data", "import", "nights", "--from", "download", "--root", "cache", "--no-progress")
    assert code == 0
    assert Path("cache/nights/data.csv").read_text() == "id,left_vote,right_vote"
    assert run("data", "verify", "nights", "--root", "cache")[0] == 0
    Path("cache/nights/data.csv").write_text("changed")
    code, _, err = run("data", "verify", "nights", "--root", "cache")
    assert code == 2
    assert "data.csv (changed)" in err


def test_data_refusals(fails, here):
    known = "'algonauts78', 'cifar10h'"
    for words in (["fetch", "thing"], ["verify", "thing"], ["path", "thing"], ["list", "thing"]):
        assert known in fails("data", *words)
    assert known in fails("data", "import", "thing", "--from", "x")
    assert fails("data", "fetch").startswith("name at least one data set: algonauts78, ")
    assert fails("data", "import", "nights") == "--from PATH is required."
    assert fails("data", "import", "nights", "--from", "no.zip", "--root", "cache") == "no.zip does not exist."
    assert "nights is not complete: data.csv (missing)" in fails("data", "verify", "nights", "--root", "c")
    assert "must be a path inside" in fails("data", "path", "things", "../../etc/passwd")


def test_real_data_verify(run, shared_data):
    root = shared_data("cifar10h").parent
    code, out, _ = run("data", "verify", "cifar10h", "--root", root)
    assert code == 0
    assert "ok       cifar10h-counts.npy" in out


# --- extract


def draw_images(folder: Path, n: int = 3) -> None:
    image = pytest.importorskip("PIL.Image")
    folder.mkdir()
    for i in range(n):
        pixels = np.random.default_rng(i).integers(0, 255, (40, 40, 3), dtype=np.uint8)
        image.fromarray(pixels).save(folder / f"{i}.png")


def test_extract_images_then_rdm(run, here):
    pytest.importorskip("timm")
    draw_images(here / "photos", 4)
    words = ["extract", "--model", "random:resnet10t", "--images", "photos", "--out", "feats", "--img-size", "32"]
    code, out, err = run(*words, "--device", "cpu", "--no-progress")
    assert (code, err) == (0, "")
    assert "4 items" in out
    assert "saved to feats" in out
    assert run(*words, "--device", "cpu", "--no-progress")[0] == 0  # complete: the same command does no harm
    code, out, _ = run("rdm", "feats", "--out", "r.npz")
    assert code == 0
    assert RDM.load("r.npz").labels == ("0.png", "1.png", "2.png", "3.png")


def test_extract_names_a_broken_image_and_skips_it_when_told(run, here):
    pytest.importorskip("timm")
    draw_images(here / "photos", 3)
    (here / "photos" / "broken.png").write_bytes(b"\x89PNG no image")
    words = ["extract", "--model", "random:resnet10t", "--images", "photos", "--out", "feats", "--img-size", "32"]
    words += ["--device", "cpu", "--no-progress"]
    code, _, err = run(*words)
    assert code == 2
    assert "broken.png" in err
    assert "--on-error skip" in err
    code, out, _ = run(*words[:-1], "--no-progress", "--on-error", "skip", "--out", "feats2")
    assert code == 0
    assert "left out 1 unreadable item(s)" in out


def test_extract_refusals_come_before_the_model_is_loaded(fails, here, monkeypatch):
    monkeypatch.setattr("alignkit.models.load", lambda *_, **__: pytest.fail("the model was loaded"))
    (here / "photos").mkdir()
    (here / "words.csv").write_text("Word,id\ncat,1\n")
    model = ["extract", "--model", "minilm"]
    assert fails(*model, "--out", "f") == "give either --images FOLDER or --texts TABLE; got neither."
    both = ["--images", "photos", "--texts", "words.csv"]
    assert fails(*model, "--out", "f", *both) == "give either --images FOLDER or --texts TABLE; got both."
    assert fails(*model, "--out", "f", "--texts", "words.csv") == "--texts needs --template and --label."
    assert "belong to --texts" in fails(*model, "--out", "f", "--images", "photos", "--label", "id")
    assert "--images no does not exist" in fails(*model, "--out", "f", "--images", "no")
    assert "--images words.csv is not a folder" in fails(*model, "--out", "f", "--images", "words.csv")
    assert "--out words.csv is a file" in fails(*model, "--out", "words.csv", "--images", "photos")
    assert "the folder no of --out" in fails(*model, "--out", "no/f", "--images", "photos")
    assert "lies among the images" in fails(*model, "--out", "photos/f", "--images", "photos")
    assert "--batch-size must be at least 1" in fails(*model, "--out", "f", "--images", "photos", "--batch-size", "0")
    template = ["--template", "{Wort}", "--label", "id"]
    assert "Wort" in fails(*model, "--out", "f", "--texts", "words.csv", *template)


def test_extract_refuses_unknown_models(fails, here):
    pytest.importorskip("torch")
    draw_images(here / "photos", 1)
    assert "no-such-model" in fails("extract", "--model", "no-such-model", "--images", "photos", "--out", "f")


# --- exit codes


def guard(error: BaseException, capsys) -> tuple[int, str]:
    def work() -> None:
        raise error

    code = _guard.guarded(work)
    return code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "start"),
    [
        (ValueError("x must be\n  positive."), 2, "error: x must be positive."),
        (TypeError("no"), 2, "error: no"),
        (ImportError("this needs the package 'a'"), 2, "error: this needs the package 'a'"),
        (FileNotFoundError(2, "No such file or directory", "a/b"), 2, "error: a/b: no such file or directory."),
        (OSError(28, "No space left on device"), 2, "error: no space left on device."),
        (OSError("a sentence."), 2, "error: a sentence."),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), 2, "error: a text file is not UTF-8"),
        (MemoryError("Unable to allocate 9 TiB"), 2, "error: not enough memory (Unable to allocate 9 TiB)"),
        (RuntimeError("CUDA out of memory. Tried to"), 2, "error: not enough memory"),
        (KeyboardInterrupt(), 130, "stopped: no file is left half-written"),
        (KeyError("k"), 1, "internal error: KeyError: 'k'. This is a bug in alignkit; set ALIGNKIT_TRACEBACK=1"),
        (ZeroDivisionError("division by zero"), 1, "internal error: ZeroDivisionError: division by zero."),
        (ValueError(), 2, "error: ValueError"),
    ],
)
def test_every_error_is_one_line_with_its_code(error, code, start, capsys, monkeypatch):
    monkeypatch.delenv(_guard.TRACEBACK, raising=False)
    found, err = guard(error, capsys)
    assert found == code
    assert err.startswith(start)
    assert err.count("\n") == 1


def test_developers_see_the_traceback_when_they_ask(capsys, monkeypatch):
    monkeypatch.setenv(_guard.TRACEBACK, "1")
    code, err = guard(ValueError("no"), capsys)
    assert code == 2
    assert err.startswith("Traceback")
    assert err.endswith("error: no\n")


def test_warnings_are_one_line_and_the_old_way_comes_back(capsys):
    before = warnings.showwarning

    def work() -> None:
        warnings.simplefilter("always")
        warnings.warn("first\n  half", UserWarning, stacklevel=1)

    assert _guard.guarded(work) == 0
    assert capsys.readouterr().err == "warning: first half\n"
    assert warnings.showwarning is before


@pytest.mark.parametrize(
    ("python", "flags"),
    [
        ("pass on_mismatch='intersect'.", "pass --on-mismatch intersect."),
        ("needs labels= (names) and folds= (runs)", "needs --labels (names) and --folds (runs)"),
        ("normalize=True is", "--normalize is"),
        ("with root=... or", "with --root or"),
        ("x == y, n=3 and f(a='b c')", "x == y, n=3 and f(a='b c')"),
    ],
)
def test_sentences_speak_in_flags(python, flags):
    assert _guard._in_flags(python) == flags


# --- as a process


def test_python_dash_m_and_exit_codes(shell):
    done = shell("--version")
    assert done.returncode == 0
    assert done.stdout.startswith(f"alignkit {alignkit.__version__}\n")
    done = shell("rdm", "no.npy")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "error: no.npy does not exist.\n")


def test_a_reader_that_leaves_is_no_error(shell, here):
    code = f"""
        import subprocess, sys
        p = subprocess.Popen([{sys.executable!r}, "-m", "alignkit", "data", "list", "things"], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        p.stdout.close()
        err = p.stderr.read()
        print(p.wait(), err.decode())
    """
    done = shell(code=code)
    assert done.stdout.split() == ["141"], done.stderr


def test_ctrl_c_ends_with_130_and_a_sentence(here):
    code = """
        import sys, time
        import alignkit._cli._rsa as verbs
        from alignkit.cli import main

        def slow(path):
            print("started", flush=True)
            time.sleep(60)

        verbs.load_array = slow
        sys.exit(main(["rdm", "x.npy", "--out", "r.npz"]))
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.startswith("stopped: ")
    assert err.count("\n") == 1
    assert list(here.iterdir()) == []


def test_odd_terminals_do_not_break_the_output(shell, here):
    np.save("x.npy", patterns())
    Path("labels.txt").write_text("é\nb\nc\nd\ne\n", encoding="utf-8")
    done = shell("rdm", "x.npy", "--labels", "labels.txt", env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert "5 items" in done.stdout
