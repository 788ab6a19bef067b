"""Where and with what a run was made, and how two runs differ in that."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from alignkit._io import sha256
from alignkit._result import jsonable
from alignkit._versions import versions
from alignkit.models._run_model import MANIFEST, TENSORS

C = TypeVar("C", bound=Any)

#: Settings that say where a run goes or how it is shown, and not what it computes.
OUTSIDE = frozenset({"out", "cache_folder", "index", "loop.progress", "loop.tensorboard", "loop.wandb"})
_FILE, _LISTING = "sha256:", "names and sizes:"


def environment(config: Any, *, n_processes: int = 1) -> dict[str, Any]:
    """Return what besides its config decides the bits of a run.

    Parameters
    ----------
    config : dataclass
        Settings of a method; files and folders that it names are described by checksums.
    n_processes : int
        Processes that train together.

    Returns
    -------
    dict
        ``versions`` of packages, ``commit`` of the working directory (None without git), ``device``, ``threads``,
        ``processes`` and ``data`` (checksum of every input by its setting).
    """
    import torch

    return {
        "versions": versions(),
        "commit": commit(),
        "device": _device(str(config.loop.device)),
        "threads": torch.get_num_threads(),
        "processes": n_processes,
        "data": checksums(config),
    }


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return, in words, how one environment differs from another: ``"torch 2.6.0 (was 2.5.1)"``."""
    before, after = _flat(then), _flat(now)
    return [
        f"{name} {_shown(after.get(name))} (was {_shown(before.get(name))})"
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
    ]


def changed_files(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the settings whose files or finished models, not other folders, have another content now."""
    before, after = then.get("data") or {}, now.get("data") or {}
    return [
        name
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name) and _LISTING not in f"{before.get(name)}{after.get(name)}"
    ]


def checksums(config: Any, *only: str) -> dict[str, str]:
    """Return the checksum of every file and folder that a config names, by its setting, or of some settings alone."""
    return dict(_checksums(config, only))


def commit() -> str | None:
    """Return the commit that git has checked out in the working directory, with ``+changes`` where files differ."""
    head = _git("rev-parse", "HEAD")
    if not head:
        return None
    return f"{head}+changes" if _git("status", "--porcelain", "--untracked-files=no") else head


def settings(config: Any, prefix: str = "") -> dict[str, Any]:
    """Return the settings of a config by their dotted names, those of nested ones too, in JSON's own types."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            found |= settings(value, f"{prefix}{field.name}.")
        else:
            found[prefix + field.name] = jsonable(value)
    return found


def absolute(config: C) -> C:
    """Return the config with the files and folders that it names written out in full.

    A run's folder then says where they are, wherever it is read from; where the run itself lies it need not say.
    """
    changed: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.name in OUTSIDE:
            continue
        if isinstance(value, tuple) and value and all(isinstance(one, Path) for one in value):
            changed[field.name] = tuple(one.absolute() for one in value)
        # a name of a model or of targets is text, and a path only where there is such a file
        elif isinstance(value, Path) or (isinstance(value, str) and Path(value).suffix and Path(value).is_file()):
            changed[field.name] = type(value)(Path(value).absolute())
    return dataclasses.replace(config, **changed)


def _git(*words: str) -> str:
    # a folder's own settings must not start programs
    command = ["git", "-c", "core.fsmonitor=false", *words]
    quiet = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True, env=quiet)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _device(name: str) -> str:
    import torch

    if name.startswith("cuda") or (name == "auto" and torch.cuda.is_available()):
        return torch.cuda.get_device_name(None if name in ("auto", "cuda") else name)
    return f"CPU {_cpu()}" if name in ("auto", "cpu") else name


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return model or platform.processor() or platform.machine()


def _checksums(config: Any, only: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for name, path, is_path in _named_paths(config, ""):
        if only and name not in only:
            continue
        if path.is_file():
            yield name, f"{_FILE}{sha256(path)}"
        elif is_path and (path / MANIFEST).is_file() and (path / TENSORS).is_file():
            yield name, f"{_FILE}{sha256(path / MANIFEST)}"  # which has the checksum of the weights
        elif is_path and path.is_dir():
            yield name, f"{_LISTING}{_listing(path, Path(config.out))}"


def _named_paths(config: Any, prefix: str) -> Iterator[tuple[str, Path, bool]]:
    """Yield every setting that may name a file, and whether it can be nothing else."""
    for field in dataclasses.fields(config):
        name, value = prefix + field.name, getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from _named_paths(value, f"{name}.")
        elif isinstance(value, tuple):
            paths = [one for one in value if isinstance(one, Path)]
            yield from ((f"{name}[{i}]", path, True) for i, path in enumerate(paths))
        elif isinstance(value, str | os.PathLike) and os.fspath(value) and name not in OUTSIDE:
            yield name, Path(value), "Path" in str(field.type)


def _listing(folder: Path, out: Path) -> str:
    """Return a checksum of the names and sizes of all files below a folder: reading them all would take hours."""
    digest, own = hashlib.sha256(), out.resolve()
    for root, folders, names in os.walk(folder):
        # the run's own files may lie below its inputs
        folders[:] = sorted(name for name in folders if Path(root, name).resolve() != own)
        for name in sorted(names):
            path = Path(root, name)
            size = path.stat().st_size if path.exists() else -1
            digest.update(f"{path.relative_to(folder).as_posix()}\0{size}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _flat(environment: Mapping[str, Any]) -> dict[str, Any]:
    flat = {name: environment.get(name) for name in ("commit", "device", "threads", "processes")}
    for name in ("versions", "data"):
        part = environment.get(name)
        flat |= part if isinstance(part, Mapping) else {}
    return flat


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    text = str(value).rpartition(":")[2]
    return text[:12] if len(text) >= 40 and " " not in text else text
