"""Whitened similarities of complete RDMs from sums alone: every dissimilarity is read once, and none is written."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator

import numpy as np

from alignkit._threads import each
from alignkit._typing import AnyArray, FloatArray
from alignkit.rsa._condensed import n_items_of
from alignkit.rsa._dispatch import Backend, kernels
from alignkit.rsa._rescale import rescale

#: Bytes of a block of dissimilarities: it stays in the cache.
_BLOCK = 1 << 21
#: Parts that threads share; their number does not depend on that of the threads.
_PARTS = 16
#: Entries that the offset of a row is guessed from.
_SAMPLE = 1024


@dataclasses.dataclass(slots=True)
class _Sums:
    """Sums over pairs of two stacks less their offsets."""

    items: FloatArray  # (rows of both, items): over every item's pairs
    squares: FloatArray  # (rows of both,)
    products: FloatArray  # (rows of a, rows of b)


def whitened_similarities(a: AnyArray, b: AnyArray, backend: Backend = "auto", *, centred: bool = False) -> FloatArray:
    """Return the whitened cosines (correlations where ``centred``) of complete rows, shape (rows of a, rows of b).

    Rows that are undefined, or that hold NaN, give NaN. With D the square of a row, centred by the matrix H, it is the
    cosine of HDH and HEH (linear CKA): ``Σ DE - 2/n Σ r_D r_E + Σr_D Σr_E / n²`` with the row sums r.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        form, norms = _form(a, b, backend, centred=centred)
        # squares that overflow or vanish: an unusual unit, which a power of two takes out
        if not (np.isfinite(norms) & (norms > 1e-200)).all():
            a, b = (rescale(x.astype(np.float64, copy=False), -1)[0] for x in (a, b))
            form, norms = _form(a, b, backend, centred=centred)
        norms = np.sqrt(norms)
        norms[_undefined(a, b, norms, centred=centred)] = np.nan
        return np.asarray(np.clip(form / norms[: len(a), None] / norms[len(a) :], -1.0, 1.0))


def _undefined(a: AnyArray, b: AnyArray, norms: FloatArray, *, centred: bool) -> list[int]:
    """Return the positions of rows that are zero (constant where ``centred``), among those that rounding may hide."""
    rows = [*a, *b]
    suspects = [i for i, row in enumerate(rows) if not norms[i] > 1e-6 * np.abs(row[:2]).max()]
    return [i for i in suspects if rows[i].min() == rows[i].max() and (centred or rows[i][0] == 0)]


def _form(a: AnyArray, b: AnyArray, backend: Backend, *, centred: bool) -> tuple[FloatArray, FloatArray]:
    """Return the forms of all rows of a with all of b, and of every row of both with itself."""
    n = n_items_of(a.shape[-1])
    offsets = np.concatenate([_guess_offsets(a), _guess_offsets(b)])
    sums = _sums(a, b, offsets, n, backend)
    return form_of_sums(sums.items, sums.squares, sums.products, offsets, n, centred=centred)


def form_of_sums(
    item_sums: FloatArray, squares: FloatArray, products: FloatArray, offsets: FloatArray, n: int, *, centred: bool
) -> tuple[FloatArray, FloatArray]:
    """Return the same from sums over the pairs of ``n`` items of both stacks less their ``offsets``.

    ``item_sums``, shape (rows of both, items); ``squares``, shape (rows of both,); ``products``, shape (rows of a,
    rows of b).
    """
    n_pairs, n_left = n * (n - 1) // 2, len(products)
    # the offsets were guesses: what they missed the means by is taken out of every sum
    missed = item_sums.sum(axis=1) / (2 * n_pairs)
    squares = squares - n_pairs * missed**2
    products = products - n_pairs * np.multiply.outer(missed[:n_left], missed[n_left:])
    # an offset shared by all pairs is the same as its opposite on the diagonal
    ends = np.zeros_like(missed) if centred else -(offsets + missed)
    items = item_sums - (n - 1) * missed[:, None] + ends[:, None]
    totals = items.sum(axis=1)
    own = 2 * squares + n * ends**2 - 2 / n * np.einsum("ij,ij->i", items, items) + (totals / n) ** 2
    left, right = slice(None, n_left), slice(n_left, None)
    form = 2 * products + n * np.multiply.outer(ends[left], ends[right])
    form -= 2 / n * np.einsum("ik,jk->ij", items[left], items[right])
    form += np.multiply.outer(totals[left] / n, totals[right] / n)
    return form, own


def _guess_offsets(rows: AnyArray) -> FloatArray:
    sample = rows[:, :: -(-rows.shape[1] // _SAMPLE)].astype(np.float64)
    return np.asarray(sample.mean(axis=1))


def _sums(a: AnyArray, b: AnyArray, offsets: FloatArray, n: int, backend: Backend) -> _Sums:
    n_rows = len(a) + len(b)
    load = kernels(backend, 16.0 * n_rows * a.shape[-1]).load_triangles
    left, right = slice(None, len(a)), slice(len(a), None)
    blocks = list(_blocks(n, max(1, _BLOCK // (8 * n_rows))))
    longest = max(stop - start for _, _, start, stop in blocks)
    own_memory = threading.local()

    def part(stretch: list[tuple[int, int, int, int]]) -> _Sums:
        sums = _Sums(np.zeros((n_rows, n)), np.zeros(n_rows), np.zeros((len(a), len(b))))
        # one for each thread: new memory comes without its pages
        if not hasattr(own_memory, "buffer"):
            own_memory.buffer = np.empty((n_rows, longest))
        buffer = own_memory.buffer
        for first, last, start, stop in stretch:
            for rows, own in ((a, left), (b, right)):
                load(rows, start, offsets[own], first, last, buffer[own], sums.items[own], sums.squares[own])
            block = buffer[:, : stop - start]
            sums.products += block[left] @ block[right].T
        return sums

    size = -(-len(blocks) // _PARTS)
    parts = each(part, [blocks[i : i + size] for i in range(0, len(blocks), size)])
    return _Sums(*(np.sum([getattr(p, name) for p in parts], axis=0) for name in ("items", "squares", "products")))


def _blocks(n: int, size: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield (first, last item, start, stop entry) of stretches of the upper triangle of about ``size`` entries."""
    first = start = 0
    while first < n - 1:
        last, stop = first, start
        while last < n - 1 and (stop == start or stop - start + n - 1 - last <= size):
            stop += n - 1 - last
            last += 1
        yield first, last, start, stop
        first, start = last, stop
