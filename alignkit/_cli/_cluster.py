"""The cluster behind ``--scheduler``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alignkit._check import require


@contextmanager
def cluster_client(scheduler: str | None) -> Iterator[Any]:
    """Open a client of the scheduler at an address; None where there is none.

    Raises
    ------
    ConnectionError
        Nothing answers at the address.
    ImportError
        dask.distributed is not installed.
    """
    if scheduler is None:
        yield None
        return
    distributed = require("distributed", "scale")
    try:
        client = distributed.Client(scheduler, timeout=10)
    except (OSError, ValueError, TypeError) as error:
        msg = f"no dask scheduler answers at --scheduler {scheduler}; start one with `dask scheduler`."
        raise ConnectionError(msg) from error
    with client:
        yield client
