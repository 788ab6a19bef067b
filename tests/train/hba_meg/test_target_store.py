from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from alignkit.meg import RDMStore
from alignkit.meg._slices import Slices, align_slices, as_sources
from alignkit.rsa import RDM
from alignkit.rsa._condensed import squareform
from alignkit.train.hba_meg import _target_store
from alignkit.train.hba_meg._curves import mean_curves, person_curves
from alignkit.train.hba_meg._target_store import TargetStore

PEOPLE = ("ann", "bob", "cy")
N = 10


def slices_of(values, times=None, people=PEOPLE) -> Slices:
    times = np.arange(values.shape[1]) / 10 - 0.2 if times is None else times
    n = squareform(values[:1, :1]).shape[-1]
    coords = {"subject": list(people), "time": times}
    rdm = RDM(values, [f"item{i}" for i in range(n)], dims=("subject", "time"), coords=coords)
    return align_slices(as_sources(rdm), [], "raise", 1e-6)[0]


@pytest.fixture
def values(rng):
    found = rng.random((3, 7, N * (N - 1) // 2)) + 0.5
    found[0, 2, 5] = np.nan
    found[:, 3, 6] = np.nan
    return found


def build(slices, folder, people=PEOPLE, items=range(N), **options) -> TargetStore:
    items = np.array(list(items), dtype=np.int64)
    return TargetStore.build(slices, people, items, folder, **{"progress": False, **options})


def expected_batch(values, people, items, low, high):
    """Mean, scaling and pairs one by one."""
    found = np.full((values.shape[1], len(items) * (len(items) - 1) // 2), np.nan)
    whole = squareform(values)
    for t in range(values.shape[1]):
        pair = 0
        for a in range(len(items)):
            for b in range(a + 1, len(items)):
                numbers = [whole[PEOPLE.index(name), t, items[a], items[b]] for name in people]
                numbers = [x for x in numbers if not np.isnan(x)]
                if numbers:
                    found[t, pair] = (sum(numbers) / len(numbers) - low) / (high - low)
                pair += 1
    return found


@pytest.mark.parametrize("people", [PEOPLE, ("cy", "ann")])
def test_batches_are_the_mean_of_people_in_any_order_of_items(values, tmp_path, people):
    store = build(slices_of(values), tmp_path, people, items=[0, 2, 3, 5, 7, 8, 9])
    for items in ([0, 2, 3, 5, 7, 8, 9], [9, 0, 5, 3], [2, 7]):
        found = store.batch(np.array(items))
        assert found.dtype == np.float32
        assert found.flags.c_contiguous
        expected = expected_batch(values, people, items, store.low, store.high)
        assert np.allclose(found, expected, atol=1e-6, equal_nan=True)


def test_the_smallest_and_the_largest_pair_become_0_and_1(values, tmp_path):
    items = [0, 2, 3, 5, 7]
    store = build(slices_of(values), tmp_path, items=items)
    whole = expected_batch(values, PEOPLE, items, 0.0, 1.0)
    assert (store.low, store.high) == pytest.approx((np.nanmin(whole), np.nanmax(whole)))
    found = store.batch(np.array(items))
    assert (np.nanmin(found), np.nanmax(found)) == pytest.approx((0.0, 1.0))


def test_the_published_scale_counts_a_diagonal_of_zeros_and_takes_nan_as_zero(values, tmp_path):
    store = build(slices_of(values), tmp_path, scale="published")
    whole = np.nan_to_num(squareform(values)).mean(axis=0)  # as published: NaN is 0 before anything else
    assert (store.low, store.high) == pytest.approx((0.0, whole.max()))
    scaled = (whole - whole.min()) / (whole.max() - whole.min())
    rows, columns = np.triu_indices(N, k=1)
    assert np.allclose(store.batch(np.arange(N)), scaled[:, rows, columns], atol=1e-6)
    assert not store.curves.richness[:3].any()


def test_a_row_that_comes_twice_has_no_dissimilarity_to_itself(values, tmp_path):
    store = build(slices_of(values), tmp_path)
    found = store.batch(np.array([4, 1, 4]))
    assert np.isnan(found[:, 1]).all()
    assert np.array_equal(found[:, 0], found[:, 2])
    assert not np.isnan(found[:, 0]).any()


def test_items_of_other_rows_are_refused(values, tmp_path):
    store = build(slices_of(values), tmp_path, items=[0, 2, 3, 5])
    with pytest.raises(ValueError, match="hold no item of row '1', '99'"):
        store.batch(np.array([0, 1, 99]))


def test_curves_are_those_of_each_persons_training_items(values, tmp_path):
    slices = slices_of(values)
    train = np.array([0, 1, 4, 5, 6])
    store = build(slices, tmp_path, ("ann", "cy"), train=train)
    rows, columns = np.triu_indices(5, k=1)
    found = []
    for person in (0, 2):
        own = squareform(values[person])[:, train[rows], train[columns]]
        found.append(person_curves(lambda a, b, own=own: own[a:b], *own.shape, n_bytes=10**9))
    rich, alike = (np.stack(one) for one in zip(*found, strict=True))
    expected = mean_curves(rich, alike, slices.times, published=False)
    assert store.curves.richness == pytest.approx(expected.richness)
    assert store.curves.generalization == pytest.approx(expected.generalization, abs=1e-6)


def test_one_time_is_enough(rng, tmp_path):
    values = rng.random((3, 1, 45))
    store = build(slices_of(values, times=[0.0]), tmp_path)
    assert store.batch(np.arange(5)).shape == (1, 10)
    assert store.curves.richness.tolist() == store.curves.generalization.tolist() == [1.0]
    assert store.curves.noise_level().tolist() == [0.0]


@pytest.mark.parametrize("size", [1e-7, 1.0, 1e7])
def test_half_precision_keeps_small_and_large_dissimilarities(rng, tmp_path, size):
    values = rng.random((3, 7, 45)) * size
    single = build(slices_of(values), tmp_path)
    half = build(slices_of(values), tmp_path, dtype="float16")
    assert half.path != single.path
    assert np.abs(half.batch(np.arange(N)) - single.batch(np.arange(N))).max() < 1e-3
    sizes = [(store.path / "targets.npy").stat().st_size - 128 for store in (single, half)]
    assert sizes == [7 * 45 * 4, 7 * 45 * 2]


def test_a_store_is_opened_where_it_is_made_already(values, tmp_path, monkeypatch):
    first = build(slices_of(values), tmp_path)
    monkeypatch.setattr(_target_store, "_write", None)
    again = build(slices_of(values), tmp_path)
    assert again.path == first.path
    assert np.array_equal(again.batch(np.arange(N)), first.batch(np.arange(N)), equal_nan=True)


def test_other_people_items_numbers_and_options_have_a_store_of_their_own(values, tmp_path):
    slices = slices_of(values)
    changed = values.copy()
    changed[1, 0, 3] += 0.1
    stores = [
        build(slices, tmp_path),
        build(slices, tmp_path, ("ann", "bob")),
        build(slices, tmp_path, items=[1, 2, 3, 4]),
        build(slices, tmp_path, train=np.arange(4)),
        build(slices, tmp_path, scale="published"),
        build(slices_of(changed), tmp_path),
        build(slices_of(values, times=np.arange(7.0)), tmp_path),
    ]
    assert len({store.path for store in stores}) == len(stores)


def test_a_stopped_computation_continues(values, tmp_path, monkeypatch):
    slices = slices_of(values)
    whole = build(slices, tmp_path / "whole")
    write, times = _target_store._write_stretch, []

    def one_time(plan, path, target, state, stretch):
        if len(times) == 3:
            raise KeyboardInterrupt
        times.append(stretch)
        write(plan, path, target, state, stretch)

    monkeypatch.setattr(_target_store, "_stretches", lambda plan: (1, 1))
    monkeypatch.setattr(_target_store, "_write_stretch", one_time)
    with pytest.raises(KeyboardInterrupt):
        build(slices, tmp_path)
    times.clear()
    monkeypatch.setattr(_target_store, "_write_stretch", lambda *a: (times.append(a[4][0]), write(*a)))
    store = build(slices, tmp_path)
    assert times == [3, 4, 5, 6]
    assert (store.low, store.high) == (whole.low, whole.high)
    assert np.array_equal(store.batch(np.arange(N)), whole.batch(np.arange(N)), equal_nan=True)
    assert sorted(path.name for path in store.path.iterdir()) == ["targets.json", "targets.npy"]
    assert store.missing == whole.missing == {"ann": 2, "bob": 1, "cy": 1}


def test_pairs_without_a_number_at_some_time_are_counted_by_person_over_the_items(values, tmp_path):
    values[1, :, 3] = np.nan
    store = build(slices_of(values), tmp_path, people=("cy", "bob"), items=range(5))
    expected = squareform(values)[..., :5, :5]
    upper = np.triu_indices(5, k=1)
    count = {name: int(np.isnan(expected[k][:, *upper]).any(axis=0).sum()) for k, name in enumerate(PEOPLE)}
    assert store.missing == {"cy": count["cy"], "bob": count["bob"]}
    assert count["bob"] == 1


@pytest.mark.parametrize("damage", ["bytes", "short", "gone", "manifest", "json"])
def test_a_damaged_store_is_set_aside_and_made_anew(values, tmp_path, damage):
    slices = slices_of(values)
    store = build(slices, tmp_path)
    expected = store.batch(np.arange(N))
    file, manifest = store.path / "targets.npy", store.path / "targets.json"
    content = bytearray(file.read_bytes())
    if damage == "bytes":
        content[200] ^= 1
        file.write_bytes(content)
    elif damage == "short":
        file.write_bytes(content[:-9])
    elif damage == "gone":
        file.unlink()
    elif damage == "manifest":
        manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "high": "much"}))
    else:
        manifest.write_text("{")
    with pytest.raises(ValueError, match=r"targets-\w+ are damaged; they were set aside as .*damaged-\w+: run again"):
        build(slices, tmp_path)
    again = build(slices, tmp_path)
    assert np.array_equal(again.batch(np.arange(N)), expected, equal_nan=True)
    assert len(list(tmp_path.glob("*.damaged-*"))) == 1


def test_a_damaged_beginning_is_written_again(values, tmp_path):
    slices = slices_of(values)
    path = build(slices, tmp_path).path
    expected = build(slices, tmp_path).batch(np.arange(N))
    (path / "targets.json").unlink()
    (path / "part.npy").write_bytes(b"no array")
    (path / "part.json").write_text(json.dumps({"done": 3, "unit": 1.0, "low": 0.0, "high": 1.0}))
    assert np.array_equal(build(slices, tmp_path).batch(np.arange(N)), expected, equal_nan=True)


def test_what_cannot_be_trained_on_is_refused(values, tmp_path):
    with pytest.raises(ValueError, match="no RDMs of 'dan'; there are those of 'ann', 'bob', 'cy'"):
        build(slices_of(values), tmp_path, ("ann", "dan"))
    empty = values.copy()
    empty[1] = np.nan
    with pytest.raises(ValueError, match="RDMs of bob are NaN everywhere"):
        build(slices_of(empty), tmp_path)
    with pytest.raises(ValueError, match="RDMs of 'bob' are NaN everywhere"):
        build(slices_of(empty), tmp_path, ("bob",))
    with pytest.raises(ValueError, match=r"all dissimilarities in the mean of .* are 0\.5"):
        build(slices_of(np.full_like(values, 0.5)), tmp_path)


def test_another_process_is_not_disturbed(values, tmp_path):
    path = build(slices_of(values), tmp_path).path
    (path / "targets.json").unlink()
    code = f"""
        from pathlib import Path
        from alignkit._lock import FolderLock
        lock = FolderLock(Path({str(path)!r}))
        print("held", flush=True)
        input()
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(BlockingIOError, match="another process"):
            build(slices_of(values), tmp_path)
        other.communicate("\n")
    build(slices_of(values), tmp_path)


def test_memory_stays_bounded_whatever_the_rdms_take(rng, tmp_path: Path):
    """400 items at 100 times of two people: 64 MB condensed, 128 MB as squares."""
    n_pairs, times = 400 * 399 // 2, np.arange(100) / 100
    labels = [f"i{k}" for k in range(400)]
    paths = []
    for name in PEOPLE[:2]:
        with RDMStore.create(tmp_path / f"{name}.zarr", labels=labels, times=times) as store:
            for start in range(0, 100, 20):
                store.write(start, rng.random((20, n_pairs), dtype=np.float32))
        paths.append(tmp_path / f"{name}.zarr")
    slices = align_slices(as_sources(paths), [], "raise", 1e-6)[0]
    tracemalloc.start()
    try:
        store = build(slices, tmp_path, PEOPLE[:2], items=range(400), memory="16 MB")
        batch = store.batch(np.arange(50))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert batch.shape == (100, 50 * 49 // 2)
    assert peak < 32e6
