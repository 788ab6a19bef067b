"""Meadows' annotations and trees of a Triplet Choice task."""

from __future__ import annotations

import json

import numpy as np
import pytest

from alignkit.data import read_meadows_triplets

LABELS = ["bus.png", "car.png", "cat.png", "dog.png"]
HEADS = "task,participation,stim1_id,stim2_id,stim3_id,stim1_name,stim2_name,stim3_name,start,resp,label"
IDS = {"bus": "b0", "car": "c1", "cat": "c2", "dog": "d3"}


def row(names, label, who="shy-owl", task="odd", start="10:00:00.000", resp="10:00:01.250"):
    cells = [task, who, *(IDS[name] for name in names), *names]
    return ",".join([*cells, f"2026-03-01T{start}Z", f"2026-03-01T{resp}Z", label])


ROWS = [
    row(("cat", "dog", "car"), "c1"),
    row(("bus", "cat", "dog"), "bus"),
    row(("car", "bus", "cat"), "b0", who="loud-fox_2", resp="10:00:00.800"),
]


def table(path, rows=ROWS, heads=HEADS):
    path.write_text("\n".join([heads, *rows]) + "\n")
    return path


def odd(answers):
    return [answers.labels[i] for i in answers.items[:, 2]]


def check(answers):
    assert odd(answers) == ["car.png", "bus.png", "bus.png"]
    assert answers.position.tolist() == [3, 1, 2]
    assert answers.participant.tolist() == ["shy-owl", "shy-owl", "loud-fox_2"]
    assert answers.response_time == pytest.approx([1.25, 1.25, 0.8])


def annotation(names, label, start=1_772_359_200.0, seconds=1.25):
    return {"ids": [IDS[name] for name in names], "label": label, "start": start, "resp": start + seconds}


def tree_of(*annotations, name="odd"):
    stimuli = [{"id": key, "name": stimulus, "type": "png", "size": 10} for stimulus, key in IDS.items()]
    info = {"status": "finished", "task": {"name": "hello-there", "task_type": "info"}, "stimuli": [], "trials": []}
    task = {"name": name, "task_type": "triplet"}
    return {
        "token": None,
        "tasks": [info, {"task": task, "stimuli": stimuli, "trials": [{"annotations": list(annotations)}]}],
    }


def test_annotations_as_a_table(tmp_path):
    one = "lab,shy-owl,b0,,,bus,,,2026-03-01T09:00:00Z,2026-03-01T09:00:05Z,a red bus"
    check(read_meadows_triplets(table(tmp_path / "a.csv", [one, *ROWS]), labels=LABELS))


def test_annotations_as_json(tmp_path):
    records = [dict(zip(HEADS.split(","), line.split(","), strict=True)) for line in ROWS]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(records))
    check(read_meadows_triplets(path, labels=LABELS))


def test_a_tree_of_all_people_and_one_file_each(tmp_path):
    owl = tree_of(annotation(("cat", "dog", "car"), "c1"), annotation(("bus", "cat", "dog"), "b0"))
    fox = tree_of(annotation(("car", "bus", "cat"), "b0", seconds=0.8))
    everybody = tmp_path / "Meadows_study_v_v1_tree.json"
    everybody.write_text(json.dumps({"shy-owl": owl, "loud-fox_2": fox}))
    check(read_meadows_triplets(everybody, labels=LABELS))
    alone = tmp_path / "Meadows_study_v_v1_shy-owl_tree.json"
    alone.write_text(json.dumps(owl))
    assert set(read_meadows_triplets(alone, labels=LABELS).participant) == {"shy-owl"}


def test_times_in_milliseconds_since_1970(tmp_path):
    owl = tree_of({**annotation(("cat", "dog", "car"), "c1"), "start": 1_636_752_416_360, "resp": 1_636_752_418_360})
    path = tmp_path / "Meadows_study_v_v1_shy-owl_tree.json"
    path.write_text(json.dumps(owl))
    assert read_meadows_triplets(path, labels=LABELS).response_time == pytest.approx([2.0])


def test_labels_that_are_positions(tmp_path):
    rows = [row(("cat", "dog", "car"), "2"), row(("bus", "cat", "dog"), "1")]
    path = table(tmp_path / "a.csv", rows)
    answers = read_meadows_triplets(path, labels=LABELS, options=("1", "2", "3"))
    assert odd(answers) == ["dog.png", "bus.png"]
    with pytest.raises(ValueError, match="say with options= what the label of each position is"):
        read_meadows_triplets(path, labels=LABELS)


def test_a_study_of_several_tasks(tmp_path):
    path = table(tmp_path / "a.csv", [*ROWS, row(("cat", "dog", "car"), "c2", task="again")])
    with pytest.raises(ValueError, match=r"tasks 'again', 'odd'; choose one with task="):
        read_meadows_triplets(path, labels=LABELS)
    check(read_meadows_triplets(path, labels=LABELS, task="odd"))
    with pytest.raises(ValueError, match="no triplets of the task 'other'"):
        read_meadows_triplets(path, labels=LABELS, task="other")


def test_real_exports_of_other_tasks_hold_no_triplets(shared_data):
    for name in (
        "Meadows_nsd100annotations_v_v1_devoted-caiman_2_annotations.csv",
        "Meadows_twoMaTasks_v_v1_informed-mole_tree.json",
        "Meadows_myExp_v_v1_cuddly-bunny_3_tree.json",
    ):
        with pytest.raises(ValueError, match="holds no annotations of three stimuli"):
            read_meadows_triplets(shared_data("meadows", name), labels=LABELS)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (row(("cat", "dog", "car"), "b0"), "the answer 'b0' is none of 'cat', 'dog', 'car'"),
        (row(("cat", "dog", "car"), "c1", who=""), "lacks its participation"),
        (row(("cat", "dog", "car"), "c1", start="noon"), "neither ISO 8601 nor a number"),
        (row(("cat", "dog", "car"), ""), "no answer to any"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, line, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        read_meadows_triplets(table(tmp_path / "a.csv", [line]), labels=LABELS)
    assert "a.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damaged_and_hostile_files(tmp_path):
    path = tmp_path / "a.json"
    deep: object = annotation(("cat", "dog", "car"), "c1")
    for _ in range(200):
        deep = [deep]
    for text in (json.dumps(deep), "[" * 50_000, '{"a": [', "5"):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"a\.json"):
            read_meadows_triplets(path, labels=LABELS)
    table(tmp_path / "b.csv", ["odd,shy-owl"])
    with pytest.raises(ValueError, match="breaks off"):
        read_meadows_triplets(tmp_path / "b.csv", labels=LABELS)
    with pytest.raises(ValueError, match="lacks the column"):
        read_meadows_triplets(table(tmp_path / "c.csv", ["1,2"], "x,y"), labels=LABELS)
    with pytest.raises(ValueError, match="options must be three different labels"):
        read_meadows_triplets(path, labels=LABELS, options=("1", "1", "2"))


def test_a_missing_answer_is_left_out_aloud(tmp_path):
    path = table(tmp_path / "a.csv", [*ROWS, row(("cat", "dog", "car"), "")])
    with pytest.warns(UserWarning, match="1 of 4 trials have no answer"):
        answers = read_meadows_triplets(path, labels=LABELS)
    check(answers)
    assert np.isfinite(answers.response_time).all()
