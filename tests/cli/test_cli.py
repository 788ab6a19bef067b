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
from reference.flags import FROZEN

import alignkit
from alignkit._cli._parse import parse
from alignkit._cli._registry import VERBS
from alignkit._config import options

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
