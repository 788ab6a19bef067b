"""``alignkit design triplets | answers``."""

from __future__ import annotations

import dataclasses
from pathlib import Path, PurePosixPath

from alignkit._check import join_names
from alignkit._cli._files import check_out, keep_and_show, read_lines
from alignkit._cli._flags import in_flags_of
from alignkit._config import Positional
from alignkit.data import AnswersNeeded, StudyAssumptions, answers_needed, design_triplets


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DesignTripletsConfig:
    """Make balanced lists of odd-one-out trials for a study, one per person, and say what they will tell.

    Every item and every pair is shown about equally often. Part of a list is shared with other people (the human
    ceiling), part is shown again to the same person (consistency), part are catch trials. The lists name the images
    left to right, the kind of trial and, for catch trials, the odd one expected.

    Examples
    --------
    alignkit design triplets photos --people 30 --answers 400 --out design.csv
    alignkit design triplets photos --people 30 --answers 400 --lists lists
    alignkit design triplets photos --people 9 --answers 60 --groups folder
    """

    items: Positional[Path]
    """Folder of images (subfolders too), or a text file with one name per line."""
    people: int
    """Participants: one list each."""
    answers: int
    """Trials per list, all kinds together."""
    shared: float = 0.1
    """Share of a list that other people answer too."""
    people_per_triplet: int | None = None
    """People who answer a shared triplet; by default 20 or, if fewer, all."""
    retest: float = 0.05
    """Share of a list that repeats trials of the same list."""
    catch: float | None = None
    """Share of a list that are catch trials; by default .05 with --groups, else none."""
    groups: str | None = None
    """For catch trials: 'folder' (images of one subfolder are alike), or a .csv with the columns item and group."""
    accuracy: float = 0.64
    """Expected accuracy of a model."""
    person_sd: float = 0.10
    """Standard deviation over people of the true accuracy."""
    triplet_sd: float = 0.18
    """Standard deviation over triplets of the true accuracy."""
    agreement: float = 0.64
    """Expected leave-one-out agreement of people at 20 answers per triplet."""
    correlation: float = 0.5
    """Correlation of the hits of two models."""
    confidence: float = 0.95
    """Coverage of intervals; tests have the level 1 - confidence."""
    power: float = 0.8
    """Power of tests."""
    seed: int = 0
    """Seed: the same one makes the same lists."""
    lists: Path | None = None
    """Folder for one .csv per person."""
    out: Path | None = None
    """Where to write all lists (.csv: one row per trial; .json: with coverage and precision)."""


def run_design_triplets(config: DesignTripletsConfig) -> None:
    """Make the lists, write them and print their coverage and precision."""
    check_out(config.out, (".json", ".csv"), (config.items,))
    labels = _item_names(config.items)
    design = design_triplets(
        labels,
        n_people=config.people,
        n_answers=config.answers,
        shared=config.shared,
        people_per_triplet=config.people_per_triplet,
        retest=config.retest,
        catch=config.catch,
        groups=None if config.groups is None else _group_names(config.groups, labels),
        assume=_assumed(config),
        rng=config.seed,
    )
    if config.lists is not None:
        design.save_lists(config.lists)
    keep_and_show(design, config.out)
    if config.lists is not None:
        print(f"{design.n_people:,} lists saved to {config.lists}")


def _item_names(items: Path) -> list[str]:
    if items.is_file():
        return [line for line in read_lines(items) if line]
    from alignkit.models._items import as_items

    return [item.label for item in as_items("image", items, None)]


def _group_names(groups: str, labels: list[str]) -> list[str]:
    if groups == "folder":
        found = [PurePosixPath(label).parent.as_posix() for label in labels]
        if len(set(found)) < 2:
            msg = (
                "--groups folder needs images in at least two subfolders; give a .csv with the columns item and group."
            )
            raise ValueError(msg)
        return found
    from alignkit.data._tables import text_table

    table = text_table(Path(groups), sep=",", columns=("item", "group"), as_text=True)
    group = dict(zip(table["item"], table["group"], strict=True))
    missing = [label for label in labels if not group.get(label)]
    if missing:
        msg = f"{groups} has no group for {join_names(missing)}; its column item must name every item."
        raise ValueError(msg)
    return [group[label] for label in labels]


def _assumed(config: DesignTripletsConfig | DesignAnswersConfig) -> StudyAssumptions:
    names = {field.name for field in dataclasses.fields(StudyAssumptions)}
    given = {field.name for field in dataclasses.fields(config)}
    return StudyAssumptions(**{name: getattr(config, name) for name in names & given})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DesignAnswersConfig:
    """Say how many people and answers a study of odd-one-out choices needs.

    For an interval of a model's accuracy, for the difference of two models, or for models of single people that are to
    beat the group's model: what it takes to fit one, and to see that it is ahead. The assumptions are printed.

    Examples
    --------
    alignkit design answers --half-width 0.02
    alignkit design answers --difference 0.02 --correlation 0.7
    alignkit design answers --individuality 0.5
    """

    half_width: float | None = None
    """Half width of the interval of an accuracy (.02: plus or minus two points)."""
    difference: float | None = None
    """Difference of two models' accuracies to detect."""
    personal_gain: float | None = None
    """Accuracy by which a personal model is to beat the group's."""
    individuality: float | None = None
    """In place of --personal-gain: how people differ, as the SD of the logarithm of their weights."""
    answers_per_person: int = 200
    """Answers each person gives."""
    n_weights: int = 66
    """Weights that a personal model fits."""
    retained: float = 0.5
    """Share of the possible gain that the fit is to keep."""
    accuracy: float = 0.64
    """Expected accuracy of a model."""
    person_sd: float = 0.10
    """Standard deviation over people of the true accuracy."""
    correlation: float = 0.5
    """Correlation of the hits of two models."""
    confidence: float = 0.95
    """Coverage of intervals; tests have the level 1 - confidence."""
    power: float = 0.8
    """Power of tests."""
    seed: int = 0
    """Seed of the simulated people."""
    out: Path | None = None
    """Where to write the result (.json: everything; .csv: the table)."""


def run_design_answers(config: DesignAnswersConfig) -> None:
    """Compute how many answers are needed, print and save it."""
    check_out(config.out, (".json", ".csv"))
    with in_flags_of(DesignAnswersConfig):
        needed = _needed(config)
    keep_and_show(needed, config.out)


def _needed(config: DesignAnswersConfig) -> AnswersNeeded:
    return answers_needed(
        half_width=config.half_width,
        difference=config.difference,
        personal_gain=config.personal_gain,
        individuality=config.individuality,
        answers_per_person=config.answers_per_person,
        n_weights=config.n_weights,
        retained=config.retained,
        assume=_assumed(config),
        rng=config.seed,
    )
