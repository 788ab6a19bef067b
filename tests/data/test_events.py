from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alignkit.data._events import Events, VolumeLabels, events_of_volumes, read_attributes, read_events

TABLE = "onset\tduration\ttrial_type\tresponse_time\n12.5\t2\thouse\tn/a\n0\t2\tface\t0.4\n30\t0\tface\tn/a\n"


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def only(events: object) -> Events:
    (table,) = read_events(events)  # type: ignore[arg-type, misc]
    assert isinstance(table, Events)
    return table


def test_bids_events_in_order_of_onset(tmp_path: Path) -> None:
    files = [
        written(tmp_path / "run-1_events.tsv", TABLE),
        written(tmp_path / "bom.tsv", "\ufeff" + TABLE),
        written(tmp_path / "comma.csv", TABLE.replace("\t", ",")),
        written(tmp_path / "quoted.tsv", TABLE.replace("onset", '"onset"').replace("trial_type", '"trial_type"')),
        written(tmp_path / "named.tsv", TABLE.replace("response_time", "response, in seconds")),
    ]
    for source in (*files, pd.read_csv(files[0], sep="\t")):
        events = only(source)
        assert events.labels == ("face", "house", "face")
        np.testing.assert_array_equal(events.onsets, [0.0, 12.5, 30.0])
        np.testing.assert_array_equal(events.durations, [2.0, 2.0, 0.0])
    assert len(read_events(files)) == len(files)  # type: ignore[arg-type]
    assert only(files[0]).without(["face"]).labels == ("house",)


def test_attributes_with_and_without_a_header(tmp_path: Path) -> None:
    expected = VolumeLabels(("rest", "face", "face"), ("0", "0", "run-2"))
    for text in (
        "rest 0\nface 0\nface run-2\n",
        "labels chunks\nrest 0\nface 0\nface run-2",
        "rest,0\r\nface,\t0\r\nface, run-2\r\n\r\n",
    ):
        path = written(tmp_path / "attributes.txt", text)
        assert read_attributes(path) == expected
        assert read_events(path) == expected


def test_successive_volumes_of_one_label_are_one_event() -> None:
    events = events_of_volumes(["rest", "face", "face", "house", "rest", "rest", "face"], 2.5)
    assert events.labels == ("rest", "face", "house", "rest", "face")
    np.testing.assert_array_equal(events.onsets, [0, 2.5, 7.5, 10, 15])
    np.testing.assert_array_equal(events.durations, [2.5, 5, 2.5, 5, 2.5])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (TABLE.replace("12.5", "n/a"), "the onset of event 1 must be a number of seconds; it is 'n/a'"),
        (TABLE.replace("30\t0", "30\tinf"), "the duration of event 3 must be a number"),
        (TABLE.replace("\t2\tface", "\t-2\tface"), "the duration of event 2 is negative"),
        (TABLE.replace("house", ""), "empty label at position 0"),
        (TABLE + "0\t2\tface\t1\n", "the event 'face' at 0 s is listed twice"),
        (TABLE.replace("trial_type", "condition"), r"lacks the column\(s\) 'trial_type'"),
        (TABLE + "40\t2", "breaks off"),
    ],
)
def test_tables_that_are_wrong(tmp_path: Path, text: str, sentence: str) -> None:
    path = written(tmp_path / "events.tsv", text)
    with pytest.raises(ValueError, match=sentence) as caught:
        read_events(path)
    assert str(path) in str(caught.value)


def test_attributes_that_are_wrong(tmp_path: Path) -> None:
    for text in ("rest 0\nface\nface 1", "rest 0 1\n", "a,b,c\n1,2,3\n", "rest 0\n\nface 1"):
        with pytest.raises(ValueError, match=r"must hold two columns, the label and the run .*or be a BIDS table"):
            read_events(written(tmp_path / "attributes.txt", text))
    with pytest.raises(ValueError, match="nothing but blank lines"):
        read_events(written(tmp_path / "blank.txt", "\n \n"))
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(ValueError, match="is not a text file"):
        read_events(tmp_path / "bytes.txt")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_events(tmp_path / "none.txt")
    with pytest.raises(IsADirectoryError, match="is a directory"):
        read_events(tmp_path)


def test_what_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="must be files or pandas tables"):
        read_events(3.5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="must be files or pandas tables"):
        read_events([3.5])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="the table of events lacks"):
        read_events(pd.DataFrame({"onset": [1.0]}))
    attributes = written(tmp_path / "attributes.txt", "rest 0\nface 0\n")
    with pytest.raises(ValueError, match="an attributes file speaks of all volumes and is given alone"):
        read_events([attributes, attributes])


def test_events_without_a_type_are_one_kind_in_files_and_tables(tmp_path: Path) -> None:
    path = written(tmp_path / "events.tsv", TABLE.replace("house", "n/a"))
    for source in (path, pd.read_csv(path, sep="\t"), pd.read_csv(path, sep="\t", dtype={"trial_type": "category"})):
        assert only(source).labels == ("face", "n/a", "face")


def test_a_long_table_with_a_repeated_event_is_told_at_once() -> None:
    n = 40_000
    table = pd.DataFrame({"onset": np.arange(n, dtype=float), "duration": 0.0, "trial_type": "face"})
    table.loc[n - 1, "onset"] = 17.0
    with pytest.raises(ValueError, match="the event 'face' at 17 s is listed twice"):
        read_events(table)


def test_a_table_of_several_runs(tmp_path: Path) -> None:
    lines = TABLE.splitlines()

    def numbered(*runs: str) -> str:
        return "".join(f"{line}\t{run}\n" for line, run in zip(lines, ("run", *runs), strict=True))

    path = written(tmp_path / "events.tsv", numbered("2", "1", "1"))
    for source in (path, [path, path], pd.read_csv(path, sep="\t")):
        with pytest.raises(ValueError, match=r"column run says '2', '1'\); give one table per run in the order of"):
            read_events(source)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"events\.tsv: the table of events is of several runs"):
        read_events(path)
    for runs in (("3", "3", "3"), ("3", "n/a", "3"), ("n/a", "n/a", "n/a")):
        path = written(tmp_path / "events.tsv", numbered(*runs))
        for source in (path, pd.read_csv(path, sep="\t")):
            assert only(source).labels == ("face", "house", "face")
