from __future__ import annotations

import time

import pytest

from alignkit.score import _steps
from alignkit.score._steps import Steps


@pytest.fixture
def slow(monkeypatch):
    """Everything takes long."""
    monkeypatch.setattr(_steps, "DELAY", -1.0)


def test_the_bar_counts_what_is_done_of_all_and_clears_itself(slow, capsys):
    with Steps(True) as steps:
        steps.expect(3)
        steps.done("one")
        steps.expect(1)
        for _ in range(3):
            time.sleep(0.12)  # a bar is drawn ten times a second
            steps.done("more")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "scoring:" in captured.err
    assert "4/4" in captured.err
    assert ", more]" in captured.err
    assert captured.err.endswith("\r")
    assert captured.err.split("\r")[-2].strip() == ""


def test_nothing_is_shown_where_nothing_is_asked_for_or_it_is_quick(capsys):
    for shown in (False, True):
        with Steps(shown) as steps:
            steps.expect(1)
            steps.done("one")
    assert capsys.readouterr() == ("", "")


def test_the_bar_goes_when_something_fails(slow, capsys):
    with pytest.raises(ValueError, match="no"), Steps(True) as steps:  # noqa: PT012
        steps.expect(2)
        steps.done()
        msg = "no"
        raise ValueError(msg)
    assert capsys.readouterr().err.split("\r")[-2].strip() == ""


def test_scoring_counts_all_its_steps(lab, make, quick, monkeypatch):
    from alignkit.models import Features
    from alignkit.score import _score

    counted = []

    class Counting(Steps):
        def __exit__(self, *error):
            counted.append((self._n_done, self._total))
            super().__exit__(*error)

    monkeypatch.setattr(_score, "Steps", Counting)
    one = make()
    net = Features.from_arrays({"a": one.array(), "b": one.array()}, one.labels, name="net")
    quick([one, make("other", seed=3)], lab)
    quick([one, net], lab, layers="all")
    for done, total in counted:
        assert done == total > 2
