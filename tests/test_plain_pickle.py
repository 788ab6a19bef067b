from __future__ import annotations

import io
import os
import pickle
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from alignkit._plain_pickle import read_plain_pickle

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
each_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(), inner, max_size=4),
    max_leaves=12,
)


class Runs:
    """An object whose pickle asks for a call."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self.what = (call, arguments)

    def __reduce__(self) -> Any:
        return self.what


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(depth, inner), default=0)


def read(content: bytes) -> Any:
    return read_plain_pickle(io.BytesIO(content))


@given(plain, st.sampled_from(PROTOCOLS))
def test_plain_values_are_what_pickle_reads(value, protocol):
    assume(depth(value) <= 8)
    content = pickle.dumps(value, protocol=protocol)
    found = read(content)
    assert found == pickle.loads(content)
    assert type(found) is type(value)


@each_protocol
@pytest.mark.parametrize(
    "array",
    [
        np.arange(24.0).reshape(2, 3, 4),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(24.0).reshape(2, 3, 4)[:, ::-1, ::2],
        np.arange(3, dtype=">i4"),
        np.arange(3, dtype=np.float16),
        np.array([True, False]),
        np.array(["O1", "Oz é"]),
        np.array([b"O1", b"Oz"]),
        np.zeros((0, 3)),
        np.array(2.5),
    ],
    ids=lambda array: f"{array.dtype.str}{array.shape}",
)
def test_arrays_are_what_pickle_reads(array, protocol):
    found = read(pickle.dumps({"a": array, "again": array}, protocol=protocol))
    assert found["a"].dtype == array.dtype
    assert found["a"].shape == array.shape
    assert np.array_equal(found["a"], array)
    assert np.array_equal(found["again"], array)


@each_protocol
def test_numbers_of_numpy_and_arrays_of_objects(protocol):
    value = {"n": np.float32(2.5), "i": np.int64(-3), "o": np.array(["a", 1, None], dtype=object), "t": (1, 2, 3, 4)}
    found = read(pickle.dumps(value, protocol=protocol))
    assert found == {"n": 2.5, "i": -3, "o": ["a", 1, None], "t": (1, 2, 3, 4)}


@each_protocol
def test_no_code_is_run(protocol, tmp_path):
    target = tmp_path / "hacked"
    for value in (
        Runs(os.system, f"touch {target}"),
        {"a": Runs(os.system, f"touch {target}")},
        Runs(eval, "1"),
        Runs(open, str(target), "w"),
        Runs(getattr, "a", "upper"),
        Runs(np.load, str(target)),
        np.array([Runs(os.system, f"touch {target}")], dtype=object),
        OrderedDict(a=1),
        {1, 2},
        complex(1, 2),
        slice(1),
        np.dtype([("a", "f8")]),
        np.array([1j]),
        np.array(["2020-01-01"], dtype="M8[D]"),
        np.random.default_rng(0),
    ):
        with pytest.raises(ValueError, match=r"asks for|dtype|damaged") as caught:
            read(pickle.dumps(value, protocol=protocol))
        assert "\n" not in str(caught.value)
    assert not target.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        b"\x80\x04",
        b".",
        b"(.",
        b"0.",
        b"t.",
        b"u.",
        b"}K\x01K\x02\x85K\x03s.",
        b"h\x05.",
        b"]R.",
        b"cos\nsystem\n.",
        b"cnumpy\nndarray\n.",
        b"cnumpy\ndtype\n(S'f8'\ntR.",
        b"cnumpy.core.multiarray\n_reconstruct\n(tR.",
        b"cnumpy.core.multiarray\n_reconstruct\n(tR(K\x01(K\x05tcnumpy\ndtype\n(S'f8'\ntRI00\nS'ab'\ntb.",
        b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(S'f8'\ntRS'ab'\ntR.",
        b"c__builtin__\nbytes\n(K\x05tR.",
        b"c_codecs\nencode\n(S'a'\nS'rot13'\ntR.",
        b"(lp0\ng0\na.",
        b"I" + b"9" * 5000 + b"\n.",
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"X\xff\xff\xff\x7fa.",
        b"Pid\n.",
        b"\x82\x01.",
        b"i",
    ],
)
def test_damaged_and_hostile_pickles(content):
    with pytest.raises(ValueError, match=r"\w+ \w+") as caught:
        read(content)
    assert len(str(caught.value)) < 400


def test_lists_that_hold_each_other_do_not_unfold_without_end():
    value: list[Any] = [0] * 50
    for _ in range(7):
        value = [value] * 50
    with pytest.raises(ValueError, match="too deep"):
        read(pickle.dumps(value))
    deep: list[Any] = []
    for _ in range(100):
        deep = [deep]
    with pytest.raises(ValueError, match="too deep"):
        read(pickle.dumps(deep))


@pytest.mark.parametrize("large", [np.zeros(10**6), "x" * 2 * 10**6, b"x" * 2 * 10**6])
def test_what_lies_in_many_places_counts_as_often(large, monkeypatch):
    monkeypatch.setattr("alignkit._plain_pickle.MAX_BYTES", 10**8)
    assert len(read(pickle.dumps([large] * 12))) == 12
    with pytest.raises(ValueError, match="it unfolds to more than"):
        read(pickle.dumps([large] * 13))
