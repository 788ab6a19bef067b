"""One measure for all pairs of layers: what is prepared once, what is missing, and what chance gives."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
from tqdm import tqdm

from alignkit._check import NanPolicy, is_tensor
from alignkit._threads import each
from alignkit._typing import BoolArray, FloatArray, IntArray
from alignkit.rsa._condensed import as_host
from alignkit.rsa._feature_layers import Layers
from alignkit.rsa._feature_method import Measure
from alignkit.rsa._feature_rows import centred_rows, finite_rows
from alignkit.rsa._namespace import like, scalar, untracked

Task = TypeVar("Task")
Outcome = TypeVar("Outcome")
#: Permutations between two steps of the progress bar.
_STEP = 16
#: Permuted values closer than this share of the observed one equal it: their sums run in another order.
_EQUAL = 1e-12


@dataclasses.dataclass(frozen=True, slots=True)
class Constant:
    """What features that are the same for every item give to a comparison."""

    undefined: str = "similarity is undefined for features that are the same for every item"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Layers of both sides that miss the same items, prepared on the items that are left."""

    valid: BoolArray
    x: dict[int, Any]
    y: dict[int, Any]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """All layers of one side against all of another, over items in one order."""

    x: Layers
    y: Layers
    measure: Measure
    nan_policy: NanPolicy
    n_permutations: int

    @property
    def like(self) -> Any:
        """An array of the kind and on the device that the features are."""
        return self.x.arrays[0]

    @property
    def sides(self) -> tuple[Layers, ...]:
        """Both sides, or the one that is compared with itself."""
        return (self.x,) if self.x.arrays is self.y.arrays else (self.x, self.y)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of layers on each side."""
        return len(self.x.arrays), len(self.y.arrays)

    def masks(self, layers: Layers) -> list[BoolArray]:
        """Return which items every layer has without NaN or infinity."""
        return [finite_rows(array)[order] for array, order in zip(layers.arrays, layers.orders, strict=True)]

    def blocks(self) -> Iterator[Block]:
        """Yield the layers prepared, together where they miss the same items: usually all at once."""
        groups_x, groups_y = _by_mask(self.masks(self.x)), _by_mask(self.masks(self.y))
        for mask_x, members_x in groups_x:
            for mask_y, members_y in groups_y:
                valid = mask_x & mask_y
                if valid.sum() < self.measure.min_items or not (valid.all() or self.nan_policy == "omit"):
                    continue
                yield self._prepared(valid, members_x, members_y)

    def _prepared(self, valid: BoolArray, members_x: list[int], members_y: list[int]) -> Block:
        n_draws = 1 + self.n_permutations
        # a layer that is on both sides is prepared once
        found: dict[tuple[int, bytes], tuple[Any, IntArray, int]] = {}
        keys = []
        sides = ((self.x, members_x, len(members_y)), (self.y, members_y, len(members_x)))
        for layers, members, n_partners in sides:
            for i in members:
                order = layers.orders[i][valid]
                keys.append((id(layers.arrays[i]), order.tobytes()))
                found[keys[-1]] = (layers.arrays[i], order, n_partners * n_draws)
        ready = dict(zip(found, self._each(self._prepare, list(found.values())), strict=True))
        values = [ready[key] for key in keys]
        n = len(members_x)
        return Block(
            valid, dict(zip(members_x, values[:n], strict=True)), dict(zip(members_y, values[n:], strict=True))
        )

    def _prepare(self, layer: tuple[Any, IntArray, int]) -> Any:
        array, order, n_uses = layer
        rows = centred_rows(array, order)
        return Constant() if rows.constant else self.measure.prepare(rows, n_uses)

    def _each(self, function: Callable[[Task], Outcome], tasks: Sequence[Task]) -> list[Outcome]:
        # torch shares its own work out, and a thread of ours would not know whether it records gradients
        return [function(task) for task in tasks] if is_tensor(self.like) else each(function, tasks)

    def values(self, block: Block) -> dict[tuple[int, int], Any]:
        """Return the value of every pair of a block; NaN where a side is undefined."""

        def value(cell: tuple[int, int]) -> Any:
            a, b = block.x[cell[0]], block.y[cell[1]]
            if a.undefined or b.undefined:
                return scalar(np.nan, self.like)
            return like(self.measure.value(a, b), self.like)

        cells = [(i, j) for i in block.x for j in block.y]
        return dict(zip(cells, self._each(value, cells), strict=True))

    def null(self, block: Block, orders: IntArray) -> FloatArray:
        """Return the values after permutations of y, shape (orders, layers of x, layers of y); NaN for other layers."""
        ranks = [np.argsort(np.argsort(order[block.valid])) for order in orders]
        result = np.full((len(orders), *self.shape), np.nan)

        def fill(task: tuple[int, int]) -> None:
            draw, j = task
            permuted = self.measure.permute(block.y[j], ranks[draw])
            for i, a in block.x.items():
                if not a.undefined:
                    result[draw, i, j] = float(self.measure.value(a, permuted))

        tasks = [(draw, j) for draw in range(len(orders)) for j, b in block.y.items() if not b.undefined]
        with untracked(self.like):
            self._each(fill, tasks)
        return result


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Table:
    """What :func:`compare_pairs` gives, every array of shape (layers of x, layers of y)."""

    values: Any
    n_items: IntArray
    baseline: FloatArray | None
    p_values: FloatArray | None
    blocks: tuple[Block, ...]


def compare_pairs(pairs: Pairs, generator: np.random.Generator, progress: bool) -> Table:
    """Compute one measure, and what chance gives, for all pairs of layers."""
    blocks = tuple(pairs.blocks())
    cells = {cell: value for block in blocks for cell, value in pairs.values(block).items()}
    missing = scalar(np.nan, pairs.like)
    listed = [cells.get((i, j), missing) for i in range(pairs.shape[0]) for j in range(pairs.shape[1])]
    n_items = np.zeros(pairs.shape, dtype=np.int64)
    for block in blocks:
        n_items[np.ix_(list(block.x), list(block.y))] = block.valid.sum()
    values = _stacked(listed).reshape(pairs.shape)
    baseline, p_values = _chance(pairs, blocks, as_host(values), generator, progress)
    return Table(values, n_items, baseline, p_values, blocks)


def _chance(
    pairs: Pairs, blocks: Sequence[Block], values: FloatArray, generator: np.random.Generator, progress: bool
) -> tuple[FloatArray, FloatArray] | tuple[None, None]:
    if not pairs.n_permutations:
        return None, None
    total, n_beyond = np.zeros(pairs.shape), np.zeros(pairs.shape)
    sign = -1.0 if pairs.measure.is_distance else 1.0
    bound = sign * values - _EQUAL * np.abs(values)
    with tqdm(total=pairs.n_permutations, desc="permutations", disable=not progress) as bar:
        for start in range(0, pairs.n_permutations, _STEP):
            n_draws = min(_STEP, pairs.n_permutations - start)
            orders = np.array([generator.permutation(pairs.x.n_items) for _ in range(n_draws)])
            for block in blocks:
                null = pairs.null(block, orders)
                total += np.nan_to_num(null).sum(axis=0)
                n_beyond += (sign * null >= bound).sum(axis=0)
            bar.update(n_draws)
    defined = np.isfinite(values)
    baseline = np.where(defined, total / pairs.n_permutations, np.nan)
    return baseline, np.where(defined, (n_beyond + 1) / (pairs.n_permutations + 1), np.nan)


def _stacked(values: list[Any]) -> Any:
    if not is_tensor(values[0]):
        return np.array(values, dtype=np.float64)
    import torch

    return torch.stack(values)


def _by_mask(masks: Sequence[BoolArray]) -> list[tuple[BoolArray, list[int]]]:
    groups: dict[bytes, list[int]] = {}
    for i, mask in enumerate(masks):
        groups.setdefault(mask.tobytes(), []).append(i)
    return [(masks[members[0]], members) for members in groups.values()]
