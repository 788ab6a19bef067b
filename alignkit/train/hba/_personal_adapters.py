"""Personal models as adapters of a backbone that all people share: one folder per person, and what they are worth."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np

from alignkit._check import check_choice
from alignkit._random import spawn
from alignkit.train._environment import absolute
from alignkit.train._own_functions import check_own_functions, own_functions
from alignkit.train._people import finished_people, people_folder
from alignkit.train._run_folder import Resume, RunFolder
from alignkit.train.hba._data import HBAData, read_data
from alignkit.train.hba._personal import asked_people, describe_split
from alignkit.train.hba._personal_compare import HeldOut, compare_outcomes
from alignkit.train.hba._personal_result import PersonalAdapters
from alignkit.train.hba._personal_run import RESULT, check_personal, describe_fit, personal_answers, with_settings_of
from alignkit.train.hba._personal_study import PRIOR, Study
from alignkit.train.hba._personal_tests import Bootstrap, compare_people, describe_person
from alignkit.train.hba.config import HBAConfig

if TYPE_CHECKING:
    from alignkit.train.hba._personal_backbone import SharedBackbone
    from alignkit.train.hba._personal_train import Trained

N_FOLDS = 5
_CONFIDENCE = 0.95
_MONITORS = ("val_loss", "val_answer_accuracy")


def personal_adapters(config: HBAConfig, /, *, resume: Resume = "auto") -> PersonalAdapters:
    """Train single people's adapters of a group's model on their own answers, and say what they are worth.

    Everybody starts at the group's model, whose dimensions are weighted once to suit all people's answers, and is held
    to it by a prior. Models are scored on folds of triplets that neither they nor these weights were fitted to,
    whoever answered them (the answers are held out, not the objects); those that are kept are fitted to all of the
    person's answers. The step is chosen on some of the triplets that are left for training. What comes before the
    first trained block is computed once for all people.

    Everybody has a folder ``subject-<id>`` in ``out``, which loads as ``run:OUT/subject-<id>``. What comes out of one
    is a function of the seed and the id alone, so that jobs may train one person each, with the same ``out``; asking
    for all people then trains those that are missing and compares everybody.

    Parameters
    ----------
    config : HBAConfig
        With ``subject`` (an id, or ``"all"``) and ``start``, the group's run, whose images, targets, backbone and
        adapters are taken where the config leaves them at their defaults. ``prior`` is the number of answers of the
        group that a person is held to besides the own ones (by default 300), ``val_share`` the share of triplets to
        choose the step on.
    resume : {"auto", "never"}
        Whether to go on where a run of the same settings was cut off, or to refuse; who is done is left alone.

    Returns
    -------
    PersonalAdapters
        Of one person alone it cannot say how other people's models do.

    Raises
    ------
    FileNotFoundError
        Data, weights or a run that are not there.
    ValueError
        No ``start``, an id that nobody has, too few answers, data that do not fit the group's model, or several
        processes: each needs people of its own.
    TypeError
        Anything but an ``HBAConfig``.

    Examples
    --------
    >>> from alignkit.train import personal_adapters
    >>> from alignkit.train.hba.config import HBAConfig
    >>> config = HBAConfig(subject="all", personal="adapter", start="my-model", out="people")
    >>> print(personal_adapters(config).verdict)  # doctest: +SKIP
    The data cannot carry personal models: own minus shared accuracy is +0.1 points [-0.2, +0.4], p = 0.5, which ...
    """
    check_choice("resume", resume, get_args(Resume))
    config = absolute(check_personal(config))
    found = finished_people(config, PersonalAdapters, RESULT, resume=resume)
    if found is not None:
        return found
    return fit_adapters(read_data(dataclasses.replace(adapter_settings(config), subject="all")), config, resume=resume)


def fit_adapters(data: HBAData, config: HBAConfig, /, *, resume: Resume = "auto") -> PersonalAdapters:
    """Train as :func:`personal_adapters` does, on data that no config names (the simulated lab's).

    Parameters
    ----------
    data : HBAData
        With everybody's ``answers``.
    config : HBAConfig
    resume : {"auto", "never"}
        As :func:`personal_adapters` takes them.
    """
    from alignkit.train._processes import Processes
    from alignkit.train.hba._personal_backbone import SharedBackbone
    from alignkit.train.hba._personal_train import train_people

    settings = adapter_settings(config)
    study = Study.of(personal_answers(settings, data), n_folds=N_FOLDS, seed=config.split_seed)
    asked_people(config.subject, (*study.subjects, *study.too_few))
    subjects = study.subjects if config.subject == "all" else (study.subjects[study.number(str(config.subject))],)
    with ExitStack() as stack:
        folder = stack.enter_context(RunFolder.open(people_folder(config), config, resume=resume))
        processes = stack.enter_context(Processes.start(settings.loop))
        shared = SharedBackbone(data, study, settings, cache=_cache(config))
        trained = train_people(shared, subjects, config, processes, folder=folder)
        result = _describe(shared, trained, config)
        result.save(folder.path / RESULT)
        if folder.finished is None:  # a person's own folder is, by now
            folder.finish({"n_steps": 0, "stopped": "finished", "n_people": len(subjects)})
    return result


def adapter_settings(config: HBAConfig, /) -> HBAConfig:
    """Return the settings of people's training: data and model of the group's run, loop and optimiser of their own.

    Raises
    ------
    ValueError
        A run whose settings name a function of somebody's own that ``config`` does not.
    """
    start = Path(str(config.start))
    settings = with_settings_of(start, config)
    check_own_functions(settings, own_functions(config), run=start)
    monitor = config.loop.monitor if config.loop.monitor in _MONITORS else "val_loss"
    # of few answers the last batch may be the only one
    loop = dataclasses.replace(
        config.loop, drop_last=False, monitor=monitor, mode="min" if monitor == "val_loss" else "max"
    )
    return dataclasses.replace(settings, loss="triplets", answers="human", loop=loop, optim=config.optim)


def _cache(config: HBAConfig) -> Path:
    """Return where the frozen part's outputs lie: with the group's run, whose photos and blocks are mostly the same."""
    own = Path(str(config.start)) / "cache"
    return own if own.is_dir() and os.access(own, os.W_OK) else config.out / "cache"


def _describe(shared: SharedBackbone, trained: Mapping[str, Trained], config: HBAConfig) -> PersonalAdapters:
    from alignkit.models._run_model import read_run_model

    study, everybody = shared.study, config.subject == "all"
    held = _hold_out(shared, trained)
    bootstrap = Bootstrap(config.n_bootstrap, _CONFIDENCE)
    people_rng, *rngs = spawn(config.split_seed, 1 + len(study.subjects))
    described = []
    for subject in trained:
        number = study.number(subject)
        rows = np.flatnonzero(study.person == number)
        described.append(describe_person(subject, study.answers, rows, held, bootstrap, rngs[number]))
    alone = () if everybody else ("Other people's models are compared when all people are asked for, in the same out.",)
    return PersonalAdapters(
        people=tuple(described),
        tests=tuple(compare_people(held, study.person, bootstrap, people_rng)) if everybody else (),
        subjects=tuple(trained),
        matrix=held.matrix,
        kept_steps=np.array([one.kept_step for one in trained.values()]),
        n_parameters=shared.n_parameters,
        prior=float(config.prior or PRIOR),
        split=describe_split(describe_fit(shared.data, read_run_model(Path(str(config.start))).manifest)),
        notes=(*study.notes, *alone),
        n_folds=study.n_folds,
        n_repeats=1,
        n_bootstrap=config.n_bootstrap,
        confidence=_CONFIDENCE,
    )


def _hold_out(shared: SharedBackbone, trained: Mapping[str, Trained]) -> HeldOut:
    from alignkit.train.hba._personal_task import score_answers

    study = shared.study
    group, _ = score_answers(shared.group, study.answers.items, 0.0)
    outcome = shared.outcome_of_starts()
    own = {study.number(subject): one.outcome for subject, one in trained.items()}
    return compare_outcomes(study.person, group.numpy(), outcome, own)
