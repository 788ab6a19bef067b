"""The one stored output of our own: it guards refactors of the loop, and says nothing about right or wrong."""

from __future__ import annotations

import pytest
from reference.toy_tasks import TripletTask, train

from alignkit.train import LoopConfig, OptimConfig

LOSSES = [
    1.3622460283839903, 0.9472661360751472, 1.03171147633326, 0.875003271569092, 0.7229158041236826,
    0.971303175528297, 0.6110685482871151, 0.5572383935336863, 0.7292426570073005, 0.380576699292294,
    0.8357047044799734, 0.2400910602658285, 0.8541402228315337, 0.2507162477085943, 0.24644789796536537,
    0.28813845436562324, 0.5239195428517683, 0.3306967659373162, 0.17061729791898889, 0.4882750710626215,
]  # fmt: skip
VALIDATIONS = [
    0.9860628004512132, 0.9636304807168072, 0.8819815878210217, 0.7725132172497912, 0.6792042079494962,
    0.62285913980125, 0.5977740833740104, 0.5913859286889372,
]  # fmt: skip


def test_the_loss_curve_of_twenty_steps(tmp_path):
    loop = LoopConfig(epochs=7, max_steps=20, batch_size=8, accumulate=2, ema=0.9, seed=3, device="cpu", progress=False)
    history = train(tmp_path / "run", TripletTask(), loop, OptimConfig(lr=0.02, schedule="cosine", warmup=4, clip=1.0))
    assert [record.losses["loss"] for record in history.steps] == pytest.approx(LOSSES, rel=1e-6)
    assert [record.metrics["loss"] for record in history.validations] == pytest.approx(VALIDATIONS, rel=1e-6)
