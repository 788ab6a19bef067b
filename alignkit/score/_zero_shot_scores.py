"""Zero-shot scores of several models on several sets: one table, win counts, and records for CLIP_benchmark."""

from __future__ import annotations

import dataclasses
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._check import join_names
from alignkit._plot import new_axes
from alignkit._result import Result
from alignkit._typing import PathLike
from alignkit.score._clip_benchmark import ClipBenchmarkRecord, write_clip_benchmark
from alignkit.score._row import ScoreRow
from alignkit.score._table import ScoreTable
from alignkit.score._win_counts import WinCounts

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class ZeroShotScores(Result):
    """Zero-shot classification, tagging and retrieval of one or more models.

    Attributes
    ----------
    table : ScoreTable
        Every measure beside chance and shuffled classes: a part for each set and for the mean of each family of tasks;
        the main measure of a set is the primary one. Paired differences are over the same images.
    tasks : dict of str to str
        By set: which of :func:`zero_shot_tasks` it is; empty where it is none.
    wins : dict of str to WinCounts
        By pair of models (``"a over b"``): on how many sets the first beats the second by the main measure. Empty for
        one model or one set.
    records : tuple of ClipBenchmarkRecord
        The same results, as CLIP_benchmark keeps them: one for each set and model.
    missing : tuple of str
        Tasks that no set was given for.
    settings : dict
        How it was computed.
    """

    table: ScoreTable
    tasks: dict[str, str]
    wins: dict[str, WinCounts]
    records: tuple[ClipBenchmarkRecord, ...]
    missing: tuple[str, ...]
    settings: dict[str, Any]

    def to_dataframe(self) -> pd.DataFrame:
        """Return the table, one row per model or baseline, set and measure."""
        return self.table.to_dataframe()

    def value(self, model: str, part: str, measure: str) -> ScoreRow:
        """Return the one line of a model, set and measure (:meth:`ScoreTable.value`)."""
        return self.table.value(model, part, measure)

    def __repr__(self) -> str:
        return self.to_text()

    def to_text(self, width: int = 100) -> str:
        """Return the table, the win counts and what is missing as plain text."""
        lines = [self.table.to_text(width)]
        if self.wins:
            lines += ["", "Sets won by the main measure (interval over sets)"]
        for pair, won in self.wins.items():
            lines += textwrap.wrap(f"  {pair}: {_told(won)}", width, subsequent_indent="    ")
        if self.missing:
            lines += ["", *textwrap.wrap(f"Not scored: {self.hint()}", width, subsequent_indent="  ")]
        return "\n".join(lines)

    def hint(self) -> str:
        """Return which of the 29 + 2 tasks are missing, and how to get them."""
        return (
            f"{len(self.missing)} of the 29 + 2 tasks ({', '.join(self.missing)}); put each as CLIP_benchmark's "
            "webdataset (https://huggingface.co/clip-benchmark, folder wds_NAME) into the folder of sets."
        )

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        models = list(dict.fromkeys(row.model for row in self.table.rows if row.role == "model"))
        s = self.settings
        several = (
            f" Models were compared on the same images, drawn together ({s['n_bootstrap']:,} resamples), and by the "
            "number of sets won."
            if len(models) > 1
            else ""
        )
        return (
            f"{len(models)} model{'s were' if len(models) > 1 else ' was'} evaluated zero-shot on {len(self.tasks)} "
            f"data set{'s' if len(self.tasks) > 1 else ''} with alignkit {self.table.versions.get('alignkit', '')}. An "
            "image was put into the class with the largest cosine between its features and the class's weights, the "
            "normalised mean of the normalised features of all prompts (Radford et al., 2021); images with several "
            "classes were scored by mean average precision, and retrieval by recall at 1, 5 and 10 in both directions; "
            "equal scores shared their places. The main measure of each task is DataComp's. Intervals are percentiles "
            f"of {s['n_bootstrap']:,} bootstrap samples over images at {100 * s['confidence']:g}%, seed {s['seed']}."
            f"{several} Baselines: guessing, and the first model with its classes (or captions) shuffled, mean of "
            f"{s['n_shuffles']} shuffles."
        )

    def save_clip_benchmark(self, folder: PathLike, /) -> list[Path]:
        """Write a ``.json`` for each set and model as CLIP_benchmark does, for its ``build`` command and tables.

        Parameters
        ----------
        folder : path-like
            Made if it does not exist; files of the same names are replaced.

        Returns
        -------
        list of Path

        Raises
        ------
        NotADirectoryError
            ``folder`` is a file.
        ValueError
            Two results whose files would have the same name.
        """
        target = Path(folder)
        if target.exists() and not target.is_dir():
            msg = f"{target} is a file; give a folder for the records of CLIP_benchmark."
            raise NotADirectoryError(msg)
        paths = [target / _file_name(record) for record in self.records]
        twice = {path.name for path in paths if paths.count(path) > 1}
        if twice:
            msg = f"two results would be written to {join_names(sorted(twice))}; score these models one by one."
            raise ValueError(msg)
        target.mkdir(parents=True, exist_ok=True)
        for path, record in zip(paths, self.records, strict=True):
            write_clip_benchmark(path, record)
        return paths

    def plot(self, ax: Axes | None = None, *, part: str | None = None) -> Axes:
        """Draw every set's main measure, a point with its interval for each model and chance as a stroke.

        With ``part``, the bars of one set instead (:meth:`ScoreTable.plot`).
        """
        if part is not None:
            return self.table.plot(ax, part=part)
        sets = list(self.tasks)
        ax = new_axes(ax, (6.0, 1.4 + 0.3 * len(sets)))
        main = [row for row in self.table.rows if row.primary and row.part in self.tasks]
        names = list(self.table.models)
        offsets = np.linspace(0.25, -0.25, len(names)) if len(names) > 1 else np.zeros(1)
        for name, offset in zip(names, offsets, strict=True):
            rows = [row for row in main if row.model == name and row.role == "model"]
            place = np.array([len(sets) - 1 - sets.index(row.part) for row in rows]) + offset
            points = ax.plot([row.value for row in rows], place, "o", markersize=4, label=name.replace("$", r"\$"))
            ax.hlines(place, [row.low for row in rows], [row.high for row in rows], color=points[0].get_color())
        chance = [row for row in main if row.model == "chance"]
        place = np.array([len(sets) - 1 - sets.index(row.part) for row in chance])
        ax.plot([row.value for row in chance], place, "|", color="0.5", markersize=12, label="chance")
        ax.set_yticks(np.arange(len(sets))[::-1], [name.replace("$", r"\$") for name in sets])
        ax.set_xlabel("main measure")
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
        return ax


def _told(won: WinCounts) -> str:
    return (
        f"{won.wins} of {len(won.tasks)} [{won.wins_low:g}, {won.wins_high:g}], {won.clear_wins} of them clearly; "
        f"mean difference {won.mean_difference:+.4f} [{won.mean_difference_low:+.4f}, "
        f"{won.mean_difference_high:+.4f}]"
    )


def _file_name(record: ClipBenchmarkRecord) -> str:
    parts = (record.dataset, record.pretrained, record.model, record.language, record.task)
    return re.sub(r"[^\w.@-]+", "_", "_".join(parts)).strip(".")[-200:] + ".json"
