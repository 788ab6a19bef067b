"""Stretches of time, each read and worked on by itself, side by side as far as the memory goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from alignkit._memory import in_bytes
from alignkit._threads import each, n_threads
from alignkit._typing import AnyArray, BoolArray
from alignkit.meg._slices import Slices

Outcome = TypeVar("Outcome")
#: Values of a stretch: they are ranked or multiplied together.
_BLOCK = 1 << 21
#: Bytes that a value takes on its way: as it was read, prepared, sorted and summed.
_BYTES = 48
#: Stretches that every thread works on before the next are begun.
_AHEAD = 4


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
) -> Iterator[tuple[slice, Outcome]]:
    """Yield (times, ``function(rows)``) of every stretch; rows have the shape (subject, time, pairs).

    ``ordered`` says that the order of the numbers is all that counts. ``n_bytes`` are shared by the stretches that are
    worked on together. Stretches whose times are all ``done`` are passed over.

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
    together = min(n_bytes // size, _AHEAD * n_threads())
    if done is not None:
        tasks = [(start, stop) for start, stop in tasks if not done[start:stop].all()]
    before = slices.n_times - sum(stop - start for start, stop in tasks)
    with tqdm(total=slices.n_times, initial=before, desc=title, unit="sample", disable=not progress) as bar:
        for first in range(0, len(tasks), together):
            part = tasks[first : first + together]
            for (start, stop), outcome in zip(part, each(lambda task: function(read(*task)), part), strict=True):
                yield slice(start, stop), outcome
                bar.update(stop - start)
