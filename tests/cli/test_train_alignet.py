"""``alignkit train alignet``: one command from answers to scored students, killed anywhere, made once more."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from reference.forks import Program, alignkit_main

import alignkit
from alignkit import cli
from alignkit.data import simulate
from alignkit.models import Features
from alignkit.rsa import Triplets

pytest.importorskip("torch")
pytest.importorskip("peft")

ROOT = Path(alignkit.__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Pictures of 40 objects, answers about them, objects to hold out, and a teacher's features of the pictures."""
    folder = tmp_path_factory.mktemp("study")
    lab = simulate(40, n_participants=4, image_size=32, n_triplets=4000, n_held_out=400, images_per_object=2, rng=5)
    lab.export_images(folder / "photos")
    items = np.concatenate([lab.triplets.items, lab.held_out.items])
    Triplets(items, lab.labels).save(folder / "answers.npz")
    (folder / "held.txt").write_text("\n".join(lab.split["test"]) + "\n")
    rng = np.random.default_rng(0)
    mixed = lab.embedding @ rng.normal(size=(12, 16))
    rows = np.repeat(mixed, 2, axis=0) + 0.1 * rng.normal(size=(80, 16))
    names = [f"{name}/view_{view:02d}.png" for name in lab.labels for view in range(2)]
    Features.from_array(rows.astype(np.float32), names).save(folder / "features.npz")
    return folder


@pytest.fixture(scope="module")
def words(study):
    """Return the words that train two small students on the study."""

    def words(out: object, *more: object) -> list[str]:
        data = ["--images", study / "photos", "--answers", study / "answers.npz", "--held-out", study / "held.txt"]
        teacher = ["--image-features", study / "features.npz", "--teacher-fit", "diagonal", "--divisions", 1]
        drawn = ["--arms", "aligned", "shuffled", "--n-clusters", 4, "--n-triplets", 500, "--root", study]
        model = ["--backbone", "random:test_vit", "--img-size", 32, "--head", 8, "--student-temperature", 0]
        adapter = ["--adapter.kind", "lora", "--adapter.rank", 2, "--adapter.image-blocks", 1]
        loop = ["--loop.max-steps", 8, "--loop.batch-size", 16, "--loop.device", "cpu", "--loop.no-progress"]
        loop += ["--loop.validate-every", 4, "--loop.checkpoint-every", 2]
        named = ["--n-bootstrap", 20, "--out", out]
        every = [*data, *teacher, *drawn, *model, *adapter, *loop, *named, *more]
        return [str(word) for word in ["train", "alignet", *every]]

    return words


@pytest.fixture(scope="module")
def made(words, tmp_path_factory):
    """The folder of a chain."""
    folder = tmp_path_factory.mktemp("made") / "chain"
    assert cli.main(words(folder)) == 0
    return folder


def weights(folder: Path) -> list[bytes]:
    return [(folder / "students" / arm / "adapter.safetensors").read_bytes() for arm in ("aligned", "shuffled")]


def test_one_command_makes_the_chain(made, words, run):
    code, out, err = run(*words(made))
    assert (code, err) == (0, "")
    for part in ("4,000", "aligned: loss", "zero-shot cosine", "diagonal, shuffled", "teacher, aligned", "people"):
        assert part in out or part == "4,000"
    assert f"report: {made / 'report.html'}" in out
    assert f"use it: alignkit extract --model run:{made}/students/aligned" in out
    table = (made / "scores.csv").read_text()
    assert "teacher, untransformed" in table
    page = (made / "report.html").read_text()
    assert ">Teacher</h2>" in page
    assert "aligned" in page
    assert json.loads((made / "chain.json").read_text())["done"][-1] == "scores"


def test_some_steps_and_then_the_rest(words, run, made, here):
    code, out, _ = run(*words(here / "c", "--steps", "human", "features"))
    assert code == 0
    assert "human, features done" in out
    assert not (here / "c" / "report.html").exists()
    code, out, _ = run(*words(here / "c", "--steps", "teacher"))
    assert code == 0
    assert "diagonal, shuffled" in out
    code, _, err = run(*words(here / "c", "--steps", "students"))
    assert code == 2
    assert err.startswith("error: --steps must begin with 'clusters', 'triplets': students needs what they make")


def test_once_more(made, run, here):
    code, out, _ = run("train", "--from", made, "--out", here / "again")
    assert code == 0
    assert "teacher, aligned" in out
    assert weights(here / "again") == weights(made)


def test_what_cannot_be_is_refused_at_once(words, run, here, study):
    for more, message in (
        (["--answers", "nowhere.npz"], "--answers nowhere.npz does not exist."),
        (["--images", "nowhere"], "--images nowhere does not exist; name a folder of images."),
        (["--arms", "mixed"], "--arms"),
        (["--human", "mice"], "human must be answers, spose66, spose, vice, or a file of dimensions"),
        (["--out", study / "photos" / "run"], "lies among the images"),
        (["--rank", 4], "is for teacher_fit lowrank and orthogonal"),
    ):
        code, _, err = run(*words(here / "c", *more))
        assert code == 2
        assert message in err
    assert not (here / "c").exists()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills processes")
def test_killed_in_every_step_it_ends_in_the_same_bits(words, made, tmp_path):
    """Killed with -9 as soon as each step has left a trace, between steps and inside them."""
    out = tmp_path / "chain"
    traces = (
        "steps/human.json",
        "teacher",
        "triplets/aligned.zarr",
        "students/aligned/checkpoints",
        "students/shuffled",
    )
    killed = 0
    for trace in traces:
        with Program(tmp_path / "said", alignkit_main, *words(out)) as program:
            while program.poll() is None and not (out / trace).exists():
                time.sleep(0.01)
            killed += program.poll() is None
    assert killed >= 3
    command = [sys.executable, "-m", "alignkit", *words(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert weights(out) == weights(made)
    assert (out / "scores.csv").read_text() == (made / "scores.csv").read_text()
    shutil.rmtree(out)
