"""The part of the demo's page on scoring again: what training and a teacher transform bought on new objects."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from alignkit._demo._again import PRETRAINED, TAUGHT, TEACHER, TRAINED, UNTRAINED, Again
from alignkit.report import Figure, Section

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from alignkit.score import ScoreRow

_ANSWERS, _BRAINS = ("answers", "odd-one-out accuracy"), ("fMRI", "spearman")
_GREY, _BLUE, _RED = "#9a9a9a", "#2a6f97", "#b23a48"
#: The teacher's settings, as the command line has them.
_OPTIONS = " ".join(
    f"--{name.replace('_', '-')}" if value is True else f"--{name.replace('_', '-')} {value}"
    for name, value in TEACHER.items()
)
_MODELS = (UNTRAINED, TRAINED, PRETRAINED, TAUGHT)


def again_section(again: Again, /) -> Section:
    """Return what was scored again, as a part of a page."""
    features, answers = shlex.quote(str(again.features)), shlex.quote(str(again.answers))
    text = (
        f"{again.n_objects} further objects, which neither the network nor the teacher has met, judged by the same "
        f"people and shown to the same brains. {_sentence(again, *_ANSWERS, 'answers')} "
        f"{_sentence(again, *_BRAINS, 'brains')}"
    )
    return Section(
        "Scored again, on new objects",
        paragraphs=[text],
        figures=[_figure(again)],
        tables=[_table(again)],
        commands=[f"alignkit align fit {features} --triplets {answers} {_OPTIONS} --out teacher"],
        notes=[
            f"{TAUGHT}: a linear map of the frozen network's features, fitted to people's answers about "
            f"{again.n_taught} other objects. Cosines and correlations are taken as they are.",
            again.teacher.methods_text(),
            again.table.methods_text(),
        ],
    )


def to_text(again: Again, /) -> str:
    """Return it on one screen."""
    lines = [f"Scored again on {again.n_objects} new objects: people's answers, and correlation with brains (fMRI)"]
    for model in _MODELS:
        answers, brains = (again.table.value(model, *which) for which in (_ANSWERS, _BRAINS))
        lines.append(f"  {model:<44}{_shown(answers)}   {_shown(brains)}")
    answers, brains = (again.table.value(TRAINED, *which) for which in (_ANSWERS, _BRAINS))
    ceilings = " to ".join(f"{end:.4f}" for end in (brains.ceiling_low, brains.ceiling_high))
    lines.append(f"  {'ceiling (one of the other people; brains)':<44}{answers.ceiling_low:.4f}{'':19}{ceilings}")
    return "\n".join(lines)


def _shown(row: ScoreRow) -> str:
    return f"{row.value:.4f} [{row.low:.4f}, {row.high:.4f}]"


def _sentence(again: Again, part: str, measure: str, what: str) -> str:
    value = {model: again.table.value(model, part, measure).value for model in _MODELS}
    measured = "odd-one-out accuracy" if what == "answers" else "Spearman's correlation with people's RDMs"
    return (
        f"{measured[0].upper()}{measured[1:]} goes from {value[UNTRAINED]:.3f} to {value[TRAINED]:.3f} by training, "
        f"and of the pretrained network from {value[PRETRAINED]:.3f} to {value[TAUGHT]:.3f} by the teacher."
    )


def _figure(again: Again) -> Figure:
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 2.8), layout="constrained", sharey=True)
    for ax, (part, measure) in zip(axes, (_ANSWERS, _BRAINS), strict=True):
        _bars(ax, [again.table.value(model, part, measure) for model in _MODELS])
    axes[0].invert_yaxis()  # of both
    axes[0].set(xlabel="odd-one-out accuracy", xlim=(0.25, None))
    axes[0].axvline(1 / 3, color="0.4", linestyle=":", linewidth=1.2)
    axes[1].set_xlabel("Spearman's correlation with people's fMRI")
    caption = "Scores on new objects; lines are 95% intervals, red: noise ceiling, dotted: chance."
    spoken = "; ".join(
        f"{model}: {again.table.value(model, *_ANSWERS).value:.3f} and {again.table.value(model, *_BRAINS).value:.3f}"
        for model in _MODELS
    )
    return Figure.from_matplotlib(figure, caption, alt=spoken)


def _bars(ax: Axes, rows: list[ScoreRow]) -> None:
    for place, row in enumerate(rows):
        ax.barh(place, row.value, color=_BLUE if place % 2 else _GREY, height=0.6)
        ax.plot([row.low, row.high], [place, place], color="black", linewidth=1.2)
    ax.axvspan(rows[0].ceiling_low, rows[0].ceiling_high, color=_RED, alpha=0.25, linewidth=0)
    ax.axvline(rows[0].ceiling_low, color=_RED, linewidth=1.2)
    ax.set_yticks(range(len(rows)), [row.model for row in rows])
    ax.spines[["top", "right"]].set_visible(False)


def _table(again: Again) -> tuple[str, list[str], list[list[str]]]:
    rows = []
    for model in _MODELS:
        cells = [_shown(again.table.value(model, *which)) for which in (_ANSWERS, _BRAINS)]
        rows.append([model, *cells])
    ceilings = [again.table.value(TRAINED, *which) for which in (_ANSWERS, _BRAINS)]
    rows.append(["(noise ceiling)", *(f"{row.ceiling_low:.4f} to {row.ceiling_high:.4f}" for row in ceilings)])
    caption = f"Scores on {again.n_objects} new objects, with 95% intervals."
    return caption, ["", "people's answers", "brains (fMRI)"], rows
