from __future__ import annotations

import base64
import io
import json
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.distance import squareform

from alignkit.report._heat_map import MOST_ITEMS, heat_map
from alignkit.report._item_map import MOST_ITEMS as MOST_POINTS
from alignkit.report._item_map import item_map
from alignkit.report._items import Items
from alignkit.report._legend import MOST_GROUPS, colours_of
from alignkit.rsa import RDM

LABELS = ["</svg>", "b", "c", "d"]


def parsed(chart):
    root = ElementTree.fromstring(chart.svg)
    (group,) = [one for one in root.iter("g") if one.get("class") == "heat"]
    return root, group


def pixels(group):
    data = group.find("image").get("href").partition(",")[2]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA")).astype(int)


def test_the_map_holds_every_label_and_value():
    rdm = RDM([1, 2, 3, 4, np.nan, 123.456789], labels=LABELS, metric="cosine")
    chart = heat_map(rdm, "T")
    _, group = parsed(chart)
    assert json.loads(group.get("data-labels")) == LABELS
    assert json.loads(group.get("data-values")) == [1, 2, 3, 4, None, 123.5]
    image = pixels(group)
    assert image.shape == (4, 4, 4)
    np.testing.assert_array_equal(image, image.transpose(1, 0, 2))
    assert (image[range(4), range(4), 3] == 0).all()  # the diagonal shows the page
    assert image[1, 3].tolist() == [128, 128, 128, 255]
    brightness = image[..., :3].sum(axis=-1)
    assert brightness[0, 1] < brightness[0, 3] < brightness[2, 3]
    assert "from 1 to 123.5" in chart.alt


def test_items_of_a_category_stand_together():
    values = np.arange(1.0, 7.0)
    items = Items({"b": "data:image/jpeg;base64,"}, {"</svg>": "z", "c": "a", "d": "z"})
    chart = heat_map(RDM(values, labels=LABELS), "T", items)
    root, group = parsed(chart)
    names = json.loads(group.get("data-labels"))
    assert names == ["c", "</svg>", "d", "b"]
    order = [LABELS.index(name) for name in names]
    expected = squareform(squareform(values)[np.ix_(order, order)])
    assert json.loads(group.get("data-values")) == expected.tolist()
    assert {text.text for text in root.iter("text")} >= {"a", "z", "T"}
    assert dict(chart.pictures) == {"b": "data:image/jpeg;base64,"}


def test_several_rdms_are_averaged_and_many_items_thinned():
    stack = RDM([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    chart = heat_map(stack, "T")
    assert json.loads(parsed(chart)[1].get("data-values")) == [2, 2, 2]
    assert "mean of 2 RDMs" in chart.caption
    n = MOST_ITEMS + 50
    many = heat_map(RDM(np.arange(n * (n - 1) / 2)), "T")
    labels = json.loads(parsed(many)[1].get("data-labels"))
    assert len(labels) == MOST_ITEMS
    assert (labels[0], labels[-1]) == ("0", str(n - 1))
    assert f"{MOST_ITEMS} of {n} items are shown" in many.caption
    assert len(many.svg) < 300_000


def test_a_matrix_of_nothing_is_grey():
    chart = heat_map(RDM([np.nan] * 3), "T")
    assert json.loads(parsed(chart)[1].get("data-values")) == [None] * 3
    assert item_map(RDM([np.nan, 1.0, 1.0]), "T") is None


def test_every_item_of_a_map_is_a_mark_from_left_to_right():
    rdm = RDM(np.random.default_rng(0).random(45) + 1, labels=[f"i{k}" for k in range(9)] + ["<b>"])
    chart = item_map(rdm, "T", Items({}, {"i3": "</svg>"}))
    root = ElementTree.fromstring(chart.svg)
    marks = [one for one in root.iter() if one.get("data-tip")]
    assert sorted(one.get("data-tip") for one in marks) == sorted(
        [f"i{k}" for k in range(9) if k != 3] + ["<b>", "i3\n</svg>"]
    )
    places = [float(one.get("cx")) for one in marks]
    assert places == sorted(places)
    assert all(0 < float(one.get("cx")) < 480 and 26 < float(one.get("cy")) < 426 for one in marks)
    many = item_map(RDM(np.ones((MOST_POINTS + 9) * (MOST_POINTS + 8) // 2)), "T")
    assert many.svg.count("data-tip") == MOST_POINTS


@pytest.mark.parametrize("n", [1, 7, 8, 40])
def test_groups_are_told_apart_by_colour_and_shape(n):
    looks = colours_of([f"g{k}" for k in range(n)] + [""])
    assert len(set(looks.values())) == len(looks) == min(n, MOST_GROUPS)
    assert "" not in looks
