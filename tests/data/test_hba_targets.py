from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from alignkit.data import SPOSE66_RANGE, Things, hba_targets


@pytest.fixture
def table(shared_data: Callable[..., Path]) -> tuple[list[str], np.ndarray]:
    """Names and values of the published targets."""
    with open(shared_data("things", "hba_target_published.csv"), newline="") as file:
        _, *rows = csv.reader(file)
    return [row[1].rsplit("_", 1)[0] for row in rows], np.array([row[2:] for row in rows], dtype=float)


def test_scale_constants(things: Things) -> None:
    assert (things.spose66.min(), things.spose66.max()) == SPOSE66_RANGE


def test_published_order_reproduces_the_table(published: Things, table: tuple[list[str], np.ndarray]) -> None:
    names, values = table
    ours = hba_targets(published)
    assert list(ours.index) == names
    np.testing.assert_allclose(ours.to_numpy(), values, rtol=0, atol=1e-8)


def test_the_scale_is_global_not_per_column(table: tuple[list[str], np.ndarray]) -> None:
    values = table[1]
    assert (values.min(), values.max()) == (0, 100)
    assert (values.max(axis=0) < 99).sum() > 60


def test_21_rows_of_the_table_are_wrong(things: Things, table: tuple[list[str], np.ndarray]) -> None:
    names, values = table
    ours = hba_targets(things).loc[names].to_numpy()
    wrong = np.abs(ours - values).max(axis=1) > 1e-6
    assert wrong.sum() == 21
    assert names[np.flatnonzero(wrong)[0]] == "camera1"
    np.testing.assert_allclose(np.sort(ours, axis=0), np.sort(values, axis=0), atol=1e-8)  # the same rows, moved
    wire = hba_targets(things).loc["chicken_wire"]
    np.testing.assert_allclose(values[names.index("chicken1")], wire, atol=1e-8)


def test_not_things() -> None:
    with pytest.raises(TypeError, match="must come from load_things; got list"):
        hba_targets([1, 2])
