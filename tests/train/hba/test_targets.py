from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignkit.data import load_things
from alignkit.train.hba._targets import read_targets, scale_targets, things_targets

TABLE = "item,metallic,food,soft\ncat,0.1,0,0.9\nspoon,2.1,0.4,0\nbread,0,1.9,0.8\n"


def write(tmp_path, text, name="targets.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_a_table_is_read_by_name_on_one_scale(tmp_path):
    targets = read_targets(write(tmp_path, TABLE))
    assert targets.labels == ("cat", "spoon", "bread")
    assert targets.dimensions == ("metallic", "food", "soft")
    assert (targets.low, targets.high) == (0.0, 2.1)
    # one minimum and maximum for the whole table, not per column
    assert targets.values[1].tolist() == pytest.approx([100.0, 100 * 0.4 / 2.1, 0.0])
    assert not targets.values.flags.writeable


def test_tabs_are_read_too(tmp_path):
    assert read_targets(write(tmp_path, TABLE.replace(",", "\t"), "targets.tsv")).dimensions[0] == "metallic"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("item,a,b\ncat,1,2\ndog,2,1\n", "2 dimension"),
        ("item,a,a,b\ncat,1,2,3\ndog,2,1,4\n", "names dimensions twice: 'a'"),
        ("item,a,b,c\ncat,1,2,3\ncat,2,1,4\n", "unique; repeated: 'cat'"),
        ("item,a,b,c\ncat,1,2,\ndog,2,1,4\n", "nothing for 'cat' in the column 'c'"),
        ("item,a,b,c\ncat,1,2,nan\ndog,2,1,4\n", "has 'nan' for 'cat' in the column 'c'; give a finite number"),
        ("item,a,b,c\ncat,1,2,3\ndog,2,-inf,4\n", "has '-inf' for 'dog' in the column 'b'"),
        ("item,kind,a,b,c\ncat,animal,1,2,3\ndog,animal,2,1,4\n", "column 'kind' .* must hold numbers"),
        (",image_name,0,1,2\n0,cat,1,2,3\n1,dog,2,1,4\n", "holds numbers, not names"),
        ("item,a,b,c\ncat,1,2,3\ndog,1,2,4\n", "same for all items: 'a', 'b'"),
        ("item,a,b,c\ncat,1,1,1\ndog,3,2,4\n", "same value in all dimensions: 'cat'"),
        ("item,a,b,c\n", "must hold a header"),
        ("item\ncat\n", "must hold a header"),
        ("item;a;b;c\ncat;1;2;3\ndog;2;1;4\n", "a column for each dimension, with commas between them"),
        ("item,a,,c\ncat,1,2,3\ndog,2,1,4\n", "without a name"),
        ("item,a,b,c\ncat,1,2,3\ndog,2,1\n", "breaks off"),
        ("item,a,b,c\n,1,2,3\ndog,2,1,5\n", "empty label"),
    ],
)
def test_tables_that_cannot_be_meant_are_refused(tmp_path, text, error):
    with pytest.raises(ValueError, match=error):
        read_targets(write(tmp_path, text))


@pytest.mark.parametrize("factor", [-1e300, -3.0, 1e-300, 1e12])
def test_any_scale_will_do(rng, factor):
    x = rng.normal(size=(6, 4)) - 2
    found = scale_targets(factor * x, list("abcdef"), list("wxyz"), name="mine", limits=None)
    assert (found.values.min(), found.values.max()) == pytest.approx((0, 100))
    assert found.low + found.values / 100 * (found.high - found.low) == pytest.approx(factor * x, rel=1e-9)


def test_numbers_too_far_apart_are_refused(rng):
    x = rng.choice([-1.7e308, 1.7e308], size=(6, 4)) * rng.random((6, 4))
    x[0, 0], x[1, 1] = -1.7e308, 1.7e308
    with pytest.raises(ValueError, match=r"mine reaches from -1\.7e\+308 to 1\.7e\+308, too far apart"):
        scale_targets(x, list("abcdef"), list("wxyz"), name="mine", limits=None)


def test_a_folder_or_nothing_is_refused(tmp_path):
    with pytest.raises(IsADirectoryError):
        read_targets(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_targets(tmp_path / "none.csv")


def test_inputs_are_left_alone(readonly):
    values = readonly(np.arange(12.0).reshape(3, 4) ** 2)
    targets = scale_targets(values, list("abc"), list("wxyz"), name="these", limits=(0.0, 200.0))
    assert targets.values.max() == pytest.approx(60.5)


def test_things_targets_are_the_published_ones(shared_data):
    root = shared_data("things").parent
    published = pd.read_csv(shared_data("things", "hba_target_published.csv"), index_col=0)
    targets = things_targets(load_things(root, order="published"), "spose66")
    assert targets.values == pytest.approx(published.iloc[:, 1:].to_numpy(), abs=1e-7)
    # the first file of that table shows the first object
    assert [name.rsplit("_", 1)[0] for name in published["image_name"]] == list(targets.labels)


def test_things_targets_differ_in_21_rows_between_orders(shared_data):
    root = shared_data("things").parent
    for which, n in (("spose66", 66), ("spose49", 49)):
        fixed = things_targets(load_things(root), which)
        published = things_targets(load_things(root, order="published"), which)
        row = {label: i for i, label in enumerate(published.labels)}
        aligned = published.values[[row[label] for label in fixed.labels]]
        assert fixed.values.shape == (1854, n)
        assert (aligned != fixed.values).any(axis=1).sum() == 21
        assert (fixed.low, fixed.high) == (published.low, published.high)


def test_an_unknown_embedding_is_refused(shared_data):
    with pytest.raises(ValueError, match="targets must be one of 'spose66', 'spose49'"):
        things_targets(load_things(shared_data("things").parent), "spose50")
