from __future__ import annotations

import threading

import pytest

from alignkit._executor import Threads, as_executor
from alignkit._threads import jobs


def add(a, b, task):
    return a + b + task


@pytest.mark.parametrize("n", [1, 2])
def test_threads_keep_the_order_of_the_tasks(n):
    with jobs(n):
        executor = as_executor(None)
        assert executor.n_workers <= n
        assert list(executor.map(add, range(20), (100, 1000))) == [1100 + i for i in range(20)]


def test_no_more_threads_than_are_allowed():
    seen, lock = set(), threading.Lock()

    def note(_):
        with lock:
            seen.add(threading.get_ident())

    with jobs(2):
        list(Threads(1).map(note, range(10)))
    assert len(seen) == 1


def test_what_is_no_client():
    class Odd:
        submit = None

    for value in (3, "tcp://here", Odd()):
        with pytest.raises(TypeError, match=r"client must be a dask\.distributed\.Client"):
            as_executor(value)
