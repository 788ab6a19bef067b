"""From a config to a finished run, on with one that was cut off, and the same once more from its folder alone."""

from __future__ import annotations

import dataclasses
import errno
import json
import math
import os
import re
import warnings
from pathlib import Path

import pytest
from reference.launch import attempt, launch
from reference.toy_method import task as toy_task
from reference.toy_method.config import ToyConfig

from alignkit.train import LoopConfig, RunResult, rerun, run
from alignkit.train._methods import METHODS


@pytest.fixture(autouse=True)
def toy(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setitem(METHODS, "ToyConfig", ("reference.toy_method.task", "build"))


def config(**changes: object) -> ToyConfig:
    return dataclasses.replace(ToyConfig(), **changes)  # type: ignore[arg-type]


def weights(result: RunResult) -> bytes:
    return (result.path / "model.json").read_bytes()


def count_builds(monkeypatch) -> list[str]:
    built: list[str] = []
    plain = toy_task.build

    def build(config, folder):
        built.append(str(folder.path))
        return plain(config, folder)

    monkeypatch.setattr(toy_task, "build", build)
    return built


def test_a_run_leaves_all_in_its_folder(tmp_path):
    result = run(config(out=tmp_path / "a"))
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [
        "checkpoints", "config.toml", "finished.json", "metrics.jsonl", "model.json", "splits.json", "versions.json",
    ]  # fmt: skip
    assert (result.path, result.config, result.method) == (tmp_path / "a", config(out=tmp_path / "a"), "ToyConfig")
    assert [record.step for record in result.history.steps] == list(range(1, 19))
    best = min(result.history.validations, key=lambda record: record.metrics["loss"])
    assert (result.history.best_step, result.metrics) == (best.step, best.metrics)
    assert json.loads((tmp_path / "a" / "splits.json").read_text())["val"] == ["a", "b"]


def test_a_finished_run_is_given_back_as_it_is(tmp_path, monkeypatch):
    built = count_builds(monkeypatch)
    first = run(config(out="a"))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    again = run(config(out="a"))
    assert len(built) == 1
    assert repr(again) == repr(first)
    assert again.history.steps == first.history.steps
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    (tmp_path / "a").rename(tmp_path / "b")
    assert run(config(out="b")).path == Path("b")
    with pytest.raises(FileExistsError, match="b holds a run"):
        run(config(out="b"), resume="never")


def test_other_settings_are_refused(tmp_path):
    run(config(out="a"))
    with pytest.raises(ValueError, match="a holds a run with other settings \\(n_samples 20, now 21\\)"):
        run(config(out="a", n_samples=21))


@pytest.mark.parametrize("position", [0, 8, 40, 112])
def test_a_run_that_failed_goes_on_to_the_same_bits(monkeypatch, position):
    whole = run(config(out="whole"))
    plain = toy_task.SlowTask.inputs

    def broken(self, samples):
        if samples.position[0] >= position:
            raise MemoryError
        return plain(self, samples)

    with monkeypatch.context() as patch:
        patch.setattr(toy_task.SlowTask, "inputs", broken)
        with pytest.raises(MemoryError):
            run(config(out="a"))
    assert not Path("a", "finished.json").exists()
    result = run(config(out="a"))
    assert weights(result) == weights(whole)
    assert [r.losses for r in result.history.steps] == [r.losses for r in whole.history.steps]
    assert result.metrics == whole.metrics


def test_a_full_disk_stops_a_run_that_goes_on_to_the_same_bits(monkeypatch):
    whole = run(config(out="whole"))
    plain, calls = os.replace, []

    def full(source, target):
        calls.append(str(target))
        if "step-000000009.safetensors" in str(target):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        plain(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(OSError, match=r"step 9 could not be written .*No space left.*that of step 6 is whole"):
            run(config(out="a"))
    assert weights(run(config(out="a"))) == weights(whole)


def test_a_damaged_newest_checkpoint_costs_time_alone(monkeypatch):
    whole = run(config(out="whole"))

    def stop(self, folder):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(toy_task.SlowTask, "export", stop)
        with pytest.raises(MemoryError):
            run(config(out="a"))
    newest = sorted(Path("a", "checkpoints").glob("*.safetensors"))[-1]
    os.truncate(newest, 100)
    with pytest.warns(UserWarning, match="cannot be used; going back to step 15"):
        result = run(config(out="a"))
    assert weights(result) == weights(whole)


def test_what_is_no_config_is_refused(tmp_path):
    for value in (None, "hba", LoopConfig()):
        with pytest.raises(TypeError, match="config must be one of"):
            run(value)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="resume must be one of"):
        run(config(out="a"), resume="sometimes")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        '{"n_steps": "3", "stopped": "finished"}',
        '{"n_steps": 3, "stopped": 1}',
        '{"n_steps": 3, "stopped": "finished", "best_step": -1}',
        '{"n_steps": 3, "stopped": "finished", "best_step": "3"}',
    ],
)
def test_an_end_that_is_damaged_is_told(text):
    run(config(out="a"))
    Path("a", "finished.json").write_text(text)
    with pytest.raises(ValueError, match=r"finished\.json does not say how the run ended; delete it"):
        run(config(out="a"))
    Path("a", "finished.json").unlink()
    assert run(config(out="a")).history.stopped == "finished"


@pytest.mark.parametrize("harm", ["gone", "damaged"])
def test_a_finished_run_without_its_log_is_told(harm):
    run(config(out="a"))
    log = Path("a", "metrics.jsonl")
    log.unlink() if harm == "gone" else log.write_text("")
    with pytest.raises(ValueError, match=r"a/metrics\.jsonl, which a finished run has, is gone or damaged"):
        run(config(out="a"))


def test_a_damaged_log_cannot_change_which_step_was_kept():
    result = run(config(out="a"))
    log, best = Path("a", "metrics.jsonl"), result.history.best_step
    assert json.loads(Path("a", "finished.json").read_text())["best_step"] == best > 0
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(line for line in lines if json.loads(line)["step"] < best))
    with pytest.warns(UserWarning, match=f"lost the validation of step {best}, whose weights were kept"):
        again = run(config(out="a"))
    assert again.history.best_step == best
    assert math.isnan(again.history.best)
    assert again.metrics == {}
    # a line that is better by mistake
    log.write_text("".join(lines) + json.dumps({"step": 10**6, "val": {**result.metrics, "loss": -1.0}}) + "\n")
    again = run(config(out="a"))
    assert (again.history.best_step, again.metrics) == (best, result.metrics)
    assert again.history.best == result.history.best


def test_a_run_that_did_not_note_its_best_step_has_it_from_its_log():
    result = run(config(out="a"))
    Path("a", "finished.json").write_text(json.dumps({"n_steps": result.history.n_steps, "stopped": "finished"}))
    assert run(config(out="a")).history == result.history


# --- once more


def test_a_rerun_gives_the_same_bits():
    Path("t.csv").write_text("1")
    first = run(config(out="a", table=Path("t.csv")))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = rerun("a", out="b")
    assert weights(again) == weights(first)
    assert again.config == dataclasses.replace(first.config, out=Path("b"))
    assert [r.losses for r in again.history.steps] == [r.losses for r in first.history.steps]
    timeless = [re.sub(r"; [^;\n]* samples/s.*", "", repr(result)) for result in (rerun("b", out="c"), again)]
    assert timeless[0].replace("in c", "in b") == timeless[1]


def test_a_rerun_says_what_differs():
    Path("t.csv").write_text("1")
    run(config(out="a", table=Path("t.csv")))
    path = Path("a", "versions.json")
    then = json.loads(path.read_text())
    then["versions"]["torch"] = "1.0"
    path.write_text(json.dumps({**then, "threads": 99, "processes": 8, "commit": "0" * 40}))
    Path("t.csv").write_text("2")
    with pytest.warns(UserWarning, match="the rerun of a may differ from it in its numbers") as caught:
        rerun("a", out="b")
    assert len(caught) == 1
    text = str(caught[0].message)
    for part in ("commit none (was 000000000000)", "(was 99)", "processes 1 (was 8)", "(was 1.0)", "table "):
        assert part in text
    assert text.count("(was") == 5


def test_reruns_that_cannot_be(tmp_path):
    run(config(out="a"))
    with pytest.raises(ValueError, match="out must be another folder than a"):
        rerun("a", out=tmp_path / "b" / ".." / "a")
    with pytest.raises(FileNotFoundError, match="nowhere holds no run of alignkit"):
        rerun("nowhere", out="b")
    Path("a", "config.toml").write_text("epocs = 3")
    with pytest.raises(ValueError, match=r"config\.toml sets 'epocs', which is no option here"):
        rerun("a", out="b")
    versions = json.loads(Path("a", "versions.json").read_text())
    Path("a", "versions.json").write_text(json.dumps({**versions, "method": "OldConfig"}))
    with pytest.raises(ValueError, match="there is no training method with a 'OldConfig'"):
        rerun("a", out="b")
    assert not Path("b").exists()


# --- several processes


def run_here(folder: str, n_samples: int) -> str:
    """Run in one of the processes that test_two_processes_run_as_one starts."""
    METHODS["ToyConfig"] = ("reference.toy_method.task", "build")
    result = run(ToyConfig(out=Path(folder), n_samples=n_samples))
    return repr((result.history.best_step, result.history.last_step, sorted(result.metrics), result.path.name))


@pytest.mark.slow
def test_two_processes_run_as_one(tmp_path):
    folder = tmp_path / "two"
    first = launch(run_here, str(folder), 20)
    assert first[0] == first[1]
    assert json.loads((folder / "versions.json").read_text())["processes"] == 2
    assert (folder / "model.json").exists()
    steps = [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert steps.count(18) == 2  # one line of the step and one of its validation, by one process
    assert launch(run_here, str(folder), 20) == first
    said = [outcome["error"] for outcome in attempt(run_here, str(folder), 21)]
    assert "other settings (n_samples 20, now 21)" in said[0]
    assert "the main process could not open the run's folder" in said[1]


class Others:
    """A process among two: what the main one says, it hears."""

    def __init__(self, is_main: bool, said: list[object]) -> None:
        self.is_main, self.world_size, self.said = is_main, 2, said

    def broadcast(self, value: object) -> object:
        if self.is_main:
            self.said.append(value)
            return value
        return self.said.pop(0)


def test_all_processes_hear_why_the_folder_does_not_open():
    from alignkit.train._run import _open

    with _open(config(out="a"), "auto", Others(True, [])) as folder:  # type: ignore[arg-type]
        folder.finish({"n_steps": 1, "stopped": "finished"})
    said: list[object] = []
    with pytest.raises(ValueError, match="holds a run with other settings"):
        _open(config(out="a", n_samples=3), "auto", Others(True, said))  # type: ignore[arg-type]
    with pytest.raises(OSError, match=r"the main process could not open the run's folder \(a holds a run with other"):
        _open(config(out="a", n_samples=3), "auto", Others(False, said))  # type: ignore[arg-type]
    with _open(config(out="b"), "auto", Others(True, said)) as main:  # type: ignore[arg-type]
        with _open(config(out="b"), "auto", Others(False, said)) as other:  # type: ignore[arg-type]
            assert (main.main, other.main) == (True, False)
        assert json.loads(Path("b", "versions.json").read_text())["processes"] == 2


class Staged(toy_task.SlowTask):
    """A toy whose last layer's bias alone is trained first."""

    def __init__(self, settings: ToyConfig) -> None:
        super().__init__(settings)
        loop = dataclasses.replace(settings.loop, epochs=2)
        self.stages = [dataclasses.replace(settings, out=settings.out / "first", loop=loop)]
        self.begun: list[str] = []

    def begin(self, settings: ToyConfig) -> None:
        first = settings.out.name == "first"
        self.begun.append(settings.out.name)
        self.rates = {"": 0.5} if first else {}
        names = [name for name, _ in self.module.named_parameters()]
        for name, parameter in self.module.named_parameters():
            parameter.requires_grad_(not first or name == names[-1])


def test_stages_train_one_after_the_other_each_in_its_folder(tmp_path, monkeypatch):
    built: list[Staged] = []

    def build(settings, folder):
        built.append(Staged(settings))
        return built[-1]

    monkeypatch.setattr(toy_task, "build", build)
    result = run(config(out=tmp_path / "a"))
    assert built[0].begun == ["first", "a"]
    assert {path.name for path in (tmp_path / "a" / "first").iterdir()} == {
        "checkpoints", "config.toml", "finished.json", "metrics.jsonl", "versions.json",
    }  # fmt: skip
    first = [json.loads(line) for line in (tmp_path / "a" / "first" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in first if "lr" in line] == list(range(1, 7))
    # the whole run starts where the first stage's best weights left it
    validations = [line for line in first if "lr" not in line]
    best = min(line["val"]["loss"] for line in validations)
    assert result.history.validations[0].metrics["loss"] == pytest.approx(best)


def test_stages_that_were_cut_off_go_on_to_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(toy_task, "build", lambda settings, folder: Staged(settings))
    whole = weights(run(config(out=tmp_path / "whole")))
    for name, n_calls in (("early", 3), ("late", 12)):
        calls = []

        def loss(self, outputs, targets, calls=calls, n_calls=n_calls):
            calls.append(1)
            if len(calls) == n_calls:
                raise KeyboardInterrupt
            return toy_task.SlowTask.loss(self, outputs, targets)

        with monkeypatch.context() as patch:
            patch.setattr(Staged, "loss", loss)
            with pytest.raises(KeyboardInterrupt):
                run(config(out=tmp_path / name))
        assert weights(run(config(out=tmp_path / name))) == whole


def test_a_first_stage_that_never_helped_leaves_the_weights_as_they_were(tmp_path, monkeypatch):
    """The official code then loads a checkpoint that was never written."""

    def validate(self, module, *, processes):
        self.count = getattr(self, "count", 0) + 1
        return {"loss": float(self.count)}

    monkeypatch.setattr(Staged, "validate", validate)
    monkeypatch.setattr(toy_task, "build", lambda settings, folder: Staged(settings))
    start = Staged(config()).module.state_dict()
    run(config(out=tmp_path / "a"))
    kept = json.loads((tmp_path / "a" / "first" / "finished.json").read_text())
    assert kept["best_step"] == 0
    assert start  # the run went through all stages
