from __future__ import annotations

import numpy as np
import pytest
import zarr

from alignkit.rsa._zarr_pieces import check_all_pieces, check_pieces


@pytest.mark.parametrize("n", [1, 20, 255, 256, 257, 65_535, 65_791, 65_792, 70_000, 5_000_000])
@pytest.mark.parametrize("values", ["zeros", "random"])
def test_pieces_that_zarr_writes_pass(n, values, tmp_path, rng):
    data = np.zeros(n, np.uint8) if values == "zeros" else rng.integers(0, 256, n, dtype=np.uint8)
    for options in ({}, {"compressors": None}):
        array = zarr.create_array(
            tmp_path / str(len(options)), data=data, config={"write_empty_chunks": True}, **options
        )
        check_all_pieces(tmp_path / str(len(options)), array)


def test_what_is_no_frame_or_says_no_size(tmp_path, rng):
    data = rng.integers(0, 256, 500, dtype=np.uint8)
    array = zarr.create_array(tmp_path / "a", data=data)
    piece = tmp_path / "a" / "c" / "0"
    whole = piece.read_bytes()
    for content in (b"", whole[:4], whole[:5], b"x" * 30, whole[:4] + b"\x00" + whole[5:], whole + bytes(4000)):
        piece.write_bytes(content)
        with pytest.raises(ValueError, match=r"c/0 holds .* in place of 500"):
            check_pieces(array, [piece])


def test_other_packings_are_refused(tmp_path):
    from zarr.codecs import GzipCodec

    array = zarr.create_array(tmp_path / "a", data=np.zeros(5, np.uint8), compressors=GzipCodec())
    with pytest.raises(ValueError, match="packed with 'gzip', which alignkit does not write"):
        check_all_pieces(tmp_path / "a", array)
