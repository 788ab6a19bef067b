"""From a command line to a config: tyro parses, and every refusal becomes one sentence."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import itertools
import os
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import tyro

from alignkit._check import meant
from alignkit._cli._flags import as_flags
from alignkit._config import Arguments, expand

C = TypeVar("C")

_MARKERS = (tyro.conf.DisallowNone, tyro.conf.PositionalMetavarFromFieldName)
_FRAME = re.compile(r"\x1b\[[0-9;]*m|[│╭╮╰╯]")
#: How tyro writes that any number of values may follow.
_SEVERAL = re.compile(r"\{?\[+(\w+) \[\1 \.\.\.\]\]+\}?")
#: Python's words for a value that does not parse, and ours.
_PLAIN = (
    (
        re.compile(r"Error parsing (\S+): .*invalid literal for int\(\) with base 10: ('[^']*').*"),
        r"\1 must be a whole number; got \2.",
    ),
    (
        re.compile(r"Error parsing (\S+): .*could not convert string to float: ('[^']*').*"),
        r"\1 must be a number; got \2.",
    ),
    (re.compile(r"Error parsing (\S+): Could not find valid parse for arguments: \[(.*)\].*"), r"\1 does not take \2."),
    (re.compile(r"Error parsing (--?\S+): (.*)"), r"\1: \2"),
    # The name that follows is the config class's or tyro's own; users never typed it.
    (re.compile(r"Error parsing \S+: (.*)"), r"\1"),
    (
        re.compile(r"invalid choice (.*) for argument '(\S+)'\. Expected one of \((.*?),?\)\."),
        r"\2 must be one of \3; got \1.",
    ),
    (re.compile(r"Missing value for argument [^-]*(--?[\w.-]+).*"), r"\1 needs a value."),
    (re.compile(r"Unrecognized options: (.*)"), r"unexpected: \1."),
)


def parse(config_type: type[C], args: Sequence[str], prog: str, presets: Mapping[str, Any] | None = None) -> C:
    """Return the config that a command line (with its ``--config`` files) describes.

    Parameters
    ----------
    config_type : type
        A config dataclass.
    args : sequence of str
        What follows the verb.
    prog : str
        The words before it.
    presets : mapping, optional
        Settings by name, which take the place of the defaults where ``--preset`` names them.

    Raises
    ------
    ValueError
        Anything the config does not accept, in one sentence.
    """
    arguments = expand(args, config_type)
    printed = io.StringIO()
    try:
        # Printing to memory, tyro leaves out frames and colours.
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(printed), _wide():
            start = _start(config_type, arguments.tokens, presets or {})
            return tyro.cli(config_type, prog=prog, args=arguments.tokens, config=_MARKERS, **start)
    except SystemExit as stop:
        msg = as_flags(_blame(_sentence(printed.getvalue()), arguments), config_type, nested=True)
        raise ValueError(msg) from stop
    except ValueError as error:
        msg = as_flags(_blame(str(error), arguments), config_type, nested=True)
        raise ValueError(msg) from error


def _start(config_type: type[C], tokens: Sequence[str], presets: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config that ``--preset`` stands for as tyro's default; nothing where none is named, or an unknown one.

    Wherever it is named, it comes first: it never undoes what is set beside it.
    """
    flags = itertools.pairwise([*tokens, ""])
    named = [
        value if flag == "--preset" else flag[9:] for flag, value in flags if flag[:9] in ("--preset", "--preset=")
    ]
    preset = presets.get(named[-1]) if named else None
    if preset is None:
        return {}
    own = {field.name for field in dataclasses.fields(config_type) if field.init}  # type: ignore[arg-type]
    values = {field.name: getattr(preset, field.name) for field in dataclasses.fields(preset) if field.name in own}
    return {"default": config_type(**values)}


def help_text(config_type: type, prog: str, width: int) -> str:
    """Return tyro's page of options without its frames, the description and the defaults that say nothing."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), _wide(width), contextlib.suppress(SystemExit):
        tyro.cli(config_type, prog=prog, args=["--help"], description=" ", config=_MARKERS)
    text = re.sub(r"\s*\(default:\s*(None)?\)", "", _FRAME.sub("", printed.getvalue()))
    text = _SEVERAL.sub(r"\1 ...", text)
    text = text.replace("positional arguments", "arguments")
    return "\n".join(line.rstrip() for line in text.splitlines()).strip() + "\n"


@contextlib.contextmanager
def _wide(width: int = 10_000) -> Iterator[None]:
    """Set the width that text is wrapped at; wide enough, a message stays on one line."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(width)
    try:
        yield
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before


def _sentence(printed: str) -> str:
    """Return the message of one of tyro's errors (title, rule, message, rule, more) in our words."""
    bare = textwrap.dedent("\n".join(_FRAME.sub("", row) for row in printed.splitlines()[1:]))
    rows = [row.rstrip() for row in bare.splitlines()]
    rules = [i for i, row in enumerate(rows) if re.fullmatch(r"\s*[-─]{3,}", row)]
    start = rules[0] + 1 if rules[:1] == [0] else 0
    message = rows[start : next((i for i in rules if i > start), len(rows))]
    if message and message[0].lstrip().startswith("Missing from"):
        return _missing(textwrap.dedent("\n".join(message[1:])).splitlines())
    text = " ".join(row.strip() for row in message).strip()
    for pattern, words in _PLAIN:
        text, found = pattern.subn(words, text)
        if found:
            break
    # leaving an option out is no value one can write
    return _with_nearest(re.sub(r"'None', |, 'None'", "", text))


def _with_nearest(sentence: str) -> str:
    """Return a refusal of a word that is none of a list with the word that was probably meant."""
    found = re.fullmatch(r"(\S+ must be one of (.*); got '([^']*)')\.", sentence)
    return found[1] + meant(found[3], re.findall(r"'([^']*)'", found[2])) if found else sentence


def _missing(rows: Sequence[str]) -> str:
    # What is missing stands at the margin, its help further in.
    names = [_SEVERAL.sub(r"\1 ...", row) for row in rows if row and not row.startswith(" ")]
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} required."


def _blame(sentence: str, arguments: Arguments) -> str:
    """Name the config file when the option that a sentence speaks of was set there."""
    for name, path in arguments.sources.items():
        if re.search(rf"(?<![\w-])(--)?({re.escape(name)}|{re.escape(name.replace('-', '_'))})(?![\w-])", sentence):
            return f"{sentence.rstrip('.')} (set in {path})."
    return sentence
