"""Models of RDMs beside the ceiling: bars with significance, tests, and every participant."""

from __future__ import annotations

import numpy as np

from alignkit.report._bar_chart import Bar, bar_chart
from alignkit.report._chart import Chart
from alignkit.report._grid_chart import grid_chart
from alignkit.report._page import Section
from alignkit.report._svg import number
from alignkit.rsa import Evaluation

_ABOVE = {"greater": "above 0", "less": "below 0", "two-sided": "not 0"}
_BELOW = "\N{BLACK DOWN-POINTING TRIANGLE}"
#: Pairs of models in the table; the rest is in the result's own.
_MOST_PAIRS = 300


def evaluation_sections(found: Evaluation) -> list[Section]:
    """Return an evaluation as parts of a page."""
    tables = [_models(found), *_pairs(found)]
    figures = [_bars(found), *_participants(found)]
    notes = list(dict.fromkeys(why for why in (*found.why_zero, *found.why_ceiling) if why))
    notes += [found.note] if found.note else []
    words = Section("How it was done", paragraphs=[found.methods_text()])
    return [Section("Models beside the noise ceiling", figures=figures, tables=tables, notes=notes), words]


def _order(found: Evaluation) -> list[int]:
    order: list[int] = np.argsort(-np.nan_to_num(found.score, nan=-np.inf), kind="stable").tolist()
    return order


def _bars(found: Evaluation) -> Chart:
    over = {"subjects": "new subjects", "items": "new items", "both": "new subjects and items"}[found.generalize]
    caption = (
        f"Mean over subjects of the {found.method} similarity to each one's RDM, best first, with "
        f"{found.confidence:.0%} intervals for {over}; yellow: noise ceiling. *: {_ABOVE[found.alternative]}; "
        f"{_BELOW}: below the ceiling (family-wise p \N{LESS-THAN OR EQUAL TO} {found.alpha:g}). Which models "
        "differ is in the table of pairs."
    )
    bars = [_bar(found, k) for k in _order(found)]
    ceiling = found.ceiling_lower, found.ceiling_upper
    return bar_chart(bars, title="Models", axis=found.method, caption=caption, ceiling=ceiling)


def _bar(found: Evaluation, k: int) -> Bar:
    star = "*" if found.p_zero_max[k] <= found.alpha else ""
    misses = found.p_ceiling_max[k] <= found.alpha and found.ceiling_difference[k] < 0
    low, high = found.interval[:, k].tolist()
    told = (
        f"{found.models[k]}\n{number(found.score[k])} [{number(low)}, {number(high)}]\n"
        f"p against 0: {number(found.p_zero_max[k], 2)}, against the ceiling: {number(found.p_ceiling_max[k], 2)}"
    )
    marks = star + (_BELOW if misses else "")
    return Bar(found.models[k], float(found.score[k]), low, high, marks, told)


def _models(found: Evaluation) -> tuple[str, list[str], list[list[str]]]:
    header = ["model", "score", "interval", "se", "p", "p, max", "less the ceiling", "p of that, max"]
    rows = [
        [
            found.models[k],
            number(found.score[k]),
            f"[{number(found.interval[0, k])}, {number(found.interval[1, k])}]",
            number(found.se[k], 3),
            number(found.p_zero[k], 2),
            number(found.p_zero_max[k], 2),
            number(found.ceiling_difference[k]),
            number(found.p_ceiling_max[k], 2),
        ]
        for k in _order(found)
    ]
    rows.append(["(noise ceiling)", f"{number(found.ceiling_lower)} to {number(found.ceiling_upper)}", *[""] * 6])
    return f"Tests against 0 ({_ABOVE[found.alternative]}) and against the ceiling.", header, rows


def _pairs(found: Evaluation) -> list[tuple[str, list[str], list[list[str]]]]:
    if len(found.models) < 2:
        return []
    table = found.pairs()
    header = ["first - second", "difference", "se", "p", "p, FDR", "p, max"]
    names = ["difference", "se_difference", "p_pairwise", "p_pairwise_fdr", "p_pairwise_max"]
    rows = [
        [f"{row['model']} - {row['other']}", *(number(float(row[name]), 3) for name in names)]
        for row in table.head(_MOST_PAIRS).to_dict(orient="records")
    ]
    more = f" The first {_MOST_PAIRS} of {len(table):,}." if len(table) > _MOST_PAIRS else ""
    return [(f"Differences of models, two-sided.{more}", header, rows)]


def _participants(found: Evaluation) -> list[Chart]:
    if found.n_subjects < 2:
        return []
    order = _order(found)
    names = [found.models[k] for k in order]
    caption = "Similarity of every participant's RDM (row) to every model's (column)."
    people = [str(one) for one in found.subjects]
    return [grid_chart(found.per_subject[order].T, people, names, title="Participants by models", caption=caption)]
