from __future__ import annotations

import json

import pytest

from alignkit.rsa import Triplets
from alignkit.train._answers_file import read_answers

NAMES = ("cat", "dog", "car", "bus")


def named(answers: Triplets) -> list[tuple[str, ...]]:
    return [tuple(answers.labels[i] for i in row) for row in answers.items]


@pytest.mark.parametrize(("ending", "sep"), [("csv", ","), ("tsv", "\t"), ("TSV", "\t")])
def test_a_table_names_the_odd_one(tmp_path, ending, sep):
    path = tmp_path / f"answers.{ending}"
    rows = ["who,first,odd,second", "x,cat,car,dog", "y,stranger,dog,bus"]
    path.write_text("\n".join(rows).replace(",", sep) + "\n")
    answers = read_answers(path, NAMES)
    assert named(answers) == [("cat", "dog", "car"), ("stranger", "bus", "dog")]
    assert answers.participant is answers.response_time is None


def test_a_table_may_say_who_answered_and_how_fast(tmp_path):
    path = tmp_path / "answers.csv"
    path.write_text("participant,first,second,odd,response_time\np1,cat,dog,car,1.5\n07,car,bus,dog,0.5\n")
    answers = read_answers(path, NAMES)
    assert answers.participant.tolist() == ["p1", "07"]
    assert answers.response_time.tolist() == [1.5, 0.5]


def test_what_jspsych_saved_is_read_with_its_usual_fields(tmp_path):
    path = tmp_path / "study.json"
    trial = {"position1": "img/cat.jpg", "position2": "img/car.jpg", "position3": "img/dog.jpg"}
    path.write_text(json.dumps([{"trial_type": "preload"}, {**trial, "response": 1, "rt": 1250, "participant": "p1"}]))
    answers = read_answers(path, NAMES)
    assert named(answers) == [("dog", "cat", "car")]  # the last takes the place of the one chosen
    assert answers.participant.tolist() == ["p1"]
    assert answers.response_time.tolist() == [1.25]


def test_saved_triplets_come_back(tmp_path):
    Triplets([[0, 1, 2]], NAMES[:3]).save(tmp_path / "answers.npz")
    assert named(read_answers(tmp_path / "answers.npz", NAMES)) == [("cat", "dog", "car")]


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("a.xlsx", "", r"must be a \.csv or \.tsv with the columns first, second, odd.*got .*a\.xlsx"),
        ("a", "", r"must be a \.csv"),
        (
            "a.csv",
            "item1,item2,item3\ncat,dog,car\n",
            r"lacks the column\(s\) 'first', 'second', 'odd'; it has 'item1'",
        ),
        ("a.csv", "first,second,odd\ncat,,car\n", "empty cell in row 1"),
        ("a.csv", "first,second,odd\ncat,dog,dog\n", r"a\.csv: .*"),
        (
            "a.csv",
            "first,second,odd\nx,y,z\n",
            "names none of the targets' items: it has 'x', 'y', 'z'; they have 'cat'",
        ),
        ("a.csv", "first,second,odd\n", "must have shape .* n >= 1"),
        ("a.csv", "", "is empty"),
        ("a.csv", "first,second,odd,response_time\ncat,dog,car,soon\n", "'response_time' .* must hold numbers"),
        ("a.json", "[", "not valid JSON"),
        ("a.json", "{}", "no record with three items"),
    ],
)
def test_other_files_are_refused_in_one_sentence(tmp_path, name, text, sentence):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ValueError, match=sentence) as told:
        read_answers(path, NAMES)
    assert name in str(told.value)


@pytest.mark.parametrize("ending", ["csv", "json", "npz"])
def test_a_file_that_is_not_there_is_told(tmp_path, ending):
    with pytest.raises(FileNotFoundError):
        read_answers(tmp_path / f"none.{ending}", NAMES)
