"""Sizes are read as their users write them."""

from __future__ import annotations

import pytest

from alignkit._memory import as_bytes, in_bytes


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


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "1 kB"),
        (17_112, "17 kB"),
        (240, "240 B"),
        (949_999, "950 kB"),
        (996_000, "1 MB"),
        (1_930_000_000, "1.9 GB"),
        (657e9, "660 GB"),
        (1.2e13, "12,000 GB"),
    ],
)
def test_sizes_are_told(size, text):
    assert in_bytes(size) == text


@pytest.mark.parametrize("text", ["", "GB", "1 GBs", "-1 GB", "0", 0, 10, -5, float("nan"), float("inf"), "1 kB"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match=r"^memory must be a number of bytes or a text such as '1 GB', at least"):
        as_bytes(text)


@pytest.mark.parametrize("value", [None, True, [1], b"1 GB"])
def test_what_is_neither_number_nor_text_is_refused(value):
    with pytest.raises(TypeError, match=r"^memory must be a number of bytes or a text"):
        as_bytes(value)
