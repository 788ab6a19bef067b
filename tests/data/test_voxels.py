from __future__ import annotations

import numpy as np
import pytest
from reference.fmri import AFFINE

from alignkit.data._nifti import Image
from alignkit.data._regions import Region
from alignkit.data._voxels import place, union_of, unusable

SHAPE = (2, 3, 2)
IMAGE = Image("bold", SHAPE, 4, AFFINE, None, None)


def region(name: str | None, *voxels: tuple[int, int, int], n_outside: int = 0) -> Region:
    mask = np.zeros(SHAPE, dtype=bool)
    for voxel in voxels:
        mask[voxel] = True
    return Region(name, mask, n_outside)


def test_which_voxels_are_of_no_use() -> None:
    values = np.array(
        [
            [1.0, np.nan, 5.0, 0.0, 1.0, 7.0],
            [2.0, 1.00, 5.0, 0.0, 2.0, 7.0],
            [3.0, 2.00, 1.0, 0.0, np.inf, 8.0],
            [4.0, 3.00, 2.0, 0.0, 4.0, 8.0],
            [9.0, 9.00, 9.0, 0.0, 9.0, 9.0],  # the only row of its run says nothing about variance
        ]
    )
    nan, constant = unusable(values, ["a", "a", "b", "b", "c"])
    assert nan.tolist() == [False, True, False, False, True, False]
    assert constant.tolist() == [False, False, True, True, False, True]


def test_columns_of_overlapping_regions() -> None:
    first = region("first", (0, 0, 0), (0, 1, 1), (1, 2, 1))
    second = region("second", (0, 1, 1), (1, 0, 0))
    union = union_of([first, second])
    np.testing.assert_array_equal(np.argwhere(union), [[0, 0, 0], [0, 1, 1], [1, 0, 0], [1, 2, 1]])
    none = np.zeros(4, dtype=bool)
    where = place([first, second], none, none, IMAGE)
    assert {name: columns.tolist() for name, columns in where["regions"].items()} == {
        "first": [0, 1, 3],
        "second": [1, 2],
    }
    np.testing.assert_array_equal(where["voxels"], np.argwhere(union))


def test_voxels_left_out_are_counted_in_one_warning() -> None:
    first = region("first", (0, 0, 0), (0, 1, 1), (1, 2, 1), n_outside=5)
    second, third = region("second", (0, 1, 1), (1, 0, 0)), region("third", (0, 1, 1))
    nan, constant = np.array([True, False, False, False]), np.array([False, True, False, False])
    with pytest.warns(UserWarning, match="voxels were left out") as caught:
        where = place([first, second, third], nan, constant, IMAGE)
    assert len(caught) == 1
    assert str(caught[0].message) == (
        "voxels were left out: 7 of the 8 voxels of 'first' (1 with NaN or infinite values, 1 constant within a run, "
        "5 outside the image); 1 of the 2 voxels of 'second' (1 constant within a run); 1 of the 1 voxels of 'third' "
        "(1 constant within a run). No voxel is left of 'third', which are skipped. Check mask= and the regions if "
        "they should count."
    )
    assert {name: columns.tolist() for name, columns in where["regions"].items()} == {"first": [1], "second": [0]}
    np.testing.assert_array_equal(where["voxels"], [[1, 0, 0], [1, 2, 1]])
    assert where["dropped"]["first"] == {"nan": 1, "constant": 1, "outside": 5}
    with pytest.raises(ValueError, match=r"no voxel is left: 2 of the 2 voxels \(2 constant within a run\)"):
        place([region(None, (0, 0, 0), (0, 0, 1))], np.zeros(2, dtype=bool), np.ones(2, dtype=bool), IMAGE)
