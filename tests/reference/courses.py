"""Time courses made of given curves."""

from __future__ import annotations

from typing import Any

import numpy as np

from alignkit.meg import TimeCourse


def make_course(values: np.ndarray, times: np.ndarray, **changes: Any) -> TimeCourse:
    """Return a time course of curves, shape (model, subject, [model_time,] time), beside a ceiling of 0.2 to 0.25."""
    n_subjects, n_times = values.shape[1], values.shape[-1]
    spread = 1.96 * values.std(axis=1, ddof=1) / np.sqrt(n_subjects) if n_subjects > 1 else np.nan * values[:, 0]
    mean = values.mean(axis=1)
    fields: dict[str, Any] = {
        "similarity": values,
        "mean": mean,
        "interval": np.stack([mean - spread, mean + spread]),
        "lower": np.full(n_times, 0.2),
        "upper": np.full(n_times, 0.25),
        "lower_per_subject": np.full((n_subjects, n_times), 0.2),
        "upper_per_subject": np.full((n_subjects, n_times), 0.25),
        "times": np.asarray(times, dtype=np.float64),
        "models": tuple(f"model {i + 1}" for i in range(len(values))),
        "subjects": tuple(f"P{i + 1}" for i in range(n_subjects)),
        "model_times": None,
        "method": "spearman",
        "pooling": "rank",
        "n_items": 92,
        "n_pairs": 4186,
        "controls": (),
        "partial": "",
        "nan_policy": "propagate",
        "aligned_by": "label",
        "metric": "crossnobis",
        "confidence": 0.95,
        "n_bootstrap": 1000,
        "note": "",
    }
    return TimeCourse(**{**fields, **changes})
