"""What a run logs: one JSON object per line of a file, appended, and cut back to the step that a run resumes from."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alignkit._io import atomic_write
from alignkit._result import jsonable


class Journal:
    """Records of a run, each with its ``step``: the number of optimiser steps that were finished when it was made.

    Numbers that JSON does not know (NaN, infinities) are written as null.

    Parameters
    ----------
    path : Path
        Made by the first record.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def append(self, record: Mapping[str, Any]) -> None:
        """Add a record, in one write.

        Raises
        ------
        OSError
            A full disk.
        """
        line = json.dumps(jsonable(record), ensure_ascii=False, allow_nan=False) + "\n"
        if self._file is None:
            self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        rest = memoryview(line.encode())
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            raise OSError(error.errno, error.strerror, os.fspath(self._path)) from error

    def sync(self) -> None:
        """Bring all records to the disk."""
        if self._file is not None:
            os.fsync(self._file)

    def read(self) -> list[dict[str, Any]]:
        """Return all whole records; a last line that was never finished is left out.

        Warns about lines that are damaged: they and what follows are left out.
        """
        lines = self._path.read_bytes().split(b"\n") if self._path.exists() else [b""]
        records: list[dict[str, Any]] = []
        for number, line in enumerate(lines[:-1], 1):  # after the last newline is nothing, or half a line
            record = _parsed(line)
            if record is None:
                msg = (
                    f"{self._path} is damaged from line {number} on; these {len(lines) - number} lines are left out. "
                    "Put the whole file back if there is a copy."
                )
                warnings.warn(msg, stacklevel=2)
                break
            records.append(record)
        return records

    def rewind(self, step: int) -> None:
        """Drop the records of later steps, and what is damaged."""
        self.close()
        if self._path.exists():
            kept = [record for record in self.read() if record["step"] <= step]
            with atomic_write(self._path, "w") as file:
                file.writelines(json.dumps(jsonable(record), ensure_ascii=False) + "\n" for record in kept)

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _parsed(line: bytes) -> dict[str, Any] | None:
    """Return a line's record, or None where it holds none."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or type(record.get("step")) is not int:
        return None
    return record
