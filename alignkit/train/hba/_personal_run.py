"""Personal models from a config: the group's run, people's answers, and a folder with a file per person."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, get_args

import numpy as np

from alignkit._check import check_choice, shown
from alignkit._config import read_config
from alignkit._io import atomic_write
from alignkit._typing import FloatArray, IntArray
from alignkit.rsa import Triplets
from alignkit.train._environment import absolute
from alignkit.train._images import mean_over_photos, photos_of_objects
from alignkit.train._own_functions import own_functions
from alignkit.train._run_folder import CONFIG, Resume, RunFolder
from alignkit.train.hba._data import HBAData, read_data, restrict_answers
from alignkit.train.hba._personal import asked_people, fit_personal, number_people
from alignkit.train.hba._personal_result import PersonalModels
from alignkit.train.hba._predictors import is_spose
from alignkit.train.hba.config import HBAConfig

#: What :func:`run_personal` writes into the run's folder, besides the group's model and a file per person.
RESULT = "personal.json"


def run_personal(config: HBAConfig, /, *, resume: Resume = "auto") -> PersonalModels:
    """Fit the personal models that a config asks for with ``subject``, in its folder ``out``.

    The folder takes the settings, ``personal.json``, a copy of the group's model (which loads as ``run:OUT``) and
    ``subject-<id>.json`` for everybody asked for (which load as ``run:OUT/subject-<id>.json``).

    Parameters
    ----------
    config : HBAConfig
        With ``subject`` and ``start``, the group's run. Images, targets and whatever else is left at its default are
        taken from that run's own settings.
    resume : {"auto", "never"}
        Whether what a finished run of the same settings found is returned, or refused.

    Returns
    -------
    PersonalModels

    Raises
    ------
    FileNotFoundError
        Data, weights or a run that are not there.
    ValueError
        No ``start``, an id that nobody has, or data that do not fit the group's model.
    """
    check_choice("resume", resume, get_args(Resume))
    config = absolute(check_personal(config))
    with RunFolder.open(config.out, config, resume=resume) as folder:
        path = folder.path / RESULT
        if folder.finished is not None and path.is_file():
            return PersonalModels.load(path)
        models = _fit(config)
        _copy_group(Path(str(config.start)), folder.path)
        models.write(folder.path)
        models.save(path)
        folder.finish({"n_steps": 0, "stopped": "finished", "n_people": len(models.people)})
    return models


def check_personal(config: object, /) -> HBAConfig:
    """Return a config that says whose model is asked for, and where it starts.

    Raises
    ------
    TypeError
        Anything but a config.
    ValueError
        One that does not.
    """
    if not isinstance(config, HBAConfig):
        msg = f"config must be an HBAConfig; got {shown(config)}."
        raise TypeError(msg)
    if config.subject is None or config.start is None:
        msg = "personal models need subject= (a participant's id, or 'all') and start=, the run of the group's model."
        raise ValueError(msg)
    return config


def personal_answers(config: HBAConfig, data: HBAData, /) -> Triplets:
    """Return everybody's answers about the objects of the data, those repeated ones that say who answered.

    Raises
    ------
    ValueError
        None, or none that say who gave them.
    """
    answers = data.answers
    if answers is None or answers.participant is None:
        msg = (
            "personal models need answers that say who gave them, about objects that have images; name a file of them "
            "with triplets=."
        )
        raise ValueError(msg)
    return answers


def _fit(config: HBAConfig) -> PersonalModels:
    from alignkit.models._run_model import read_run_model

    start = Path(str(config.start))
    settings = with_settings_of(start, config)
    data = read_data(dataclasses.replace(settings, subject="all"))
    answers = personal_answers(settings, data)
    asked_people(config.subject, number_people(answers)[0])  # before the group's model runs over all photos
    saved = read_run_model(start)
    low, high = saved.manifest.get("scale", data.scale)
    # objects that no answer is about need no prediction
    used = np.unique(answers.items)
    labels = [data.labels[k] for k in used]
    group = low + _predict(saved.path, data, used, config) / 100 * (high - low)
    return fit_personal(
        group,
        restrict_answers(answers, labels),
        subject=config.subject,
        prior=config.prior,
        labels=labels,
        dimensions=saved.manifest["dimensions"],
        fitted_to=describe_fit(data, saved.manifest),
        n_bootstrap=config.n_bootstrap,
        rng=config.split_seed,
    )


def with_settings_of(start: Path, config: HBAConfig, /) -> HBAConfig:
    """Return the settings of the group's run, with all that ``config`` says otherwise than by default."""
    path = start / CONFIG
    if not path.is_file():  # an imported model has none
        return config
    default = HBAConfig()
    names = [field.name for field in dataclasses.fields(HBAConfig)]
    said: dict[str, Any] = {name: value for name in names if (value := getattr(config, name)) != getattr(default, name)}
    return dataclasses.replace(read_config(path, HBAConfig), **said)


def _predict(model: Path, data: HBAData, objects: IntArray, config: HBAConfig) -> FloatArray:
    """Return the group's dimensions of objects, mean over their photos, shape (objects, dimensions)."""
    from alignkit.models import extract, load

    photos, where, sizes = photos_of_objects(data.photos_of, objects)
    features = extract(
        load(f"run:{model}", architecture=next(iter(own_functions(config)), None)),
        {str(number): data.photos[number] for number in photos},
        batch_size=config.loop.batch_size,
        device=None if config.loop.device == "auto" else config.loop.device,
        progress=config.loop.progress,
    )
    return mean_over_photos(np.asarray(features.array(), dtype=np.float64)[where], sizes)


def describe_fit(data: HBAData, manifest: dict[str, Any], /) -> str:
    """Return what the group's model was fitted to, where these answers may have had a part in that."""
    part = "of which some of these answers may be the source" if is_spose(data) else ""
    human = "people's answers about training objects" if manifest.get("answers") == "human" else ""
    targets = f"{manifest.get('targets', data.name)} on its training objects"
    return ", ".join(word for word in (targets, part, human) if word)


def _copy_group(start: Path, out: Path) -> None:
    from alignkit.models._run_model import MANIFEST, TENSORS, read_run_model

    source = read_run_model(start).path
    # the manifest last: a folder has a model once that is there
    for name in (TENSORS, MANIFEST):
        with atomic_write(out / name) as file:
            file.write((source / name).read_bytes())
