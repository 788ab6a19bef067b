"""Models of whole epochs that a run keeps for good, each in a folder that is whole or not there."""

from __future__ import annotations

import os
import secrets
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

from alignkit._io import exchange


class KeptEpochs:
    """Exported models in a folder, ``0000`` (untrained), ``0001`` and so on: for curves over samples seen.

    Parameters
    ----------
    folder : Path
        Made by the first :meth:`keep`.
    every : int, optional
        Keep every so many epochs, and the untrained model; by default none.
    """

    def __init__(self, folder: Path, every: int | None) -> None:
        self._folder = folder
        self._every = every

    def due(self, epoch: int) -> bool:
        """Return whether the model is kept at the end of an epoch (0: before the first)."""
        return self._every is not None and epoch % self._every == 0

    def keep(self, epoch: int, export: Callable[[Path], None]) -> None:
        """Let ``export`` write into a folder beside the epoch's, and rename it then; what was there is replaced.

        Warns where the model of that epoch cannot be exported (a ValueError), and keeps none then.

        Raises
        ------
        OSError
            A full disk: what was there before is still there.
        """
        self._folder.mkdir(exist_ok=True)
        target = self._folder / f"{epoch:04d}"
        new = self._beside(target)
        new.mkdir()
        try:
            export(new)
            self._put(new, target)
        except ValueError as error:
            msg = f"the model of epoch {epoch} is not kept in {self._folder}: {error}"
            warnings.warn(msg, stacklevel=3)
        except OSError as error:
            msg = f"the model of epoch {epoch} could not be kept in {self._folder} ({error.strerror or error}). Make "
            msg += "room and start the same run again: it goes on from its last checkpoint."
            raise OSError(error.errno, msg) from error
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def tidy(self) -> None:
        """Delete what a killed process left half-written."""
        for left in self._folder.glob(".*.tmp"):
            shutil.rmtree(left, ignore_errors=True)

    def forget(self) -> None:
        """Delete all of them."""
        if self._folder.exists():
            shutil.rmtree(self._folder)

    def _put(self, new: Path, target: Path) -> None:
        # a run that went back to an earlier checkpoint comes by here again
        if not target.exists():
            os.replace(new, target)
        elif not exchange(new, target):
            old = self._beside(target)
            os.replace(target, old)
            os.replace(new, target)
            shutil.rmtree(old, ignore_errors=True)

    def _beside(self, target: Path) -> Path:
        return target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
