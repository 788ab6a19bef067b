"""Arms of Perceptual Initialization from end to end: what they share, stops, jobs that share a folder, refusals."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
import types
from pathlib import Path

import numpy as np
import pytest
from reference.forks import Program, alignkit_main

import alignkit
from alignkit._config import dump_config, read_config
from alignkit._lock import FolderLock
from alignkit.train import LoopConfig, OptimConfig, PIArms, PIConfig, run_pi

torch = pytest.importorskip("torch")
pytest.importorskip("open_clip")

from safetensors.torch import load_file  # noqa: E402

from alignkit.models._build_clip import build_clip  # noqa: E402
from alignkit.models._state_sha256 import state_sha256  # noqa: E402
from alignkit.train._order import Order  # noqa: E402
from alignkit.train.pi import _contrastive_task, _run_pi  # noqa: E402
from alignkit.train.pi._arm_runs import ArmRun, runs_there  # noqa: E402
from alignkit.train.pi._post_hoc_scores import score_post_hoc  # noqa: E402
from alignkit.train.pi._run_pi import is_pi, rerun_pi  # noqa: E402

ROOT = Path(alignkit.__file__).resolve().parents[1]
RUNS = ("web-only", "stage-1/pi", "pi", "stage-1/shuffled-triplets", "shuffled-triplets", "post-hoc")
#: Those that are trained on pairs.
SECOND = ("web-only", "pi", "shuffled-triplets")


def weights(folder: Path, name: str):
    return load_file(folder / "seed-5" / name / "adapter.safetensors")


def bits(folder: Path) -> dict[str, bytes]:
    return {name: (folder / "seed-5" / name / "adapter.safetensors").read_bytes() for name in RUNS}


def first_hashes(folder: Path, arm: str) -> dict[str, str]:
    return json.loads((folder / "seed-5" / arm / "model.json").read_text())["first_sha256"]


def tower(state, vision=True):
    return {name: value for name, value in state.items() if name.startswith("visual.") == vision}


@pytest.fixture
def elsewhere(arms, tmp_path):
    """Return the same settings with a folder of their own."""
    return dataclasses.replace(arms, out=tmp_path / "pi")


@pytest.fixture
def copy(trained, elsewhere):
    """Return settings whose folder holds all arms, a copy."""
    shutil.copytree(trained.path, elsewhere.out)
    # where stage 1 lies is a setting of the runs
    for path in elsewhere.out.glob("seed-5/*/config.toml"):
        path.write_text(path.read_text().replace(str(trained.path), str(elsewhere.out)))
    return elsewhere


def test_one_call_trains_every_arm(trained, arms):
    assert trained.arms == ("web-only", "pi", "post-hoc", "shuffled-triplets")
    assert trained.seeds == (5,)
    assert trained.zero_shot == ("shades_acc1",)
    assert trained.chance == {"shades_acc1": 1 / 3, "zero_shot": 1 / 3}
    assert [(one.arm, one.seed) for one in trained.first] == [("pi", 5), ("shuffled-triplets", 5), ("post-hoc", 5)]
    for name in RUNS:
        assert (arms.out / "seed-5" / name / "finished.json").is_file()
    for one in trained.curves:
        expected = [96] if one.arm == "post-hoc" else [0, 48, 96]  # two epochs of three batches of 16
        assert one.samples.tolist() == expected
    for handed in ("pi", "shuffled-triplets"):
        assert (arms.out / "seed-5" / handed / "hand_over.json").is_file()
    assert read_config(arms.out / "config.toml", PIConfig).arms == arms.arms


def test_arms_begin_with_one_text_tower(trained):
    hashes = {arm: first_hashes(trained.path, arm) for arm in SECOND}
    fresh = build_clip(read_config(trained.path / "config.toml", PIConfig).architecture, seed=5).state_dict()
    assert {one["text"] for one in hashes.values()} == {state_sha256(tower(fresh, vision=False))}
    assert hashes["web-only"]["vision"] == state_sha256(tower(fresh))
    for arm in ("pi", "shuffled-triplets"):
        assert hashes[arm]["vision"] == state_sha256(weights(trained.path, f"stage-1/{arm}"))
    assert len({one["vision"] for one in hashes.values()}) == 3
    # stage 1 began at web-only's vision tower, and people's choices taught something else than shuffled ones
    before = {one.arm: one.before["val_loss"] for one in trained.first}
    assert before["pi"] == before["shuffled-triplets"] != before["post-hoc"]


def test_post_hoc_changes_queries_keys_and_values_alone(trained):
    before, after = weights(trained.path, "web-only"), weights(trained.path, "post-hoc")
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {
        f"visual.transformer.resblocks.{k}.attn.in_proj_{what}" for k in range(2) for what in ("weight", "bias")
    }


def test_post_hoc_is_scored_at_web_onlys_end(trained):
    saved = json.loads((trained.path / "seed-5" / "post-hoc" / "web_scores.json").read_text())
    web, after = ({one.arm: one for one in trained.curves}[arm] for arm in ("web-only", "post-hoc"))
    assert saved.keys() == web.values.keys() == after.values.keys()
    assert after.final == saved
    assert after.samples == web.samples[-1:]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_same_weights_are_scored_as_validation_does(elsewhere, shards, precision):
    loop = dataclasses.replace(elsewhere.loop, precision=precision, max_steps=2)
    config = dataclasses.replace(elsewhere, loop=loop, val_pairs=shards)
    found = run_pi(config, arms=["web-only"])
    score_post_hoc(config, ArmRun("post-hoc", 5, config.second("web-only", 5)))
    saved = json.loads((elsewhere.out / "seed-5" / "web-only" / "web_scores.json").read_text())
    assert saved["val_loss"] > 0
    assert saved == found.curves[0].final


def test_arms_see_the_same_pairs_in_the_same_order(trained, arms):
    tasks = [_contrastive_task.build(arms.second(arm, 5)) for arm in SECOND]
    order = Order(n_samples=60, batch_size=16, seed=5, drop_last=True)
    other = Order(n_samples=60, batch_size=16, seed=6, drop_last=True)
    seen = []
    for step in (0, 1, 4):
        batch = order.batch(step)
        names = [task.names(batch) for task in tasks]
        assert names[0] == names[1] == names[2]
        assert names[0] != tasks[0].names(other.batch(step))
        images, texts = ([task.inputs(batch)[key] for task in tasks] for key in ("image", "text"))
        assert all(torch.equal(images[0], one) for one in images[1:])
        assert all(torch.equal(texts[0], one) for one in texts[1:])
        seen += names[0]
    assert len(set(seen[:32])) == 32


def test_what_is_finished_is_not_trained_again(trained, arms, monkeypatch):
    stamps = {path: path.stat().st_mtime_ns for path in arms.out.glob("seed-5/**/*.json")}
    monkeypatch.setattr(_run_pi, "run", None)
    again = run_pi(arms)
    assert again.to_text() == trained.to_text()
    assert {path: path.stat().st_mtime_ns for path in arms.out.glob("seed-5/**/*.json")} == stamps


def test_stopped_between_and_inside_runs_it_ends_in_the_same_bits(trained, elsewhere, monkeypatch):
    """Stop before each of the runs in turn, and once in the middle of pi's training on pairs."""
    real, calls = _run_pi.run, []

    def one_run(config):
        if calls:
            raise KeyboardInterrupt
        calls.append(config.out)
        return real(config)

    for name in RUNS[:2]:
        calls.clear()
        with monkeypatch.context() as patch:
            patch.setattr(_run_pi, "run", one_run)
            with pytest.raises(KeyboardInterrupt):
                run_pi(elsewhere)
        assert calls == [elsewhere.out / "seed-5" / name]

    step = _contrastive_task.ContrastiveTask.after_step
    steps = []

    def stop(self, module):
        step(self, module)
        steps.append(1)
        if len(steps) == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_contrastive_task.ContrastiveTask, "after_step", stop)
        with pytest.raises(KeyboardInterrupt):
            run_pi(elsewhere)
    assert not (elsewhere.out / "seed-5" / "pi" / "finished.json").exists()
    assert any((elsewhere.out / "seed-5" / "pi" / "checkpoints").iterdir())
    found = run_pi(elsewhere)
    assert bits(elsewhere.out) == bits(trained.path)
    assert found.to_dataframe().equals(trained.to_dataframe())


def test_jobs_make_parts_of_one_folder(trained, elsewhere, caplog):
    caplog.set_level("INFO", logger="alignkit")
    found = run_pi(elsewhere, arms=["pi"])
    assert found.arms == ("pi",)
    assert found.differences == {}
    assert "handed over" in caplog.text
    found = run_pi(elsewhere, arms=["post-hoc"])  # which brings web-only with it
    assert found.arms == ("web-only", "pi", "post-hoc")
    assert found.differences.keys() == {"pi", "post-hoc"}
    assert not (elsewhere.out / "seed-5" / "shuffled-triplets").exists()
    whole = read_config(elsewhere.out / "config.toml", PIConfig)
    assert whole.arms == ("pi", "post-hoc")
    for name in ("pi", "web-only", "post-hoc", "stage-1/pi"):
        assert bits_of(elsewhere.out, name) == bits_of(trained.path, name)


def bits_of(folder: Path, name: str) -> bytes:
    return (folder / "seed-5" / name / "adapter.safetensors").read_bytes()


def test_what_another_job_trains_is_waited_for(copy, monkeypatch, caplog):
    caplog.set_level("INFO", logger="alignkit")
    folder = copy.out / "seed-5" / "web-only"
    ended = (folder / "finished.json").read_bytes()
    (folder / "finished.json").unlink()
    shutil.rmtree(copy.out / "seed-5" / "post-hoc")
    lock, slept = FolderLock(folder), []

    def the_other_ends(seconds):
        slept.append(seconds)
        if len(slept) == 2:
            (folder / "finished.json").write_bytes(ended)
            lock.release()

    monkeypatch.setattr(_run_pi, "time", types.SimpleNamespace(sleep=the_other_ends))
    trained_here, real = [], _run_pi.run

    def note(config):
        trained_here.append(config.out.name)
        return real(config)

    monkeypatch.setattr(_run_pi, "run", note)
    found = run_pi(copy)
    assert len(slept) == 2
    assert trained_here == ["post-hoc"]
    assert "post-hoc" in found.arms
    assert caplog.text.count("waiting for other jobs, which train 'web-only, seed 5'") == 1


def test_while_one_is_trained_elsewhere_the_next_is_taken(elsewhere, monkeypatch):
    (elsewhere.out / "seed-5" / "web-only").mkdir(parents=True)
    lock, order = FolderLock(elsewhere.out / "seed-5" / "web-only"), []
    real = _run_pi.run

    def note(config):
        order.append(config.out.relative_to(elsewhere.out / "seed-5").as_posix())
        if len(order) == 2:
            lock.release()
        return real(config)

    monkeypatch.setattr(_run_pi, "run", note)
    run_pi(elsewhere, arms=["web-only", "pi"])
    assert order == ["stage-1/pi", "pi", "web-only"]


@pytest.mark.slow
def test_two_processes_share_the_work(trained, elsewhere, tmp_path):
    dump_config(elsewhere, tmp_path / "settings.toml")
    words = ["train", "pi", "--config", str(tmp_path / "settings.toml")]
    with (
        Program(tmp_path / "one", alignkit_main, *words) as one,
        Program(tmp_path / "two", alignkit_main, *words) as two,
    ):
        assert [job.wait() for job in (one, two)] == [0, 0], (one.stderr, two.stderr)
    assert bits(elsewhere.out) == bits(trained.path)
    assert one.stdout == two.stdout != ""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills processes")
def test_killed_anywhere_it_ends_in_the_same_bits(trained, elsewhere, tmp_path):
    """Killed with -9 as soon as each of several runs has left a trace."""
    dump_config(elsewhere, tmp_path / "settings.toml")
    words = ["train", "pi", "--config", str(tmp_path / "settings.toml")]
    killed = 0
    for trace in ("stage-1/pi/config.toml", "pi/checkpoints", "shuffled-triplets", "post-hoc/checkpoints"):
        with Program(tmp_path / "said", alignkit_main, *words) as job:
            while job.poll() is None and not (elsewhere.out / "seed-5" / trace).exists():
                time.sleep(0.01)
            killed += job.poll() is None
    assert killed >= 3
    command = [sys.executable, "-m", "alignkit", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert bits(elsewhere.out) == bits(trained.path)


def test_once_more(copy, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(_run_pi, "run_pi", asked.append)
    rerun_pi(copy.out, out=tmp_path / "again")
    assert asked[0] == dataclasses.replace(read_config(copy.out / "config.toml", PIConfig), out=tmp_path / "again")
    with pytest.raises(ValueError, match="out must be another folder"):
        rerun_pi(copy.out, out=copy.out)
    with pytest.raises(ValueError, match="holds no arms"):
        rerun_pi(copy.out / "seed-5" / "pi", out=tmp_path / "again")
    assert is_pi(copy.out)
    assert not is_pi(copy.out / "seed-5" / "pi")


def test_other_settings_than_those_of_finished_runs_are_refused(copy):
    before = bits(copy.out)
    for changes, message in (
        ({"margin": 0.2}, r"stage-1/pi holds a run with other settings \(margin 0.05, now 0.2\)"),
        ({"augmentation": "none"}, r"web-only holds a run with other settings \(augmentation 'crop', now 'none'\)"),
        ({"post_hoc_loop": LoopConfig(device="cpu")}, "post-hoc holds a run with other settings"),
    ):
        # also where the arm that has them is not asked for
        with pytest.raises(ValueError, match=message):
            run_pi(dataclasses.replace(copy, seeds=(7,), **changes))
    assert bits(copy.out) == before
    assert not (copy.out / "seed-7").exists()
    with pytest.raises(FileExistsError, match="choose another out, or resume them"):
        run_pi(copy, resume="never")


def test_what_would_be_refused_later_is_refused_at_once(elsewhere, tmp_path, monkeypatch):
    monkeypatch.setattr(_run_pi, "run", None)
    empty = tmp_path / "empty"
    empty.mkdir()
    for changes, error, message in (
        ({"judgements": tmp_path / "no.csv"}, FileNotFoundError, "no.csv"),
        ({"images": empty}, FileNotFoundError, "are not in"),
        ({"pairs": None}, ValueError, "pairs is not given"),
        ({"pairs": tmp_path / "nowhere"}, FileNotFoundError, "nowhere"),
        ({"zero_shot": (empty,)}, (FileNotFoundError, ValueError), "empty"),
        ({"human": ("material2afc",)}, FileNotFoundError, "material2afc"),
        ({"architecture": "ViT-Z-1"}, ValueError, "ViT-Z-1"),
        ({"arms": ("web-only", "imagenet-triplets"), "label_images": empty}, ValueError, "two subfolders"),
        ({"loop": dataclasses.replace(elsewhere.loop, batch_size=64)}, ValueError, "do not fill one batch"),
        ({"val_pairs": tmp_path / "nowhere"}, FileNotFoundError, "nowhere"),
        ({"zero_shot": elsewhere.zero_shot * 2}, ValueError, "both called 'shades'"),
        ({"optim": OptimConfig(warmup=150)}, ValueError, "^optim.warmup is 150 steps, but the run has 6"),
        ({"first_optim": OptimConfig(warmup=150)}, ValueError, "first_optim.warmup is 150 steps, but the run has 6"),
        ({"post_hoc_optim": OptimConfig(warmup=150)}, ValueError, "post_hoc_optim.warmup is 150 steps"),
        ({"first_loop": LoopConfig(monitor="test_accuracy")}, ValueError, "^first_loop.monitor names 'test_accuracy'"),
        (
            {"first_loop": dataclasses.replace(elsewhere.first_loop, batch_size=768, drop_last=True)},
            ValueError,
            "set first_loop.batch_size lower",
        ),
    ):
        with pytest.raises(error, match=message):
            run_pi(dataclasses.replace(elsewhere, **changes))
    assert not (elsewhere.out / "seed-5").exists()
    with pytest.raises(TypeError, match="config must be a PIConfig"):
        run_pi(elsewhere.second("pi", 5))


def test_a_folder_of_something_else_is_refused(elsewhere, copy):
    with pytest.raises(FileExistsError, match="holds a run of ContrastiveConfig"):
        run_pi(dataclasses.replace(elsewhere, out=copy.out / "seed-5" / "pi"))
    (copy.out / "versions.json").unlink()
    with pytest.raises(FileExistsError, match=r"holds config.toml, but no arms"):
        run_pi(copy)
    with pytest.raises(NotADirectoryError, match="out must be a folder"):
        run_pi(dataclasses.replace(elsewhere, out=copy.out / "config.toml"))


@pytest.mark.parametrize(
    ("arm", "part", "message"),
    [
        ("pi", "text", "began with another text tower"),
        ("pi", "vision", "began with another vision tower than .* ended with"),
        ("shuffled-triplets", "web-only", "began with web-only's random vision tower"),
    ],
)
def test_arms_that_did_not_begin_alike_are_an_error(copy, arm, part, message):
    path = copy.out / "seed-5" / arm / "model.json"
    manifest = json.loads(path.read_text())
    if part == "web-only":
        manifest["first_sha256"]["vision"] = first_hashes(copy.out, "web-only")["vision"]
    else:
        manifest["first_sha256"][part] = "0" * 64
    path.write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match=message):
        run_pi(copy)
    del manifest["first_sha256"]
    path.write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="does not say which weights the run began with"):
        run_pi(copy)


def test_a_wrong_beginning_is_found_before_training(copy, monkeypatch):
    shutil.rmtree(copy.out / "seed-5" / "pi")
    real = _contrastive_task.begin

    def begin(config):
        clip, report = real(config)
        if config.start is not None:
            with torch.no_grad():
                clip.token_embedding.weight[0, 0] += 1
        return clip, report

    monkeypatch.setattr(_contrastive_task, "begin", begin)
    with pytest.raises(ValueError, match="pi, seed 5 began with another text tower"):
        run_pi(copy)
    assert not (copy.out / "seed-5" / "pi").exists()


def test_classes_teach_the_last_control(arms, shades, elsewhere, capsys):
    config = dataclasses.replace(elsewhere, label_images=shades, n_label_judgements=60, arms=("imagenet-triplets",))
    found = run_pi(config)
    assert found.arms == ("imagenet-triplets",)
    splits = json.loads((config.out / "seed-5/stage-1/imagenet-triplets/splits.json").read_text())
    assert sum(splits.values()) == 60
    # a job that does not name the folder may share it
    assert run_pi(elsewhere, arms=["web-only"]).arms == ("web-only",)
    assert read_config(config.out / "config.toml", PIConfig).label_images == shades


def test_the_result_comes_back_from_json(trained, tmp_path):
    trained.save(tmp_path / "arms.json")
    back = PIArms.load(tmp_path / "arms.json")
    assert back.to_text() == trained.to_text()
    assert back.to_dataframe().equals(trained.to_dataframe())
    assert np.isfinite(back.curve("pi").mean).all()


def test_the_same_command_with_a_relative_out_goes_on(trained, arms, monkeypatch):
    monkeypatch.chdir(trained.path.parent)
    there = runs_there(dataclasses.replace(arms, out=Path(trained.path.name)))
    assert len(there) == 6
    for one in there:
        one.check_settings()
