from __future__ import annotations

import dataclasses

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from alignkit.meg import RDMStore
from alignkit.rsa import RDM
from alignkit.rsa._condensed import squareform
from alignkit.train.hba_meg import _targets
from alignkit.train.hba_meg._targets import read_item_names, read_people
from alignkit.train.hba_meg.config import HBAMEGConfig

LABELS = tuple("abcde")
TIMES = np.arange(7) / 10 - 0.2


def config(*rdms, **settings) -> HBAMEGConfig:
    return HBAMEGConfig(rdms=rdms, **settings)


def write_store(path, values, labels=LABELS, times=TIMES):
    with RDMStore.create(path, labels=labels, times=times, metric="decoding") as store:
        store.write(0, values)
    return path


def write_rdm(path, values, dims, labels=LABELS, **coords):
    RDM(values, labels, dims=dims, coords=coords, metric="decoding").save(path)
    return path


@pytest.fixture
def values(rng):
    return rng.random((3, 7, 10))


@pytest.fixture
def names(tmp_path):
    path = tmp_path / "items.txt"
    path.write_text("\n".join(LABELS))
    return path


def test_stores_and_stacks_are_read_as_one(values, tmp_path):
    first = write_store(tmp_path / "ann.zarr", values[0])
    both = write_rdm(tmp_path / "both.npz", values[1:], ("subject", "time"), subject=["bob", "cy"], time=TIMES)
    found = read_people(config(first, both))
    assert found.subjects == ("ann", "bob", "cy")
    assert found.labels == LABELS
    assert found.times == pytest.approx(TIMES)
    assert np.allclose(found.read(0, 7), values, atol=1e-7)
    assert np.allclose(found.one("cy").read(2, 4), values[2:, 2:4])
    assert np.allclose(found.one("ann").read(2, 4), values[:1, 2:4], atol=1e-7)


def test_people_without_names_are_called_after_their_file(values, tmp_path):
    one = write_rdm(tmp_path / "ann.npz", values[0], ("time",), time=TIMES)
    two = write_rdm(tmp_path / "more.npz", values[1:], ("participant", "time"), time=TIMES)
    assert read_people(config(one, two)).subjects == ("ann", "more 1", "more 2")


def test_items_are_brought_into_the_order_of_the_first(values, tmp_path):
    first = write_store(tmp_path / "ann.zarr", values[0])
    turned = RDM(values[1], LABELS, dims=("time",), coords={"time": TIMES}).select(list("edcba"))
    second = write_store(tmp_path / "bob.zarr", turned.values, turned.labels)
    found = read_people(config(first, second))
    assert np.allclose(found.read(0, 7), values[:2], atol=1e-7)
    part = found.take(np.array([3, 0, 4]))
    assert part.labels == ("d", "a", "e")
    rows, columns = [3, 3, 0], [0, 4, 4]
    assert np.allclose(part.read(1, 3), squareform(values[:2, 1:3])[..., rows, columns], atol=1e-7)


def test_rdms_without_time_are_a_single_one(values, tmp_path):
    several = write_rdm(tmp_path / "it.npz", values[:, 0], ("subject",), subject=["x", "y", "z"])
    found = read_people(config(several))
    assert (found.subjects, found.times.tolist()) == (("x", "y", "z"), [0.0])
    assert np.array_equal(found.read(0, 1)[:, 0], values[:, 0])
    single = write_rdm(tmp_path / "mean.npz", values[0, 0], ())
    assert read_people(config(single)).subjects == ("mean",)


def test_sessions_are_averaged_over_those_with_a_number(values, tmp_path):
    sessions = np.stack([values, values + 1], axis=1)
    sessions[1, 0, 2, 3] = np.nan
    path = write_rdm(tmp_path / "s.npz", sessions, ("subject", "session", "time"), subject=list("xyz"), time=TIMES)
    expected = values + 0.5
    expected[1, 2, 3] = values[1, 2, 3] + 1
    assert np.allclose(read_people(config(path)).read(0, 7), expected)


@pytest.mark.parametrize("form", ["npy", "v5", "v7.3"])
@pytest.mark.parametrize("large", [False, True])
def test_published_files_are_read_whole_or_person_by_person(values, tmp_path, names, monkeypatch, form, large):
    squares = squareform(values)
    path = tmp_path / ("them.npy" if form == "npy" else "them.mat")
    if form == "npy":
        np.save(path, squares)
    elif form == "v5":
        savemat(path, {"mat": squares.transpose(2, 3, 1, 0)})
    else:
        with h5py.File(path, "w") as file:  # MATLAB's axes come the other way round
            file["mat"] = squares
            file["mat"].attrs["MATLAB_class"] = np.bytes_("double")
    if large:
        monkeypatch.setattr(_targets, "_IN_MEMORY", 100)
    settings = config(path, rdm_labels=names, rdm_times=(-0.2, 0.4), out=tmp_path / "run")
    found = read_people(settings)
    assert (found.subjects, found.labels) == (("1", "2", "3"), LABELS)
    assert found.times == pytest.approx(TIMES)
    assert np.allclose(found.read(0, 7), values, atol=1e-6)
    stores = sorted((tmp_path / "run").rglob("*.zarr"))
    assert len(stores) == (3 if large else 0)
    before = [store.stat().st_mtime_ns for store in stores]
    assert np.allclose(read_people(settings).read(0, 7), values, atol=1e-6)
    assert [store.stat().st_mtime_ns for store in stores] == before


@pytest.mark.parametrize("large", [False, True])
def test_published_sessions_are_averaged(values, tmp_path, names, monkeypatch, large):
    sessions = np.stack([values, values + 1], axis=1)
    np.save(tmp_path / "them.npy", squareform(sessions))
    if large:
        monkeypatch.setattr(_targets, "_IN_MEMORY", 100)
    settings = config(tmp_path / "them.npy", rdm_labels=names, rdm_times=(-0.2, 0.4), out=tmp_path / "run")
    for _ in range(2):
        found = read_people(settings)
        assert np.allclose(found.read(0, 7), values + 0.5, atol=1e-6)


def test_a_published_file_of_one_person_is_called_after_it(values, tmp_path, names):
    np.save(tmp_path / "ann.npy", squareform(values[0]))
    settings = config(tmp_path / "ann.npy", rdm_labels=names, rdm_times=(-0.2, 0.4))
    assert read_people(settings).subjects == ("ann",)


def test_times_are_averaged_and_chosen(values, tmp_path):
    path = write_store(tmp_path / "ann.zarr", values[0])
    found = read_people(config(path, average=2, tmin=0.0))
    assert found.times == pytest.approx([0.05, 0.25])
    assert np.allclose(found.read(0, 2)[0], [values[0, k : k + 2].mean(axis=0) for k in (2, 4)], atol=1e-6)


def test_names_of_items_come_from_text_and_tables(tmp_path):
    (tmp_path / "a.txt").write_text("cat\n\n dog \ncar\n")
    (tmp_path / "a.csv").write_text(",image_name,x\n0,cat,1\n1,dog,2\n2,car,3\n")
    (tmp_path / "a.tsv").write_text("item\tother\ncat\t1\ndog\t2\ncar\t3\n")
    for name in ("a.txt", "a.csv", "a.tsv"):
        assert read_item_names(tmp_path / name) == ("cat", "dog", "car")
    (tmp_path / "b.csv").write_text("name,x\ncat,1\n")
    with pytest.raises(ValueError, match="are in one called item or image_name"):
        read_item_names(tmp_path / "b.csv")
    with pytest.raises(FileNotFoundError):
        read_item_names(tmp_path / "gone.txt")


def test_nothing_is_read_without_files():
    with pytest.raises(ValueError, match="rdms is not given"):
        read_people(config())
    with pytest.raises(ValueError, match="test_rdms is not given"):
        read_people(config(), test=True)


def test_people_must_not_come_twice(values, tmp_path):
    first = write_store(tmp_path / "ann.zarr", values[0])
    with pytest.raises(ValueError, match=r"rdms holds the file '.*ann.zarr' more than once"):
        read_people(config(first, first))
    (tmp_path / "more").mkdir()
    second = write_store(tmp_path / "more" / "ann.zarr", values[1])
    with pytest.raises(ValueError, match="rdms holds the person 'ann' more than once"):
        read_people(config(first, second))


def test_times_and_items_must_agree(values, tmp_path):
    first = write_store(tmp_path / "ann.zarr", values[0])
    shifted = write_store(tmp_path / "bob.zarr", values[1], times=TIMES + 0.01)
    shorter = write_store(tmp_path / "cy.zarr", values[2, :5], times=TIMES[:5])
    others = write_store(tmp_path / "dan.zarr", values[1], labels=list("abcdx"))
    with pytest.raises(ValueError, match=r"ann.zarr \(7 times, .* and .*bob.zarr \(7 times, .* different times"):
        read_people(config(first, shifted))
    with pytest.raises(ValueError, match=r"cy.zarr \(5 times, -0.2 to 0.2 s\) have different times"):
        read_people(config(first, shorter))
    assert read_people(config(first, shorter, tmax=0.2)).n_times == 5
    with pytest.raises(ValueError, match="hold different items: 'e', 'x' are in one of them alone"):
        read_people(config(first, others))


def test_items_must_have_names(values, tmp_path, names):
    bare = write_rdm(tmp_path / "ann.npz", values[0], ("time",), labels=None, time=TIMES)
    with pytest.raises(ValueError, match=r"ann.npz does not name its items; give rdm_labels"):
        read_people(config(bare))
    assert read_people(config(bare, rdm_labels=names)).labels == LABELS
    np.save(tmp_path / "bob.npy", squareform(values[0]))
    with pytest.raises(ValueError, match=r"bob.npy does not name its 5 items; give rdm_labels"):
        read_people(config(tmp_path / "bob.npy", rdm_times=(0, 1)))
    names.write_text("a\nb\n")
    with pytest.raises(ValueError, match=r"items.txt names 2 items, and .*bob.npy has 5"):
        read_people(config(tmp_path / "bob.npy", rdm_labels=names, rdm_times=(0, 1)))


def test_times_must_be_known(values, tmp_path, names):
    bare = write_rdm(tmp_path / "ann.npz", values[0], ("time",))
    with pytest.raises(ValueError, match=r"ann.npz has 7 samples without times; .* rdm_times"):
        read_people(config(bare))
    assert read_people(config(bare, rdm_times=(-0.2, 0.4))).times == pytest.approx(TIMES)


def test_other_axes_are_refused(values, tmp_path):
    path = write_rdm(tmp_path / "a.npz", values[:, 0], ("rdm",))
    with pytest.raises(ValueError, match=r"has the axes \('rdm',\); name them 'subject', 'session' and 'time'"):
        read_people(config(path))


def test_damaged_and_missing_files_are_named(values, tmp_path, names):
    with pytest.raises(FileNotFoundError, match="gone"):
        read_people(config(tmp_path / "gone.zarr"))
    (tmp_path / "bad.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    with pytest.raises(ValueError, match=r"bad\.mat"):
        read_people(config(tmp_path / "bad.mat", rdm_labels=names))
    store = RDMStore.create(tmp_path / "half.zarr", labels=LABELS, times=TIMES)
    store.write(0, values[0, :3])
    store.close()
    with pytest.raises(ValueError, match="not finished: 3 of 7 times"):
        read_people(config(tmp_path / "half.zarr"))


def test_fmri_of_92_images_is_a_single_time(shared_data, tmp_path):
    rdms = RDM.load(shared_data("rsa92", "92images_fmri_IT_RDMs.npz"))
    labels = [f"image_{i:02d}" for i in range(92)]
    RDM(rdms.values, labels, dims=("subject",)).save(tmp_path / "it.npz")
    found = read_people(config(tmp_path / "it.npz"))
    assert (found.n_subjects, found.n_times, found.n_items) == (15, 1, 92)
    assert found.times.tolist() == [0.0]


def test_test_rdms_are_read_the_same_way(values, tmp_path):
    path = write_store(tmp_path / "ann.zarr", values[0])
    settings = dataclasses.replace(config(), test_rdms=(path,))
    assert read_people(settings, test=True).subjects == ("ann",)
