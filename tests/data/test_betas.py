from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from reference.fmri import AFFINE, write_nifti
from reference.rsa import pairwise, sqeuclidean

from alignkit.data import Patterns, read_betas
from alignkit.rsa import rdm

nibabel = pytest.importorskip("nibabel")
SHAPE = (5, 4, 3)
CONDITIONS = ("face", "house", "shoe", "shoe again")
RUNS = 6


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    values = np.zeros(SHAPE, dtype=np.uint8)
    values[1:4, :3] = 1  # 27 voxels
    return write_nifti(tmp_path / "mask.nii.gz", values)


@pytest.fixture
def truth(rng: np.random.Generator) -> np.ndarray:
    """True patterns of every voxel of the grid: the last two conditions are one."""
    patterns = rng.normal(size=(3, *SHAPE)) * np.array([3.0, 1.0, 2.0])[:, None, None, None]
    return patterns[[0, 1, 2, 2]]


@pytest.fixture
def betas(truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shape (runs, conditions, x, y, z)."""
    return truth + rng.normal(size=(RUNS, *truth.shape))


LABELS = CONDITIONS * RUNS
FOLDS = [run for run in range(RUNS) for _ in CONDITIONS]


def four_d(betas: np.ndarray) -> np.ndarray:
    return np.moveaxis(betas.reshape(-1, *SHAPE), 0, -1)


def read(images: object, mask: object, **options: object) -> Patterns:
    return read_betas(images, **{"labels": LABELS, "folds": FOLDS, "mask": mask, **options})  # type: ignore[arg-type]


def test_one_4d_file_and_many_3d_ones_are_read_alike(tmp_path: Path, betas: np.ndarray, mask: Path) -> None:
    one = read(write_nifti(tmp_path / "betas.nii.gz", four_d(betas)), mask)
    files = [write_nifti(tmp_path / f"beta_{i:04d}.nii", beta) for i, beta in enumerate(betas.reshape(-1, *SHAPE))]
    many = read(files, str(mask))
    np.testing.assert_array_equal(one.values, many.values)
    inside = np.argwhere(nibabel.load(mask).get_fdata())
    expected = [[beta[tuple(voxel)] for voxel in inside] for beta in betas.reshape(-1, *SHAPE)]
    np.testing.assert_array_equal(one.values, expected)
    np.testing.assert_array_equal(one.voxels, inside)
    assert (one.labels, one.folds) == (LABELS, tuple(map(str, FOLDS)))
    assert one.dropped == {"mask": {"nan": 0, "constant": 0, "outside": 0}}
    assert one.provenance["mask"] == str(mask)
    assert one.provenance["images"] == [str(tmp_path / "betas.nii.gz")]


def test_crossnobis_finds_the_planted_distances_without_bias(rng: np.random.Generator) -> None:
    shape, n_runs, sd = (20, 20, 10), 8, 2.0
    truth = rng.normal(size=(3, *shape))[[0, 1, 2, 2]]
    betas = truth + rng.normal(size=(n_runs, *truth.shape)) * sd
    image = nibabel.Nifti1Image(np.moveaxis(betas.reshape(-1, *shape), 0, -1), AFFINE)
    everywhere = nibabel.Nifti1Image(np.ones(shape, dtype=np.uint8), AFFINE)
    labels, folds = CONDITIONS * n_runs, np.repeat(np.arange(n_runs), 4)
    found = read_betas(image, labels=labels, folds=folds, mask=everywhere).rdm(metric="crossnobis")
    expected = pairwise(truth.reshape(4, -1), sqeuclidean) / truth[0].size
    n = truth[0].size
    # sd of a cross-validated distance per voxel, from noise alone and from signal times noise
    spread = np.sqrt((8 * sd**4 / (n_runs * (n_runs - 1)) + 8 * sd**2 * expected / n_runs) / n)
    assert np.abs((found.values - expected) / spread).max() < 4
    assert expected[-1] == 0.0
    assert abs(found.values[-1]) < 4 * spread[-1]
    # the same patterns without cross-validation: every distance is too large by 2 sd² / runs
    means = betas.mean(axis=0).reshape(4, -1)
    biased = rdm(means, metric="sqeuclidean", normalize=True).values
    np.testing.assert_allclose(biased - expected, 2 * sd**2 / n_runs, atol=0.2)


def test_regions_are_read_at_once(tmp_path: Path, betas: np.ndarray, mask: Path) -> None:
    numbers = np.zeros(SHAPE, dtype=np.int16)
    numbers[1:3] = 4
    numbers[3] = 9
    atlas = write_nifti(tmp_path / "atlas.nii.gz", numbers)
    image = write_nifti(tmp_path / "betas.nii.gz", four_d(betas))
    found = read(image, None, atlas=atlas, names={4: "V1", 9: "V2"})
    assert {name: columns.size for name, columns in found.regions.items()} == {"V1": 24, "V2": 12}
    for name, number in (("V1", 4), ("V2", 9)):
        alone = read(image, nibabel.Nifti1Image((numbers == number).astype(np.uint8), AFFINE))
        np.testing.assert_array_equal(found.region(name).values, alone.values)
    both = read(image, mask, atlas=atlas, roi="9")
    assert both.region("9").n_voxels == 9
    assert both.provenance["atlas"] == str(atlas)


def test_voxels_without_signal_are_dropped_and_counted(tmp_path: Path, betas: np.ndarray, mask: Path) -> None:
    inside = np.argwhere(nibabel.load(mask).get_fdata())
    betas[2, 1][tuple(inside[3])] = np.nan
    betas[(slice(None), slice(None), *inside[5])] = 0.0
    betas[(4, slice(None), *inside[8])] = 0.0  # beyond the edge in one run only
    sentence = r"4 of the 27|3 of the 27 voxels \(1 with NaN or infinite values, 2 constant within a run\)"
    with pytest.warns(UserWarning, match=sentence) as caught:
        found = read(write_nifti(tmp_path / "betas.nii.gz", four_d(betas)), mask)
    assert len(caught) == 1
    assert Path(caught[0].filename) == Path(__file__), "the warning points at the caller"
    np.testing.assert_array_equal(found.voxels, np.delete(inside, [3, 5, 8], axis=0))
    assert found.dropped == {"mask": {"nan": 1, "constant": 2, "outside": 0}}
    with pytest.raises(ValueError, match=r"no voxel is left: 27 of the 27 voxels \(27 constant within a run\)"):
        read(write_nifti(tmp_path / "zero.nii.gz", np.zeros((*SHAPE, 24))), mask)


@pytest.fixture
def residuals(tmp_path: Path, rng: np.random.Generator) -> list[Path]:
    return [write_nifti(tmp_path / f"res_{run}.nii.gz", rng.normal(size=(*SHAPE, 10 + run))) for run in range(RUNS)]


def test_residuals_by_run_or_in_order(
    tmp_path: Path, betas: np.ndarray, mask: Path, residuals: list[Path], readonly: Callable[..., np.ndarray]
) -> None:
    image = write_nifti(tmp_path / "betas.nii.gz", four_d(betas))
    found = read(image, mask, residuals=residuals, dof=8)
    inside = nibabel.load(mask).get_fdata() > 0
    expected = np.concatenate([nibabel.load(path).get_fdata()[inside].T for path in residuals])
    np.testing.assert_array_equal(found.residuals, expected)
    assert found.residual_folds == tuple(str(run) for run in range(RUNS) for _ in range(10 + run))
    assert found.dof == {str(run): 8 for run in range(RUNS)}
    named = {str(run): residuals[run] for run in reversed(range(RUNS))}
    dof = {run: 8 for run in range(RUNS)}
    np.testing.assert_array_equal(read(image, mask, residuals=named, dof=dof).residuals, expected)
    assert found.rdm().provenance["noise"].startswith("shrinkage_eye")


def test_voxels_without_residuals_are_dropped(
    tmp_path: Path, betas: np.ndarray, mask: Path, residuals: list[Path]
) -> None:
    values = nibabel.load(residuals[2]).get_fdata()
    values[1, 0, 0] = np.nan
    values[1, 0, 1] = 0.0
    write_nifti(residuals[2], values)
    with pytest.warns(UserWarning, match=r"2 of the 27 voxels \(1 with NaN or infinite values, 1 constant"):
        found = read(write_nifti(tmp_path / "betas.nii.gz", four_d(betas)), mask, residuals=residuals, dof=8)
    assert found.n_voxels == found.residuals.shape[1] == 25  # type: ignore[union-attr]


def test_residuals_that_do_not_fit(tmp_path: Path, betas: np.ndarray, mask: Path, residuals: list[Path]) -> None:
    image = write_nifti(tmp_path / "betas.nii.gz", four_d(betas))
    for options, sentence in (
        ({"residuals": residuals}, "residuals need dof="),
        ({"dof": 8}, "dof is of residuals="),
        ({"residuals": residuals[:3], "dof": 8}, "one 4-D image per run, 6 in all"),
        ({"residuals": residuals[0], "dof": 8}, "one 4-D image per run, 6 in all"),
        ({"residuals": {"1": residuals[0]}, "dof": 8}, "residuals must name the runs '0', '1'"),
        ({"residuals": [mask, *residuals[1:]], "dof": 8}, "run '0' must be a 4-D image with a volume per time point"),
        ({"residuals": residuals, "dof": {"0": 8}}, "dof must say the degrees of freedom of every run"),
    ):
        with pytest.raises(ValueError, match=sentence):
            read(image, mask, **options)


def test_an_image_given_twice(tmp_path: Path, betas: np.ndarray, mask: Path, residuals: list[Path]) -> None:
    files = [write_nifti(tmp_path / f"beta_{i:04d}.nii", beta) for i, beta in enumerate(betas.reshape(-1, *SHAPE))]
    with pytest.raises(ValueError, match=r"beta_0000\.nii is given twice \(images\[0\] and images\[23\]"):
        read([*files[:-1], files[0]], mask)
    with pytest.raises(ValueError, match=r"is given twice \(residuals\[0\] and residuals\[1\]"):
        read(files, mask, residuals=[residuals[0], *residuals[:-1]], dof=8)


def test_numbers_and_grids_that_do_not_fit(tmp_path: Path, betas: np.ndarray, mask: Path) -> None:
    image = write_nifti(tmp_path / "betas.nii.gz", four_d(betas))
    with pytest.raises(ValueError, match="labels must hold one label per item: expected 24, got 23"):
        read(image, mask, labels=LABELS[1:])
    with pytest.raises(ValueError, match="folds must hold one label per item: expected 24, got 2"):
        read(image, mask, folds=[1, 2])
    other = write_nifti(tmp_path / "other.nii", betas[0, 0][:4])
    with pytest.raises(ValueError, match=r"other\.nii .* does not lie on the grid of .*all images must share one grid"):
        read([image, other], mask)
    small = nibabel.Nifti1Image(np.ones((2, 2, 2), dtype=np.uint8), AFFINE)
    with pytest.raises(
        ValueError, match=r"mask \(2 x 2 x 2 voxels .*nearest neighbours .*resample_to_img.*resample=True"
    ):
        read(image, small)
    with pytest.raises(ValueError, match=r"give mask= .* or atlas="):
        read(image, None)
