"""Thousands of pictures for training, drawn by several processes; those that are there are kept."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from alignkit._io import atomic_write
from alignkit._threads import n_threads

if TYPE_CHECKING:
    from alignkit.data import SimulatedLab

#: Fewer pictures are drawn before a process has started.
_WORTHWHILE = 1000
_PART = 200


def draw(lab: SimulatedLab, folder: Path, n_views: Mapping[str, int]) -> None:
    """Write so many pictures of each of these objects, ``{label}/view_00.png`` ..., where they are missing."""
    numbers = {label: i for i, label in enumerate(lab.labels)}
    views = [(numbers[label], view) for label, n in n_views.items() for view in range(n)]
    missing = [(i, view) for i, view in views if not _path(lab, folder, i, view).is_file()]
    for i in {i for i, _ in missing}:
        (folder / lab.labels[i]).mkdir(parents=True, exist_ok=True)
    workers = n_threads()
    if workers == 1 or len(missing) < _WORTHWHILE:
        _draw(lab, folder, missing)
        return
    parts = [missing[start : start + _PART] for start in range(0, len(missing), _PART)]
    lab_of = (len(lab.labels), lab.image_size, lab.seed)
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin, lab_of)
    try:
        with _ctrl_c_ignored():  # by the processes, which begin here: this one tells them to stop
            drawn = {pool.submit(_draw_part, folder, part): len(part) for part in parts}
        with tqdm(total=len(missing), desc="drawing", unit="picture") as bar:
            for part in as_completed(drawn):
                part.result()
                bar.update(drawn[part])
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _ctrl_c_ignored() -> Iterator[None]:
    """Ignore Ctrl-C, which processes that begin meanwhile go on doing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)


#: In a process of its own: the lab whose objects are drawn.
_labs: list[SimulatedLab] = []


def _begin(n_objects: int, image_size: int, seed: int) -> None:
    from alignkit.data import simulate

    # objects do not depend on how much is asked about them
    few = {"n_participants": 2, "n_triplets": 1, "n_held_out": 1, "n_repeats": 1, "n_two_afc": 1, "n_scanned": 1}
    _labs.append(simulate(n_objects, image_size=image_size, rng=seed, **few))


def _draw_part(folder: Path, views: Sequence[tuple[int, int]]) -> None:
    _draw(_labs[0], folder, views)


def _draw(lab: SimulatedLab, folder: Path, views: Sequence[tuple[int, int]]) -> None:
    from PIL import Image

    for i, view in views:
        with atomic_write(_path(lab, folder, i, view), durable=False) as file:
            Image.fromarray(lab.image(i, view)).save(file, format="PNG", compress_level=1)


def _path(lab: SimulatedLab, folder: Path, i: int, view: int) -> Path:
    return folder / lab.labels[i] / f"view_{view:02d}.png"
