from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from reference.subset_choice import choice_dissimilarities

from alignkit.data import Things, load_things

#: The 21 rows that differ, as published: file order -> uniqueID order (first row of each group).
GROUPS = {
    246: ("camera_lens camera1 camera2", "camera1 camera2 camera_lens"),
    322: ("chicken_wire chicken1 chicken2", "chicken1 chicken2 chicken_wire"),
    453: ("crystal_ball crystal1 crystal2", "crystal1 crystal2 crystal_ball"),
    801: (
        "hot_chocolate hot_tub hot-air_balloon hot-water_bottle",
        "hot-air_balloon hot-water_bottle hot_chocolate hot_tub",
    ),
    816: ("ice ice_cream ice_cube ice_pack ice-cream_cone", "ice-cream_cone ice ice_cream ice_cube ice_pack"),
    1149: ("pepper_mill pepper1 pepper2", "pepper1 pepper2 pepper_mill"),
}
#: Rows of the 48 in uniqueID order, as published but for camera1.
ROWS48 = """1192 107 951 1626 361 511 741 1007 1783 515 651 1631 309 368 1041 1328 882 167 252 1608 996 219 1730 606
1195 1723 247 1339 264 486 1677 1713 178 766 583 120 1052 259 1655 796 1717 1256 847 1638 54 897 1623 209"""


def accuracy(items: np.ndarray, x: np.ndarray) -> float:
    """Share of the rows whose first two items have the largest dot product, in per cent."""
    gram = x @ x.T
    a, b, c = items.T
    right = (gram[a, b] > gram[a, c]) & (gram[a, b] > gram[b, c])
    return 100 * float(right.mean())


def test_row_order_map(things: Things, shared_data: Callable[..., Path]) -> None:
    lines = shared_data("things", "things_row_orders.tsv").read_text(encoding="utf-8").splitlines()[1:]
    raw = [line.split("\t")[1] for line in lines]
    assert list(things.file_order) == raw
    assert list(things.labels) == [line.split("\t")[2] for line in lines]
    index = np.loadtxt(shared_data("things", "sortindex.txt"), dtype=int)
    np.testing.assert_array_equal(things.sortindex, index)
    assert all(things.labels[i] == raw[index[i]] for i in range(1854))
    differ = [i for i in range(1854) if things.labels[i] != raw[i]]
    assert len(differ) == 21
    for first, (ours, files) in GROUPS.items():
        group = ours.split()
        assert things.labels[first : first + len(group)] == tuple(group)
        assert things.file_order[first : first + len(group)] == tuple(files.split())


def test_triplets_are_renumbered_by_name(things: Things, published: Things, shared_data: Callable[..., Path]) -> None:
    raw = np.loadtxt(shared_data("things", "triplets_test10.txt"), dtype=int)
    np.testing.assert_array_equal(published.test10.items, raw)
    names = np.array(things.file_order)[raw]
    np.testing.assert_array_equal(np.array(things.labels)[things.test10.items], names)
    assert things.test10.labels == published.test10.labels == things.labels


def test_repeats(things: Things, shared_data: Callable[..., Path]) -> None:
    raw = np.loadtxt(shared_data("things", "triplets_repeats.csv"), dtype=int)
    files, labels = np.array(things.file_order), np.array(things.labels)
    for row in range(0, 20_000, 97):
        shown = files[raw[row, :3] - 1]
        assert labels[things.repeats.items[row, 2]] == shown[raw[row, 3] - 1]
        assert set(labels[things.repeats.items[row]]) == set(shown)
    assert things.repeats.participant is not None
    assert things.repeats.repeat is not None
    np.testing.assert_array_equal(things.repeats.participant, raw[:, 4])
    assert len(np.unique(things.repeats.participant)) == 325
    sizes = np.bincount(things.repeats.repeat)
    assert sizes.size == 1000
    assert (sizes.min(), sizes.max()) == (14, 25)
    same = {}
    for items, repeat in zip(things.repeats.items, things.repeats.repeat, strict=True):
        assert same.setdefault(repeat, set(items)) == set(items)


def test_spose_accuracy_on_people(things: Things, published: Things) -> None:
    assert accuracy(things.repeats.items, things.spose66) == pytest.approx(64.26, abs=0.01)
    assert accuracy(published.repeats.items, published.spose66) == pytest.approx(63.64, abs=0.01)
    assert accuracy(things.test10.items, things.spose66) == pytest.approx(65.68, abs=0.01)


def test_chickens_neighbours_are_food_in_the_fixed_order_only(things: Things, published: Things) -> None:
    unit = things.spose66 / np.linalg.norm(things.spose66, axis=1, keepdims=True)
    food = things.categories()["food"].to_numpy()

    def share_of_food(data: Things) -> float:
        # the number that the answers about chicken1 carry
        item = data.labels.index("chicken1") if data.order == "fixed" else data.file_order.index("chicken1")
        nearest = np.argsort(-unit @ unit[item])[1:11]
        return float(food[nearest].mean())

    assert share_of_food(things) >= 0.9
    assert share_of_food(published) <= 0.1


def test_camera1_is_restored(things: Things, published: Things) -> None:
    rows = [int(text) for text in ROWS48.split()]
    np.testing.assert_array_equal(things.rows48, rows)
    assert things.rdm48.labels is not None
    assert list(things.rdm48.labels) == [things.labels[row] for row in rows]
    camera = things.rdm48.labels.index("camera1")
    assert (things.rows48[camera], published.rows48[camera]) == (247, 246)
    assert things.labels[published.rows48[camera]] == "camera_lens"
    assert np.flatnonzero(things.rows48 != published.rows48).tolist() == [camera]
    assert "file1" in things.rdm48.labels


def test_rows48_file(things: Things, shared_data: Callable[..., Path]) -> None:
    np.testing.assert_array_equal(
        things.rows48, np.loadtxt(shared_data("things", "things_row_of_words48.txt"), dtype=int)
    )


@pytest.mark.parametrize(
    ("name", "order", "expected"),
    [
        ("spose66", "fixed", 0.9060),
        ("spose66", "published", 0.9039),
        ("spose49", "fixed", 0.8996),
        ("spose49", "published", 0.8982),
    ],
)
def test_rdm48_against_the_embeddings(
    things: Things, published: Things, name: str, order: str, expected: float
) -> None:
    data = things if order == "fixed" else published
    rows = getattr(data, name)[data.rows48].tolist()
    r = np.corrcoef(choice_dissimilarities(rows), data.rdm48.values)[0, 1]
    assert r == pytest.approx(expected, abs=5e-5)


def test_contents(things: Things) -> None:
    assert things.spose66.shape == (1854, 66)
    assert things.spose49.shape == (1854, 49)
    assert things.dimension_labels[:3] == ("metallic/artificial", "food-related", "animal-related")
    assert len(things.dimension_labels) == 66
    assert (np.diff(things.spose66.sum(axis=0)) < 0).all()
    assert tuple(things.concepts.index) == things.labels
    assert things.concepts.loc["chicken1", "Word"] == "chicken"
    assert things.test10.n_items == 1854
    assert len(things.test10) == 146_168
    assert not things.spose66.flags.writeable


def test_repr_says_which_order(things: Things, published: Things) -> None:
    assert "order='fixed' (triplets, embeddings and labels agree)" in repr(things)
    assert "published mix-up" in repr(published)
    assert "21 concepts are wrong" in repr(published)


def test_loads_fast(things: Things) -> None:
    start = time.perf_counter()
    load_things(things.folder.parent)
    assert time.perf_counter() - start < 3


def test_unknown_order() -> None:
    with pytest.raises(ValueError, match="order must be one of 'fixed', 'published'; got 'sorted'"):
        load_things("/nowhere", order="sorted")  # type: ignore[arg-type]


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"needs things_concepts\.tsv, which is not at"):
        load_things(tmp_path)


@pytest.fixture
def copied(things: Things, tmp_path: Path) -> Path:
    """The text and mat files of THINGS, to be damaged."""
    folder = tmp_path / "things"
    folder.mkdir()
    for path in things.folder.iterdir():
        if path.suffix in {".txt", ".tsv", ".csv", ".mat"}:
            shutil.copyfile(path, folder / path.name)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("spose_embedding_66d_sorted.txt", "not a table of numbers|rows and 66 columns, 1,854 and 66 are expected"),
        ("triplets_test10.txt", "146,168 and 3 are expected|not a table of numbers"),
        ("triplets_repeats.csv", "20,000 and 5 are expected|not a table of numbers"),
        ("RDM48_triplet.mat", "not a readable MATLAB file"),
        ("words48.mat", "not a readable MATLAB file"),
        ("labels66.txt", "66 are expected"),
        ("things_concepts.tsv", "1,854 are expected|is not a readable table|breaks off"),
    ],
)
def test_truncated_files(copied: Path, file: str, message: str) -> None:
    path = copied / "things" / file
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=message):
        load_things(copied)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="is empty"):
        load_things(copied)
    path.unlink()
    path.mkdir()
    with pytest.raises(IsADirectoryError, match="is a directory"):
        load_things(copied)


def test_swapped_columns_are_detected_at_loading(copied: Path) -> None:
    path = copied / "things/triplets_test10.txt"
    np.savetxt(path, np.loadtxt(path, dtype=int)[:, [2, 0, 1]], fmt="%d")
    with pytest.raises(ValueError, match=r"triplets_test10\.txt: the embedding picks the first column as the odd one"):
        load_things(copied)


def test_items_one_place_off_are_detected(copied: Path) -> None:
    path = copied / "things/triplets_test10.txt"
    np.savetxt(path, (np.loadtxt(path, dtype=int) + 1) % 1854, fmt="%d")
    with pytest.raises(ValueError, match=r"triplets_test10\.txt: SPoSE-66 predicts 3\d\.\d% of the answers"):
        load_things(copied)


@pytest.mark.parametrize("name", ["spose_embedding_66d_sorted.txt", "spose_embedding_49d_sorted.txt"])
def test_nan_in_an_embedding_is_located(copied: Path, name: str) -> None:
    path = copied / "things" / name
    table = np.loadtxt(path)
    table[4, 2] = np.nan
    np.savetxt(path, table)
    with pytest.raises(ValueError, match=rf"{name} holds NaN or infinity in row 5, column 3"):
        load_things(copied)


def test_one_based_triplets_are_detected(copied: Path) -> None:
    path = copied / "things/triplets_test10.txt"
    np.savetxt(path, np.loadtxt(path, dtype=int) + 1, fmt="%d")
    with pytest.raises(ValueError, match="item numbers from 1 to 1854"):
        load_things(copied)


def test_variable_root(things: Things, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALIGNKIT_DATA", str(things.folder.parent))
    assert load_things().labels == things.labels
