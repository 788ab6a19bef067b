"""Refusals of settings in the words of the command line, nested settings included."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from alignkit._config import options

#: Errors that are one sentence; those of the system and of codecs are not made from one.
_PLAIN = {
    ValueError,
    TypeError,
    FileNotFoundError,
    FileExistsError,
    NotADirectoryError,
    BlockingIOError,
}


@contextmanager
def in_flags_of(config_type: type) -> Iterator[None]:
    """Let refusals that name a setting of a config speak of its flag."""
    try:
        yield
    except tuple(_PLAIN) as error:
        if type(error) not in _PLAIN or (isinstance(error, OSError) and error.errno is not None):
            raise
        raise type(error)(as_flags(str(error), config_type)) from error


def as_flags(sentence: str, config_type: type, *, nested: bool = False) -> str:
    """Return a sentence with flags in place of settings, at its start and as ``name=``.

    Parameters
    ----------
    sentence : str
        ``"lr must be ..."`` becomes ``"--optim.lr must be ..."``.
    config_type : type
        The config that has the settings.
    nested : bool
        Only those of configs within it.
    """
    for option in options(config_type):
        head, _, last = option.rpartition(".")
        name = re.escape(last.replace("-", "_"))
        if not head and nested:
            continue
        sentence = re.sub(rf"^{name}(?= (is|are|must|needs|holds|has|names|takes|goes)\b)", f"--{option}", sentence)
        if head:  # those without one are known by their spelling alone
            sentence = re.sub(rf"(?<![\w.'-]){name}=(?='|[\d,;)]|\s|$)", f"--{option} ", sentence)
    return re.sub(r"\banother out\b", "another --out", sentence)
