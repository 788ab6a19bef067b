"""Settings are refused where they make no sense, and presets are settings."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from alignkit.train import LoopConfig
from alignkit.train.embedding._presets import SPOSE_PRESETS, VICE_PRESETS
from alignkit.train.embedding.config import SPoSEConfig, VICEConfig


@pytest.mark.parametrize(
    ("own", "sentence"),
    [
        ({"base": 2}, "base must be 0 or 1"),
        ({"odd": "last"}, "odd must be one of 'first'"),
        ({"val_share": 0.0}, "val_share must lie between 0 and 1"),
        ({"val_share": 0.5, "test_share": 0.5}, "leave nothing to train on"),
        ({"n_dims": 0}, "n_dims must be at least 1"),
        ({"start": "zeros"}, "start must be one of 'rotated', 'random'"),
        ({"loop": LoopConfig()}, "loop.monitor must be one of 'val_cross_entropy'"),
        ({"loop": LoopConfig(monitor="n_dims", mode="max")}, "n_dims is better when it is small"),
        ({"loop": LoopConfig(monitor="n_dims", parallel="fsdp")}, "loop.parallel 'fsdp' would share out"),
    ],
)
@pytest.mark.parametrize("kind", [SPoSEConfig, VICEConfig])
def test_refusals(kind, own, sentence):
    with pytest.raises(ValueError, match=sentence):
        kind(**own)


@pytest.mark.parametrize("own", [{"penalty": -1.0}, {"penalty_per": "dims"}, {"threshold": -0.1}])
def test_refusals_of_spose(own):
    with pytest.raises(ValueError, match=f"^{next(iter(own))} must be"):
        SPoSEConfig(**own)


@pytest.mark.parametrize("own", [{"spike": 0.0}, {"spike_share": 1.0}, {"prior": "cauchy"}, {"fdr": 0.0}])
def test_refusals_of_vice(own):
    with pytest.raises(ValueError, match=f"^{next(iter(own))} must"):
        VICEConfig(**own)


def test_presets():
    for presets, kind in ((SPOSE_PRESETS, SPoSEConfig), (VICE_PRESETS, VICEConfig)):
        made = {name: make() for name, make in presets.items()}
        assert made["default"] == kind()
        published = made["published"]
        assert (published.start, published.loop.batch_size, published.optim.lr) == ("random", 128, 1e-3)
        assert (published.optim.schedule, published.loop.max_steps) == ("constant", None)
    spose, vice = SPOSE_PRESETS["published"](), VICE_PRESETS["published"]()
    assert (spose.penalty, spose.penalty_per, spose.negative_penalty, spose.n_dims) == (0.008, "items", 0.01, 90)
    assert (vice.spike, vice.slab, vice.fdr, vice.min_items, vice.loop.epochs) == (0.25, 1.0, 0.05, 5, 2000)


def test_texts_are_paths():
    config = SPoSEConfig(triplets="a.csv", out="b")
    assert (config.triplets, config.out) == (Path("a.csv"), Path("b"))
    assert dataclasses.replace(config, n_dims=4).triplets == Path("a.csv")
