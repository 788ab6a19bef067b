from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from alignkit import _threads
from alignkit._threads import each, each_in_turn, jobs, n_threads, one_blas_thread


def blas_threads() -> list[int]:
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


@pytest.fixture
def four(monkeypatch):
    monkeypatch.setattr(_threads, "n_threads", lambda: 4)


def test_as_many_as_the_blas_may_use(monkeypatch):
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    for number in (1, 2):
        with threadpool_limits(number):
            assert n_threads() == number
    with threadpool_limits(2):
        monkeypatch.setenv("NUMBA_NUM_THREADS", "1")
        assert n_threads() == 1


def test_jobs_are_counted_as_joblib_does(monkeypatch):
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    with threadpool_limits(1):
        for n_jobs, expected in ((None, 1), (1, 1), (2, 2), (-1, 3), (-2, 2)):
            with jobs(n_jobs):
                assert n_threads() == expected
            assert n_threads() == 1
        with jobs(2), one_blas_thread(), jobs(1):
            assert n_threads() == 2  # what holds the BLAS keeps it
    for wrong in (0, -4):
        with pytest.raises(ValueError, match="n_jobs must leave at least one thread"), jobs(wrong):
            pass
    for wrong in (True, "2", 1.5):
        with pytest.raises(TypeError, match="n_jobs must be a whole number"), jobs(wrong):
            pass


def test_the_blas_is_given_back_when_the_last_holder_is_done(monkeypatch):
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        with one_blas_thread():
            with one_blas_thread():
                assert set(blas_threads()) == {1}
            assert set(blas_threads()) == {1}
            assert n_threads() == 2
        assert blas_threads() == before
        with pytest.raises(KeyError), one_blas_thread():
            raise KeyError
        assert blas_threads() == before


def test_holders_in_several_threads_leave_no_limit_behind():
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()

        def hold() -> None:
            for _ in range(50):
                with one_blas_thread():
                    time.sleep(1e-5)

        holders = [threading.Thread(target=hold) for _ in range(4)]
        for holder in holders:
            holder.start()
        for holder in holders:
            holder.join()
        assert blas_threads() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_process_that_is_forked_while_the_blas_is_held_has_all_of_it():
    code = """
import os, signal, threading
from threadpoolctl import threadpool_info, threadpool_limits
from alignkit import _threads

def blas():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}

import numpy
with threadpool_limits(2, user_api="blas"):
    allowed, held, go_on = blas(), threading.Event(), threading.Event()

    def hold():
        with _threads.one_blas_thread(), _threads._lock:
            held.set()
            go_on.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    child = os.fork()
    if not child:
        signal.alarm(30)  # a lock that is held for ever would hold the test, too
        fine = blas() == allowed
        with _threads.one_blas_thread():
            fine = fine and blas() == {1}
        os._exit(not (fine and blas() == allowed))
    go_on.set()
    holder.join()
    assert os.waitpid(child, 0)[1] == 0
    assert blas() == allowed
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_each_keeps_the_order(four):
    def slow_first(task: int) -> tuple[int, int, list[int]]:
        time.sleep(0.01 if task == 0 else 0)
        return task, _threads._worker.busy, blas_threads()

    found = each(slow_first, range(6))
    assert [task for task, _, _ in found] == list(range(6))
    assert all(busy and set(blas) == {1} for _, busy, blas in found)
    assert each(slow_first, []) == []


def test_tasks_start_no_threads_of_their_own(monkeypatch):
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    with threadpool_limits(2, user_api="blas"):
        assert each(lambda _: n_threads(), range(3)) == [1, 1, 1]


def test_an_error_in_a_task_is_the_callers(four):
    done = []

    def fail(task: int) -> None:
        if task == 0:
            raise ZeroDivisionError
        time.sleep(0.01)
        done.append(task)

    with pytest.raises(ZeroDivisionError):
        each(fail, range(100))
    assert len(done) < 99


def test_outcomes_are_handed_out_in_turn_and_no_more_is_begun_than_may_wait(four):
    begun, seen = [], []
    for outcome in each_in_turn(lambda task: (begun.append(task), task * task)[1], range(20), 3):
        seen.append(outcome)
        assert len(begun) <= len(seen) + 3
        assert set(blas_threads()) == {1}
    assert seen == [task * task for task in range(20)]
    assert sorted(begun) == list(range(20))


@pytest.mark.parametrize("most", [1, 3, None])
def test_an_error_in_turn_is_the_callers_and_ends_the_rest(four, most):
    begun = []
    found = each_in_turn(lambda task: (begun.append(task), 1 // (3 - task))[1], range(50), most)
    assert [next(found) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(found)
    assert len(begun) < 10
    assert list(each_in_turn(str, [], most)) == []


def test_tasks_see_the_callers_error_state(four):
    def divide(_: int) -> float:
        return float((np.ones(1) / np.zeros(1))[0])

    with np.errstate(divide="ignore"), warnings.catch_warnings():
        assert each(divide, range(4)) == [np.inf] * 4
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        each(divide, range(4))


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="a BLAS takes no more threads than there are cores")
def test_a_blas_that_is_loaded_late_is_held_too():
    code = """
import numpy as np
from threadpoolctl import threadpool_info
from alignkit._threads import one_blas_thread
with one_blas_thread():
    import scipy.linalg
    with one_blas_thread():
        assert {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"} == {1}
    assert {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"} == {1}
assert {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"} == {2}
"""
    environment = {**os.environ, **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "2")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr


def test_a_function_that_holds_the_blas():
    @one_blas_thread()
    def held() -> list[int]:
        return blas_threads()

    with threadpool_limits(2, user_api="blas"):
        for _ in range(2):
            assert set(held()) == {1}
        assert 1 not in blas_threads()
