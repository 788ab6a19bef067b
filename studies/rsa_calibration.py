"""Whether tests and intervals of models of RDMs keep their promises, for 4 to 30 subjects and 20 to 200 items.

*Data* are simulated from patterns (`studies._rsa_lab`): people share four dimensions, which they weigh differently,
have others of their own, and are measured with noise. Two models know half of what is shared each, a third knows
nothing of it, a fourth scores as high as the ceiling's lower bound. Means over what is generalised to are known from
the data sets themselves and from more of them.

*New subjects*: the items stay, in four sets; *new items*: the subjects stay, in four sets; *both*: nothing stays.

*Tests* at 5 %: how often they reject what is true. Against zero (one-sided): the third model; of subjects, people who
share nothing, since chance makes any model of the same items like what people share. Between models (two-sided): the
two halves. Against the ceiling: the fourth model. Two groups: people of one kind, divided. Tests that promise a level
for any number of subjects (sign flips of up to 20 subjects take all of them; item labels; divisions into groups) may
reject no more often than that; a binomial test says whether they do, corrected for all of them (Bonferroni).

*Intervals* of 95 %: how often they hold the mean, over the first three models.

    python -m studies.rsa_calibration --work FOLDER [--part 1/2]

What is in the folder is not measured again. With ``--part`` half of it is measured and nothing kept; without it, all
that is missing, and the table, the figure, and what `alignkit.rsa.evaluate` warns by are written.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binom

from alignkit._io import read_json, write_json
from alignkit.rsa import compare_groups
from benchmarks._harness import machine
from studies._rsa_lab import Items, draw_items, draw_subjects, measure
from studies._rsa_measures import INTERVALS, LEVEL, flips, lower_bound, mantel, measured, scores_of

SEED = 1
METHODS = ("pearson", "spearman")
SCHEMES = ("subjects", "items", "both")
#: Below this coverage `evaluate` says so.
ENOUGH = 0.92
TABLE = Path(__file__).resolve().parents[1] / "alignkit" / "rsa" / "_inference" / "measured_coverage.json"
#: What is drawn: data sets to test and to know means by, and people who share nothing.
_DATA, _MEANS, _NOTHING = range(3)


@dataclasses.dataclass(frozen=True)
class Size:
    """How much of everything; the small one keeps nothing and takes seconds."""

    subjects: tuple[int, ...] = (4, 6, 10, 16, 30)
    items: tuple[int, ...] = (20, 50, 100, 200)
    n_sets: int = 4
    #: Data sets to test, of people who share nothing, and further ones to know the mean by, the last in each set.
    n_data: int = 320
    n_nothing: int = 400
    n_means: int = 40
    n_bootstrap: int = 300
    n_permutations: int = 199
    #: With more items than the first, half of the data sets and two thirds of the resamples; of ranks, with more than
    #: the second a quarter of the data sets.
    many: tuple[int, int] = (50, 100)

    def n_of(self, method: str, n_items: int) -> tuple[int, int]:
        """Return how many data sets are tested, and by how many resamples: many items take their time."""
        if n_items <= self.many[0]:
            return self.n_data, self.n_bootstrap
        quarter = method == "spearman" and n_items > self.many[1]
        return self.n_data // (4 if quarter else 2), 2 * self.n_bootstrap // 3


SMALL = Size(subjects=(4, 6), items=(8,), n_sets=2, n_data=6, n_nothing=6, n_means=3, n_bootstrap=20, n_permutations=19)


def main() -> None:
    """Measure what is missing, and keep what was found once all is there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for what is measured")
    parser.add_argument("--part", help="1/2: the first of two processes' share")
    parser.add_argument("--small", action="store_true", help="few data sets of few people and items; nothing is kept")
    options = parser.parse_args()
    size = SMALL if options.small else Size()
    units = units_of(size)
    if options.part:
        first, number = (int(x) for x in options.part.split("/"))
        units = shared_out(units, number)[first - 1]
    found = []
    for k, unit in enumerate(units):
        found.append(run_unit(options.work, unit, size))
        print(f"{k + 1} of {len(units)}: {unit.name}, {found[-1]['processor_seconds']:.0f} s", flush=True)
    if options.part:
        return
    rows = sorted((row for one in found for row in one["rows"]), key=lambda row: (row["n_subjects"], row["n_items"]))
    summed = summary(rows)
    print("\n".join(table(rows)))
    print(json.dumps(summed, indent=1))
    if not options.small:
        keep(rows, summed, sum(one["processor_seconds"] for one in found), size)


def keep(rows: list[dict[str, Any]], summed: dict[str, Any], seconds: float, size: Size) -> None:
    """Write the figures, the table, the picture, and what `evaluate` warns by."""
    from studies._draw_calibration import draw

    content = {
        "study": "rsa_calibration",
        "machine": machine(),
        "seeds": [SEED],
        "epochs": 0,
        "size": dataclasses.asdict(size),
        "processor_seconds": seconds,
        "summary": summed,
        "rows": rows,
    }
    here = Path(__file__)
    here.with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")
    here.with_suffix(".md").write_text("\n".join(table(rows)) + "\n")
    TABLE.write_text(json.dumps(coverages(rows), indent=1) + "\n")
    draw(rows).savefig(here.with_suffix(".png"), dpi=110)


@dataclasses.dataclass(frozen=True)
class Unit:
    """What is measured in one go: one design, method, and what is new, or people who share nothing."""

    n_subjects: int
    n_items: int
    method: str
    scheme: str

    @property
    def name(self) -> str:
        """The file's name."""
        return f"{self.n_subjects}-{self.n_items}-{self.method}-{self.scheme}"

    @property
    def cost(self) -> float:
        """How long it takes, beside others."""
        times = {"nothing": 1, "subjects": 1, "items": 5, "both": 5}[self.scheme]
        return times * (2 if self.method == "spearman" else 1) * (5 + self.n_subjects) * self.n_items**1.5


def units_of(size: Size) -> list[Unit]:
    """Return all units, those that take longest first."""
    found = itertools.product(size.subjects, size.items, METHODS, ("nothing", *SCHEMES))
    return sorted((Unit(*one) for one in found), key=lambda unit: -unit.cost)


def shared_out(units: list[Unit], number: int) -> list[list[Unit]]:
    """Return the units of each of ``number`` processes: back and forth, so that all take about as long."""
    parts: list[list[Unit]] = [[] for _ in range(number)]
    for k, unit in enumerate(units):
        turn, place = divmod(k, number)
        parts[place if turn % 2 == 0 else number - 1 - place].append(unit)
    return parts


def run_unit(work: Path, unit: Unit, size: Size) -> dict[str, Any]:
    """Return what is measured of one unit, from the folder where it is there."""
    path = work / f"{unit.name}.json"
    asked = json.loads(json.dumps({"size": dataclasses.asdict(size), "seed": SEED}))
    if path.is_file():
        found: dict[str, Any] = read_json(path)
        if found["asked"] == asked:
            return found
    started = time.process_time()
    if unit.scheme == "nothing":
        rows = nothing_shared(unit.n_subjects, unit.n_items, unit.method, size)
    else:
        rows = Cell(unit.n_subjects, unit.n_items, unit.method, unit.scheme, size).rows()
    rows = [{"n_subjects": unit.n_subjects, "n_items": unit.n_items, **row} for row in rows]
    found = {"asked": asked, "processor_seconds": time.process_time() - started, "rows": rows}
    work.mkdir(parents=True, exist_ok=True)
    write_json(path, found)
    return found


def nothing_shared(n_subjects: int, n_items: int, method: str, size: Size) -> list[dict[str, Any]]:
    """Return the tests of people who have nothing in common: sign flips, t tests, and two groups."""
    found: dict[tuple[str, str], list[float]] = {}
    for k in range(size.n_nothing):
        where = (_NOTHING, n_subjects, n_items, k)
        items = draw_items(SEED, where, n_items)
        data = measure(SEED, where, items, draw_subjects(SEED, where, n_subjects), share=0.0)
        per_subject = scores_of(items.models, data, method)
        zero, models = flips(per_subject, seed=k, n_permutations=999)
        ps = {("sign flips", "zero"): zero, ("sign flips", "models"): models}
        ps["t", "zero"] = float(_t(per_subject[2], two_sided=False))
        ps["t", "models"] = float(_t(per_subject[0] - per_subject[1], two_sided=True))
        if method == "pearson":
            half = n_subjects // 2
            ps["divisions", "groups"] = compare_groups(
                data[:half], data[half:], method="pearson", n_permutations=1000, rng=k
            ).p
        for key, p in ps.items():
            found.setdefault(key, []).append(p)
    return [_test("subjects", method, *key, ps) for key, ps in found.items()]


def _t(x: Any, *, two_sided: bool) -> Any:
    from scipy.stats import ttest_1samp

    return ttest_1samp(x, 0, alternative="two-sided" if two_sided else "greater").pvalue


@dataclasses.dataclass(frozen=True)
class Cell:
    """One design, method, and what is generalised to."""

    n_subjects: int
    n_items: int
    method: str
    scheme: str
    size: Size

    def rows(self) -> list[dict[str, Any]]:
        """Return coverages, levels and powers."""
        n_data, n_bootstrap = self.size.n_of(self.method, self.n_items)
        covered: list[Any] = []
        ps: dict[tuple[str, str], list[float]] = {}
        n_sets = self.size.n_sets if self.scheme != "both" else 1
        for which in range(n_sets):
            known = [self._known(which, k) for k in range(self.size.n_means * (self.size.n_sets // n_sets))]
            weight = self._weight(known)
            found = []
            for k in range(n_data // n_sets):
                models, data = self._draw(_DATA, which, k, weight)
                one = measured(
                    models,
                    data,
                    self.method,
                    self.scheme,
                    n_bootstrap=n_bootstrap,
                    ceilings=self.method == "pearson",
                    seed=k,
                )
                found.append(one)
                for key, p in self._tests(models, data, one, k).items():
                    ps.setdefault(key, []).append(p)
            mean = np.mean([one.score[:3] for one in found] + [score[:3] for score, _ in known], axis=0)
            covered += [_holds(one.intervals[:, :, :3], mean) for one in found]
        rows = [_test(self.scheme, self.method, *key, values) for key, values in ps.items()]
        return [*rows, *_coverage(self.scheme, self.method, np.array(covered))]

    def _draw(self, what: int, which: int, k: int, weight: float | None) -> tuple[Any, Any]:
        """Return models and data of one data set of one set; ``weight`` is that of what is shared in the last model."""
        where = (what, self.n_subjects, self.n_items, which, k)
        fixed = (_DATA, self.n_subjects, self.n_items, which)
        items = draw_items(SEED, fixed if self.scheme == "subjects" else where, self.n_items)
        mirrored = self.scheme == "items"
        subjects = draw_subjects(SEED, fixed if mirrored else where, self.n_subjects, twins=mirrored)
        models = items.models if weight is None else np.vstack([items.models, _mixed(items, weight)])
        return models, measure(SEED, where, items, subjects)

    def _known(self, which: int, k: int) -> tuple[Any, tuple[float, float]]:
        """Return the scores of a further data set, and the ceiling's lower bound beside the score of what is shared."""
        models, data = self._draw(_MEANS, which, k, 1.0)
        score = scores_of(models, data, self.method).mean(axis=1)
        return score, (lower_bound(data), float(score[3]))

    def _weight(self, known: list[Any]) -> float | None:
        """Return the weight of what is shared with which a model scores as high as the ceiling's lower bound."""
        if self.method != "pearson":
            return None
        bound, whole = np.mean([pair for _, pair in known], axis=0)
        return float(np.clip(bound / whole, 0.0, 1.0))

    def _tests(self, models: Any, data: Any, one: Any, k: int) -> dict[tuple[str, str], float]:
        """Return p-values of what is true, and of what is not (``effect``)."""
        ps = {("t", "effect"): float(one.p_zero[0])}
        if self.method == "pearson":
            ps["t", "ceiling"] = one.p_ceiling
        if self.scheme == "subjects":
            chance, _ = flips(scores_of(models, data, self.method), seed=k, n_permutations=999)
            return {**ps, ("sign flips", "chance likeness"): chance}
        ps["t", "zero"], ps["t", "models"] = float(one.p_zero[2]), one.p_models
        if self.scheme == "items":
            of_labels = mantel(models[:3], data, self.method, seed=k, n_permutations=self.size.n_permutations)
            ps["item labels", "zero"], ps["item labels", "effect"] = float(of_labels[2]), float(of_labels[0])
        return ps


def _mixed(items: Items, weight: float) -> Any:
    """Return a model that correlates with what is shared by ``weight``, and else with nothing."""
    rows = [x - x.mean() for x in (items.truth, items.models[2])]
    truth = rows[0] / np.linalg.norm(rows[0])
    other = rows[1] - (rows[1] @ truth) * truth
    return weight * truth + np.sqrt(1 - weight**2) * other / np.linalg.norm(other)


def _holds(intervals: Any, mean: Any) -> Any:
    """Return 1 where an interval holds the mean, 0 where not, NaN without one, shape (kind, model)."""
    low, high = intervals[:, 0], intervals[:, 1]
    return np.where(np.isnan(low), np.nan, (low <= mean) & (mean <= high))


def _test(scheme: str, method: str, kind: str, of: str, ps: list[float]) -> dict[str, Any]:
    p = np.array(ps)
    given = int(np.isfinite(p).sum())
    rejected = int((p <= LEVEL).sum())
    row = {"generalize": scheme, "method": method, "what": "test", "kind": kind, "of": of, "n": given}
    share = rejected / given if given else None
    return {**row, "rejected": rejected, "share": share, "without_p": len(ps) - given, "exact": is_exact(kind, of)}


def is_exact(kind: str, of: str) -> bool:
    """Return whether a test promises its level in any sample."""
    return kind in ("sign flips", "item labels", "divisions") and of in ("zero", "models", "groups")


def _coverage(scheme: str, method: str, covered: Any) -> list[dict[str, Any]]:
    rows = []
    for kind, values in zip(INTERVALS, covered.swapaxes(0, 1), strict=True):
        given = values[np.isfinite(values)]
        row = {"generalize": scheme, "method": method, "what": "interval", "kind": kind, "n": len(given)}
        rows.append({**row, "share": float(given.mean()) if len(given) else None})
    return rows


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return whether the exact tests keep their level, corrected for their number, and the ranges of all others."""
    exact = [row for row in rows if row.get("exact") and row["n"]]
    limit = LEVEL / max(1, len(exact))
    ps = [float(binom.sf(row["rejected"] - 1, row["n"], LEVEL)) for row in exact]
    above = [row for row, p in zip(exact, ps, strict=True) if p < limit]
    others: dict[str, Any] = {}
    for row in rows:
        if not row.get("exact") and row["share"] is not None:
            of = f", {row['of']}" if row["what"] == "test" else ""
            others.setdefault(f"{row['generalize']}, {row['kind']} {row['what']}{of}", []).append(row["share"])
    return {
        "exact_tests": len(exact),
        "smallest_p": min(ps, default=None),
        "bonferroni": limit,
        "above_their_level": above,
        "others": {name: {"least": min(x), "most": max(x)} for name, x in sorted(others.items())},
    }


def coverages(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the coverage of every interval, as `evaluate` reads it."""
    return [
        {
            "generalize": row["generalize"],
            "interval": row["kind"],
            "method": row["method"],
            "n_subjects": row["n_subjects"],
            "n_items": row["n_items"],
            "coverage": round(row["share"], 4),
        }
        for row in rows
        if row["what"] == "interval" and row["share"] is not None
    ]


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Return shares of rejections and of coverage in a Markdown table: a line per claim, a column per design."""
    subjects = sorted({row["n_subjects"] for row in rows})
    lines: dict[tuple[Any, ...], dict[int, str]] = {}
    for row in rows:
        of = f"{row['kind']}: {row['of']}" if row["what"] == "test" else f"{row['kind']} interval"
        name = (row["what"] == "interval", row["generalize"], of, row["method"], row["n_items"], bool(row.get("exact")))
        lines.setdefault(name, {})[row["n_subjects"]] = _shown(row)
    head = "| over new | test (rejects) or interval (covers), per cent | method | items | "
    return [
        head + " | ".join(f"{n} subjects" for n in subjects) + " |",
        "|" + "---|" * (4 + len(subjects)),
        *(
            f"| {scheme} | {of}{' (exact)' if exact else ''} | {method} | {n_items} | "
            + " | ".join(cells.get(n, "") for n in subjects)
            + " |"
            for (_, scheme, of, method, n_items, exact), cells in sorted(lines.items())
        ),
    ]


def _shown(row: dict[str, Any]) -> str:
    if row["share"] is None:
        return "no p"
    low = row["what"] == "interval" and row["share"] < ENOUGH
    return f"**{100 * row['share']:.1f}**" if low else f"{100 * row['share']:.1f}"


if __name__ == "__main__":
    main()
