"""The cluster behind ``--scheduler``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypeAlias

from alignkit._check import require
from alignkit._config import described

#: The flag --scheduler of verbs whose work can be shared out.
Scheduler: TypeAlias = Annotated[
    str | None, described("Address of a dask scheduler whose workers share the work, tcp://HOST:PORT.")
]


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
