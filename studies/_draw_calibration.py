"""The picture of how tests and intervals of models of RDMs keep their promises."""

from __future__ import annotations

from typing import Any


def draw(rows: list[dict[str, Any]]) -> Any:
    """Return a figure: levels of tests above, coverage of intervals below, one column for what is new."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    schemes = ("subjects", "items", "both")
    figure, axes = plt.subplots(2, 3, figsize=(13, 7), sharex=True, layout="constrained")
    for column, scheme in enumerate(schemes):
        own = [row for row in rows if row["generalize"] == scheme and row["share"] is not None]
        tests = [row for row in own if row["what"] == "test" and row["of"] not in ("effect", "chance likeness")]
        _panel(axes[0, column], tests, 0.05, "rejected although true")
        _panel(axes[1, column], [row for row in own if row["what"] == "interval"], 0.95, "covered")
        axes[1, column].axhline(0.92, color="0.6", linewidth=0.8, linestyle=":")
        axes[0, column].set_title(f"over new {scheme if scheme != 'both' else 'subjects and items'}")
        axes[1, column].set_xlabel("subjects")
        axes[0, column].set_ylim(0, 0.2)
        axes[1, column].set_ylim(0.6, 1.0)
    sizes = sorted({row["n_items"] for row in rows})
    figure.suptitle(f"open: pearson, filled: spearman; small to large: {', '.join(map(str, sizes))} items", fontsize=9)
    return figure


def _panel(ax: Any, rows: list[dict[str, Any]], promise: float, label: str) -> None:
    names = list(dict.fromkeys(_name(row) for row in rows))
    sizes = sorted({row["n_items"] for row in rows})
    subjects = sorted({row["n_subjects"] for row in rows})
    for number, name in enumerate(names):
        shift = 0.5 * ((number + 0.5) / len(names) - 0.5)
        for row in (row for row in rows if _name(row) == name):
            x = subjects.index(row["n_subjects"]) + shift + (0.02 if row["method"] == "spearman" else -0.02)
            fill = "full" if row["method"] == "spearman" else "none"
            size = 3 + 4 * sizes.index(row["n_items"]) / max(1, len(sizes) - 1)
            ax.plot(x, row["share"], "o", color=f"C{number}", fillstyle=fill, markersize=size)
        ax.plot([], [], "o", color=f"C{number}", label=name)
    ax.axhline(promise, color="black", linewidth=0.8)
    ax.set_xticks(range(len(subjects)), [str(n) for n in subjects])
    ax.set_ylabel(label)
    if names:
        ax.legend(fontsize=7, frameon=False, ncols=2)


def _name(row: dict[str, Any]) -> str:
    if row["what"] == "interval":
        return str(row["kind"])
    return f"{row['kind']}: {row['of']}{' (exact)' if row['exact'] else ''}"
