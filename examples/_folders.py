"""Where an example finds its recordings and where it puts its figures."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def folders() -> tuple[Path, Path]:
    """Return the folder of recordings and that of figures, from ``--data`` and ``--out``.

    By default recordings are looked for in the folder that the environment variable ALIGNKIT_DATA names, else in
    ``shared/data`` beside the checkout; figures go to the current folder.
    """
    given = options(argparse.ArgumentParser())
    return given.data, given.out


def options(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Return ``data`` and ``out``, as :func:`folders` does, and what else the parser knows."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("ALIGNKIT_DATA", beside)))
    parser.add_argument("--out", type=Path, default=Path())
    given = parser.parse_args()
    if not given.data.is_dir():
        parser.error(f"no folder {given.data}; name the folder of recordings by --data or ALIGNKIT_DATA.")
    given.out.mkdir(parents=True, exist_ok=True)
    return given
