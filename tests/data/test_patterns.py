from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from reference.fmri import AFFINE
from reference.rsa import crossnobis

from alignkit._io import load_npz, save_npz
from alignkit.data import Patterns
from alignkit.data._patterns_file import is_patterns_file
from alignkit.rsa import RDM, noise_precision, rdm

LABELS = ["face", "house", "shoe", "cat"]


@pytest.fixture
def patterns(rng: np.random.Generator) -> Patterns:
    """Four conditions in three runs over twelve voxels, of which two regions share one."""
    return Patterns(
        rng.normal(size=(12, 12)),
        LABELS * 3,
        [1] * 4 + [2] * 4 + [3] * 4,
        regions={"V1": np.arange(7), "FFA": np.arange(6, 12)},
        voxels=np.argwhere(np.ones((2, 2, 3))),
        affine=AFFINE,
        grid=(2, 2, 3),
        residuals=rng.normal(size=(90, 12)) * np.linspace(1, 2, 12),
        residual_folds=[1] * 30 + [2] * 30 + [3] * 30,
        dof={"1": 25, "2": 24, "3": 25},
        dropped={"V1": {"nan": 2, "constant": 0, "outside": 1}, "FFA": {"nan": 0, "constant": 0, "outside": 0}},
        provenance={"images": [Path("bold.nii")]},
    )  # type: ignore[arg-type]


def same(a: Patterns, b: Patterns) -> None:
    for field in dataclasses.fields(Patterns):
        x, y = getattr(a, field.name), getattr(b, field.name)
        if field.name == "regions":
            assert list(x) == list(y)
            for name in x:
                np.testing.assert_array_equal(x[name], y[name])
        elif isinstance(x, np.ndarray):
            np.testing.assert_array_equal(x, y)
            assert x.dtype == y.dtype
        else:
            assert x == y, field.name


def test_what_it_holds(patterns: Patterns) -> None:
    assert (patterns.n_voxels, patterns.conditions, patterns.runs) == (12, tuple(LABELS), ("1", "2", "3"))
    assert patterns.provenance == {"images": ["bold.nii"]}
    np.testing.assert_allclose(patterns.coordinates()[5], AFFINE[:3, :3] @ [0, 1, 2] + AFFINE[:3, 3])
    assert repr(patterns) == (
        "<Patterns 12 rows x 12 voxels in 2 regions: 4 conditions (face, house, shoe, ...) in 3 runs; "
        "residuals of 90 volumes, 74 degrees of freedom; 3 voxels left out>"
    )


def test_nobody_can_write_into_it(rng: np.random.Generator) -> None:
    values = rng.normal(size=(4, 5))
    patterns = Patterns(values, LABELS, [1, 1, 2, 2])  # type: ignore[arg-type]
    values[0, 0] = 99.0
    assert patterns.values[0, 0] != 99.0
    assert not patterns.values.flags.writeable


def test_a_region(patterns: Patterns) -> None:
    area = patterns.region("FFA")
    assert (area.roi, area.regions, area.n_voxels) == ("FFA", {}, 6)
    np.testing.assert_array_equal(area.values, patterns.values[:, 6:])
    np.testing.assert_array_equal(area.residuals, patterns.residuals[:, 6:])  # type: ignore[index]
    np.testing.assert_array_equal(area.coordinates(), patterns.coordinates()[6:])
    assert area.dropped == {"FFA": {"nan": 0, "constant": 0, "outside": 0}}
    with pytest.raises(ValueError, match="no region 'V4'; there are 'V1', 'FFA'"):
        patterns.region("V4")
    with pytest.raises(ValueError, match="there are none"):
        area.region("FFA")


def test_some_rows(patterns: Patterns) -> None:
    part = patterns.select(labels=["cat", "face"], folds=["3", "1"])
    assert part.labels == ("face", "cat", "face", "cat")  # in the order of the rows
    assert part.folds == ("1", "1", "3", "3")
    np.testing.assert_array_equal(part.values, patterns.values[[0, 3, 8, 11]])
    np.testing.assert_array_equal(part.residuals, np.delete(patterns.residuals, range(30, 60), axis=0))  # type: ignore[arg-type]
    assert part.dof == {"1": 25, "3": 25}
    assert patterns.select(labels="face").labels == ("face",) * 3
    with pytest.raises(ValueError, match="labels: there is no 'dog'"):
        patterns.select(labels="dog")
    with pytest.raises(ValueError, match="folds: there is no '4'; there are '1', '2', '3'"):
        patterns.select(folds=["4"])
    lone = Patterns(np.eye(2), ("a", "b"), ("1", "2"))
    with pytest.raises(ValueError, match="no row has one of these labels"):
        lone.select(labels="a", folds="2")


def test_rdms_are_those_of_the_arrays(patterns: Patterns) -> None:
    area = patterns.region("V1")
    plain = area.rdm(metric="crossnobis", noise=None)
    np.testing.assert_allclose(plain.values, crossnobis(area.values, area.labels, area.folds), atol=1e-12)
    means = area.residuals - area.residuals.mean(axis=0)  # type: ignore[operator, union-attr]
    precision = np.linalg.inv(np.diag((means**2).sum(axis=0) / 74))
    whitened = area.rdm(noise="diag")
    np.testing.assert_allclose(whitened.values, crossnobis(area.values, area.labels, area.folds, precision), atol=1e-12)
    given = area.rdm(noise=precision)
    np.testing.assert_allclose(given.values, whitened.values, atol=1e-12)
    correlation = area.rdm(metric="correlation")
    np.testing.assert_array_equal(correlation.values, rdm(area.values, labels=area.labels).values)


def test_noise_is_shrunk_when_there_are_residuals_and_said(patterns: Patterns) -> None:
    area = patterns.region("V1")
    shrunk = noise_precision(area.residuals, dof=74)
    np.testing.assert_array_equal(area.noise_precision().precision, shrunk.precision)
    assert area.rdm().provenance["noise"].startswith("shrinkage_eye")
    np.testing.assert_array_equal(area.rdm().values, area.rdm(noise=shrunk).values)
    assert area.rdm(noise=None).provenance["noise"] is None
    bare = dataclasses.replace(area, residuals=None, residual_folds=(), dof={})
    np.testing.assert_array_equal(bare.rdm().values, area.rdm(noise=None).values)
    with pytest.raises(ValueError, match="no residuals to estimate the noise from"):
        bare.rdm(noise="shrinkage_eye")


def test_noise_of_every_run(patterns: Patterns) -> None:
    area = patterns.region("V1")
    each = area.noise_precision(per_run=True)
    assert each.folds == ["1", "2", "3"]
    own = noise_precision(area.residuals[30:60], dof=24)  # type: ignore[index]
    np.testing.assert_array_equal(each.covariance[1], own.covariance)
    assert np.isfinite(area.rdm(noise=each).values).all()


def test_regions_make_a_stack(patterns: Patterns) -> None:
    stack = patterns.rdm()
    assert (stack.dims, stack.shape, stack.labels) == (("roi",), (2,), tuple(LABELS))
    np.testing.assert_array_equal(stack.sel(roi="FFA").values, patterns.region("FFA").rdm().values)
    assert len(stack.provenance["noise"]) == len(stack.provenance["shrinkage"]) == 2
    with pytest.raises(ValueError, match="choose a region first"):
        patterns.rdm(noise=np.eye(12))
    with pytest.raises(ValueError, match="choose one first"):
        patterns.noise_precision()
    with pytest.raises(ValueError, match="metric must be one of"):
        patterns.rdm(metric="crossnobbis")  # type: ignore[arg-type]


def test_save_and_load(patterns: Patterns, tmp_path: Path) -> None:
    patterns.save(tmp_path / "patterns.npz")
    same(Patterns.load(tmp_path / "patterns.npz"), patterns)
    bare = Patterns(np.eye(3), ("é", "b", "c"), ("1", "1", "2"))
    bare.save(tmp_path / "bare.npz")
    same(Patterns.load(tmp_path / "bare.npz"), bare)
    assert not [
        array for array in np.load(tmp_path / "patterns.npz", allow_pickle=False).values() if array.dtype.hasobject
    ]


def test_the_kind_of_a_file_is_told_by_its_index(patterns: Patterns, tmp_path: Path) -> None:
    patterns.save(tmp_path / "patterns.npz")
    assert is_patterns_file(tmp_path / "patterns.npz")
    RDM([1.0, 2.0, 3.0]).save(tmp_path / "rdm.npz")
    np.savez(tmp_path / "plain.npz", values=np.eye(3), labels=np.array(["a"]), folds=np.array(["b"]))
    (tmp_path / "broken.npz").write_bytes(b"PK")
    for name in ("rdm.npz", "plain.npz", "broken.npz", "none.npz", "."):
        assert not is_patterns_file(tmp_path / name)


def test_files_that_are_no_patterns(patterns: Patterns, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"saved as \.npz"):
        patterns.save(tmp_path / "patterns.npy")
    RDM([1.0, 2.0, 3.0]).save(tmp_path / "rdm.npz")
    with pytest.raises(ValueError, match="does not hold brain patterns"):
        Patterns.load(tmp_path / "rdm.npz")
    patterns.save(tmp_path / "cut.npz")
    content = (tmp_path / "cut.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="truncated or damaged"):
        Patterns.load(tmp_path / "cut.npz")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        Patterns.load(tmp_path / "none.npz")


def test_a_file_that_lacks_an_array_or_disagrees_with_itself(patterns: Patterns, tmp_path: Path) -> None:
    patterns.save(tmp_path / "whole.npz")
    arrays, meta = load_npz(tmp_path / "whole.npz")
    for change, drop in (
        ({}, "labels"),
        ({}, "region_1"),
        ({"labels": arrays["labels"][:3]}, ""),
        ({"voxels": np.eye(2)}, ""),
    ):
        save_npz(tmp_path / "part.npz", {k: v for k, v in {**arrays, **change}.items() if k != drop}, meta)
        with pytest.raises(ValueError, match=r"part\.npz does not hold brain patterns of this version"):
            Patterns.load(tmp_path / "part.npz")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"values": np.zeros(12)}, "values must have 2 axes"),
        ({"values": np.zeros((0, 4))}, "at least one row and one voxel"),
        ({"values": np.full((12, 12), np.nan)}, "values holds 144 NaN"),
        ({"labels": LABELS}, "one label per item: expected 12, got 4"),
        ({"folds": [1, 2]}, "folds must hold one label per item"),
        ({"voxels": np.zeros((3, 3), dtype=int)}, r"voxels must hold three whole numbers per voxel, shape \(12, 3\)"),
        ({"voxels": np.zeros((12, 3))}, "whole numbers"),
        ({"regions": {"V1": [12]}}, r"regions\['V1'\] must hold columns of the 12 voxels"),
        ({"regions": {"V1": [3, 4, 3]}}, r"columns of the 12 voxels, each once"),
        ({"affine": np.eye(3)}, r"affine must have shape \(4, 4\); got \(3, 3\)"),
        ({"grid": (2, 0, 3)}, "grid must be at least 1"),
        ({"regions": {"V1": []}}, r"regions\['V1'\] must hold columns"),
        ({"residuals": np.ones((90, 11))}, "residuals must have the 12 voxels of the patterns; got 11"),
        ({"residual_folds": [1] * 90}, "dof must say the degrees of freedom of every run of residuals: '1'"),
        ({"dof": {}}, "dof must say"),
        ({"dof": {"1": 0, "2": 1, "3": 1}}, r"dof\['1'\] must be at least 1"),
        ({"residuals": None}, "residual_folds and dof are of residuals="),
    ],
)
def test_fields_that_do_not_fit(patterns: Patterns, changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        dataclasses.replace(patterns, **changes)  # type: ignore[arg-type]


def test_patterns_without_a_place(rng: np.random.Generator) -> None:
    with pytest.raises(ValueError, match="do not say where their voxels lie"):
        Patterns(rng.normal(size=(3, 2)), ("a", "b", "c"), ("1", "1", "1")).coordinates()


def test_methods_text(patterns: Patterns) -> None:
    assert patterns.methods_text() == (
        "Brain patterns of 4 conditions in 3 runs were read from 12 voxels in 2 regions (3 more had no signal and were "
        "left out). The residuals of all runs have 74 degrees of freedom."
    )
    glm = {"model": "glm", "hrf": "glover", "tr": 2.5, "drift": "cosine", "high_pass": 1 / 128, "noise_model": "ols"}
    text = dataclasses.replace(patterns, provenance={**glm, "confounds": True}).methods_text()
    assert (
        "the glover haemodynamic response (TR 2.5 s), cosine drifts up to 0.007812 Hz, a constant, and confounds"
        in text
    )
    blocks = {"model": "blocks", "drift_order": 1, "lag": 5.0, "tr": 2.5}
    text = dataclasses.replace(patterns.region("V1"), provenance=blocks).methods_text()
    assert "7 voxels of V1" in text
    assert "volumes 5 s after those of each event (TR 2.5 s) were averaged within events." in text


@pytest.mark.parametrize(
    "changes",
    [
        {"provenance": [1]},
        {"provenance": None},
        {"dropped": {"mask": {"nan": "x"}}},
        {"grid": [10**400, -1, 2]},
        {"grid": [float("inf")]},
        {"roi": ["V1"]},
        {"regions": [["V1"]]},
    ],
)
def test_headers_that_hold_something_else(patterns: Patterns, tmp_path: Path, changes: dict[str, object]) -> None:
    patterns.save(tmp_path / "whole.npz")
    arrays, meta = load_npz(tmp_path / "whole.npz")
    save_npz(tmp_path / "other.npz", arrays, {**meta, **changes})
    with pytest.raises(ValueError, match=r"other\.npz does not hold brain patterns of this version"):
        Patterns.load(tmp_path / "other.npz")


@pytest.mark.parametrize("made", [{"model": "glm"}, {"model": ["glm"]}, {"model": "blocks", "tr": "two", "lag": None}])
def test_a_provenance_of_ones_own_is_not_told(patterns: Patterns, made: dict[str, object]) -> None:
    plain = dataclasses.replace(patterns, provenance={}).methods_text()
    assert dataclasses.replace(patterns, provenance=made).methods_text() == plain


def test_the_noise_of_a_run_has_the_degrees_of_that_run(patterns: Patterns) -> None:
    patterns = dataclasses.replace(patterns, regions={}, dof={"1": 6, "2": 12, "3": 24})
    turned = dataclasses.replace(patterns, dof={"3": 24, "2": 12, "1": 6})
    np.testing.assert_array_equal(
        turned.noise_precision(per_run=True).precision, patterns.noise_precision(per_run=True).precision
    )


def test_places_on_an_oblique_grid(patterns: Patterns) -> None:
    affine = AFFINE.copy()
    affine[0, 1], affine[2, 0] = 0.7, -0.4
    found = dataclasses.replace(patterns, affine=affine).coordinates()
    for (i, j, k), place in zip(patterns.voxels, found, strict=True):  # type: ignore[arg-type]
        expected = [affine[row, 0] * i + affine[row, 1] * j + affine[row, 2] * k + affine[row, 3] for row in range(3)]
        np.testing.assert_allclose(place, expected, atol=1e-12)
