from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from reference.fmri import AFFINE, write_nifti

from alignkit.data._nifti import Image, open_image
from alignkit.data._regions import Region, find_regions

nibabel = pytest.importorskip("nibabel")
SHAPE = (4, 5, 6)


def image_of(values: np.ndarray, affine: np.ndarray = AFFINE) -> object:
    return nibabel.Nifti1Image(np.asarray(values), affine, dtype=np.asarray(values).dtype)


@pytest.fixture
def bold() -> Image:
    return open_image("bold", image_of(np.zeros((*SHAPE, 2), dtype=np.float32)))


@pytest.fixture
def atlas() -> np.ndarray:
    """Three regions: 1 (8 voxels), 2 (4 voxels), 7 (6 voxels)."""
    values = np.zeros(SHAPE, dtype=np.int16)
    values[:2, :2, :2] = 1
    values[2, :2, :2] = 2
    values[3, 0, :] = 7
    return values


def regions(bold: Image, **options: object) -> dict[str | None, Region]:
    defaults = {"mask": None, "atlas": None, "names": None, "roi": None, "resample": False}
    return {region.name: region for region in find_regions(bold, **{**defaults, **options})}  # type: ignore[arg-type]


@pytest.mark.parametrize("inside", [1, 255, 0.5])
def test_a_mask_of_any_two_values(bold: Image, atlas: np.ndarray, inside: float) -> None:
    values = (atlas == 1) * np.float32(inside)
    values[3, 3, 3] = np.nan  # how SPM writes "not in the brain"
    (region,) = regions(bold, mask=image_of(values)).values()
    np.testing.assert_array_equal(region.mask, atlas == 1)
    assert region.n_outside == 0


def test_a_mask_of_one_volume_and_one_of_everything(bold: Image, atlas: np.ndarray) -> None:
    (region,) = regions(bold, mask=image_of((atlas == 2).astype(np.uint8)[..., None])).values()
    assert region.mask.sum() == 4
    (region,) = regions(bold, mask=image_of(np.ones(SHAPE, dtype=np.uint8))).values()
    assert region.mask.all()


def test_masks_that_are_none(bold: Image, atlas: np.ndarray) -> None:
    with pytest.raises(ValueError, match="holds 4, from 0 to 7: threshold it, or pass it as atlas="):
        regions(bold, mask=image_of(atlas))
    with pytest.raises(ValueError, match="holds 2, from 1 to 2: threshold it"):
        regions(bold, mask=image_of(np.where(atlas == 1, 1, 2).astype(np.int16)))
    with pytest.raises(ValueError, match="mask has no voxel inside the image"):
        regions(bold, mask=image_of(np.zeros(SHAPE, dtype=np.uint8)))
    with pytest.raises(ValueError, match=r"mask must be a 3-D image; .* holds 2 volumes"):
        regions(bold, mask=bold.source)
    with pytest.raises(ValueError, match=r"give mask= .* or atlas= .*compute_epi_mask"):
        regions(bold)
    for option in ({"roi": "V1"}, {"names": {1: "V1"}}):
        with pytest.raises(ValueError, match=f"{next(iter(option))} is for atlas="):
            regions(bold, mask=image_of((atlas > 0).astype(np.uint8)), **option)


def test_an_atlas_and_its_names(bold: Image, atlas: np.ndarray, tmp_path: Path) -> None:
    assert list(regions(bold, atlas=image_of(atlas))) == ["1", "2", "7"]
    table = pd.DataFrame({"index": [0, 1, 2, 7, 9], "name": ["none", "V1", "V2", "FFA", "elsewhere"]})
    tsv, csv = tmp_path / "dseg.tsv", tmp_path / "dseg.csv"
    table.to_csv(tsv, sep="\t", index=False)
    table.to_csv(csv, index=False)
    listed = ["none", "V1", "V2", *["other"] * 4, "FFA"]
    for names in (table, tsv, str(csv), dict(zip(table["index"], table["name"], strict=True)), listed):
        found = regions(bold, atlas=image_of(atlas), names=names)
        assert list(found) == ["V1", "V2", "FFA"]
        np.testing.assert_array_equal(found["FFA"].mask, atlas == 7)


def test_numbers_of_one_name_are_one_region(bold: Image, atlas: np.ndarray) -> None:
    found = regions(bold, atlas=image_of(atlas), names={1: "V1", 2: "V1", 7: "FFA"})
    assert list(found) == ["V1", "FFA"]
    np.testing.assert_array_equal(found["V1"].mask, (atlas == 1) | (atlas == 2))


def test_regions_are_chosen_by_name(bold: Image, atlas: np.ndarray) -> None:
    names = {1: "V1", 2: "V2", 7: "FFA"}
    assert list(regions(bold, atlas=image_of(atlas), names=names, roi="V2")) == ["V2"]
    assert list(regions(bold, atlas=image_of(atlas), names=names, roi=["FFA", "V1"])) == ["FFA", "V1"]
    with pytest.raises(ValueError, match="no region 'V3' in this image; it has 'V1', 'V2', 'FFA'"):
        regions(bold, atlas=image_of(atlas), names=names, roi="V3")


def test_an_atlas_within_a_mask(bold: Image, atlas: np.ndarray) -> None:
    mask = np.zeros(SHAPE, dtype=np.uint8)
    mask[:, 0] = 1
    mask[2] = 0
    with pytest.warns(UserWarning, match="mask= leaves no voxel of '2'; they are left out"):
        found = regions(bold, atlas=image_of(atlas), mask=image_of(mask))
    assert {name: int(region.mask.sum()) for name, region in found.items()} == {"1": 4, "7": 6}
    with pytest.raises(ValueError, match="mask= leaves no voxel of '2'"):
        regions(bold, atlas=image_of(atlas), mask=image_of(mask), roi="2")


def test_several_masks(bold: Image, atlas: np.ndarray, tmp_path: Path) -> None:
    named = {"a": image_of((atlas == 1).astype(np.uint8)), "b": image_of((atlas > 0).astype(np.uint8))}
    found = regions(bold, atlas=named)
    assert {name: int(region.mask.sum()) for name, region in found.items()} == {"a": 8, "b": 18}
    files = [
        write_nifti(tmp_path / f"{name}.nii.gz", (atlas == i).astype(np.uint8)) for i, name in ((1, "V1"), (2, "V2"))
    ]
    assert list(regions(bold, atlas=files)) == ["V1", "V2"]
    with pytest.raises(TypeError, match="masks in memory have no names"):
        regions(bold, atlas=list(named.values()))
    with pytest.raises(ValueError, match="names is for an atlas that is one image"):
        regions(bold, atlas=named, names={1: "V1"})
    with pytest.raises(ValueError, match=r"atlas\['a'\] must hold two values"):
        regions(bold, atlas={"a": image_of(atlas)})
    with pytest.raises(ValueError, match="atlas names no mask"):
        regions(bold, atlas={})


def test_atlases_that_are_none(bold: Image, atlas: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"one whole number per region, 0 outside; it holds 0\.5"):
        regions(bold, atlas=image_of(atlas.astype(np.float32) / 2))
    with pytest.raises(ValueError, match="atlas has no voxel inside the image"):
        regions(bold, atlas=image_of(np.zeros(SHAPE, dtype=np.int16)))
    with pytest.raises(ValueError, match=r"no name for the number\(s\) '7' of the atlas"):
        regions(bold, atlas=image_of(atlas), names={1: "V1", 2: "V2"})
    with pytest.raises(ValueError, match="whole numbers; got 'one' for 'V1'"):
        regions(bold, atlas=image_of(atlas), names={"one": "V1"})
    with pytest.raises(ValueError, match="it lacks 'name'"):
        regions(bold, atlas=image_of(atlas), names=pd.DataFrame({"index": [1]}))
    (tmp_path / "table.tsv").write_text("index\tlabel\n1\tV1\n")
    with pytest.raises(ValueError, match=r"table\.tsv lacks the column\(s\) 'name'"):
        regions(bold, atlas=image_of(atlas), names=tmp_path / "table.tsv")


def test_another_grid_is_refused_or_resampled(bold: Image, atlas: np.ndarray) -> None:
    pytest.importorskip("nilearn")
    # the same space in voxels of half the size: each voxel becomes eight
    fine = np.kron(atlas, np.ones((2, 2, 2), dtype=np.int16))
    affine = AFFINE @ np.diag([0.5, 0.5, 0.5, 1.0])
    affine[:3, 3] -= AFFINE[:3, :3] @ [0.25, 0.25, 0.25]
    with pytest.raises(
        ValueError, match=r"atlas .*does not lie on the grid of .*nearest neighbours .*resample_to_img.*resample=True"
    ):
        regions(bold, atlas=image_of(fine, affine))
    found = regions(bold, atlas=image_of(fine, affine), resample=True)
    for name, region in found.items():
        np.testing.assert_array_equal(region.mask, atlas == int(name or 0))
        assert region.n_outside == 0


def test_voxels_outside_of_the_image_are_counted(bold: Image) -> None:
    pytest.importorskip("nilearn")
    # 9 voxels further along the first axis, of which 4 lie in the image
    wide = np.ones((13, 5, 6), dtype=np.uint8)
    (region,) = regions(bold, mask=image_of(wide), resample=True).values()
    assert region.mask.all()
    assert region.n_outside == 9 * 5 * 6
    away = AFFINE.copy()
    away[0, 3] += 500
    with pytest.raises(ValueError, match="mask has no voxel inside the image"):
        regions(bold, mask=image_of(wide, away), resample=True)


def test_numbers_that_a_header_scales(bold: Image, atlas: np.ndarray) -> None:
    found = regions(
        bold, atlas=image_of(atlas.astype(np.float32) * np.float32(10) * np.float32(0.1) + np.float32(1e-6))
    )
    assert list(found) == ["1", "2", "7"]
    np.testing.assert_array_equal(found["7"].mask, atlas == 7)
    with pytest.raises(ValueError, match=r"it holds 1\.01 "):
        regions(bold, atlas=image_of(np.where(atlas == 1, 1.01, atlas)))


def test_names_that_contradict_each_other(bold: Image, atlas: np.ndarray) -> None:
    twice = pd.DataFrame({"index": [1, 2, 7, 7], "name": ["V1", "V2", "FFA", "PPA"]})
    with pytest.raises(ValueError, match="names the number 7 twice: 'FFA' and 'PPA'"):
        regions(bold, atlas=image_of(atlas), names=twice)
    with pytest.raises(ValueError, match=r"whole numbers; got 1\.7 for 'V1'"):
        regions(bold, atlas=image_of(atlas), names={1.7: "V1", 2: "V2", 7: "FFA"})
    as_floats = twice.iloc[[0, 1, 2, 2]].astype({"index": float})
    assert list(regions(bold, atlas=image_of(atlas), names=as_floats)) == ["V1", "V2", "FFA"]
