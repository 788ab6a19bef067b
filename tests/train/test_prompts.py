from __future__ import annotations

import json

import pytest

from alignkit.train._prompts import read_prompts, things_prompts

NAMES = ("metallic", "food", "soft")


def write(tmp_path, text, name="prompts.txt"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_lines_are_prompts_in_order(tmp_path):
    path = write(tmp_path, "made of metal\nfood-related; tasty\nsoft\n\n")
    assert read_prompts(path, NAMES) == ("made of metal", "food-related; tasty", "soft")


def test_rows_of_a_table_are_found_by_name(tmp_path):
    text = 'prompt,dimension\nsoft to touch,soft\n"metal, shiny",metallic\ntasty,food\n'
    assert read_prompts(write(tmp_path, text, "prompts.csv"), NAMES) == ("metal, shiny", "tasty", "soft to touch")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a\nb\n", "one prompt for each of the 3 dimensions; got 2"),
        ("a\nb\nc\nd\n", "got 4"),
        ("a\nb\na\n", "unique; repeated: 'a'"),
        ("a\n\nb\n", "empty label"),
        ("food\nmetallic\nsoft\n", "in another order than the targets .line 1 is 'food'"),
    ],
)
def test_lines_that_do_not_fit_are_refused(tmp_path, text, error):
    with pytest.raises(ValueError, match=error):
        read_prompts(write(tmp_path, text), NAMES)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("dimension,prompt\nmetallic,a\nfood,b\n", "lacks 'soft'"),
        ("dimension,prompt\nmetallic,a\nfood,b\nsoft,c\nhard,d\n", "names unknown 'hard'"),
        ("dimension,prompt\nmetallic,a\nfood,b\nfood,c\n", "unique"),
        ("dimension,prompt\nmetallic,a\nfood,a\nsoft,c\n", "repeated: 'a'"),
        ("name,prompt\nmetallic,a\nfood,b\nsoft,c\n", "lacks the column"),
    ],
)
def test_tables_that_do_not_fit_are_refused(tmp_path, text, error):
    with pytest.raises(ValueError, match=error):
        read_prompts(write(tmp_path, text, "prompts.csv"), NAMES)


def test_a_binary_file_is_refused(tmp_path):
    path = tmp_path / "prompts.txt"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="not a text file"):
        read_prompts(path, NAMES)


def test_published_prompts_are_whole_words(shared_data):
    root = shared_data("things", "prompts.json").parents[1]
    prompts = things_prompts(66, root)
    assert prompts[:2] == ("metallic; artificial", "food-related")
    assert prompts[-1] == "fine-grained; pattern"
    assert min(map(len, prompts)) > 1  # the official code once took their first letters
    assert len(set(things_prompts(49, root))) == 49


def test_missing_or_damaged_prompts_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"prompts.json.*give prompts="):
        things_prompts(66, tmp_path)
    (tmp_path / "things").mkdir()
    (tmp_path / "things" / "prompts.json").write_text(json.dumps({"prompts66_used": "metallic"}))
    with pytest.raises(ValueError, match="no list 'prompts66_used'"):
        things_prompts(66, tmp_path)
    (tmp_path / "things" / "prompts.json").write_text(json.dumps({"prompts66_used": ["metallic"]}))
    with pytest.raises(ValueError, match="66 dimensions; got 1"):
        things_prompts(66, tmp_path)
