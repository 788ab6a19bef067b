from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from alignkit.data import load_algonauts78


def test_contents(shared_data: Callable[..., Path]) -> None:
    data = load_algonauts78(shared_data("algonauts78").parent)
    assert data.labels[0] == "image_01"
    assert len(data.labels) == 78
    assert sorted(path.stem for path in data.image_folder.iterdir()) == list(data.labels)
    for region, rdm in (("EVC", data.fmri_evc), ("IT", data.fmri_it)):
        assert (rdm.dims, rdm.shape, rdm.labels) == (("subject",), (15,), data.labels)
        with np.load(shared_data("algonauts78", "brain_data", f"fmri_{region}_RDMs.npz")) as file:
            np.testing.assert_allclose(rdm.squareform(), file["arr_0"], atol=1e-15)
    assert "15 people" in repr(data)


def test_missing_and_damaged(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"fmri_EVC_RDMs\.npz.*Net2Brain"):
        load_algonauts78(tmp_path)
    folder = tmp_path / "algonauts78/brain_data"
    folder.mkdir(parents=True)
    np.savez(folder / "fmri_EVC_RDMs.npz", np.zeros((2, 78, 78)), np.zeros(3))
    with pytest.raises(ValueError, match="holds 2 arrays"):
        load_algonauts78(tmp_path)
    (folder / "fmri_EVC_RDMs.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(ValueError, match="truncated or damaged"):
        load_algonauts78(tmp_path)
