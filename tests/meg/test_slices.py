"""However RDMs over time are given, they are read as (subject, time, pairs) over the same items and times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alignkit.meg import RDMStore
from alignkit.meg._slices import Slices, align_slices, as_sources
from alignkit.rsa import RDM

LABELS = ("dog", "cat", "car", "cup")
TIMES = (-0.1, 0.0, 0.1)


@pytest.fixture
def values(rng) -> np.ndarray:
    return rng.integers(0, 13, size=(2, 3, 6)) / 12


def slices(data: object, tolerance: float = 1e-6, on_mismatch: Any = "raise") -> Slices:
    return align_slices(as_sources(data), [], on_mismatch, tolerance)[0]


def movie(values: np.ndarray, **changes: Any) -> RDM:
    return RDM(values, **{"labels": LABELS, "dims": ["time"], "coords": {"time": TIMES}, **changes})


def store(path: Path, values: np.ndarray, **changes: Any) -> RDMStore:
    made = RDMStore.create(path, **{"labels": LABELS, "times": TIMES, "n_decisions": 6, **changes})
    made.write(0, values)
    made.close()
    return RDMStore.open(path)


def test_all_forms_read_the_same(values, tmp_path):
    people = RDM(values, LABELS, dims=["subject", "time"], coords={"time": TIMES})
    turned = RDM(values.swapaxes(0, 1), LABELS, dims=["time", "participant"], coords={"time": TIMES})
    stores = [store(tmp_path / f"{s}.zarr", one) for s, one in enumerate(values)]
    people.save(tmp_path / "both.zarr")
    RDM(values[1], LABELS, dims=["time"], coords={"time": TIMES}).save(tmp_path / "one.npz")
    forms = [
        people,
        turned,
        people.to_xarray(),
        values,
        [movie(values[0]), movie(values[1])],
        (movie(values[0]), stores[1]),
        stores,
        [tmp_path / "0.zarr", str(tmp_path / "1.zarr")],
        tmp_path / "both.zarr",
        [movie(values[0]), tmp_path / "one.npz"],
        {"ann": stores[0], "bob": values[1]} | {"bob": movie(values[1])},
    ]
    for form in forms:
        found = slices(form)
        assert (found.n_subjects, found.n_times, found.n_pairs, found.n_items) == (2, 3, 6, 4)
        assert np.array_equal(found.read(0, 3), values)
        assert np.array_equal(found.read(1, 2), values[:, 1:2])
        assert np.array_equal(np.argsort(found.read_ordered(0, 3), kind="stable"), np.argsort(values, kind="stable"))


def test_counts_are_read_as_they_are_unless_some_are_missing(values, tmp_path):
    both = [store(tmp_path / f"{s}.zarr", one) for s, one in enumerate(values)]
    assert slices(both).read_ordered(0, 3).dtype == np.uint8
    assert slices([both[0], movie(values[1])]).read_ordered(0, 3).dtype == np.float64
    broken = values[0].copy()
    broken[1, 2] = np.nan
    gaps = slices([store(tmp_path / "gaps.zarr", broken), both[1]])
    assert np.array_equal(gaps.read_ordered(0, 3), np.stack([broken, values[1]]), equal_nan=True)
    assert gaps.read_ordered(0, 1).dtype == np.uint8


def test_names_come_from_coordinates_keys_and_files(values, tmp_path):
    named = RDM(values, dims=["subject", "time"], coords={"subject": ["ann", "bob"]})
    first = store(tmp_path / "p1.zarr", values[0])
    movie(values[0]).save(tmp_path / "p2.npz")
    assert slices(named).subjects == ("ann", "bob")
    assert slices(values).subjects == ("subject 1", "subject 2")
    assert slices(values[0]).subjects == ("subject",)
    assert slices({"x": movie(values[0]), "y": first}).subjects == ("x", "y")
    assert slices([first, tmp_path / "p2.npz"]).subjects == ("p1", "p2")
    (tmp_path / "other").mkdir()
    assert slices([first, store(tmp_path / "other" / "p1.zarr", values[1])]).subjects == ("subject 1", "subject 2")
    assert slices([movie(values[0]), movie(values[1])]).subjects == ("subject 1", "subject 2")


def test_items_are_put_into_one_order(values, tmp_path):
    order = [2, 0, 3, 1]
    names = [LABELS[i] for i in order]
    other = movie(values[1]).take(order)
    on_disk = store(tmp_path / "p.zarr", other.values, labels=names)
    for second in (other, on_disk):
        found = slices([movie(values[0]), second])
        assert found.labels == LABELS
        assert np.array_equal(found.read(0, 3), values)
    fewer = movie(values[1]).take([3, 0, 1])
    found = slices([movie(values[0]), fewer], on_mismatch="intersect")
    assert found.labels == ("dog", "cat", "cup")
    assert np.array_equal(found.read(0, 3)[1], movie(values[1]).select(found.labels).values)
    with pytest.raises(ValueError, match=r"only in data\[0\]: 'car'"):
        slices([movie(values[0]), fewer])
    with pytest.raises(ValueError, match=r"data\[0\] and data\[1\] have 4 and 3 items"):
        slices([values[0], RDM(values[0][:, :3], dims=["time"])])


def test_times_must_agree(values):
    late = movie(values[1], coords={"time": [-0.1, 0.0, 0.102]})
    with pytest.raises(ValueError, match=r"different times: 0\.1 and 0\.102 s at position 2.*pass tolerance=0\.003"):
        slices([movie(values[0]), late])
    assert slices([movie(values[0]), late], tolerance=0.003).times.tolist() == list(TIMES)
    with pytest.raises(ValueError, match=r"data\[0\] has 3 times and data\[1\] 2; choose those that both have"):
        slices([movie(values[0]), movie(values[1]).isel(time=[0, 1])])
    with pytest.raises(ValueError, match=r"data\[1\] has no times"):
        slices([movie(values[0]), movie(values[1], coords={})])
    with pytest.raises(ValueError, match="must be seconds, finite and increasing"):
        slices(movie(values[0], coords={"time": [0.0, 0.0, 0.1]}))
    with pytest.raises(ValueError, match="must be seconds, finite and increasing"):
        slices(movie(values[0], coords={"time": ["a", "b", "c"]}))


def test_samples_without_times_are_numbered(values):
    found = slices(values)
    assert not found.timed
    assert found.times.tolist() == [0, 1, 2]


@pytest.mark.parametrize("on_mismatch", ["raise", "intersect"])
def test_numbers_beside_names_are_told_what_to_do(values, on_mismatch):
    numbered = movie(values[0], labels=("1", "2", "3", "4"))
    model = RDM(values[1, 0], labels=LABELS)
    message = r"the data calls its items by number \('1', '2', '3' and 1 more\) and the model by name .*by='concept'"
    with pytest.raises(ValueError, match=message):
        align_slices(as_sources(numbered), [("the model", model)], on_mismatch, 0.0)
    with pytest.raises(ValueError, match=r"the model calls its items by number .* and the data by name"):
        align_slices(as_sources(movie(values[0])), [("the model", numbered.isel(time=0))], on_mismatch, 0.0)
    mixed = RDM(values[1, 0], labels=("1", "2", "car", "cup"))  # some are shared: whatever is asked for
    with pytest.raises(ValueError, match="do not hold the same items"):
        align_slices(as_sources(numbered), [("the model", mixed)], "raise", 0.0)


def test_kinds_of_dissimilarities_must_agree(values):
    assert slices([movie(values[0], metric="decoding"), movie(values[1])]).metric == "decoding"
    with pytest.raises(ValueError, match="different kinds of dissimilarities \\('correlation', 'decoding'\\)"):
        slices([movie(values[0], metric="decoding"), movie(values[1], metric="correlation")])


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ([], ValueError, "^data is empty"),
        ({}, ValueError, "^data is empty"),
        (RDM(np.ones(6)), ValueError, "the data has no axis of time"),
        (RDM(np.ones((2, 6)), dims=["subject"]), ValueError, r"the data has the axes \('subject',\)"),
        (RDM(np.ones((2, 3, 6)), dims=["session", "time"]), ValueError, r"\('session', 'time'\); a time course takes"),
        (RDM(np.ones((2, 2, 3, 6)), dims=["subject", "session", "time"]), ValueError, "choose or average"),
        ("nowhere.npz", FileNotFoundError, "nowhere.npz"),
        ("nowhere.zarr", FileNotFoundError, "nowhere.zarr"),
        ("text", (ValueError, FileNotFoundError), "text"),
        ([["a", "b"]], TypeError, "must hold real numbers"),
        (None, TypeError, "the data must"),
        (pd.DataFrame({"a": ["x"]}), (TypeError, ValueError), "."),
    ],
)
def test_what_is_no_data_is_refused(data, error, message):
    with pytest.raises(error, match=message):
        slices(data)


def test_an_unfinished_store_is_refused(values, tmp_path):
    with RDMStore.create(tmp_path / "p.zarr", labels=LABELS, times=TIMES) as made:
        made.write(0, values[0][:1])
    with pytest.raises(ValueError, match=r"p\.zarr is not finished: 1 of 3 times are computed"):
        slices(tmp_path / "p.zarr")


def test_a_damaged_store_is_refused(values, tmp_path):
    store(tmp_path / "p.zarr", values[0])
    (tmp_path / "p.zarr" / "zarr.json").write_text("{")
    with pytest.raises(ValueError, match=r"p\.zarr"):
        slices(tmp_path / "p.zarr")


def test_the_same_rdms_are_not_two_participants(values, tmp_path):
    first, path, one = store(tmp_path / "p1.zarr", values[0]), tmp_path / "p1.zarr", movie(values[1])
    for twice in ([first, first], [path, first], {"x": one, "y": one}, [str(path), one, tmp_path / "." / "p1.zarr"]):
        with pytest.raises(ValueError, match="are the same RDMs; a participant would count twice"):
            slices(twice)
    assert slices([one, movie(values[1])]).n_subjects == 2


def test_items_and_people_are_read_by_themselves(values, tmp_path):
    both = np.stack([values[0], values[0] + 1])
    more = movie(values[0] + 2).select([*reversed(movie(values[0]).labels)])
    found = slices({"both": movie(both, dims=("subject", "time")), "more": more})
    items = np.array([2, 0, 3])
    part = found.take(items)
    assert part.labels == tuple(found.labels[i] for i in items)
    expected = movie(values[0]).take(items).values
    for shift, name in enumerate(found.subjects):
        one = part.one(name)
        assert (one.subjects, one.n_pairs) == ((name,), 3)
        assert np.allclose(one.read(0, one.n_times)[0], expected + shift)
    again = part.take(np.array([1, 2, 0]))
    assert again.labels == tuple(found.labels[i] for i in (0, 3, 2))
    assert np.allclose(again.one("more").read(0, 1)[0], movie(values[0]).take([0, 3, 2]).values[0] + 2)


def test_counts_of_one_person_are_read_by_themselves(values, tmp_path):
    path = tmp_path / "p.zarr"
    accuracies = np.round(values[0] * 48) / 48 % 1
    kept = RDMStore.create(path, labels=movie(values[0]).labels, times=movie(values[0]).coords["time"], n_decisions=24)
    kept.write(0, accuracies)
    kept.close()
    one = slices([path]).one("p").take(np.array([1, 0, 2]))
    assert np.array_equal(one.read_ordered(0, 2), one.read(0, 2) * 48)
