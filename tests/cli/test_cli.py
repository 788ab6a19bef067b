"""The frame of the command line: frozen flags, help, versions, exit codes of a process."""

from __future__ import annotations

import inspect
import os
import shlex
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import alignkit
from alignkit._cli._parse import parse
from alignkit._cli._registry import VERBS
from alignkit._config import options

#: What users' scripts may contain. A change here is a change of the public interface: say so in the changelog.
FROZEN = {
    "rdm": {
        "(source)",
        "metric",
        "labels",
        "folds",
        "cv",
        "noise",
        "noise-kind",
        "noise-folds",
        "shrinkage",
        "dof",
        "normalize",
        "p",
        "prior-lambda",
        "prior-weight",
        "variance-floor",
        "dtype",
        "layer",
        "nan-policy",
        "out",
    },
    "compare": {"(files)", "method", "sigma-k", "controls", "partial", "nan-policy", "on-mismatch", "out"},
    "regress": {
        "(data)",
        "(models)",
        "method",
        "intercept",
        "standardize",
        "split",
        "n-folds",
        "dim",
        "nan-policy",
        "on-mismatch",
        "seed",
        "out",
    },
    "ceiling": {
        "(files)",
        "kind",
        "method",
        "pooling",
        "sigma-k",
        "dim",
        "nan-policy",
        "on-mismatch",
        "n-bootstrap",
        "n-splits",
        "confidence",
        "seed",
        "progress",
        "out",
    },
    "permute": {
        "(first)",
        "(second)",
        "method",
        "n-permutations",
        "alternative",
        "average",
        "controls",
        "partial",
        "nan-policy",
        "on-mismatch",
        "seed",
        "progress",
        "out",
    },
    "design triplets": {
        "(items)",
        "people",
        "answers",
        "shared",
        "people-per-triplet",
        "retest",
        "catch",
        "groups",
        "accuracy",
        "person-sd",
        "triplet-sd",
        "agreement",
        "correlation",
        "confidence",
        "power",
        "seed",
        "lists",
        "out",
    },
    "design answers": {
        "half-width",
        "difference",
        "personal-gain",
        "individuality",
        "answers-per-person",
        "n-weights",
        "retained",
        "accuracy",
        "person-sd",
        "correlation",
        "confidence",
        "power",
        "seed",
        "out",
    },
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
        "dtype",
        "shard-size",
        "n-workers",
        "progress",
    },
    "train hba": {
        "images",
        "items",
        "root",
        "out",
        "backbone",
        "weights",
        "text",
        "layer",
        "img-size",
        "preprocess",
        "targets",
        "prompts",
        "order",
        "loss",
        "answers",
        "triplets",
        "head",
        "penalty",
        "ridge-constant",
        "affine",
        "dropout",
        "val-share",
        "split-seed",
        "held-out",
        "subject",
        "start",
        "personal",
        "prior",
        "adapter.kind",
        "adapter.rank",
        "adapter.alpha",
        "adapter.dropout",
        "adapter.init",
        "adapter.projections",
        "adapter.image-blocks",
        "adapter.text-blocks",
        "adapter.train-magnitude",
        "optim.lr",
        "optim.weight-decay",
        "optim.decay-all",
        "optim.beta1",
        "optim.beta2",
        "optim.eps",
        "optim.schedule",
        "optim.warmup",
        "optim.final-lr",
        "optim.clip",
        "loop.epochs",
        "loop.max-steps",
        "loop.batch-size",
        "loop.accumulate",
        "loop.drop-last",
        "loop.precision",
        "loop.ema",
        "loop.validate-every",
        "loop.checkpoint-every",
        "loop.keep-last",
        "loop.patience",
        "loop.monitor",
        "loop.mode",
        "loop.log-every",
        "loop.tensorboard",
        "loop.wandb",
        "loop.seed",
        "loop.device",
        "loop.parallel",
        "loop.gradient-checkpointing",
        "loop.compile",
        "loop.progress",
        "cache",
        "cache-dtype",
        "n-bootstrap",
        "preset",
        "resume",
    },
    "train hba-meg": {
        "images",
        "items",
        "root",
        "out",
        "rdms",
        "test-rdms",
        "rdm-labels",
        "rdm-times",
        "tmin",
        "tmax",
        "average",
        "people",
        "held-out-people",
        "held-out",
        "val-share",
        "split-seed",
        "scale",
        "cache-dtype",
        "triplets",
        "start",
        "start-image",
        "backbone",
        "weights",
        "img-size",
        "preprocess",
        "prompts",
        "readout",
        "window",
        "reach",
        "dimension-weights",
        "metric",
        "noise",
        "terms.over-all",
        "terms.each-time",
        "terms.size",
        "terms.generalization",
        "terms.relative",
        "weights-lr",
        "weights-epochs",
        "weights-patience",
        "adapter.kind",
        "adapter.rank",
        "adapter.alpha",
        "adapter.dropout",
        "adapter.init",
        "adapter.projections",
        "adapter.image-blocks",
        "adapter.text-blocks",
        "adapter.train-magnitude",
        "optim.lr",
        "optim.weight-decay",
        "optim.decay-all",
        "optim.beta1",
        "optim.beta2",
        "optim.eps",
        "optim.schedule",
        "optim.warmup",
        "optim.final-lr",
        "optim.clip",
        "loop.epochs",
        "loop.max-steps",
        "loop.batch-size",
        "loop.accumulate",
        "loop.drop-last",
        "loop.precision",
        "loop.ema",
        "loop.validate-every",
        "loop.checkpoint-every",
        "loop.keep-last",
        "loop.patience",
        "loop.monitor",
        "loop.mode",
        "loop.log-every",
        "loop.tensorboard",
        "loop.wandb",
        "loop.seed",
        "loop.device",
        "loop.parallel",
        "loop.gradient-checkpointing",
        "loop.compile",
        "loop.progress",
        "subject",
        "shuffle-people",
        "window-s",
        "n-bootstrap",
        "n-permutations",
        "preset",
        "resume",
    },
    "train": {
        "architecture",
        "from",
        "out",
    },
    "train export": {
        "(run)",
        "out",
        "kind",
        "weights",
        "architecture",
    },
    "train import-hba": {
        "(checkpoint)",
        "prompts",
        "out",
        "backbone",
        "weights",
        "alpha",
    },
    "meg rdms": {
        "epochs",
        "by",
        "folds",
        "metric",
        "cv",
        "covariance",
        "ridge",
        "variance-floor",
        "normalize",
        "noise",
        "noise-kind",
        "noise-from",
        "shrinkage",
        "window",
        "step",
        "window-mode",
        "pseudo-trials",
        "pseudo-repeats",
        "picks",
        "tmin",
        "tmax",
        "baseline",
        "decim",
        "query",
        "variable",
        "dtype",
        "memory",
        "seed",
        "progress",
        "out",
        "overwrite",
    },
    "meg timecourse": {
        "models",
        "data",
        "method",
        "pooling",
        "ceiling",
        "sigma-k",
        "controls",
        "partial",
        "nan-policy",
        "on-mismatch",
        "tolerance",
        "n-bootstrap",
        "confidence",
        "tmin",
        "tmax",
        "baseline",
        "onset-method",
        "test",
        "tail",
        "n-permutations",
        "alpha",
        "correction",
        "memory",
        "seed",
        "progress",
        "out",
        "figure",
    },
    "meg generalize": {
        "data",
        "method",
        "reference",
        "pooling",
        "nan-policy",
        "on-mismatch",
        "tolerance",
        "n-bootstrap",
        "confidence",
        "memory",
        "seed",
        "progress",
        "out",
        "figure",
    },
    "meg import": {
        "(source)",
        "variable",
        "dims",
        "labels",
        "times",
        "metric",
        "subject",
        "session",
        "tmin",
        "tmax",
        "dtype",
        "overwrite",
        "progress",
        "out",
    },
}
ROOT = Path(alignkit.__file__).resolve().parents[1]


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
    assert fails("compar") == "alignkit has no verb 'compar'; did you mean compare?"
    assert fails("data", "ftch") == "alignkit data has no verb 'ftch'; did you mean fetch?"
    assert fails("xyz").startswith("alignkit has no verb 'xyz'.")


def test_unknown_flags_and_values(fails, here, patterns):
    np.save("x.npy", patterns())
    assert fails("rdm", "x.npy", "--metirc", "cosine") == "there is no option --metirc; did you mean --metric?"
    assert (
        fails("rdm", "x.npy", "--nan-policy", "drop")
        == "--nan-policy must be one of 'propagate', 'omit', 'raise'; got 'drop'."
    )
    assert fails("rdm") == "SOURCE is required."
    assert fails("rdm", "x.npy", "y.npy") == "unexpected: y.npy."
    assert fails("compare", "x.npy") == "at least two files are compared; got 1."


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
        import signal, sys, time
        import alignkit._cli._rsa as verbs
        from alignkit.cli import main

        signal.signal(signal.SIGINT, signal.default_int_handler)  # which shells take from what runs in the background

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


def test_odd_terminals_do_not_break_the_output(shell, here, patterns):
    np.save("x.npy", patterns())
    Path("labels.txt").write_text("é\nb\nc\nd\ne\n", encoding="utf-8")
    done = shell("rdm", "x.npy", "--labels", "labels.txt", env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert "5 items" in done.stdout
