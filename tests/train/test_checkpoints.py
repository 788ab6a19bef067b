"""Checkpoints exist whole or not at all; damage makes the one before count, aloud; the best one stays."""

from __future__ import annotations

import errno
import itertools
import json
import os
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alignkit import _io
from alignkit.models import _tensor_file
from alignkit.train._checkpoints import Checkpoints, State


def state(step: int) -> State:
    return State(step, {"model.w": torch.full((3,), float(step)), "rng.0.cpu": torch.arange(4)}, {"epoch": step // 10})


def value(found: State | None) -> int:
    """Return the step of a state, after a look at what it holds."""
    assert found is not None
    assert found.tensors["model.w"].tolist() == [found.step] * 3
    assert found.values == {"epoch": found.step // 10}
    return found.step


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_saved_comes_back(tmp_path):
    checkpoints = Checkpoints(tmp_path / "c", 2)
    assert (checkpoints.steps, checkpoints.newest(), checkpoints.best()) == ([], None, None)
    saved = State(
        7,
        {"model.a": torch.randn(3, 2, dtype=torch.float64), "optim.a.step": torch.tensor(7.0)},
        {"epoch": 1, "monitor": {"best": 0.1 + 0.2, "n": None}, "list": [1, "é"]},
    )
    checkpoints.save(saved, metric=0.25)
    found = Checkpoints(tmp_path / "c", 2).newest()
    assert found is not None
    assert (found.step, found.values) == (7, saved.values)
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in saved.tensors.items())
    assert names(tmp_path / "c") == ["step-000000007.json", "step-000000007.safetensors"]
    manifest = json.loads((tmp_path / "c" / "step-000000007.json").read_text())
    assert manifest["sha256"] == _io.sha256(tmp_path / "c" / "step-000000007.safetensors")
    assert (manifest["metric"], manifest["best"]) == (0.25, False)


def test_a_metric_that_is_no_number_is_noted_as_none(tmp_path):
    Checkpoints(tmp_path, 1).save(state(1), metric=float("nan"))
    assert json.loads((tmp_path / "step-000000001.json").read_text())["metric"] is None


@given(st.integers(1, 3), st.lists(st.booleans(), min_size=1, max_size=9))
def test_the_newest_stay_and_the_best_of_each_of_them(tmp_path_factory, keep_last, bests):
    folder = tmp_path_factory.mktemp("c")
    checkpoints = Checkpoints(folder, keep_last)
    for step, best in enumerate(bests):
        checkpoints.save(state(step), best=best)
    kept = set(range(len(bests))[-keep_last:])
    for step in list(kept):
        earlier = [i for i in range(step + 1) if bests[i]]
        kept |= set(earlier[-1:])
    assert checkpoints.steps == sorted(kept)
    assert len(names(folder)) == 2 * len(kept)
    assert value(checkpoints.newest()) == len(bests) - 1
    found = checkpoints.best()
    assert (found.step if found else None) == max((i for i, best in enumerate(bests) if best), default=None)


def test_a_step_that_is_saved_again_takes_the_place_of_the_first(tmp_path):
    checkpoints = Checkpoints(tmp_path, 2)
    checkpoints.save(state(3))
    for number in range(3):
        checkpoints.save(State(3, {"again": torch.tensor(number)}, {}), best=True)
        found = checkpoints.best()
        assert found is not None
        assert found.tensors == {"again": torch.tensor(number)}
        assert len(names(tmp_path)) == 2


def test_other_processes_only_read(tmp_path):
    other = Checkpoints(tmp_path, 1, main=False)
    other.save(state(1))
    assert names(tmp_path) == []
    main = Checkpoints(tmp_path, 2)
    main.save(state(1))
    main.save(state(2))
    (tmp_path / ".step-000000003.json.0f.tmp").touch()
    other.forget_after(1)
    other.tidy()
    assert len(names(tmp_path)) == 5
    assert value(other.newest()) == 2


def test_what_comes_before_a_checkpoint_comes_before(tmp_path):
    seen: list[list[str]] = []
    checkpoints = Checkpoints(tmp_path, 2, before_save=lambda: seen.append(names(tmp_path)))
    checkpoints.save(state(1))
    assert seen == [[]]


# --- damage


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-2] ^= 4
    path.write_bytes(content)


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


DAMAGES = {
    "tensors truncated": (lambda p: truncate(p.with_suffix(".safetensors")), "its checksum is not the one noted"),
    "tensors changed": (lambda p: flip(p.with_suffix(".safetensors")), "its checksum is not the one noted"),
    "tensors empty": (lambda p: p.with_suffix(".safetensors").write_bytes(b""), "is empty"),
    "tensors gone": (lambda p: p.with_suffix(".safetensors").unlink(), "does not exist"),
    "manifest truncated": (truncate, "is not valid JSON"),
    "manifest empty": (lambda p: p.write_bytes(b""), "is empty"),
    "manifest a list": (lambda p: p.write_text("[]"), "is not the manifest of a checkpoint"),
    "manifest binary": (lambda p: p.write_bytes(b"\xff\x00"), "is not valid JSON"),
    "manifest nested": (lambda p: p.write_text("[" * 100_000), "is not valid JSON"),
    "wrong sum": (lambda p: edit(p, sha256="0" * 64), "its checksum is not the one noted"),
    "sum a number": (lambda p: edit(p, sha256=1), "is not the manifest"),
    "values a list": (lambda p: edit(p, values=[]), "is not the manifest"),
    "another step": (lambda p: edit(p, step=2), "of another step"),
    "another version": (lambda p: edit(p, schema=99), "of another version"),
    "tensors elsewhere": (lambda p: edit(p, tensors="../../secret.safetensors"), "of another version"),
}


@pytest.mark.parametrize("kind", list(DAMAGES))
def test_a_damaged_newest_one_makes_the_one_before_count_aloud(tmp_path, kind):
    damage, reason = DAMAGES[kind]
    checkpoints = Checkpoints(tmp_path, 3)
    for step in (10, 20, 30):
        checkpoints.save(state(step), best=step != 20)
    damage(tmp_path / "step-000000030.json")
    with pytest.warns(UserWarning, match="the newest checkpoint cannot be used; going back to step 20") as caught:
        assert value(checkpoints.newest()) == 20
    text = str(caught[0].message)
    assert len(caught) == 1
    assert "step-000000030" in text
    assert reason in text
    assert "\n" not in text
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert value(checkpoints.best()) == 10
    checkpoints.forget_after(20)
    assert checkpoints.steps == [10, 20]
    assert len(names(tmp_path)) == 4
    checkpoints.save(state(30))
    assert value(checkpoints.newest()) == 30


def test_where_none_is_whole_there_is_none_aloud(tmp_path):
    checkpoints = Checkpoints(tmp_path, 2)
    for step in (1, 2):
        checkpoints.save(state(step))
        truncate(tmp_path / f"step-{step:09d}.safetensors")
    with pytest.warns(UserWarning, match=r"cannot be used; no other one is left\. .*0002.*0001"):
        assert checkpoints.newest() is None


def test_a_manifest_of_any_size_is_not_read(tmp_path):
    checkpoints = Checkpoints(tmp_path, 2)
    checkpoints.save(state(1))
    os.truncate(tmp_path / "step-000000001.json", 2**33)  # sparse
    with pytest.warns(UserWarning, match="larger than any manifest"):
        assert checkpoints.newest() is None


@pytest.mark.parametrize("values", [{"best": float("nan")}, {"x": object()}, {"x": {1, 2}}])
def test_values_that_json_does_not_hold_are_refused_before_anything_is_written(tmp_path, values):
    with pytest.raises((ValueError, TypeError), match=r"^the values of a checkpoint must be JSON's own"):
        Checkpoints(tmp_path, 1).save(State(1, {}, values))
    assert names(tmp_path) == []


@pytest.mark.parametrize(("step", "keep_last"), [(-1, 1), (1.5, 1), (1, 0), (1, True)])
def test_wrong_numbers_are_refused(tmp_path, step, keep_last):
    with pytest.raises((ValueError, TypeError), match=r"^(step|keep_last) must be"):
        Checkpoints(tmp_path, keep_last).save(state(step))


def test_what_a_kill_leaves_is_tidied_up(tmp_path):
    checkpoints = Checkpoints(tmp_path, 3)
    for step in (1, 2):
        checkpoints.save(state(step))
    (tmp_path / ".step-000000003.safetensors.1a2b.tmp").write_bytes(b"half")
    (tmp_path / "step-000000003.safetensors").write_bytes(b"whole, but not vouched for")
    (tmp_path / "step-000000003-1.safetensors").touch()
    (tmp_path / "notes.txt").touch()
    checkpoints.tidy()
    assert names(tmp_path) == ["notes.txt", *(f"step-{i:09d}.{end}" for i in (1, 2) for end in ("json", "safetensors"))]
    assert value(checkpoints.newest()) == 2


# --- full disks


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("nth", [0, 1])  # of the tensors, of the manifest
def test_a_full_disk_is_told_and_the_last_checkpoint_is_whole(tmp_path, monkeypatch, code, call, nth):
    checkpoints = Checkpoints(tmp_path, 1)
    checkpoints.save(state(5), best=True)
    before, plain = names(tmp_path), getattr(os, call)
    counter = itertools.count()

    def refuse(*words: object) -> None:
        if next(counter) == nth:
            raise OSError(code, os.strerror(code))
        plain(*words)

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(OSError, match=rf"step 6 could not be written to .*{os.strerror(code)}") as caught:
        checkpoints.save(state(6))
    assert caught.value.errno == code
    assert "that of step 5 is whole" in str(caught.value)
    monkeypatch.undo()
    assert value(checkpoints.newest()) == 5
    checkpoints.tidy()
    assert names(tmp_path) == before
    checkpoints.save(state(6))
    assert value(checkpoints.newest()) == 6


def test_a_full_disk_leaves_a_checkpoint_of_the_same_step_whole(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path, 1)
    checkpoints.save(state(5))

    def parts(*_: object) -> Iterator[bytes]:
        yield b"half"
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(_tensor_file, "_parts", parts)
    with pytest.raises(OSError, match="that of step 5 is whole"):
        checkpoints.save(state(5))
    assert value(checkpoints.newest()) == 5
    assert len(names(tmp_path)) == 2


def test_the_first_checkpoint_on_a_full_disk(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"there is no earlier one\. Make room"):
        Checkpoints(tmp_path, 1).save(state(0))
    assert names(tmp_path) == []


def test_a_file_limit_of_the_system_is_told_too(tmp_path):
    code = """
        import resource, sys, torch
        from pathlib import Path
        from alignkit.train._checkpoints import Checkpoints, State
        checkpoints = Checkpoints(Path(sys.argv[1]), 1)
        checkpoints.save(State(1, {"x": torch.zeros(100)}, {}))
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
        try:
            checkpoints.save(State(2, {"x": torch.zeros(10_000)}, {}))
        except OSError as error:
            print(error)
        print(checkpoints.newest().step)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)],
        capture_output=True, text=True, check=True, timeout=60, cwd=Path(_io.__file__).parents[1],
    )  # fmt: skip
    said, step = done.stdout.splitlines()
    assert "could not be written" in said
    assert "File too large" in said
    assert step == "1"
    assert len(names(tmp_path)) == 2
