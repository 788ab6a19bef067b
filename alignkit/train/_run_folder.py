"""The folder of a run: its settings, what it was made with, its log, its splits and its checkpoints."""

from __future__ import annotations

import tomllib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self, get_args

from alignkit._check import check_choice, join_names
from alignkit._config import dump_config, read_config, read_toml, to_toml
from alignkit._io import read_json, write_json
from alignkit._lock import FolderLock
from alignkit._result import jsonable
from alignkit._typing import PathLike
from alignkit.train._checkpoints import Checkpoints, State
from alignkit.train._environment import OUTSIDE, changed_files, differences, environment
from alignkit.train._journal import Journal
from alignkit.train._kept_epochs import KeptEpochs

Resume = Literal["auto", "never"]

CONFIG = "config.toml"
VERSIONS = "versions.json"
METRICS = "metrics.jsonl"
SPLITS = "splits.json"
FINISHED = "finished.json"
CHECKPOINTS = "checkpoints"
EPOCHS = "epochs"


class RunFolder:
    """The folder of one run, held by this process until it is closed; made by :meth:`open`.

    ======================  ==========================================================================
    file                    what it holds
    ======================  ==========================================================================
    ``config.toml``         every setting; ``--config`` reads it
    ``versions.json``       the method, versions, commit, device, threads, checksums of inputs
    ``metrics.jsonl``       one line per logged step and validation
    ``splits.json``         which items were trained on, chosen on and held out
    ``checkpoints/``        the newest ones and the best, see :class:`Checkpoints`
    ``epochs/``             models of whole epochs, where asked for, see :class:`KeptEpochs`
    what the task exports   the finished model: ``model.json``, ``adapter.safetensors``
    ``finished.json``       how training ended, and whose weights were kept; there once it did
    ======================  ==========================================================================

    Attributes
    ----------
    path : Path
    config : dataclass
        Settings of the method.
    checkpoints : Checkpoints
    epochs : KeptEpochs
        Models that are kept for good; the main process writes them.
    main : bool
        Whether this process writes; on others all that writes does nothing.
    """

    def __init__(self, path: Path, config: Any, *, main: bool = True, lock: FolderLock | None = None) -> None:
        self.path = path
        self.config = config
        self.main = main
        self._lock = lock
        self._journal = Journal(path / METRICS)
        self.checkpoints = Checkpoints(
            path / CHECKPOINTS, config.loop.keep_last, main=main, before_save=self._journal.sync
        )

        self.epochs = KeptEpochs(path / EPOCHS, config.loop.keep_epochs)

    @classmethod
    def open(
        cls, path: PathLike, config: Any, *, resume: Resume = "auto", main: bool = True, n_processes: int = 1
    ) -> RunFolder:
        """Make the folder of a run, or open it again to go on with the same run.

        Parameters
        ----------
        path : path
            The folder; made when missing.
        config : dataclass
            Settings of a method, with ``loop``.
        resume : {"auto", "never"}
            Whether to go on with a run of the same settings that the folder holds, or to refuse it.
        main : bool
            False on every process but one of those that train together: they read what the main one wrote before.
        n_processes : int
            How many train together.

        Raises
        ------
        BlockingIOError
            Another process trains in the folder.
        FileExistsError
            With ``resume="never"``, a folder that holds a run; whatever it says, files that are no run's.
        NotADirectoryError
            A file in place of a folder.
        ValueError
            A folder with a run of other settings, or whose input files have changed; they are named. Or one that is
            not apart from the run that training starts at.
        """
        check_choice("resume", resume, get_args(Resume))
        path = Path(path)
        if not main:
            return cls(path, config, main=False)
        if path.exists() and not path.is_dir():
            msg = f"{path} is a file; out must be a folder."
            raise NotADirectoryError(msg)
        check_apart(config)
        path.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(path)
        try:
            folder = cls(path, config, lock=lock)
            folder._enter(resume, n_processes)
        except BaseException:
            lock.release()
            raise
        return folder

    @property
    def finished(self) -> dict[str, Any] | None:
        """What :meth:`finish` was told, or None while the run is not finished."""
        path = self.path / FINISHED
        content = read_json(path) if path.exists() else None
        return content if content is None or isinstance(content, dict) else {}

    def resume(self) -> State | None:
        """Return the newest whole checkpoint, and forget what came after it; None where there is none.

        Its step is where the log ends then; without one the log is empty.
        """
        state = self.checkpoints.newest()
        if self.main:
            step = -1 if state is None else state.step
            self.checkpoints.forget_after(step)
            self._journal.rewind(step)
        return state

    def log(self, record: Mapping[str, Any]) -> None:
        """Append a record to ``metrics.jsonl``.

        Parameters
        ----------
        record : mapping
            With ``step``: optimiser steps finished so far. A run that resumes after s steps drops what is beyond s.
        """
        if self.main:
            self._journal.append(record)

    def read_history(self) -> list[dict[str, Any]]:
        """Return the records of ``metrics.jsonl``; NaN has become None."""
        return self._journal.read()

    def write_splits(self, splits: Mapping[str, Any]) -> None:
        """Write which items were trained on, chosen on and held out to ``splits.json``.

        Raises
        ------
        ValueError
            A run that began with other splits: the data changed.
        """
        path = self.path / SPLITS
        content = jsonable(splits)
        if not self.main:
            return
        before = read_json(path) if path.exists() else content
        if not isinstance(before, dict):
            msg = f"{path} holds no splits; it is damaged: train in a new folder."
            raise ValueError(msg)
        if before != content:
            names = [name for name in dict.fromkeys([*before, *content]) if before.get(name) != content.get(name)]
            msg = (
                f"the run in {self.path} began with other splits ({join_names(names)} would differ): its data have "
                "changed; give it the data back, or train in a new folder."
            )
            raise ValueError(msg)
        write_json(path, content)

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Note that the run is finished, and how it ended."""
        if self.main:
            write_json(self.path / FINISHED, jsonable(summary))

    def close(self) -> None:
        """Let go of the log and the folder."""
        self._journal.close()
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _enter(self, resume: Resume, n_processes: int) -> None:
        """Write what describes a new run, or hold that the folder's run is the same one."""
        if not is_run(self.path):
            foreign = [
                name for name in (CONFIG, METRICS, SPLITS, FINISHED, CHECKPOINTS, EPOCHS) if (self.path / name).exists()
            ]
            if foreign:
                msg = f"{self.path} holds {join_names(foreign)}, but no run that can go on; choose another out."
                raise FileExistsError(msg)
            self._begin(n_processes)
            return
        then = read_versions(self.path)
        if resume == "never":
            msg = f"{self.path} holds a run; choose another out, or resume it (resume='auto')."
            raise FileExistsError(msg)
        own = self.finished is not None or bool(self.checkpoints.steps)
        if not own and not _has_parts(self.path):
            # nothing was trained yet: whoever was refused (a missing file, a wrong column) may set things right
            (self.path / SPLITS).unlink(missing_ok=True)
            self._tidy()
            self.epochs.forget()
            self._begin(n_processes)
            return
        self.check_same_settings()
        if self.finished is None:
            self._tidy()
        if self.finished is None and own:  # parts compare what is theirs
            self._compare(then, environment(self.config, n_processes=n_processes))

    def _begin(self, n_processes: int) -> None:
        now = environment(self.config, n_processes=n_processes)
        write_json(self.path / VERSIONS, {"method": type(self.config).__name__, **now})
        dump_config(self.config, self.path / CONFIG)  # a run exists once this does

    def _tidy(self) -> None:
        for left in self.path.glob(".*.tmp"):
            left.unlink(missing_ok=True)
        self.checkpoints.tidy()
        self.epochs.tidy()

    def _compare(self, then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        """Refuse input files that have changed since the run began, and tell of all else but the commit."""
        files = changed_files(then, now)
        if files:
            msg = (
                f"the run in {self.path} began with another content of {join_names(files)}; give it the files back, "
                "or train in a new folder."
            )
            raise ValueError(msg)
        changed = differences({**then, "commit": None}, {**now, "commit": None})
        if changed:
            msg = (
                f"the run in {self.path} goes on in other circumstances: {', '.join(changed)}. For the bits of an "
                "unbroken run, start it again under those that it began in."
            )
            warnings.warn(msg, stacklevel=5)

    def check_same_settings(self) -> None:
        """Hold that the run in the folder has the settings of the config.

        Raises
        ------
        FileNotFoundError
            No run there.
        ValueError
            Other settings, or a run of another method; the sentence names what differs.
        """
        method, mine = str(read_versions(self.path)["method"]), type(self.config).__name__
        if method != mine:
            msg = f"{self.path} holds a run of {method}, not of {mine}; choose another out."
            raise ValueError(msg)
        before, after = _flat(_began_with(self.path / CONFIG, type(self.config))), _flat(_toml(self.config))
        names = dict.fromkeys([*before, *after])
        differ = [f"{n} {before.get(n)!r}, now {after.get(n)!r}" for n in names if before.get(n) != after.get(n)]
        if differ:
            msg = f"{self.path} holds a run with other settings ({'; '.join(differ)}); choose another out."
            raise ValueError(msg)


def check_apart(config: Any) -> None:
    """Raise where the folder of a run is that of the run which it starts at, lies in it, or has it in itself.

    Raises
    ------
    ValueError
    """
    if getattr(config, "start", None) is None:
        return
    out, start = Path(config.out).resolve(), Path(config.start).resolve()
    if out.is_relative_to(start) or start.is_relative_to(out):
        how = "is" if out == start else "lies in" if out.is_relative_to(start) else "holds"
        msg = f"out must be apart from the run that training starts at, but {config.out} {how} {config.start}; choose "
        msg += "another out."
        raise ValueError(msg)


def _has_parts(path: Path) -> bool:
    """Return whether something was trained in a run of its own within a run's folder: a stage, a person, a fold."""
    folders = [part for part in path.iterdir() if is_run(part)]
    return any((part / FINISHED).exists() or any((part / CHECKPOINTS).glob("step-*.json")) for part in folders)


def is_run(path: PathLike) -> bool:
    """Return whether a folder holds a run."""
    return all(Path(path, name).is_file() for name in (CONFIG, VERSIONS))


def read_versions(path: PathLike) -> dict[str, Any]:
    """Return what ``versions.json`` of a run's folder says: its method, and the environment that it was made in.

    Raises
    ------
    FileNotFoundError
        A folder without a run.
    ValueError
        A damaged file, or one of something else.
    """
    if not is_run(path):
        msg = f"{path} holds no run of alignkit: {CONFIG} and {VERSIONS} are expected there."
        raise FileNotFoundError(msg)
    content = read_json(Path(path, VERSIONS))
    if not isinstance(content, dict) or not isinstance(content.get("method"), str):
        msg = f"{Path(path, VERSIONS)} does not say which method the run is of; it is damaged."
        raise ValueError(msg)
    return content


def _began_with(path: Path, kind: type) -> dict[str, Any]:
    """Return a run's settings; those that the version it began with did not know yet have their defaults."""
    try:
        return _toml(read_config(path, kind))
    except ValueError:  # settings of another version: the comparison names them
        return read_toml(path)


def _toml(config: Any) -> dict[str, Any]:
    return tomllib.loads(to_toml(config))


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return {name: value for name, value in flat.items() if name not in OUTSIDE}
