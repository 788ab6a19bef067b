from __future__ import annotations

import json

import numpy as np
import pytest

from alignkit.align import _apply_teacher, apply_teacher, fit_transform
from alignkit.models import Features, Transform, open_features

LABELS = [f"i{k}" for k in range(25)]


@pytest.fixture
def x(rng):
    return rng.normal(size=(25, 3))


@pytest.fixture
def teacher(x):
    return fit_transform(x, [[0, 1, 2], [3, 4, 5]] * 20, penalty=0.1, calibrate=False)


def test_memory_files_and_folders_hold_the_same(x, teacher, tmp_path, monkeypatch):
    monkeypatch.setattr(_apply_teacher, "_ROWS", 10)  # three blocks
    expected = teacher.apply(x)
    feats = Features.from_array(x, LABELS, name="toy")
    teacher.save(tmp_path / "t")
    assert np.array_equal(apply_teacher(feats, teacher).array(), expected)
    for out, which in (("a", teacher), ("a.npz", tmp_path / "t"), ("b", teacher.calibrated)):
        result = apply_teacher(feats, which, out=tmp_path / out)
        np.testing.assert_allclose(result.array(), expected, rtol=1e-6, atol=1e-7)
        assert result.labels == tuple(LABELS)
        again = open_features(tmp_path / out)
        np.testing.assert_array_equal(again.array(), result.array())
        assert again.manifest["transform"]["values_sha256"]
    assert len(list((tmp_path / "a").glob("*.safetensors"))) == 3


def test_published_transforms_can_be_applied(x, tmp_path):
    np.savez(tmp_path / "g.npz", weights=np.eye(3), mean=1.0, std=2.0)
    np.testing.assert_allclose(apply_teacher(x, tmp_path / "g.npz").array(), (x - 1.0) / 2.0)


def test_a_killed_call_goes_on_where_it_stopped(x, teacher, tmp_path, monkeypatch):
    monkeypatch.setattr(_apply_teacher, "_ROWS", 10)
    feats = Features.from_array(x, LABELS)
    done = []

    def apply(self, rows):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(len(rows))
        return real(self, rows)

    real = Transform.apply
    monkeypatch.setattr(Transform, "apply", apply)
    with pytest.raises(KeyboardInterrupt):
        apply_teacher(feats, teacher, out=tmp_path / "a")
    with pytest.raises(ValueError, match="did not finish"):
        open_features(tmp_path / "a")
    monkeypatch.setattr(Transform, "apply", real)
    with pytest.raises(FileExistsError, match="holds the features of another run"):
        apply_teacher(Features.from_array(x + 1, LABELS), teacher, out=tmp_path / "a")
    read = []
    monkeypatch.setattr(Transform, "apply", lambda self, rows: (read.append(len(rows)), real(self, rows))[1])
    result = apply_teacher(feats, teacher, out=tmp_path / "a")
    assert read == [5]
    np.testing.assert_allclose(result.array(), teacher.apply(x), rtol=1e-6, atol=1e-7)


def test_stores_of_a_model_keep_its_name_and_refuse_a_second_teacher(x, teacher, tmp_path):
    manifest = {"model": {"name": "net", "weights_sha256": "ab"}}
    feats = Features.from_array(x, LABELS, name="net", layer="last", manifest=manifest)
    own = fit_transform(feats, [[0, 1, 2], [3, 4, 5]] * 20, penalty=0.1, calibrate=False)
    apply_teacher(feats, own, out=tmp_path / "a", layer="last")
    kept = json.loads((tmp_path / "a" / "manifest.json").read_text())
    assert kept["model"]["source"]["model"] == manifest["model"]
    assert kept["layers"] == ["last"]
    with pytest.raises(ValueError, match="fitted on features of 'net'"):
        apply_teacher(tmp_path / "a", own)


def test_what_cannot_be_applied_is_refused_before_anything_is_written(x, teacher, tmp_path):
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ValueError, match="takes features of 3 channels"):
        apply_teacher(x[:, :2], teacher, labels=LABELS, out=tmp_path / "a")
    with pytest.raises(ValueError, match="these have no names"):
        apply_teacher(x, teacher, out=tmp_path / "a")
    with pytest.raises(ValueError, match="labels are for a file or an array without names"):
        apply_teacher(Features.from_array(x, LABELS), teacher, labels=LABELS)
    with pytest.raises(TypeError, match="teacher must be a TeacherTransform"):
        apply_teacher(x, 3)
    with pytest.raises(FileNotFoundError):
        apply_teacher(x, tmp_path / "nowhere")
    assert sorted(tmp_path.iterdir()) == before
