"""A run's folder: made once, gone on with by the same settings alone, by one process alone."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from reference.toy_method.config import ToyConfig

import alignkit
from alignkit._config import read_config
from alignkit.train import LoopConfig, OptimConfig
from alignkit.train._checkpoints import State
from alignkit.train._run_folder import RunFolder, read_versions


@pytest.fixture(autouse=True)
def outside_of_git(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def config(**changes: object) -> ToyConfig:
    return dataclasses.replace(ToyConfig(), **changes)  # type: ignore[arg-type]


def save(folder: RunFolder, step: int) -> None:
    folder.checkpoints.save(State(step, {"model.w": torch.tensor([float(step)])}, {}))


def test_a_new_folder_says_all_that_a_run_is(tmp_path):
    with RunFolder.open(tmp_path / "a" / "run", config(n_samples=7)) as folder:
        assert folder.path == tmp_path / "a" / "run"
        assert folder.finished is None
        assert folder.resume() is None
        assert folder.read_history() == []
    assert sorted(path.name for path in folder.path.iterdir()) == ["config.toml", "versions.json"]
    assert read_config(folder.path / "config.toml", ToyConfig) == config(n_samples=7)
    versions = read_versions(folder.path)
    assert versions["method"] == "ToyConfig"
    assert versions["versions"]["alignkit"] == alignkit.__version__
    assert {"commit", "device", "threads", "processes", "data"} <= set(versions)


def begin(path: Path, settings: ToyConfig) -> None:
    """Leave a run that has trained a little."""
    with RunFolder.open(path, settings) as folder:
        save(folder, 1)


def test_the_same_settings_go_on(tmp_path):
    with RunFolder.open(tmp_path, config()) as folder:
        for step in range(8):
            folder.log({"step": step})
            if step in (2, 5):
                save(folder, step)
        kept = read_versions(tmp_path)
    (tmp_path / ".config.toml.0a1b2c3d.tmp").touch()
    (tmp_path / "checkpoints" / ".step-000000007.json.0a1b2c3d.tmp").touch()
    (tmp_path / "checkpoints" / "step-000000007.safetensors").touch()
    other = config(out=Path("elsewhere"), loop=dataclasses.replace(config().loop, progress=True))
    with RunFolder.open(tmp_path, other) as folder:
        state = folder.resume()
        assert state is not None
        assert (state.step, state.tensors["model.w"].item()) == (5, 5.0)
        assert [record["step"] for record in folder.read_history()] == [0, 1, 2, 3, 4, 5]
        folder.log({"step": 6})
        assert len(folder.read_history()) == 7
    assert read_versions(tmp_path) == kept
    assert not list(tmp_path.rglob("*.tmp"))
    assert len(list((tmp_path / "checkpoints").iterdir())) == 4


def test_without_a_checkpoint_the_log_begins_again(tmp_path):
    with RunFolder.open(tmp_path, config()) as folder:
        folder.log({"step": 0, "val": {"loss": 1.0}})
    with RunFolder.open(tmp_path, config()) as folder:
        assert folder.resume() is None
        assert folder.read_history() == []


def test_a_damaged_newest_checkpoint_is_gone_behind(tmp_path):
    with RunFolder.open(tmp_path, config()) as folder:
        for step in (3, 6):
            folder.log({"step": step})
            save(folder, step)
        (tmp_path / "checkpoints" / "step-000000006.safetensors").write_bytes(b"x")
        with pytest.warns(UserWarning, match="going back to step 3"):
            state = folder.resume()
        assert state is not None
        assert state.step == 3
        assert [record["step"] for record in folder.read_history()] == [3]
        assert folder.checkpoints.steps == [3]


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"n_samples": 9}, ["n_samples 20, now 9"]),
        ({"optim": OptimConfig(lr=0.5)}, ["optim.lr 0.01, now 0.5", "optim.schedule 'cosine', now 'constant'"]),
        ({"table": Path("t.csv")}, ["table None, now 't.csv'"]),
        ({"loop": LoopConfig(epochs=6, batch_size=8, progress=False, device="cpu", ema=0.9)}, ["loop.ema None, now"]),
    ],
)
def test_other_settings_are_refused_by_name(tmp_path, changes, names):
    begin(tmp_path, config())
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match="holds a run with other settings") as caught:
        RunFolder.open(tmp_path, config(**changes))
    for name in names:
        assert name in str(caught.value)
    assert "loop.epochs" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    RunFolder.open(tmp_path, config()).close()  # the refusal let go of the folder


def test_once_a_part_is_trained_the_refusal_is_about_the_run_s_own_settings(tmp_path):
    run, part = config(out=tmp_path / "run"), config(out=tmp_path / "run" / "weights", optim=OptimConfig(lr=0.3))
    RunFolder.open(run.out, run).close()
    RunFolder.open(part.out, part).close()
    RunFolder.open(run.out, dataclasses.replace(run, n_samples=9)).close()  # nothing was trained so far
    RunFolder.open(run.out, run).close()
    begin(part.out, part)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match=r"run holds a run with other settings \(n_samples 20, now 9\); choose"):
        RunFolder.open(run.out, dataclasses.replace(run, n_samples=9))
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    RunFolder.open(run.out, run).close()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StartConfig(ToyConfig):
    """A method whose training may start at a run."""

    start: Path | None = None


@pytest.mark.parametrize(
    ("out", "how"), [("group", "is"), ("group/.", "is"), ("group/person", "lies in"), (".", "holds")]
)
def test_a_folder_that_is_not_apart_from_the_start_is_refused(tmp_path, out, how):
    settings = StartConfig(out=Path(out), start=tmp_path / "group")
    begin(Path("group"), config())
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=rf"^out must be apart from the run .* {how} .*group; choose another out\.$"):
        RunFolder.open(settings.out, settings)
    assert sorted(tmp_path.rglob("*")) == before
    RunFolder.open("group-2", dataclasses.replace(settings, out=Path("group-2"))).close()


def test_another_method_is_refused(tmp_path):
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class OtherConfig(ToyConfig):
        pass

    begin(tmp_path, config())
    with pytest.raises(ValueError, match="holds a run of ToyConfig, not of OtherConfig"):
        RunFolder.open(tmp_path, OtherConfig())


def test_settings_that_an_earlier_version_did_not_know_have_their_defaults(tmp_path):
    begin(tmp_path, config())
    path = tmp_path / "config.toml"
    text = path.read_text()
    assert 'accumulation = "exact"\n' in text
    path.write_text(text.replace('accumulation = "exact"\n', ""))
    RunFolder.open(tmp_path, config()).close()
    other = config(loop=dataclasses.replace(config().loop, accumulation="plain"))
    with pytest.raises(ValueError, match=r"other settings \(loop.accumulation 'exact', now 'plain'\)"):
        RunFolder.open(tmp_path, other)


def test_before_anything_was_trained_settings_and_inputs_may_be_set_right(tmp_path):
    (tmp_path / "t.csv").write_text("1")
    with RunFolder.open(tmp_path / "run", config(table=tmp_path / "t.csv")) as folder:
        folder.write_splits({"train": [1, 2]})
        folder.log({"step": 0})
    (tmp_path / "t.csv").write_text("2")
    mine = config(table=tmp_path / "t.csv", n_samples=9)
    with RunFolder.open(tmp_path / "run", mine) as folder:
        folder.write_splits({"train": [1]})
        assert folder.resume() is None
        assert folder.read_history() == []
    assert read_config(tmp_path / "run" / "config.toml", ToyConfig) == mine


def test_resume_never_refuses_what_is_there(tmp_path):
    RunFolder.open(tmp_path, config(), resume="never").close()
    with pytest.raises(FileExistsError, match="holds a run; choose another out, or resume it"):
        RunFolder.open(tmp_path, config(), resume="never")
    with pytest.raises(ValueError, match="resume must be one of 'auto', 'never'; got 'yes'"):
        RunFolder.open(tmp_path, config(), resume="yes")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["config.toml", "metrics.jsonl", "splits.json", "finished.json"])
def test_what_is_no_run_is_not_written_over(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(FileExistsError, match=f"holds '{name}', but no run that can go on"):
        RunFolder.open(tmp_path, config())
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_a_kill_before_the_settings_were_written_is_no_run(tmp_path):
    (tmp_path / "versions.json").write_text("{}")
    (tmp_path / "slurm-17.out").touch()
    RunFolder.open(tmp_path, config()).close()
    assert read_versions(tmp_path)["method"] == "ToyConfig"


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="file is a file; out must be a folder"):
        RunFolder.open(tmp_path / "file", config())


@pytest.mark.parametrize("text", ["", "[]", '{"method": 3}', "{", "\0"])
def test_damaged_versions_are_told(tmp_path, text):
    RunFolder.open(tmp_path, config()).close()
    (tmp_path / "versions.json").write_text(text)
    with pytest.raises(ValueError, match=r"versions\.json (is empty|is not valid|does not say)"):
        RunFolder.open(tmp_path, config())
    with pytest.raises(FileNotFoundError, match=r"holds no run of alignkit: config\.toml and versions\.json"):
        read_versions(tmp_path / "nowhere")


def test_input_files_that_changed_are_refused_and_folders_told(tmp_path):
    (tmp_path / "t.csv").write_text("1")
    mine = config(table=tmp_path / "t.csv")
    begin(tmp_path / "run", mine)
    (tmp_path / "t.csv").write_text("2")
    with pytest.raises(ValueError, match="began with another content of 'table'; give it the files back"):
        RunFolder.open(tmp_path / "run", mine)
    (tmp_path / "t.csv").write_text("1")
    RunFolder.open(tmp_path / "run", mine).close()
    with (
        pytest.warns(UserWarning, match=r"goes on in other circumstances: processes 4 \(was 1\)\. For the bits"),
        RunFolder.open(tmp_path / "run", mine, n_processes=4) as folder,
    ):
        folder.finish({"n_steps": 1})
    (tmp_path / "t.csv").unlink()
    with RunFolder.open(tmp_path / "run", mine) as folder:  # what is finished needs nothing
        assert folder.finished == {"n_steps": 1}


@pytest.mark.parametrize("text", ["[1]", "3"])
def test_splits_that_are_damaged_are_told(tmp_path, text):
    with RunFolder.open(tmp_path, config()) as folder:
        (tmp_path / "splits.json").write_text(text)
        with pytest.raises(ValueError, match=r"splits\.json holds no splits; it is damaged"):
            folder.write_splits({"train": [1]})


def test_splits_are_written_once(tmp_path):
    splits = {"train": (1, 2), "test": ["é"]}
    with RunFolder.open(tmp_path, config()) as folder:
        folder.write_splits(splits)
    with RunFolder.open(tmp_path, config()) as folder:
        folder.write_splits(splits)
        with pytest.raises(ValueError, match=r"began with other splits \('test', 'val' would differ\)"):
            folder.write_splits({"train": [1, 2], "test": [], "val": [3]})
    assert json.loads((tmp_path / "splits.json").read_text()) == {"train": [1, 2], "test": ["é"]}


def test_other_processes_write_nothing(tmp_path):
    with RunFolder.open(tmp_path, config()) as folder:
        folder.log({"step": 1})
        save(folder, 1)
        folder.log({"step": 2})
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        with RunFolder.open(tmp_path, config(), main=False) as other:
            other.log({"step": 3})
            other.write_splits({"train": [1]})
            other.finish({})
            save(other, 3)
            state = other.resume()
            assert state is not None
            assert state.step == 1
        assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    RunFolder.open(tmp_path / "new", config(), main=False)
    assert not (tmp_path / "new").exists()


def test_a_second_process_is_refused(tmp_path):
    code = f"""
        from reference.toy_method.config import ToyConfig
        from alignkit.train._run_folder import RunFolder
        RunFolder.open({str(tmp_path)!r}, ToyConfig())
    """
    words = [sys.executable, "-c", textwrap.dedent(code)]
    paths = f"{Path(alignkit.__file__).parents[1]}:{Path(__file__).parents[1]}"
    with RunFolder.open(tmp_path, config()):
        with pytest.raises(BlockingIOError, match="another process is writing to"):
            RunFolder.open(tmp_path, config())
        done = subprocess.run(words, capture_output=True, text=True, check=False, env={"PYTHONPATH": paths}, timeout=60)
        assert "BlockingIOError: another process is writing to" in done.stderr
    RunFolder.open(tmp_path, config()).close()
