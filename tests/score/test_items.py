"""``items=``: what photos show, for any data set."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit.models import Features
from alignkit.score import score


@pytest.fixture
def photos(lab, tmp_path):
    """Two photos of every object but the last two, which share theirs; and the table that says so."""
    rng = np.random.default_rng(0)
    rows, x, names = ["file,item,relation,room"], [], []
    for i, label in enumerate(lab.labels[:-2]):
        for k in range(2):
            names.append(f"set/{k}-{i}.png")
            x.append(lab.embedding[i] + 0.3 * rng.normal(size=lab.embedding.shape[1]))
            rows.append(f"{k}-{i}.png,{label},{('exact', 'hyponym')[k]},{'AB'[k]}")
    names.append("both.png")
    x.append(lab.embedding[-2:].mean(axis=0))
    rows += [f"both.png,{label},exact,A" for label in lab.labels[-2:]]
    table = tmp_path / "photos.csv"
    table.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return Features.from_array(np.array(x), names, name="model"), table


def by_hand(photos, lab, take):
    x = photos[0].array()
    rows = [take(x[2 * i : 2 * i + 2]) for i in range(len(lab.labels) - 2)] + [x[-1], x[-1]]
    return Features.from_array(np.array(rows), lab.labels, name="model")


def lines(table):
    return table.to_dict()["rows"]


def close(a, b):
    assert len(a) == len(b)
    for one, other in zip(a, b, strict=True):
        assert one.keys() == other.keys()
        for key, value in one.items():
            assert other[key] == (pytest.approx(value, abs=1e-9) if isinstance(value, float) else value)


def test_photos_are_averaged_and_one_may_show_several_items(lab, photos, quick):
    features, table = photos
    found = quick(features, lab, items=table)
    close(lines(found), lines(quick(by_hand(photos, lab, lambda own: own.mean(axis=0)), lab)))
    assert found.notes[0] == f"model: {len(features)} inputs stand for 24 items."
    assert (found.settings["items"], found.settings["many"]) == ("photos.csv", "average")
    assert "Photos were assigned to items by photos.csv; several photos of one were averaged" in found.methods_text()


def test_best_is_one_photo_each_and_says_so(lab, photos, quick):
    found = quick(photos[0], lab, items=photos[1], many="best")
    # of two, both are as near to their mean: the first
    close(lines(found), lines(quick(by_hand(photos, lab, lambda own: own[0]), lab)))
    assert found.notes[0] == f"model: {len(photos[0])} inputs stand for 24 items (the most typical one each)."
    assert "represented by the most typical one" in found.methods_text()


def test_best_works_for_folders_of_one_item_each(lab, make, quick):
    one = make()
    views = Features.from_array(
        np.concatenate([one.array(), one.array() + 1.0, one.array() + 5.0]),
        [f"{label}/{k}.png" for k in range(3) for label in one.labels],
        name="model",
    )
    middle = Features.from_array(one.array() + 1.0, one.labels, name="model")
    assert lines(quick(views, lab, many="best")) == lines(quick(middle, lab))


def test_the_choice_of_a_photo_knows_nothing_of_answers(lab, photos, quick):
    import dataclasses

    turned = dataclasses.replace(lab.triplets, items=np.roll(lab.triplets.items, 1, axis=1))
    other = dataclasses.replace(lab, triplets=turned)
    a, b = (quick(photos[0], one, items=photos[1], many="best") for one in (lab, other))
    assert a.value("model", "fMRI", "spearman").value == b.value("model", "fMRI", "spearman").value
    assert a.value("model", "answers", "odd-one-out acc").value != b.value("model", "answers", "odd-one-out acc").value


@pytest.mark.parametrize("options", [{"relation": "exact"}, {"where": ["room=A"]}, {"where": "relation=exact"}])
def test_filters_leave_photos_out(lab, photos, quick, options):
    found = quick(photos[0], lab, items=photos[1], **options)
    close(lines(found), lines(quick(by_hand(photos, lab, lambda own: own[0]), lab)))
    assert found.notes[0].startswith("model: 23 inputs stand for 24 items; 22 matched none ('set/1-0.png', ")


def test_curves_are_of_the_same_photos(lab, photos, quick):
    features, table = photos
    x = features.array()
    both = Features.from_arrays({"a": x + 1, "b": x**2}, features.labels, name="net")
    found = quick(both, lab, items=table, layers="all", many="best")
    expected = quick(both, lab, items=table, layer="a", many="best").value("net [a]", "fMRI", "spearman")
    assert found.value("net", "fMRI", "spearman with people's RDMs", layer="a").value == pytest.approx(expected.value)


def test_photos_without_features_and_features_without_photos_are_told(lab, photos, quick):
    features, table = photos
    some = features.select(features.labels[5:])
    stray = Features.from_array(np.vstack([some.array(), some.array()[:1]]), [*some.labels, "stray.png"], name="model")
    note = quick(stray, lab, items=table).notes[0]
    assert (
        "; 1 matched none ('stray.png'); 5 of the files in photos.csv have no features ('0-0.png', '1-0.png', " in note
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda text: text.replace("file,", "photo,", 1), r"lacks the column\(s\) 'file'"),
        (lambda text: text.replace(",item,", ",name,", 1), "has no column 'item' or 'concept' or 'uniqueID'"),
        (lambda text: text + "x.png,unicorn,exact,A\n", "names items that are not in the simulated lab: 'unicorn'"),
        (lambda text: text + text.splitlines()[1] + "\n", "lists photos twice for the same item: '0-0.png for "),
        (lambda text: text.replace(".png", ".webp.old"), "none of the inputs of 'model' .* is among the files of"),
    ],
)
def test_wrong_tables_are_refused_in_one_sentence(lab, photos, change, sentence):
    features, table = photos
    table.write_text(change(table.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(ValueError, match=sentence) as caught:
        score(features, lab, items=table)
    assert "\n" not in str(caught.value)


def test_filters_without_a_table_are_refused(lab, make, root):
    with pytest.raises(ValueError, match=r"^relation filters the table that says what photos show; give that table"):
        score(make(), lab, relation="exact")
    with pytest.raises(ValueError, match=r"^where filters the table"):
        score(make(), "things", root=root, where=["a=b"])
    with pytest.raises(TypeError, match=r"^where must be a list of names; got 3\.$"):
        score(make(), lab, where=3)
    with pytest.raises(ValueError, match="many must be one of 'average', 'best'; got 'worst'"):
        score(make(), lab, many="worst")


def test_the_photos_of_things_by_the_table_and_without_it(root):
    import csv

    path = root / "things" / "photos_manifest.csv"
    if not path.exists():
        pytest.skip("real data not at hand: things/photos_manifest.csv (set ALIGNKIT_DATA)")
    with open(path, newline="", encoding="utf-8") as file:
        files = sorted({row["file"] for row in csv.DictReader(file)})
    x = np.random.default_rng(0).normal(size=(len(files), 4))
    features = Features.from_array(x, files, name="photos")
    for relation in ("any", "exact"):
        options = {"root": root, "n_bootstrap": 0, "n_shuffles": 1, "relation": relation}
        named, known = score(features, "things", items=path, **options), score(features, "things", **options)
        assert lines(named) == lines(known)


def test_items_of_another_data_set(root, tmp_path):
    from alignkit.data import load_rsa92

    labels = load_rsa92(root).labels
    x = np.random.default_rng(0).normal(size=(92, 5))
    (tmp_path / "m.tsv").write_text(
        "concept\tfile\n" + "\n".join(f"{label}\tpic{k:02d}.jpg" for k, label in enumerate(labels)) + "\n"
    )
    names = [f"pic{k:02d}" for k in range(92)]
    options = {"root": root, "n_bootstrap": 0, "n_shuffles": 1}
    found = score(Features.from_array(x, names, name="m"), "rsa92", items=tmp_path / "m.tsv", **options)
    assert lines(found) == lines(score(Features.from_array(x, labels, name="m"), "rsa92", **options))
