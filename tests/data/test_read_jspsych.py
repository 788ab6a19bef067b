"""jsPsych's records: the fields a study names, several people, other screens, and hostile files."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from alignkit.data import _study_trials as study_trials
from alignkit.data import read_jspsych

LABELS = ["bus", "car", "cat", "dog"]
SHOWN = [("cat", "dog", "car"), ("bus", "cat", "dog"), ("car", "bus", "cat")]


def trial(k, response, rt=1000.0, who="p1", **more):
    items = {f"position{i + 1}": f"img/{name}.jpg" for i, name in enumerate(SHOWN[k])}
    return {"trial_type": "html-button-response", "trial_index": k, **items, "response": response, "rt": rt} | (
        {"participant": who} | more
    )


STUDY = [
    {"trial_type": "preload", "success": True, "rt": None},
    trial(0, 2, 1500),
    trial(1, 0, 800),
    {"trial_type": "html-keyboard-response", "stimulus": "pause", "response": " ", "rt": 5000, "participant": "p1"},
    trial(2, 1, 600.5),
]


def write(path, content):
    path.write_text(json.dumps(content))
    return path


def odd(answers):
    return [answers.labels[i] for i in answers.items[:, 2]]


def test_the_defaults(tmp_path):
    answers = read_jspsych(write(tmp_path / "s.json", STUDY), labels=LABELS)
    assert odd(answers) == ["car", "bus", "bus"]
    assert answers.position.tolist() == [3, 1, 2]
    assert answers.response_time == pytest.approx([1.5, 0.8, 0.6005])
    assert answers.participant.tolist() == ["p1"] * 3
    assert answers.labels == tuple(LABELS)
    pairs = [{answers.labels[i] for i in row} for row in answers.items[:, :2]]
    assert pairs == [{"cat", "dog"}, {"cat", "dog"}, {"car", "cat"}]


def test_several_people_joined_or_in_a_folder(tmp_path):
    second = [trial(0, 0, who="p2")]
    joined = tmp_path / "joined.json"
    joined.write_text(json.dumps(STUDY) + "\n" + json.dumps(second) + "\n")
    nested = write(tmp_path / "nested.json", [STUDY, second])
    folder = tmp_path / "people"
    folder.mkdir()
    write(folder / "a.json", STUDY)
    write(folder / "b.json", second)
    (folder / "notes.txt").write_text("not read")
    for path in (joined, nested, folder):
        answers = read_jspsych(path, labels=LABELS)
        assert answers.participant.tolist() == ["p1", "p1", "p1", "p2"]
    named = read_jspsych(folder, labels=LABELS, participant=None)
    assert named.participant.tolist() == ["a", "a", "a", "b"]


def test_a_table(tmp_path):
    path = tmp_path / "s.csv"
    heads = sorted({name for row in STUDY for name in row})
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, heads)
        writer.writeheader()
        writer.writerows([{name: "" if row.get(name) is None else row.get(name) for name in heads} for row in STUDY])
    expected = read_jspsych(write(tmp_path / "s.json", STUDY), labels=LABELS)
    answers = read_jspsych(path, labels=LABELS)
    assert np.array_equal(answers.items, expected.items)
    assert np.array_equal(answers.response_time, expected.response_time)


def test_one_field_with_a_list_of_html_images_and_keys(tmp_path):
    choices = [f'<img width="200" src="img/{name}.jpg">' for name in SHOWN[0]]
    records = [{"choices": choices, "key": "s", "sec": 2.5, "id": 7, "task": "odd"}]
    records.append({**records[0], "task": "practice"})
    options = {"items": "choices", "response": "key", "options": ("a", "s", "d"), "participant": "id"}
    times = {"response_time": "sec", "time_unit": "s"}
    path = write(tmp_path / "s.json", records)
    answers = read_jspsych(path, labels=LABELS, **options, **times, select={"task": "odd"})
    assert odd(answers) == ["dog"]
    assert answers.response_time.tolist() == [2.5]
    assert answers.participant.tolist() == ["7"]
    table = tmp_path / "s.csv"
    with open(table, "w", newline="") as file:
        writer = csv.DictWriter(file, list(records[0]))
        writer.writeheader()
        writer.writerow({**records[0], "choices": json.dumps(choices)})
    assert odd(read_jspsych(table, labels=LABELS, **options, **times)) == ["dog"]


def test_the_item_itself_as_answer(tmp_path):
    path = write(tmp_path / "s.json", [trial(0, "img/dog.jpg")])
    assert odd(read_jspsych(path, labels=LABELS, options="items")) == ["dog"]


def test_trials_that_timed_out_are_left_out_aloud(tmp_path):
    path = write(tmp_path / "s.json", [trial(0, None, None), trial(1, 0)])
    with pytest.warns(UserWarning, match=r"1 of 2 trials have no answer and are left out"):
        answers = read_jspsych(path, labels=LABELS)
    assert len(answers) == 1


def test_times_need_not_be_there(tmp_path):
    path = write(tmp_path / "s.json", [{k: v for k, v in trial(0, 1).items() if k != "rt"}])
    assert read_jspsych(path, labels=LABELS, response_time=None).response_time is None


def test_labels_with_folders_are_matched_as_they_are(tmp_path):
    labels = [f"img/{name}.jpg" for name in LABELS]
    answers = read_jspsych(write(tmp_path / "s.json", STUDY), labels=labels)
    assert odd(answers) == ["img/car.jpg", "img/bus.jpg", "img/bus.jpg"]


@pytest.mark.parametrize(
    ("content", "options", "sentence"),
    [
        ([trial(0, 3)], {}, "record 1: the answer 3 is none of '0', '1', '2'"),
        ([trial(0, "x")], {"options": ("a", "s", "d")}, "the answer 'x' is none of"),
        ([trial(0, 1, "soon")], {}, "the response time 'soon' is no number"),
        ([trial(0, 1)], {"response": "key"}, "the field 'key' is missing"),
        ([trial(0, 1)], {"participant": "who"}, "there is no 'who'"),
        ([trial(0, 1)], {"items": "choices"}, "no record with three items in choices; its fields are 'trial_type'"),
        ([trial(0, 1)], {"select": {"task": "odd"}}, "no record with three items"),
        ([trial(0, 1)], {"labels": ["cat", "dog"]}, "does not name: 'car'"),
        ([trial(0, 1)], {"labels": ["a/cat", "b/cat"]}, "does not name"),
        ([trial(0, None)], {}, "no answer to any"),
        ([1, 2], {}, "must hold jsPsych's list of records; it holds 1"),
        ([{**trial(0, 1), "position2": "img/cat.jpg"}], {}, "same item twice"),
        ([trial(0, 1)], {"options": ("0", "0", "1")}, "three different answers"),
        ([trial(0, 1)], {"items": ("a", "b")}, "items must name one field or three"),
        ([trial(0, 1)], {"time_unit": "min"}, "time_unit must be one of"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, content, options, sentence):
    path = write(tmp_path / "s.json", content)
    with pytest.raises(ValueError, match=sentence) as caught:
        read_jspsych(path, **{"labels": LABELS, **options})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ['[{"position1": "cat"', "[" * 100_000, "\x80\x04pickle", "NaN NaN", '"text"', "{} trailing"]
)
def test_damaged_files(tmp_path, text):
    path = tmp_path / "s.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"s\.json") as caught:
        read_jspsych(path, labels=LABELS)
    assert "\n" not in str(caught.value)


def test_files_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_jspsych(tmp_path / "no.json", labels=LABELS)
    with pytest.raises(FileNotFoundError, match=r"holds no \.json or \.csv file"):
        read_jspsych(tmp_path, labels=LABELS)
    (tmp_path / "empty.json").write_text("")
    with pytest.raises(ValueError, match="is empty"):
        read_jspsych(tmp_path / "empty.json", labels=LABELS)


def test_a_file_beyond_any_study_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(study_trials, "MAX_JSON", 100)
    with pytest.raises(ValueError, match="split it by person"):
        read_jspsych(write(tmp_path / "s.json", STUDY), labels=LABELS)


def test_an_html_bomb_is_no_trouble(tmp_path):
    bomb = "<img " + "src" * 50_000
    record = {**trial(0, 1), "position1": bomb}
    with pytest.raises(ValueError, match="does not name"):
        read_jspsych(write(tmp_path / "s.json", [record]), labels=LABELS)
