"""Who does the work: threads of this process, or the workers of a dask cluster; the same outcome, bit for bit."""

from __future__ import annotations

import collections
import functools
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from alignkit._check import shown
from alignkit._threads import each_in_turn, n_threads, one_blas_thread
from alignkit._typing import AnyArray

Task = TypeVar("Task")
Outcome = TypeVar("Outcome")

#: Bundles of tasks that wait at a cluster for each of its threads: enough to keep it busy, few enough for its memory.
_AHEAD = 4
#: Bytes (``nbytes``) of what tasks share that travel with each of them; more is sent to the workers once. And bytes of
#: a bundle of tasks that go by way of the scheduler; more is sent to one worker.
_SMALL = 1 << 16
#: How often what the cluster has lost altogether is sent again, and seconds until the scheduler knows of the loss.
_ATTEMPTS, _PAUSE = 5, 0.2


class Executor(Protocol):
    """Something that calls a function of many tasks and gives back what it returns, in the order of the tasks."""

    #: Whether tasks see, and may change, the objects of this process.
    in_process: bool

    @property
    def n_workers(self) -> int:
        """How many tasks run side by side."""

    def map(
        self,
        function: Callable[..., Outcome],
        tasks: Iterable[Task],
        shared: Sequence[Any] = (),
        *,
        together: int = 1,
        most: int | None = None,
    ) -> Iterator[Outcome]:
        """Yield ``function(*shared, task)`` of every task, in their order.

        On a cluster, so many tasks travel ``together``: those that take less time than their way. No more than ``most``
        tasks are begun, or wait, beyond those whose outcome was asked for; by default as many as keep everybody busy.
        """


class Threads:
    """Threads of this process, ``most`` at most, each with one BLAS thread."""

    in_process = True

    def __init__(self, most: int | None = None) -> None:
        self._most = most

    @property
    def n_workers(self) -> int:
        """How many tasks run side by side."""
        return max(1, min(n_threads(), self._most or n_threads()))

    def map(
        self,
        function: Callable[..., Outcome],
        tasks: Iterable[Task],
        shared: Sequence[Any] = (),
        *,
        together: int = 1,
        most: int | None = None,
    ) -> Iterator[Outcome]:
        """Yield ``function(*shared, task)`` of every task, in their order."""
        limit = self.n_workers if most is None else min(self.n_workers, max(1, most))
        return each_in_turn(functools.partial(function, *shared), tasks, limit)


class Workers:
    """The workers of a cluster, through a ``dask.distributed.Client``.

    What a worker held when it was lost is computed anew by others: the same function of the same task.
    """

    in_process = False

    def __init__(self, client: Any) -> None:
        self._client = client

    @property
    def n_workers(self) -> int:
        """How many tasks run side by side, now; a cluster that is still starting counts as one."""
        return max(1, sum(self._client.nthreads().values()))

    def map(
        self,
        function: Callable[..., Outcome],
        tasks: Iterable[Task],
        shared: Sequence[Any] = (),
        *,
        together: int = 1,
        most: int | None = None,
    ) -> Iterator[Outcome]:
        """Yield ``function(*shared, task)`` of every task, in their order."""
        sent = self._send(shared)
        waiting: collections.deque[tuple[list[Task], Any]] = collections.deque()
        rest = iter(tasks)
        try:
            while bundle := list(itertools.islice(rest, together)):
                waiting.append((bundle, self._submit(function, bundle, sent)))
                # workers come and go
                ahead = max(8, _AHEAD * self.n_workers)
                if len(waiting) >= (ahead if most is None else min(ahead, max(1, most // together))):
                    yield from self._first(waiting, function, shared, sent)
            while waiting:
                yield from self._first(waiting, function, shared, sent)
        finally:
            for _, future in waiting:
                future.cancel()
            for one in sent:
                if _is_future(one):
                    one.release()

    def _send(self, shared: Sequence[Any]) -> list[Any]:
        # to all workers, so that one that is lost takes nothing along
        return [
            _InOnePiece(one) if _is_small(one) else self._scatter(_InOnePiece(one), broadcast=True) for one in shared
        ]

    def _submit(self, function: Callable[..., Outcome], bundle: list[Task], sent: Sequence[Any]) -> Any:
        small = sum(getattr(task, "nbytes", 0) for task in bundle) <= _SMALL
        tasks = _InOnePiece(bundle) if small else self._scatter(_InOnePiece(bundle))
        return self._client.submit(_call, function, tasks, *sent, pure=False)

    def _scatter(self, what: Any, **options: Any) -> Any:
        for attempt in itertools.count(1):
            try:
                return self._client.scatter(what, hash=False, **options)
            except TimeoutError:
                raise
            except OSError:  # a worker was lost on the way
                if attempt == _ATTEMPTS:
                    raise
                time.sleep(_PAUSE * attempt)
        raise AssertionError

    def _first(
        self,
        waiting: collections.deque[tuple[list[Task], Any]],
        function: Callable[..., Outcome],
        shared: Sequence[Any],
        sent: list[Any],
    ) -> list[Outcome]:
        """Return the outcomes of the bundle that waits longest; where what it needs is lost, send it anew."""
        from concurrent.futures import CancelledError

        from distributed.scheduler import KilledWorker

        for attempt in range(_ATTEMPTS):
            future = waiting[0][1]
            try:
                outcomes: list[Outcome] = future.result()
            except CancelledError:
                if attempt + 1 == _ATTEMPTS:
                    raise
                sent[:] = self._send(shared)
                again = [(one, self._submit(function, one, sent)) for one, _ in waiting]
                waiting.clear()
                waiting.extend(again)
            except KilledWorker as error:
                msg = "workers of the cluster were lost again and again at one task; give them more memory."
                raise MemoryError(msg) from error
            else:
                waiting.popleft()
                return outcomes
        raise AssertionError  # the last attempt returns or raises


def as_executor(client: object, most: int | None = None) -> Executor:
    """Return threads, ``most`` at most, or the cluster that a client speaks to.

    Raises
    ------
    TypeError
        No client of dask, or one whose methods are coroutines.
    """
    if client is None:
        return Threads(most)
    ours = any(base.__module__.partition(".")[0] == "distributed" for base in type(client).__mro__)
    if not ours or not hasattr(client, "submit"):
        msg = f"client must be a dask.distributed.Client; got {shown(client)}."
        raise TypeError(msg)
    if getattr(client, "asynchronous", False):
        msg = "client is asynchronous; make it with Client(..., asynchronous=False)."
        raise TypeError(msg)
    return Workers(client)


class _InOnePiece:
    """Something on its way to a worker, or from one to another, packed with all of its arrays.

    Arrays that travel beside an object, as they do by default, arrive at any address: where an address is no multiple
    of eight bytes, numpy does without BLAS and copies in nearly every call, and products take forty times as long.
    Unpacked arrays have memory of their own.
    """

    __slots__ = ("nbytes", "what")

    def __init__(self, what: Any, nbytes: int = 0) -> None:
        self.what = what
        self.nbytes = nbytes

    def __reduce__(self) -> tuple[Callable[[AnyArray], _InOnePiece], tuple[AnyArray]]:
        from distributed.protocol.pickle import dumps

        return _unpacked, (np.frombuffer(dumps(self.what), dtype=np.uint8),)  # bytes, which any address suits

    def __sizeof__(self) -> int:
        return super().__sizeof__() + self.nbytes  # workers watch their memory


def _unpacked(packed: AnyArray) -> _InOnePiece:
    from distributed.protocol.pickle import loads

    return _InOnePiece(loads(packed.data), packed.nbytes)


def _call(function: Callable[..., Outcome], tasks: _InOnePiece, *shared: _InOnePiece) -> list[Outcome]:
    with one_blas_thread():
        return [function(*(one.what for one in shared), task) for task in tasks.what]


def _is_small(one: Any) -> bool:
    return bool(getattr(one, "nbytes", 0) <= _SMALL)


def _is_future(one: Any) -> bool:
    return type(one).__module__.partition(".")[0] == "distributed" and hasattr(one, "release")
