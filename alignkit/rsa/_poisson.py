"""The divergence of Poisson rates: spike counts, seen as rates under a gamma prior."""

from __future__ import annotations

from alignkit.rsa._arrays import Array, cast, precision_of, transposed
from alignkit.rsa._condensed import upper_triangle
from alignkit.rsa._dissimilarities import redo_close_pairs
from alignkit.rsa._namespace import namespace
from alignkit.rsa._patterns import MetricOptions, Patterns, Undefined
from alignkit.rsa._ties import restore_ties

NOT_POSITIVE = "items with rates that are not positive, whose Poisson divergence is undefined"


def poisson(patterns: Patterns) -> tuple[Array, list[Undefined]]:
    """Return the symmetrised Kullback-Leibler divergence of rates, per channel."""
    rates, logs, undefined = rates_and_logs(patterns.x, patterns.options)
    # constants of a channel cancel between two items: without them the product keeps more digits
    left, right = (cast(x - x.mean(axis=-2, keepdims=True), patterns.dtype) for x in (rates, logs))
    own = (left * right).sum(axis=-1)
    total = upper_triangle(own[..., :, None] + own[..., None, :])
    kernel = left @ transposed(right)
    values = total - upper_triangle(kernel) - upper_triangle(transposed(kernel))
    values = redo_close_pairs(values, total, rates, logs)
    values = restore_ties(values, relative=1e-13) if precision_of(values) == "float64" else values
    return values / patterns.n_channels, [undefined]


def rates_and_logs(x: Array, options: MetricOptions) -> tuple[Array, Array, Undefined]:
    """Return rates shrunk towards the prior, their logarithms, and the items whose rates have none."""
    xp = namespace(x)
    rates = (x + options.prior_lambda * options.prior_weight) / (1 + options.prior_weight)
    bad = ~(rates > 0).all(axis=-1)
    rates = xp.where(bad[..., None], 1.0, rates)
    return rates, xp.log(rates), Undefined(NOT_POSITIVE, bad)
