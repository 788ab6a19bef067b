"""The same bits for one, two and four threads, in processes that are told how many they may use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

#: 160 items, 280 channels, 33 and 40 RDMs: a BLAS splits such products among its threads.
CODE = """
import hashlib, json, sys, warnings
import numpy as np
from alignkit._threads import n_threads
from alignkit.rsa import calibration, compare, noise_ceiling, noise_precision, permutation_test, rank, rdm, regress
from alignkit.rsa import similarity, similarity_matrix, split_half
from alignkit.rsa._matrix_methods import BURES, COMPARISON_METHODS
from alignkit.rsa._metrics import METRICS
from alignkit.rsa._scipy_metrics import NUMBERS, SETS

assert 1 <= n_threads() <= min(int(sys.argv[1]), int(sys.argv[2]))
warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
found = {}

def keep(name, values):
    found[name] = hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()

patterns = rng.gamma(2.0, size=(320, 280))
design = {"labels": [f"item {i % 160}" for i in range(320)], "folds": np.arange(320) // 160}
root = rng.normal(size=(280, 280))
precision = np.eye(280) + root @ root.T / 2800
holes = np.where(rng.random((160, 280)) < 0.01, np.nan, patterns[:160])
people = rng.gamma(2.0, size=(40, 12720)).round(3)
for dtype in (np.float32, np.float64):
    of = np.dtype(dtype).name
    x = patterns.astype(dtype)
    for metric, kind in METRICS.items():
        if metric in NUMBERS or metric in SETS:
            continue
        part, options = (x, design) if "folds" in kind.takes else (x[:160], {})
        noise = {"noise": precision} if "noise" in kind.takes else {}
        keep(f"rdm {metric} {of}", rdm(part, metric=metric, **options, **noise).values)
        if kind.omit:
            keep(f"rdm {metric} {of} omit", rdm(holes.astype(dtype), metric=metric, nan_policy="omit").values)
    a, b = people[:33].astype(dtype), people.astype(dtype)
    keep(f"rank {of}", rank(a))
    for method in COMPARISON_METHODS:
        few = slice(2) if method in BURES or method.startswith("kendall") else slice(None)
        keep(f"compare {method} {of}", compare(a[few], b[few], method=method).values)
        keep(f"compare {method} {of} one", compare(a[:1], b[:2], method=method).values)
    for method in ("pearson", "spearman"):
        keep(f"compare partial {method} {of}", compare(a, b, method=method, controls=people[:3] + people[3:6]).values)
    sigma_k = {"method": "whitened-cosine", "sigma_k": np.cov(patterns[:160])}
    keep(f"compare sigma_k {of}", compare(a[:2], b[:2], **sigma_k).values)
    covariance = {"metric": "crossnobis", "noise": precision, "noise_kind": "covariance"}
    keep(f"rdm covariance {of}", rdm(x, **design, **covariance).values)
    for cv in ("fold-pairs", "observation-pairs"):
        keep(f"rdm {cv} {of}", rdm(x, metric="crossnobis", cv=cv, noise=precision, **design).values)
for method in ("shrinkage_eye", "shrinkage_diag"):
    keep(f"noise_precision {method}", noise_precision(patterns, method=method).precision)
for method in ("cka", "procrustes", "cca", "svcca", "pwcca", "mutual-knn"):
    keep(f"similarity {method}", similarity(patterns[:160, :200], patterns[160:, :250], method=method).values)
keep("similarity_matrix", similarity_matrix(patterns[:160]))
for method in ("pearson", "spearman", "kendall-tau-b", "whitened-cosine"):
    few = people[:8, :1225] if method.startswith("kendall") else people[:8]
    found_ceiling = noise_ceiling(few, method=method, rng=0, n_bootstrap=5)
    keep(f"ceiling {method}", [*found_ceiling.lower_per_subject, *found_ceiling.lower_interval])
    keep(f"split_half {method}", split_half(few, method=method, rng=0, n_splits=20).similarities)
    few = slice(0, 1225) if method.startswith("kendall") else slice(None)
    options = {"method": method, "rng": 0, "n_permutations": 20}
    keep(f"permutation_test {method}", permutation_test(people[:3, few], people[3:9, few], **options).null)
options = {"controls": people[9:11], "rng": 0, "n_permutations": 20}
keep("permutation_test controls", permutation_test(people[:3], people[3:9], method="pearson", **options).null)
for method in ("ols", "nnls"):
    fit = regress(people[:3], people[3:9], method=method, n_folds=3, rng=0)
    keep(f"regress {method}", [*fit.weights.ravel(), *fit.r2_in_sample, *fit.r2_held_out])
triplets = np.array([rng.choice(160, 3, replace=False) for _ in range(9000)])
calibrated = calibration(patterns[:160], triplets, kernel="cosine", n_bootstrap=20, rng=0)
keep("calibration", np.concatenate([calibrated.cross_entropy, calibrated.cross_entropy_low, calibrated.temperature]))
print(json.dumps(found))
"""


def bits(blas: int, numba: int) -> dict[str, str]:
    """Return a digest of every result of a process that is allowed so many threads."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(names, str(blas)), "NUMBA_NUM_THREADS": str(numba)}
    environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(blas), str(numba)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def one() -> dict[str, str]:
    return bits(1, 1)


@pytest.mark.slow
@pytest.mark.parametrize(("blas", "numba"), [(2, 2), (4, 4), (2, 1)])
def test_threads_change_nothing(one, blas, numba):
    many = bits(blas, numba)
    assert many.keys() == one.keys()
    assert [name for name in one if many[name] != one[name]] == []
