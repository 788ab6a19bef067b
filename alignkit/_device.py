"""Devices of torch, as users name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def as_device(device: str | torch.device) -> torch.device:
    """Return a torch device; ``"auto"`` is the first GPU if there is one, else the CPU.

    Raises
    ------
    ValueError
        A name torch does not know, or a device that this machine does not have or cannot compute on.
    """
    import torch

    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        wanted = torch.device(device)
    except RuntimeError as error:
        msg = f"device must be 'auto', 'cpu', 'cuda', 'cuda:0', 'mps' ...; got {str(device)!r}."
        raise ValueError(msg) from error
    if wanted.type == "cuda" and (wanted.index or 0) >= torch.cuda.device_count():
        msg = (
            f"device {str(device)!r} was asked for, torch sees {torch.cuda.device_count()} GPU(s); use 'auto' or 'cpu'."
        )
        raise ValueError(msg)
    if wanted.type == "mps" and not torch.backends.mps.is_available():
        msg = "device 'mps' was asked for, but this machine has none; use 'auto' or 'cpu'."
        raise ValueError(msg)
    try:
        torch.ones(1, device=wanted).item()
    except Exception as error:  # each backend that torch was built without raises its own
        msg = f"device {str(device)!r} cannot compute on this machine; use 'auto' or 'cpu'."
        raise ValueError(msg) from error
    return wanted
