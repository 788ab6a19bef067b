"""That there are too few answers for what is to be chosen on them."""

from __future__ import annotations


class TooFewAnswersError(ValueError):
    """Too few answers lie on one side of a division of the items; whoever divides can say what to do about it."""
