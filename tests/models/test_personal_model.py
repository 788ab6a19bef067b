from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from alignkit.models._personal_model import PersonalModel, as_seen_by, load_personal, personal_file, subject_file

MODEL = PersonalModel("3", ("red", "round"), np.array([0.5, -1.0]), 0.25)


def test_products_of_what_a_person_sees_are_weighted():
    x = np.random.default_rng(0).random((5, 2))
    seen = MODEL.apply(x)
    for i in range(5):
        for j in range(5):
            weighted = sum(np.exp(w) * a * b for w, a, b in zip(MODEL.log_weights, x[i], x[j], strict=True))
            assert seen[i] @ seen[j] == pytest.approx(weighted)
    with pytest.raises(ValueError, match="must have 2 dimensions"):
        MODEL.apply(np.ones((3, 4)))


def test_a_file_gives_back_what_was_saved(tmp_path):
    MODEL.save(tmp_path / subject_file("3"), about={"own": 0.6})
    again = load_personal(tmp_path / "subject-3")
    assert (again.subject, again.dimensions, again.log_scale) == ("3", ("red", "round"), 0.25)
    assert again.log_weights.tolist() == [0.5, -1.0]


@pytest.mark.parametrize(
    ("subject", "name"), [("p 1", "subject-p%201.json"), ("../x", "subject-..%2Fx.json"), ("é", "subject-%C3%A9.json")]
)
def test_any_id_makes_a_file_name(subject, name, tmp_path):
    assert subject_file(subject) == name
    PersonalModel(subject, ("red",), np.zeros(1), 0.0).save(tmp_path / name)
    assert load_personal(tmp_path / name).subject == subject
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_an_id_that_is_too_long_is_refused():
    with pytest.raises(ValueError, match="too long"):
        subject_file("x" * 300)


def test_other_paths_are_no_person_s(tmp_path):
    (tmp_path / "subject-3").mkdir()
    (tmp_path / "model.json").write_text("{}")
    assert personal_file(tmp_path / "subject-3") is None
    assert personal_file(tmp_path / "model.json") is None
    MODEL.save(tmp_path / "subject-3.json")
    assert personal_file(tmp_path / "subject-3") == tmp_path / "subject-3.json"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "another"}, "describes no person's model"),
        ({"schema": 9}, "has schema 9"),
        ({"log_weights": [1.0]}, "one finite weight for each of 2 dimensions"),
        ({"log_weights": [1.0, None]}, "is damaged"),
        ({"log_weights": "abc"}, "is damaged"),
        ({"log_scale": "x"}, "is damaged: log_scale"),
        ({"dimensions": ["red", "red"]}, "is damaged: dimensions must be unique"),
        ({"subject": None}, "is damaged: subject"),
    ],
)
def test_damaged_files_are_named(change, words, tmp_path):
    path = tmp_path / "subject-3.json"
    MODEL.save(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ValueError, match=words) as caught:
        load_personal(path)
    assert str(path) in str(caught.value)


def test_truncated_empty_and_missing_files(tmp_path):
    path = tmp_path / "subject-3.json"
    MODEL.save(path)
    path.write_text(path.read_text()[:50])
    with pytest.raises(ValueError, match="not valid JSON"):
        load_personal(path)
    path.write_text("")
    with pytest.raises(ValueError, match="is empty"):
        load_personal(path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_personal(tmp_path / "subject-4.json")


def test_a_group_of_other_dimensions_is_refused(tmp_path):
    pytest.importorskip("torch")
    for names, words in ((["red", "big"], "missing there: 'round'"), (["round", "red"], "in another order")):
        saved = SimpleNamespace(manifest={"dimensions": names}, path=tmp_path)
        with pytest.raises(ValueError, match=words):
            as_seen_by(saved, MODEL)
