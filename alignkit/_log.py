"""What the library tells while it works goes to the logger "alignkit"; the command line shows it on stderr."""

from __future__ import annotations

import logging

LOGGER = logging.getLogger("alignkit")
# libraries leave it to programs what is shown of their messages
LOGGER.addHandler(logging.NullHandler())


def tell(text: str, *, shown: bool = True) -> None:
    """Log a line of progress; where progress is not to be shown, for those only who look at the level DEBUG."""
    LOGGER.log(logging.INFO if shown else logging.DEBUG, "%s", text)
