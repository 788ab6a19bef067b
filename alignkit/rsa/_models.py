"""Models of RDMs: fixed ones, and ones that are fitted: the best of several, weighted sums, and mixtures."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from alignkit._check import NanPolicy, as_flag, as_float_array, check_nan_policy, check_not_negative
from alignkit._typing import FloatArray
from alignkit.rsa._align import as_rdm
from alignkit.rsa._align_all import align_all
from alignkit.rsa._components import component_stack, rows_of
from alignkit.rsa._container import RDM
from alignkit.rsa._model_fits import Training, fit_interpolated, fit_selected, fit_weighted
from alignkit.rsa._nan import items_of_pairs, name_items, report_all
from alignkit.rsa._pooling import PoolingMethod, check_pooling, checked_sigma_k
from alignkit.rsa._training import training_of, weighted_sums


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Model(ABC):
    """A model of RDMs whose prediction is a weighted sum of its component RDMs.

    Attributes
    ----------
    rdms : RDM, mapping of str to RDM, or array_like, shape (components, pairs) or (components, items, items)
        The components; kept as one stack.
    names : tuple of str
        Names of the components.
    """

    rdms: Any
    names: tuple[str, ...] = dataclasses.field(init=False)
    #: Components at least, and what is done with them.
    _fewest: ClassVar[int] = 1
    _most: ClassVar[int | None] = None

    def __post_init__(self) -> None:
        stack, names = component_stack(self.rdms)
        kind = type(self).__name__
        if len(stack) < self._fewest or (self._most is not None and len(stack) > self._most):
            number = "one RDM" if self._most == 1 else f"at least {self._fewest} RDMs"
            msg = f"{kind} is made of {number}; got {len(stack)}."
            raise ValueError(msg)
        object.__setattr__(self, "rdms", stack)
        object.__setattr__(self, "names", names)

    @property
    def n_components(self) -> int:
        """Number of component RDMs."""
        return len(self.names)

    @property
    def flexible(self) -> bool:
        """Whether anything is fitted, so that only held-out scores say how good the model is."""
        return self.n_components > 1

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.describe()}; {self.rdms.n_items} items>"

    @abstractmethod
    def describe(self) -> str:
        """Return what the model is, in a few words for a sentence."""

    @abstractmethod
    def solve(self, training: Training) -> FloatArray:
        """Return the weights of the components, shape (..., components), from products that hold no NaN."""

    def fit(
        self,
        data: object,
        /,
        *,
        method: PoolingMethod = "pearson",
        sigma_k: object = None,
        nan_policy: NanPolicy = "propagate",
    ) -> FloatArray:
        """Return the weights of the components with which the model is most like the data RDMs on average.

        Parameters
        ----------
        data : RDM or array_like, shape (..., pairs) or (..., items, items)
            RDMs to fit; each counts alike, whatever its unit.
        method : str
            Any method of :func:`noise_ceiling`. Weights are least squares in the space where the method is a cosine
            (after centring for pearson, whitening for the whitened methods). Rank methods, step functions of the
            weights, choose the best of several by themselves, but weigh and mix by the Pearson correlation with the
            data's ranks.
        sigma_k : array_like, shape (items,) or (items, items), optional
            Covariance of the items' pattern estimates, in the order of ``data``, for the whitened methods.
        nan_policy : {"propagate", "omit", "raise"}
            NaN in any data RDM or component: give NaN, leave those pairs out for all, or raise.

        Returns
        -------
        ndarray, shape (components,)
            What :meth:`predict` takes; in-sample: how good the model is, held-out data must say.
        """
        check_pooling(method, "rank")
        check_nan_policy(nan_policy)
        stack, own = align_all([("the data", as_rdm("the data", data)), ("the model", self.rdms)], "raise")
        sigma, _ = checked_sigma_k(sigma_k, method, stack.n_items)
        rows, components = rows_of([stack]), own.values
        missing = np.isnan(np.concatenate([rows, components])).any(axis=0)
        missing, valid = np.asarray(missing), np.asarray(~missing)
        if nan_policy != "omit" and missing.any():
            reason = "the data or the model hold NaN (nan_policy='omit' leaves those pairs out) for"
            report_all({reason: name_items(stack.labels, items_of_pairs(missing, stack.n_items))}, nan_policy)
            return np.full(self.n_components, np.nan)
        return self.weights(training_of(components[:, valid], rows[:, valid], method, valid, sigma))

    def weights(self, training: Training) -> FloatArray:
        """Return the weights of the components, shape (..., components); NaN where nothing is like the data."""
        known = dataclasses.replace(training, target=np.nan_to_num(training.target))
        return np.where(training.undefined[..., None], np.nan, self.solve(known))

    def predict(self, theta: object, /) -> RDM:
        """Return the RDM that weights of the components give.

        Parameters
        ----------
        theta : array_like, shape (components,)
            Weights, such as :meth:`fit` gives.

        Returns
        -------
        RDM
        """
        weights = as_float_array("theta", theta, ndim=1)
        if len(weights) != self.n_components:
            msg = f"theta must hold one weight per component: expected {self.n_components}, got {len(weights)}."
            raise ValueError(msg)
        return RDM(weighted_sums(weights[None], self.rdms.values)[0], self.rdms.labels)


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class FixedModel(Model):
    """A single RDM, predicted as it is.

    Attributes
    ----------
    rdms : RDM or array_like, shape (pairs,) or (items, items)
        The RDM; kept as a stack of one.
    names : tuple of str
        Its name.

    Examples
    --------
    >>> FixedModel([1.0, 2.0, 3.0]).predict([1.0]).values
    array([1., 2., 3.])
    """

    _most: ClassVar[int | None] = 1

    def describe(self) -> str:
        """Return what the model is, in a few words for a sentence."""
        return "one fixed RDM"

    def solve(self, training: Training) -> FloatArray:
        """Return the weight 1."""
        return np.ones(training.target.shape)


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class SelectedModel(Model):
    """The one of several RDMs that is most like the training data on average.

    Attributes
    ----------
    rdms : RDM, mapping of str to RDM, or array_like, shape (components, pairs) or (components, items, items)
        The RDMs to choose from, for example the layers of a network; kept as one stack.
    names : tuple of str
        Names of the components.

    Examples
    --------
    >>> layers = {"conv1": [3.0, 2, 1, 1, 2, 3], "fc": [1.0, 2, 3, 4, 5, 6]}
    >>> SelectedModel(layers).fit([[1.0, 3, 2, 4, 6, 5]], method="spearman")
    array([0., 1.])
    """

    def describe(self) -> str:
        """Return what the model is, in a few words for a sentence."""
        return f"the best of {self.n_components} RDMs"

    def solve(self, training: Training) -> FloatArray:
        """Return 1 for the chosen component, else 0."""
        return fit_selected(training)


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class WeightedModel(Model):
    r"""A weighted sum of several RDMs: least squares on the mean of the training data at unit length.

    Weights minimise :math:`\|y-\sum_j w_j m_j\|^2+\lambda\,\overline{\|m\|^2}\sum_j w_j^2` and are then brought to unit
    length, which no comparison sees. Equals rsatoolbox's ``fit_regress_nn`` and ``fit_regress`` with ``ridge_weight``
    :math:`\lambda\,\overline{\|m\|^2}`.

    Attributes
    ----------
    rdms : RDM, mapping of str to RDM, or array_like, shape (components, pairs) or (components, items, items)
        The RDMs to weigh; kept as one stack.
    nonnegative : bool
        Weights may not be negative (sums of squared distances have none).
    penalty : float
        Ridge penalty λ, in units of the components' mean squared length; 0 for none.
    names : tuple of str
        Names of the components.

    References
    ----------
    Khaligh-Razavi and Kriegeskorte (2014), doi:10.1371/journal.pcbi.1003915.

    Examples
    --------
    >>> animacy, size = [0.0, 1, 1, 1, 1, 0], [1.0, 0, 1, 1, 0, 1]
    >>> WeightedModel({"animacy": animacy, "size": size}).fit([3.0, 4, 7, 7, 4, 3], method="cosine").round(3)
    array([0.8, 0.6])
    """

    nonnegative: bool = True
    penalty: float = 0.0

    def __post_init__(self) -> None:
        Model.__post_init__(self)
        object.__setattr__(self, "nonnegative", as_flag("nonnegative", self.nonnegative))
        object.__setattr__(self, "penalty", check_not_negative("penalty", self.penalty))

    def describe(self) -> str:
        """Return what the model is, in a few words for a sentence."""
        sign = "non-negative " if self.nonnegative else ""
        ridge = f" and a ridge penalty of {self.penalty:g}" if self.penalty else ""
        return f"a sum of {self.n_components} RDMs with {sign}least-squares weights{ridge}"

    def solve(self, training: Training) -> FloatArray:
        """Return weights of unit length."""
        return fit_weighted(training, nonnegative=self.nonnegative, penalty=self.penalty)


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class InterpolatedModel(Model):
    """A mixture of two consecutive RDMs of a series: the best point on the line from each to the next.

    Attributes
    ----------
    rdms : RDM, mapping of str to RDM, or array_like, shape (components, pairs) or (components, items, items)
        The RDMs in the order of the series, for example of a parameter that they were simulated with; kept as one
        stack.
    names : tuple of str
        Names of the components.

    Examples
    --------
    >>> series = [[0.0, 1, 1, 1, 1, 0], [1.0, 0, 1, 1, 0, 1], [1.0, 1, 0, 0, 1, 1]]
    >>> InterpolatedModel(series).fit([1.0, 3, 4, 4, 3, 1], method="cosine").round(3)
    array([0.75, 0.25, 0.  ])
    """

    _fewest: ClassVar[int] = 2

    def describe(self) -> str:
        """Return what the model is, in a few words for a sentence."""
        return f"a mixture of two consecutive ones of {self.n_components} RDMs"

    def solve(self, training: Training) -> FloatArray:
        """Return the weights of the two components, which add up to 1."""
        return fit_interpolated(training)
