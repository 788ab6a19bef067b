"""What stage 1 reads: NIGHTS, tables of one's own, answers, classes; what it keeps back, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from reference.pi import hue_trials, write_colours, write_trials

from alignkit.train.pi._judgements import read_judgements, shuffled
from alignkit.train.pi.config import PerceptualConfig

HEADER = "reference,left,right,left_votes,right_votes"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_colours(tmp_path / "images", 12)
    return tmp_path


def names_of(data, part):
    return [[data.names[i] for i in row] for row in data.parts[part][0]], data.right(part).tolist()


def test_a_table_with_splits_keeps_what_is_not_train(folder):
    names = [f"c{i:02d}.png" for i in range(12)]
    trials = hue_trials(12, 9)
    splits = ["train", "val", "test"] * 3
    table = write_trials(folder / "trials.csv", names, trials, splits)
    data = read_judgements(PerceptualConfig(judgements=table, images=folder / "images"))
    assert data.kept_back == ("val", "test")
    for part in ("train", "val", "test"):
        rows = [row for row, split in enumerate(splits) if split == part]
        nearer = [float(abs(r - b) < abs(r - a)) for r, a, b in trials[rows]]
        assert names_of(data, part) == ([[names[i] for i in row] for row in trials[rows]], nearer)
    assert [path.name for path in data.photos] == list(data.names)


def test_without_a_split_a_share_is_followed_and_the_seed_says_which(folder):
    names = [f"c{i:02d}.png" for i in range(12)]
    table = write_trials(folder / "trials.csv", names, hue_trials(12, 40))
    config = PerceptualConfig(judgements=table, images=folder / "images", val_share=0.25)
    data, again = read_judgements(config), read_judgements(config)
    assert (len(data.parts["train"][0]), len(data.parts["val"][0])) == (30, 10)
    assert names_of(data, "val") == names_of(again, "val")
    together = sorted(map(tuple, names_of(data, "train")[0] + names_of(data, "val")[0]))
    assert together == sorted(tuple(names[i] for i in row) for row in hue_trials(12, 40))


def test_nights_is_read_by_its_columns_with_six_votes_and_both_halves_of_the_test(folder):
    lines = ["id,left_vote,right_vote,votes,ref_path,left_path,right_path,split,is_imagenet,prompt"]
    for k, (split, votes, imagenet) in enumerate(
        [("train", 6, "TRUE"), ("train", 5, "TRUE"), ("val", 7, "FALSE"), ("test", 8, "TRUE"), ("test", 9, "FALSE")]
    ):
        # sides are swapped in the second half, as in the original
        left, right = (f"c{k + 1:02d}.png", f"c{k + 2:02d}.png")[:: 1 if k < 3 else -1]
        lines.append(f"{k},{k % 2},{1 - k % 2},{votes},c{k:02d}.png,{left},{right},{split},{imagenet},x")
    table = folder / "data.csv"
    table.write_text("\n".join(lines) + "\n")
    data = read_judgements(PerceptualConfig(judgements=table, images=folder / "images"))
    assert list(data.parts) == ["train", "val", "test_imagenet", "test_no_imagenet"]
    assert names_of(data, "train") == ([["c00.png", "c01.png", "c02.png"]], [1.0])
    assert names_of(data, "test_imagenet") == ([["c03.png", "c05.png", "c04.png"]], [0.0])
    every = read_judgements(PerceptualConfig(judgements=table, images=folder / "images", min_votes=1))
    assert len(every.parts["train"][0]) == 2


def test_tied_votes_are_left_out_unless_votes_count_softly(folder):
    table = folder / "trials.csv"
    votes = [(2, 2), (3, 1)] * 4
    rows = [f"c00.png,c01.png,c{k:02d}.png,{left},{right}" for k, (left, right) in enumerate(votes, 2)]
    table.write_text("\n".join([HEADER, *rows]) + "\n")
    config = PerceptualConfig(judgements=table, images=folder / "images", val_share=0.25)
    hard = read_judgements(config)
    assert sum(len(items) for items, _ in hard.parts.values()) == 4
    assert hard.notes == ("4 judgements with tied votes were left out.",)
    soft = read_judgements(PerceptualConfig(judgements=table, images=folder / "images", soft_votes=True))
    assert sorted({value for part in soft.parts for value in soft.right(part)}) == [0.25, 0.5]


def test_odd_one_out_answers_are_about_items_with_several_photos(folder):
    for item in ("cat", "dog", "car", "bus"):
        write_colours(folder / "photos" / item, 2)
    table = folder / "answers.csv"
    table.write_text("first,second,odd\n" + "cat,dog,car\ndog,cat,bus\n" * 5 + "cat,dog,unseen\n")
    data = read_judgements(PerceptualConfig(judgements=table, images=folder / "photos"))
    assert data.kind == "odd-one-out"
    assert set(data.names) == {"cat", "dog", "car", "bus"}
    assert [len(own) for own in data.photos_of] == [2, 2, 2, 2]
    # all answers about three items are on one side
    odd = {part: {data.names[row[2]] for row in items} for part, (items, _) in data.parts.items()}
    assert sorted(odd["train"] | odd["val"]) == ["bus", "car"]
    assert len(odd["train"]) == len(odd["val"]) == 1
    assert data.notes == ("1 answer about items without an image were left out.",)


def test_judgements_of_classes_know_nothing_but_classes(folder):
    for name in ("red", "blue", "green"):
        write_colours(folder / "classes" / name, 4)
    config = PerceptualConfig(label_images=folder / "classes", n_label_judgements=200)
    data = read_judgements(config)
    rows, right = names_of(data, "train")
    classes = [[name.split("/")[0] for name in row] for row in rows]
    assert all(reference == left != other for reference, left, other in classes)
    assert all(row[0] != row[1] for row in rows)
    assert set(right) == {0.0}
    counts = np.unique([row[0] for row in classes], return_counts=True)[1]
    assert counts.min() > 30
    assert len(data.parts["train"][0]) + len(data.parts["val"][0]) == 200


def test_shuffled_choices_say_nothing_and_the_rest_stays():
    items = np.arange(3000).reshape(1000, 3)
    votes = np.tile([3, 1], (1000, 1))
    same, exchanged = shuffled("2afc", items, votes, seed=0)
    assert np.array_equal(same, items)
    assert np.array_equal(exchanged.sum(axis=1), votes.sum(axis=1))
    assert abs((exchanged[:, 1] == 3).mean() - 0.5) < 0.05
    odd, _ = shuffled("odd-one-out", items, votes, seed=0)
    assert np.array_equal(np.sort(odd, axis=1), items)
    assert np.abs(np.bincount(odd[:, 2] % 3) / 1000 - 1 / 3).max() < 0.06


def test_an_odd_one_out_answer_is_two_trials(folder):
    for item in ("cat", "dog", "car"):
        write_colours(folder / "photos" / item, 2)
    table = folder / "answers.csv"
    table.write_text("first,second,odd\n" + "cat,dog,car\n" * 10 + "cat,car,bus\n")
    write_colours(folder / "photos" / "bus", 2)
    data = read_judgements(PerceptualConfig(judgements=table, images=folder / "photos"))
    part = max(data.parts, key=lambda name: len(data.parts[name][0]))
    trials = data.trials(part)
    chosen = trials.items[np.arange(len(trials)), trials.choice + 1]
    named = {(data.names[row[0]], data.names[one]) for row, one in zip(trials.items, chosen, strict=True)}
    assert named == {("cat", "dog"), ("dog", "cat")}


def test_only_what_is_trained_on_is_shuffled(folder):
    names = [f"c{i:02d}.png" for i in range(12)]
    table = write_trials(folder / "trials.csv", names, hue_trials(12, 60))
    plain = PerceptualConfig(judgements=table, images=folder / "images")
    control = PerceptualConfig(judgements=table, images=folder / "images", choices="shuffled")
    a, b = read_judgements(plain), read_judgements(control)
    assert names_of(a, "val") == names_of(b, "val")
    assert np.array_equal(a.parts["train"][0], b.parts["train"][0])
    assert not np.array_equal(a.parts["train"][1], b.parts["train"][1])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b,c\n1,2,3\n", "must be NIGHTS' data.csv, a table with the columns reference"),
        (HEADER + "\nc00.png,c01.png,gone.png,1,0\n", "1 image of .* are not in"),
        (HEADER + "\nc00.png,c01.png,../x.png,1,0\n", "names images outside"),
        (HEADER + "\nc00.png,c01.png,c02.png,1,0\n", "cannot be divided by val_share"),
        (HEADER + ",split\nc00.png,c01.png,c02.png,1,0,val\n", "no judgements to train"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_in_one_sentence(folder, text, said):
    table = folder / "trials.csv"
    table.write_text(text)
    with pytest.raises((ValueError, FileNotFoundError), match=said) as caught:
        read_judgements(PerceptualConfig(judgements=table, images=folder / "images"))
    assert "\n" not in str(caught.value)


def test_a_question_that_was_asked_twice_is_never_on_both_sides(folder):
    names = [f"c{i:02d}.png" for i in range(12)]
    trials = hue_trials(12, 30)
    sides = trials[:, [0, 2, 1]]  # the same question with its sides exchanged
    table = write_trials(folder / "trials.csv", names, np.concatenate([trials, sides, trials[:10]]))
    data = read_judgements(PerceptualConfig(judgements=table, images=folder / "images", val_share=0.3))
    asked = {part: {(row[0], *sorted(row[1:])) for row in data.parts[part][0].tolist()} for part in ("train", "val")}
    assert not asked["train"] & asked["val"]
    assert sum(len(data.parts[part][0]) for part in asked) == 70
    assert 21 <= len(data.parts["val"][0]) < 21 + 6  # 0.3 of 70, and the rest of the last question


def test_one_question_alone_cannot_be_divided(folder):
    trials = np.repeat(hue_trials(12, 1), 20, axis=0)
    table = write_trials(folder / "trials.csv", [f"c{i:02d}.png" for i in range(12)], trials)
    with pytest.raises(ValueError, match="20 judgements cannot be divided"):
        read_judgements(PerceptualConfig(judgements=table, images=folder / "images"))


def test_images_may_be_links_and_names_may_not_lead_outside(folder, tmp_path):
    linked = tmp_path / "linked"
    linked.mkdir()
    for image in (folder / "images").iterdir():
        (linked / image.name).symlink_to(image)
    names = [f"c{i:02d}.png" for i in range(12)]
    table = write_trials(folder / "trials.csv", names, hue_trials(12, 20))
    assert read_judgements(PerceptualConfig(judgements=table, images=linked)).photos[0].parent == linked
    for start in ("../images/", f"{folder / 'images'}/"):
        write_trials(table, [start + name for name in names], hue_trials(12, 20))
        with pytest.raises(ValueError, match="names images outside"):
            read_judgements(PerceptualConfig(judgements=table, images=linked))


def test_images_without_judgements_are_refused():
    with pytest.raises(ValueError, match="images goes with judgements"):
        PerceptualConfig(images=Path("photos"))


def test_judgements_of_classes_hold_the_images_that_were_drawn_alone(folder):
    for name in ("a", "b"):
        write_colours(folder / "classes" / name, 24)
    data = read_judgements(PerceptualConfig(label_images=folder / "classes", n_label_judgements=5, val_share=0.4))
    used = np.unique(np.concatenate([items for items, _ in data.parts.values()]))
    assert used.tolist() == list(range(len(data.photos)))
    assert [path.relative_to(folder / "classes").as_posix() for path in data.photos] == list(data.names)
    for reference, same, other in data.parts["train"][0]:
        assert data.names[reference][0] == data.names[same][0] != data.names[other][0]
