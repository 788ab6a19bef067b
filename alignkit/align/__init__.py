"""Alignment of any model's features with people: teachers fitted to odd-one-out answers, and what they teach with."""

from __future__ import annotations

__all__: list[str] = []
