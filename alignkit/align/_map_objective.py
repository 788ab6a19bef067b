"""What a teacher minimises, as a function of one vector of numbers: cross-entropy, local term and penalty."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from alignkit._check import is_tensor
from alignkit._typing import FloatArray, IntArray
from alignkit.align._maps import Map
from alignkit.align._penalties import LocalTerm, weight_penalty
from alignkit.align._triplet_objective import product, triplet_objective


@dataclasses.dataclass(frozen=True, slots=True)
class Answers:
    """Triplets to learn from: rows of their items, and how probable each column is as the odd one (None: the last)."""

    items: IntArray
    probabilities: FloatArray | None = None

    def __len__(self) -> int:
        """Return the number of triplets."""
        return len(self.items)

    def take(self, rows: Any) -> Answers:
        """Return the triplets at these positions."""
        return Answers(self.items[rows], None if self.probabilities is None else self.probabilities[rows])


class MapObjective:
    """(1 - α) times the mean cross-entropy, plus α times the local term, plus the weighted penalty.

    Parameters
    ----------
    x : ndarray or Tensor, shape (items, channels)
        Standardised features.
    answers : Answers
        Rows of ``x``.
    form : Map
        What W may be.
    bias : bool
        Whether the vector ends in a bias b.
    regulariser : str
        Which penalty.
    penalty : float
        Its weight.
    local : LocalTerm or None
        Of standardised features.
    alpha : float
        Weight of the local term.
    """

    def __init__(
        self,
        x: Any,
        answers: Answers,
        form: Map,
        *,
        bias: bool,
        regulariser: str,
        penalty: float,
        local: LocalTerm | None = None,
        alpha: float = 0.0,
    ) -> None:
        self.x, self.answers, self.form, self.bias = x, answers, form, bias
        self._regulariser, self._penalty = regulariser, penalty
        self._local, self._alpha = local, alpha if local is not None else 0.0
        self._entropy = triplet_objective(answers.items, len(x), answers.probabilities, x)

    def vector(self, weights: FloatArray, bias: FloatArray | None) -> FloatArray:
        """Return the vector of the map nearest to these weights."""
        start = self.form.start(weights)
        if not self.bias:
            return start
        return np.concatenate([start, np.zeros(weights.shape[1]) if bias is None else bias])

    def parts(self, vector: FloatArray) -> tuple[FloatArray, FloatArray | None]:
        """Return W and b (None without a bias)."""
        n = self.form.reference.shape[1] if self.bias else 0
        head = vector[: len(vector) - n]
        return self.form.weights(head), vector[len(head) :] if self.bias else None

    def __call__(self, vector: FloatArray) -> tuple[float, FloatArray]:
        """Return the value and its gradient."""
        weights, bias = self.parts(vector)
        y = transformed(self.x, weights, bias)
        value, slope = self._entropy(y)
        return self._whole(vector, weights, bias, value, *pulled(self.x, slope))

    def _whole(
        self,
        vector: FloatArray,
        weights: FloatArray,
        bias: FloatArray | None,
        value: float,
        of_weights: FloatArray,
        of_bias: FloatArray,
    ) -> tuple[float, FloatArray]:
        """Return value and gradient of everything, given those of the cross-entropy."""
        if self._local is not None:
            local, slope = self._local(transformed(self._local.x, weights, bias))
            far, far_bias = pulled(self._local.x, slope)
            alpha = self._alpha
            value = (1 - alpha) * value + alpha * local
            of_weights, of_bias = (1 - alpha) * of_weights + alpha * far, (1 - alpha) * of_bias + alpha * far_bias
        cost, slope = weight_penalty(weights, self.form.reference, self._regulariser)
        of_weights = of_weights + self._penalty * slope
        n = len(vector) - (weights.shape[1] if self.bias else 0)
        gradient = self.form.pull(vector[:n], of_weights)
        return value + self._penalty * cost, np.concatenate([gradient, of_bias]) if self.bias else gradient

    def of_batch(self, vector: FloatArray, rows: IntArray) -> tuple[float, FloatArray]:
        """Return value and gradient where the cross-entropy is that of some of the triplets."""
        weights, bias = self.parts(vector)
        batch = self.answers.take(rows)
        unique, items = np.unique(batch.items, return_inverse=True)
        x = self.x[unique]
        entropy = triplet_objective(items.reshape(batch.items.shape), len(unique), batch.probabilities, x)
        value, slope = entropy(transformed(x, weights, bias))
        return self._whole(vector, weights, bias, value, *pulled(x, slope))


def transformed(x: Any, weights: FloatArray, bias: FloatArray | None) -> Any:
    """Return x W + b, where ``x`` is."""
    y = product(x, _beside(weights, x))
    return y if bias is None else y + _beside(bias, x)


def pulled(x: Any, slope: Any) -> tuple[FloatArray, FloatArray]:
    """Return the gradients for W and b from that for x W + b, as arrays."""
    of_weights: Any = product(x.T, slope)
    of_bias: Any = slope.sum(0)
    if is_tensor(x):
        of_weights, of_bias = (part.cpu().numpy().astype(np.float64) for part in (of_weights, of_bias))
    return of_weights, of_bias


def _beside(array: FloatArray, x: Any) -> Any:
    if not is_tensor(x):
        return array
    import torch

    return torch.from_numpy(np.ascontiguousarray(array)).to(x)
