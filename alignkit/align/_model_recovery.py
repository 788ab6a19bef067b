"""Whether a fitted map still lets one tell which model the answers came from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from alignkit._check import as_flag, check_choice, check_count, check_fraction, join_names, shown
from alignkit._plot import new_axes
from alignkit._random import spawn
from alignkit._result import Result
from alignkit._typing import FloatArray, IntArray
from alignkit.align._answer_logits import best_temperature, costs
from alignkit.align._answer_splits import AnswerSplit, split_answers
from alignkit.align._fit_transform import fit_transform
from alignkit.align._judgements import Judgements, match_judgements
from alignkit.align._teacher_methods import NAMED
from alignkit.models import Features
from alignkit.rsa import Triplets
from alignkit.rsa._choice_probabilities import softmax
from alignkit.rsa._kernels._triplets_numpy import gather_pairs

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Maps that answers alone determine, and none at all.
_FITS = ("zero-shot", "full", "lowrank", "diagonal", "orthogonal")


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class ModelRecovery(Result):
    """How often the model that made the answers is the one that predicts them best.

    Attributes
    ----------
    models : tuple of str, shape (m,)
        Candidates; each is also where answers come from.
    identified : ndarray of int, shape (m, m)
        Row: where the answers came from; column: how often that candidate predicted held-out ones best.
    cross_entropy : ndarray, shape (m, m)
        Mean -log p in nats of held-out answers from row's model under column's, over simulations.
    human_cross_entropy : ndarray, shape (m,)
        The same of people's answers.
    n_parameters : ndarray, shape (m,)
        Numbers fitted per candidate.
    recovery : float
        Share of simulations in which the right model was found; ``chance`` is 1/m.
    chance : float
        1 / m.
    fit : str
        What was fitted between features and answers.
    n_simulations, n_answers, n_items, seed
        Simulations per model, answers in each, items, and as asked.
    test_share : float
        Share of the items held out.
    """

    models: tuple[str, ...]
    identified: IntArray
    cross_entropy: FloatArray
    human_cross_entropy: FloatArray
    n_parameters: FloatArray
    recovery: float
    chance: float
    fit: str
    n_simulations: int
    n_answers: int
    n_items: int
    test_share: float
    seed: int

    def __repr__(self) -> str:
        width = max(map(len, self.models))
        lines = [
            f"<ModelRecovery {self.recovery:.0%} identified (chance {self.chance:.0%}), fit {self.fit!r}, "
            f"{self.n_simulations} simulations per model of {self.n_answers:,} answers about {self.n_items:,} items"
        ]
        for name, row, parameters in zip(self.models, self.identified, self.n_parameters, strict=True):
            found = "  ".join(f"{int(n):3d}" for n in row)
            lines.append(f"  answers of {name:{width}s}  {found}  ({int(parameters):,} parameters)")
        return "\n".join(lines) + ">"

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per pair of models: where answers came from, which candidate, how often it won."""
        import pandas as pd

        m = len(self.models)
        return pd.DataFrame(
            {
                "answers_of": np.repeat(self.models, m),
                "candidate": np.tile(self.models, m),
                "identified": self.identified.ravel(),
                "cross_entropy": self.cross_entropy.ravel(),
                "n_parameters": np.tile(self.n_parameters, m),
            }
        )

    def methods_text(self) -> str:
        """Return the sentence a paper's Methods section needs."""
        how = "without any fit" if self.fit == "zero-shot" else f"through a fitted map ({self.fit})"
        return (
            f"Answers to the same {self.n_answers:,} triplets were simulated {self.n_simulations} times from each of "
            f"{len(self.models)} models, as it predicts people's ({how}, with people's noise by its temperature); "
            f"every candidate was fitted to those about {1 - self.test_share:.0%} of the items and the one with the "
            f"least cross-entropy on answers about the others was taken for their source, which was right in "
            f"{self.recovery:.0%} (chance {self.chance:.0%})."
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw how often each candidate was taken for each source."""
        ax = new_axes(ax)
        image = ax.imshow(self.identified / self.n_simulations, vmin=0, vmax=1, cmap="viridis")
        ax.set_xticks(range(len(self.models)), self.models, rotation=45, ha="right")
        ax.set_yticks(range(len(self.models)), self.models)
        ax.set(xlabel="taken for the source", ylabel="source of the answers")
        ax.figure.colorbar(image, ax=ax, label="share of simulations")
        return ax


def model_recovery(
    features: Mapping[str, object],
    triplets: object,
    /,
    *,
    fit: str = "full",
    n_simulations: int = 5,
    test_share: float = 0.3,
    penalty: float | None = None,
    rank: int | None = None,
    seed: int = 0,
    progress: bool = False,
) -> ModelRecovery:
    """Simulate answers from each of several models and see which of them is taken for the source.

    A flexible map may fit answers from the features of any model, and then says little about which one people are
    like. Each model is fitted to the human answers, answers are drawn from its probabilities, and every candidate is
    fitted to them anew and scored on answers about held-out items. Compare ``fit="full"`` with the frugal kinds.

    Parameters
    ----------
    features : mapping of str to Features or array_like, each of shape (items, channels)
        At least two models' features of the same items.
    triplets : Triplets or array_like of int, shape (n, 3)
        Human answers, the odd one out **last**: they set each model's map and noise.
    fit : {"zero-shot", "full", "lowrank", "diagonal", "orthogonal"}
        The map between features and answers; ``zero-shot``: dot products of the features with a temperature alone.
    n_simulations : int
        Per model.
    test_share : float
        Share of the items whose answers decide.
    penalty : float, optional
        For all fits; by default chosen for each model on the human answers.
    rank : int, optional
        Dimensions of ``lowrank`` and ``orthogonal``.
    seed : int
        Of divisions and simulated answers.
    progress : bool
        Show a bar.

    Returns
    -------
    ModelRecovery

    Raises
    ------
    ValueError
        Fewer than two models, models of other items, an unknown fit, or too few answers.
    TypeError
        No mapping, or values that are not real numbers.

    References
    ----------
    Avitan & Golan (2025), https://doi.org/10.48550/arXiv.2510.23321

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> models = {"a": rng.normal(size=(30, 4)), "b": rng.normal(size=(30, 4))}
    >>> triplets = np.array([rng.permutation(30)[:3] for _ in range(1500)])
    >>> model_recovery(models, triplets, fit="zero-shot", n_simulations=2).models
    ('a', 'b')
    """
    check_choice("fit", fit, _FITS)
    n = check_count("n_simulations", n_simulations, 1)
    held_out = check_fraction("test_share", test_share)
    seed = check_count("seed", seed)
    matched = _matched(features, triplets)
    settings = {**NAMED.get(fit, {}), "penalty": penalty, "rank": rank, "seed": seed}
    sources = {name: _Source.of(data, None if fit == "zero-shot" else settings) for name, data in matched.items()}
    first = next(iter(matched.values()))
    m = len(matched)
    split_rng, *answer_rngs = spawn(seed, 1 + n * m)
    splits = split_answers(
        first.items,
        len(first.x),
        None,
        by="items",
        n_folds=None,
        test_share=held_out,
        repeats=n,
        pooled=False,
        groups=None,
        rng=split_rng,
    )
    values = np.empty((m, n, m))
    human = np.empty((n, m))
    with tqdm(total=n * (m + 1) * m, disable=not as_flag("progress", progress)) as bar:
        for k, split in enumerate(splits):
            for j, candidate in enumerate(sources.values()):
                human[k, j] = candidate.cost(first.items, split)
                bar.update()
            for i, source in enumerate(sources.values()):
                answers = source.answers(first.items, answer_rngs[k * m + i])
                for j, candidate in enumerate(sources.values()):
                    values[i, k, j] = candidate.cost(answers, split)
                    bar.update()
    best = values.argmin(axis=2)
    identified = np.array([np.bincount(row, minlength=m) for row in best], dtype=np.int64)
    return ModelRecovery(
        models=tuple(matched),
        identified=identified,
        cross_entropy=values.mean(axis=1),
        human_cross_entropy=human.mean(axis=0),
        n_parameters=np.array([float(source.n_parameters) for source in sources.values()]),
        recovery=float(np.trace(identified) / identified.sum()),
        chance=1.0 / m,
        fit=fit,
        n_simulations=n,
        n_answers=len(first.items),
        n_items=len(first.x),
        test_share=held_out,
        seed=seed,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Source:
    """A model fitted to people: where answers come from, and a candidate for where they came from."""

    x: FloatArray
    values: FloatArray
    temperature: float
    n_parameters: int
    settings: dict[str, Any] | None

    @classmethod
    def of(cls, data: Judgements, settings: dict[str, Any] | None) -> _Source:
        if settings is None:
            temperature = best_temperature(data.logits(data.x, np.arange(len(data.items))))
            return cls(data.x, data.x / np.sqrt(temperature), temperature, 0, None)
        found = fit_transform(data.x, Triplets(data.items), **settings)
        again = {**settings, "penalty": found.penalty, "calibrate": False}
        return cls(data.x, found.apply(data.x), found.temperature, found.n_parameters, again)

    def answers(self, items: IntArray, rng: np.random.Generator) -> IntArray:
        """Return the triplets with an odd one drawn for each."""
        p = softmax(gather_pairs(self.values @ self.values.T, items))
        odd = (rng.random(len(items)) > np.cumsum(p, axis=0)[:2]).sum(axis=0)
        return np.take_along_axis(items, (odd[:, None] + np.array([1, 2, 0])) % 3, axis=1)

    def cost(self, answers: IntArray, split: AnswerSplit) -> float:
        """Return the cross-entropy of answers about held-out items, having been fitted to those about the others."""
        values = self.values
        if self.settings is not None:
            number = np.full(len(self.x), -1)
            number[split.train_items] = np.arange(len(split.train_items))
            learned = Triplets(number[answers[split.train]])
            found = fit_transform(self.x[split.train_items], learned, **self.settings)
            # the noise is people's, as it was when the answers were made
            values = found.apply(self.x) / np.sqrt(self.temperature)
        return float(costs(gather_pairs(values @ values.T, answers[split.test])).mean())


def _matched(features: object, triplets: object) -> dict[str, Judgements]:
    """Return every model's features and the answers, all of the items that every model knows."""
    if not isinstance(features, Mapping):
        msg = f"features must be a mapping of names to features of two models or more; got {shown(features)}."
        raise TypeError(msg)
    if len(features) < 2:
        msg = f"features must hold two models or more, to tell them apart; got {join_names(features) or 'none'}."
        raise ValueError(msg)
    given = dict(features)
    labelled = [value for value in given.values() if isinstance(value, Features) and value.labels is not None]
    if labelled:
        shared = set.intersection(*(set(value.labels or ()) for value in labelled))
        order = [label for label in labelled[0].labels or () if label in shared]
        if len(order) < 3 or len(labelled) < len(given):
            msg = "the models' features share fewer than 3 labelled items; label all of them by the same items."
            raise ValueError(msg)
        given = {name: value.select(order) for name, value in given.items()}
    found = {str(name): match_judgements(value, triplets, None, None) for name, value in given.items()}
    counts = {name: len(data.x) for name, data in found.items()}
    if len(set(counts.values())) > 1:
        msg = f"all models must have features of the same items; got {counts}."
        raise ValueError(msg)
    return found
