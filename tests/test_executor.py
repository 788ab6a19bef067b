from __future__ import annotations

import sys
import threading

import numpy as np
import pytest
from reference.cluster import AtOnce

from alignkit import _executor
from alignkit._executor import Threads, Workers, as_executor
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


@pytest.mark.parametrize(
    ("together", "most", "bundles"), [(1, None, [1] * 10), (4, None, [4, 4, 2]), (4, 3, [4, 4, 2])]
)
def test_bundles_travel_together_and_keep_their_order(together, most, bundles):
    client = AtOnce()
    found = Workers(client).map(add, iter(range(10)), (100, 1000), together=together, most=most)
    assert list(found) == [1100 + i for i in range(10)]
    assert client.bundles == bundles
    assert not client.scattered


def test_what_is_large_is_sent_once_to_all_and_large_tasks_to_one():
    client, large = AtOnce(), np.zeros(1 << 14)
    found = Workers(client).map(add, [large, 1.0], (large, 2.0))
    assert [float(one.mean()) for one in found] == [2.0, 3.0]
    everybody, one = client.scattered
    assert everybody["broadcast"]
    assert "broadcast" not in one


def test_what_is_lost_on_the_way_is_sent_again(monkeypatch):
    monkeypatch.setattr(_executor, "_PAUSE", 0.0)
    client, large = AtOnce(), np.zeros(1 << 14)
    losses = [OSError("Stream is closed")] * 4

    def scatter(what, **_):
        if losses:
            raise losses.pop()
        return what

    client.scatter = scatter
    assert [float(one.mean()) for one in Workers(client).map(add, [large], (0.0, 1.0))] == [1.0]
    losses += [OSError("Stream is closed")] * 5
    with pytest.raises(OSError, match="Stream is closed"):
        list(Workers(client).map(add, [large], (0.0, 1.0)))
    losses[:] = [TimeoutError("No valid workers found")]
    with pytest.raises(TimeoutError):
        list(Workers(client).map(add, [large], (0.0, 1.0)))


@pytest.mark.parametrize("executor", [Threads(), Workers(AtOnce())])
def test_no_more_wait_than_are_asked_for(executor):
    begun = []
    with jobs(4):
        found = executor.map(lambda task: begun.append(task) or task, iter(range(20)), most=2)
        for n, outcome in enumerate(found):
            assert outcome == n
            assert len(begun) <= n + 2
    # of two threads, either may be the faster
    assert (sorted(begun) if executor.in_process else begun) == list(range(20))


def at_odd_addresses(held, small, task):
    """Return how many arrays of a task, and of what it shares with others, BLAS cannot take."""
    return sum(not one.flags.aligned for one in (*held, *small, *task))


@pytest.mark.parametrize("n", [5, 3000])  # tasks that go with the message, and beside it
def test_arrays_arrive_where_they_can_be_computed_with(client, n):
    # odd lengths before them put arrays at odd addresses
    held, small = (b"x" * 7, np.zeros((200, 200)), np.zeros(3001)), ("odd", np.zeros(7))
    tasks = [(np.full(n, k), np.full(n + 1, k, dtype=np.float32)) for k in range(8)]
    found = Workers(client).map(at_odd_addresses, iter(tasks), (held[1:], small[1:]), together=3)
    assert list(found) == [0] * 8
    labels = Workers(client).map(add, iter(np.arange(4.0)[:, None] * np.ones(n)), (np.ones(n), held[2][:1]))
    np.testing.assert_array_equal(list(labels), np.arange(4.0)[:, None] + np.ones(n))


def test_workers_know_how_much_memory_it_takes():
    pytest.importorskip("distributed")
    what = _executor._InOnePiece([np.zeros(1000), np.zeros(500)])
    unpack, packed = what.__reduce__()
    found = unpack(*packed)
    assert [one.shape for one in found.what] == [(1000,), (500,)]
    assert sys.getsizeof(found) > 8 * 1500
