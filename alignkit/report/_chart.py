"""A chart that is drawn as SVG: it follows the page's colours and tells what is under the pointer."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, slots=True)
class Chart:
    """A chart in SVG with its caption and the text that stands for it where it cannot be seen.

    Parameters
    ----------
    svg : str
        The drawing; it is put into the page as it is, so what others supplied is escaped already.
    caption, alt : str
        Shown below it; read out in its place.
    pictures : mapping of str to str
        Data URIs of the items that marks of the chart speak of, by label; a page holds each once.
    """

    svg: str
    caption: str
    alt: str
    pictures: Mapping[str, str] = dataclasses.field(default_factory=dict)
