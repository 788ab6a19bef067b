"""Settings that go together, and those that do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignkit._config import read_config, to_toml
from alignkit.train import LoopConfig
from alignkit.train.hba_meg.config import HBAMEGConfig, TermsConfig


def test_files_may_be_written_as_text_and_people_as_numbers():
    config = HBAMEGConfig(rdms=("a.zarr", "b.zarr"), out="run", people=(1, 2), subject=3)
    assert config.rdms == (Path("a.zarr"), Path("b.zarr"))
    assert (config.out, config.people, config.subject) == (Path("run"), ("1", "2"), "3")


def test_settings_come_back_from_a_file(tmp_path):
    config = HBAMEGConfig(
        rdms=("a.zarr",), rdm_times=(-0.1, 1.0), terms=TermsConfig(each_time=2.0), window_s=(0.1, 0.3), tmax=0.5
    )
    path = tmp_path / "config.toml"
    path.write_text(to_toml(config))
    assert read_config(path, HBAMEGConfig) == config


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"window": "late"}, "window must be one of"),
        ({"readout": "log"}, "readout must be one of"),
        ({"metric": "cityblock"}, "metric must be one of"),
        ({"noise": "loud"}, "noise must be one of"),
        ({"reach": -1}, "reach must be"),
        ({"average": 0}, "average must be"),
        ({"val_share": 1.0}, "val_share must"),
        ({"weights_lr": 0.0}, "weights_lr must be"),
        ({"people": ("a", "b"), "held_out_people": ("b",)}, r"b cannot be both trained on \(people\) and held out"),
        ({"loop": LoopConfig(monitor="val_spearman", mode="min")}, "better when it is large; set loop.mode to 'max'"),
        ({"loop": LoopConfig(monitor="loss")}, "loop.monitor must be one of"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, match):
    with pytest.raises(ValueError, match=match):
        HBAMEGConfig(**changes)


def test_a_term_counts_less_than_nothing():
    with pytest.raises(ValueError, match="size must"):
        TermsConfig(size=-1.0)
