from __future__ import annotations

import os
import signal
import sys
import threading
from errno import EPIPE

import pytest

from alignkit.train._interrupts import Interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_remembered_and_handlers_come_back(number, capsys):
    before = signal.getsignal(number)
    with Interrupts() as interrupts:
        assert interrupts.caught is None
        os.kill(os.getpid(), number)
        assert interrupts.caught == number
    assert signal.getsignal(number) is before
    assert "stopping after this step" in capsys.readouterr().err


def test_a_second_ctrl_c_ends_at_once():
    with Interrupts():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_it_leaves_as_the_signal_would(capsys):
    interrupts = Interrupts()
    interrupts.caught = signal.SIGINT
    with pytest.raises(KeyboardInterrupt, match="saved"):
        interrupts.leave("saved")
    interrupts.caught = signal.SIGTERM
    with pytest.raises(SystemExit) as left:
        interrupts.leave("saved there")
    assert left.value.code == 143
    assert capsys.readouterr().err == "saved there\n"


def test_other_threads_may_train_too():
    seen = []

    def work():
        with Interrupts() as interrupts:
            seen.append(interrupts.caught)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [None]


@pytest.mark.parametrize("error", [BrokenPipeError(EPIPE, "Broken pipe"), ValueError("closed"), RuntimeError("amid")])
def test_nobody_need_read_what_it_says(monkeypatch, error):
    class Gone:
        def write(self, text):
            raise error

    monkeypatch.setattr(sys, "stderr", Gone())
    with Interrupts() as interrupts:
        os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(SystemExit):
        interrupts.leave("saved")
