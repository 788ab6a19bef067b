"""Work shared out over threads, with the same bits for any number of them.

A BLAS splits a matrix product by the number of its threads, and sums the parts in another order or by another kernel
for each number: OpenBLAS gives other last bits for one thread than for two, even where no sum is split. Here each task
runs its products on one BLAS thread, and it is the tasks, cut without regard to that number, that run side by side.
"""

from __future__ import annotations

import collections
import contextlib
import contextvars
import functools
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from numbers import Integral
from typing import Any, TypeVar

Task = TypeVar("Task")
Outcome = TypeVar("Outcome")

_lock = threading.Lock()
_worker = threading.local()


class _Limit:
    """What the BLAS was allowed before it was held to one thread, and by how many calls it is held now."""

    holders = 0
    allowed = 1
    libraries: Any = None
    stack = contextlib.ExitStack()


def n_threads() -> int:
    """Return how many threads may work side by side: as many as the BLAS may use.

    That is what ``OMP_NUM_THREADS``, ``OPENBLAS_NUM_THREADS`` or ``MKL_NUM_THREADS`` said when numpy was imported, or
    what ``threadpoolctl.threadpool_limits`` says now, and at most ``NUMBA_NUM_THREADS``. One within a task.
    """
    if getattr(_worker, "busy", False):
        return 1
    with _lock:
        return _allowed()


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold the BLAS to one thread until the last of all calls that hold it is done; decorates functions, too."""
    with _lock:
        libraries = _blas()
        if _Limit.holders == 0:
            _Limit.allowed = _allowed()
        if _Limit.holders == 0 or libraries is not _Limit.libraries:
            _Limit.stack.enter_context(libraries.limit(limits=1))
            _Limit.libraries = libraries
        _Limit.holders += 1
    try:
        yield
    finally:
        with _lock:
            # a process that was forked meanwhile has given the BLAS back already
            _Limit.holders = max(0, _Limit.holders - 1)
            if _Limit.holders == 0:
                _Limit.stack.close()


@contextlib.contextmanager
def jobs(n_jobs: int | None) -> Iterator[None]:
    """Let ``n_jobs`` threads work side by side within a block, counted as joblib and MNE do.

    None leaves the number as it is, -1 is one for each processor, -2 all but one. Nothing changes within a task.

    Raises
    ------
    TypeError
        No whole number.
    ValueError
        0, or more processors to spare than there are.
    """
    n = _counted(n_jobs)
    with _lock:
        held = bool(_Limit.holders) or getattr(_worker, "busy", False)
    if n is None or held:
        yield
    else:
        with _blas().limit(limits=n):
            yield


def _counted(n_jobs: object) -> int | None:
    if n_jobs is None:
        return None
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, Integral):
        msg = f"n_jobs must be a whole number (-1: one for each processor) or None; got {n_jobs!r}."
        raise TypeError(msg)
    asked = int(n_jobs)
    n = asked if asked > 0 else (os.cpu_count() or 1) + 1 + asked
    if asked == 0 or n < 1:
        msg = f"n_jobs must leave at least one thread; got {n_jobs} with {os.cpu_count()} processors."
        raise ValueError(msg)
    return n


def each(function: Callable[[Task], Outcome], tasks: Sequence[Task]) -> list[Outcome]:
    """Return ``function`` of every task, in their order; tasks run side by side, each on one BLAS thread.

    Threads help where the function spends its time in numpy or in kernels without the interpreter's lock.
    """
    number = min(n_threads(), len(tasks))
    with one_blas_thread():
        if number <= 1:
            return [function(task) for task in tasks]
        with ThreadPoolExecutor(number, initializer=_become_worker) as pool:
            # numpy's error state belongs to a context
            futures = [pool.submit(contextvars.copy_context().run, function, task) for task in tasks]
            try:
                return [future.result() for future in futures]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def each_in_turn(
    function: Callable[[Task], Outcome], tasks: Iterable[Task], most: int | None = None
) -> Iterator[Outcome]:
    """Yield what :func:`each` returns, one outcome after the other, of ``most`` threads at most.

    No more than that many tasks are begun beyond those whose outcome was asked for.
    """
    number = n_threads() if most is None else min(n_threads(), most)
    if isinstance(tasks, Sized):
        number = min(number, len(tasks))
    with one_blas_thread():
        if number <= 1:
            yield from map(function, tasks)
            return
        with ThreadPoolExecutor(number, initializer=_become_worker) as pool:
            waiting: collections.deque[Future[Outcome]] = collections.deque()
            try:
                for task in tasks:
                    if len(waiting) == number:
                        yield waiting.popleft().result()
                    waiting.append(pool.submit(contextvars.copy_context().run, function, task))
                while waiting:
                    yield waiting.popleft().result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)


def _start_anew() -> None:
    """Give the BLAS back in a forked process, which has none of the threads that held it, or the lock, before."""
    global _lock
    _lock = threading.Lock()
    _Limit.holders = 0
    _Limit.stack.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)


def _become_worker() -> None:
    _worker.busy = True


def _allowed() -> int:
    if _Limit.holders:
        return _Limit.allowed
    numbers = [library.num_threads for library in _blas().lib_controllers]
    most = max(numbers) if numbers else os.cpu_count() or 1
    asked = os.environ.get("NUMBA_NUM_THREADS", "")
    return max(1, min(most, int(asked)) if asked.isdecimal() else most)


def _blas() -> Any:
    # scipy and torch may bring a BLAS of their own
    return _loaded(*(name in sys.modules for name in ("scipy.linalg", "torch")))


@functools.cache
def _loaded(*_: bool) -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")
