"""What a run was made with, and how two runs differ in that."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import platform
import subprocess
from pathlib import Path

import pytest
import torch
from reference.toy_method.config import ToyConfig

from alignkit.train import LoopConfig
from alignkit.train._environment import (
    absolute,
    changed_files,
    checksums,
    commit,
    differences,
    environment,
    settings,
)
from alignkit.train.hba.config import HBAConfig
from alignkit.train.hba_meg.config import HBAMEGConfig


@pytest.fixture(autouse=True)
def outside_of_git(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))


def git(*words: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *identity, *words], capture_output=True, text=True, check=True).stdout.strip()


def test_an_environment_is_plain_json_and_says_what_there_is():
    found = environment(ToyConfig(), n_processes=2)
    assert json.loads(json.dumps(found)) == found
    assert found["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert found["versions"]["python"] == platform.python_version()
    assert found["device"].startswith("CPU")
    assert (found["threads"], found["processes"]) == (torch.get_num_threads(), 2)
    assert (found["commit"], found["data"]) == (None, {})


@pytest.mark.parametrize(("device", "expected"), [("cuda", "H100 0"), ("cuda:1", "H100 1"), ("auto", "H100 0")])
def test_a_gpu_is_named(monkeypatch, device, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda name: f"H100 {'1' if name == 'cuda:1' else 0}")
    assert environment(ToyConfig(loop=LoopConfig(device=device)))["device"] == expected


def test_the_commit_is_that_of_the_working_directory(tmp_path):
    assert commit() is None
    git("init", "-q")
    assert commit() is None
    Path("a.txt").write_text("1")
    git("add", "a.txt")
    git("commit", "-q", "-m", "one")
    head = git("rev-parse", "HEAD")
    assert commit() == head
    Path("new.txt").write_text("not known to git")
    assert commit() == head
    Path("a.txt").write_text("2")
    assert commit() == f"{head}+changes"


def test_without_git_there_is_no_commit(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert commit() is None


def test_settings_go_by_dotted_names():
    found = settings(ToyConfig(out=Path("x")))
    assert (found["out"], found["table"], found["loop.epochs"], found["optim.lr"]) == ("x", None, 6, 0.01)
    assert all(not isinstance(value, dict) for value in found.values())


@dataclasses.dataclass(frozen=True)
class Paths:
    loop: LoopConfig
    images: Path
    targets: str
    word: str
    out: Path


def make_inputs(folder: Path) -> Paths:
    (folder / "photos" / "sub").mkdir(parents=True)
    (folder / "photos" / "sub" / "a.jpg").write_bytes(b"12345")
    (folder / "photos" / "b.jpg").write_bytes(b"1")
    (folder / "targets.csv").write_text("x,1")
    (folder / "auto").mkdir()  # a setting's value that happens to be a folder's name too
    loop = LoopConfig(device="auto", parallel="auto")
    out = folder / "photos" / "run"
    out.mkdir()
    (out / "config.toml").touch()
    return Paths(loop, folder / "photos", str(folder / "targets.csv"), "auto", out)


def test_inputs_have_checksums(tmp_path):
    data = environment(make_inputs(tmp_path))["data"]
    assert data.keys() == {"images", "targets"}
    assert data["targets"] == f"sha256:{hashlib.sha256(b'x,1').hexdigest()}"
    listing = hashlib.sha256(b"b.jpg\0001\nsub/a.jpg\0005\n").hexdigest()
    assert data["images"] == f"names and sizes:{listing}"


def test_changes_are_named(tmp_path):
    config = make_inputs(tmp_path)
    then = environment(config)
    assert differences(then, then) == []
    now = environment(config, n_processes=3) | {"threads": 64, "commit": "f" * 40}
    now["versions"] = {**now["versions"], "torch": "1.0", "new": "2"}
    expected = [
        "commit ffffffffffff (was none)",
        "threads 64 (was 1)".replace("was 1", f"was {then['threads']}"),
        "processes 3 (was 1)",
        f"torch 1.0 (was {then['versions']['torch']})",
        "new 2 (was none)",
    ]
    assert differences(then, now) == expected
    assert changed_files(then, now) == []


def test_changed_inputs_are_named(tmp_path):
    config = make_inputs(tmp_path)
    then = environment(config)
    (tmp_path / "photos" / "c.jpg").touch()
    assert [text.partition(" ")[0] for text in differences(then, environment(config))] == ["images"]
    assert changed_files(then, environment(config)) == []
    (tmp_path / "targets.csv").write_text("x,2")
    both = environment(config)
    assert [text.partition(" ")[0] for text in differences(then, both)] == ["images", "targets"]
    assert all(len(text) < 50 for text in differences(then, both))
    assert changed_files(then, both) == ["targets"]
    (tmp_path / "targets.csv").unlink()
    assert changed_files(then, environment(config)) == ["targets"]
    assert differences({}, {"data": None}) == []


def test_a_finished_model_is_known_by_its_manifest(tmp_path):
    start = tmp_path / "start"
    start.mkdir()
    (start / "model.json").write_text("1")
    (start / "adapter.safetensors").touch()
    config = HBAConfig(start=start, out=tmp_path / "out")
    then = environment(config)
    (start / "report.html").touch()
    assert differences(then, environment(config)) == []
    (start / "model.json").write_text("2")
    assert changed_files(then, environment(config)) == ["start"]


def test_files_and_folders_are_written_out_in_full(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "targets.csv").touch()
    config = HBAConfig(images=Path("photos"), targets="targets.csv", backbone="timm:vit.tag", out=Path("run"))
    full = absolute(config)
    assert (full.images, full.out) == (tmp_path / "photos", Path("run"))
    assert full.targets == str(tmp_path / "targets.csv")
    assert (full.backbone, full.root, full.loop) == ("timm:vit.tag", None, config.loop)


def test_every_file_of_several_counts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("p1.npz", "p2.npz"):
        Path(name).write_bytes(name.encode())
    config = HBAMEGConfig(rdms=("p1.npz", "p2.npz"), out="run")
    found = checksums(config)
    assert found == checksums(absolute(config))
    assert [name for name in found if name.startswith("rdms")] == ["rdms[0]", "rdms[1]"]
    assert absolute(config).rdms == (tmp_path / "p1.npz", tmp_path / "p2.npz")
    before = {"data": found}
    Path("p2.npz").write_bytes(b"another")
    assert changed_files(before, {"data": checksums(config)}) == ["rdms[1]"]
