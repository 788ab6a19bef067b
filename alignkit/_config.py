"""Configs: frozen dataclasses as flags, TOML files expanded in place into flags, and the way back to TOML."""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import tomllib
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from os import PathLike as OSPathLike
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
from tyro import conf

from alignkit._check import shown
from alignkit._io import atomic_write, check_file
from alignkit._result import restore
from alignkit._typing import PathLike

T = TypeVar("T")
Kind = Literal["positional", "switch", "one", "many"]

#: ``Positional[Path]``: a field given by its place on the command line, not by a flag.
Positional: TypeAlias = conf.Positional[T]
_POSITIONAL = get_args(conf.Positional[int])[1]
#: ``Annotated[Path, named("from")]``: a flag whose name Python reserves.
named: Callable[[str], Any] = lambda name: conf.arg(name=name)  # noqa: E731 (a def would hide that it is tyro's own)
#: ``Annotated[str, described("What it is.")]``: a flag that several configs have, described in one place.
described: Callable[[str], Any] = lambda text: conf.arg(help=text)  # noqa: E731


@dataclasses.dataclass(frozen=True, slots=True)
class Option:
    """One field of a config as the command line sees it."""

    name: str
    """Dotted name with hyphens: ``nan-policy``, ``optim.rate``."""
    kind: Kind
    """How many values follow it: a switch none, ``one`` one, ``many`` any number."""
    choices: tuple[str, ...] = ()
    """All that it may be, where that is a list of words."""
    takes: Literal["text", "number", "files"] = "text"
    """What it may be where it is no list of words."""
    several: bool = False
    """Whether more than one value may follow, by place or after the flag."""


def options(config_type: type) -> dict[str, Option]:
    """Return every option of a config dataclass, nested ones under dotted names."""
    return {option.name: option for option in _walk(config_type, "")}


def _walk(config_type: type, prefix: str) -> Iterator[Option]:
    hints = get_type_hints(config_type, include_extras=True)
    for field in dataclasses.fields(config_type):
        if not field.init:
            continue
        inner, marks = _unwrap(hints[field.name])
        name = next((mark.name for mark in marks if getattr(mark, "name", None)), field.name)
        name = prefix + name.replace("_", "-")
        if isinstance(inner, type) and dataclasses.is_dataclass(inner):
            yield from _walk(inner, f"{name}.")
        else:
            kind = _kind(inner)
            shown_kind: Kind = "positional" if _POSITIONAL in marks else kind
            yield Option(name, shown_kind, _choices(inner), _takes(inner), kind == "many")


def _unwrap(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return the bare type and its annotations; ``X | None`` counts as ``X``."""
    marks: tuple[Any, ...] = ()
    while True:
        if get_origin(hint) is Annotated:
            hint, *more = get_args(hint)
            marks += tuple(more)
        elif get_origin(hint) in (Union, types.UnionType) and type(None) in get_args(hint):
            rest = tuple(arg for arg in get_args(hint) if arg is not type(None))
            hint = Union[rest]  # noqa: UP007 (built at run time)
        else:
            return hint, marks


def _kind(hint: Any) -> Kind:
    if hint is bool:
        return "switch"
    return "many" if get_origin(hint) in (tuple, list, set, frozenset, Sequence) else "one"


def _leaves(hint: Any) -> Iterator[Any]:
    """Yield the plain types, and Literals, that a type is made of."""
    hint, _ = _unwrap(hint)
    if get_origin(hint) is Literal or not get_args(hint):
        yield hint
    else:
        for arg in get_args(hint):
            yield from _leaves(arg)


def _choices(hint: Any) -> tuple[str, ...]:
    leaves = [leaf for leaf in _leaves(hint) if leaf is not Ellipsis]
    if not all(get_origin(leaf) is Literal for leaf in leaves):
        return ()
    return tuple(dict.fromkeys(str(word) for leaf in leaves for word in get_args(leaf)))


def _takes(hint: Any) -> Literal["text", "number", "files"]:
    leaves = {leaf for leaf in _leaves(hint) if isinstance(leaf, type)}
    if any(issubclass(leaf, OSPathLike) for leaf in leaves):
        return "files"
    return "number" if leaves and leaves <= {int, float} else "text"


def nearest(name: str, known: Sequence[str]) -> str:
    """Return ``"; did you mean X?"`` for the closest known name, or a full stop."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else "."


def read_toml(path: PathLike) -> dict[str, Any]:
    """Read a TOML file, naming it when it is missing or damaged."""
    path = check_file(path)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path} is not valid TOML ({error})."
        raise ValueError(msg) from error


def read_config(path: PathLike, config_type: type[T]) -> T:
    """Read what :func:`dump_config` wrote, or any TOML file of a config's settings.

    What a table leaves out has the default of the table's own class, so that what was unset (None) stays unset.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        A file that is not TOML, holds a key the config does not have, or a value that the config refuses.
    """
    config: T = _fill(path, config_type, read_toml(path), "")
    return config


def _fill(path: PathLike, config_type: Any, table: Mapping[str, Any], prefix: str) -> Any:
    fields = {field.name: field for field in dataclasses.fields(config_type) if field.init}
    names = {_key_of(config_type, field).replace("_", "-"): field for field in fields}
    values: dict[str, Any] = {}
    for key, value in table.items():
        field = names.get(key.replace("_", "-"))
        if field is None:
            msg = f"{path} sets {prefix + key!r}, which is no option here{nearest(key, list(names))}"
            raise ValueError(msg)
        values[field] = _fill_field(path, get_type_hints(config_type)[field], value, prefix + key)
    missing = [name for name, field in fields.items() if name not in values and _is_required(field)]
    if missing:
        msg = f"{path} lacks {prefix}{missing[0]}, which is required."
        raise ValueError(msg)
    try:
        return config_type(**values)
    except (TypeError, ValueError) as error:
        msg = f"{str(error).rstrip('.')} (set in {path})."
        raise ValueError(msg) from error


def _fill_field(path: PathLike, hint: Any, value: Any, name: str) -> Any:
    inner, _ = _unwrap(hint)
    if isinstance(value, dict) and isinstance(inner, type) and dataclasses.is_dataclass(inner):
        return _fill(path, inner, value, f"{name}.")
    try:
        return restore(hint, value)
    except TypeError as error:
        msg = f"{path}: {name!r} does not take {shown(value)}."
        raise ValueError(msg) from error


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


@dataclasses.dataclass(frozen=True, slots=True)
class Arguments:
    """A command line after ``--config`` files were put in place."""

    tokens: list[str]
    """What the parser gets: positional values first, then flags in order."""
    sources: dict[str, str]
    """The file that had the last word on an option, by option name."""


def expand(args: Sequence[str], config_type: type) -> Arguments:
    """Replace every ``--config file.toml`` by the flags it stands for; what comes later wins.

    Positional values of a file are used when the command line gives none.

    Raises
    ------
    ValueError
        A file that is not TOML, holds a key the config does not have, or a value no flag can carry; an
        unknown flag; ``--config`` without a file.
    FileNotFoundError
        A config file that does not exist.
    """
    known = options(config_type)
    places = [name for name, option in known.items() if option.kind == "positional"]
    given: list[str] = []
    from_file: dict[str, list[str]] = {}
    flags: list[str] = []
    sources: dict[str, str] = {}
    for name, tokens in _groups(args, known):
        if name == "":
            given += tokens
        elif name == "config":
            for key, values in _read(tokens, known).items():
                if key in places:
                    from_file[key] = values
                else:
                    flags += values
                sources[key] = tokens[0]
        else:
            flags += tokens
            sources.pop(name, None)
    if not given:
        given = [token for name in places for token in from_file.get(name, ())]
    return Arguments([*given, *flags], sources)


def _groups(args: Sequence[str], known: Mapping[str, Option]) -> Iterator[tuple[str, list[str]]]:
    """Yield (option, its tokens); positional values come under ``""``, ``--config`` with its file alone."""
    rest = list(args)
    while rest:
        token = rest.pop(0)
        if not token:
            msg = "an empty word stands on the command line; is a variable of the shell unset?"
            raise ValueError(msg)
        if token[0] == "-" and token[1:2].isalpha():
            near = [flag for flag in known if flag.startswith(token[1])]
            hint = f", such as --{near[0]}" if near else ""
            msg = f"there is no option {token}; options have two dashes{hint}."
            raise ValueError(msg)
        if not token.startswith("--") or token == "--":
            yield "", [token]
            continue
        flag, joined, value = token.partition("=")
        name = flag[2:].replace("_", "-")
        option = _find(name, known)
        if name == "config":
            yield name, [value] if joined else rest[:1]
            del rest[: 0 if joined else 1]
            continue
        if joined and option.kind == "switch":
            msg = f"--{option.name} takes no value; write --{option.name} or {no_flag(option.name)}."
            raise ValueError(msg)
        tokens = [token]
        limit = {"switch": 0, "one": 0 if joined else 1, "many": len(rest)}[option.kind]
        while rest and limit and not rest[0].startswith("--"):
            tokens.append(rest.pop(0))
            limit -= 1
        yield option.name, tokens


def no_flag(name: str) -> str:
    """Return the flag that turns a switch off."""
    head, dot, last = name.rpartition(".")
    return f"--{head}{dot}no-{last}"


def _find(name: str, known: Mapping[str, Option]) -> Option:
    if name in ("config", "help"):
        return Option(name, "switch")
    flags = {option.name: option for option in known.values() if option.kind != "positional"}
    if name in flags:
        return flags[name]
    for option in flags.values():
        if option.kind == "switch" and f"--{name}" == no_flag(option.name):
            return option
    msg = f"there is no option --{name}{nearest('--' + name, ['--config', *('--' + flag for flag in flags)])}"
    raise ValueError(msg)


def _read(tokens: Sequence[str], known: Mapping[str, Option]) -> dict[str, list[str]]:
    if not tokens or not tokens[0]:
        msg = "--config needs a TOML file."
        raise ValueError(msg)
    path = tokens[0]
    result: dict[str, list[str]] = {}
    for name, value in _flatten(read_toml(path)):
        option = known.get(name)
        if option is None:
            msg = f"{path} sets {name!r}, which is no option here{nearest(name, list(known))}"
            raise ValueError(msg)
        result[name] = _tokens(path, option, value)
    return result


def _flatten(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        name = prefix + key.replace("_", "-")
        if isinstance(value, dict):
            yield from _flatten(value, f"{name}.")
        else:
            yield name, value


def _tokens(path: str, option: Option, value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    if any(not isinstance(item, str | int | float) for item in values):
        msg = f"{path}: {option.name!r} must be text, a number, true or false, or a list of these; got {value!r}."
        raise ValueError(msg)
    if (option.kind == "switch") != isinstance(value, bool):
        wanted = "true or false" if option.kind == "switch" else "no true or false"
        msg = f"{path}: {option.name!r} takes {wanted}; got {json.dumps(value)}."
        raise ValueError(msg)
    texts = [str(item) for item in values]
    if option.kind == "positional":
        return texts
    if option.kind == "switch":
        return [f"--{option.name}" if value else no_flag(option.name)]
    if isinstance(value, list):
        # The first value is joined to the flag; a separate one that starts with "-" would pass for a flag.
        flaglike = next((text for text in texts[1:] if text.startswith("-") and not _is_number(text)), None)
        if flaglike is not None:
            msg = f"{path}: {option.name!r} holds {flaglike!r}; only the first of several values may start with '-'."
            raise ValueError(msg)
        return [f"--{option.name}={texts[0]}", *texts[1:]] if texts else [f"--{option.name}"]
    return [f"--{option.name}={texts[0]}"]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def to_toml(config: Any) -> str:
    """Return a config dataclass as TOML text that ``--config`` reads back; unset (None) fields are left out.

    Raises
    ------
    TypeError
        A field that holds something TOML has no word for.
    """
    lines: list[str] = []
    _write_table(config, "", lines)
    return "\n".join(lines).strip() + "\n"


def _write_table(config: Any, prefix: str, lines: list[str]) -> None:
    tables = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        key = _key_of(type(config), field.name)
        if dataclasses.is_dataclass(value):
            tables.append((key, value))
        elif value is not None:
            lines.append(f"{key} = {_toml_value(prefix + key, value)}")
    for key, value in tables:
        lines += ["", f"[{prefix}{key}]"]
        _write_table(value, f"{prefix}{key}.", lines)


def _key_of(config_type: type, field: str) -> str:
    _, marks = _unwrap(get_type_hints(config_type, include_extras=True)[field])
    return next((str(mark.name) for mark in marks if getattr(mark, "name", None)), field)


def _toml_value(name: str, value: Any) -> str:
    if isinstance(value, np.generic):  # np.float64 is a float, whose repr names its type
        value = value.item()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, str | OSPathLike):
        # JSON's escapes are TOML's; only DEL must be escaped as well.
        return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml_value(name, item) for item in value)}]"
    msg = f"{name} holds a {type(value).__name__}, which TOML cannot hold."
    raise TypeError(msg)


def dump_config(config: Any, path: PathLike) -> None:
    """Write a config dataclass to a TOML file, atomically."""
    text = to_toml(config)
    with atomic_write(path, "w") as file:
        file.write(text)
