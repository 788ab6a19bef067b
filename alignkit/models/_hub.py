"""Downloads through other libraries: fail at once and clearly where there is no network."""

from __future__ import annotations

import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

#: Seconds to wait for the hub's door before taking it for unreachable.
_PATIENCE = 3.0


def reachable(url: str) -> bool:
    """Return whether the host of ``url`` answers; taken for granted behind a proxy."""
    if getproxies():
        return True
    host = urlsplit(url)
    try:
        with socket.create_connection((host.hostname or url, host.port or 443), timeout=_PATIENCE):
            return True
    except OSError:
        return False


@contextmanager
def hub_or_cache() -> Iterator[None]:
    """Let huggingface_hub use its cache alone while the hub cannot be reached.

    Left alone it tries five times with growing pauses, 47 seconds in all, before it looks at its cache.
    """
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not reachable(os.environ.get("HF_ENDPOINT", "https://huggingface.co"))
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers' warnings and its bar for loading weights off the screen: what matters is said by ours."""
    logging: Any = import_module("transformers.utils.logging")
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.callback(logging.set_verbosity, logging.get_verbosity())
        logging.set_verbosity_error()
        if logging.is_progress_bar_enabled():
            logging.disable_progress_bar()
            stack.callback(logging.enable_progress_bar)
        yield
