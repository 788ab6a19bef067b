"""Sizes are read as their users write them."""

from __future__ import annotations

import pytest

from alignkit.meg._memory import as_bytes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 GB", 10**9),
        ("1GB", 10**9),
        ("1.5 gb", 1_500_000_000),
        ("500 MB", 500_000_000),
        (" 2 GiB ", 2 * 1024**3),
        ("1000000 B", 10**6),
        (2_000_000, 2_000_000),
        (2e6, 2_000_000),
    ],
)
def test_sizes_are_read(text, expected):
    assert as_bytes(text) == expected


@pytest.mark.parametrize("text", ["", "GB", "1 GBs", "-1 GB", "0", 0, 10, -5, float("nan"), float("inf"), "1 kB"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match=r"^memory must be a number of bytes or a text such as '1 GB', at least"):
        as_bytes(text)


@pytest.mark.parametrize("value", [None, True, [1], b"1 GB"])
def test_what_is_neither_number_nor_text_is_refused(value):
    with pytest.raises(TypeError, match=r"^memory must be a number of bytes or a text"):
        as_bytes(value)
