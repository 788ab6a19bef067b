"""The fits that one teacher takes: those of the inner splits, and the last one to everything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from alignkit._check import as_floats, check_finite, is_tensor
from alignkit._random import as_rng, spawn
from alignkit._typing import AnyArray, FloatArray
from alignkit.align._inner_splits import Chosen, Draw, choose, make_splits
from alignkit.align._map_objective import Answers, MapObjective
from alignkit.align._maps import Map, make_map, scale_of
from alignkit.align._minimise import Found, minimise
from alignkit.align._penalties import LocalTerm
from alignkit.align._soft_triplets import soft_triplets
from alignkit.align._teacher_inputs import TeacherInputs
from alignkit.align._teacher_settings import TeacherSettings
from alignkit.align._teacher_transform import TeacherTransform
from alignkit.models import Features, Transform

#: A square matrix of more channels is a matter of gigabytes, and of more parameters than people give answers.
_MOST_CHANNELS = 8192
#: Rows of the local term, whose matrices are square.
_LOCAL_ROWS = 4096


class Fitting:
    """One call's features, triplets and options, and the fits that it takes."""

    def __init__(
        self, inputs: TeacherInputs, settings: TeacherSettings, embedding: FloatArray | None, local_features: object
    ) -> None:
        self.inputs, self.settings = inputs, settings
        self._split_rng, self._draw_rng, self._local_rng, self._start_rng = spawn(settings.seed, 4)
        self._embedding = embedding
        self.form = _form(inputs, settings)
        self.local = self._local_term(local_features)
        soft = inputs.soft if settings.loss == "soft" and embedding is None else None
        self.judged = Answers(inputs.items, soft)
        self._first = self._first_weights()

    def run(self, tick: Callable[[str], Any]) -> TeacherTransform:
        """Choose what is to be chosen, fit to everything, and return the teacher; ``tick`` hears of each step."""
        settings = self.settings
        chosen = self._choose(tick)
        answers = self.judged
        if self._embedding is not None:
            answers = soft_triplets(self._embedding, np.arange(len(self.inputs.x)), settings.n_soft, self._draw_rng)
        objective = self._objective(answers, chosen.penalty)
        found = self._minimise(objective, objective.vector(*self._first), lambda value: tick(f"loss {value:.4f}"))
        return self._wrap(objective, found, chosen, len(answers))

    def _choose(self, tick: Callable[[str], Any]) -> Chosen:
        settings = self.settings
        nothing = np.empty(0)
        weightless = self.form.n_parameters == 1 and settings.regulariser != "naive"  # a scale has no penalty to choose
        penalty = 0.0 if settings.penalty is None and weightless else settings.penalty
        if penalty is not None and not settings.calibrate:
            return Chosen(penalty, 1.0, nothing, nothing, 0)
        draw: Draw | None = None
        if self._embedding is not None:
            embedding = self._embedding
            draw = lambda rows, n, rng: soft_triplets(embedding, rows, n, rng)  # noqa: E731
        splits = make_splits(
            self.judged,
            len(self.inputs.x),
            n_splits=settings.n_splits,
            held_out=settings.held_out,
            n_drawn=max(1, settings.n_soft // 4),  # fewer items, fewer triplets
            draw=draw,
            rng=self._split_rng,
        )
        chosen = choose(
            self.inputs.x,
            splits,
            self._fit,
            regulariser=settings.regulariser,
            penalty=penalty,
            tick=lambda n: tick(f"inner fit {n}"),
        )
        return chosen if settings.calibrate else Chosen(chosen.penalty, 1.0, chosen.penalties, chosen.cross_entropy, 0)

    def _fit(self, answers: Answers, penalty: float, start: FloatArray | None) -> tuple[MapObjective, FloatArray]:
        objective = self._objective(answers, penalty)
        found = self._minimise(objective, objective.vector(*self._first) if start is None else start)
        return objective, found.vector

    def _objective(self, answers: Answers, penalty: float) -> MapObjective:
        rows, items = np.unique(answers.items, return_inverse=True)
        return MapObjective(
            self.inputs.x[rows],
            Answers(items.reshape(answers.items.shape), answers.probabilities),
            self.form,
            bias=self.settings.bias,
            regulariser=self.settings.regulariser,
            penalty=penalty,
            local=self.local,
            alpha=self.settings.alpha_used,
        )

    def _minimise(
        self, objective: MapObjective, start: FloatArray, tick: Callable[[float], Any] | None = None
    ) -> Found:
        settings = self.settings
        return minimise(
            objective,
            start,
            optimizer=settings.optimizer,
            max_iter=settings.iterations,
            learning_rate=settings.learning_rate,
            batch_size=settings.batch_size,
            rng=as_rng(settings.seed),
            tick=tick,
        )

    def _first_weights(self) -> tuple[FloatArray, FloatArray | None]:
        """Return W and b before the fit."""
        settings, reference = self.settings, self.form.reference
        scale = settings.start_scale
        if settings.start == "random":
            return self._start_rng.normal(0.0, scale, size=reference.shape), None
        return scale * reference, np.full(reference.shape[1], scale) if settings.bias else None  # as published

    def _local_term(self, local_features: object) -> LocalTerm | None:
        settings, inputs = self.settings, self.inputs
        if settings.regulariser != "glocal":
            if local_features is not None:
                msg = f"local_features belong to regulariser='glocal'; leave them out with {settings.regulariser!r}."
                raise ValueError(msg)
            return None
        if local_features is None:
            rows = inputs.x
        else:
            array = local_features.array() if isinstance(local_features, Features) else local_features
            rows = as_floats("local_features", array)
            if rows.ndim != 2 or rows.shape[1] != inputs.x.shape[1]:
                msg = (
                    f"local_features must have the {inputs.x.shape[1]} channels of the features; got shape "
                    f"{tuple(rows.shape)}."
                )
                raise ValueError(msg)
            rows = (_as_numpy(rows) - inputs.mean) / inputs.std
            rows = rows if inputs.center is None else rows - inputs.center
            check_finite("local_features", rows)
        if len(rows) > _LOCAL_ROWS:
            rows = rows[np.sort(self._local_rng.choice(len(rows), _LOCAL_ROWS, replace=False))]
        return LocalTerm(_as_numpy(rows), settings.tau)

    def _wrap(self, objective: MapObjective, found: Found, chosen: Chosen, n_answers: int) -> TeacherTransform:
        weights, bias = objective.parts(found.vector)
        n_parameters = self.form.n_parameters + (weights.shape[1] if bias is not None else 0)
        if self.inputs.center is not None:
            bias = (0.0 if bias is None else bias) - self.inputs.center @ weights
        name = str(self.inputs.source["name"])
        scale = scale_of(weights, self.form.reference)
        base = scale * self.form.reference
        size = float(np.linalg.norm(base))
        return TeacherTransform(
            transform=Transform(weights, bias, self.inputs.mean, self.inputs.std, name=f"teacher of {name}"),
            temperature=chosen.temperature,
            penalty=chosen.penalty,
            history=found.history,
            converged=found.converged,
            n_parameters=n_parameters,
            distance_from_identity=float(np.linalg.norm(weights - base)) / size if size else float("nan"),
            penalties=chosen.penalties,
            penalty_cross_entropy=chosen.cross_entropy,
            n_answers=n_answers,
            n_items=len(self.inputs.x),
            n_held_out=chosen.n_held_out,
            labels=self.inputs.labels,
            settings=self.settings.to_dict(),
            source=self.inputs.source,
        )


def _form(inputs: TeacherInputs, settings: TeacherSettings) -> Map:
    n_channels = inputs.x.shape[1]
    if n_channels > _MOST_CHANNELS:
        msg = (
            f"features of {n_channels:,} channels are more than the {_MOST_CHANNELS:,} that a teacher is fitted to; "
            "reduce them first, such as by their principal components."
        )
        raise ValueError(msg)
    most = min(n_channels, len(inputs.x))
    if settings.rank is not None and settings.rank > most:
        msg = f"rank must be at most {most}, the smaller of channels and items; got {settings.rank}."
        raise ValueError(msg)
    if settings.start == "random" and settings.kind == "diagonal":
        msg = "kind='diagonal' starts from the features as they are; start='random' is for 'full' and 'lowrank'."
        raise ValueError(msg)
    return make_map(settings.kind, _as_numpy(inputs.x), settings.rank)


def _as_numpy(x: Any) -> FloatArray:
    array: AnyArray = x.cpu().numpy() if is_tensor(x) else x
    return array.astype(np.float64, copy=False)
