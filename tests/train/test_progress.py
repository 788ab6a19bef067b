from __future__ import annotations

import re

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


def test_nothing_is_shown_where_it_is_not_asked_for(capsys):
    with Progress(10, 80, shown=False) as progress:
        progress.start(0)
        progress.step(1, 1, 8, 0.5)
        progress.validated("loss", {"loss": 1.0}, 1.0)
    captured = capsys.readouterr()
    assert captured.err + captured.out == ""
