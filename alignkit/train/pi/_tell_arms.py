"""The arms of Perceptual Initialization as tables for a terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from alignkit.train.pi._seed_mean import seed_mean

if TYPE_CHECKING:
    from alignkit.train.pi._pi_result import PIArms

Row = list[str]


def tell_arms(found: PIArms, /) -> str:
    """Return the tables of stage 1, of final scores, of differences and of wins, and the notes."""
    if not found.arms and not found.first:
        return f"{found.path}: no run is finished yet."
    parts = [f"Perceptual Initialization in {found.path}: {', '.join(found.arms)}; seeds {_seeds(found)}"]
    for title, table in (
        ("Stage 1 and post-hoc: judgements that were kept back", first_table(found)),
        ("Final scores, mean over seeds", score_table(found)),
        ("Difference to web-only, paired by seed", score_table(found, differences=True)),
        ("Against web-only, over pairs seen and sets", race_table(found)),
    ):
        if len(table) > 1:
            parts.append(f"{title}\n{_aligned(table)}")
    return "\n\n".join([*parts, *found.notes])


def first_table(found: PIArms, /) -> list[Row]:
    """Return accuracies on judgements before and after training on others, a row per arm and part."""
    rows: list[Row] = [["arm", "part", "before", "after"]]
    names = dict.fromkeys(name for one in found.first for name in one.after if name.endswith("_accuracy"))
    for arm in dict.fromkeys(one.arm for one in found.first):
        for name in names:
            own = [one for one in found.first if one.arm == arm and name in one.after]
            if own:
                before, after = (
                    seed_mean([getattr(one, when)[name] for one in own]).tell() for when in ("before", "after")
                )
                part = name.removesuffix("_accuracy")
                # of other judgements than the rest: nobody made them
                rows.append([arm, f"{part} (of classes)" if arm == "imagenet-triplets" else part, before, after])
    return rows


def score_table(found: PIArms, /, *, differences: bool = False) -> list[Row]:
    """Return a row per metric and a column per arm; what is in-sample says so."""
    table = found.differences if differences else found.final
    rows: list[Row] = [["score", *table, *([] if differences else ["chance"])]]
    names = ["zero_shot", *found.zero_shot, *found.human, "val_loss"]
    for name in names:
        if not any(name in means and not math.isnan(means[name].mean) for means in table.values()):
            continue
        cells = []
        for arm, means in table.items():
            told = means[name].tell("+" if differences else "") if name in means else "-"
            cells.append(f"{told} (in-sample)" if found.is_in_sample(arm, name) else told)
        guessed = found.chance.get(name, math.nan)
        rows.append([name, *cells, *([] if differences else ["-" if math.isnan(guessed) else f"{guessed:.3f}"])])
    return rows


def race_table(found: PIArms, /) -> list[Row]:
    """Return, per arm, the sets it wins, the pairs it needs to reach web-only's end, and the exponent of its error."""
    rows: list[Row] = [["arm", "sets won", "lost", "pairs to web-only's final zero-shot score", "exponent of error"]]
    for arm in found.arms:
        won, law = found.wins.get(arm), found.laws.get(arm)
        if won is None and law is None:
            continue
        reached = _reached(found, arm) if law is not None and "web-only" in found.laws else "-"
        rows.append(
            [
                arm,
                "-" if won is None else f"{won.wins} of {len(won.tasks)}",
                "-" if won is None else str(won.losses),
                reached,
                "-" if law is None else f"{round(law.b, 3) + 0.0:.3f}",
            ]
        )
    return rows


def _reached(found: PIArms, arm: str) -> str:
    n = found.samples_to_baseline(arm)
    return "not reached" if math.isnan(n) else f"{n:,.0f}"


def _seeds(found: PIArms) -> str:
    return ", ".join(map(str, found.seeds)) or "none"


def _aligned(rows: list[Row]) -> str:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return "\n".join(
        "  " + "  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows
    )
