"""Refusals of alignkit.meg in the words of its verbs: flags where they name options of functions."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping

#: An option with its value, as messages quote it: text, a pair, a list, a number, or None.
_VALUE = r"""'[^']*'|"[^"]*"|\([^()]*\)|\[[^\[\]]*\]|-?\d[\w.+-]*(?<![.])|None|True|False"""
#: Several values as Python writes them, where a message says what came.
_GOT = re.compile(r"\bgot \(((?:'[^'\s]*'|-?\d[\w.+-]*)(?:, (?:'[^'\s]*'|-?\d[\w.+-]*))*),?\)")


@contextlib.contextmanager
def in_words(names: Mapping[str, str], phrases: Mapping[str, str] | None = None) -> Iterator[None]:
    """Let refusals speak of flags.

    ``names`` says what each option of a function is called here; ``phrases`` are replaced as they are, first.
    """
    try:
        yield
    except (ValueError, TypeError, OSError) as error:
        if isinstance(error, OSError) and error.strerror:
            raise
        text = reworded(str(error), names, phrases)
        raise type(error)(text) from error


def reworded(sentence: str, names: Mapping[str, str], phrases: Mapping[str, str] | None = None) -> str:
    """Return a sentence with options of functions named as flags."""
    for old, new in (phrases or {}).items():
        sentence = sentence.replace(old, new)
    some = "|".join(sorted(map(re.escape, names), key=len, reverse=True))
    sentence = re.sub(rf"(?<![\w.'-])({some})=({_VALUE})?", lambda found: _flag(found, names), sentence)
    sentence = _GOT.sub(lambda found: "got " + found[1].replace("'", "").replace(", ", " "), sentence)
    return re.sub(
        rf"\A({some})(?= (must|is|are|needs|may|holds|lies|names|belongs)\b)", lambda m: names[m[1]], sentence
    )


def _flag(found: re.Match[str], names: Mapping[str, str]) -> str:
    name, value = names[found[1]], found[2]
    if value in (None, "True"):
        return name
    if value == "None":
        return f"no {name}"
    if value == "False":
        return name.replace("--", "--no-", 1)
    bare = value.strip("()[]") if value[0] in "([" else value
    plain = bare[1:-1] if re.fullmatch(r"'[^'\s]*'", bare) else bare
    return f"{name} {plain.replace(', ', ' ') if value[0] in '([' else plain}"


def flags(*names: str) -> dict[str, str]:
    """Return what options are called that have the same name here."""
    return {name: f"--{name.replace('_', '-')}" for name in names}
