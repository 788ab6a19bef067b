"""The option ``device`` of functions that compute with numpy by default, and with torch where they are told to."""

from __future__ import annotations

from alignkit._check import require, shown
from alignkit._device import as_device


def torch_device(device: object, client: object = None) -> str | None:
    """Return the name of the device on which torch is to compute, or None where numpy is.

    Raises
    ------
    ValueError
        A device that is not there, or one beside a ``client``.
    TypeError
        No text.
    ImportError
        torch is not installed.
    """
    if device is None:
        return None
    if client is not None:
        msg = "device is for this process, and the workers of a client compute with numpy; leave one of them out."
        raise ValueError(msg)
    require("torch", "train")
    if isinstance(device, str) or type(device).__module__ == "torch":
        return str(as_device(device))  # type: ignore[arg-type]
    msg = f"device must be None, 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'; got {shown(device)}."
    raise TypeError(msg)
