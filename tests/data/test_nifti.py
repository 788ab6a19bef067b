from __future__ import annotations

import gzip
import logging
import struct
from pathlib import Path

import numpy as np
import pytest
from reference.fmri import AFFINE, write_nifti

from alignkit.data import _nifti
from alignkit.data._nifti import check_same_grid, open_image, open_images, same_grid, to_mm

nibabel = pytest.importorskip("nibabel")


@pytest.fixture
def values(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(3, 4, 5, 6)).astype(np.float32)


@pytest.fixture
def path(tmp_path: Path, values: np.ndarray) -> Path:
    return write_nifti(tmp_path / "bold.nii", values, tr=2.5)


def refused(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"\.nii") as caught:
        open_image("bold", path).volume()
    text = str(caught.value)
    assert text.endswith(".")
    assert "\n" not in text
    return text


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_voxels_are_those_of_the_array(tmp_path: Path, values: np.ndarray, suffix: str) -> None:
    image = open_image("bold", write_nifti(tmp_path / f"bold{suffix}", values, tr=2.5))
    assert (image.shape, image.n_volumes, image.tr) == ((3, 4, 5), 6, 2.5)
    np.testing.assert_array_equal(image.affine, AFFINE)
    mask = np.zeros((3, 4, 5), dtype=bool)
    mask[1, 2, 3] = mask[0, 1, 4] = mask[2, 0, 0] = True
    expected = [[values[0, 1, 4, t], values[1, 2, 3, t], values[2, 0, 0, t]] for t in range(6)]
    read = image.voxels(mask)
    np.testing.assert_array_equal(read, expected)
    assert read.dtype == np.float64


def test_scaled_integers_and_images_in_memory(tmp_path: Path) -> None:
    stored = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    image = nibabel.Nifti1Image(stored, AFFINE)
    np.testing.assert_array_equal(open_image("mask", image).volume(), stored)
    assert open_image("mask", image).name == "mask"
    image.header.set_slope_inter(0.5, 10.0)
    nibabel.save(image, tmp_path / "scaled.nii.gz")
    scaled = nibabel.load(tmp_path / "scaled.nii.gz").get_fdata()
    np.testing.assert_array_equal(open_image("beta", tmp_path / "scaled.nii.gz").volume(), scaled)


def test_nifti_2_and_other_byte_orders(tmp_path: Path, values: np.ndarray) -> None:
    nibabel.save(nibabel.Nifti2Image(values, AFFINE), tmp_path / "two.nii.gz")
    big = nibabel.Nifti1Image(values, AFFINE, nibabel.Nifti1Header(endianness=">"))
    nibabel.save(big, tmp_path / "big.nii")
    for name in ("two.nii.gz", "big.nii"):
        np.testing.assert_array_equal(open_image("bold", tmp_path / name).volume(4), values[..., 4])


@pytest.mark.parametrize(("unit", "seconds"), [("sec", 1500.0), ("msec", 1.5), ("usec", 0.0015), ("unknown", None)])
def test_the_repetition_time_needs_a_unit(values: np.ndarray, unit: str, seconds: float | None) -> None:
    image = nibabel.Nifti1Image(values, AFFINE)
    image.header.set_zooms((2, 3, 2.5, 1500.0))
    image.header.set_xyzt_units("mm", unit)
    assert open_image("bold", image).tr == seconds


def test_truncated_and_damaged_files(path: Path, tmp_path: Path) -> None:
    plain = path.read_bytes()
    packed = gzip.compress(plain)
    wrong = bytearray(packed)
    wrong[len(packed) // 2] ^= 255
    assert "claims more bytes (1,792) than it holds (1,791)" in refused(path, plain[:-1])
    assert "is not a NIfTI image" in refused(path, plain[:200])
    assert "is not a NIfTI image" in refused(path, b"PK\x03\x04" + bytes(600))
    packed_path = tmp_path / "bold.nii.gz"
    for cut in (packed[:300], packed[:-9], packed[:-1], bytes(wrong)):
        assert "truncated or damaged" in refused(packed_path, cut)
    assert "not compressed in spite of its name" in refused(packed_path, plain)
    path.write_bytes(packed)  # packed in spite of its name: nothing is lost
    assert open_image("bold", path).n_volumes == 6


def test_a_checksum_that_is_wrong_behind_the_last_volume(path: Path, tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(path.read_bytes()))
    packed[-5] ^= 1  # within the trailer, which nothing that stops at the last voxel reads
    assert "cannot be unpacked" in refused(tmp_path / "bold.nii.gz", bytes(packed))


def header(path: Path, **changes: tuple[int, str, float]) -> bytes:
    content = bytearray(path.read_bytes())
    for offset, code, value in changes.values():
        struct.pack_into(f"<{code}", content, offset, value)
    return bytes(content)


def test_headers_that_claim_too_much(path: Path, tmp_path: Path) -> None:
    more, large = header(path, volumes=(48, "h", 7)), header(path, x=(42, "h", 30000))
    assert "claims more bytes (2,032) than it holds (1,792)" in refused(path, more)
    assert "claims more bytes (2,032)" in refused(tmp_path / "a.nii.gz", gzip.compress(more))
    huge = header(path, x=(42, "h", 32000), y=(44, "h", 32000))
    assert "GiB by its header, more than the 8 GiB allowed" in refused(path, huge)
    assert "claims more bytes (14,400,352) than it can hold" in refused(tmp_path / "b.nii.gz", gzip.compress(large))


def test_headers_that_are_wrong(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    good = path.read_bytes()
    for change in (
        {"shape": (42, "h", -3)},
        {"shape": (42, "h", 0)},
        {"ndim": (40, "h", 9)},
        {"ndim": (40, "h", 2)},
        {"dtype": (70, "h", 999)},
        {"dtype": (70, "h", 32)},  # complex
        {"dtype": (70, "h", 128)},  # colours
        {"offset": (108, "f", float("nan"))},
        {"offset": (108, "f", 1e30)},
        {"magic": (344, "i", 0)},
        {"affine": (280, "f", float("nan"))},
        {"affine": (280, "f", 0.0)},
    ):
        path.write_bytes(good)
        refused(path, header(path, **change))
    assert capfd.readouterr() == ("", "")


def test_no_byte_of_a_header_brings_down_the_reader(path: Path) -> None:
    good = path.read_bytes()
    for position in range(348):
        for value in (0, 1, 128, 255):
            path.write_bytes(good[:position] + bytes([value]) + good[position + 1 :])
            try:
                image = open_image("bold", path)
            except ValueError as error:
                assert str(path) in str(error)  # noqa: PT017 (most bytes are read without complaint)
            else:
                image.volume(image.n_volumes - 1)


def test_the_log_level_of_nibabel_is_left_as_it_was(path: Path) -> None:
    logger = logging.getLogger("nibabel.global")
    before = logger.level
    refused(path, path.read_bytes()[:-1])
    assert logger.level == before


def test_what_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        open_image("mask", tmp_path / "none.nii")
    with pytest.raises(IsADirectoryError, match="is a directory"):
        open_image("mask", tmp_path)
    with pytest.raises(TypeError, match="an array has no place in space"):
        open_image("mask", np.zeros((3, 3, 3)))
    (tmp_path / "empty.nii").touch()
    with pytest.raises(ValueError, match="is empty"):
        open_image("mask", tmp_path / "empty.nii")
    with pytest.raises(ValueError, match="names no image"):
        open_images("images", [])
    pair = nibabel.Nifti1Pair(np.zeros((3, 3, 3), dtype=np.float32), AFFINE)
    nibabel.save(pair, tmp_path / "pair.hdr")
    with pytest.raises(ValueError, match="header of a pair of files"):
        open_image("mask", tmp_path / "pair.hdr")


def test_grids(rng: np.random.Generator) -> None:
    def image(shape: tuple[int, ...], affine: np.ndarray) -> object:
        return open_image("image", nibabel.Nifti1Image(np.zeros(shape, dtype=np.float32), affine))

    a = image((4, 5, 6), AFFINE)
    assert same_grid(a, image((4, 5, 6, 3), AFFINE * (1 + 1e-7)))
    moved, turned = AFFINE.copy(), AFFINE.copy()
    moved[0, 3] += 0.5
    turned[0, 1] += 0.3
    for other in (image((4, 5, 7), AFFINE), image((4, 5, 6), moved), image((4, 5, 6), turned)):
        assert not same_grid(a, other)
        with pytest.raises(ValueError, match=r"4 x 5 x [67] voxels of 2 x 3.* x 2\.5 mm.*does not lie.*: resample it"):
            check_same_grid(a, other, remedy="resample it.")
    np.testing.assert_allclose(to_mm(AFFINE, [[1, 2, 3]]), [[28.0, -14.0, 12.5]])


def test_the_repetition_time_is_the_decimal_that_was_meant(values: np.ndarray) -> None:
    """A float32 of 1.4 is 1.39999998: volume 1000 would not lie at 1400 s."""
    for seconds in (1.4, 0.72, 2.2):
        image = nibabel.Nifti1Image(values, AFFINE)
        image.header.set_zooms((2, 3, 2.5, seconds))
        image.header.set_xyzt_units("mm", "sec")
        assert open_image("bold", image).tr == seconds


def test_a_packed_file_is_held_only_while_it_is_read(
    tmp_path: Path, values: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    nibabel.save(nibabel.Nifti1Image(values, AFFINE), tmp_path / "bold.nii.gz")
    image = open_image("bold", tmp_path / "bold.nii.gz")
    mask = np.ones(image.shape, dtype=bool)
    unpacked = []
    monkeypatch.setattr(_nifti, "_volume", lambda data, i: unpacked.append(id(data)) or values[..., i])
    np.testing.assert_array_equal(image.voxels(mask), values.reshape(-1, values.shape[-1]).T)
    assert len(unpacked) == values.shape[-1]
    assert len(set(unpacked)) == 1  # once for all volumes
    (tmp_path / "bold.nii.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"bold\.nii\.gz"):
        image.voxels(mask)


def test_bytes_behind_the_last_volume_are_not_kept(tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = tmp_path / "bold.nii.gz"
    packed.write_bytes(gzip.compress(path.read_bytes() + bytes(5000)))
    assert open_image("bold", packed).volume().shape == open_image("bold", path).shape
    monkeypatch.setattr(_nifti, "MAX_BYTES", 4000)
    with pytest.raises(ValueError, match="expands to more than its header says"):
        open_image("bold", packed).volume()


def test_places_on_an_oblique_grid() -> None:
    affine = AFFINE.copy()
    affine[0, 1], affine[2, 0] = 0.7, -0.4
    indices = np.array([[0, 0, 0], [3, 1, 4], [0, 2, 5]])
    np.testing.assert_allclose(
        to_mm(affine, indices), nibabel.affines.apply_affine(affine, indices), rtol=0, atol=1e-12
    )


def test_an_image_given_twice(tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    values = rng.normal(size=(3, 3, 3, 2))
    one, two = (tmp_path / f"run-{i}.nii" for i in (1, 2))
    for path in (one, two):
        nibabel.save(nibabel.Nifti1Image(values, AFFINE), path)  # what the files hold is not compared
    (tmp_path / "link.nii").symlink_to(one)
    monkeypatch.chdir(tmp_path)
    for again in ("run-1.nii", tmp_path / "link.nii", nibabel.load(one)):
        with pytest.raises(ValueError, match=r"is given twice \(bold\[0\] and bold\[2\] are") as caught:
            open_images("bold", [one, two, again])
        assert ".nii" in str(caught.value).split(" is given")[0]
    image = nibabel.Nifti1Image(values, AFFINE)
    for again in (image, nibabel.Nifti1Image(values, AFFINE)):
        with pytest.raises(ValueError, match=r"^bold\[1\] is given twice"):
            open_images("bold", iter([image, again]))
    changed = nibabel.Nifti1Image(nibabel.load(one).get_fdata() + 1, AFFINE)
    changed.set_filename(one)
    assert len(open_images("bold", [one, two, image, changed])) == 4
