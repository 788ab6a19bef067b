"""How well teachers predict answers about items, or by people, that they have not seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_args

import numpy as np
from tqdm import tqdm

from alignkit._check import as_flag, check_choice, check_count, check_fraction
from alignkit._random import as_rng
from alignkit._typing import FloatArray, PathLike
from alignkit.align._answer_splits import AnswerSplit, By, split_answers
from alignkit.align._judgements import Judgements, match_judgements
from alignkit.align._kept_fits import KeptFits
from alignkit.align._score_table import ScoreTable
from alignkit.align._teacher_methods import as_compared
from alignkit.align._teacher_scores import TeacherScores
from alignkit.rsa import Triplets, TwoAFC, triplet_ceiling
from alignkit.rsa._grouping import triplet_codes
from alignkit.rsa._intervals import check_bootstrap


def cross_validate(
    features: object,
    triplets: object,
    /,
    *,
    fit: Iterable[str] | Mapping[str, Mapping[str, Any]] = ("full",),
    embedding: object = None,
    by: By = "items",
    test_share: float = 0.3,
    n_folds: int | None = None,
    pooled: bool = False,
    repeats: int = 3,
    groups: object = None,
    control: bool | Iterable[str] = True,
    ceiling_of: Triplets | None = None,
    n_neighbours: int = 10,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    work: PathLike | None = None,
    progress: bool = False,
) -> TeacherScores:
    """Fit teachers to a part of the answers and score them on answers that share no item (or person) with it.

    An answer is kept only if its three items (and its person) are all on one side: of a 70/30 division of items 34 %
    are left to learn from and 3 % to score, which the result says. Beside the teachers stand the features as they are
    and, as a control, every teacher fitted to the answers (and embedding) of other items. Whatever a teacher chooses
    it chooses on items held out within the part that it learns from.

    Parameters
    ----------
    features : Features or array_like, shape (items, channels)
        One row per item; found by label where the answers have them, too.
    triplets : Triplets, TwoAFC or array_like of int, shape (n, 3)
        Answers; the **last** column is the odd one out. Of 2AFC trials the majority's choice is learned as a triplet
        whose odd one is the other image, and scored among the two; trials whose votes tie are left out.
    fit : sequence of str, or mapping of str to settings
        ``full``, ``lowrank``, ``diagonal``, ``orthogonal`` (:func:`fit_transform` to the answers), ``soft`` (a full
        matrix fitted to the embedding's probabilities), ``ridge``, ``kernel-ridge``, ``mlp``
        (:func:`fit_embedding_map`); or names of your own with the settings of either function, those of the latter
        with ``method``. ``"triplets": None`` leaves what learns from an embedding to it alone.
    embedding : Features or array_like, shape (items, dims), optional
        A human embedding, for those that learn from it.
    by : {"items", "participants", "both"}
        What the two sides do not share.
    test_share : float
        Share of the items (people) to hold out, where ``n_folds`` is not given.
    n_folds : int, optional
        Hold out each of so many parts in turn.
    pooled : bool
        With folds of items: score all answers at once, on predictions that each come from the fold in which the item
        was held out. For few answers; no answer is learned from by a map that it is scored with.
    repeats : int
        Random divisions.
    groups : array_like, shape (items,), optional
        Items (rows of ``features``) with the same value stay on one side.
    control : bool or sequence of str
        Fit every teacher, or those named, to other items' answers, too. A map that is pulled towards the identity then
        keeps some of the features' own order: its cross-entropy is at chance, its accuracy between that and theirs.
    ceiling_of : Triplets, optional
        Repeated answers, for what people reach; by default those among ``triplets``, if there are any.
    n_neighbours : int
        For the neighbours that stay.
    n_bootstrap : int
        Resamples of items and, at the same time, of people (where they are unknown: of answers); 0 for no intervals.
    confidence : float
        Coverage of the intervals.
    seed : int
        Of divisions, fits, controls and resamples.
    work : path, optional
        Folder for what has been fitted, so that a call that was killed goes on with the next fit.
    progress : bool
        Show a bar.

    Returns
    -------
    TeacherScores

    Raises
    ------
    ValueError
        An unknown name, too few answers on one side, people asked for but unknown, parts that do not match.
    TypeError
        Not real numbers, or names that are none.

    References
    ----------
    Muttenthaler et al. (2023), https://doi.org/10.48550/arXiv.2306.04507; for resampling both sides of a table:
    Owen (2007), https://doi.org/10.1214/07-AOAS122

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> dimensions = rng.random((40, 3))
    >>> features = np.hstack([dimensions, rng.normal(size=(40, 3))])
    >>> triplets = np.array([rng.permutation(40)[:3] for _ in range(2000)])
    >>> from alignkit.rsa import odd_one_out
    >>> odd = odd_one_out(dimensions, triplets)
    >>> answers = Triplets.from_columns(triplets, odd=odd + 1, base=0)
    >>> scores = cross_validate(features, answers, fit=["ridge"], embedding=dimensions, repeats=1, n_bootstrap=0)
    >>> scores.methods[4:], bool(scores.accuracy[4] > scores.accuracy[:4].max())
    (('ridge', 'ridge, shuffled'), True)
    """
    check_choice("by", by, get_args(By))
    check_bootstrap(n_bootstrap, confidence)
    pooled = as_flag("pooled", pooled)
    held_out = check_fraction("test_share", test_share)
    n_parts = None if n_folds is None else check_count("n_folds", n_folds, 2)
    if pooled and (n_parts is None or by != "items"):
        msg = "pooled=True needs folds of items: pass n_folds and leave by='items'."
        raise ValueError(msg)
    check_count("repeats", repeats, 1)
    check_count("n_neighbours", n_neighbours, 1)
    data = match_judgements(features, triplets, embedding, groups)
    rows = as_compared(fit, data, control)
    division_rng, bootstrap_rng = as_rng(check_count("seed", seed)).spawn(2)
    splits = split_answers(
        data.items,
        len(data.x),
        data.participant,
        by=by,
        n_folds=n_parts,
        test_share=held_out,
        repeats=repeats,
        pooled=pooled,
        groups=data.groups,
        rng=division_rng,
    )
    kept = KeptFits(work, data)
    table = ScoreTable(data, rows, splits, pooled, n_neighbours)
    with tqdm(total=len(splits) * len(rows), disable=not as_flag("progress", progress)) as bar:
        for number, split in enumerate(splits):
            for place, row in enumerate(rows):
                table.add(number, place, kept.fit(row, split, seed + number))
                bar.update()
    leave_one_out, plug_in = _ceilings(triplets, ceiling_of)
    return TeacherScores(
        methods=tuple(row.name for row in rows),
        **table.measures(n_bootstrap, confidence, bootstrap_rng),
        train_share=_shares(splits, data, lambda split: len(split.train)),
        test_share=_shares(splits, data, lambda split: len(split.test)),
        from_embedding=tuple(row.uses_embedding for row in rows),
        ceiling=leave_one_out,
        ceiling_plug_in=plug_in,
        chance=data.chance,
        n_answers=len(data.items),
        n_given=data.n_given,
        n_items=len(data.x),
        by=by,
        n_folds=n_parts or 0,
        pooled=pooled,
        repeats=repeats,
        held_out=held_out,
        n_neighbours=n_neighbours,
        n_bootstrap=n_bootstrap,
        confidence=confidence,
        seed=seed,
    )


def _shares(splits: list[AnswerSplit], data: Judgements, count: Callable[[AnswerSplit], int]) -> FloatArray:
    return np.array([count(split) for split in splits]) / len(data.items)


def _ceilings(triplets: object, ceiling_of: Triplets | None) -> tuple[float, float]:
    """Return what people reach: leave-one-out, and plug-in majority."""
    answers = ceiling_of
    if answers is None and not isinstance(triplets, TwoAFC):
        answers = triplets if isinstance(triplets, Triplets) else Triplets(triplets)
        if triplet_codes(answers.items)[0] == len(answers):
            answers = None
    if answers is None:
        return float("nan"), float("nan")
    found = triplet_ceiling(answers, n_bootstrap=0)
    return found["leave-one-out"], found["plug-in"]
