"""Models of single people's M/EEG as a page: whose is whose, everybody's numbers, and how to repeat it."""

from __future__ import annotations

import math
import shlex

import numpy as np

from alignkit._typing import PathLike
from alignkit.meg import Identification
from alignkit.meg._identity_scores import IdentificationTest
from alignkit.models._towers import as_factory
from alignkit.report._page import Section, write_page
from alignkit.report._training_report import rendered, settings_section
from alignkit.train import PersonalDynamics
from alignkit.train._people import person_folder
from alignkit.train.hba_meg.config import HBAMEGConfig

_NOTES = ("What is left at its default comes from the group's run, which start names.",)


def write_personal_dynamics_report(
    path: PathLike, found: PersonalDynamics, config: HBAMEGConfig | None = None, /
) -> None:
    """Write what models of single people's M/EEG are worth as one self-contained HTML page.

    Parameters
    ----------
    path : str or path
        Where to; the folder must exist.
    found : PersonalDynamics
        What :func:`alignkit.train.personal_dynamics` returned.
    config : HBAMEGConfig, optional
        What they were trained by; its ``out`` is the folder that the commands name.

    Raises
    ------
    FileNotFoundError
        The folder of ``path`` does not exist.
    IsADirectoryError
        ``path`` is a folder.

    Examples
    --------
    >>> from alignkit.train import PersonalDynamics
    >>> found = PersonalDynamics.load("people/personal.json")  # doctest: +SKIP
    >>> write_personal_dynamics_report("people/report.html", found)  # doctest: +SKIP
    """
    sections = [] if config is None else [_commands(found, config)]
    sections += personal_dynamics_sections(found)
    if config is not None:
        sections.append(settings_section(config, _NOTES))
    name = "Personal models" if len(found.people) != 1 else f"Personal model of {found.people[0]}"
    control = " (control: shuffled people)" if found.shuffled else ""
    where = "" if config is None else f" in {config.out.resolve().name}"
    write_page(path, title=f"{name} over time{control}{where}", lead=found.verdict, sections=sections)


def personal_dynamics_sections(found: PersonalDynamics) -> list[Section]:
    """Return what people's models over time are worth as parts of a page: who matches whom, courses, people, words."""
    one = found.identification
    matched = [] if one is None else [_matrix(one), _tests(found, one)]
    words = Section("How it was done", paragraphs=[found.methods_text()], notes=found.notes)
    return [*matched, _courses(found), _people(found), words]


def _commands(found: PersonalDynamics, config: HBAMEGConfig) -> Section:
    own = person_folder(found.people[0])
    model = config.out / own
    run = config.out if config.subject == "all" else model
    photos = "photos" if config.images is None else str(config.images)
    # a function of the user's own is only called where the command line names it
    function = ["--architecture", config.backbone] if as_factory(config.backbone) else []
    lines = [
        ["extract", "--model", f"run:{model}", *function, "--images", photos, "--out", f"{own}-features"],
        ["train", "--from", str(run), *function, "--out", f"{run}-again"],
    ]
    notes = ["The first line runs one person's model over images; every person has one."]
    return Section(
        "Use it, repeat it",
        commands=[f"alignkit {shlex.join(line)}" for line in lines],
        notes=notes if config.subject == "all" else [],
    )


def _matrix(found: Identification) -> Section:
    caption = (
        f"How alike each person's RDMs (rows) are to each person's model (columns): {found.method}, mean over the "
        "window. Framed: own models; dots: the model that is most alike, of ties all. As it is: a person whom all "
        "models suit is a bright row, a model that suits everybody a bright column."
    )
    nearest = int((found.matrix.argmax(axis=1) == np.arange(found.n_people)).sum())
    spoken = f"{nearest} of {found.n_people} people's RDMs are most like their own model's."
    centred = (
        "The same less each model's mean over people, so that a model that suits everybody wins nobody by that (this "
        "is what centred accuracies go by), and then less each person's mean over models, which changes no accuracy. "
        "Red: more alike than these means say."
    )
    figures = [
        rendered(found.plot(), caption, spoken),
        rendered(found.plot(centred=True), centred, "The matrix less the means of models and people."),
    ]
    rows = [[name, *(_number(value) for value in row)] for name, row in zip(found.people, found.matrix, strict=True)]
    table = ("The matrix in numbers: people's RDMs in rows, models in columns.", ["person", *found.people], rows)
    return Section("Whose model is whose?", figures=figures, tables=[table])


def _tests(found: PersonalDynamics, identified: Identification) -> Section:
    rows = [["by models"]]
    rows += [_test(one) for one in identified.tests]
    if identified.session_tests:
        rows.append(["by other sessions of the same people (what a model is up against)"])
        rows += [_test(one) for one in identified.session_tests]
    n = f"{identified.n_permutations:,}"
    permutations = f"all {n} permutations" if identified.exact else f"{n} random permutations"
    caption = f"Identification, against {permutations} of who owns which model."
    tables = [(caption, ["test", "value", "chance", "p"], rows)]
    if found.tests:
        means = [
            [one.name, f"{one.mean:+.4f}", f"[{one.low:+.4f}, {one.high:+.4f}]", f"{one.p:.2g}", str(one.n_people)]
            for one in found.tests
        ]
        caption = f"Mean over people, with {found.confidence:.0%} bootstrap intervals over people and sign-flip tests."
        tables.append((caption, ["difference", "mean", "interval", "p", "people"], means))
    notes = [
        "rank-1: the own model is the most alike; two-way: more alike than another person's, mean over others. "
        "Centred: after each model's mean over people was taken off; a model that suits everybody wins nobody by that."
    ]
    return Section("Are people told apart?", tables=tables, notes=notes)


def _test(one: IdentificationTest) -> list[str]:
    digits = ".4f" if one.name.startswith("own") else ".3f"
    return [one.name, _number(one.value, digits), _number(one.chance, digits), _number(one.p, ".2g")]


def _courses(found: PersonalDynamics) -> Section:
    own, group = (_number(float(found.mean(curves).mean())) for curves in (found.own, found.group))
    caption = f"Correlation of people's RDMs with models over time, mean over people, on {found.split}."
    figures = [rendered(found.plot(), caption, f"Mean over the window: own {own}, group's {group}.")]
    if len(found.people) > 1:
        gains = "Every person's correlation, mean over the window, with others' models, the group's and the own one."
        figures.append(rendered(found.plot_gains(), gains, "One line per person."))
    return Section("Time courses", figures=figures)


def _people(found: PersonalDynamics) -> Section:
    table = found.to_dataframe()
    names = {
        **({"trained_on": "trained on"} if found.shuffled else {}),
        "own": "own",
        "group": "group's",
        "others": "others'",
        "own_sessions": "own sessions",
        "others_sessions": "others' sessions",
        "rank_1": "rank-1",
        "rank_1_centred": "rank-1, centred",
        "two_way": "two-way",
        "two_way_centred": "two-way, centred",
    }
    shown = {name: title for name, title in names.items() if name in table}
    rows = [[str(row["participant"]), *(_cell(row[name]) for name in shown)] for row in table.to_dict(orient="records")]
    start, stop = found.window
    caption = (
        f"Spearman's correlation of each person's RDMs with models (own, group's, others') and with RDMs of other "
        f"sessions, mean from {1e3 * start:g} to {1e3 * stop:g} ms."
    )
    notes = [f"{found.split[0].upper()}{found.split[1:]}.", f"{found.n_parameters:,} parameters trained per person."]
    return Section("Person by person", tables=[(caption, ["person", *shown.values()], rows)], notes=notes)


def _cell(value: object) -> str:
    return _number(value) if isinstance(value, float) else str(value)


def _number(value: float, digits: str = ".3f") -> str:
    return f"{value:{digits}}" if math.isfinite(value) else "-"
