"""What a path holds: a run, a result, RDMs, features or answers; anything else is refused in one sentence."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from alignkit._check import shown
from alignkit._config import read_toml
from alignkit._io import check_file, load_npz, read_json
from alignkit._result import Result
from alignkit._typing import PathLike

#: Where results are public, those that load fastest first.
_PACKAGES = ("rsa", "score", "meg", "align", "train", "data", "models")
#: Results that folders of several runs, and of the demo, keep.
_KEPT = ("chain.json", "arms.json", "personal.json", "result.json")
_SCORES = "scores.json"
_TAKES = "a run's folder, a result (.json), RDMs (.npz, .zarr), features (a folder, .npz) or answers (.npz)"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """Something to report on.

    Parameters
    ----------
    name : str
        What the report calls it.
    value : Result, RDM, Features or Triplets
    path : Path or None
        Where it was read from.
    scores : Result or None
        Of a run, what it bought.
    versions : mapping of str to str
        What it was made with, where that is known.
    settings : mapping
        Of a folder of several runs, what its config.toml says.
    """

    name: str
    value: Any
    path: Path | None = None
    scores: Any = None
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def open_result(path: PathLike, /) -> Opened:
    """Open what there is to report on: the folder of a run, a saved result, RDMs, features or answers.

    Raises
    ------
    FileNotFoundError
        Nothing there.
    ValueError
        Something else, something damaged, or a run that is not finished.
    """
    path = Path(path)
    if not path.exists():
        msg = f"{path} does not exist; give {_TAKES}."
        raise FileNotFoundError(msg)
    if path.is_dir():
        return _open_folder(path)
    kind = path.suffix.lower()
    if kind == ".json":
        return _open_json(path)
    if kind == ".npz":
        return _open_npz(path)
    if kind == ".html":
        msg = f"{path} is a page already; give the result that it was made from (--out FILE.json keeps one)."
        raise ValueError(msg)
    if kind in (".csv", ".tsv"):
        msg = f"{path} is a table, which says nothing of how it was made; save the result as .json and give that."
        raise ValueError(msg)
    msg = f"{path} is nothing that can be reported on; give {_TAKES}."
    raise ValueError(msg)


def _open_folder(path: Path) -> Opened:
    from alignkit.train._run_folder import CONFIG, is_run

    name = path.resolve().name
    if path.suffix == ".zarr" or (path / "zarr.json").is_file():
        from alignkit.rsa import RDM

        return Opened(path.stem, RDM.load(path), path)
    for kept in _KEPT:
        if (path / kept).is_file():
            settings = read_toml(path / CONFIG) if (path / CONFIG).is_file() else {}
            return dataclasses.replace(_open_json(path / kept), name=name, settings=settings)
    if is_run(path):
        return _open_run(path)
    if (path / "manifest.json").is_file():
        from alignkit.models import open_features

        found = open_features(path)
        return Opened(found.name, found, path)
    msg = f"{path} holds no run, no result and no features; give {_TAKES}."
    raise ValueError(msg)


def _open_run(path: Path) -> Opened:
    from alignkit.train._finished_run import finished_run
    from alignkit.train._run_folder import read_versions

    versions = read_versions(path).get("versions")
    scores = _open_json(path / _SCORES).value if (path / _SCORES).is_file() else None
    return Opened(path.resolve().name, finished_run(path), path, scores, _texts(versions))


def _open_json(path: Path) -> Opened:
    content = read_json(path)
    kind = content.get("kind") if isinstance(content, dict) else None
    found = _result_class(kind) if isinstance(kind, str) else None
    if found is None:
        what = f"a {shown(kind)}, which this version does not know" if kind else "no result of alignkit"
        msg = f"{path} holds {what}; give what `--out FILE.json` or a result's save() wrote."
        raise ValueError(msg)
    made_with = _texts(content.get("made_with"))
    del content
    return Opened(path.stem, found.load(path), path, versions=made_with)


def _result_class(kind: str) -> type[Result] | None:
    for package in _PACKAGES:
        module = import_module(f"alignkit.{package}")
        found = getattr(module, kind, None) if kind in module.__all__ else None
        if isinstance(found, type) and issubclass(found, Result):
            return found
    return None


def _open_npz(path: Path) -> Opened:
    from alignkit.rsa import RDM, Triplets

    arrays, meta = load_npz(check_file(path))
    schema = str(meta.get("schema", ""))
    if schema.startswith("alignkit.Triplets/"):
        return Opened(path.stem, Triplets.load(path), path)
    if schema.startswith("alignkit.RDM/"):
        return Opened(path.stem, RDM.load(path), path)
    if "features" in arrays:
        from alignkit.models import open_features

        found = open_features(path)
        return Opened(found.name, found, path)
    msg = f"{path} holds {shown(list(arrays))}, neither RDMs, features nor answers that alignkit saved; give {_TAKES}."
    raise ValueError(msg)


def _texts(values: object) -> dict[str, str]:
    return {str(name): str(value) for name, value in values.items()} if isinstance(values, Mapping) else {}
