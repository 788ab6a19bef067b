"""``alignkit train hba-meg``: from RDMs over time to a model that unfolds, everybody's models, and plain refusals."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import json
import os
import re
import shlex
import shutil
import signal
from pathlib import Path

import pandas as pd
import pytest
from reference.forks import Program

from alignkit import cli
from alignkit._cli._parse import parse
from alignkit._cli._train_hba_meg import TrainHBAMEGConfig, presets
from alignkit._config import to_toml
from alignkit.rsa import RDM
from alignkit.train.hba_meg.config import HBAMEGConfig
from tests.reference.hba_meg_runs import PROMPTS, small_lab
from tests.reference.toy_clip import add_tiny_clip, sizes

pytest.importorskip("torch")
pytest.importorskip("peft")
pytest.importorskip("open_clip")

PEOPLE = ("p001", "p002", "p003", "p004")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A study: pictures, RDMs over time of two halves of the sessions, answers, prompts, and items held out."""
    folder = tmp_path_factory.mktemp("lab")
    made = small_lab(folder)
    made.lab.held_out.save(folder / "answers.npz")
    (folder / "prompts.txt").write_text("\n".join(PROMPTS) + "\n")
    return made


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Weights of a tiny CLIP that open_clip knows meanwhile."""
    folder = tmp_path_factory.mktemp("clip")
    with pytest.MonkeyPatch.context() as patch:
        yield add_tiny_clip(folder, patch, sizes(2))


@pytest.fixture(scope="module")
def train(lab, weights):
    """Return the words that train a tiny CLIP on the study."""

    def words(out: object, *more: object) -> list[str]:
        folder = lab.images.parent
        data = ["--images", lab.images, "--rdms", *lab.rdms, "--test-rdms", *lab.test_rdms]
        data += ["--held-out", lab.held_out, "--held-out-people", "p004", "--triplets", folder / "answers.npz"]
        model = ["--backbone", "open_clip:Tiny-CLIP", "--weights", weights, "--prompts", folder / "prompts.txt"]
        model += ["--adapter.kind", "lora", "--adapter.rank", 2, "--adapter.image-blocks", 1, "--dimension-weights"]
        numbers = ["--n-bootstrap", 20, "--n-permutations", 50, "--root", folder, "--out", out]
        return [str(word) for word in ["train", "hba-meg", *data, *model, *stages(), *numbers, *more]]

    return words


def stages() -> list[object]:
    """Return the words that make both stages short."""
    first = ["--weights-epochs", 2, "--weights-lr", 0.05, "--optim.lr", 0.01]
    return [*first, "--loop.epochs", 2, "--loop.batch-size", 6, "--loop.device", "cpu", "--loop.no-progress"]


@pytest.fixture(scope="module")
def made(train, tmp_path_factory):
    """The folder of a finished run, and what was printed."""
    folder, printed = tmp_path_factory.mktemp("made"), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(printed):
        assert cli.main(train("m")) == 0
    return folder / "m", printed.getvalue()


@pytest.fixture
def finished(made, here):
    """What was printed by the run that is in the folder m."""
    shutil.copytree(made[0], here / "m")
    return made[1]


def digest(folder: str) -> str:
    return hashlib.sha256(Path(folder, "adapter.safetensors").read_bytes()).hexdigest()


def refused(run, *words: object) -> str:
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    sentence = err.rpartition("\r")[2].rstrip("\n").rpartition("\n")[2]
    assert sentence.startswith("error: ")
    assert "Traceback" not in err
    return sentence.removeprefix("error: ")


# --- the group's model


def test_from_rdms_over_time_to_a_model_that_scores_itself(run, lab, weights, finished):
    files = {"config.toml", "metrics.jsonl", "splits.json", "model.json", "scores.json", "report.html", "weights"}
    assert files | {"report-rdms.gif", "movies"} <= {path.name for path in Path("m").iterdir()}
    for shown in ("RunResult of HBAMEG in m", "noise ceiling", "CLIP image features"):
        assert shown in finished
    assert "held-out items x held-out people (other sessions)" in finished
    assert re.search(r"^\d+ notes in m/report.html$", finished, re.MULTILINE)
    assert "second stage, after that of the layers' weights alone: History" in finished
    assert "report: m/report.html" in finished
    held = {line for line in lab.held_out.read_text().splitlines() if line}
    assert set(json.loads(Path("m/splits.json").read_text())["held_out"]) == held
    assert RDM.load("m/movies/people.npz").dims == ("time",)
    page = Path("m/report.html").read_text()
    for title in ("Time courses", "Scores", "What counts when", "RDMs over time", "Behaviour", "Training"):
        assert f">{title}</h2>" in page

    line = finished.splitlines()[-1]
    assert line.startswith("use it: alignkit extract --model run:m ")
    words = [*shlex.split(line.removeprefix("use it: alignkit ")), "--layers", "all", "--weights", weights]
    code, out, _ = run(*words)
    assert code == 0
    assert "-100ms" in out + Path("FEATURES/manifest.json").read_text()


def test_a_finished_run_shows_what_it_found(shell, train, finished):
    """In a Python of its own, as at a prompt."""
    before = {path: path.stat().st_mtime_ns for path in Path("m").rglob("*.safetensors")}
    movies = Path("m/movies/people.npz").stat().st_mtime_ns
    done = shell(*train("m"))
    assert (done.returncode, done.stdout, done.stderr) == (0, finished, "")
    assert {path: path.stat().st_mtime_ns for path in Path("m").rglob("*.safetensors")} == before
    assert Path("m/movies/people.npz").stat().st_mtime_ns == movies


def test_a_run_is_repeated_from_its_folder_alone(run, finished):
    code, out, err = run("train", "--from", "m", "--out", "again")
    assert (code, err) == (0, "")
    assert "RunResult of HBAMEG in again" in out
    assert digest("m") == digest("again")
    assert Path("again/report.html").is_file()


def killed_at(step: int, clip: str, words: list[str]) -> None:
    """Train in a process that is killed as it computes the loss of a step."""
    import open_clip

    from alignkit.train.hba_meg.task import HBAMEGTask

    open_clip.add_model_config(clip)
    own, steps = HBAMEGTask.loss, []

    def loss(self, outputs, targets, /):
        steps.append(1)
        if len(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return own(self, outputs, targets)

    HBAMEGTask.loss = loss
    cli.main(words)


@pytest.mark.slow
@pytest.mark.parametrize("step", [3, 6])  # of the first stage, and of the second
def test_a_killed_run_goes_on_to_the_same_bits(run, train, weights, here, finished, step):
    words = train("k", "--loop.checkpoint-every", 1)
    with Program(here / "said", killed_at, step, str(weights.parent / "Tiny-CLIP.json"), words) as program:
        assert program.wait() == -signal.SIGKILL, program.stderr
    assert not Path("k/model.json").exists()
    code, _, err = run(*words)
    assert code == 0, err
    assert digest("k") == digest("m")


# --- personal models


@pytest.fixture(scope="module")
def people(made, tmp_path_factory):
    """The folder of everybody's models, and what was printed."""
    folder, printed = tmp_path_factory.mktemp("people"), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(printed):
        shutil.copytree(made[0], "m")
        assert cli.main([str(word) for word in [*on_top("p"), "--subject", "all"]]) == 0
    return folder, printed.getvalue()


def on_top(out: str) -> list[object]:
    numbers = ["--n-bootstrap", 50, "--n-permutations", 100]
    return ["train", "hba-meg", "--start", "m", "--out", out, *stages(), *numbers]


def test_everybody_is_compared_with_everybodys_model(people):
    folder, out = people
    assert "<PersonalDynamics of 4 people, 8 held-out items in sessions that nothing was trained on" in out
    assert "Personal models" in out
    assert "People's RDMs (rows) and models (columns), spearman:" in out
    for name in PEOPLE:
        assert f"{name}'s RDMs" in out
        assert (folder / "p" / f"subject-{name}" / "model.json").is_file()
    matrix = pd.read_csv(folder / "p" / "identification.csv")
    assert len(matrix) == 16
    assert len(pd.read_csv(folder / "p" / "personal.csv")) == 4
    page = (folder / "p" / "report.html").read_text()
    assert ">Whose model is whose?</h2>" in page
    assert "all numbers: p/personal.csv and p/identification.csv" in out
    line = out.splitlines()[-1]
    assert line.startswith("use it: alignkit extract --model run:p/subject-p001 ")
    assert "FOLDER" not in line  # the group's run says where the images are


def test_jobs_may_train_a_person_each(run, people, finished):
    code, out, err = run(*on_top("q"), "--subject", "p002")
    assert (code, err) == (0, "")
    assert "p002: own model" in out
    assert "report: q/subject-p002/report.html" in out
    assert not Path("q/identification.csv").exists()
    assert digest("q/subject-p002") == digest(str(people[0] / "p/subject-p002"))
    assert run("train", "--from", "q/subject-p002", "--out", "r")[0] == 0
    assert digest("r/subject-p002") == digest("q/subject-p002")


def test_the_control_says_so(run, finished):
    code, out, _ = run(*on_top("c"), "--subject", "all", "--shuffle-people", "--weights-epochs", 1, "--loop.epochs", 1)
    assert code == 0
    assert "Models trained on other people's RDMs" in out
    assert "(control: shuffled people)" in Path("c/report.html").read_text()


# --- settings


def settings(*words: str) -> HBAMEGConfig:
    return parse(TrainHBAMEGConfig, words, "alignkit train hba-meg", presets()).settings()


def test_the_flags_give_the_settings_and_nothing_more():
    assert settings() == HBAMEGConfig()
    told = settings(
        "--rdms", "p1.zarr", "p2.zarr", "--rdm-times", "-0.1", "1.3", "--people", "1", "2", "--terms.size", "0"
    )
    assert told.rdms == (Path("p1.zarr"), Path("p2.zarr"))
    assert (told.rdm_times, told.people, told.terms.size) == ((-0.1, 1.3), ("1", "2"), 0.0)


@pytest.mark.parametrize("name", list(presets()))
def test_a_preset_comes_before_all_that_stands_beside_it(name, here):
    preset = presets()[name]
    assert settings("--preset", name) == settings(f"--preset={name}") == preset
    changed = dataclasses.replace(preset, adapter=dataclasses.replace(preset.adapter, rank=4))
    assert settings("--preset", name, "--adapter.rank", "4") == changed
    Path("study.toml").write_text(f'preset = "{name}"\n[adapter]\nrank = 4\n')
    assert settings("--config", "study.toml") == changed


def test_the_settings_of_a_run_are_a_config_file(here):
    config = dataclasses.replace(
        presets()["published"], images=Path("photos"), rdm_times=(-0.1, 1.3), people=("1", "2")
    )
    Path("run.toml").write_text(to_toml(config))
    assert settings("--config", "run.toml") == config


# --- refusals


def test_refusals_before_anything_is_loaded(fails, train, lab, here):
    Path("file").touch()
    assert fails(*train("file")) == "--out file is a file; name a folder."
    assert fails(*train("no/such")) == "the folder no of --out does not exist; create it first."
    assert fails(*train("m", "--images", "none")) == "--images none does not exist; name a folder of images."
    assert fails(*train("m", "--images", here)).startswith("--out m lies among the images of ")
    assert fails(*train("m", "--rdms", lab.rdms[0], "none.zarr")) == "--rdms none.zarr does not exist."
    assert fails(*train("m", "--test-rdms", "none.npz")) == "--test-rdms none.npz does not exist."
    assert fails(*train("m", "--held-out", "none.txt")) == "--held-out none.txt does not exist."
    assert fails(*train("m", "--prompts", here)) == f"--prompts {here} is a folder; name a file."
    assert fails(*train("m", "--weights-lr", 0)).startswith("weights_lr must be")
    assert fails(*train("m", "--window", "late")).startswith("--window must be one of 'causal', 'centred'")
    assert fails(*train("m", "--people", "p004")).startswith("p004 cannot be both trained on")
    assert fails(*train("m", "--adapter.text-blocks", 1)).endswith("adapter.text_blocks must be 0; got 1.")
    assert fails(*train("m", "--start", "none")) == "--start none does not exist; name the folder of a finished run."
    assert fails(*train("m", "--start", here)).startswith(f"--start {here} holds no finished run")


def test_what_is_missing_is_named(fails, lab, here):
    sentence = fails("train", "hba-meg", "--images", lab.images, "--root", here)
    assert sentence.startswith("--rdms is not given; name people's RDMs over time: what `alignkit meg rdms` wrote")
    words = ["train", "hba-meg", "--rdms", *lab.rdms, "--root", here]
    assert fails(*words).startswith("--images is not given, and there are no photos of THINGS at ")
    sentence = fails(*words, "--images", lab.images)
    assert sentence.startswith("CLIP-HBA's prompts are not at ")
    assert "--prompts" in sentence


def test_personal_settings_without_their_other_half(fails, train, here):
    sentence = "--subject needs --start, the folder of the group's run of `alignkit train hba-meg`."
    assert fails(*train("m", "--subject", "p001")) == sentence
    assert fails(*train("m", "--shuffle-people")).startswith("--shuffle-people is a control of personal models: name ")
    sentence = fails(*train("m", "--preset", "published-person"))
    assert sentence.startswith("--preset published-person is for one person's model: name --subject and --start, or ")


def test_personal_models_that_cannot_be(run, finished, here):
    sentence = refused(run, *on_top("p"), "--subject", "me")
    assert sentence.startswith("--subject names 'me', but the RDMs are those of 'p001', 'p002', 'p003', 'p004'")
    sentence = refused(run, *on_top("p"), "--subject", "all", "--readout", "linear")
    assert sentence.startswith("people's models start at the group's, whose 'readout' they have")
    sentence = refused(run, *on_top("p"), "--subject", "all", "--preset", "published-person")
    assert "'adapter'" in sentence
    assert not Path("p").exists()


def test_people_s_folder_must_lie_apart_from_the_group_s(run, finished):
    for out, how in (("m", "is"), ("m/people", "lies in"), (".", "holds")):
        sentence = refused(run, *on_top(out), "--subject", "all")
        assert re.fullmatch(rf"--out must be apart from the run .*, but .* {how} .*; choose another --out\.", sentence)
    assert not Path("m/people").exists()


def test_data_that_do_not_fit_are_refused_and_can_be_set_right(run, train, lab, here):
    sentence = refused(run, *train("m", "--held-out-people", "guest"))
    assert sentence.startswith("--held-out-people names 'guest', but the RDMs are those of 'p001'")
    Path("held.txt").write_text("no such thing\n")
    assert "no such thing" in refused(run, *train("m", "--held-out", "held.txt"))
    assert run(*train("m", "--weights-epochs", 0, "--loop.epochs", 1))[0] == 0


def test_a_folder_of_other_settings_names_them(run, train, finished):
    expected = "m holds a run with other settings (reach 0, now 2); choose another --out."
    assert refused(run, *train("m", "--reach", 2)) == expected
    assert refused(run, *train("m", "--resume", "never")).startswith("m holds a run; choose another --out")
