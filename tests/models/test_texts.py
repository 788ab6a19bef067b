from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from alignkit.models import read_texts

TABLE = (
    "Word\tWordNet ID\tWordNet ID2\tDefinition (from WordNet, Google, or Wikipedia)\n"
    'bass\tn1\tn1b\t"a fish, {odd}"\n'
    "bäss\tn2\tn2b\tan instrument\n"
)


def write(folder: Path, text: str, name: str = "words.tsv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_columns_by_name_and_unique_prefix(tmp_path: Path) -> None:
    texts = read_texts(write(tmp_path, TABLE), template="{Word}: {Definition}", label="WordNet ID")
    assert texts == {"n1": "bass: a fish, {odd}", "n2": "bäss: an instrument"}
    full = "{Definition (from WordNet, Google, or Wikipedia)}!"
    assert read_texts(write(tmp_path, TABLE), template=full, label="Word")["bäss"] == "an instrument!"


@pytest.mark.parametrize(("delimiter", "name"), [(",", "a.csv"), (";", "a.csv"), ("\t", "a.tsv"), ("\t", "a.txt")])
def test_delimiters_quotes_and_byte_order_mark(tmp_path: Path, delimiter: str, name: str) -> None:
    text = f'\ufeffid{delimiter}text\r\nx{delimiter}"one{delimiter} two"\r\n\r\n'
    path = tmp_path / name
    path.write_bytes(text.encode())
    assert read_texts(path, template="{text}", label="id") == {"x": f"one{delimiter} two"}


@pytest.mark.parametrize(
    ("text", "template", "label", "sentence"),
    [
        (TABLE, "{word}", "Word", r"no column 'word' \(case matters\); its columns are 'Word', 'WordNet ID'"),
        (TABLE, "{W}", "Word", "'W' fits 3 columns"),
        (TABLE, "Word", "Word", "template must name at least one column in braces, such as '{Word}'"),
        (TABLE, "{Word}", "Nope", "no column 'Nope'"),
        ("a,b\n1,2\n3\n", "{a}", "b", "row 2 has 1 cells and the header 2"),
        ("a,b\n1,x\n1,y\n", "{b}", "a", "must be unique; repeated: '1'"),
        ("a,b\n1,\n", "{b}", "a", "row '1' has nothing in 'b'"),
        ("a,b\n", "{b}", "a", "a header and at least one row"),
        ("\n\n", "{b}", "a", "a header and at least one row"),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, text: str, template: str, label: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_texts(write(tmp_path, text, "t.csv" if "\t" not in text else "t.tsv"), template=template, label=label)


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_texts(tmp_path / "no.tsv", template="{a}", label="a")
    with pytest.raises(IsADirectoryError, match="a file is expected"):
        read_texts(tmp_path, template="{a}", label="a")
    with pytest.raises(ValueError, match="is empty"):
        read_texts(write(tmp_path, ""), template="{a}", label="a")
    (tmp_path / "latin.csv").write_bytes("wört,b\n1,2\n".encode("latin-1"))
    with pytest.raises(ValueError, match="not a readable UTF-8 table"):
        read_texts(tmp_path / "latin.csv", template="{b}", label="b")


def test_the_real_table_of_concepts(shared_data: Callable[..., Path]) -> None:
    path = shared_data("things", "things_concepts.tsv")
    texts = read_texts(path, template="{Word}: {Definition}", label="uniqueID")
    assert len(texts) == 1854
    assert texts["abacus"].startswith("abacus: a calculator that performs arithmetic functions")
    assert {"bat1", "bat2"} <= set(texts)
