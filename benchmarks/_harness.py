"""How everything here is measured, checked, printed and kept."""

from __future__ import annotations

import argparse
import ctypes
import dataclasses
import importlib
import json
import os
import platform
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results"
#: What keeps a library from using more threads than it was told to.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")

#: Seconds before each call: the threads of a BLAS go on looking for work after theirs is done, on somebody's processor.
_PAUSE = 0.1
#: Seconds that one measurement lasts at least: shorter calls are repeated in a row, and the mean is taken.
_SHORTEST = 0.05


@dataclasses.dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of one call over several, and the memory that it needed on top of what was there."""

    minimum: float
    median: float
    n: int
    peak_mib: float


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """One line of the table: alignkit beside a rival, and beside what the hardware allows."""

    task: str
    rival: str
    ours: Timing
    theirs: Timing | None
    floor: Timing | None
    floor_is: str
    target: float
    """Smallest ratio of the rival's time to ours that is promised."""
    largest_difference: float
    """Between the two results, before anything was timed."""
    note: str = ""

    @property
    def ratio(self) -> float:
        """How many times faster than the rival, by medians."""
        return self.theirs.median / self.ours.median if self.theirs else float("nan")

    @property
    def above_floor(self) -> float:
        """How many times slower than the floor, by medians."""
        return self.ours.median / self.floor.median if self.floor else float("nan")


def in_turn(
    functions: Mapping[str, Callable[[], Any]], *, repeats: int = 7, clock: Callable[[], float] = time.perf_counter
) -> dict[str, Timing]:
    """Return timings of several functions called in turn, so that a drift of the machine meets them all.

    With ``clock=time.process_time``, the seconds are those of the processor: what one thread takes where others work.
    """
    peaks, in_a_row = {}, {}
    for name, function in functions.items():
        function()  # caches, compilation
        took: list[float] = []

        def call(function: Callable[[], Any] = function, took: list[float] = took) -> None:
            start = clock()
            function()
            took.append(clock() - start)

        peaks[name] = _peak_of(call)
        if not took or took[-1] < 2 * _SHORTEST:  # memory was taken anew: what is short is timed without that
            call()
        in_a_row[name] = max(1, round(_SHORTEST / took[-1]))
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            time.sleep(_PAUSE)
            start = clock()
            for _ in range(in_a_row[name]):
                function()
            seconds[name].append((clock() - start) / in_a_row[name])
    return {name: Timing(min(s), float(np.median(s)), repeats, peaks[name]) for name, s in seconds.items()}


def timed(function: Callable[[], Any], *, repeats: int = 1) -> tuple[Timing, Any]:
    """Return the timing of a call that takes long, without any before it, and what it returned."""
    seconds: list[float] = []
    found: list[Any] = []

    def call() -> None:
        found.clear()
        start = time.perf_counter()
        found.append(function())
        seconds.append(time.perf_counter() - start)

    peak = max(_peak_of(call) for _ in range(repeats))
    return Timing(min(seconds), float(np.median(seconds)), repeats, peak), found[0]


def extrapolated(function: Callable[[], Any], factor: float, *, repeats: int = 3) -> Timing:
    """Return the timing of ``factor`` times the work of ``function``, which is called a few times."""
    function()  # caches
    seconds = []
    for _ in range(repeats):
        time.sleep(_PAUSE)
        start = time.perf_counter()
        function()
        seconds.append((time.perf_counter() - start) * factor)
    return Timing(min(seconds), float(np.median(seconds)), repeats, float("nan"))


def arguments(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser of a script's options, with ``--small`` for a run of seconds that keeps no results."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--small", action="store_true", help="small sizes, to see that it runs; nothing is kept")
    return parser


def peer(name: str, install: str | None = None) -> Any:
    """Return a rival's module; None, and a line that says so, where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"{name} is missing (pip install {install or name}): nothing is timed beside it", flush=True)
        return None


def peak_memory() -> float:
    """Return the most MiB that this process has held since it began; NaN where the system does not say."""
    try:
        return _status("VmHWM") / 1024
    except OSError:
        return float("nan")


def _peak_of(function: Callable[[], Any]) -> float:
    """Return the MiB that a call needs beyond what is held before it; NaN where the system does not say."""
    try:
        ctypes.CDLL(None).malloc_trim(0)  # what was freed before is not there for the taking
        Path("/proc/self/clear_refs").write_text("5")  # forgets the highest mark so far
        before = _status("VmRSS")
        function()
        return max(0.0, _status("VmHWM") - before) / 1024
    except (OSError, AttributeError):
        return float("nan")


def _status(key: str) -> float:
    """Return KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(line for line in lines if line.startswith(key)).split()[1])


def in_copy(function: Callable[[], Any]) -> Any:
    """Return what a function gives, as JSON keeps it, in a copy of this process, whose memory is the function's own.

    For a process that has imported what it needs and has computed nothing: threads are not copied.
    """
    reading, writing = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            with open(writing, "w") as file:
                json.dump(function(), file)
            status = 0
        except BaseException:  # nothing of the caller's is to run twice
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writing)
    with open(reading) as file:
        text = file.read()
    if os.waitpid(child, 0)[1] != 0:
        sys.exit("the process that was measured failed")
    return json.loads(text)


def largest_difference(ours: object, theirs: object, *, limit: float) -> float:
    """Return the largest absolute difference of two results, or stop when it exceeds ``limit``."""
    difference = float(np.abs(np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64)).max())
    if not difference <= limit:
        sys.exit(f"the results differ by {difference:.3g} (at most {limit:.3g} allowed): nothing is timed")
    return difference


def machine() -> dict[str, Any]:
    """Return what the figures were measured on and with."""
    from importlib import metadata

    names = ("alignkit", "numpy", "scipy", "numba", "torch", "rsatoolbox", "scikit-learn", "mne", "zarr")
    names = (*names, "pillow", "open_clip_torch", "webdataset")
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "processor": _processor(),
        "n_processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": {name: os.environ.get(name) for name in THREADS},
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "versions": {name: _version(metadata, name) for name in names},
        "commit": commit.stdout.strip() or None,
        "when": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _version(metadata: Any, name: str) -> str | None:
    try:
        found: str = metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
    return found


def keep(name: str, lines: Sequence[Line], *, device: str | None = None, small: bool = False) -> None:
    """Write the lines of one script to ``results/`` and print them; ``device`` names what computed besides.

    Those of a ``small`` run are printed alone.
    """
    if small:
        print("\n".join(table(lines)))
        return
    where = machine()
    if device is not None:
        where["processor"] = f"{device} beside {where['processor']}"
    hardware = "".join(c if c.isalnum() else "-" for c in f"{where['processor']}-{where['n_processors']}cpu").lower()
    content = {"benchmark": name, "machine": where, "lines": [dataclasses.asdict(line) for line in lines]}
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}_{hardware}_{datetime.now(UTC):%Y%m}.json"
    path.write_text(json.dumps(content, indent=1) + "\n")
    print("\n".join(table(lines)))


HEAD = (
    "| task | alignkit | rival | times faster (promised) | floor | times the floor | peak memory, MiB (rival) "
    "| difference |"
)


def table(lines: Sequence[Line]) -> list[str]:
    """Return the lines as a Markdown table."""
    rows = [HEAD, "|" + "---|" * (HEAD.count("|") - 1)]
    for line in lines:
        theirs = f"{line.rival}: {_seconds(line.theirs.median)}" if line.theirs else line.rival
        promised = f" ({line.target:g})" if line.target else ""
        ratio = f"{line.ratio:.1f}{promised}" if line.theirs else "–"
        floor = f"{line.floor_is}: {_seconds(line.floor.median)}" if line.floor else "–"
        above = f"{line.above_floor:.1f}" if line.floor else "–"
        memory = f"{line.ours.peak_mib:,.0f}" + (f" ({line.theirs.peak_mib:,.0f})" if line.theirs else "")
        cells = [line.task, _seconds(line.ours.median), theirs, ratio, floor, above, memory]
        rows.append("| " + " | ".join([*cells, f"{line.largest_difference:.1g}"]) + " |")
    return rows


def _seconds(seconds: float) -> str:
    if seconds >= 1e5:
        return f"{seconds / 86_400:,.1f} days"
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.3g} ms"
