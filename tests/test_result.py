"""Results become JSON and tables, and come back from JSON as they were."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
import pytest

from alignkit._result import Result, jsonable, restore
from alignkit._typing import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd


Scalar = TypeVar("Scalar", bound=np.generic)


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    low: float
    high: float


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Everything(Result):
    values: FloatArray
    counts: IntArray
    flags: BoolArray
    words: np.ndarray[Any, np.dtype[np.str_]]
    maybe: FloatArray | None
    score: float
    note: str | None
    method: Literal["a", "b"]
    labels: tuple[str, ...]
    pair: tuple[int, float]
    parts: tuple[Part, ...]
    interval: Part
    by_name: dict[str, float]
    by_size: dict[int, list[float]]
    anything: dict[str, Any]
    where: Path

    def to_dataframe(self) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame({"value": self.values.ravel(), "label": self.labels[0]})

    def methods_text(self) -> str:
        return "Everything was computed."


@dataclasses.dataclass(frozen=True, slots=True)
class Other(Result):
    score: float

    def to_dataframe(self) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame({"score": [self.score]})

    def methods_text(self) -> str:
        return "Something else."


def everything(**changes: Any) -> Everything:
    fields: dict[str, Any] = {
        "values": np.array([[1.5, np.nan], [0.1, -2.0]]),
        "counts": np.array([3, 4]),
        "flags": np.array([True, False]),
        "words": np.array(["é", "b"]),
        "maybe": None,
        "score": 0.1 + 0.2,
        "note": None,
        "method": "a",
        "labels": ("é", "b"),
        "pair": (3, 0.5),
        "parts": (Part(0.0, 1.0), Part(0.25, 0.5)),
        "interval": Part(-1.0, float("nan")),
        "by_name": {"x": 1.0, "y": float("nan")},
        "by_size": {3: [1.0, 2.0]},
        "anything": {"n": 1, "list": [1, None]},
        "where": Path("a/b"),
    }
    return Everything(**{**fields, **changes})


def assert_same(a: Any, b: Any) -> None:
    assert type(a) is type(b)
    if isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    elif dataclasses.is_dataclass(a):
        for field in dataclasses.fields(a):
            assert_same(getattr(a, field.name), getattr(b, field.name))
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    elif isinstance(a, float):
        assert a == b or (np.isnan(a) and np.isnan(b))
    else:
        assert a == b


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"values": np.array(0.5)},
        {"values": np.array(np.nan)},
        {"values": np.zeros((0,))},
        {"maybe": np.array([1.0, np.nan])},
        {"score": float("nan")},
        {"labels": (), "parts": (), "by_size": {}},
    ],
)
def test_json_brings_every_field_back(tmp_path, changes):
    result = everything(**changes)
    result.save(tmp_path / "r.json")
    assert_same(Everything.load(tmp_path / "r.json"), result)


def test_the_file_is_plain_json_with_its_kind(tmp_path):
    everything().save(tmp_path / "r.json")
    text = (tmp_path / "r.json").read_text(encoding="utf-8")
    assert "é" in text
    content = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert content["kind"] == "Everything"
    assert content["values"] == [[1.5, None], [0.1, -2.0]]


def test_the_csv_is_the_table(tmp_path):
    pd = pytest.importorskip("pandas")
    result = everything()
    result.save(tmp_path / "r.csv")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "r.csv"), result.to_dataframe())


def test_other_suffixes_are_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(ValueError, match=r"results are saved as \.json or \.csv; got .*r\.pkl"):
        everything().save(tmp_path / "r.pkl")
    assert list(tmp_path.iterdir()) == []


def test_a_failing_table_leaves_the_old_file(tmp_path):
    (tmp_path / "r.csv").write_text("old")
    with pytest.raises(IndexError):
        everything(labels=()).save(tmp_path / "r.csv")
    assert (tmp_path / "r.csv").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_of_another_kind_or_version_is_refused(tmp_path):
    Other(score=1.0).save(tmp_path / "r.json")
    with pytest.raises(ValueError, match=r"r\.json does not hold a Everything"):
        Everything.load(tmp_path / "r.json")
    for content in (
        '{"kind": "Other"}',
        '{"kind": "Other", "score": 1, "new": 2}',
        '{"kind": "Other", "score": "high"}',
        '{"kind": "Other", "score": [0.5]}',
        '{"kind": "Other", "score": true}',
    ):
        (tmp_path / "r.json").write_text(content)
        with pytest.raises(ValueError, match=r"r\.json does not hold a Other of this version"):
            Other.load(tmp_path / "r.json")
    for content in ("[1]", "3", '"Other"', "{}"):
        (tmp_path / "r.json").write_text(content)
        with pytest.raises(ValueError, match=r"r\.json does not hold a Other"):
            Other.load(tmp_path / "r.json")


@pytest.mark.parametrize("change", [{"note": 3}, {"pair": ["a", 0.5]}, {"pair": [None, 0.5]}, {"by_name": {"x": "y"}}])
def test_a_field_of_another_kind_is_refused(tmp_path, change):
    content = {**everything().to_dict(), **change}
    (tmp_path / "r.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"r\.json does not hold a Everything of this version .* is expected where"):
        Everything.load(tmp_path / "r.json")


def test_jsonable_leaves_plain_values_alone():
    assert jsonable({"a": (1, 2.5), 3: np.float32(0.5), "b": np.array([True])}) == {
        "a": [1, 2.5],
        "3": 0.5,
        "b": [True],
    }
    assert jsonable(float("inf")) is None
    assert jsonable("x") == "x"


def test_saved_results_say_what_they_were_made_with(tmp_path: Path) -> None:
    Other(score=0.5).save(tmp_path / "result.json")
    made_with = json.loads((tmp_path / "result.json").read_text())["made_with"]
    assert {"python", "alignkit", "numpy"} <= set(made_with)
    assert made_with["numpy"] == np.__version__
    assert Other.load(tmp_path / "result.json").score == 0.5


@pytest.mark.parametrize("optional", [False, True])
def test_arrays_come_back_by_an_alias_with_a_name_of_its_own(optional):
    # as numpy's NDArray is one since 2.5, for Python 3.12 and later
    alias = pytest.importorskip("typing_extensions").TypeAliasType(
        "Named", np.ndarray[Any, np.dtype[Scalar]], type_params=(Scalar,)
    )
    hint = alias[np.float64] | None if optional else alias[np.float64]
    found = restore(hint, [1, None, 3])
    assert (type(found), found.dtype) == (np.ndarray, np.float64)
    np.testing.assert_array_equal(found, [1, np.nan, 3])
