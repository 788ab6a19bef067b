"""Scoring a chain: students, controls, the network before training and the teachers, on items nothing learned from."""

from __future__ import annotations

import dataclasses

from alignkit._typing import FloatArray
from alignkit.score import ScoreTable
from alignkit.score._match import told_once
from alignkit.score._row import Settings
from alignkit.score._steps import Steps
from alignkit.train._run_folder import SPLITS
from alignkit.train._splits import kept_splits
from alignkit.train.alignet._arms import StudentRun, read_student_run
from alignkit.train.alignet._chain_result import BEFORE, TEACHER
from alignkit.train.alignet._chain_steps import Chain
from alignkit.train.alignet._chain_teacher import open_teacher, transform_rows
from alignkit.train.alignet._data import AligNetData, read_data
from alignkit.train.alignet._evaluate_run import _describe, _Images, _metrics, _table
from alignkit.train.alignet._parts import HELD_OUT, Described, Part, answers_part, probe_part
from alignkit.train.alignet._scores import AligNetScores


def score_chain(chain: Chain, /) -> AligNetScores | None:
    """Return the scores of a finished chain's students; None where there is nothing to score them on."""
    runs = [read_student_run(chain.path / "students" / arm) for arm in chain.config.students]
    first, controls = runs[0], runs[1:]
    config, loop = first.config, chain.config.loop
    config = dataclasses.replace(
        config, loop=dataclasses.replace(config.loop, device=loop.device, progress=loop.progress)
    )
    data = _data(chain, first)
    if not data.held_out_items and data.probe is None:
        return None
    settings = Settings(kernel="dot", n_bootstrap=chain.config.n_bootstrap, seed=loop.seed)
    with told_once(), Steps(loop.progress) as steps:
        steps.expect(3 + len(controls))
        images = _Images.of(data)
        answering, probed = _describe(dataclasses.replace(first, config=config), controls, images, steps)
        parts = [_answers(chain, data, images, answering, settings), probe_part(data, images.probe, probed, settings)]
        steps.done("answers and classes")
    return AligNetScores(
        first.name, first.arm, _named(_table(first, data, parts, settings, controls)), _metrics(first.folder, config)
    )


def _data(chain: Chain, first: StudentRun) -> AligNetData:
    """Return what students are scored on: photos of held-out items, wherever these lie, and the probe's images."""
    data = read_data(first.config)
    data = dataclasses.replace(data, splits=kept_splits(first.folder / SPLITS, data.splits))
    if chain.config.triplets is not None:
        return data
    held = tuple(name for name in chain.data.splits.held_out if chain.data.photos.get(name))
    return dataclasses.replace(
        data,
        items=dict(chain.data.photos),
        held_out_items=held,
        answers=chain.data.answers,
        repeats=chain.data.repeats,
    )


def _answers(chain: Chain, data: AligNetData, images: _Images, models: list[Described], settings: Settings) -> Part:
    """Return how well people's answers about held-out items are predicted by students and teachers."""
    held = data.held_out_items
    if not held:
        return Part()
    rows = [dataclasses.replace(one, values=images.means(held, one.values)) for one in models]
    return answers_part(HELD_OUT, data, held, _as_it_is, [*rows, *_teachers(chain, held)], settings)


def _teachers(chain: Chain, held: tuple[str, ...]) -> list[Described]:
    """Return the teacher and its features as they were, one row per held-out item."""
    if chain.config.triplets is not None:
        return []
    features = chain.features.of_items(held)
    human = chain.config.human
    told = "taught people's answers about other items" if human == "answers" else f"taught {human} of other items"
    return [
        Described(TEACHER, transform_rows(open_teacher(chain.path), features), "dot", told),
        Described(BEFORE, features.array().astype(float), "cosine", "nothing was fitted"),
    ]


def _as_it_is(values: FloatArray) -> FloatArray:
    return values


def _named(table: ScoreTable) -> ScoreTable:
    return dataclasses.replace(table, dataset="people's answers about held-out items, and classes of images")
