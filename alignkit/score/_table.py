"""The score table: every line beside its ceiling, its interval and its baselines."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from alignkit._check import join_names
from alignkit._result import Result
from alignkit.score._row import Difference, ScoreRow, rank_key

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


_ROLES = ("model", "baseline", "layer")


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class ScoreTable(Result):
    """Scores of one or more models on one data set.

    Attributes
    ----------
    dataset : str
        Name of the data set.
    rows : tuple of ScoreRow
        By part and measure; within each, models before baselines and the best first, then the points of layer curves.
    differences : tuple of Difference
        Paired differences of the best model to the others on the same data.
    notes : tuple of str
        What a reader must know: items that were matched or dropped, in-sample parts, simulated people.
    models : dict
        By model: the layer, and what the features were made with (model, weights, preprocessing, pooling, transform).
    settings, versions : dict
        How and with what it was computed.
    """

    dataset: str
    rows: tuple[ScoreRow, ...]
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]
    settings: dict[str, Any]
    versions: dict[str, str]
    models: dict[str, Any] = dataclasses.field(default_factory=dict)

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per model, baseline or layer, part and measure, with every column of :class:`ScoreRow`."""
        import pandas as pd

        names = [field.name for field in dataclasses.fields(ScoreRow)]
        return pd.DataFrame([dataclasses.asdict(row) for row in self.rows], columns=names)

    def differences_to_dataframe(self) -> pd.DataFrame:
        """Return one row per paired difference."""
        import pandas as pd

        names = [field.name for field in dataclasses.fields(Difference)]
        return pd.DataFrame([dataclasses.asdict(row) for row in self.differences], columns=names)

    def value(self, model: str, part: str, measure: str, *, layer: str = "") -> ScoreRow:
        """Return the one line of a model (or baseline), part and measure, or that of one ``layer`` of its curve.

        A prefix of each is enough where it fits one line only; a full name goes before a prefix, and a model before a
        baseline of the same name.

        Raises
        ------
        ValueError
            No such line, or several.
        """
        found: Sequence[ScoreRow] = [row for row in self.rows if row.layer == layer]
        for name, wanted in (("part", part), ("measure", measure), ("model", model)):
            begins = [row for row in found if getattr(row, name).startswith(wanted)]
            found = [row for row in begins if getattr(row, name) == wanted] or begins
        found = [row for row in found if row.role == "model"] or found
        if len(found) != 1:
            lines = join_names(f"{row.model}, {row.part}, {row.measure}" for row in (found or self.rows))
            msg = (
                f"{len(found)} lines match model {model!r}, part {part!r}, measure {measure!r}; exactly one should. "
                f"{'These do' if found else 'There are'}: {lines}."
            )
            raise ValueError(msg)
        return found[0]

    def curve(self, model: str, part: str, measure: str = "") -> list[ScoreRow]:
        """Return the points of a model's layer curve on one part, in the order of the layers.

        Raises
        ------
        ValueError
            No such curve; the sentence names those there are.
        """
        points = [row for row in self.rows if row.role == "layer"]
        found = [r for r in points if (r.model, r.part) == (model, part) and r.measure.startswith(measure)]
        if not found:
            known = join_names(dict.fromkeys(f"{row.model}, {row.part}, {row.measure}" for row in points))
            msg = f"no layer curve of model {model!r} on part {part!r}; there are {known or 'none'}."
            raise ValueError(msg)
        return found

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        version = self.versions.get("alignkit", "")
        sentences = [f"Models were scored on {self.dataset} with alignkit {version}".rstrip()]
        settings = self.settings
        if settings:
            sentences += _choice_sentences(self.rows, settings)
            sentences.append(
                f"Intervals are percentiles of {settings['n_bootstrap']:,} bootstrap resamples at "
                f"{100 * settings['confidence']:g}%; the shuffled baseline permutes the items of the first model "
                f"{settings['n_shuffles']} times; seed {settings['seed']}"
            )
        ceilings: dict[str, list[str]] = {}
        for row in self.rows:
            if row.ceiling and row.part not in ceilings.setdefault(row.ceiling, []):
                ceilings[row.ceiling].append(row.part)
        sentences += [f"Noise ceiling of {', '.join(parts)}: {ceiling}" for ceiling, parts in ceilings.items()]
        return " ".join(f"{sentence}." for sentence in sentences)

    def __repr__(self) -> str:
        return self.to_text()

    def to_text(self, width: int = 100) -> str:
        """Return the table as plain text of about ``width`` columns, one block per part and primary measure."""
        from alignkit.score._text import render

        return render(self, width)

    def plot_layers(self, ax: Axes | None = None, *, part: str | None = None, measure: str | None = None) -> Axes:
        """Draw the layer curves of one part: a line per model with its interval, and the ceiling as a band."""
        from alignkit.score._draw_layers import plot_curves

        return plot_curves(self, ax, part=part, measure=measure)

    def plot(self, ax: Axes | None = None, *, part: str | None = None, measure: str | None = None) -> Axes:
        """Draw one part and measure: models and baselines with intervals, and the ceiling as a band."""
        from alignkit.score._draw import plot_scores

        return plot_scores(self, ax, part=part, measure=measure)


def _choice_sentences(rows: Sequence[ScoreRow], settings: Mapping[str, Any]) -> list[str]:
    measures = {row.measure for row in rows}
    sentences = ["Features were centred over the scored items"] if settings.get("centre") else []
    if any("odd-one-out" in measure for measure in measures):
        sentences.append(
            f"A model's odd one out is left by the pair of highest {settings['kernel']} similarity of features "
            f"(ties: {settings['ties']})"
        )
    if any("2AFC" in measure for measure in measures):
        sentences.append(
            f"In 2AFC a model chooses the image of higher {settings['kernel']} similarity to the reference (ties 0.5); "
            f"trials with tied votes or fewer than {settings['min_votes']} were left out"
        )
    if any("RDM" in measure or "matrix" in measure for measure in measures):
        sentences.append(f"Model RDMs use {settings['metric']} dissimilarity and are compared by {settings['method']}")
    if settings.get("layers"):
        sentences.append(
            f"The layer of each model was chosen in nested cross-validation over items: in each of "
            f"{settings['n_splits']} random halvings of the items, the best layer on the answers or pairs within one "
            "half was scored on those within the other half, and the other way round"
        )
    if settings.get("items"):
        several = {"average": "averaged", "best": "represented by the most typical one"}[settings["many"]]
        sentences.append(f"Photos were assigned to items by {settings['items']}; several photos of one were {several}")
    return sentences


def rank_rows(rows: Sequence[ScoreRow]) -> tuple[ScoreRow, ...]:
    """Return the lines by part and measure; within each, models before baselines, the best first; then the curves."""
    parts = list(dict.fromkeys(row.part for row in rows))
    measures = _measure_order(rows)

    def key(row: ScoreRow) -> tuple[int, int, int, tuple[bool, float]]:
        # the layers of a curve stay in their order
        rank = (False, 0.0) if row.role == "layer" else rank_key(row)
        return parts.index(row.part), measures.index(row.measure), _ROLES.index(row.role), rank

    return tuple(sorted(rows, key=key))


def _measure_order(rows: Sequence[ScoreRow]) -> list[str]:
    """Return the measures in the order of their first appearance, each after the one it follows in its own model."""
    order: list[str] = []
    for _, group in groupby(rows, key=lambda row: (row.model, row.role, row.part)):
        place = 0
        for row in group:
            if row.measure not in order:
                order.insert(place, row.measure)
            place = order.index(row.measure) + 1
    return order
