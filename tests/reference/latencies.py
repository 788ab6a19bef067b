"""Onsets, change points and areas of one curve, in plain loops."""

from __future__ import annotations

import math

import numpy as np


def longest_run(curve: np.ndarray, times: np.ndarray) -> float:
    """First sample of the longest run above the maximum up to 0 s; the first of equally long ones."""
    highest = max(value for value, time in zip(curve, times, strict=True) if time <= 0)
    best, onset = 0, math.nan
    for i in range(len(curve)):
        if times[i] <= 0:
            continue
        length = 0
        while i + length < len(curve) and curve[i + length] > highest:
            length += 1
        if length > best:
            best, onset = length, times[i]
    return onset


def first_run(significant: np.ndarray, times: np.ndarray, k: int) -> float:
    """First of ``k`` significant samples in a row after 0 s."""
    for i in range(len(times) - k + 1):
        if times[i] > 0 and all(significant[i : i + k]):
            return float(times[i])
    return math.nan


def fraction_of_peak(curve: np.ndarray, times: np.ndarray, fraction: float) -> float:
    """Crossing of a share of the peak above baseline, going back from the peak."""
    baseline = np.mean([value for value, time in zip(curve, times, strict=True) if time <= 0])
    after = [i for i in range(len(times)) if times[i] > 0]
    peak = max(after, key=lambda i: (curve[i], -i))
    height = curve[peak] - baseline
    if height <= 0:
        return math.nan
    i = peak
    while i >= after[0] and curve[i] - baseline >= fraction * height:
        i -= 1
    return float(times[i + 1]) if curve[i] - baseline < fraction * height else math.nan


def broken_line(curve: np.ndarray, times: np.ndarray, fraction: float) -> float:
    """Break of the best flat line with a rising one, each break fitted by itself."""
    before = [i for i in range(len(times)) if times[i] <= 0]
    baseline = np.mean(curve[before])
    after = [i for i in range(len(times)) if times[i] > 0]
    height = max(curve[i] for i in after) - baseline
    if height <= max(0.0, max(curve[before]) - baseline):
        return math.nan
    last = next(i for i in after if curve[i] - baseline >= fraction * height)
    best, onset = math.inf, math.nan
    for i in range(before[-1], last):
        design = np.column_stack([np.ones(last + 1), np.maximum(times[: last + 1] - times[i], 0.0)])
        weights, *_ = np.linalg.lstsq(design, curve[: last + 1], rcond=None)
        error = float(((curve[: last + 1] - design @ weights) ** 2).sum())
        if weights[1] > 0 and error < best:
            best, onset = error, times[i]
    return onset


def segment_cost(values: np.ndarray) -> float:
    """Minus twice the log likelihood of a normal segment, with the modified BIC's term."""
    n = len(values)
    return float(n * (math.log(2 * math.pi * np.var(values)) + 1) + math.log(n))


def change_points(series: np.ndarray) -> list[int]:
    """Up to two change points by binary segmentation, each the first sample after it."""

    def best_split(start: int, stop: int) -> tuple[float, int]:
        gains = [
            (segment_cost(series[start:stop]) - segment_cost(series[start:i]) - segment_cost(series[i:stop]), i)
            for i in range(start + 2, stop - 1)
        ]
        return max(gains, default=(-math.inf, 0), key=lambda pair: pair[0])

    penalty = 4 * math.log(len(series))
    gain, first = best_split(0, len(series))
    if gain < penalty:
        return []
    left, right = best_split(0, first), best_split(first, len(series))
    second = left if left[0] >= right[0] else right
    return sorted([first] + ([second[1]] if second[0] >= penalty else []))


def area(curve: np.ndarray, times: np.ndarray) -> float:
    """Sum of trapezoids."""
    return float(sum((times[i + 1] - times[i]) * (curve[i] + curve[i + 1]) / 2 for i in range(len(times) - 1)))
