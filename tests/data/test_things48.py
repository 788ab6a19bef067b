from __future__ import annotations

from alignkit.data import load_things
from alignkit.data._things48 import THINGS48


def test_there_are_48_of_them():
    assert len(set(THINGS48)) == len(THINGS48) == 48


def test_they_are_those_of_the_published_matrix(shared_data):
    root = shared_data("things").parent
    assert load_things(root).rdm48.labels == THINGS48
