"""Prompts: class names put into templates, with the class of each."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable

from alignkit._check import shown
from alignkit._typing import IntArray
from alignkit.score._joint_space import as_codes

_PLACE = re.compile(r"\{c?\}")


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class Prompts:
    """Texts that stand for classes.

    Attributes
    ----------
    texts : tuple of str
        What a text encoder reads, one row of features each.
    classes_of_rows : ndarray of int, shape (texts,)
        The number of each text's class.
    class_names : tuple of str
        The classes, in the order of their numbers.
    """

    texts: tuple[str, ...]
    classes_of_rows: IntArray
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        names = _as_texts("class_names", self.class_names)
        texts = _as_texts("texts", self.texts)
        codes = as_codes("classes_of_rows", self.classes_of_rows, len(names), n=len(texts))
        codes.flags.writeable = False
        for name, value in (("texts", texts), ("classes_of_rows", codes), ("class_names", names)):
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"<Prompts: {len(self.texts):,} texts of {len(self.class_names):,} classes, first {self.texts[0]!r}>"


def fill_templates(class_names: Iterable[str], templates: Iterable[str], /) -> Prompts:
    """Put every class name into every template.

    Parameters
    ----------
    class_names : sequence of str
        In the order of the targets' numbers. Names may repeat, as two of ImageNet's published
        ones do, and be empty, as the middle one of CLEVR's distances is.
    templates : sequence of str
        Texts with ``{}`` (open_clip) or ``{c}`` (CLIP_benchmark) where the name goes, at least once each. Nothing else
        in braces is allowed, and nothing in them is run.

    Returns
    -------
    Prompts
        Class after class, each with all its templates in their order.

    Raises
    ------
    ValueError
        No name, no template, or a template without a place for the name or with other braces.
    TypeError
        A single string in place of a sequence, or a name or template that is no string.

    Examples
    --------
    >>> prompts = fill_templates(["cat", "dog"], ["a photo of a {}.", "a drawing of the {c}."])
    >>> prompts.texts[:2], prompts.classes_of_rows.tolist()
    (('a photo of a cat.', 'a drawing of the cat.'), [0, 0, 1, 1])
    """
    names, filled = _as_texts("class_names", class_names), _as_texts("templates", templates)
    for template in filled:
        rest, n_places = _PLACE.subn("", template)
        if not n_places or "{" in rest or "}" in rest:
            msg = (
                f"a template must hold {{}} or {{c}} where the class name goes, and no other braces; got {template!r}."
            )
            raise ValueError(msg)
    texts = tuple(_fill(template, name) for name in names for template in filled)
    codes = [code for code in range(len(names)) for _ in filled]
    return Prompts(texts=texts, classes_of_rows=as_codes("classes_of_rows", codes), class_names=names)


def _fill(template: str, name: str) -> str:
    return _PLACE.sub(lambda _: name, template)  # a name may hold backslashes


def _as_texts(name: str, texts: object) -> tuple[str, ...]:
    """Return strings as they came: an encoder reads every character of them."""
    if isinstance(texts, str) or not isinstance(texts, Iterable):
        msg = f"{name} must be a sequence of texts; got {shown(texts)}."
        raise TypeError(msg)
    found = tuple(texts)
    if not found:
        msg = f"{name} must hold at least one text; it is empty."
        raise ValueError(msg)
    wrong = [text for text in found if not isinstance(text, str)]
    if wrong:
        msg = f"{name} must hold texts only; got {shown(wrong[0])}."
        raise TypeError(msg)
    return tuple(str(text) for text in found)
