"""Gradients by central differences."""

from __future__ import annotations

import numpy as np


def central_differences(function, at, step=1e-6):
    gradient = np.empty(at.size)
    for k in range(at.size):
        shift = np.zeros(at.size)
        shift[k] = step
        shift = shift.reshape(at.shape)
        gradient[k] = (function(at + shift) - function(at - shift)) / (2 * step)
    return gradient.reshape(at.shape)
