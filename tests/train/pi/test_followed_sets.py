"""Zero-shot sets that are followed: no two of one name, and none that is called like a data set of people."""

from __future__ import annotations

import pytest
from reference.pi import write_shades

from alignkit.train.pi._followed_sets import open_followed_sets


def test_sets_come_in_order_and_names_tell_them_apart(tmp_path):
    for name in ("a/test", "b/test", "things_own", "other"):
        write_shades(tmp_path / name)
    first, second = open_followed_sets([tmp_path / "other", tmp_path / "a" / "test"], human=("things",))
    assert (first.name, second.name) == ("other", "test")
    with pytest.raises(ValueError, match=r"a/test and .*b/test are both called 'test'.*rename a folder"):
        open_followed_sets([tmp_path / "a" / "test", tmp_path / "b" / "test"])
    with pytest.raises(ValueError, match=r"things_own.*like the data set of people 'things'"):
        open_followed_sets([tmp_path / "things_own"], human=("things",))


def test_without_templates_it_says_which_file_to_write(tmp_path):
    write_shades(tmp_path / "shades")
    (tmp_path / "shades" / "templates.txt").unlink()
    with pytest.raises(ValueError, match=r"has no templates.* or write .*shades/templates.txt, one a line"):
        open_followed_sets([tmp_path / "shades"], root=tmp_path)
