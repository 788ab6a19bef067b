"""Checkpoints of a run: one safetensors file and one JSON manifest with its checksum each, never half of one.

A checkpoint exists once its manifest does, which is written last and deleted first.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignkit._check import check_count
from alignkit._io import check_file, read_json, write_json
from alignkit._result import jsonable
from alignkit.models._tensor_file import read_tensors, write_tensors

if TYPE_CHECKING:
    import torch

_SCHEMA = 1
_MANIFEST = re.compile(r"step-(\d{9,})\.json")
_TENSORS = re.compile(r"step-(\d{9,})(?:-\d+)?\.safetensors")
_KINDS = {"schema": int, "step": int, "best": bool, "tensors": str, "sha256": str, "values": dict}
#: Largest manifest that is read; ours are a few kilobytes.
_MAX_MANIFEST = 64 * 2**20


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class State:
    """All that a run needs to go on as if it had never stopped.

    Parameters
    ----------
    step : int
        Optimiser steps that were finished.
    tensors : dict of tensor
        By flat names: ``model.<name>``, ``optim.<name>.<slot>``, ``ema.<name>``, ``rng.<rank>.<device>``.
    values : dict
        What JSON holds: epoch, monitor, scaler, config, versions, commit. Numbers in it are finite.
    """

    step: int
    tensors: dict[str, torch.Tensor]
    values: dict[str, Any]


class Checkpoints:
    """Checkpoints in a folder, numbered by their step.

    The newest ``keep_last`` are kept, and for each of them the best one at its time, so that whichever is resumed
    from has its best beside it.

    Parameters
    ----------
    folder : Path
        Made by the first :meth:`save`.
    keep_last : int
        Newest ones to keep.
    main : bool
        False on processes that only read: there, :meth:`save` and :meth:`forget_after` do nothing.
    before_save : callable, optional
        Called before a checkpoint comes to exist: brings the log to the disk first.
    """

    def __init__(
        self, folder: Path, keep_last: int, *, main: bool = True, before_save: Callable[[], None] | None = None
    ) -> None:
        self._folder = folder
        self._keep_last = check_count("keep_last", keep_last, 1)
        self._main = main
        self._before_save = before_save

    @property
    def steps(self) -> list[int]:
        """Steps of the checkpoints that exist, damaged ones included, in order."""
        found = (_MANIFEST.fullmatch(path.name) for path in self._folder.glob("step-*.json"))
        return sorted(int(match[1]) for match in found if match)

    def save(self, state: State, *, metric: float | None = None, best: bool = False) -> None:
        """Write a checkpoint, then delete those that are kept no longer.

        Parameters
        ----------
        state : State
        metric : float or None
            Value of the monitored metric at this step, for people who look into the folder.
        best : bool
            Whether this is the best one so far.

        Raises
        ------
        OSError
            A full disk, or one that refuses: what was there before is still there.
        TypeError, ValueError
            A state that safetensors and JSON cannot hold.
        """
        if not self._main:
            return
        step = check_count("step", state.step)
        _check_values(state.values)
        try:
            if self._before_save is not None:
                self._before_save()
            self._folder.mkdir(exist_ok=True)
            self._write(step, state, {"metric": jsonable(metric), "best": bool(best)})
        except OSError as error:
            raise self._explained(error, step) from error
        self._prune()

    def newest(self) -> State | None:
        """Return the newest checkpoint that is whole; None where there is none.

        Warns, naming them, about damaged ones that it has to pass over.
        """
        return self._first_whole(self.steps[::-1], "newest")

    def best(self) -> State | None:
        """Return the checkpoint that was the best so far when last one was; None where there is none.

        Warns as :meth:`newest` does.
        """
        return self._first_whole([step for step in self.steps[::-1] if self._is_best(step)], "best")

    def forget_after(self, step: int) -> None:
        """Delete checkpoints of later steps: the run goes on from ``step`` and will write its own."""
        for later in self.steps if self._main else ():
            if later > step:
                self._delete(later)

    def tidy(self) -> None:
        """Delete what a killed process left: half-written files, and tensors that no manifest names."""
        if not self._main:
            return
        for path in self._folder.glob(".step-*.tmp"):
            path.unlink(missing_ok=True)
        steps = {int(match[1]) for path in self._folder.glob("*") if (match := _TENSORS.fullmatch(path.name))}
        for step in steps:
            if not self._manifest(step).exists():
                self._delete(step)

    def _write(self, step: int, state: State, about: Mapping[str, Any]) -> None:
        # a checkpoint of this step that is there stays whole until the manifest names the new tensors
        tensors = next(path for i in itertools.count() if not (path := self._tensors(step, i)).exists())
        checksum = write_tensors(tensors, state.tensors)
        content = {"schema": _SCHEMA, "step": step, **about, "tensors": tensors.name, "sha256": checksum}
        write_json(self._manifest(step), {**content, "values": state.values})
        for path in self._tensor_files(step):
            if path != tensors:
                path.unlink()

    def _first_whole(self, steps: list[int], which: str) -> State | None:
        damaged: list[str] = []
        found = None
        for step in steps:
            try:
                found = self._read(step)
                break
            except (ValueError, OSError) as error:
                damaged.append(str(error))
        if damaged:
            instead = f"going back to step {found.step}" if found else "no other one is left"
            msg = f"the {which} checkpoint cannot be used; {instead}. {' '.join(damaged)}"
            warnings.warn(msg, stacklevel=3)
        return found

    def _read(self, step: int) -> State:
        manifest = self._read_manifest(step)
        return State(step, read_tensors(self._folder / manifest["tensors"], manifest["sha256"]), manifest["values"])

    def _read_manifest(self, step: int) -> dict[str, Any]:
        path = check_file(self._manifest(step))
        if path.stat().st_size > _MAX_MANIFEST:
            msg = f"{path} is larger than any manifest of a checkpoint; it is damaged."
            raise ValueError(msg)
        content = read_json(path)
        if not isinstance(content, dict) or any(type(content.get(name)) is not kind for name, kind in _KINDS.items()):
            msg = f"{path} is not the manifest of a checkpoint; it is damaged."
            raise ValueError(msg)
        if (content["schema"], content["step"]) != (_SCHEMA, step) or not _TENSORS.fullmatch(content["tensors"]):
            msg = f"{path} is the manifest of another step, or of another version of alignkit."
            raise ValueError(msg)
        return content

    def _is_best(self, step: int) -> bool:
        try:
            return bool(self._read_manifest(step)["best"])
        except (ValueError, OSError):
            return False

    def _prune(self) -> None:
        steps = self.steps
        best = [step for step in steps if self._is_best(step)]
        keep = set(steps[-self._keep_last :])
        keep |= {max(earlier) for step in keep if (earlier := [b for b in best if b <= step])}
        for step in steps:
            if step not in keep:
                self._delete(step)

    def _delete(self, step: int) -> None:
        self._manifest(step).unlink(missing_ok=True)
        for path in self._tensor_files(step):
            path.unlink(missing_ok=True)

    def _explained(self, error: OSError, step: int) -> OSError:
        steps = self.steps
        kept = f"that of step {steps[-1]} is whole" if steps else "there is no earlier one"
        reason = (error.strerror or str(error)).rstrip(".")
        msg = f"the checkpoint of step {step} could not be written to {self._folder} ({reason}); {kept}. "
        msg += "Make room and start the same run again: it goes on from there."
        return OSError(error.errno, msg) if error.errno else OSError(msg)

    def _manifest(self, step: int) -> Path:
        return self._folder / f"step-{step:09d}.json"

    def _tensor_files(self, step: int) -> list[Path]:
        named = ((path, _TENSORS.fullmatch(path.name)) for path in self._folder.glob("step-*.safetensors"))
        return [path for path, match in named if match and int(match[1]) == step]

    def _tensors(self, step: int, attempt: int) -> Path:
        return self._folder / f"step-{step:09d}{f'-{attempt}' if attempt else ''}.safetensors"


def _check_values(values: Mapping[str, Any]) -> None:
    try:
        json.dumps(values, allow_nan=False)
    except (TypeError, ValueError) as error:
        msg = f"the values of a checkpoint must be JSON's own, with finite numbers ({error})."
        raise type(error)(msg) from error
