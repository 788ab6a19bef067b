"""``alignkit train pi``: arms on a few pairs and judgements, as parts and once more, and what is refused."""

from __future__ import annotations

import json

import pytest
from reference.pairs import write_shards
from reference.pi import hue_trials, write_architecture, write_colours, write_shades, write_trials

pytest.importorskip("torch")
pytest.importorskip("open_clip")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    write_architecture(folder)
    names = write_colours(folder / "images", 12)
    write_trials(folder / "trials.csv", names, hue_trials(12, 60))
    write_shards(folder / "shards", [20])
    write_shades(folder / "shades")
    return folder


@pytest.fixture
def words(study):
    def words(out: object, *more: object) -> list[object]:
        data = ["--pairs", study / "shards", "--judgements", study / "trials.csv", "--images", study / "images"]
        model = ["--architecture", study / "tiny.json", "--zero-shot", study / "shades", "--augmentation", "none"]
        loops = []
        for stage, size in (("", 8), ("first-", 16), ("post-hoc-", 16)):
            loops += [f"--{stage}loop.max-steps", 2, f"--{stage}loop.batch-size", size, f"--{stage}optim.warmup", 1]
        loops += ["--loop.device", "cpu", "--loop.no-progress"]
        return ["train", "pi", *data, *model, *loops, "--n-bootstrap", 10, "--out", out, *more]

    return words


def test_arms_as_parts_and_once_more(words, run, here, study):
    code, out, err = run(*words(here / "pi", "--arms", "pi", "--seeds", 0))
    assert code == 0, err
    assert "Difference to web-only" not in out
    assert "handed over" in err
    code, out, err = run(*words(here / "pi", "--arms", "web-only", "post-hoc", "--seeds", 0))
    assert code == 0, err
    for part in ("Stage 1 and post-hoc", "Final scores", "Difference to web-only", "shades_acc1", "Fewer than three"):
        assert part in out
    assert f"report: {here / 'pi' / 'report.html'}" in out
    assert f"use it: alignkit extract --model run:{here}/pi/seed-0/pi --images FOLDER" in out
    assert ">Learning curves</h2>" in (here / "pi" / "report.html").read_text()
    assert "difference,post-hoc" in (here / "pi" / "scores.csv").read_text()
    assert json.loads((here / "pi" / "arms.json").read_text())["arms"] == ["web-only", "pi", "post-hoc"]
    code, again, err = run("train", "--from", here / "pi", "--out", here / "again")
    assert code == 0, err
    # paths apart, the same numbers
    assert again.replace(f"{here}/again", f"{here}/pi") == out
    told_of = {"pi": "shades", "stage-1/pi": "2AFC accuracy", "post-hoc": "2AFC accuracy"}
    for number, (part, told) in enumerate(told_of.items()):
        code, out, err = run("train", "--from", here / "pi" / "seed-0" / part, "--out", here / f"one-{number}")
        assert code == 0, err
        assert told in out
        assert "use it: alignkit extract --model run:" in out
    model = ("--model", f"run:{here}/pi/seed-0/pi")
    code, out, err = run("extract", *model, "--images", study / "images", "--out", here / "features", "--device", "cpu")
    assert code == 0, err


def test_what_cannot_be_is_refused_at_once(words, fails, here, study):
    for more, message in (
        (["--arms", "mixed"], "--arms"),
        (["--seeds", "0", "0"], "seeds must be different ones"),
        (["--judgements", "nowhere.csv"], "--judgements nowhere.csv does not exist."),
        (["--captions", "nowhere.csv"], "--captions nowhere.csv does not exist."),
        (["--pairs", "nowhere"], "nowhere"),
        (["--zero-shot", "nowhere"], "nowhere"),
        (["--arms", "imagenet-triplets"], "imagenet-triplets needs label_images"),
        (["--loop.seed", 3], "leave loop.seed at 0"),
        (["--out", here / "a" / "b"], "create it first"),
        (["--preset", "vit-z"], "--preset"),
    ):
        assert message in fails(*words(here / "pi", *more))


def test_presets_are_settings(run, here):
    code, _, err = run("train", "pi", "--preset", "vit-b-32", "--pairs", "nowhere.tar", "--out", here / "pi")
    assert code == 2
    assert err.startswith("error: ")
