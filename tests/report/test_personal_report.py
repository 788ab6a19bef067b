from __future__ import annotations

import dataclasses
import math
import shlex

import numpy as np
import pytest

from alignkit.report import write_personal_report
from alignkit.train import PersonalAdapters, PersonalModels
from alignkit.train._people_difference import PeopleTest
from alignkit.train.hba._personal_scores import Person
from alignkit.train.hba.config import HBAConfig

#: An id that is markup, a formula and a path.
NASTY = "<script>alert(1)</script> $x_"


def person(subject, own=0.6, *, n=200, gain=0.05, width=0.02, ceiling=0.7, verdict="as it was found"):
    over = {}
    for k, rival in enumerate(("group", "shared", "others")):
        over |= {rival: own - gain, f"over_{rival}": gain + k / 100}
        over |= {f"over_{rival}_low": gain + k / 100 - width, f"over_{rival}_high": gain + k / 100 + width}
    return Person(
        subject=subject,
        n_answers=n,
        n_triplets=n - 1,
        own=own,
        ceiling=ceiling,
        ceiling_low=ceiling - 0.1,
        ceiling_high=ceiling + 0.1,
        verdict=verdict,
        **over,
    )


def differences(mean=0.05, p=0.01, n=6, others=0.04):
    names = ("accuracy, own - group", "accuracy, own - shared", "accuracy, own - others")
    means = (mean, mean, others)
    return tuple(
        PeopleTest(name=name, mean=value, low=value - 0.02, high=value + 0.02, p=p, n_people=n)
        for name, value in zip(names, means, strict=True)
    )


def adapters(people, tests=None):
    n = len(people)
    return PersonalAdapters(
        people=tuple(people),
        tests=differences(n=n) if tests is None else tests,
        subjects=tuple(one.subject for one in people),
        matrix=np.full((n, n), 0.5),
        split="held-out triplets, the same people; possibly optimistic",
        notes=("'guest' gave too few answers.",),
        n_folds=5,
        n_repeats=1,
        n_bootstrap=100,
        confidence=0.95,
        kept_steps=np.arange(n),
        n_parameters=280,
        prior=100.0,
    )


@pytest.fixture
def models():
    few = person("3", n=40, gain=-0.06, ceiling=math.nan, verdict="the data cannot carry a personal model")
    return adapters([person("12", n=300), person(NASTY, own=0.55, gain=0.0, n=120), few])


@pytest.fixture
def config(tmp_path):
    return HBAConfig(
        subject="all", personal="adapter", start=tmp_path / "my model", out=tmp_path / "my people", images=None
    )


def test_the_page_has_every_part(tmp_path, read, models, config):
    write_personal_report(tmp_path / "page.html", models, config)
    page = read(tmp_path / "page.html")
    assert page.text_of("h1") == ["Personal models in my people"]
    titles = ["Use it, repeat it", "Do people differ?", "Gains", "Person by person", "How it was done", "Settings"]
    assert page.text_of("h2") == titles
    assert page.text_of("p")[0] == models.verdict
    assert models.methods_text() in page.text_of("p")
    assert len(page.all("img")) == 3  # own minus group, own minus shared, gains against answers
    assert "1 of 3 intervals lie above 0." in [attributes["alt"] for attributes in page.all("img")]
    notes = page.text_of("li")
    assert "'guest' gave too few answers." in notes
    assert "3: the data cannot carry a personal model." in notes
    assert "-: no triplet was answered twice." in notes
    assert "Held-out triplets, the same people; possibly optimistic." in notes


def test_everybody_s_numbers_are_in_the_tables_most_answers_first(tmp_path, read, models):
    write_personal_report(tmp_path / "page.html", models)
    cells = read(tmp_path / "page.html").text_of("td")
    start = cells.index("12")
    assert cells[start : start + 21] == [
        *("12", "300", "60.0", "55.0", "55.0", "55.0", "70.0 [60.0, 80.0]"),
        *(NASTY, "120", "55.0", "55.0", "55.0", "55.0", "70.0 [60.0, 80.0]"),
        *("3", "40", "60.0", "66.0", "66.0", "66.0", "-"),
    ]
    assert cells[start + 21 : start + 25] == ["12", "+5.0 [+3.0, +7.0]", "+6.0 [+4.0, +8.0]", "+7.0 [+5.0, +9.0]"]
    place = cells.index("accuracy, own - group")
    assert cells[place + 1 : place + 5] == ["+0.0500", "[+0.0300, +0.0700]", "0.01", "3"]


def test_ids_are_text_wherever_they_stand(tmp_path, read, models, config):
    one = dataclasses.replace(models, people=models.people[1:2], tests=())
    for shown in (models, one):
        write_personal_report(tmp_path / "page.html", shown, config)
        text = (tmp_path / "page.html").read_text()
        assert text.count("<script") == 1  # our own
        assert NASTY in read(tmp_path / "page.html").text_of("td")
    assert read(tmp_path / "page.html").text_of("h1") == [f"Personal model of {NASTY} in my people"]


def test_commands_can_be_pasted(tmp_path, read, models, config):
    out = config.out
    write_personal_report(tmp_path / "page.html", models, config)
    (code,) = read(tmp_path / "page.html").text_of("code")
    first, second = (shlex.split(line) for line in code.splitlines())
    assert first == [
        *("alignkit", "extract", "--model", f"run:{out}/subject-12", "--images", "photos"),
        *("--out", "subject-12-features"),
    ]
    assert second == ["alignkit", "train", "--from", str(out), "--out", f"{out}-again"]
    alone = dataclasses.replace(config, subject="12", backbone="my_module:towers")
    write_personal_report(tmp_path / "page.html", models, alone)
    (code,) = read(tmp_path / "page.html").text_of("code")
    second = shlex.split(code.splitlines()[1])
    assert second[3:6] == [f"{out}/subject-12", "--architecture", "my_module:towers"]


def test_weights_have_a_page_too(tmp_path, read, config):
    one = person("12")
    shared = {field: getattr(adapters([one]), field) for field in ("split", "notes", "n_folds", "n_repeats")}
    weights = PersonalModels(
        people=(one,),
        tests=differences(),
        subjects=("12", "13"),
        matrix=np.full((2, 2), 0.5),
        **shared,
        n_bootstrap=100,
        confidence=0.95,
        log_weights=np.zeros((2, 1)),
        log_scale=np.zeros(2),
        shared_log_weights=np.zeros(1),
        shared_log_scale=0.0,
        spread=np.ones(2),
        dimensions=("red",),
        prior="that was found",
    )
    write_personal_report(tmp_path / "page.html", weights, dataclasses.replace(config, personal="weights"))
    page = read(tmp_path / "page.html")
    assert page.text_of("p")[0] == "12: as it was found."
    assert "run:" + str(config.out / "subject-12.json") in page.text_of("code")[0]
    assert len(page.all("img")) == 2


def test_many_people_are_a_readable_page(tmp_path, read):
    people = [person(f"p{k:03d}", gain=(k - 30) / 500, n=30 + k) for k in range(60)]
    write_personal_report(tmp_path / "page.html", adapters(people))
    notes = read(tmp_path / "page.html").text_of("li")
    assert "p059: as it was found." in notes
    assert "Only the 30 people with most answers are told of." in notes


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "People differ: own models predict better than the shared one"),
        ({"others": 0.01}, "not surely than others' .*: what they learned may be common to all"),
        ({"mean": -0.05}, "Own models predict worse than the shared one .*: use the group's"),
        ({"mean": 0.001, "p": 0.8}, "The data cannot carry personal models: own ones do not surely predict better"),
        ({"p": 0.125, "n": 4}, "The data cannot carry personal models: .*; no test of 4 people can reach 0.05"),
    ],
)
def test_the_verdict_is_in_plain_words(changes, words):
    import re

    models = adapters([person("1"), person("2", gain=0.0)], differences(**changes))
    assert re.match(f".*{words}", models.verdict)
    assert models.verdict.endswith("1 of 2 people's gains stand out (by chance 0.1).")


def test_likelihood_tells_what_accuracy_does_not():
    likelihood = PeopleTest(
        name="log-likelihood per answer, own - shared", mean=0.048, low=0.02, high=0.07, p=0.008, n_people=8
    )
    models = adapters([person("1"), person("2")], (*differences(mean=0.018, p=0.15, n=8), likelihood))
    assert models.verdict.startswith(
        "Own models find people's answers likelier than the shared one does (+0.048 nats per answer, p = 0.008), "
        "but do not surely predict more of them (+1.8 points [-0.2, +3.8], p = 0.15)."
    )


def test_where_no_page_can_be_is_said(tmp_path, models):
    with pytest.raises(IsADirectoryError, match="is a directory"):
        write_personal_report(tmp_path, models)
