"""Lines are appended, survive kills, and end where a run resumes."""

from __future__ import annotations

import errno
import json
import os

import pytest

from alignkit.train._journal import Journal


def lines(path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_lines_are_appended(tmp_path):
    path = tmp_path / "m.jsonl"
    journal = Journal(path)
    assert journal.read() == []
    journal.append({"step": 1, "loss": 0.5, "name": "é"})
    journal.append({"step": 2, "loss": float("nan"), "val": {"r": float("inf")}})
    journal.sync()
    journal.close()
    journal.close()
    again = Journal(path)
    again.append({"step": 3})
    assert again.read() == [
        {"step": 1, "loss": 0.5, "name": "é"},
        {"step": 2, "loss": None, "val": {"r": None}},
        {"step": 3},
    ]
    assert [json.loads(line)["step"] for line in lines(path)] == [1, 2, 3]


@pytest.mark.parametrize("half", ['{"step": 3, "lo', '{"step": 3}', "\0\0\0"])
def test_a_last_line_without_its_end_is_dropped(tmp_path, half):
    path = tmp_path / "m.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n' + half)
    journal = Journal(path)
    assert [record["step"] for record in journal.read()] == [1, 2]
    journal.rewind(10)
    journal.append({"step": 4})
    assert lines(path) == ['{"step": 1}', '{"step": 2}', '{"step": 4}']


@pytest.mark.parametrize(("step", "kept"), [(-1, 0), (0, 1), (1, 2), (2, 4), (9, 5)])
def test_later_steps_are_dropped(tmp_path, step, kept):
    path = tmp_path / "m.jsonl"
    journal = Journal(path)
    records = [{"step": 0, "val": {"loss": 0.1 + 0.2}}, {"step": 1}, {"step": 2}, {"step": 2, "val": {}}, {"step": 3}]
    for record in records:
        journal.append(record)
    journal.rewind(step)
    assert journal.read() == records[:kept]
    journal.append({"step": 7})
    assert journal.read() == [*records[:kept], {"step": 7}]


@pytest.mark.parametrize("bad", ["{", "\0" * 9, "[1]", '{"loss": 1}', '{"step": "2"}', "[" * 100_000])
def test_damage_in_the_middle_is_told(tmp_path, bad):
    path = tmp_path / "m.jsonl"
    path.write_text(f'{{"step": 1}}\n{bad}\n{{"step": 3}}\n')
    with pytest.warns(UserWarning, match=r"m\.jsonl is damaged from line 2 on; these 2 lines are left out"):
        assert Journal(path).read() == [{"step": 1}]


def test_rewinding_nothing_makes_nothing(tmp_path):
    Journal(tmp_path / "m.jsonl").rewind(3)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_and_costs_half_a_line_at_most(tmp_path, monkeypatch):
    path = tmp_path / "m.jsonl"
    journal = Journal(path)
    journal.append({"step": 1})
    write = os.write
    room = [4]

    def short(handle: int, data: memoryview) -> int:
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(handle, data[: room.pop()])

    monkeypatch.setattr(os, "write", short)
    with pytest.raises(OSError, match=r"No space left on device: .*m\.jsonl"):
        journal.append({"step": 2})
    monkeypatch.undo()
    assert journal.read() == [{"step": 1}]
    journal.rewind(1)
    assert lines(path) == ['{"step": 1}']
