"""What may follow what on a command line, as plain words that a script for any shell can be written from."""

from __future__ import annotations

import dataclasses
from typing import Any

from alignkit._cli._registry import Entry
from alignkit._config import Option, no_flag, options


@dataclasses.dataclass(frozen=True, slots=True)
class VerbWords:
    """The flags of a verb, and what may follow them."""

    name: str
    summary: str
    flags: tuple[str, ...]
    """All of them; a switch stands with the flag that turns it off."""
    switches: tuple[str, ...]
    """Those that take no value."""
    several: tuple[str, ...]
    """Those that take any number of values."""
    numbers: tuple[str, ...]
    """Those whose value no shell can guess."""
    values: dict[str, tuple[str, ...]]
    """Words by flag; by place (``"0"``), or by ``"*"`` for every further place, for what has no flag."""


def verb_words(name: str, summary: str, entry: Entry[Any]) -> VerbWords:
    """Return what may follow a verb."""
    found = options(entry.config).values()
    known = entry.words()
    flags = [option for option in found if option.kind != "positional"]
    switches = [flag for option in flags if option.kind == "switch" for flag in _switch(option)]
    values = {f"--{option.name}": _words(option, known) for option in flags}
    values |= _places([option for option in found if option.kind == "positional"], known)
    return VerbWords(
        name,
        summary,
        tuple([*(flag for option in flags for flag in _spellings(option)), "--config", "--help"]),
        (*switches, "--help"),
        tuple(f"--{option.name}" for option in flags if option.several),
        tuple(f"--{option.name}" for option in flags if option.takes == "number" and not values[f"--{option.name}"]),
        {key: words for key, words in values.items() if words},
    )


def _spellings(option: Option) -> tuple[str, ...]:
    return _switch(option) if option.kind == "switch" else (f"--{option.name}",)


def _switch(option: Option) -> tuple[str, str]:
    return f"--{option.name}", no_flag(option.name)


def _words(option: Option, known: Any) -> tuple[str, ...]:
    return option.choices or tuple(known.get(option.name, ()))


def _places(found: list[Option], known: Any) -> dict[str, tuple[str, ...]]:
    """Return the words of what is given by its place; the last one may take all further places."""
    places = {}
    for position, option in enumerate(found):
        places["*" if option.several else str(position)] = _words(option, known)
    return places
