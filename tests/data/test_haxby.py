from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from reference.rsa import crossnobis

from alignkit.data import Haxby, Patterns, import_dataset, load_haxby, verify

pytest.importorskip("nilearn")
FILES = ("attributes_literal.txt", "bold.nii.gz", "mask.nii.gz", "attributes.txt")


@pytest.fixture(scope="session")
def haxby(shared_data: Callable[..., Path]) -> Haxby:
    return load_haxby(shared_data("fmri_haxby", "bold.nii.gz").parents[1])


@pytest.fixture(scope="session")
def betas(haxby: Haxby) -> Patterns:
    return haxby.patterns()


@pytest.fixture(scope="session")
def blocks(haxby: Haxby) -> Patterns:
    return haxby.patterns(model="blocks")


def odd_and_even(patterns: Patterns, **options: object) -> float:
    """Return the correlation of the RDMs of odd and even runs."""
    halves = [patterns.select(folds=patterns.runs[start::2]).rdm(**options) for start in (0, 1)]  # type: ignore[arg-type]
    return float(np.corrcoef(halves[0].values, halves[1].select(halves[0].labels).values)[0, 1])


def distance(patterns: Patterns, first: str, second: str, **options: object) -> float:
    return float(patterns.rdm(**options).select([first, second, "shoe"]).values[0])  # type: ignore[arg-type]


def test_what_it_holds(haxby: Haxby) -> None:
    assert haxby.categories == ("bottle", "cat", "chair", "face", "house", "scissors", "scrambledpix", "shoe")
    assert len(set(haxby.runs)) == 12
    assert {haxby.runs.count(run) for run in set(haxby.runs)} == {121}
    assert {haxby.labels.count(name) for name in haxby.categories} == {9 * 12}
    assert "1,452 volumes in 12 runs, 8 categories" in repr(haxby)


def test_one_beta_per_category_and_run(haxby: Haxby, betas: Patterns) -> None:
    assert betas.values.shape == (96, 530)
    assert sorted(betas.conditions) == list(haxby.categories)
    assert set(zip(betas.labels, betas.folds, strict=True)) == {
        (c, str(r)) for c in haxby.categories for r in range(12)
    }
    assert betas.residuals is not None
    assert betas.residuals.shape == (1452, 530)
    # 121 volumes, 8 categories, 4 cosines slower than one cycle in 128 s, 1 constant
    assert betas.dof == {str(run): 121 - 8 - 4 - 1 for run in range(12)}


def test_the_header_and_the_attributes_say_all_there_is_to_say(haxby: Haxby, betas: Patterns) -> None:
    from alignkit.data import read_timeseries

    attributes = haxby.bold.parent / "attributes_literal.txt"
    found = read_timeseries(haxby.bold, events=attributes, mask=haxby.mask)
    np.testing.assert_array_equal(found.values, betas.values)
    codes = read_timeseries(haxby.bold, events=haxby.bold.parent / "attributes.txt", mask=haxby.mask, rest="0")
    np.testing.assert_array_equal(codes.values, betas.values)


@pytest.mark.parametrize("noise", [None, "shrinkage_eye"])
def test_faces_and_houses_are_far_apart(betas: Patterns, blocks: Patterns, noise: str | None) -> None:
    for patterns in (betas, blocks):
        rdm = patterns.rdm(noise=noise)
        assert rdm.n_items == 8
        face_house = distance(patterns, "face", "house", noise=noise)
        assert face_house > 1.2 * float(np.median(rdm.values))
        assert face_house > 0


def test_crossnobis_is_that_of_plain_loops(betas: Patterns) -> None:
    some = betas.select(folds=["0", "3", "7"])
    np.testing.assert_allclose(some.rdm(noise=None).values, crossnobis(some.values, some.labels, some.folds), rtol=1e-9)


@pytest.mark.parametrize("noise", [None, "shrinkage_eye"])
def test_halves_of_the_runs_agree(betas: Patterns, blocks: Patterns, noise: str | None) -> None:
    assert odd_and_even(betas, noise=noise) > 0.2
    assert odd_and_even(blocks, noise=noise) > 0.4


@pytest.mark.parametrize("noise", [None, "shrinkage_eye"])
def test_shuffled_labels_leave_nothing(betas: Patterns, rng: np.random.Generator, noise: str | None) -> None:
    """Labels are permuted within each run: distances then average to zero, because they are cross-validated."""
    from alignkit.rsa import rdm

    precision = None if noise is None else betas.noise_precision(method="shrinkage_eye")
    means, largest = [], []
    for _ in range(100):
        labels = np.array(betas.labels)
        for run in betas.runs:
            rows = np.flatnonzero(np.array(betas.folds) == run)
            labels[rows] = rng.permutation(labels[rows])
        values = rdm(betas.values, metric="crossnobis", labels=labels, folds=betas.folds, noise=precision).values
        means.append(values.mean())
        largest.append(values.max())
    true = betas.rdm(noise=noise).values
    standard_error = np.std(means, ddof=1) / np.sqrt(len(means))
    assert abs(np.mean(means)) < 4 * standard_error
    assert true.mean() > np.max(means)
    assert distance(betas, "face", "house", noise=noise) > np.quantile(largest, 0.95)


def test_import_and_verify(haxby: Haxby, tmp_path: Path) -> None:
    download = tmp_path / "PyMVPA/mvpa2/data"
    (download / "other").mkdir(parents=True)
    for name in FILES:
        shutil.copyfile(haxby.bold.parent / name, download / name)
    (download / "other/bold.nii.gz").write_bytes(b"another file of that name")
    result = import_dataset("fmri_haxby", tmp_path / "PyMVPA", root=tmp_path / "cache", progress=False)
    assert result.ok
    assert result.states == ("ok",) * 4
    assert load_haxby(tmp_path / "cache").labels == haxby.labels
    with open(tmp_path / "cache/fmri_haxby/mask.nii.gz", "ab") as file:
        file.write(b"more")
    assert verify("fmri_haxby", root=tmp_path / "cache").states == ("ok", "ok", "changed", "ok")


def test_missing_and_damaged_files(haxby: Haxby, tmp_path: Path) -> None:
    folder = tmp_path / "fmri_haxby"
    folder.mkdir()
    with pytest.raises(FileNotFoundError, match=r"needs attributes_literal\.txt.*PyMVPA.*data import fmri_haxby"):
        load_haxby(tmp_path)
    for name in FILES:
        shutil.copyfile(haxby.bold.parent / name, folder / name)
    bold = folder / "bold.nii.gz"
    content = bold.read_bytes()
    bold.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="truncated or damaged"):
        load_haxby(tmp_path).patterns()
    attributes = (folder / "attributes_literal.txt").read_text()
    (folder / "attributes_literal.txt").write_text(attributes[: len(attributes) // 2].rpartition("\n")[0])
    with pytest.raises(ValueError, match="1,452 are expected"):
        load_haxby(tmp_path)
