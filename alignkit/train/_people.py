"""What belongs to one person: a seed and a folder of their own, whoever else is trained."""

from __future__ import annotations

import hashlib

from alignkit.models._personal_model import subject_file


def own_seed(seed: int, subject: str, fold: int | None, /) -> int:
    """Return a person's own seed for a fold (None: for all answers): a pure function of these three."""
    content = f"{seed}\0{subject}\0{'' if fold is None else fold}".encode()
    return int.from_bytes(hashlib.sha256(content).digest()[:4], "big") >> 1


def person_folder(subject: str, /) -> str:
    """Return the name of the folder of a person's training."""
    return subject_file(subject).removesuffix(".json")
