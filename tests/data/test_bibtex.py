"""References are well-formed and say no more than is on record elsewhere."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path

import pytest

import alignkit
from alignkit.data import bibtex, datasets
from alignkit.data._bibtex import entries, references

PACKAGE = Path(alignkit.__file__).resolve().parent


def parsed(text: str) -> dict[str, dict[str, str]]:
    """Read BibTeX as written here: one field a line."""
    found: dict[str, dict[str, str]] = {}
    for block in text.split("\n\n"):
        lines = block.split("\n")
        head = re.fullmatch(r"@(\w+)\{([\w-]+),", lines[0])
        assert head, lines[0]
        assert lines[-1] == "}"
        fields = [re.fullmatch(r"  (\w+) = \{(.*)\},", line) for line in lines[1:-1]]
        assert all(fields), block
        assert block.count("{") == block.count("}")
        found[head[2]] = {"type": head[1], **{field[1]: field[2] for field in fields if field}}
    return found


def test_a_data_set_gives_its_articles_once_each():
    found = parsed(bibtex("things", "things_meg"))
    assert list(found) == ["hebart2019", "hebart2020", "hebart2023", "stoinski2023"]
    assert found["hebart2020"]["doi"] == "10.1038/s41562-020-00951-3"
    assert found["hebart2020"]["title"].startswith("{Revealing")


def test_every_entry_can_be_read_and_has_what_its_kind_needs():
    needed = {"article": "journal", "inproceedings": "booktitle", "techreport": "institution", "misc": "eprint"}
    for key, fields in parsed(entries(references())).items():
        assert {"author", "year", needed[fields["type"]]} <= set(fields), key
        assert "title" in fields or "title" in fields["note"], key
        assert re.fullmatch(r"(19|20)\d\d", fields["year"]), key
        assert key.startswith(re.sub(r"\W", "", fields["author"].partition(",")[0].partition(" ")[0]).lower()[:3]), key
        assert fields["year"] in key, key


def test_no_identifier_stands_here_alone():
    # each DOI and arXiv number is also in a citation of the registry or in the docstring of a method
    text = (PACKAGE / "data" / "datasets.json").read_text(encoding="utf-8")
    text += "".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    for key, fields in references().items():
        for name in ("doi", "eprint"):
            assert fields.get(name, "") in text, (key, name)


def test_every_data_set_cites_the_articles_of_its_citation():
    for name, entry in datasets().items():
        assert entry.references, name
        known = [references()[key] for key in entry.references]
        for identifier in re.findall(r"(?:doi:|arXiv:)([^\s);,]+)", entry.citation):
            assert any(identifier in (one.get("doi"), one.get("eprint")) for one in known), (name, identifier)
        for fields in known:
            assert fields["year"] in entry.citation or fields["key"].startswith("muttenthaler"), (name, fields["key"])
            family = fields["author"].partition(",")[0].partition(" ")[0]
            assert family in entry.citation, (name, family)


def test_keys_are_unique_and_the_file_is_plain():
    raw = json.loads(resources.files("alignkit.data").joinpath("references.json").read_text(encoding="utf-8"))
    keys = [fields["key"] for fields in raw]
    assert len(set(keys)) == len(keys)
    assert all(isinstance(value, str) and value for fields in raw for value in fields.values())


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="the data set must be one of"):
        bibtex("thing")
    with pytest.raises(ValueError, match="name at least one data set"):
        bibtex()


def test_cards_say_who_what_and_what_not():
    for name, entry in datasets().items():
        for text in (entry.people, entry.shows, entry.cannot, entry.licence, entry.citation, entry.page):
            assert len(text) >= 3, name
        assert re.search(r"people|1 person|none|unknown|votes", entry.people), name
    assert datasets()["fmri_haxby"].size == "1.3 MB in 4 files"
    assert datasets()["nights"].size == "3 parts of unknown size"
