from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat
from scipy.stats import spearmanr

from alignkit.data import RSA92, load_rsa92


@pytest.fixture(scope="module")
def data(shared_data: Callable[..., Path]) -> RSA92:
    return load_rsa92(shared_data("rsa92").parent)


@pytest.fixture
def copied(data: RSA92, tmp_path: Path) -> Path:
    shutil.copytree(data.folder, tmp_path / "rsa92")
    return tmp_path


def test_human_it_against_fmri_it(data: RSA92) -> None:
    human = data.human_it.mean("session").mean("subject")
    fmri = data.fmri_it.mean("subject")
    assert spearmanr(human.values, fmri.values).statistic == pytest.approx(0.557, abs=5e-4)


def test_shapes_and_names(data: RSA92) -> None:
    assert len(data.labels) == len(set(data.labels)) == 92
    assert sorted(data.labels) == list(data.labels)
    assert (data.labels[0], data.labels[12], data.labels[91]) == (
        "01_human_bodypart",
        "13_human_face",
        "92_artificial_inanimate",
    )
    assert (data.fmri_it.dims, data.fmri_it.shape, data.fmri_evc.shape) == (("subject",), (15,), (15,))
    assert (data.human_it.dims, data.human_it.shape) == (("subject", "session"), (4, 2))
    assert data.human_it.coords["subject"].tolist() == ["BE", "KO", "SN", "TI"]
    assert data.behaviour.shape == (16,)
    published = ["animacy", "FaceBodyManmadeNatobj", "monkeyIT", "EVA", "HMAX", "V1", "Silhouette", "RADON"]
    assert data.models.coords["model"].tolist() == [*published, "HMAXnatImPatch"]
    for rdm in (data.fmri_it, data.fmri_evc, data.human_it, data.behaviour, data.models):
        assert rdm.labels == data.labels
        assert rdm.values.dtype == np.float64
        assert np.isfinite(rdm.values).all()


def test_values_are_those_of_the_files(data: RSA92) -> None:
    files = loadmat(data.folder / "92_brainRDMs.mat")["RDMs"]
    np.testing.assert_array_equal(data.human_it.sel(subject="SN", session=2).squareform(), files[0, 2, 1]["RDM"])
    models = loadmat(data.folder / "92_modelRDMs.mat")["Models"]
    np.testing.assert_array_equal(data.models.sel(model="HMAX").squareform(), models[0, 4]["RDM"])
    behaviour = loadmat(data.folder / "92_behavRDMs.mat")["rdms_behav_92"]
    np.testing.assert_array_equal(data.behaviour.isel(subject=15).squareform(), behaviour[0, 15]["RDM"])


def test_the_v1_file_adds_nothing_and_the_hmax_file_does(data: RSA92) -> None:
    file = loadmat(data.folder / "rdm92_HMAXnatImPatch.mat")
    np.testing.assert_array_equal(data.models.sel(model="V1").squareform(), file["rdm92_V1model"])
    a, b = (data.models.sel(model=name).values for name in ("HMAX", "HMAXnatImPatch"))
    assert np.corrcoef(a, b)[0, 1] < 0.5


def test_categories(data: RSA92) -> None:
    assert data.categories.shape == (92, 12)
    assert tuple(data.categories.index) == data.labels
    assert data.categories["animate"].sum() == 48
    assert (data.categories["animate"] ^ data.categories["inanim"]).all()
    face = [label.endswith("face") for label in data.labels]
    assert data.categories["face"].tolist() == face
    # the animacy model is 0 within and 1 between animate and inanimate
    animate = data.categories["animate"].to_numpy()
    np.testing.assert_array_equal(data.models.sel(model="animacy").squareform(), animate[:, None] != animate)


def test_images(data: RSA92, tmp_path: Path) -> None:
    from PIL import Image

    images = data.images()
    assert len(images) == 92
    assert {(image.shape, image.dtype.name) for image in images} == {((175, 175, 3), "uint8")}
    folder = data.export_images(tmp_path / "png", progress=False)
    names = sorted(path.name for path in folder.iterdir())
    assert names == [f"{label}.png" for label in data.labels]
    with Image.open(folder / names[40]) as image:
        np.testing.assert_array_equal(np.asarray(image), images[40])


def test_export_into_a_file(data: RSA92, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="give a folder"):
        data.export_images(tmp_path / "file")


def test_repr(data: RSA92) -> None:
    assert "fmri_it, fmri_evc: 15 people; human_it: 4 people x 2 sessions; behaviour: 16 people" in repr(data)


@pytest.mark.parametrize(
    "file",
    [
        "Kriegeskorte_Neuron2008_supplementalData.mat",
        "92_brainRDMs.mat",
        "92_behavRDMs.mat",
        "92_modelRDMs.mat",
        "rdm92_HMAXnatImPatch.mat",
        "92images_fmri_IT_RDMs.npz",
        "92images_fmri_EVC_RDMs.npz",
    ],
)
def test_damaged_files(copied: Path, file: str) -> None:
    path = copied / "rsa92" / file
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="truncated or damaged"):
        load_rsa92(copied)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=f"needs {file}"):
        load_rsa92(copied)


def test_pickled_and_wrong_arrays(copied: Path) -> None:
    path = copied / "rsa92/92images_fmri_IT_RDMs.npz"
    np.savez(path, Net_RDM=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="pickled Python objects"):
        load_rsa92(copied)
    np.savez(path, Net_RDM=np.zeros((15, 78, 78)))
    with pytest.raises(ValueError, match=r"must hold RDMs of shape \(people, 92, 92\); got \(15, 78, 78\)"):
        load_rsa92(copied)
    lopsided = np.zeros((2, 92, 92))
    lopsided[0, 3, 4] = 1
    np.savez(path, whatever=lopsided)
    with pytest.raises(ValueError, match="not symmetric"):
        load_rsa92(copied)


def test_another_mat_file(copied: Path) -> None:
    savemat(copied / "rsa92/92_brainRDMs.mat", {"RDMs": np.zeros((2, 2))})
    with pytest.raises(ValueError, match=r"does not hold the variable 'RDMs' of shape \(1, 4, 2\)"):
        load_rsa92(copied)
    cells = np.zeros((1, 8), dtype=[("RDM", "O")])
    for cell in cells.ravel():
        cell["RDM"] = np.zeros((92, 92))
    savemat(copied / "rsa92/92_modelRDMs.mat", {"Models": cells})
    shutil.copyfile(copied / "rsa92/92_behavRDMs.mat", copied / "rsa92/92_brainRDMs.mat")
    with pytest.raises(ValueError, match="does not hold the variable 'RDMs'"):
        load_rsa92(copied)
