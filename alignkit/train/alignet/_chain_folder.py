"""The folder of a chain: its settings, which steps are done, and what each of them made."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from alignkit._check import join_names
from alignkit._config import dump_config, read_toml, to_toml
from alignkit._io import read_json, write_json
from alignkit._lock import FolderLock
from alignkit._result import jsonable
from alignkit.train._environment import OUTSIDE, changed_files, environment
from alignkit.train._launch import Launch
from alignkit.train._run_folder import CONFIG, VERSIONS, is_run, read_versions
from alignkit.train.alignet._chain_config import STEPS, AligNetChainConfig, Step

METHOD = AligNetChainConfig.__name__
#: Settings that the first steps do not read, by the first step that does.
_FIRST: dict[Step, frozenset[str]] = {
    "features": frozenset(
        {f"teacher_{name}" for name in ("model", "weights", "layer", "img_size", "batch_size")}
        | {"item_images", "item_features", "image_features"}
    ),
    "teacher": frozenset({"teacher_fit", "teacher_center", "rank", "n_soft", "divisions"}),
    "clusters": frozenset({"n_clusters"}),
    "triplets": frozenset({"n_triplets", "sampling", "arms", "match_temperature"}),
    "students": frozenset(
        {
            "backbone",
            "weights",
            "layer",
            "img_size",
            "preprocess",
            "head",
            "centre",
            "objective",
            "cache",
            "cache_dtype",
        }
        | {"teacher_temperature", "student_temperature", "adapter", "optim", "loop", "probe", "n_probe", "val_triplets"}
    ),
    "scores": frozenset({"n_bootstrap"}),
}
#: What every step reads of the loop.
_SEED = "loop.seed"


class ChainFolder:
    """The folder of a chain, held by this process until it is closed; made by :meth:`open`.

    ========================  =========================================================================
    file                      what it holds
    ========================  =========================================================================
    ``config.toml``           every setting; ``--config`` reads it
    ``versions.json``         versions, commit, device, checksums of inputs
    ``steps/STEP.json``       what a finished step has to say, and how long it took
    ``splits.json``           items that are learned from and held out, images trained and chosen on
    ``human/``                the run of SPoSE or VICE
    ``features/``             the teacher's: ``images``, ``items``, ``aligned``
    ``teacher/``              the transform; ``teacher.npz`` one by regression
    ``teacher-scores.json``   what it predicts of answers about items that it did not see
    ``clusters.npz``          clusters of images
    ``triplets/``             by arm, to train and (``-val``) to choose on
    ``students/``             the run of each arm
    ``scores.json``           students, teachers and base on held-out items
    ``report.html``           all of it
    ========================  =========================================================================
    """

    def __init__(self, path: Path, lock: FolderLock | None) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def open(cls, config: AligNetChainConfig, launch: Launch, *, resume: str) -> Self:
        """Make the folder of a chain, or open it to go on.

        Raises
        ------
        BlockingIOError
            Another process works in it.
        FileExistsError
            With ``resume="never"``, a folder that holds a chain; a run of something else.
        NotADirectoryError
            A file in place of a folder.
        ValueError
            Settings that finished steps were made with are others now; they are named.
        """
        path = config.out
        if launch.rank:
            return cls(path, None)
        if path.exists() and not path.is_dir():
            msg = f"{path} is a file; out must be a folder."
            raise NotADirectoryError(msg)
        path.mkdir(parents=True, exist_ok=True)
        folder = cls(path, FolderLock(path))
        try:
            folder._enter(config, launch, resume)
        except BaseException:
            folder.close()
            raise
        return folder

    def done(self, step: Step) -> dict[str, Any] | None:
        """Return what a finished step noted, or None while it is not finished."""
        path = self._record(step)
        content = read_json(path) if path.is_file() else None
        return content if content is None or isinstance(content, dict) else {}

    def finish(self, step: Step, seconds: float, notes: Mapping[str, Any]) -> None:
        """Note that a step is finished."""
        self._record(step).parent.mkdir(exist_ok=True)
        write_json(self._record(step), jsonable({"seconds": seconds, **notes}))

    def close(self) -> None:
        """Let go of the folder."""
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _record(self, step: Step) -> Path:
        return self.path / "steps" / f"{step}.json"

    def _enter(self, config: AligNetChainConfig, launch: Launch, resume: str) -> None:
        now = {"method": METHOD, **environment(config, n_processes=launch.world_size)}
        if is_run(self.path):
            then = read_versions(self.path)
            if then["method"] != METHOD:
                msg = f"{self.path} holds a run of {then['method']}, not of {METHOD}; choose another out."
                raise FileExistsError(msg)
            if resume == "never":
                msg = f"{self.path} holds a chain; choose another out, or resume it (resume='auto')."
                raise FileExistsError(msg)
            self._check_same(config, then, now)
        elif (self.path / CONFIG).exists():
            msg = f"{self.path} holds {CONFIG}, but no chain that can go on; choose another out."
            raise FileExistsError(msg)
        write_json(self.path / VERSIONS, now)
        dump_config(config, self.path / CONFIG)

    def _check_same(self, config: AligNetChainConfig, then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        """Refuse settings and files that finished steps were made with when they are others now."""
        finished = [step for step in STEPS if self.done(step) is not None]
        before, after = _flat(read_toml(self.path / CONFIG)), _flat(tomllib.loads(to_toml(config)))
        changed = [name for name in dict.fromkeys([*before, *after]) if before.get(name) != after.get(name)]
        stale = {name: [step for step in finished if _reads(step, name)] for name in changed}
        told = [f"{name} {before.get(name)!r}, now {after.get(name)!r}" for name in changed if stale[name]]
        if told:
            steps = [step for step in finished if any(step in own for own in stale.values())]
            msg = (
                f"{self.path} holds steps that were made with other settings ({'; '.join(told)}): {join_names(steps)}; "
                "choose another out."
            )
            raise ValueError(msg)
        files = [name for name in changed_files(then, now) if any(_reads(step, name) for step in finished)]
        if files and not set(files) <= set(changed):
            msg = (
                f"the chain in {self.path} began with another content of {join_names(files)}; give it the files back, "
                "or choose another out."
            )
            raise ValueError(msg)


def is_chain(path: Path) -> bool:
    """Return whether a folder holds a chain."""
    return is_run(path) and read_versions(path)["method"] == METHOD


def _reads(step: Step, name: str) -> bool:
    """Return whether a step, or one before it, depends on a setting."""
    if name == _SEED:
        return True
    top = name.partition(".")[0].partition("[")[0]
    first = next((one for one, names in _FIRST.items() if top in names), STEPS[0])
    return STEPS.index(step) >= STEPS.index(first)


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return {name: value for name, value in flat.items() if name not in OUTSIDE}
