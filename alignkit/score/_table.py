"""The score table: every line beside its ceiling, its interval and its baselines."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._result import Result
from alignkit.score._row import Difference, ScoreRow

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class ScoreTable(Result):
    """Scores of one or more models on one data set.

    Attributes
    ----------
    dataset : str
        Name of the data set.
    rows : tuple of ScoreRow
        Models first, ranked by the primary measure; then baselines.
    differences : tuple of Difference
        Paired differences of the best model to the others on the same data.
    notes : tuple of str
        What a reader must know: items that were matched or dropped, in-sample parts, simulated people.
    settings, versions : dict
        How and with what it was computed.
    """

    dataset: str
    rows: tuple[ScoreRow, ...]
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]
    settings: dict[str, Any]
    versions: dict[str, str]

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per model or baseline, part and measure, with every column of :class:`ScoreRow`."""
        import pandas as pd

        return pd.DataFrame([dataclasses.asdict(row) for row in self.rows])

    def differences_to_dataframe(self) -> pd.DataFrame:
        """Return one row per paired difference."""
        import pandas as pd

        names = [field.name for field in dataclasses.fields(Difference)]
        return pd.DataFrame([dataclasses.asdict(row) for row in self.differences], columns=names)

    @classmethod
    def load(cls, path: Any) -> ScoreTable:
        """Read a table that :meth:`save` wrote as ``.json``."""
        from alignkit._io import read_json

        content = read_json(path)
        if not isinstance(content, dict) or content.pop("kind", None) != cls.__name__:
            msg = f"{path} does not hold a {cls.__name__}."
            raise ValueError(msg)
        return cls(
            dataset=content["dataset"],
            rows=tuple(ScoreRow(**_numbers(row)) for row in content["rows"]),
            differences=tuple(Difference(**_numbers(row)) for row in content["differences"]),
            notes=tuple(content["notes"]),
            settings=content["settings"],
            versions=content["versions"],
        )

    def value(self, model: str, part: str, measure: str) -> ScoreRow:
        """Return the one line of a model (or baseline), part and measure; a prefix of each is enough."""
        wanted = (model, part, measure)
        found = [
            row
            for row in self.rows
            if all(have.startswith(want) for have, want in zip((row.model, row.part, row.measure), wanted, strict=True))
        ]
        if len(found) != 1:
            msg = f"{len(found)} lines match model {model!r}, part {part!r}, measure {measure!r}; exactly one should."
            raise ValueError(msg)
        return found[0]

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        s = self.settings
        return (
            f"Models were scored on {self.dataset} with alignkit {self.versions.get('alignkit', '')}: triplet choices "
            f"from {s['kernel']} similarity of features (ties: {s['ties']}), model RDMs by {s['metric']} distance, "
            f"compared by {s['method']}; {s['confidence']:.0%} percentile bootstrap intervals ({s['n_bootstrap']} "
            f"resamples, seed {s['seed']}); the shuffled baseline permutes items {s['n_shuffles']} times. Ceilings are "
            "named in the table."
        )

    def __repr__(self) -> str:
        return self.to_text()

    def to_text(self, width: int = 100) -> str:
        """Return the table as plain text, one block per part and measure."""
        from alignkit.score._text import render

        return render(self, width)

    def plot(self, ax: Axes | None = None, *, part: str | None = None, measure: str | None = None) -> Axes:
        """Draw one part and measure: models and baselines with intervals, and the ceiling as a band."""
        from alignkit.score._draw import plot_scores

        return plot_scores(self, ax, part=part, measure=measure)


def _numbers(row: dict[str, Any]) -> dict[str, Any]:
    # JSON has no NaN: a missing number was written as null
    return {name: float("nan") if value is None else value for name, value in row.items()}


def rank_rows(rows: list[ScoreRow]) -> tuple[ScoreRow, ...]:
    """Return models before baselines, parts and measures in the order given, best first within each."""
    parts = list(dict.fromkeys(row.part for row in rows))
    measures = list(dict.fromkeys(row.measure for row in rows))

    def key(row: ScoreRow) -> tuple[int, int, int, float]:
        value = row.value if np.isfinite(row.value) else -np.inf
        place = parts.index(row.part), measures.index(row.measure)
        return (*place, int(row.role == "baseline"), -value if row.higher_is_better else value)

    return tuple(sorted(rows, key=key))
