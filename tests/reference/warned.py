"""Which warnings a test has to answer for."""

from __future__ import annotations

import warnings
from collections.abc import Iterable


def its_own(told: Iterable[warnings.WarningMessage]) -> list[warnings.WarningMessage]:
    """Leave out warnings of files of mne's that happen to be collected meanwhile, whichever test opened them."""
    return [one for one in told if one.category is not ResourceWarning]
