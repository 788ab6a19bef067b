"""Plain-loop oracles for the simulated lab, written from the definitions."""

from __future__ import annotations

import math


def odd_probabilities(embedding, weights, noise, lapse, triple):
    """Return P(column is the odd one out) for one person: softmax over weighted dot products, mixed with guessing."""

    def similarity(a, b):
        return sum(w * x * y for w, x, y in zip(weights, embedding[a], embedding[b], strict=True))

    i, j, k = triple
    kept = [math.exp(similarity(j, k) / noise), math.exp(similarity(i, k) / noise), math.exp(similarity(i, j) / noise)]
    return [(1 - lapse) * value / sum(kept) + lapse / 3 for value in kept]


def left_right_probabilities(embedding, weights, noise, lapse, trial):
    """Return P(left), P(right) for one person on a 2AFC trial (reference, left, right)."""
    reference, *options = trial
    logits = [
        sum(w * x * y for w, x, y in zip(weights, embedding[reference], embedding[o], strict=True)) for o in options
    ]
    total = sum(math.exp(value / noise) for value in logits)
    return [(1 - lapse) * math.exp(value / noise) / total + lapse / 2 for value in logits]


def repeat_ceilings(items, repeat):
    """Return plug-in and leave-one-out majority accuracy over repeated triplets (ties of the majority share)."""
    answers: dict[int, list[int]] = {}
    for row, number in zip(items, repeat, strict=True):
        answers.setdefault(int(number), []).append(int(row[2]))
    plug_in, left_out, n = 0.0, 0.0, 0
    for given in answers.values():
        for one, odd in enumerate(given):
            n += 1
            plug_in += _share(given, odd)
            left_out += _share(given[:one] + given[one + 1 :], odd)
    return plug_in / n, left_out / n


def _share(given, odd):
    counts = {value: given.count(value) for value in given}
    best = [value for value, count in counts.items() if count == max(counts.values())]
    return 1 / len(best) if odd in best else 0.0


def squared_distances(patterns):
    """Return squared distances per channel of all pairs, row-major, from a list of patterns."""
    return [
        sum((a - b) ** 2 for a, b in zip(patterns[i], patterns[j], strict=True)) / len(patterns[i])
        for i in range(len(patterns))
        for j in range(i + 1, len(patterns))
    ]


def onset_and_peak(course, times):
    """Return when ``course`` first leaves its baseline (mean + 5 SD before time 0) and when it is largest."""
    baseline = [value for value, time in zip(course, times, strict=True) if time < 0]
    mean = sum(baseline) / len(baseline)
    sd = math.sqrt(sum((value - mean) ** 2 for value in baseline) / (len(baseline) - 1))
    onset = next(time for value, time in zip(course, times, strict=True) if time >= 0 and value > mean + 5 * sd)
    peak = max(range(len(course)), key=lambda t: course[t])
    return onset, times[peak]


def personal_distances(embedding, low_level, weights, snr, times, onset, peak, turns):
    """Return one person's noise-free squared distances per channel, time by time, pairs row-major."""
    n, dims = len(embedding), range(len(weights))
    seen = [[math.sqrt(w) * x for w, x in zip(weights, row, strict=True)] for row in embedding]
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    apart = [[(seen[i][d] - seen[j][d]) ** 2 for d in dims] for i, j in pairs]
    size = [sum(row[d] for row in apart) / len(pairs) for d in dims]
    whole = {level: sum(size[d] for d in dims if low_level[d] == level) for level in (True, False)}
    part = [size[d] / whole[bool(low_level[d])] for d in dims]
    result = []
    for time in times:
        x = (time - onset) / (peak - onset)
        energy = max(0.0, x) if x < 1 else math.exp(-0.8 * (x - 1))
        late = [1 / (1 + math.exp(-4 * (time - turn - peak) / (peak - onset))) for turn in turns]
        share = [1 - late[d] if low_level[d] else late[d] for d in dims]
        mean = sum(share[d] * part[d] for d in dims)
        gain = [snr * 2 * n / (n - 1) * energy * share[d] / mean / whole[bool(low_level[d])] for d in dims]
        result.append([sum(gain[d] * row[d] for d in dims) for row in apart])
    return result
