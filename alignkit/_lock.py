"""One process at a time in a folder."""

from __future__ import annotations

import os
from pathlib import Path


class FolderLock:
    """A folder held by this process until it lets go or ends, however it ends; nothing is written.

    Where the system or the disk knows no such locks, everybody gets in. ``option`` is what users named it by.

    Raises
    ------
    BlockingIOError
        Another process holds the folder.
    """

    def __init__(self, folder: Path, option: str = "out") -> None:
        self._handle: int | None = None
        try:
            import fcntl
        except ImportError:  # Windows
            return
        self._handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # who replaced the folder meanwhile lets go of the old one, which nobody should write to
            held = os.path.samestat(os.fstat(self._handle), os.stat(folder))
        except BlockingIOError:
            held = False
        except OSError:  # some network disks
            self.release()
            return
        if not held:
            self.release()
            msg = f"another process is writing to {folder}; wait until it is done, or choose another {option}."
            raise BlockingIOError(msg)

    def release(self) -> None:
        """Let others in."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
