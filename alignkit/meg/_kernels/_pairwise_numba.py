"""Compiled kernel of pairwise discriminants, equal to that in ``_pairwise_numpy``; many pairs side by side.

Pairs of one condition with neighbouring others lie next to each other in the last axis of every array, so that each
step is done for all of them by vector instructions.
"""

from __future__ import annotations

import numpy as np

from alignkit._typing import AnyArray, FloatArray
from alignkit.meg._kernels._pairwise_numpy import Layout, Within
from alignkit.rsa._kernels._numba import compiled

#: Numbers of the systems of equations that are solved side by side: they stay in the second-level cache.
_NUMBERS = 1 << 15
_LEAST, _MOST = 8, 64


def decide_pairs(
    cross: FloatArray, rows: range, columns: range, layout: Layout, within: Within, ridge: float, halves: AnyArray
) -> None:
    """Add to ``halves`` the decisions between conditions ``rows`` and later ones of ``columns``."""
    m = layout.train.shape[2]
    lanes = max(_LEAST, min(_MOST, _NUMBERS // (4 * m * m)))
    system, three = np.empty((2 * m + 1, 2 * m, lanes)), np.empty((3, 2 * m, lanes))
    block = np.zeros((layout.n_slots + 1, layout.n_slots + 1, lanes))
    for i in rows:
        for start in range(max(columns.start, i + 1), columns.stop, lanes):
            count = min(lanes, columns.stop - start)
            _load(cross, i - rows.start, start - columns.start, count, layout.n_slots, block)
            _decide(block, system, three, np.empty((3, lanes)), i, start, count, layout.train, layout.valid,
                    layout.test, layout.number, layout.usable, layout.alike, within.gram, within.mean, within.norm,
                    within.trace, within.test, within.test_mean, ridge, halves)  # fmt: skip


@compiled
def _decide(block, system, buffers, three, i, start, count, train, valid, test, number, usable, alike, gram, mean,  # type: ignore[no-untyped-def]
            norm, trace, own_test, test_mean, ridge, halves):  # fmt: skip
    m = train.shape[2]
    weights = system[2 * m]
    middle, line, column = buffers
    for k in range(train.shape[0]):
        if usable[k, i]:
            _training_block(block, train[k], alike[k], i, start, count, system)
            _centre(system, valid[k], number[k], i, start, count, line, column, three[0])
            _fill(system, gram[k], trace[k], ridge, i, start, count)
            _directions(mean[k], valid[k], i, start, count, line, column, three[0], weights, middle)
            _factor(system, three[0], count)
            _substitute(system, count)
            _level(weights, middle, count, three[0])
            _judge(block, weights, line[:m], three, i, start, count, train[k], valid[k], test[k], number[k],
                   usable[k], alike[k], norm[k], own_test[k], test_mean[k], ridge, halves)  # fmt: skip


@compiled
def _load(cross, i, start, count, n_slots, block):  # type: ignore[no-untyped-def]
    # the slot after the last stays zero
    for a in range(n_slots):
        source = cross[i * n_slots + a]
        for lane in range(count):
            begin = (start + lane) * n_slots
            for b in range(n_slots):
                block[a, b, lane] = source[begin + b]


@compiled
def _take(source, slots, alike, start, count, put):  # type: ignore[no-untyped-def]
    # source: (slots, lanes), slots: that of every condition
    if alike:
        take = source[slots[start]]
        for lane in range(count):
            put[lane] = take[lane]
    else:
        for lane in range(count):
            put[lane] = source[slots[start + lane], lane]


@compiled
def _training_block(block, train, alike, i, start, count, system):  # type: ignore[no-untyped-def]
    m = train.shape[1]
    for a in range(m):
        source = block[train[i, a]]
        for b in range(m):
            _take(source, train[:, b], alike, start, count, system[m + b, a])


@compiled
def _centre(system, valid, number, i, start, count, line, column, grand):  # type: ignore[no-untyped-def]
    # line: training trials of i with the mean of j, column: those of j with the mean of i, grand: mean with mean
    m = valid.shape[0]
    line[:m] = 0.0
    column[:m] = 0.0
    grand[:] = 0.0
    for b in range(m):
        below = column[b]
        for a in range(m):
            values, beside = system[m + b, a], line[a]
            for lane in range(count):
                below[lane] += values[lane]
                beside[lane] += values[lane]
    for a in range(m):
        beside, below = line[a], column[a]
        for lane in range(count):
            beside[lane] /= number[start + lane]
            below[lane] /= number[i]
            grand[lane] += beside[lane] / number[i]
    for b in range(m):
        below, others = column[b], valid[b]
        for a in range(m):
            values, beside, own = system[m + b, a], line[a], valid[a, i]
            for lane in range(count):
                centred = values[lane] - beside[lane] - below[lane] + grand[lane]
                values[lane] = centred * own * others[start + lane]


@compiled
def _fill(system, gram, trace, ridge, i, start, count):  # type: ignore[no-untyped-def]
    m = gram.shape[0]
    for a in range(m):
        for b in range(a + 1):
            own, first, second, others = gram[a, b, i], system[a, b], system[m + a, m + b], gram[a, b]
            for lane in range(count):
                first[lane] = own
                second[lane] = others[start + lane]
    for a in range(2 * m):
        values = system[a, a]
        for lane in range(count):
            values[lane] += ridge * (trace[i] + trace[start + lane])


@compiled
def _directions(mean, valid, i, start, count, line, column, grand, weights, middle):  # type: ignore[no-untyped-def]
    # products of the residuals with u_i - u_j, and with the point between them
    m = mean.shape[0]
    for a in range(m):
        for lane in range(count):
            own, other = mean[a, i], (line[a, lane] - grand[lane]) * valid[a, i]
            weights[a, lane], middle[a, lane] = own - other, 0.5 * (own + other)
            own, other = mean[a, start + lane], (column[a, lane] - grand[lane]) * valid[a, start + lane]
            weights[m + a, lane], middle[m + a, lane] = other - own, 0.5 * (own + other)


@compiled
def _factor(system, inverse, count):  # type: ignore[no-untyped-def]
    # Cholesky's factor in the place of the lower triangle; the row below, the right side, goes through the same steps
    for r in range(system.shape[1]):
        pivots = system[r, r]
        for lane in range(count):
            # no variance at all: no equations, nearest mean
            inverse[lane] = 1.0 / np.sqrt(pivots[lane]) if pivots[lane] > 0.0 else 0.0
        for p in range(r, system.shape[0]):
            values = system[p, r]
            for lane in range(count):
                values[lane] *= inverse[lane]
        for p in range(r + 1, system.shape[0]):
            left = system[p, r]
            for q in range(r + 1, min(p + 1, system.shape[1])):
                values, right = system[p, q], system[q, r]
                for lane in range(count):
                    values[lane] -= left[lane] * right[lane]


@compiled
def _substitute(system, count):  # type: ignore[no-untyped-def]
    weights = system[system.shape[1]]
    for r in range(system.shape[1] - 1, -1, -1):
        pivots, solved = system[r, r], weights[r]
        for lane in range(count):
            solved[lane] = solved[lane] / pivots[lane] if pivots[lane] > 0.0 else 0.0
        for p in range(r):
            left, values = system[r, p], weights[p]
            for lane in range(count):
                values[lane] -= left[lane] * solved[lane]


@compiled
def _judge(block, weights, products, three, i, start, count, train, valid, test, number, usable, alike, norm,  # type: ignore[no-untyped-def]
           own_test, test_mean, ridge, halves):  # fmt: skip
    m, end = train.shape[1], start + count
    level, mean, part = three
    for s in range(test.shape[1]):
        if test[i, s] >= 0:
            for b in range(m):
                _take(block[test[i, s]], train[:, b], alike, start, count, products[b])
            _average(products, number[start:end], count, mean)
            _project(products, mean, weights[m:], valid[:, start:end], count, part)
            _add_own(weights[:m], own_test[:, s, i : i + 1], count, part)
            for lane in range(count):
                part[lane] = test_mean[s, i] - mean[lane] - part[lane] + level[lane]
            _count_rows(part, mean, test_mean[s], norm, usable, i, start, count, ridge, halves)
        for a in range(m):
            _take(block[train[i, a]], test[:, s], alike, start, count, products[a])
        _average(products, number[i : i + 1], count, mean)
        _project(products, mean, weights[:m], valid[:, i : i + 1], count, part)
        _add_own(weights[m:], own_test[:, s, start:end], count, part)
        for lane in range(count):
            part[lane] = test_mean[s, start + lane] - mean[lane] + part[lane] - level[lane]
        _count_columns(part, mean, test_mean[s], norm, usable, test[:, s], i, start, count, ridge, halves)


@compiled
def _level(weights, middle, count, level):  # type: ignore[no-untyped-def]
    level[:] = 0.0
    for a in range(weights.shape[0]):
        left, right = weights[a], middle[a]
        for lane in range(count):
            level[lane] += left[lane] * right[lane]


@compiled
def _add_own(weights, own_test, count, part):  # type: ignore[no-untyped-def]
    for a in range(weights.shape[0]):
        values, own = weights[a], own_test[a]
        if own.size == 1:
            for lane in range(count):
                part[lane] += values[lane] * own[0]
        else:
            for lane in range(count):
                part[lane] += values[lane] * own[lane]


@compiled
def _count_rows(value, mean, test_mean, norm, usable, i, start, count, ridge, halves):  # type: ignore[no-untyped-def]
    for lane in range(count):
        j = start + lane
        if usable[j]:
            size = abs(test_mean[i]) + abs(mean[lane]) + 0.5 * (norm[i] + norm[j])
            halves[i, j] += _half(value[lane] - 0.5 * (norm[i] - norm[j]), size, ridge)


@compiled
def _count_columns(value, mean, test_mean, norm, usable, test, i, start, count, ridge, halves):  # type: ignore[no-untyped-def]
    for lane in range(count):
        j = start + lane
        if usable[j] and test[j] >= 0:
            size = abs(test_mean[j]) + abs(mean[lane]) + 0.5 * (norm[i] + norm[j])
            halves[j, i] += _half(value[lane] - 0.5 * (norm[j] - norm[i]), size, ridge)


@compiled
def _average(products, number, count, mean):  # type: ignore[no-untyped-def]
    mean[:] = 0.0
    for a in range(products.shape[0]):
        values = products[a]
        for lane in range(count):
            mean[lane] += values[lane]
    for lane in range(count):
        mean[lane] /= number[lane % number.size]


@compiled
def _project(products, mean, weights, valid, count, part):  # type: ignore[no-untyped-def]
    part[:] = 0.0
    for a in range(products.shape[0]):
        values, share = products[a], weights[a]
        if valid.shape[1] == 1:
            own = valid[a, 0]
            for lane in range(count):
                part[lane] += share[lane] * (values[lane] - mean[lane]) * own
        else:
            others = valid[a]
            for lane in range(count):
                part[lane] += share[lane] * (values[lane] - mean[lane]) * others[lane]


@compiled
def _half(value, size, ridge):  # type: ignore[no-untyped-def]
    tie = 2.0**-48 * (1.0 + 1.0 / ridge) * size
    return 2 if value > tie else 1 if value >= -tie else 0
