"""Alignment of any model's features with people: teachers fitted to odd-one-out answers, and what they teach with."""

from __future__ import annotations

from alignkit.align._open_triplets import open_triplets
from alignkit.align._triplet_file import TripletFile

__all__ = ["TripletFile", "open_triplets"]
