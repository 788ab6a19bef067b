"""The part of the demo's page on training: accuracy beside ceilings, dimensions recovered, people's own models."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import numpy as np

from alignkit._demo._training_result import BEFORE, Trained
from alignkit.report import Figure, Section

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GREY, _BLUE, _RED = "#9a9a9a", "#2a6f97", "#b23a48"


def training_section(trained: Trained, /) -> Section:
    """Return what training in the lab bought, as a part of a page."""
    lab, scores = trained.lab, trained.scores
    run = shlex.quote(str(trained.result.path))
    images = shlex.quote(str(trained.result.config.images))
    text = (
        f"A small network that had seen nothing before was trained to give the {len(lab.dimension_names)} dimensions "
        f"that these people judge by (CLIP-HBA: cosines with the dimensions' names) on pictures of "
        f"{len(lab.split['train']):,} drawn objects, and then asked about {scores.n_held_out} objects that it was "
        f"never trained on. It predicts {trained.after.value:.1%} of people's answers, {trained.gaps()}; before "
        f"training it was {trained.before.value:.1%}, and chance is 33.3%."
    )
    return Section(
        "Training in the simulated lab",
        paragraphs=[text],
        figures=[_accuracy(trained), _dimensions(trained), _people(trained)],
        tables=[_accuracy_table(trained), _dimension_table(trained), _people_table(trained)],
        commands=[
            f"alignkit extract --model run:{run} --images {images} --out dimensions",
            f"alignkit train --from {run} --out {run}-again",
        ],
        notes=[
            "Nothing was fitted to held-out objects; the weights that were kept were chosen on others. The ideal "
            "observer knows the probabilities that answers were drawn with; observed: what it gets right of the very "
            "answers that models are scored on.",
            trained.scores.methods_text(),
            trained.personal.methods_text(),
        ],
    )


def _accuracy(trained: Trained) -> Figure:
    from matplotlib import pyplot as plt

    figure, ax = plt.subplots(figsize=(6.4, 2.6), layout="constrained")
    rows = [(BEFORE, trained.before, _GREY), ("after training", trained.after, _BLUE)]
    for place, (_, row, colour) in enumerate(rows):
        ax.barh(place, row.value, color=colour, height=0.6)
        ax.plot([row.low, row.high], [place, place], color="black", linewidth=1.2)
    ceilings = trained.ceilings
    lines = [
        (ceilings.observed, "-", "ideal observer, same answers"),
        (ceilings.left_out, "--", "leave-one-out, repeats"),
        (1 / 3, ":", "chance"),
    ]
    for value, style, label in lines:
        ax.axvline(value, color=_RED if style != ":" else "0.4", linestyle=style, linewidth=1.2, label=label)
    ax.set_yticks(range(len(rows)), [name for name, _, _ in rows])
    ax.set(xlim=(0, 0.8), ylim=(-0.6, 1.6), xlabel="odd-one-out accuracy, held-out objects")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
    caption = "Accuracy on simulated people's answers about held-out objects, beside ceilings; lines are 95% intervals."
    spoken = (
        f"From {trained.before.value:.3f} to {trained.after.value:.3f}; the ideal observer {ceilings.observed:.3f}."
    )
    return Figure.from_matplotlib(figure, caption, alt=spoken)


def _dimensions(trained: Trained) -> Figure:
    from matplotlib import pyplot as plt

    rows = trained.scores.dimensions
    figure, ax = plt.subplots(figsize=(6.4, 1.0 + 0.24 * len(rows)), layout="constrained")
    trained.scores.plot(ax)
    ax.tick_params(axis="y", labelsize=8)
    n = trained.scores.n_held_out
    caption = (
        f"Correlation of each output with the dimension it was trained to be, over {n} held-out objects: grey "
        "before training, blue after."
    )
    after = [row.after for row in rows]
    return Figure.from_matplotlib(figure, caption, alt=f"Correlations from {min(after):.2f} to {max(after):.2f}.")


def _people(trained: Trained) -> Figure:
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    _draw_own(left, trained)
    _draw_weights(right, trained)
    caption = (
        "Left: each person's own model against the group's, on answers that neither was fitted to; above the line, the "
        "own model is better. Right: fitted against planted weights of people on dimensions."
    )
    spoken = f"Own models {trained.own:.3f}, the group's {trained.group:.3f}; weights correlate {_r(trained)}."
    return Figure.from_matplotlib(figure, caption, alt=spoken)


def _draw_own(ax: Axes, trained: Trained) -> None:
    people = trained.personal.people
    group, own = (np.array([getattr(person, name) for person in people]) for name in ("group", "own"))
    ends = [min(group.min(), own.min()) - 0.005, max(group.max(), own.max()) + 0.005]
    ax.plot(ends, ends, color="0.6", linewidth=1)
    ax.plot(group, own, "o", color=_BLUE, markersize=4)
    ax.set(xlabel="group model, accuracy", ylabel="own model, accuracy", aspect="equal")
    ax.spines[["top", "right"]].set_visible(False)


def _draw_weights(ax: Axes, trained: Trained) -> None:
    personal = trained.personal
    planted = np.log(trained.lab.weights)
    ax.plot(planted, personal.log_weights - personal.shared_log_weights, ".", color=_BLUE, markersize=4)
    ax.axline((0, 0), slope=1, color="0.6", linewidth=1)
    ax.set(xlabel="planted log weight", ylabel="fitted log weight, less the shared one")
    ax.set_title(f"r = {_r(trained)}", fontsize=10)
    ax.spines[["top", "right"]].set_visible(False)


def _r(trained: Trained) -> str:
    return f"{trained.weights_recovered:.2f}"


def _accuracy_table(trained: Trained) -> tuple[str, list[str], list[list[str]]]:
    ceilings = trained.ceilings
    rows = [
        [name, f"{row.value:.4f}", f"[{row.low:.4f}, {row.high:.4f}]"]
        for name, row in (
            (BEFORE, trained.before),
            ("ridge on untrained features", trained.accuracy("ridge on frozen features")),
            ("after training", trained.after),
        )
    ]
    rows += [
        ["(ceiling: ideal observer, observed)", f"{ceilings.observed:.4f}", ""],
        ["(ceiling: ideal observer, expected)", f"{ceilings.expected:.4f}", ""],
        [f"(ceiling: leave-one-out, {ceilings.n_repeats} repeats)", f"{ceilings.left_out:.4f}", ""],
        ["(chance)", f"{1 / 3:.4f}", ""],
    ]
    caption = f"Odd-one-out accuracy, {trained.after.n:,} answers about {trained.scores.n_held_out} held-out objects."
    return caption, ["", "accuracy", "interval over triplets"], rows


def _dimension_table(trained: Trained) -> tuple[str, list[str], list[list[str]]]:
    rows = [
        [
            row.dimension,
            f"{row.before:+.3f}",
            f"[{row.before_low:+.3f}, {row.before_high:+.3f}]",
            f"{row.after:+.3f}",
            f"[{row.after_low:+.3f}, {row.after_high:+.3f}]",
        ]
        for row in trained.scores.dimensions
    ]
    caption = "Pearson correlation of each output with its planted dimension; intervals are over held-out objects."
    return caption, ["dimension", "before", "interval", "after", "interval"], rows


def _people_table(trained: Trained) -> tuple[str, list[str], list[list[str]]]:
    rows = [
        [test.name, f"{test.mean:+.4f}", f"[{test.low:+.4f}, {test.high:+.4f}]", f"{test.p:.2g}"]
        for test in trained.personal.tests
    ]
    caption = (
        f"Models of single people on held-out answers: own {trained.own:.4f}, group {trained.group:.4f} (ideal "
        f"observers: {trained.ideal['person']:.4f} and {trained.ideal['group']:.4f}); differences, mean over people."
    )
    return caption, ["difference", "mean", "interval over people", "p"], rows
