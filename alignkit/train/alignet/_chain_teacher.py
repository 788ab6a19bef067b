"""The teacher of a chain: how it is fitted, how well it does on items that it did not see, and applying it."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._typing import FloatArray
from alignkit.align import (
    EmbeddingMap,
    TeacherScores,
    TeacherTransform,
    apply_teacher,
    cross_validate,
    fit_embedding_map,
    fit_transform,
    load_teacher,
)
from alignkit.align._answer_logits import best_temperature
from alignkit.align._feature_rows import as_feature_rows
from alignkit.align._soft_triplets import draw_triplets
from alignkit.models import Features
from alignkit.rsa import Triplets
from alignkit.rsa._similarity_matrix import pair_similarities
from alignkit.train.alignet._chain_config import FROM_EMBEDDING, AligNetChainConfig
from alignkit.train.alignet._chain_data import ChainData
from alignkit.train.embedding._human_embedding import HumanEmbedding

#: Rows that are mapped at once by what is no linear transform.
_ROWS = 1 << 14
TEACHER, MAP = "teacher", "teacher.npz"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What a teacher is fitted to.

    Parameters
    ----------
    features : Features
        Of the items that are learned from.
    answers : Triplets
        About these.
    embedding : HumanEmbedding or None
        Human dimensions of these.
    """

    config: AligNetChainConfig
    data: ChainData
    features: Features
    answers: Triplets
    embedding: HumanEmbedding | None

    def check(self) -> TeacherScores | None:
        """Return what such a teacher predicts of answers about items that it did not see."""
        config = self.config
        if not config.divisions:
            return None
        assert self.features.labels is not None
        return cross_validate(
            self.features,
            self.answers,
            fit={config.fit: self._settings()},
            embedding=None if self.embedding is None else self.embedding.to_features(),
            repeats=config.divisions,
            groups=self.data.groups(),
            ceiling_of=self.data.repeats,
            n_bootstrap=config.n_bootstrap,
            seed=config.loop.seed,
            progress=config.loop.progress,
        )

    def fit(self, folder: Path) -> None:
        """Fit the teacher to all items that are learned from, and save it."""
        config = self.config
        # whoever was stopped while saving left a folder that holds no teacher
        shutil.rmtree(folder / TEACHER, ignore_errors=True)
        if config.fit in FROM_EMBEDDING - {"soft"}:
            assert self.embedding is not None
            settings = {**self._settings(), "groups": self.data.groups(), "seed": config.loop.seed}
            rows = self.embedding.to_features()
            fit_embedding_map(self.features, rows, triplets=self.answers, **settings).save(folder / MAP)
            return
        answers, settings = self.answers, self._settings()
        if config.fit == "soft":
            answers, settings = self._soft(settings)
        found = fit_transform(self.features, answers, **settings, seed=config.loop.seed, progress=config.loop.progress)
        found.save(folder / TEACHER)

    def temperature(self) -> float:
        """Return the temperature at which the features as they are suit people's answers best."""
        return best_temperature(pair_similarities(self.features.array(), self._numbered(), "dot", None, "raise"))

    def _numbered(self) -> Triplets:
        assert self.features.labels is not None
        return self.answers.restrict(self.features.labels)

    def _settings(self) -> dict[str, Any]:
        config = self.config
        if config.fit == "soft":
            return {"kind": "full", "loss": "soft", "n_soft": config.n_soft, "center": config.teacher_center}
        if config.fit in FROM_EMBEDDING:
            return {"method": config.fit}
        rank = {} if config.rank is None else {"rank": config.rank}
        return {"kind": config.fit, "center": config.teacher_center, **rank}

    def _soft(self, settings: dict[str, Any]) -> tuple[Triplets, dict[str, Any]]:
        """Return what choice probabilities are learned from: of the posterior where the dimensions have one."""
        assert self.embedding is not None
        if self.embedding.sd is None:
            assert self.features.labels is not None
            values = self.embedding.to_features().select(self.features.labels)
            return self.answers, {**settings, "targets": values}
        names = self.features.labels
        assert names is not None
        rng = np.random.default_rng(self.config.loop.seed)
        items = draw_triplets(len(names), self.config.n_soft, rng)
        soft = self.embedding.choice_probabilities(Triplets(items, names))
        return Triplets(items, names, soft=soft), settings


def open_teacher(folder: Path, /) -> TeacherTransform | EmbeddingMap:
    """Return the teacher of a chain.

    Raises
    ------
    FileNotFoundError, ValueError
        None, or a damaged one.
    """
    if (folder / TEACHER).is_dir():
        return load_teacher(folder / TEACHER)
    return EmbeddingMap.load(folder / MAP)


def transform_rows(teacher: TeacherTransform | EmbeddingMap, features: Features, /) -> FloatArray:
    """Return features in the teacher's space, whose dot products answer at temperature 1."""
    return teacher.apply(features.array())


def transform_store(
    teacher: TeacherTransform | EmbeddingMap, source: Path, out: Path, /, *, progress: bool = False
) -> Path:
    """Transform stored features of images, and return where the result lies: a folder, or an ``.npz`` of few."""
    rows = as_feature_rows(source)
    if isinstance(teacher, EmbeddingMap):
        path = out.with_suffix(".npz")
        parts = [teacher.apply(rows.read(*ends)).astype(np.float32) for ends in rows.blocks(_ROWS)]
        # a transform is noted, so that nobody takes these for the features as they are
        manifest = {"transform": {"name": teacher.method, "sha256": None}}
        Features.from_array(np.concatenate(parts), rows.labels, name="aligned", manifest=manifest).save(path)
        return path
    apply_teacher(source, teacher, out=out, progress=progress)
    return out
