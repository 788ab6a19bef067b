"""Ranks of pairs of items that count several times, compiled: equal to those of ``_weighted_ranks_numpy``.

RDMs are sorted once. In a resample their order stays, and the ranks follow by adding up weights along it. Sums of
subjects' ranks are whole numbers, which are sorted digit by digit.
"""

from __future__ import annotations

import numpy as np

from alignkit._threads import each
from alignkit._typing import BoolArray, FloatArray, IntArray
from alignkit.rsa._kernels._numba import compiled

#: Pairs whose products are added up together: the ranks of some rows stay in the cache.
_SPAN = 2048
#: Bits of the longest digit.
_DIGIT = 11


class SortedRows:
    """RDMs in the order of their values.

    ``codes``, shape (row, pairs that count), holds both items of every pair, 16 bits each; ``runs``, shape (run, 2),
    where each run of equal values starts and ends, of one row after the other, each with an empty run at its end;
    ``places``, shape (row, 2), which runs are those of a row.
    """

    def __init__(self, rows: FloatArray, valid: BoolArray, n_items: int) -> None:
        first, second = np.triu_indices(n_items, k=1)
        pairs = ((first << 16) | second).astype(np.uint32)[valid]
        self.valid = valid
        self.codes = np.empty((len(rows), pairs.size), dtype=np.uint32)

        def sort(k: int) -> IntArray:
            row = rows[k] if valid.all() else rows[k, valid]
            order = np.argsort(row)
            ordered = row[order]
            np.take(pairs, order, out=self.codes[k])
            starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1], True])
            tied = np.flatnonzero(np.diff(starts) > 1)
            return np.stack([np.r_[starts[tied], row.size], np.r_[starts[tied + 1], row.size]], axis=1)

        found = each(sort, range(len(rows)))
        ends = np.cumsum([len(runs) for runs in found])
        self.places = np.stack([np.r_[0, ends[:-1]], ends], axis=1)
        self.runs = np.concatenate(found)


def resampled_ranks(
    rows: SortedRows, counts: IntArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return what the kernel in ``_weighted_ranks_numpy`` does, of rows that are sorted."""
    # parts of larger arrays would be compiled for once more
    counts, weights = np.ascontiguousarray(counts), np.ascontiguousarray(weights)
    n_subjects, n_rows = weights.shape[-1], len(rows.codes)
    total = np.zeros(len(counts))
    products = np.zeros((len(counts), n_subjects + 1, n_rows))
    crossed = np.zeros((len(weights), len(counts), 2, n_subjects))
    own = np.zeros_like(crossed)
    _resample(rows.codes, rows.runs, rows.places, rows.valid, counts, weights, total, products, crossed, own)
    return total, products, crossed, own


@compiled
def _resample(codes, runs, places, valid, counts, weights, total, products, crossed, own):  # type: ignore[no-untyped-def]
    m = 0
    for times in counts:
        m = max(m, int(np.count_nonzero(times)))
    most = m * (m - 1) // 2
    n_rows, n_subjects = codes.shape[0], weights.shape[2]
    weight = np.empty(most)
    # one place more: for pairs that are not there
    ranks = np.empty((n_rows, most + 1))
    sums = np.empty((2, most))
    packed = np.empty((2, most), dtype=np.uint64)
    # for every item how often it was drawn, and both of its shares in the place of a pair
    table = np.zeros((3, counts.shape[1]), dtype=np.int32)
    for b in range(counts.shape[0]):
        n_pairs = _place_items(counts[b], most, table)
        total[b] = _weigh(counts[b], valid, weight)
        if total[b] == 0.0:
            continue
        if codes.shape[1] < valid.size:
            ranks[:] = 0.0  # pairs that do not count weigh nothing, but have a place
        for k in range(n_rows):
            _rank_row(codes[k], runs[places[k, 0] : places[k, 1]], table, np.int64(total[b]), ranks[k])
        _multiply(ranks, weight, n_pairs, products[b])
        for m in range(weights.shape[0]):
            _pool(
                ranks[:n_subjects, :n_pairs],
                weight[:n_pairs],
                total[b],
                weights[m, b],
                products[b],
                packed[:, :n_pairs],
                sums[:, :n_pairs],
                crossed[m, b],
                own[m, b],
            )


@compiled
def _place_items(times, nowhere, table):  # type: ignore[no-untyped-def]
    # the pair of items i < j has the place table[1, i] + table[2, j] among those that were drawn, and any place
    # from ``nowhere`` on where it was not; returns how many were
    m = np.count_nonzero(times)
    a = 0
    for i in range(times.size):
        table[0, i] = times[i]
        if times[i]:
            table[1, i] = a * (2 * m - a - 1) // 2 - a - 1
            table[2, i] = a
            a += 1
        else:
            table[1, i] = table[2, i] = nowhere + 1
    return m * (m - 1) // 2


@compiled
def _weigh(times, valid, weight):  # type: ignore[no-untyped-def]
    k, pair = 0, 0
    total = 0.0
    for i in range(times.size):
        if times[i] == 0:
            pair += times.size - 1 - i
            continue
        for j in range(i + 1, times.size):
            if times[j]:
                weight[k] = times[i] * times[j] if valid[pair] else 0.0
                total += weight[k]
                k += 1
            pair += 1
    return total


@compiled
def _rank_row(codes, runs, table, n_pairs, ranks):  # type: ignore[no-untyped-def]
    # nothing here depends on what was drawn, which no processor foresees
    nowhere, low = np.int64(ranks.size - 1), np.uint32(0xFFFF)
    times, first, second = table[0], table[1], table[2]
    below, free = -n_pairs, 0
    for start, end in runs:
        for code in codes[free:start]:
            i, j = code >> np.uint32(16), code & low
            n = np.int64(times[i]) * times[j]
            ranks[min(np.int64(first[i]) + second[j], nowhere)] = below + n
            below += 2 * n
        at = np.int64(0)
        for code in codes[start:end]:
            at += np.int64(times[code >> np.uint32(16)]) * times[code & low]
        rank = np.float64(below + at)
        for code in codes[start:end]:
            ranks[min(np.int64(first[code >> np.uint32(16)]) + second[code & low], nowhere)] = rank
        below += 2 * at
        free = end


def _in_any_order(weight, x, y):  # type: ignore[no-untyped-def]
    total = 0.0
    for p in range(weight.size):
        total += weight[p] * x[p] * y[p]
    return total


# whole numbers: below 2^53 their sums are exact in any order
_dot = compiled(_in_any_order, reorder=True)


@compiled
def _long_dot(weight, x, y):  # type: ignore[no-untyped-def]
    # a sum of sums: one of a million terms would cost three digits
    total = 0.0
    for start in range(0, weight.size, _SPAN):
        end = min(weight.size, start + _SPAN)
        total += _dot(weight[start:end], x[start:end], y[start:end])
    return total


@compiled
def _multiply(ranks, weight, n_pairs, products):  # type: ignore[no-untyped-def]
    n_subjects = products.shape[0] - 1
    for start in range(0, n_pairs, _SPAN):
        end = min(n_pairs, start + _SPAN)
        part = weight[start:end]
        for k in range(ranks.shape[0]):
            x = ranks[k, start:end]
            products[n_subjects, k] += _dot(part, x, x)
            for s in range(min(k, n_subjects)):
                products[s, k] += _dot(part, ranks[s, start:end], x)
    for s in range(n_subjects):
        products[s, s] = products[n_subjects, s]
        for k in range(s):
            products[s, k] = products[k, s]


@compiled
def _pool(ranks, weight, total, drawn, products, packed, sums, crossed, own):  # type: ignore[no-untyped-def]
    who = np.flatnonzero(drawn)
    if who.size == 1:
        crossed[1, who[0]] = own[1, who[0]] = products[who[0], who[0]]
        return
    everybody, pooled = sums[0], sums[1]
    largest = _add_up(ranks, total, drawn, everybody)
    pooled[:] = everybody
    _rank_sum(weight, total, largest, packed, pooled)
    length = _long_dot(weight, pooled, pooled)
    for s in who:
        crossed[1, s] = _long_dot(weight, pooled, ranks[s])
        own[1, s] = length
    if who.size == 2:
        # the other's ranks are those of the sum
        s, t = who
        crossed[0, s] = crossed[0, t] = products[s, t]
        own[0, s], own[0, t] = products[t, t], products[s, s]
        return
    for s in who:
        for p in range(pooled.size):
            pooled[p] = everybody[p] - drawn[s] * (ranks[s, p] + total)
        _rank_sum(weight, total, largest, packed, pooled)
        crossed[0, s] = _long_dot(weight, pooled, ranks[s])
        own[0, s] = _long_dot(weight, pooled, pooled)


@compiled
def _add_up(ranks, total, drawn, everybody):  # type: ignore[no-untyped-def]
    # sums of ranks, none below 0, of the subjects that were drawn; returns the largest there can be
    everybody[:] = 0.0
    for s in range(drawn.size):
        if drawn[s]:
            for p in range(everybody.size):
                everybody[p] += drawn[s] * (ranks[s, p] + total)
    return 2 * total * drawn.sum()


@compiled
def _rank_sum(weight, total, largest, packed, pooled):  # type: ignore[no-untyped-def]
    # puts the ranks of sums, whole numbers up to the largest, in their place
    index_bits, key_bits = _bits(pooled.size - 1), _bits(np.int64(largest))
    source = _sorted_sums(pooled, packed, index_bits, key_bits)
    order = packed[source]
    mask = (np.uint64(1) << np.uint64(index_bits)) - np.uint64(1)
    below, start = 0.0, 0
    while start < order.size:
        key, end, at = order[start] >> np.uint64(index_bits), start, 0.0
        while end < order.size and order[end] >> np.uint64(index_bits) == key:
            at += weight[np.int64(order[end] & mask)]
            end += 1
        for k in range(start, end):
            pooled[np.int64(order[k] & mask)] = 2 * below + at - total
        below += at
        start = end


@compiled
def _bits(number):  # type: ignore[no-untyped-def]
    bits = 1
    while number >> bits:
        bits += 1
    return bits


@compiled
def _sorted_sums(sums, packed, index_bits, key_bits):  # type: ignore[no-untyped-def]
    # sorts whole numbers with their places behind them, the last digit first; returns which buffer holds them then
    n_passes = -(-key_bits // _DIGIT)
    bits = -(-key_bits // n_passes)
    one = np.uint64(1)
    mask = (one << np.uint64(bits)) - one
    free = np.zeros((n_passes, 1 << bits), dtype=np.int64)
    for p in range(sums.size):
        key = np.uint64(np.int64(sums[p]))
        packed[0, p] = key << np.uint64(index_bits) | np.uint64(p)
        for digit in range(n_passes):
            free[digit, np.int64(key & mask)] += 1
            key >>= np.uint64(bits)
    source = 0
    for digit in range(n_passes):
        own, place = free[digit], 0
        for value in range(own.size):
            n = own[value]
            own[value] = place
            place += n
        shift = np.uint64(index_bits + digit * bits)
        before, after = packed[source], packed[1 - source]
        for entry in before:
            here = np.int64(entry >> shift & mask)
            after[own[here]] = entry
            own[here] += 1
        source = 1 - source
    return source
