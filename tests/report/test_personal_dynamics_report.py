from __future__ import annotations

import dataclasses

import pytest
from reference.personal_dynamics import ONE, result

from alignkit.report import write_personal_dynamics_report
from alignkit.train.hba_meg.config import HBAMEGConfig

NASTY = "<script>alert(1)</script> $x_"


@pytest.fixture
def config(tmp_path):
    return HBAMEGConfig(subject="all", start=tmp_path / "my model", out=tmp_path / "my people", n_bootstrap=77)


def test_the_page_has_every_part(tmp_path, read, config):
    found = result()
    write_personal_dynamics_report(tmp_path / "page.html", found, config)
    page = read(tmp_path / "page.html")
    assert page.text_of("h1") == ["Personal models over time in my people"]
    assert page.text_of("p")[0] == found.verdict
    assert page.text_of("h2") == [
        "Use it, repeat it",
        "Whose model is whose?",
        "Are people told apart?",
        "Time courses",
        "Person by person",
        "How it was done",
        "Settings",
    ]
    assert len(page.all("img")) == 4  # the matrix, centred too; over time; gains
    assert found.methods_text() in page.text_of("p")
    assert "A note." in page.text_of("li")
    assert page.text_of("td")[page.text_of("td").index("n_bootstrap") + 1] == "77"


def test_the_whole_matrix_is_there_in_numbers(tmp_path, read, config):
    found = result()
    write_personal_dynamics_report(tmp_path / "page.html", found, config)
    cells = read(tmp_path / "page.html").text_of("td")
    place = cells.index("p01")
    assert cells[place : place + 13] == ["p01", *(f"{value:.3f}" for value in found.identification.matrix[0])]


def test_tests_say_what_is_chance_and_what_sessions_tell(tmp_path, read, config):
    found = result()
    write_personal_dynamics_report(tmp_path / "page.html", found, config)
    page = read(tmp_path / "page.html")
    cells = page.text_of("td")
    place = cells.index("rank-1, centred")
    test = found.identification.test("rank-1, centred")
    assert cells[place + 1 : place + 4] == [f"{test.value:.3f}", f"{test.chance:.3f}", f"{test.p:.2g}"]
    assert cells.count("two-way") == 2
    assert "by other sessions of the same people (what a model is up against)" in page.text_of("span")
    assert {test.name for test in found.tests} <= set(cells)


def test_raw_and_centred_accuracies_have_two_names(tmp_path, read, config):
    found = result()
    write_personal_dynamics_report(tmp_path / "page.html", found, config)
    page = read(tmp_path / "page.html")
    head = page.text_of("th")
    assert [head.count(name) for name in ("rank-1", "rank-1, centred", "two-way", "two-way, centred")] == [1, 1, 1, 1]
    table = found.to_dataframe()
    assert {"rank_1", "rank_1_centred"} <= set(table)
    assert any("Centred: after each model's mean over people was taken off" in text for text in page.text_of("li"))


def test_few_people_are_permuted_in_all_ways(tmp_path, read):
    write_personal_dynamics_report(tmp_path / "page.html", result(3))
    captions = read(tmp_path / "page.html").text_of("caption")
    assert "Identification, against all 6 permutations of who owns which model." in captions


def test_one_person_has_no_matrix(tmp_path, read, config):
    found = result(alone=True)
    alone = dataclasses.replace(config, subject="p01")
    write_personal_dynamics_report(tmp_path / "page.html", found, alone)
    page = read(tmp_path / "page.html")
    assert page.text_of("h1") == ["Personal model of p01 over time in my people"]
    assert "Whose model is whose?" not in page.text_of("h2")
    assert len(page.all("img")) == 1
    (code,) = page.text_of("code")
    assert code.splitlines() == [
        f"alignkit extract --model 'run:{tmp_path}/my people/subject-p01' --images photos --out subject-p01-features",
        f"alignkit train --from '{tmp_path}/my people/subject-p01' --out '{tmp_path}/my people/subject-p01-again'",
    ]


def test_a_control_says_whose_data_there_were(tmp_path, read, config):
    write_personal_dynamics_report(tmp_path / "page.html", result(shuffled=True), config)
    page = read(tmp_path / "page.html")
    assert page.text_of("h1") == ["Personal models over time (control: shuffled people) in my people"]
    assert "trained on" in page.text_of("th")
    write_personal_dynamics_report(tmp_path / "page.html", result(), config)
    assert "trained on" not in read(tmp_path / "page.html").text_of("th")


def test_one_time_and_no_other_sessions(tmp_path, read):
    write_personal_dynamics_report(tmp_path / "page.html", result(4, sessions=False, times=ONE))
    page = read(tmp_path / "page.html")
    assert not any(text.startswith("by other sessions") for text in page.text_of("span"))
    assert "Settings" not in page.text_of("h2")


def test_names_are_text(tmp_path, read, config):
    found = result(4)
    names = (NASTY, *found.people[1:])
    odd = dataclasses.replace(
        found, people=names, identification=dataclasses.replace(found.identification, people=names)
    )
    write_personal_dynamics_report(tmp_path / "page.html", odd, config)
    page = read(tmp_path / "page.html")
    assert NASTY in page.text_of("td")
    assert NASTY in page.text_of("th")


def test_where_no_page_can_be_is_said(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a directory"):
        write_personal_dynamics_report(tmp_path, result(3))
