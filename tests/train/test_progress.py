from __future__ import annotations

import re
import sys
from errno import EPIPE
from io import StringIO

import pytest

from alignkit.train._progress import Progress


def test_it_shows_loss_metric_speed_and_time_left(capsys):
    with Progress(10, 80, shown=True) as progress:
        progress.start(16)
        progress.step(3, 1, 24, 0.51234)
        progress.validated("val_rdm_spearman", {"val_rdm_spearman": 0.25, "loss": 3.0}, 0.3)
        progress.step(10, 2, 80, 0.25)
    text = capsys.readouterr().err
    last = text.split("\r")[-1]
    assert last.startswith("epoch 2, step 10/10 |")
    assert re.search(r"100% .*sample/s, 00:00 left, loss 0.25, val rdm_spearman 0.25 \(best 0.3\)", last)


def test_waiting_for_data_is_told_where_it_is_much(capsys):
    with Progress(10, 80, shown=True) as progress:
        progress.start(0)
        progress.step(1, 1, 8, 0.5, stall=0.05)
        progress.validated("loss", {"loss": 1.0}, 1.0)
        few = capsys.readouterr().err
        progress.step(2, 1, 16, 0.5, stall=0.234)
        progress.validated("loss", {"loss": 1.0}, 1.0)
    assert "waiting" not in few
    assert capsys.readouterr().err.split("\r")[-1].rstrip().endswith("(best 1), 23% waiting for data")


def test_nothing_is_shown_where_it_is_not_asked_for(capsys):
    with Progress(10, 80, shown=False) as progress:
        progress.start(0)
        progress.step(1, 1, 8, 0.5)
        progress.validated("loss", {"loss": 1.0}, 1.0)
    captured = capsys.readouterr()
    assert captured.err + captured.out == ""


class Pipe(StringIO):
    """Takes some lines until its reader is gone."""

    def __init__(self, n_lines):
        super().__init__()
        self.n_lines = n_lines

    def write(self, text):
        self.n_lines -= 1
        if self.n_lines < 0:
            raise BrokenPipeError(EPIPE, "Broken pipe")
        return super().write(text)


@pytest.mark.parametrize("n_lines", range(6))
def test_a_run_outlives_who_watches_it(monkeypatch, n_lines):
    monkeypatch.setattr(sys, "stderr", Pipe(n_lines))
    with Progress(2, 16, shown=True) as progress:
        progress.start(0)
        progress.validated("loss", {"loss": 1.0}, 1.0)
        progress.step(1, 1, 8, 0.5)
        progress.validated("loss", {"loss": 1.0}, 1.0)
        progress.step(2, 1, 16, 0.5)
