"""The page of arms of Perceptual Initialization: its parts, and names that try to be markup."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alignkit.report import write_pi_report
from alignkit.train import PIArms, PIConfig
from alignkit.train.pi._pi_result import ArmCurve, FirstStage

NASTY = "<script>alert('x')</script>_acc1"


def curve(arm: str, seed: int, end: float) -> ArmCurve:
    values = {name: np.array([0.1, end]) for name in ("zero_shot", NASTY)}
    return ArmCurve(arm=arm, seed=seed, samples=np.array([0.0, 500.0]), values=values, kept=1)


@pytest.fixture
def found(tmp_path):
    curves = [
        curve(arm, seed, 0.3 + 0.1 * (arm == "pi") + 0.01 * seed) for arm in ("web-only", "pi") for seed in (0, 1)
    ]
    first = [FirstStage(arm="pi", seed=0, before={"val_accuracy": 0.5}, after={"val_accuracy": 0.75})]
    return PIArms.compare(tmp_path / "my pi", curves, first, notes=[NASTY], n_bootstrap=10)


def test_the_page_has_every_part(tmp_path, read, found):
    write_pi_report(tmp_path / "page.html", found, PIConfig(pairs=Path(NASTY), out=found.path))
    page = read(tmp_path / "page.html")
    assert page.problems == []
    assert page.text_of("h1") == ["Perceptual Initialization: my pi"]
    titles = page.text_of("h2")
    for title in ("Use it, repeat it", "Learning curves", "Final scores", "Differences to web-only", "Judgements"):
        assert title in titles
    cells = page.text_of("td")
    for cell in ("0.405", "0.305", "+0.100", "0.500", "0.750", "1 of 1", NASTY, "pairs"):
        assert cell in cells, cell
    assert len(page.all("script")) == 1
    assert NASTY in page.text_of("li")
    assert "+0.100, without an interval (fewer than three seeds)" in page.text_of("p")[0]
    assert found.methods_text() in page.text_of("p")
    assert len(page.all("img")) == 1


def test_a_folder_on_its_way_has_a_page(tmp_path, read):
    nothing = PIArms.compare(tmp_path / "pi", [])
    write_pi_report(tmp_path / "page.html", nothing, PIConfig(out=tmp_path))
    page = read(tmp_path / "page.html")
    assert page.text_of("p")[0] == "Finished: nothing; 0 seeds."
    assert not page.all("img")
    with pytest.raises(IsADirectoryError):
        write_pi_report(tmp_path, nothing, PIConfig(out=tmp_path))
