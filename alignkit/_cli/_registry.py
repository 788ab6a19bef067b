"""The verbs: each is one short function that imports its config and its runner when it is called."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from alignkit._config import nearest

C = TypeVar("C")


@dataclasses.dataclass(frozen=True, slots=True)
class Entry(Generic[C]):
    """What a verb needs to run: the config its options fill and the function that takes it."""

    config: type[C]
    run: Callable[[C], None]


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
        if name in VERBS:
            return VERBS[name], args[n_words:]
    words = [name.partition(" ") for name in VERBS]
    first = args[0]
    if any(head == first for head, _, _ in words):
        known = [tail for head, _, tail in words if head == first]
        msg = f"alignkit {first} has no verb {args[1]!r}{nearest(args[1], known)}"
    else:
        msg = f"alignkit has no verb {first!r}{nearest(first, [head for head, _, _ in words])}"
    raise ValueError(msg)
