"""Whether a model's answer probabilities have the right size: the reliability diagram and its numbers."""

from __future__ import annotations

from alignkit.report._chart import Chart
from alignkit.report._line_chart import Axes, Line, line_chart
from alignkit.report._page import Section
from alignkit.report._svg import number
from alignkit.rsa import Calibration


def calibration_sections(found: Calibration) -> list[Section]:
    """Return a calibration as parts of a page."""
    header = ["measure", "temperature", "value", "interval", "split"]
    rows = [
        [
            str(row["measure"]).replace("_", " "),
            number(float(row["temperature"]), 3),
            number(float(row["value"])),
            f"[{number(float(row['low']))}, {number(float(row['high']))}]" if row["low"] == row["low"] else "",
            str(row.get("split", "")),
        ]
        for row in found.to_dataframe().to_dict(orient="records")
    ]
    caption = f"{found.n:,} answers to {found.n_triplets:,} triplets; {found.kernel} similarity."
    words = Section("How calibration was measured", paragraphs=[found.methods_text()])
    return [Section("Calibration", figures=[_diagram(found)], tables=[(caption, header, rows)]), words]


def _diagram(found: Calibration) -> Chart:
    lines = []
    for k, name in enumerate(("as it is (T = 1)", f"at the fitted temperature ({number(found.temperature[1], 3)})")):
        there = found.bin_share[k] > 0
        lines.append(Line(name, found.bin_confidence[k][there], found.bin_accuracy[k][there]))
    errors = " and ".join(number(error, 3) for error in found.calibration_error.tolist())
    caption = (
        "How often people gave the answer that the model finds most probable, by how probable it finds that; on the "
        f"dashed line probabilities are right. Expected calibration error {errors}."
    )
    axes = Axes("confidence: probability of the model's choice", "accuracy", diagonal=True)
    return line_chart(lines, title="Reliability", axes=axes, caption=caption)
