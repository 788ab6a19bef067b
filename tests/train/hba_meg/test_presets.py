"""Settings by name, against what the papers' code and data sections say."""

from __future__ import annotations

import dataclasses

import pytest

from alignkit._config import read_config, to_toml
from alignkit.train.hba_meg._presets import PRESETS, default, published, published_person
from alignkit.train.hba_meg.config import HBAMEGConfig, TermsConfig


def test_the_default_is_what_a_config_is_by_itself():
    assert default() == HBAMEGConfig()
    assert (default().window, default().reach, default().noise, default().adapter.init) == (
        "causal", 0, "off", "identity",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("make", "rank", "terms", "epochs", "batch", "patience", "first"),
    [
        (published, 32, (1.0, 0.1, 0.15), 50, 50, 5, (50, 5)),
        (published_person, 6, (1.0, 0.15, 0.1), 30, 40, 10, (10, 10)),
    ],
)
def test_published_recipes_are_as_published(make, rank, terms, epochs, batch, patience, first):
    config = make()
    assert config.backbone == "open_clip:ViT-L-14/openai"
    assert (config.readout, config.window, config.reach) == ("linear", "centred", 3)
    assert (config.noise, config.scale, config.metric) == ("published", "published", "correlation")
    assert (config.start_image, config.preprocess) == (False, "hba")
    over_all, size, generalization = terms
    expected = TermsConfig(over_all=over_all, each_time=0.0, size=size, generalization=generalization, relative=True)
    assert config.terms == expected
    adapter = config.adapter
    assert (adapter.kind, adapter.rank, adapter.init, adapter.projections) == ("dora", rank, "kaiming-both", ("out",))
    assert (adapter.image_blocks, adapter.text_blocks, adapter.train_magnitude) == (24, 0, False)
    assert adapter.dropout == 0  # theirs never acts
    # two factors of rank r between 1024 channels in each of 24 blocks, and a weight per time and layer
    n_times = {32: 281, 6: 221}[rank]
    assert 24 * 2 * 1024 * rank + n_times * 24 == {32: 1_579_608, 6: 300_216}[rank]
    assert (config.weights_lr, config.optim.lr, config.optim.schedule) == (3e-3, 3e-5, "constant")
    assert config.optim.clip is None
    assert (config.weights_epochs, config.weights_patience) == first
    loop = config.loop
    assert (loop.epochs, loop.batch_size, loop.patience, loop.monitor) == (epochs, batch, patience, "val_loss")


def test_the_split_and_the_grid_are_those_of_each_data_set():
    assert round(published().val_share * 1806) == 350
    assert published_person().val_share * 100 == 20
    assert (published().average, published_person().average) == (1, 5)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_can_be_written_and_read(name, tmp_path):
    config = dataclasses.replace(PRESETS[name](), rdm_times=(-0.1, 1.3), rdms=("p1.zarr", "p2.zarr"))
    (tmp_path / "run.toml").write_text(to_toml(config))
    assert read_config(tmp_path / "run.toml", HBAMEGConfig) == config
