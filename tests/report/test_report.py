"""Small real results of every kind, with hostile names, as one page."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from PIL import Image

from alignkit.meg import cluster_test, timecourse
from alignkit.models import Features
from alignkit.report import write_report
from alignkit.report._report import MOST
from alignkit.rsa import RDM, Triplets, calibration, evaluate, human_distribution, noise_ceiling, rdm
from alignkit.train import LoopConfig, run
from alignkit.train.embedding.config import SPoSEConfig

NASTY = "</svg><script>alert(1)</script>"
LABELS = [f"item {k}" for k in range(9)] + [NASTY, "\"'", "a & b"]
KINDS = ["animal"] * 6 + [NASTY] * 6


@pytest.fixture(scope="module")
def points():
    rng = np.random.default_rng(0)
    return np.repeat(rng.normal(size=(2, 5)) * 2, 6, axis=0) + rng.normal(size=(12, 5))


@pytest.fixture(scope="module")
def people(points):
    rng = np.random.default_rng(1)
    noisy = points + 0.8 * rng.normal(size=(6, *points.shape))
    values = np.stack([rdm(one, metric="euclidean").values for one in noisy])
    return RDM(values, labels=LABELS, dims=["subject"], metric="euclidean")


@pytest.fixture(scope="module")
def models(points):
    noise = np.random.default_rng(2).normal(size=points.shape)
    values = np.stack([rdm(one, metric="euclidean").values for one in (points, noise)])
    return RDM(values, labels=LABELS, dims=["model"], coords={"model": ["good", NASTY]})


@pytest.fixture(scope="module")
def answers(points):
    rng = np.random.default_rng(3)
    items = np.tile(rng.permuted(np.tile(np.arange(12), (60, 1)), axis=1)[:, :3], (3, 1))
    distances = np.linalg.norm(points[items[:, [1, 0, 0]]] - points[items[:, [2, 2, 1]]], axis=-1)
    odd = (distances + 0.3 * rng.normal(size=distances.shape)).argmin(axis=1)
    repeat = np.tile(np.arange(60), 3)
    return Triplets.from_columns(items, odd=odd + 1, base=0, labels=LABELS, repeat=repeat)


@pytest.fixture(scope="module")
def features(points):
    return Features.from_array(points, LABELS, name=f"net {NASTY}")


def titles(page):
    return page.text_of("h2")


def test_an_evaluation_has_bars_tests_and_every_participant(tmp_path, read, models, people):
    found = evaluate(models, people, n_bootstrap=50, rng=0, progress=False)
    found.save(tmp_path / "eval.json")
    write_report(tmp_path / "page.html", tmp_path / "eval.json")
    page = read(tmp_path / "page.html")
    assert page.text_of("h1") == ["Report: eval"]
    assert titles(page) == ["At a glance", "Models beside the noise ceiling", "How it was done", "Versions and seeds"]
    tips = [one["data-tip"] for _, one in page.elements if "data-tip" in one]
    assert len([tip for tip in tips if tip.startswith("good\n")]) == 1
    for k, name in enumerate(("good", NASTY)):
        for subject, value in zip(found.subjects, found.per_subject[k], strict=True):
            assert f"{subject}\n{name}: {value:.4g}" in tips
    assert found.methods_text() in page.text_of("p")
    cells = page.text_of("td")
    assert f"{found.score[0]:.4g}" in cells
    assert "0" in cells  # the seed
    assert any(text.startswith("alignkit ") for text in cells)


def test_a_time_course_has_curves_with_the_ceiling(tmp_path, read, models, people):
    rng = np.random.default_rng(4)
    values = people.values[:, None] * np.linspace(0, 1, 7)[None, :, None] + 3 + rng.random((6, 7, 66))
    movie = RDM(values, labels=LABELS, dims=["subject", "time"], coords={"time": np.linspace(-0.1, 0.5, 7)})
    found = timecourse(models, movie, n_bootstrap=20, rng=0)
    found.save(tmp_path / "meg.json")
    write_report(tmp_path / "page.html", [tmp_path / "meg.json", found])
    page = read(tmp_path / "page.html")
    assert [title for title in titles(page) if title.endswith("Time courses")] == [
        "meg: Time courses",
        "TimeCourse: Time courses",
    ]
    tips = [one["data-tip"] for _, one in page.elements if "data-tip" in one]
    for k, name in enumerate(("good", NASTY)):
        for t in range(7):
            assert f"{name}\n{found.mean[k, t]:.4g} at {1e3 * movie.coords['time'][t]:.4g} ms" in tips
    assert "noise ceiling" in tips
    significant = cluster_test(found, model="good", tail="greater", rng=0).significant
    (start,), (stop,) = (
        np.flatnonzero(np.diff(np.append(significant, False).astype(int), prepend=0) == k) for k in (1, -1)
    )
    span = [tip for tip in tips if tip.startswith("good\nsignificant")]
    # half a sample, 50 ms, to either side
    ends = [1e3 * (found.times[start] - 0.05), 1e3 * (found.times[stop - 1] + 0.05)]
    assert span == [f"good\nsignificant from {ends[0]:.4g} to {ends[1]:.4g}"] * 2
    assert any("Bars below: clusters above 0" in text for text in page.text_of("figcaption"))


def test_few_people_are_not_tested_over_time(tmp_path, read, models, people):
    values = np.repeat(people.values[:4, None], 3, axis=1) + np.random.default_rng(5).random((4, 3, 66))
    movie = RDM(values, labels=LABELS, dims=["subject", "time"], coords={"time": [0.0, 0.1, 0.2]})
    write_report(tmp_path / "page.html", timecourse(models, movie, n_bootstrap=0))
    assert not any("cluster" in text for text in read(tmp_path / "page.html").text_of("figcaption"))


def test_a_folder_of_several_runs_brings_its_settings(tmp_path, read, people):
    folder = tmp_path / "everybody"
    folder.mkdir()
    noise_ceiling(people).save(folder / "personal.json")
    (folder / "config.toml").write_text(f'start = "{NASTY}"\n[loop]\nepochs = 37\n')
    write_report(tmp_path / "page.html", [folder, people])
    page = read(tmp_path / "page.html")
    assert "everybody: Settings" in titles(page)
    cells = page.text_of("td")
    assert cells[cells.index("loop.epochs") + 1] == "37"
    assert cells[cells.index("start") + 1] == NASTY
    (folder / "config.toml").write_text("start = ")
    with pytest.raises(ValueError, match=r"config\.toml is not valid TOML"):
        write_report(tmp_path / "page.html", folder)


def test_the_last_layer_of_features_is_taken_unless_another_is_named(tmp_path, read, points, people):
    noise = np.random.default_rng(6).normal(size=points.shape)
    both = Features.from_arrays({"first": points, "last": noise}, LABELS, name="net")
    alone = {name: Features.from_array(x, LABELS, name="net") for name, x in (("first", points), ("last", noise))}
    for layer, name in ((None, "last"), ("first", "first"), ("last", "last")):
        write_report(tmp_path / "one.html", [both, people], layer=layer)
        write_report(tmp_path / "two.html", [alone[name], people])
        shown = [read(tmp_path / file).text_of("td") for file in ("one.html", "two.html")]
        assert shown[0] == shown[1]


def test_rdms_and_features_have_maps_with_pictures(tmp_path, read, people, features):
    for k in range(5):
        Image.new("RGB", (50, 40), (40 * k, 0, 0)).save(tmp_path / f"item {k}.png")
    rows = "".join('"{}","{}"\n'.format(a.replace('"', '""'), b) for a, b in zip(LABELS, KINDS, strict=True))
    (tmp_path / "kinds.csv").write_text(f"item,category\n{rows}", encoding="utf-8")
    path = tmp_path / "page.html"
    write_report(path, [people, features], images=tmp_path, categories=tmp_path / "kinds.csv", title=NASTY)
    page = read(path)
    assert page.text_of("h1") == [NASTY]
    assert titles(page) == ["How alike the RDMs are", "RDM: RDM", f"net {NASTY}: RDM", "Versions and seeds"]
    assert len([one for one in page.all("img") if "data-item" in one]) == 5  # each once
    assert page.text_of("text").count(NASTY) == 4  # in the legend of each map
    assert "7 items have no photo in the folder." in page.text_of("li")
    heats = [one for one in page.all("g") if one.get("class") == "heat"]
    assert len(heats) == 2


def test_features_with_answers_show_the_most_and_least_human_triplets(tmp_path, read, features, answers, points):
    write_report(tmp_path / "page.html", [features, answers], kernel="euclidean")
    page = read(tmp_path / "page.html")
    assert f"net {NASTY} on Triplets: Most and least human triplets" in titles(page)
    assert f"net {NASTY} on Triplets: Calibration" in titles(page)
    shown = [float(text.removeprefix("model: p = ")) for text in page.text_of("text") if text.startswith("model: p")]
    assert len(shown) == 16
    most, least = shown[:8], shown[8:]
    assert most == sorted(most, reverse=True)
    assert least == sorted(least)
    assert least[-1] <= most[-1]
    expected = calibration(points, answers, repeats=answers, kernel="euclidean", n_bootstrap=200, rng=0)
    temperature = expected.temperature[1]
    # by a plain loop: of triplets that people agree about, the model is surest of the first one shown
    found = human_distribution(answers)
    probabilities = []
    for items, counts in zip(found.items, found.counts, strict=True):
        odd = int(counts.argmax())
        if 3 * counts[odd] < 2 * counts.sum():
            continue
        others = ((items[1], items[2]), (items[0], items[2]), (items[0], items[1]))
        near = np.array([-np.linalg.norm(points[a] - points[b]) for a, b in others]) / temperature
        probabilities.append((np.exp(near[odd]) / np.exp(near).sum(), LABELS[items[odd]]))
    tips = [
        one["data-tip"] for _, one in page.elements if "data-tip" in one and "the model names it" in one["data-tip"]
    ]
    assert tips[2].partition("\n")[0] == max(probabilities)[1]
    assert f"{expected.cross_entropy[1]:.4g}" in page.text_of("td")


def test_answers_about_other_items_are_refused(tmp_path, features, answers):
    other = Triplets(answers.items, labels=[f"x{k}" for k in range(12)])
    with pytest.raises(ValueError, match="have no triplet of items in common"):
        write_report(tmp_path / "page.html", [features, other])
    assert not (tmp_path / "page.html").exists()


def test_photos_of_one_item_are_averaged(tmp_path, read, points, answers):
    names = [f"{label}/{k}.jpg" for label in LABELS[:9] for k in range(2)]
    both = Features.from_array(np.repeat(points[:9], 2, axis=0), names, name="net")
    write_report(tmp_path / "page.html", [both, answers])
    assert any(
        "answers are about items without features" in note for note in read(tmp_path / "page.html").text_of("li")
    )


def train(folder, seed):
    items = np.random.default_rng(0).permuted(np.tile(np.arange(12), (400, 1)), axis=1)[:, :3]
    Triplets(items, labels=LABELS).save(folder / "answers.npz")
    loop = LoopConfig(
        monitor="val_cross_entropy",
        device="cpu",
        progress=False,
        max_steps=6,
        validate_every=2,
        log_every=1,
        epochs=99,
        seed=seed,
    )
    out = folder / f"run {seed}"
    return run(SPoSEConfig(triplets=folder / "answers.npz", out=out, n_dims=3, start_steps=5, n_bootstrap=5, loop=loop))


def test_runs_are_read_from_their_folders_and_compared(tmp_path, read):
    one, two = train(tmp_path, 1), train(tmp_path, 2)
    write_report(tmp_path / "page.html", [one.path, str(two.path)])
    page = read(tmp_path / "page.html")
    assert titles(page)[0] == "The runs side by side"
    assert {"run 1: Training", "run 2: Training", "run 1: Settings"} <= set(titles(page))
    cells = page.text_of("td")
    at = cells.index("loop.seed")
    assert cells[at + 1 : at + 3] == ["1", "2"]
    tips = [one["data-tip"] for _, one in page.elements if "data-tip" in one]
    for result in (one, two):
        name, history = result.path.name, result.history
        for record in history.validations:
            assert f"{name}\n{record.metrics[history.monitor]:.4g} at {record.step}" in tips
    caption = page.text_of("caption")
    assert "Settings that differ." in caption
    # the settings of each run, and once more those that differ
    assert (cells.count("loop.seed"), cells.count("loop.max_steps")) == (3, 2)


def test_a_score_table_stands_at_a_glance(tmp_path, read, table):
    other = dataclasses.replace(table, rows=table.rows[:1])
    write_report(tmp_path / "page.html", [table, other])
    page = read(tmp_path / "page.html")
    assert page.text_of("h1") == ["Report on 2 results"]
    cells = page.text_of("td")
    assert cells[:3] == ["ScoreTable (1): one", "0.6", "[0.5, 0.7]"]
    assert "ScoreTable (2): one" in cells
    assert "ScoreTable (1): (chance)" in cells


def test_any_other_result_has_its_table_figure_and_words(tmp_path, read, people):
    found = noise_ceiling(people)
    write_report(tmp_path / "page.html", found)
    page = read(tmp_path / "page.html")
    assert titles(page)[0] == "Noise ceiling"
    assert found.methods_text() in page.text_of("p")
    assert len(page.text_of("td")) > 3


def test_nothing_too_much_and_strangers_are_refused(tmp_path, people):
    for wrong, kind, sentence in (
        ([], ValueError, "results must be a path, a result, or several"),
        (3, TypeError, "results must be a path, a result, or several"),
        ([object()], TypeError, "results must be paths, results"),
        ([people] * (MOST + 1), ValueError, f"at most {MOST} results"),
    ):
        with pytest.raises(kind, match=sentence):
            write_report(tmp_path / "page.html", wrong)
    with pytest.raises(ValueError, match="kernel must be one of"):
        write_report(tmp_path / "page.html", people, kernel="dots")
    with pytest.raises(ValueError, match="images show the items of RDMs"):
        write_report(tmp_path / "page.html", noise_ceiling(people), images=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_page_asks_for_nothing(tmp_path, people, features, answers):
    write_report(tmp_path / "page.html", [people, features, answers])
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert not re.findall(r"(?:href|src)=\"(?!#|data:)", text)
    addresses = set(re.findall(r"https?://[^\s\"'<]+", text))
    assert addresses == {"http://www.w3.org/2000/svg"}  # the name of SVG; nothing is fetched


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_a_browser_shows_all_of_it_without_complaint(browser, tmp_path, people, models, features, answers, width, dark):
    found = evaluate(models, people, n_bootstrap=20, rng=0, progress=False)
    write_report(tmp_path / "page.html", [people, features, answers, found])
    browser.open(tmp_path / "page.html", width=width, dark=dark)
    assert not browser.complaints
    assert browser.run("document.documentElement.scrollWidth") <= width
    told = browser.run(
        "[...document.querySelectorAll('.chart')].map(chart => { chart.focus(); "
        "chart.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight'})); "
        "return chart.querySelector('.tip').textContent })"
    )
    assert len(told) == 10
    assert all(told)
    assert browser.cut_texts() == []
    assert not browser.complaints
