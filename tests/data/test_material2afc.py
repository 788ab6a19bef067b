from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from alignkit.data import load_material2afc


def test_contents(shared_data: Callable[..., Path]) -> None:
    data = load_material2afc(shared_data("material2afc").parent)
    assert len(data.train) + len(data.test) == 25_801
    assert sorted(path.name for path in data.image_folder.iterdir()) == list(data.labels)
    assert data.train.labels == data.test.labels == data.labels
    with np.load(shared_data("material2afc", "triplets.npz")) as file:
        for trials, split in ((data.train, "train"), (data.test, "test")):
            np.testing.assert_array_equal(trials.items, file[f"{split}_triplets"])
            votes = file[f"{split}_votes"]
            tied = votes[:, 0] == votes[:, 1]
            np.testing.assert_array_equal(trials.tied, tied)
            np.testing.assert_array_equal(trials.choice, np.where(tied, -1, votes[:, 1] > votes[:, 0]))
    assert (data.train.tied.mean().round(2), data.test.tied.mean().round(2)) == (0.06, 0.09)
    assert "262 tied" in repr(data)


def test_missing_and_damaged(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"material-appearance-similarity"):
        load_material2afc(tmp_path)
    (tmp_path / "material2afc").mkdir()
    arrays = {f"{split}_triplets": np.array([[0, 1, 2]]) for split in ("train", "test")}
    arrays |= {f"{split}_votes": np.array([[3, 1]]) for split in ("train", "test")}
    path = tmp_path / "material2afc/triplets.npz"
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=r"lacks the array\(s\) files"):
        load_material2afc(tmp_path)
    np.savez(path, **arrays, files=["a", "b"])
    with pytest.raises(ValueError, match=r"the train trials are damaged .*item number 2, but there are 2 labels"):
        load_material2afc(tmp_path)
    np.savez(path, **arrays, files=["a", "b", "c"])
    assert load_material2afc(tmp_path).train.labels == ("a", "b", "c")
