"""``alignkit cite``: BibTeX of what a run, a result, features or an RDM were made with."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from alignkit import __version__
from alignkit._check import check_choice, join_names
from alignkit._config import Positional, read_toml
from alignkit._io import check_file, read_json
from alignkit.data import datasets
from alignkit.data._bibtex import entries, entry

Method = Literal["alignet", "hba", "hba-meg", "pi", "rsa", "rsa-inference", "spose", "teacher", "vice"]

#: Articles behind each method.
_METHODS: Mapping[str, tuple[str, ...]] = {
    "alignet": ("muttenthaler2025",),
    "hba": ("zhao2025", "radford2021"),
    "hba-meg": ("zhao2025", "radford2021"),
    "pi": ("hu2025",),
    "rsa": ("kriegeskorte2008rsa", "nili2014"),
    "rsa-inference": ("kriegeskorte2008rsa", "schuett2023"),
    "spose": ("hebart2020",),
    "teacher": ("muttenthaler2025", "muttenthaler2023"),
    "vice": ("muttenthaler2022",),
}
#: The method of a run or a result, by the name of its class.
_KINDS: Mapping[str, Method] = {
    **dict.fromkeys(("AligNetConfig", "AligNetChainConfig", "AligNetChain", "AligNetScores"), "alignet"),
    **dict.fromkeys(("HBAConfig", "HBAScores", "PersonalScores"), "hba"),
    **dict.fromkeys(("HBAMEGConfig", "HBAMEGScores", "PersonalDynamics"), "hba-meg"),
    **dict.fromkeys(("PIConfig", "ContrastiveConfig", "PerceptualConfig", "PIArms"), "pi"),
    **dict.fromkeys(("Comparison", "NoiseCeiling", "PermutationTest", "Regression", "SplitHalf", "RDM"), "rsa"),
    **dict.fromkeys(("Evaluation", "GroupComparison", "PowerCurve", "SubjectTest"), "rsa-inference"),
    **dict.fromkeys(("SPoSEConfig", "HumanEmbedding"), "spose"),
    **dict.fromkeys(("TeacherTransform", "TeacherScores"), "teacher"),
    "VICEConfig": "vice",
}
#: Files of a folder that say what it was made with.
_FILES = ("config.toml", "versions.json", "manifest.json", "scores.json", "result.json")
_MODEL = re.compile(r"(open_clip|timm|hf):[\w./@-]+|efficientnet-lite0|minilm")
#: Settings whose value may be the name of a data set.
_NAMING = frozenset({"dataset", "datasets", "human", "embedding", "judgements"})
#: Settings that stand for dimensions which are part of THINGS.
_SPOSE = frozenset({"spose66", "spose49"})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CiteConfig:
    """Print BibTeX of what was used: alignkit itself, and the data sets and methods of runs and results.

    A folder of a run, of features or of a teacher, a result (.json) or an RDM (.npz) says what it was made with. Only
    articles on record are printed; what is not on record is named in a comment.

    Examples
    --------
    alignkit cite
    alignkit cite --data things rsa92 --method rsa
    alignkit cite runs/hba result.json
    """

    paths: Positional[tuple[Path, ...]] = ()
    """Folders of runs or features, results, RDMs."""
    data: tuple[str, ...] = ()
    """Data sets (`alignkit data list` names them)."""
    method: tuple[Method, ...] = ()
    """Methods."""

    def __post_init__(self) -> None:
        for name in self.data:
            check_choice("the data set", name, sorted(datasets()))


@dataclasses.dataclass(slots=True)
class _Used:
    """What was found to be used, each once and in the order found."""

    data: dict[str, None]
    methods: dict[str, None]
    models: dict[str, None]


def words() -> dict[str, list[str]]:
    """Return what the options of the verb may be."""
    return {"data": sorted(datasets())}


def run_cite(config: CiteConfig) -> None:
    """Print the entries, alignkit's first."""
    used = _Used(dict.fromkeys(config.data), dict.fromkeys(config.method), {})
    for path in config.paths:
        _look_into(path, used)
    keys = [key for name in used.data for key in datasets()[name].references]
    keys += [key for name in used.methods for key in _METHODS[name]]
    keys += ["radford2021" for name in used.models if name.startswith("open_clip:")]
    print(_itself())
    for label, names in (("data", used.data), ("methods", used.methods)):
        if names:
            print(f"\n% {label}: {', '.join(names)}")
    for name in used.models:
        print(f"\n% model {name}: cite its authors as its page asks; alignkit keeps no entry of single weights.")
    if keys:
        print(f"\n{entries(keys)}")
    if config.paths and not (used.data or used.methods):
        print(f"\n% {join_names(config.paths)}: no data set or method is named there; add --data or --method.")


def _itself() -> str:
    """Return alignkit's own entry, which says what CITATION.cff says."""
    fields = {
        "type": "software",
        "author": "{The alignkit developers}",
        "title": "alignkit: score vision models against human behaviour and brain data, and train them to align",
        "note": f"Version {__version__}",
    }
    return entry("alignkit", fields)


def _look_into(path: Path, used: _Used) -> None:
    if not path.exists() and str(path) in datasets():
        msg = f"{path} does not exist; the data set of that name is cited by --data {path}."
        raise FileNotFoundError(msg)
    if path.is_dir():
        found = [path / name for name in _FILES if (path / name).is_file()]
        if not found:
            msg = f"{path} holds none of {', '.join(_FILES)}; name the folder of a run or of features, or a result."
            raise FileNotFoundError(msg)
        for file in found:
            _collect(read_toml(file) if file.suffix == ".toml" else read_json(file), used)
    elif check_file(path).suffix == ".npz":
        from alignkit.rsa import RDM

        used.methods["rsa"] = None
        _collect(dict(RDM.load(path).provenance), used)
    elif path.suffix in (".json", ".toml"):
        _collect(read_toml(path) if path.suffix == ".toml" else read_json(path), used)
    else:
        msg = f"{path} is neither a folder nor a .json, .toml or .npz file that alignkit wrote."
        raise ValueError(msg)


def _collect(content: Any, used: _Used) -> None:
    for key, value in _texts("", content):
        if key in ("kind", "method") and value in _KINDS:
            used.methods[_KINDS[value]] = None
        if key in _NAMING and value in datasets():
            used.data[value] = None
        if value in _SPOSE:
            used.data["things"] = None
        if _MODEL.fullmatch(value):
            used.models[value] = None
        for name, known in datasets().items():
            if any(value.endswith(f"/{name}/{file}") for file in known.files):
                used.data[name] = None


def _texts(key: str, content: Any) -> Iterator[tuple[str, str]]:
    """Yield every text in nested tables and lists, with the name of what holds it; names of tables count as texts."""
    if isinstance(content, str):
        yield key, content
    elif isinstance(content, dict):
        for name, value in content.items():
            yield "", name
            yield from _texts(name, value)
    elif isinstance(content, list | tuple):
        for value in content:
            yield from _texts(key, value)
