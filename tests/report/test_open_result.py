from __future__ import annotations

import json

import numpy as np
import pytest

from alignkit.models import Features
from alignkit.report._open_result import open_result
from alignkit.rsa import RDM, Comparison, Triplets, compare, noise_ceiling


@pytest.fixture
def stack():
    return RDM(np.random.default_rng(0).random((4, 15)), labels=list("abcdef"), dims=["subject"])


def test_results_come_back_as_what_they_are(tmp_path, stack, table):
    found = compare(stack.isel(subject=0), stack)
    found.save(tmp_path / "one.json")
    opened = open_result(tmp_path / "one.json")
    assert (opened.name, type(opened.value)) == ("one", Comparison)
    np.testing.assert_array_equal(opened.value.values, found.values)
    assert opened.versions["alignkit"]
    noise_ceiling(stack).save(tmp_path / "two.json")
    assert type(open_result(tmp_path / "two.json").value).__name__ == "NoiseCeiling"
    (tmp_path / "demo").mkdir()
    table.save(tmp_path / "demo" / "result.json")
    demo = open_result(tmp_path / "demo")
    assert demo.name == "demo"
    assert repr(demo.value.rows) == repr(table.rows)  # NaN is not equal to itself


def test_arrays_come_back_as_what_they_are(tmp_path, stack):
    stack.save(tmp_path / "people.npz")
    stack.save(tmp_path / "people.zarr")
    for name in ("people.npz", "people.zarr"):
        opened = open_result(tmp_path / name)
        assert (opened.name, opened.value.labels) == ("people", stack.labels)
        np.testing.assert_array_equal(opened.value.values, stack.values)
    Triplets([[0, 1, 2]], labels=list("abc")).save(tmp_path / "answers.npz")
    assert open_result(tmp_path / "answers.npz").value.items.tolist() == [[0, 1, 2]]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.json", "{", "is not valid JSON"),
        ("a.json", "[1]", "holds no result of alignkit; give what"),
        ("a.json", '{"kind": "os.system"}', "holds a 'os.system', which this version does not know"),
        ("a.json", '{"kind": "RunResult"}', "does not hold a RunResult of this version"),
        ("a.json", '{"kind": "Evaluation", "models": 3}', "does not hold a Evaluation of this version"),
        ("a.json", "", "is empty"),
        ("a.npz", "no archive", "is not a readable .npz archive"),
        ("a.html", "<p>", "is a page already"),
        ("a.csv", "a,b", "is a table, which says nothing of how it was made"),
        ("a.png", "x", "is nothing that can be reported on"),
    ],
)
def test_anything_else_is_refused_in_a_sentence(tmp_path, name, content, sentence):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=sentence) as refused:
        open_result(tmp_path / name)
    assert name in str(refused.value)
    assert "\n" not in str(refused.value)


def test_empty_folders_other_archives_and_nothing_are_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no run, no result and no features"):
        open_result(tmp_path)
    with pytest.raises(FileNotFoundError, match="does not exist; give a run's folder"):
        open_result(tmp_path / "nowhere")
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(ValueError, match=r"holds \['x'\], neither RDMs, features nor answers"):
        open_result(tmp_path / "other.npz")


def test_a_result_of_another_version_is_refused(tmp_path, table):
    table.save(tmp_path / "a.json")
    content = json.loads((tmp_path / "a.json").read_text())
    content["rows"][0]["surplus"] = 1
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="does not hold a ScoreTable of this version"):
        open_result(tmp_path / "a.json")


def test_features_of_a_file_are_opened(tmp_path):
    found = Features.from_array(np.eye(3), list("abc"), name="toy")
    found.save(tmp_path / "toy.npz")
    opened = open_result(tmp_path / "toy.npz").value
    assert opened.labels == ("a", "b", "c")
    np.testing.assert_array_equal(opened.array(), np.eye(3))
