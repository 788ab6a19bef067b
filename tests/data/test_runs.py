from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alignkit.data._runs import Run, find_runs

LABELS = ["rest", "face", "face", "house", "rest", "rest", "house", "house", "face", "rest"]


def runs(sizes: list[int], **options: object) -> list[Run]:
    defaults = {"events": None, "labels": None, "runs": None, "tr": 2.0, "rest": "rest"}
    return find_runs(sizes, **{**defaults, **options})  # type: ignore[arg-type]


def table(*rows: tuple[float, float, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["onset", "duration", "trial_type"])


def test_labels_of_volumes_by_run() -> None:
    first, second = runs([10], labels=LABELS, runs=[1] * 5 + [2] * 5)
    assert (first.name, first.volumes, first.n_volumes) == ("1", slice(0, 5), 5)
    assert first.events.labels == ("face", "house")
    np.testing.assert_array_equal(first.events.onsets, [2.0, 6.0])
    assert (second.name, second.volumes) == ("2", slice(5, 10))
    np.testing.assert_array_equal(second.events.onsets, [2.0, 6.0])  # from the start of its own run
    np.testing.assert_array_equal(second.events.durations, [4.0, 2.0])


def test_an_event_ends_with_its_run() -> None:
    first, second = runs([6], labels=["face"] * 6, runs=[1, 1, 1, 2, 2, 2])
    np.testing.assert_array_equal([*first.events.durations, *second.events.durations], [6.0, 6.0])


def test_every_image_is_a_run_unless_told_otherwise() -> None:
    assert [run.name for run in runs([5, 5], labels=LABELS)] == ["1", "2"]
    assert [run.name for run in runs([5, 5], labels=LABELS, runs=["a", "b"])] == ["a", "b"]
    assert [run.name for run in runs([5, 5], labels=LABELS, runs=["a"] * 5 + ["b"] * 5)] == ["a", "b"]
    assert [run.name for run in runs([10], labels=LABELS)] == ["1"]


def test_an_attributes_file_brings_its_runs(tmp_path: Path) -> None:
    path = tmp_path / "attributes.txt"
    path.write_text("\n".join(f"{label} {i // 5}" for i, label in enumerate(LABELS)))
    assert [run.name for run in runs([10], events=path)] == ["0", "1"]
    assert [run.name for run in runs([10], events=path, runs=["only"] * 10)] == ["only"]
    with pytest.raises(ValueError, match="labels must name every volume: the images hold 11, got 10"):
        runs([11], events=path)


def test_one_table_per_run() -> None:
    tables = [table((0, 2, "face"), (4, 2, "rest")), table((3, 2, "house"))]
    first, second = runs([5, 5], events=tables)
    assert (first.events.labels, second.events.labels) == (("face",), ("house",))
    with pytest.raises(ValueError, match="one table per run; got 2 tables for 1 run: see runs="):
        runs([10], events=tables)


def test_runs_in_pieces_or_across_images() -> None:
    with pytest.raises(ValueError, match="volumes of run 'a' are not successive ones of one image"):
        runs([10], labels=LABELS, runs=["a"] * 3 + ["b"] * 4 + ["a"] * 3)
    with pytest.raises(ValueError, match="volumes of run 'a' are not successive ones of one image"):
        runs([5, 5], labels=LABELS, runs=["a"] * 10)
    with pytest.raises(ValueError, match="runs must name every volume: the images hold 10, got 9"):
        runs([10], labels=LABELS, runs=["a"] * 9)


def test_events_outside_of_their_run() -> None:
    with pytest.raises(
        ValueError, match=r"run '1' lasts 10 s \(5 volumes, one each 2 s\), but events start after .* 'face'"
    ):
        runs([5], events=table((0, 2, "house"), (10, 2, "face")))
    with pytest.raises(ValueError, match=r"run '1' has 1 event\(s\) that end before it starts"):
        runs([5], events=table((-8, 2, "house"), (4, 2, "face")))


def test_rest_by_name() -> None:
    events = table((0, 2, "fixation"), (4, 2, "face"), (8, 1, "blank"))
    (run,) = runs([5], events=events, rest=["fixation", "blank"])
    assert run.events.labels == ("face",)
    with pytest.raises(ValueError, match="rest names 'fix', which no event is called; there are 'blank', 'face'"):
        runs([5], events=events, rest="fix")
    with pytest.raises(ValueError, match=r"nothing but rest in run\(s\) '2'"):
        runs([5, 5], labels=["face"] * 5 + ["rest"] * 5)


def test_either_events_or_labels() -> None:
    for options in ({}, {"labels": LABELS, "events": table((0, 2, "face"))}):
        with pytest.raises(ValueError, match=r"give either events= .* or labels="):
            runs([10], **options)


def test_events_without_a_type_are_named_or_dropped() -> None:
    events = table((0, 2, "face"), (4, 2, "n/a"), (8, 1, "house"))
    with pytest.raises(ValueError, match=r"run\(s\) '1' have events without a trial_type \(n/a\); drop them, or name"):
        runs([5], events=events)
    (run,) = runs([5], events=events, rest=["rest", "n/a"])
    assert run.events.labels == ("face", "house")
    assert runs([5], events=table((0, 2, "face")), rest=["rest", "n/a"])[0].events.labels == ("face",)


def test_images_of_one_volume_make_runs_together() -> None:
    first, second = runs([1] * 10, labels=LABELS, runs=[1] * 5 + [2] * 5)
    assert (first.volumes, second.volumes) == (slice(0, 5), slice(5, 10))
    with pytest.raises(ValueError, match="there are 10 images of one volume each; give runs="):
        runs([1] * 10, labels=LABELS)
    assert runs([1], labels=["face"])[0].name == "1"


def test_an_event_before_the_run_counts_while_it_lasts() -> None:
    (run,) = runs([5], events=table((-8, 8.5, "house"), (4, 2, "face")))
    assert run.events.labels == ("house", "face")
    with pytest.raises(ValueError, match="end before it starts"):
        runs([5], events=table((-1.5, 1, "house"), (4, 2, "face")))
