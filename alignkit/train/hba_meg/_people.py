"""Personal models of M/EEG: one small adapter per person from the group's, and whether it is that person's."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np

from alignkit._check import check_choice, shown
from alignkit._random import spawn
from alignkit._typing import AnyArray, FloatArray
from alignkit.meg import Identification, identify
from alignkit.rsa import RDM
from alignkit.rsa._compare_rows import Options, compare_rows
from alignkit.rsa._container import condensed_rdm
from alignkit.rsa._matrix_methods import ComparisonMethod
from alignkit.train._environment import absolute
from alignkit.train._people import finished_people, people_folder, person_folder
from alignkit.train._people_difference import PeopleTest, people_difference
from alignkit.train._run_folder import Resume, RunFolder
from alignkit.train.hba_meg._cells import IN_SAMPLE
from alignkit.train.hba_meg._data import HBAMEGData, read_data
from alignkit.train.hba_meg._group_of_person import told_group
from alignkit.train.hba_meg._missing_pairs import count_missing, told_missing
from alignkit.train.hba_meg._people_result import (
    OWN_MINUS_OTHERS,
    PersonalDynamics,
    describe_scored,
    mean_in_window,
    without,
)
from alignkit.train.hba_meg._people_study import PeopleStudy, dynamics_settings
from alignkit.train.hba_meg._score_cell import within
from alignkit.train.hba_meg.config import HBAMEGConfig

if TYPE_CHECKING:
    from alignkit.train.hba_meg._people_train import Trained

RESULT = "personal.json"
_CONFIDENCE = 0.95
_METHOD: ComparisonMethod = "spearman"


def personal_dynamics(config: HBAMEGConfig, /, *, resume: Resume = "auto") -> PersonalDynamics:
    """Train single people's models on top of a group's, and say whether their M/EEG tells whose model is whose.

    Everybody's model starts at the group's weights over time and adapters, and is trained in the same two stages on the
    person's own RDMs. Models are scored on items that nothing was trained on and, where there are ``test_rdms``, on
    sessions that nothing was trained on: against the group's model, other people's models, and the person's own other
    sessions. With ``shuffle_people`` everybody's model is trained on another person's RDMs: a control.

    Everybody has a folder ``subject-<name>`` in ``out``, which loads as ``run:OUT/subject-<name>``. What comes out of
    one is a function of the seed and the name alone, so that jobs may train one person each, with the same ``out``;
    asking for all people then trains those that are missing and compares everybody.

    Parameters
    ----------
    config : HBAMEGConfig
        With ``subject`` (a name, or ``"all"``) and ``start``, the group's run, whose data and model are taken where the
        config leaves them at their defaults. ``people`` and ``held_out_people`` say whose models there are: by default
        everybody's, those who took no part in the group's run too. Stages, loop and optimiser are the config's own.
    resume : {"auto", "never"}
        Whether to go on where a run of the same settings was cut off, or to refuse; who is done is left alone.

    Returns
    -------
    PersonalDynamics
        Of one person alone it cannot say how other people's models do.

    Raises
    ------
    FileNotFoundError
        Data, weights or a run that are not there.
    ValueError
        No ``start``, a name that nobody has, a finished person's model that is damaged, data that do not fit the
        group's model, items to score on that it was trained on, or several processes: each needs people of its own.
    TypeError
        Anything but an ``HBAMEGConfig``.

    Examples
    --------
    >>> from alignkit.train.hba_meg.config import HBAMEGConfig
    >>> config = HBAMEGConfig(subject="all", start="my-dynamic-model", out="people")
    >>> print(personal_dynamics(config).verdict)  # doctest: +SKIP
    Personal models tell their owners apart (own minus others' +0.0214 [+0.0151, +0.0277], p = 0.0001; ...).
    """
    check_choice("resume", resume, get_args(Resume))
    config = absolute(check_personal(config))
    found = finished_people(config, PersonalDynamics, RESULT, resume=resume)
    if found is not None and _are_whole(config, found):
        return found
    return fit_dynamics(read_data(dynamics_settings(config), warn=True), config, resume=resume)


def _are_whole(config: HBAMEGConfig, found: PersonalDynamics) -> bool:
    """Return whether everybody's folder is there; raise where one is damaged."""
    from alignkit.train.hba_meg._people_train import check_model

    folders = {name: config.out / person_folder(name) for name in found.people}
    for name, folder in folders.items():
        if folder.is_dir():
            check_model(folder, name)
    return all(folder.is_dir() for folder in folders.values())


def fit_dynamics(data: HBAMEGData, config: HBAMEGConfig, /, *, resume: Resume = "auto") -> PersonalDynamics:
    """Train as :func:`personal_dynamics` does, on data that no config names (the simulated lab's).

    Parameters
    ----------
    data : HBAMEGData
        With the RDMs of everybody whose model is asked for.
    config : HBAMEGConfig
    resume : {"auto", "never"}
        As :func:`personal_dynamics` takes them.
    """
    from alignkit.train._processes import Processes
    from alignkit.train.hba_meg._people_train import train_people

    within(data.times, config.window_s)  # before anybody is trained
    study = PeopleStudy.of(data, dynamics_settings(config))
    names = study.asked()
    with ExitStack() as stack:
        folder = stack.enter_context(RunFolder.open(people_folder(config), config, resume=resume))
        processes = stack.enter_context(Processes.start(study.config.loop))
        trained = train_people(study, names, config, processes, folder=folder)
        result = describe_people(study, trained)
        result.save(folder.path / RESULT)
        if folder.finished is None:  # a person's own folder is, by now
            folder.finish({"n_steps": 0, "stopped": "finished", "n_people": len(names)})
    return result


def check_personal(config: object, /) -> HBAMEGConfig:
    """Return a config that says whose model is asked for, and where it starts.

    Raises
    ------
    TypeError
        Anything but a config.
    ValueError
        One that does not.
    """
    if not isinstance(config, HBAMEGConfig):
        msg = f"config must be an HBAMEGConfig; got {shown(config)}."
        raise TypeError(msg)
    if config.subject is None or config.start is None:
        msg = "personal models need subject= (a person's name, or 'all') and start=, the run of the group's model."
        raise ValueError(msg)
    return config


def describe_people(study: PeopleStudy, trained: Mapping[str, Trained], /) -> PersonalDynamics:
    """Compare everybody's RDMs with the own model, the group's and everybody else's.

    Parameters
    ----------
    study : PeopleStudy
    trained : mapping of str to Trained
        By name.
    """
    data, config = study.data, study.config
    other = data.test_rdms is not None
    there = set(data.people if data.test_rdms is None else data.test_rdms.subjects)
    names = tuple(name for name in trained if name in there)
    if not names:
        msg = f"{', '.join(trained)}: there are no RDMs from other sessions to score on; leave test_rdms away."
        raise ValueError(msg)
    measured = data.movie(study.rows, names, test=other)
    sessions = data.movie(study.rows, names) if other else None
    window = _window(data.times, config.window_s)
    permute, *draws = spawn(config.split_seed, 3)
    identification = None
    if len(names) > 1:
        models = {name: _as_rdm(trained[name].own, measured) for name in names}
        identification = identify(
            models,
            measured,
            method=_METHOD,
            window=window,
            other=sessions,
            n_permutations=config.n_permutations,
            nan_policy="omit",
            rng=permute,
        )
    own, group = (
        _same_person(measured, np.stack([getattr(trained[name], kind) for name in names])) for kind in ("own", "group")
    )
    gain = mean_in_window(own - group, data.times, window)
    tests = {"correlation, own - group's": gain}
    if identification is not None:
        tests[OWN_MINUS_OTHERS] = identification.own_minus_others
    return PersonalDynamics(
        people=names,
        trained_on=tuple(study.donors[name] for name in names),
        own=own,
        group=group,
        sessions=None if sessions is None else _same_person(measured, sessions.values),
        identification=identification,
        tests=_tests(tests, config, draws) if len(names) > 1 else (),
        times=np.asarray(data.times, dtype=np.float64),
        window=window,
        items=study.items,
        other_sessions=other,
        n_items=len(study.rows),
        shuffled=config.shuffle_people,
        kept_steps=np.array([trained[name].kept_step for name in names]),
        n_parameters=next(iter(trained.values())).n_parameters,
        split=describe_scored(study.items, other_sessions=other, n_items=len(study.rows)),
        notes=_notes(study, trained, names, identification),
        n_bootstrap=config.n_bootstrap,
        confidence=_CONFIDENCE,
    )


def _window(times: FloatArray, window: tuple[float, float] | None) -> tuple[float, float]:
    """Return the stretch of means: by default all times from 0 on, or all where there are none."""
    if window is not None:
        return float(window[0]), float(window[1])
    late = times[times >= 0] if (times >= 0).any() else times
    return float(late[0]), float(late[-1])


def _as_rdm(values: AnyArray, measured: RDM) -> RDM:
    return condensed_rdm(values, measured.labels, dims=("time",), coords={"time": measured.coords["time"]})


def _same_person(measured: RDM, values: AnyArray) -> FloatArray:
    """Return each person's correlation with RDMs of their own, all of shape (people, times, pairs), at each time."""
    options = Options(_METHOD, "omit")
    curves = np.empty(measured.shape)
    for curve, mine, given in zip(curves, measured.values, values, strict=True):
        for time in range(len(curve)):
            a, b = (np.asarray(one[time], dtype=np.float64)[None] for one in (mine, given))
            curve[time] = compare_rows(a, b, options).values[0, 0]
    return curves


def _tests(
    differences: Mapping[str, FloatArray], config: HBAMEGConfig, draws: list[np.random.Generator]
) -> tuple[PeopleTest, ...]:
    return tuple(
        people_difference(name, values, n_bootstrap=config.n_bootstrap, confidence=_CONFIDENCE, rng=rng)
        for (name, values), rng in zip(differences.items(), draws, strict=True)
    )


def _notes(
    study: PeopleStudy, trained: Mapping[str, Trained], names: tuple[str, ...], found: Identification | None
) -> tuple[str, ...]:
    data, config = study.data, study.config
    notes = [*data.notes, *study.left_out, told_group(Path(str(config.start)))]
    scored = data.movie(study.rows, names, test=data.test_rdms is not None)
    notes += filter(None, [told_missing(count_missing(scored.values, names), scored.n_pairs)])
    if study.items != "held_out" and not any(IN_SAMPLE in note for note in notes):
        notes.append("Too few items are held out: scores are on items that models were trained or chosen on.")
    if data.test_rdms is None:
        notes.append("There are no other sessions: scores are on the sessions that models were trained on.")
    if config.shuffle_people:
        notes.append("Everybody's model was trained on another person's RDMs: nobody should be identified.")
    notes += without(tuple(name for name in trained if name not in names), "no RDMs of other sessions, not scored")
    notes += without(_newcomers(study, names), "took no part in the group's model")
    same = tuple(name for name in names if np.array_equal(trained[name].own, trained[name].group, equal_nan=True))
    notes += without(same, "training made nothing better on the validation items, so that the model is the group's")
    if found is not None and found.note:
        notes.append(f"Identification: {found.note}.")
    if found is None:
        notes.append("Other people's models are compared when all people are asked for, in the same out.")
    return tuple(dict.fromkeys(notes))


def _newcomers(study: PeopleStudy, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return those whom the group's model was not trained on."""
    from alignkit.models._dynamic_run_model import read_dynamic_model

    known = read_dynamic_model(Path(str(study.config.start))).manifest.get("people")
    return tuple(name for name in names if name not in known) if isinstance(known, list) else ()
