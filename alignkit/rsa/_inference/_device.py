"""Where resamples of items are computed."""

from __future__ import annotations

from typing import Any, Literal, get_args

from alignkit._check import check_choice, is_tensor, require

Backend = Literal["auto", "numpy", "torch"]


def device_of(backend: Backend, *values: Any, device: str | None = None) -> str | None:
    """Return the device on which torch is to compute, or None where numpy is; ``device`` is that of no tensors.

    Raises
    ------
    ValueError
        An unknown backend, or tensors on different devices.
    ImportError
        torch is asked for, and not installed.
    """
    check_choice("backend", backend, get_args(Backend))
    devices = {str(value.device) for value in values if is_tensor(value)}
    if len(devices) > 1:
        msg = f"data and models must lie on one device; got {' and '.join(sorted(devices))}."
        raise ValueError(msg)
    if backend == "numpy" or (backend == "auto" and not devices):
        return None
    torch = require("torch", "train")
    found = devices.pop() if devices else device or ("cuda" if torch.cuda.is_available() else "cpu")
    # Apple's graphics processors have no float64
    return None if found.startswith("mps") else found
