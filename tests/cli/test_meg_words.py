"""Sentences of functions in the words of the command line."""

from __future__ import annotations

import pytest

from alignkit._cli._meg_words import flags, in_words, reworded

NAMES = flags("by", "tmin", "tmax", "nan_policy", "times", "picks", "query", "baseline", "progress")


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("by='nope' must be a column.", "--by nope must be a column."),
        ("tmin=-0.5, tmax=None and x=1 keep none.", "--tmin -0.5, no --tmax and x=1 keep none."),
        ("tmin=1e-3. Next", "--tmin 1e-3. Next"),
        ("query=\"a == 'b'\" keeps none", "--query \"a == 'b'\" keeps none"),
        ("query='a == 1' keeps none", "--query 'a == 1' keeps none"),
        ("baseline=(None, 0.5) holds no sample", "--baseline None 0.5 holds no sample"),
        ("picks=['a', 'b'] chooses", "--picks 'a' 'b' chooses"),
        ("give times=(-0.1, 1.0).", "give --times -0.1 1.0."),
        ("pass nan_policy='omit' (or not)", "pass --nan-policy omit (or not)"),
        ("pass progress=True or progress=False", "pass --progress or --no-progress"),
        ("name one with by=.", "name one with --by."),
        ("times must be seconds; times are", "--times must be seconds; times are"),
        ("times of p1 differ", "times of p1 differ"),
        ("times must be ascending; got (9,).", "--times must be ascending; got 9."),
        ("must name axes; got ('subject', 'item').", "must name axes; got subject item."),
        ("must be a shape; got (3, 4); f(3)", "must be a shape; got 3 4; f(3)"),
        ("got ('a b', 'c')", "got ('a b', 'c')"),
        ("sometimes=1 and x.by=2", "sometimes=1 and x.by=2"),
    ],
)
def test_options_become_flags(sentence, expected):
    assert reworded(sentence, NAMES) == expected


def test_phrases_come_first():
    assert reworded("use f(by=1)", NAMES, {"f(by=1)": "`g`"}) == "use `g`"


def test_errors_keep_their_kind_and_those_of_the_system_their_words():
    for error in (ValueError("by is needed"), TypeError("by is needed"), FileExistsError("by is needed")):
        with pytest.raises(type(error), match=r"^--by is needed$"), in_words(NAMES):
            raise error
    with pytest.raises(PermissionError) as found, in_words(NAMES):
        raise PermissionError(13, "Permission denied", "by")
    assert found.value.filename == "by"
