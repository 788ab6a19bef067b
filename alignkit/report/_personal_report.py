"""Personal models as a page: what they are worth in plain words, everybody's numbers, and how to repeat it."""

from __future__ import annotations

import math
import shlex
from pathlib import Path

from alignkit._typing import PathLike
from alignkit.models._personal_model import subject_file
from alignkit.models._towers import as_factory
from alignkit.report._page import Section, write_page
from alignkit.report._training_report import rendered, settings_section
from alignkit.train import PersonalAdapters, PersonalModels
from alignkit.train.hba._personal_scores import RIVALS, Person, PersonalScores
from alignkit.train.hba.config import HBAConfig

#: People whose verdicts are written out.
_TOLD = 30
#: Below the settings.
_NOTES = ("What is left at its default comes from the group's run, which start names.",)


def write_personal_report(
    path: PathLike, models: PersonalModels | PersonalAdapters, config: HBAConfig | None = None, /
) -> None:
    """Write what personal models are worth as one self-contained HTML page.

    Parameters
    ----------
    path : str or path
        Where to; the folder must exist.
    models : PersonalModels or PersonalAdapters
        What :func:`alignkit.train.fit_personal` or :func:`alignkit.train.personal_adapters` returned.
    config : HBAConfig, optional
        What they were fitted by; its ``out`` is the folder that the commands name.

    Raises
    ------
    FileNotFoundError
        The folder of ``path`` does not exist.
    IsADirectoryError
        ``path`` is a folder.

    Examples
    --------
    >>> from alignkit.train import PersonalModels
    >>> models = PersonalModels.load("people/personal.json")  # doctest: +SKIP
    >>> write_personal_report("people/report.html", models)  # doctest: +SKIP
    """
    sections = personal_sections(models)
    if config is not None:
        sections.insert(0, _commands(models, config))
        sections.append(settings_section(config, _NOTES))
    name = "Personal models" if len(models.people) != 1 else f"Personal model of {models.people[0].subject}"
    where = "" if config is None else f" in {config.out.resolve().name}"
    write_page(path, title=f"{name}{where}", lead=models.verdict, sections=sections)


def personal_sections(models: PersonalScores) -> list[Section]:
    """Return what personal models are worth as parts of a page: tests, gains, person by person, words."""
    tests = [_tests(models)] if models.tests else []
    words = Section("How it was done", paragraphs=[models.methods_text()], notes=models.notes)
    return [*tests, _gains(models), _people(models), words]


def _commands(models: PersonalScores, config: HBAConfig) -> Section:
    own = Path(subject_file(models.people[0].subject))
    adapters = isinstance(models, PersonalAdapters)
    model = config.out / (own.stem if adapters else own)
    alone = adapters and config.subject != "all"
    run = model if alone else config.out
    photos = "photos" if config.images is None else str(config.images)
    # a function of the user's own is only called where the command line names it
    function = ["--architecture", config.backbone] if as_factory(config.backbone) else []
    lines = [
        ["extract", "--model", f"run:{model}", *function, "--images", photos, "--out", f"{own.stem}-features"],
        ["train", "--from", str(run), *function, "--out", f"{run}-again"],
    ]
    notes = ["The first line runs one person's model over images; every person has one."]
    return Section(
        "Use it, repeat it", commands=[f"alignkit {shlex.join(line)}" for line in lines], notes=[] if alone else notes
    )


def _tests(models: PersonalScores) -> Section:
    rows = [
        [test.name, f"{test.mean:+.4f}", _interval(test.low, test.high, 4), _number(test.p, ".2g"), str(test.n_people)]
        for test in models.tests
    ]
    caption = (
        f"Mean over people on answers left out, each person counting the same; {models.confidence:.0%} bootstrap "
        "intervals over people, p of random sign flips."
    )
    notes = [
        "group: the group's model as it is; shared: its dimensions weighted to suit all people's answers; others: the "
        "models of the other people, mean.",
        "Only what is better than the shared one and than other people's models is about the person.",
    ]
    header = ["difference", "mean", "interval", "p", "people"]
    return Section("Do people differ?", tables=[(caption, header, rows)], notes=notes)


def _people(models: PersonalScores) -> Section:
    found = sorted(models.people, key=lambda person: -person.n_answers)
    accuracy = "Accuracy on answers left out, in percent. Own ceiling: how often own answers to one triplet agree."
    gains = "Accuracy of the own model minus another's, in points, with intervals over the person's triplets."
    told = [f"{person.subject}: {person.verdict}." for person in found[:_TOLD]] if len(found) > 1 else []
    more = [f"Only the {_TOLD} people with most answers are told of."] if len(found) > _TOLD else []
    missing = ["-: no triplet was answered twice."] if any(math.isnan(one.ceiling) for one in found) else []
    return Section(
        "Person by person",
        tables=[
            (accuracy, ["person", "answers", "own", *RIVALS, "own ceiling"], [_accuracies(one) for one in found]),
            (gains, ["person", *(f"own - {rival}" for rival in RIVALS)], [_differences(one) for one in found]),
        ],
        notes=[f"{models.split[0].upper()}{models.split[1:]}.", *missing, *told, *more],
    )


def _accuracies(person: Person) -> list[str]:
    ceiling = f"{_percent(person.ceiling)} {_span(person.ceiling_low, person.ceiling_high, '')}".strip()
    values = [_percent(getattr(person, name)) for name in ("own", *RIVALS)]
    return [person.subject, f"{person.n_answers:,}", *values, ceiling]


def _differences(person: Person) -> list[str]:
    found = (person.over(rival) for rival in RIVALS)
    return [person.subject, *(f"{_percent(gain, '+')} {_span(low, high)}".strip() for gain, low, high in found)]


def _gains(models: PersonalScores) -> Section:
    figures = []
    for rival in ("group", "shared"):
        above = sum(person.over(rival)[1] > 0 for person in models.people)
        caption = (
            f"Accuracy of each person's own model minus {RIVALS[rival]}, sorted, with {models.confidence:.0%} "
            "intervals over the person's triplets; blue: above 0, red: below."
        )
        alt = f"{above:,} of {len(models.people):,} intervals lie above 0."
        figures.append(rendered(models.plot_gains(over=rival), caption, alt))
    counts = [person.n_answers for person in models.people]
    if min(counts) < max(counts):
        caption = "The same gain over the shared model against how many answers the person gave; black: above 0."
        figures.append(rendered(models.plot(), caption, f"People gave {min(counts):,} to {max(counts):,} answers."))
    return Section("Gains", figures=figures)


def _percent(value: float, sign: str = "") -> str:
    return f"{100 * value:{sign}.1f}" if math.isfinite(value) else "-"


def _span(low: float, high: float, sign: str = "+") -> str:
    return f"[{_percent(low, sign)}, {_percent(high, sign)}]" if math.isfinite(low) else ""


def _interval(low: float, high: float, digits: int) -> str:
    return f"[{low:+.{digits}f}, {high:+.{digits}f}]" if math.isfinite(low) else ""


def _number(value: float, spec: str) -> str:
    return f"{value:{spec}}" if math.isfinite(value) else "-"
