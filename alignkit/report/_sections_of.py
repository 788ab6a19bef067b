"""Which parts of a page a result becomes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from alignkit._check import counted
from alignkit.meg import TimeCourse
from alignkit.report._alignet_report import alignet_sections
from alignkit.report._calibration_sections import calibration_sections
from alignkit.report._course_sections import course_sections
from alignkit.report._dynamics_report import dynamics_run_sections, dynamics_sections
from alignkit.report._evaluation_sections import evaluation_sections
from alignkit.report._generic_sections import generic_sections
from alignkit.report._open_result import Opened
from alignkit.report._page import Section
from alignkit.report._personal_dynamics_report import personal_dynamics_sections
from alignkit.report._personal_report import personal_sections
from alignkit.report._pi_report import pi_sections
from alignkit.report._score_report import score_sections
from alignkit.report._suite_report import suite_sections
from alignkit.report._training_report import hba_sections, settings_section, training_sections
from alignkit.report._zero_shot_report import zero_shot_sections
from alignkit.rsa import Calibration, Evaluation, Triplets
from alignkit.score import ScoreTable, SuiteScores, ZeroShotScores
from alignkit.train import (
    AligNetChain,
    HBAMEGScores,
    HBAScores,
    PersonalAdapters,
    PersonalDynamics,
    PersonalModels,
    PIArms,
    RunResult,
)

#: What becomes of each kind of result; of all others, their figure, table and words.
_SECTIONS: dict[type, Callable[[Any], list[Section]]] = {
    AligNetChain: alignet_sections,
    Calibration: calibration_sections,
    Evaluation: evaluation_sections,
    HBAMEGScores: dynamics_sections,
    HBAScores: hba_sections,
    PIArms: pi_sections,
    PersonalAdapters: personal_sections,
    PersonalDynamics: personal_dynamics_sections,
    PersonalModels: personal_sections,
    ScoreTable: score_sections,
    SuiteScores: suite_sections,
    TimeCourse: course_sections,
    ZeroShotScores: zero_shot_sections,
}


def sections_of(opened: Opened) -> list[Section]:
    """Return a result, a run or answers as parts of a page."""
    value = opened.value
    if isinstance(value, RunResult):
        return _run_sections(value, opened.scores)
    if isinstance(value, Triplets):
        return [_answers(value)]
    sections = _SECTIONS.get(type(value), generic_sections)(value)
    return [*sections, settings_section(opened.settings)] if opened.settings else sections


def _run_sections(run: RunResult, scores: Any) -> list[Section]:
    if isinstance(scores, HBAMEGScores):
        return dynamics_run_sections(run, scores)
    if scores is None or isinstance(scores, HBAScores):
        return training_sections(run, scores)
    return [*_SECTIONS.get(type(scores), generic_sections)(scores), *training_sections(run)]


def _answers(answers: Triplets) -> Section:
    people = "" if answers.participant is None else f" of {counted(len(set(answers.participant.tolist())), 'person')}"
    people = people.replace("persons", "people")
    items = len(answers.labels) if answers.labels is not None else int(answers.items.max()) + 1
    text = f"{len(answers):,} odd-one-out answers{people} about {items:,} items."
    return Section("Answers", paragraphs=[text])
