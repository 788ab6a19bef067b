from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignkit.meg._things_concepts import with_concepts


def table(paths, numbers):
    return pd.DataFrame({"image_path": paths, "things_category_nr": numbers})


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["images_meg/bat1/bat1_01b.jpg", "images_meg/cat/cat_02s.jpg"], ["bat1", "cat"]),
        (["images_meg\\bat1\\bat1_01b.jpg", "images_meg\\cat\\cat_02s.jpg"], ["bat1", "cat"]),
        (["test/chest_of_drawers_13s.jpg", "test/ice_cream_02n.png"], ["chest_of_drawers", "ice_cream"]),
        (["bat1_01b.jpg", "cat_02s.jpg"], ["bat1", "cat"]),
        (["x/bat1/01.jpg", "x/cat/01.jpg"], ["bat1", "cat"]),
    ],
)
def test_names_are_those_of_folders_or_files(paths, names):
    given = table([*paths, paths[0], "catch.jpg"], [3, 1, 3, np.nan])
    before = given.copy()
    found = with_concepts(given)
    assert found["concept"].tolist()[:3] == [*names, names[0]]
    assert found["concept"].isna().tolist() == [False, False, False, True]  # a catch trial shows none
    pd.testing.assert_frame_equal(given, before)
    pd.testing.assert_frame_equal(found.drop(columns="concept"), before)


@pytest.mark.parametrize(
    ("paths", "numbers"),
    [
        (["x/cat/cat_01b.jpg", "x/dog/dog_01b.jpg"], [1, 1]),  # one number, two names
        (["x/cat/cat_01b.jpg", "x/cat/cat_02b.jpg"], [1, 2]),  # one name, two numbers
        (["x/cat/cat_01b.jpg", "x/dog/dog_01b.jpg", "x/dog/dog_02b.jpg"], [1, 2, 1]),
    ],
)
def test_names_that_are_not_one_to_one_are_none(paths, numbers):
    assert with_concepts(table(paths, numbers)) is None


def test_tables_that_name_them_already_or_have_no_paths_stay():
    for given in (table(["x/cat/a.jpg"], [1]).assign(concept="mine"), pd.DataFrame({"things_category_nr": [1, 2]})):
        assert with_concepts(given) is given
