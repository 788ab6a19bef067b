"""The verbs: each is one short function that imports its config and its runner when it is called."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from alignkit._config import nearest

C = TypeVar("C")


@dataclasses.dataclass(frozen=True, slots=True)
class Entry(Generic[C]):
    """What a verb needs to run: the config its options fill and the function that takes it."""

    config: type[C]
    run: Callable[[C], None]
    presets: Callable[[], Mapping[str, Any]] = dict
    """Settings that ``--preset NAME`` starts from, by name: dataclasses that have some of the config's fields."""
    words: Callable[[], Mapping[str, Sequence[str]]] = dict
    """Words that options of plain text usually are, by option, for completion by the shell."""


@dataclasses.dataclass(frozen=True, slots=True)
class Verb:
    """A word (or two) of the command line."""

    name: str
    group: str
    load: Callable[[], Entry[Any]]

    @property
    def summary(self) -> str:
        """First line of the verb function's docstring."""
        return (inspect.getdoc(self.load) or "").partition("\n")[0]


VERBS: dict[str, Verb] = {}


def verb(name: str, group: str) -> Callable[[Callable[[], Entry[C]]], Callable[[], Entry[C]]]:
    """Register a function as the verb ``name`` under a heading of the help page."""

    def register(load: Callable[[], Entry[C]]) -> Callable[[], Entry[C]]:
        VERBS[name] = Verb(name, group, load)
        return load

    return register


def find_verb(args: list[str]) -> tuple[Verb, list[str]]:
    """Return the verb that a command line starts with, and what follows it.

    Raises
    ------
    ValueError
        A word that is no verb.
    """
    for n_words in (2, 1):
        name = " ".join(args[:n_words])
        if name in VERBS and not _is_other_verb(name, args[n_words:]):
            return VERBS[name], args[n_words:]
    words = [name.partition(" ") for name in VERBS]
    first = args[0]
    if any(head == first for head, _, _ in words):
        known = [tail for head, _, tail in words if head == first and tail]
        hint = nearest(args[1], known)
        msg = f"alignkit {first} has no verb {args[1]!r}" + (f"; it has {', '.join(known)}." if hint == "." else hint)
    else:
        msg = f"alignkit has no verb {first!r}{nearest(first, [head for head, _, _ in words])}"
    raise ValueError(msg)


def _is_other_verb(name: str, rest: list[str]) -> bool:
    """Return whether a word after a verb that is a group as well can only be meant as one of its verbs."""
    is_group = any(other.startswith(f"{name} ") for other in VERBS)
    return is_group and bool(rest) and not rest[0].startswith("-")
