from __future__ import annotations

import numpy as np
import pytest

from alignkit._config import to_toml
from alignkit.train.config import LoopConfig
from alignkit.train.hba._objective import Objective
from alignkit.train.hba._presets import PRESETS, default, hba_2025, hba_ccn2024
from alignkit.train.hba.config import MODES, HBAConfig


def test_the_default_is_what_a_config_is_by_itself():
    assert default() == HBAConfig()
    assert default().order == "fixed"
    assert default().adapter.init == "identity"
    assert default().loop.monitor == "val_rdm_spearman"


def test_published_recipes_are_as_published():
    for config in (hba_2025(), hba_ccn2024()):
        assert config.backbone == "open_clip:ViT-L-14/openai"
        assert (config.preprocess, config.order, config.loss, config.targets) == ("hba", "published", "mse", "spose66")
        assert (config.optim.lr, config.optim.weight_decay, config.optim.schedule) == (3e-4, 0.01, "constant")
        assert config.optim.decay_all
        assert config.optim.clip is None
        assert (config.loop.batch_size, config.loop.epochs, config.loop.patience) == (64, 500, 20)
        assert (config.loop.monitor, config.loop.mode, config.loop.ema) == ("val_loss", "min", None)
        assert config.val_share == 0.2
        assert (config.adapter.image_blocks, config.adapter.text_blocks) == (2, 1)
        assert config.adapter.projections == ("out",)
        assert config.adapter.alpha == 16


def test_adapters_differ_between_papers():
    adapter = hba_2025().adapter
    assert (adapter.kind, adapter.rank, adapter.init) == ("dora", 32, "kaiming-both")
    assert adapter.dropout == 0  # theirs never acts
    adapter = hba_ccn2024().adapter
    assert (adapter.kind, adapter.rank, adapter.init) == ("lora", 8, "identity")


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_named_and_can_be_written(name):
    assert PRESETS[name]() == PRESETS[name]()
    assert "backbone" in to_toml(PRESETS[name]())


def test_no_epoch_is_chosen_by_the_48_and_none_for_being_the_worst():
    with pytest.raises(ValueError, match="no epoch is chosen by held-out objects"):
        HBAConfig(loop=LoopConfig(monitor="test_rdm48_spearman", mode="max"))
    with pytest.raises(ValueError, match=r"val_mse is better when it is small; set loop\.mode to 'min'"):
        HBAConfig(loop=LoopConfig(monitor="val_mse", mode="max"))
    with pytest.raises(ValueError, match="val_rdm_pearson is better when it is large"):
        HBAConfig(loop=LoopConfig(monitor="val_rdm_pearson"))


def test_the_direction_of_all_that_is_validated_is_known():
    x = np.random.default_rng(0).random((5, 4))
    metrics = Objective("triplets", (0.0, 1.0)).metrics(x, x[::-1].copy(), np.array([[0, 1, 2]]))
    assert set(metrics) == set(MODES)
    for name, mode in MODES.items():
        assert HBAConfig(loop=LoopConfig(monitor=name, mode=mode)).loop.mode == mode


def test_answers_of_people_need_their_likelihood():
    with pytest.raises(ValueError, match="goes with loss='triplets' alone"):
        HBAConfig(answers="human")
