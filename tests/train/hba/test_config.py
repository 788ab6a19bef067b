"""Settings of CLIP-HBA: what they take, and what they refuse in one sentence."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import get_type_hints

import pytest

from alignkit.train import LoopConfig
from alignkit.train.hba import config as module
from alignkit.train.hba.config import HBAConfig


def test_files_may_be_written_as_text():
    config = HBAConfig(images="photos", out="run", start="group", triplets="answers.npz")
    assert (config.images, config.out, config.start) == (Path("photos"), Path("run"), Path("group"))
    assert config == HBAConfig(
        images=Path("photos"), out=Path("run"), start=Path("group"), triplets=Path("answers.npz")
    )
    hints = get_type_hints(HBAConfig)
    named = {field.name for field in dataclasses.fields(HBAConfig) if "Path" in str(hints[field.name])}
    assert set(module._PATHS) == named


def test_a_participant_may_be_named_by_a_number():
    assert HBAConfig(subject=3) == HBAConfig(subject="3")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"loss": "mae"}, "loss must be one of"),
        ({"dropout": 1.0}, "the projection's dropout must lie from 0 up to, not including, 1; got 1.0"),
        ({"val_share": 0}, "val_share must lie between 0 and 1"),
        ({"penalty": 0.0}, "penalty must be a finite number above 0"),
        ({"img_size": 0}, "img_size must be at least 1"),
        ({"img_size": 10**7}, "img_size must be at most 8,192 pixels; got 10,000,000"),
        ({"ridge_constant": 0.0}, "ridge_constant must be a finite number above 0"),
        ({"answers": "human"}, "goes with loss='triplets' alone"),
        ({"loop": LoopConfig(monitor="test_rdm48_spearman", mode="max")}, "no epoch is chosen by held-out objects"),
        ({"loop": LoopConfig(monitor="val_rdm_spearman", mode="min")}, "better when it is large"),
    ],
)
def test_what_makes_no_sense_is_refused(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        HBAConfig(**settings)
