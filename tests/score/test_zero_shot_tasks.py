"""The list of tasks against the files that it was taken from."""

from __future__ import annotations

import collections
import math

import pytest

from alignkit.score import zero_shot_tasks


def read_tasklist(path):
    """Return the fields of each task of DataComp's YAML file, which has no nesting to speak of."""
    tasks: dict[str, dict[str, str]] = {}
    for line in path.read_text().splitlines():
        name, _, value = line.partition(":")
        if line and line[0] not in " #-.":
            tasks[name] = fields = {}
        elif value.strip():
            fields[name.strip()] = value.strip()
    return tasks


def test_families():
    counts = collections.Counter(task.family for task in zero_shot_tasks())
    expected = {"ImageNet": 1, "ImageNet-OOD": 6, "VTAB": 12, "fine-grained": 3, "misc": 7, "retrieval": 2}
    assert counts == expected
    assert all((task.family == "VTAB") == task.key.startswith("vtab/") for task in zero_shot_tasks())


def test_the_selection_is_the_published_one(shared_data):
    lines = shared_data("reference", "pi_benchmarks_29_plus_2.txt").read_text().splitlines()
    keys = [line for line in lines if line and not line.startswith("#")]
    assert [task.key for task in zero_shot_tasks()] == keys


def test_facts_are_those_of_datacomp(shared_data):
    published = read_tasklist(shared_data("reference", "datacomp_tasklist.yml"))
    for task in zero_shot_tasks():
        fields = published[task.key]
        assert (task.name, task.n_images) == (fields["name"], int(fields["size"]))
        assert task.metric == fields.get("main_metric", "acc1")
        assert task.n_classes == int(fields.get("num_classes", 0))
        if "random_score" in fields:
            assert task.random_score == float(fields["random_score"])
        else:
            assert math.isnan(task.random_score)
            assert task.family == "retrieval"


def test_scores_between_guessing_and_all():
    task = next(task for task in zero_shot_tasks() if task.key == "vtab/pcam")
    assert [task.normalised(score) for score in (0.5, 0.75, 1.0)] == pytest.approx([0, 0.5, 1])
    assert math.isnan(zero_shot_tasks()[-1].normalised(0.3))
