"""k-means on features that are read a block at a time: Lloyd's algorithm, block by block, on whatever does the sums."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from alignkit._check import require
from alignkit._threads import each_in_turn
from alignkit._typing import AnyArray, FloatArray, IntArray

#: Rows handled at once: their distances to 500 centres take 16 MB.
BLOCK = 1 << 13


class Assigned(NamedTuple):
    """A block's rows after one step: nearest centre, squared distance to it, and each centre's sum and number."""

    nearest: IntArray
    distances: AnyArray
    sums: FloatArray
    sizes: IntArray


class Blocks(NamedTuple):
    """Features in blocks. ``assign(centres)`` yields each block's outcome in order, ``row(i)`` returns one row."""

    n_items: int
    assign: Callable[[AnyArray], Iterator[Assigned]]
    row: Callable[[int], AnyArray]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """What k-means found."""

    nearest: IntArray
    centres: FloatArray
    inertia: float
    n_iterations: int
    converged: bool


def lloyd(blocks: Blocks, centres: AnyArray, *, max_iter: int, tol: float) -> Fit:
    """Move centres to the means of the rows nearest to them until no row changes sides, or they hardly move.

    Parameters
    ----------
    blocks : Blocks
        The rows.
    centres : ndarray, shape (clusters, channels)
        Where the centres start.
    max_iter : int
        Rounds at most.
    tol : float
        Sum of squared shifts of the centres that counts as none.

    Returns
    -------
    Fit
        As scikit-learn's Lloyd from the same centres: a centre left without rows moves to the row that is farthest
        from its own.
    """
    before = np.full(blocks.n_items, -1, dtype=np.int64)
    converged, n_iterations = False, 0
    for n_iterations in range(1, max_iter + 1):  # noqa: B007 - counted for the record
        nearest, distances, sums, sizes = _gather(blocks, centres)
        if distances.max() > _same(centres):
            _fill_empty(blocks, nearest, distances, sums, sizes)
        moved = _means(centres, sums, sizes)
        shift = float(((moved.astype(np.float64) - centres) ** 2).sum())
        centres = moved
        if np.array_equal(nearest, before):
            converged = True
            break
        before = nearest
        if shift <= tol:
            converged = True
            break
    nearest, distances, _, _ = _gather(blocks, centres)
    return Fit(nearest, centres.astype(np.float64), float(distances.sum()), n_iterations, converged)


def _gather(blocks: Blocks, centres: AnyArray) -> tuple[IntArray, FloatArray, FloatArray, IntArray]:
    nearest = np.empty(blocks.n_items, dtype=np.int64)
    distances = np.empty(blocks.n_items)
    sums, sizes = np.zeros(centres.shape), np.zeros(len(centres), dtype=np.int64)
    start = 0
    for part in blocks.assign(centres):
        stop = start + len(part.nearest)
        nearest[start:stop], distances[start:stop] = part.nearest, part.distances
        sums += part.sums
        sizes += part.sizes
        start = stop
    return nearest, distances, sums, sizes


def _same(centres: AnyArray) -> float:
    """Return the squared distance that roundings leave where a row lies on its centre."""
    return float((4 * np.finfo(centres.dtype).eps) ** 2 * (centres.astype(np.float64) ** 2).sum(axis=1).max())


def _fill_empty(blocks: Blocks, nearest: IntArray, distances: FloatArray, sums: FloatArray, sizes: IntArray) -> None:
    empty = np.flatnonzero(sizes == 0)
    if not empty.size:
        return
    farthest = np.argpartition(distances, -len(empty))[: -len(empty) - 1 : -1]
    for centre, item in zip(empty, farthest, strict=True):
        row = blocks.row(int(item)).astype(np.float64)
        sums[nearest[item]] -= row
        sizes[nearest[item]] -= 1
        sums[centre], sizes[centre] = row, 1


def _means(centres: AnyArray, sums: FloatArray, sizes: IntArray) -> AnyArray:
    filled = sizes > 0
    moved = centres.copy()
    moved[filled] = sums[filled] / sizes[filled, None]
    return moved


def assign_rows(rows: AnyArray, centres: AnyArray) -> Assigned:
    """Return the nearest centre of every row of a block, in numpy."""
    scores = rows @ centres.T
    scores *= -2
    scores += (centres * centres).sum(axis=1)
    nearest = scores.argmin(axis=1)
    apart = rows - centres[nearest]
    member = csr_array(
        (np.ones(len(rows), dtype=rows.dtype), (nearest, np.arange(len(rows)))), shape=(len(centres), len(rows))
    )
    sums = np.asarray(member @ rows, dtype=np.float64)
    sizes = np.bincount(nearest, minlength=len(centres))
    return Assigned(nearest, np.einsum("ij,ij->i", apart, apart), sums, sizes)


def numpy_blocks(n_items: int, read: Callable[[int, int], AnyArray]) -> Blocks:
    """Return blocks that threads handle side by side, with the same bits for any number of them."""
    bounds = [(start, min(start + BLOCK, n_items)) for start in range(0, n_items, BLOCK)]

    def assign(centres: AnyArray) -> Iterator[Assigned]:
        def one(at: tuple[int, int]) -> Assigned:
            return assign_rows(read(*at), centres)

        yield from each_in_turn(one, bounds)

    return Blocks(n_items, assign, lambda i: read(i, i + 1)[0])


def torch_blocks(n_items: int, read: Callable[[int, int], AnyArray], device: str) -> Blocks:
    """Return blocks that torch handles on a device, where they stay when they fit into half of what is free there."""
    import torch

    bounds = [(start, min(start + BLOCK, n_items)) for start in range(0, n_items, BLOCK)]
    kept: list[Any] = []
    first = read(*bounds[0])
    stay = device != "cpu" and first[0].nbytes * n_items < torch.cuda.mem_get_info(torch.device(device))[0] // 2

    def rows(k: int) -> Any:
        if k < len(kept):
            return kept[k]
        block = torch.from_numpy(np.ascontiguousarray(read(*bounds[k]))).to(device)
        if stay and k == len(kept):
            kept.append(block)
        return block

    def assign(centres: AnyArray) -> Iterator[Assigned]:
        c = torch.from_numpy(centres).to(device)
        with torch.no_grad():
            for k in range(len(bounds)):
                yield _assign_tensor(rows(k), c)

    return Blocks(n_items, assign, lambda i: read(i, i + 1)[0])


def _assign_tensor(x: Any, centres: Any) -> Assigned:
    import torch

    nearest = torch.addmm((centres * centres).sum(1), x, centres.T, alpha=-2).argmin(1)
    distances = (x - centres[nearest]).square().sum(1)
    # a product, not a scatter: its sums come in the same order every time
    member = torch.nn.functional.one_hot(nearest, len(centres)).to(x.dtype)
    sums, sizes = (member.T @ x).double(), member.sum(0)
    return Assigned(nearest.cpu().numpy(), distances.cpu().numpy(), sums.cpu().numpy(), sizes.long().cpu().numpy())


def dask_blocks(parts: Sequence[Any], n_items: int, row: Callable[[int], AnyArray]) -> Blocks:
    """Return blocks that dask's workers handle; ``parts`` are delayed arrays of rows, in order."""
    library = require("dask", "scale")
    assign_part = library.delayed(assign_rows, pure=False)
    join = library.delayed(_joined, pure=False)

    def assign(centres: AnyArray) -> Iterator[Assigned]:
        shared = library.delayed(centres)
        found = [assign_part(part, shared) for part in parts]
        while len(found) > 1:  # sums are added where they are made: one block of them travels
            found = [join(found[k : k + 8]) for k in range(0, len(found), 8)]
        yield library.compute(found[0])[0]

    return Blocks(n_items, assign, row)


def _joined(parts: Sequence[Assigned]) -> Assigned:
    return Assigned(
        np.concatenate([part.nearest for part in parts]),
        np.concatenate([part.distances for part in parts]),
        np.sum([part.sums for part in parts], axis=0),
        np.sum([part.sizes for part in parts], axis=0),
    )
