"""A thousand calls leave no memory behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SETUP = """
import os, sys, warnings
import numpy as np
from alignkit import _threads
from alignkit.rsa import compare, noise_ceiling, rank, rdm, triplet_accuracy
from alignkit.rsa._kernels import _numba

_threads.n_threads = lambda: 2  # as on a machine of two processors
_numba._BLOCK = 1 << 13  # so that little is enough for threads
rng = np.random.default_rng(0)
patterns = rng.normal(size=(4, 24, 10))
people = rdm(patterns)
two = rdm(patterns[:2])
design = {"labels": [f"item {i % 12}" for i in range(24)], "folds": np.arange(24) // 12}
long = rng.normal(size=(3, 4_000)).astype(np.float32)
triplets = np.array([rng.permutation(24)[:3] for _ in range(50)])
"""
CALLS = {
    "rdm": 'rdm(patterns[0]); rdm(patterns[0], metric="crossnobis", **design)',
    "rank": 'rank(people.values); rank(people.values, backend="numba")',
    "compare": 'compare(people, people); compare(people, people, method="kendall-tau-b", backend="numba")',
    "compare whitened": 'compare(two, two, method="whitened-cosine"); compare(two, two, method="bures")',
    "noise_ceiling": "noise_ceiling(people, n_bootstrap=2, rng=0)",
    "triplet_accuracy": "triplet_accuracy(patterns[0], triplets, n_bootstrap=2, rng=0)",
    "threads": 'rank(long, backend="numba")',
}
LOOP = """
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def repeat(n):
    for _ in range(n):
        call()

repeat(100)
held = [resident()]
for _ in range(4):
    repeat(500)
    held.append(resident())
# what is lost is lost in every round; an allocator grows in one of them
print(min(np.diff(held)))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux tells a process how much memory it holds")
@pytest.mark.slow
@pytest.mark.parametrize("name", CALLS)
def test_a_thousand_calls_leave_nothing_behind(name):
    code = f"{SETUP}\ndef call():\n    {CALLS[name]}\n{LOOP}"
    # one heap for all threads: each new one would otherwise be given another to fill, up to eight for every processor
    environment = {**os.environ, "MALLOC_ARENA_MAX": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    # far less than any array of theirs, lost in every call
    assert int(done.stdout) < 500 * 500
