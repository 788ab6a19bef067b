"""BibTeX of the articles behind data sets and methods."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources

from alignkit._check import check_choice
from alignkit.data._registry import dataset

#: Fields in the order in which they are written.
_FIELDS = ("author", "title", "journal", "booktitle", "institution", "volume", "pages", "year", "doi", "eprint", "note")


def bibtex(*names: str) -> str:
    """Return what to cite for data sets, as BibTeX.

    Parameters
    ----------
    *names : str
        Some of :func:`datasets`.

    Returns
    -------
    str
        One entry per article, each once.

    Raises
    ------
    ValueError
        No name, or an unknown one.

    Examples
    --------
    >>> print(bibtex("fmri_haxby").partition(chr(10))[0])
    @article{haxby2001,
    """
    if not names:
        msg = "name at least one data set to cite; datasets() has them all."
        raise ValueError(msg)
    return entries(key for name in names for key in dataset(name).references)


def entries(keys: Iterable[str]) -> str:
    """Return the BibTeX entries of articles by their keys, each once, in the order given."""
    known = references()
    wanted = list(dict.fromkeys(keys))
    for key in wanted:
        check_choice("the reference", key, sorted(known))
    return "\n\n".join(entry(key, known[key]) for key in wanted)


def entry(key: str, fields: Mapping[str, str]) -> str:
    """Return one entry; the fields' ``type`` says of which kind."""
    written = {name: fields[name] for name in _FIELDS if name in fields}
    if "eprint" in written:
        written["archiveprefix"] = "arXiv"
    if "title" in written:
        written["title"] = f"{{{written['title']}}}"  # as it is written, capitals and all
    lines = [f"  {name} = {{{value}}}," for name, value in written.items()]
    return "\n".join([f"@{fields['type']}{{{key},", *lines, "}"])


@cache
def references() -> dict[str, dict[str, str]]:
    """Return the articles on record, by key."""
    text = resources.files("alignkit.data").joinpath("references.json").read_text(encoding="utf-8")
    return {fields["key"]: fields for fields in json.loads(text)}
