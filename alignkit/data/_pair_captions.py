"""Captions and token ids from elsewhere: texts in UTF-8 that are not empty, ids cut or padded to one length."""

from __future__ import annotations

import json

import numpy as np

from alignkit._typing import IntArray

#: What the text towers of CLIP read; ids beyond any vocabulary are damage.
CONTEXT_LENGTH = 77
_MAX_ID = 2**31 - 1


class BadSampleError(ValueError):
    """A sample that cannot be used, and why."""


def captions_of(content: bytes, *, is_json: bool) -> tuple[str, ...]:
    """Return the captions in a ``.txt``, or those of ``"caption"`` in a ``.json``: one text or a list.

    Raises
    ------
    BadSampleError
        Not UTF-8, not JSON, without a caption, or an empty one.
    """
    try:
        text = content.decode("utf-8-sig")
        found = json.loads(text)["caption"] if is_json else text
    except UnicodeDecodeError as error:
        reason = f"its caption is not UTF-8 (byte {error.start})"
        raise BadSampleError(reason) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        reason = 'its .json holds no "caption"'
        raise BadSampleError(reason) from error
    return check_captions(found)


def check_captions(found: object) -> tuple[str, ...]:
    """Return one or several captions without blanks around them, or raise BadSampleError where one is none."""
    texts = [found] if isinstance(found, str) else found
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        reason = f"its caption is no text but {type(found).__name__}"
        raise BadSampleError(reason)
    stripped = tuple(text.strip() for text in texts)
    if not stripped or not all(stripped):
        reason = "its caption is empty"
        raise BadSampleError(reason)
    try:
        "".join(stripped).encode()
    except UnicodeEncodeError as error:
        reason = "its caption is not UTF-8 (it holds half a character)"
        raise BadSampleError(reason) from error
    return stripped


def check_tokens(found: object) -> list[int]:
    """Return token ids without the zeros that fill up their end, or raise BadSampleError where they are none."""
    if not isinstance(found, list) or not all(isinstance(one, int) and 0 <= one <= _MAX_ID for one in found):
        reason = "its tokens are no list of whole numbers from 0 to 2,147,483,647"
        raise BadSampleError(reason)
    length = len(found)
    while length and found[length - 1] == 0:
        length -= 1
    if not length:
        reason = "its tokens are empty"
        raise BadSampleError(reason)
    return found[:length]


def fit_tokens(tokens: list[int], context_length: int) -> IntArray:
    """Return ids of exactly this length: filled up with zeros, or cut so that the last one, the end mark, stays."""
    kept = tokens if len(tokens) <= context_length else [*tokens[: context_length - 1], tokens[-1]]
    return np.array(kept + [0] * (context_length - len(kept)), dtype=np.int64)
