from __future__ import annotations

import json

import numpy as np
import pytest

from alignkit.align import fit_transform, load_teacher
from alignkit.models import Features, load_transform
from alignkit.rsa import choice_probabilities

ITEMS = [[0, 1, 2], [3, 4, 5], [0, 2, 4], [6, 7, 1]] * 20
MANIFEST = {"model": {"name": "toy", "weights_sha256": "ab"}, "layers": ["last"], "labels": list("abcdefgh")}


@pytest.fixture
def x(rng):
    return rng.normal(size=(8, 3))


@pytest.fixture
def teacher(x):
    feats = Features.from_array(x, list("abcdefgh"), name="toy", layer="last", manifest=MANIFEST)
    return fit_transform(feats, ITEMS, penalty=0.1, bias=True, calibrate=False)


def hot(teacher):
    """The same teacher with a temperature."""
    import dataclasses

    return dataclasses.replace(teacher, temperature=2.5)


def test_applying_makes_plain_dot_products_calibrated(teacher, x):
    t = teacher.transform
    rows = ((x - float(t.mean)) / float(t.std)) @ t.weights + t.bias
    np.testing.assert_allclose(teacher.apply(x), rows, rtol=1e-12)
    warm = hot(teacher)
    np.testing.assert_allclose(warm.apply(x), rows / np.sqrt(2.5), rtol=1e-12)
    np.testing.assert_allclose(
        choice_probabilities(warm.apply(x), ITEMS), choice_probabilities(rows, ITEMS, temperature=2.5), rtol=1e-10
    )


def test_saved_teachers_come_back_whole(teacher, x, tmp_path):
    warm = hot(teacher)
    warm.save(tmp_path / "t")
    back = load_teacher(tmp_path / "t")
    np.testing.assert_array_equal(back.apply(x), warm.apply(x))
    np.testing.assert_array_equal(back.history, warm.history)
    for name in ("temperature", "penalty", "n_parameters", "labels", "settings", "distance_from_identity", "n_items"):
        assert getattr(back, name) == getattr(warm, name), name
    assert back.source["manifest"]["model"] == MANIFEST["model"]
    assert "labels" not in back.source["manifest"]
    manifest = json.loads((tmp_path / "t" / "manifest.json").read_text())
    assert (manifest["kind"], manifest["schema"], len(manifest["sha256"])) == ("alignkit.teacher", 1, 64)
    assert manifest["made_with"]
    # as any transform, with the temperature in its weights
    np.testing.assert_allclose(load_transform(tmp_path / "t").apply(x), warm.apply(x), rtol=1e-12)
    assert back.transform.name == "t"


def test_saving_again_replaces_a_teacher_and_nothing_else(teacher, tmp_path):
    teacher.save(tmp_path / "t")
    hot(teacher).save(tmp_path / "t")
    assert load_teacher(tmp_path / "t").temperature == 2.5
    assert len(list((tmp_path / "t").iterdir())) == 2
    (tmp_path / "stopped").mkdir()
    (tmp_path / "stopped" / ".teacher-0123.safetensors.89ab.tmp").write_text("half")  # killed while it was written
    teacher.save(tmp_path / "stopped")
    assert load_teacher(tmp_path / "stopped").temperature == teacher.temperature
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("keep")
    with pytest.raises(FileExistsError, match="is not empty and holds no teacher"):
        teacher.save(tmp_path / "notes")
    with pytest.raises(FileExistsError, match="is a file"):
        teacher.save(tmp_path / "notes" / "mine.txt")
    with pytest.raises(FileNotFoundError, match="create it first"):
        teacher.save(tmp_path / "no" / "t")


def test_damaged_teachers_are_refused_in_a_sentence(teacher, tmp_path):
    folder = tmp_path / "t"
    teacher.save(folder)
    weights = next(folder.glob("*.safetensors"))
    whole, text = weights.read_bytes(), (folder / "manifest.json").read_text()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    for read in (load_teacher, load_transform):
        with pytest.raises(ValueError, match="its checksum is not the one noted"):
            read(folder)
    weights.write_bytes(whole)
    entries = json.loads(text)
    bad = [
        ({"schema": 2}, "has schema 2"),
        ({"kind": "x"}, "is not a teacher's manifest"),
        ({"file": "../secret.safetensors"}, "names no file of weights"),
        ({"temperature": -1}, "temperature must be a finite number above 0"),
        ({"temperature": None}, "temperature must be a number"),
    ]
    for change, says in bad:
        (folder / "manifest.json").write_text(json.dumps({**entries, **change}))
        for read in (load_teacher, load_transform):
            with pytest.raises(ValueError, match=says):
                read(folder)
    for change in ({"history": "x"}, {"settings": 3}, {"labels": 4}, {"n_items": "many"}):
        (folder / "manifest.json").write_text(json.dumps({**entries, **change}))
        with pytest.raises(ValueError, match="holds no usable teacher"):
            load_teacher(folder)
    (folder / "manifest.json").write_text(text)
    weights.unlink()
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_teacher(folder)
    with pytest.raises(FileNotFoundError, match="holds no teacher"):
        load_transform(tmp_path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_teacher(tmp_path / "nowhere")


def test_features_of_another_model_are_refused(teacher, x):
    named = {"labels": list("abcdefgh"), "layer": "last"}
    own = Features.from_array(x, **named, manifest=MANIFEST)
    np.testing.assert_array_equal(teacher.apply(own), teacher.apply(x))
    other = Features.from_array(x, **named, manifest={"model": {"name": "toy", "weights_sha256": "cd"}})
    with pytest.raises(ValueError, match=r"they differ in weights_sha256"):
        teacher.apply(other)
    with pytest.raises(ValueError, match="fitted on the layer 'last', and these are features of 'first'"):
        teacher.apply(Features.from_array(x, list("abcdefgh"), layer="first", manifest=MANIFEST))
    twice = own.transform(teacher.calibrated)
    with pytest.raises(ValueError, match="are transformed already"):
        teacher.apply(twice)
    with pytest.raises(ValueError, match="takes features of 3 channels"):
        teacher.apply(x[:, :2])


def test_a_teacher_tells_its_story(teacher):
    table = teacher.to_dataframe()
    assert table["loss"].tolist() == teacher.history.tolist()
    text = teacher.methods_text()
    assert "full linear map of 3 to 3 channels (12 parameters)" in text
    assert "80 triplets of 8 items" in text
    assert "held out" not in text
    assert "temperature 1" in repr(teacher)
    assert teacher.to_dict()["kind"] == "TeacherTransform"
    axes = teacher.plot()
    assert axes.get_xlabel() == "iteration"
