"""Stretches of time, each read and worked on by itself, side by side as far as the memory goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from alignkit._executor import Executor, Threads
from alignkit._memory import in_bytes
from alignkit._typing import AnyArray, BoolArray
from alignkit.meg._slices import Slices

Outcome = TypeVar("Outcome")
#: Values of a stretch: they are ranked or multiplied together.
_BLOCK = 1 << 21
#: Bytes that a value takes on its way: as it was read, prepared, sorted and summed.
_BYTES = 48


def stretches(slices: Slices) -> list[tuple[int, int]]:
    """Return where stretches of time begin and end, without regard to memory or threads: so are the numbers."""
    step = max(1, _BLOCK // (slices.n_subjects * slices.n_pairs))
    return [(start, min(start + step, slices.n_times)) for start in range(0, slices.n_times, step)]


def over_time(
    slices: Slices,
    function: Callable[[AnyArray], Outcome],
    *,
    ordered: bool,
    n_bytes: int,
    progress: bool,
    title: str,
    done: BoolArray | None = None,
    executor: Executor | None = None,
) -> Iterator[tuple[slice, Outcome]]:
    """Yield (times, ``function(rows)``) of every stretch; rows have the shape (subject, time, pairs).

    ``ordered`` says that the order of the numbers is all that counts. ``n_bytes`` are shared by the stretches that are
    worked on, or wait for it, together. Stretches whose times are all ``done`` are passed over. For the workers of a
    cluster, rows are read here: what they share is the ``function``, whose ``nbytes`` say how large it is.

    Raises
    ------
    ValueError
        Less memory than one stretch takes.
    """
    from tqdm import tqdm

    read = slices.read_ordered if ordered else slices.read
    tasks = stretches(slices)
    size = _BYTES * (tasks[0][1] - tasks[0][0]) * slices.n_subjects * slices.n_pairs
    if size > n_bytes:
        msg = (
            f"{slices.n_items:,} items of {slices.n_subjects} participant(s) take {in_bytes(size)} at a time, "
            f"beside the models; raise memory by {in_bytes(size - n_bytes)}, or give fewer participants."
        )
        raise ValueError(msg)
    if done is not None:
        tasks = [(start, stop) for start, stop in tasks if not done[start:stop].all()]
    before = slices.n_times - sum(stop - start for start, stop in tasks)
    who = executor or Threads()
    if who.in_process:
        found = who.map(lambda task: function(read(*task)), tasks, most=n_bytes // size)
    else:
        found = who.map(_call, (read(*task) for task in tasks), (function,), most=n_bytes // size)
    with tqdm(total=slices.n_times, initial=before, desc=title, unit="sample", disable=not progress) as bar:
        for (start, stop), outcome in zip(tasks, found, strict=True):
            yield slice(start, stop), outcome
            bar.update(stop - start)


def _call(function: Callable[[AnyArray], Outcome], rows: AnyArray) -> Outcome:
    return function(rows)
