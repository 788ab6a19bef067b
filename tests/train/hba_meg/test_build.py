"""The parts of a task: where a model starts, its noise, its inputs."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from alignkit.train import run
from alignkit.train._run_folder import RunFolder
from alignkit.train.hba_meg import _build
from alignkit.train.hba_meg._build import build_model, build_source, build_targets, check_times
from alignkit.train.hba_meg._data import read_data
from alignkit.train.hba_meg.task import build_task
from tests.reference.hba_meg_runs import lab_config
from tests.reference.toy_clip import add_tiny_clip, sizes


@pytest.fixture
def config(meg_lab, tmp_path, monkeypatch):
    weights = add_tiny_clip(tmp_path, monkeypatch, sizes(4))
    return lab_config(meg_lab, tmp_path, weights)


@pytest.fixture
def data(config):
    return read_data(config)


def test_inputs_from_disk_give_what_photos_give(config, data, tmp_path):
    model = build_model(data, config)
    numbers = np.array([3, 0, 5])
    for stage in ("weights", "all"):
        model.stage(stage)
        source = build_source(data, config, model, tmp_path / "cache")
        assert set(source(numbers)) == {"hidden"}
        photos = _build.ImageSource(data.photos, model.towers().preprocess)(numbers)
        with torch.no_grad():
            torch.testing.assert_close(model(source(numbers)), model(photos), rtol=1e-4, atol=1e-4)
    assert len(list((tmp_path / "cache").iterdir())) >= 2  # one per stage, as other things are frozen


def test_where_every_block_is_trained_photos_are_read(config, data, tmp_path):
    adapter = dataclasses.replace(config.adapter, image_blocks=99)
    model = build_model(data, dataclasses.replace(config, adapter=adapter))
    source = build_source(data, config, model, tmp_path / "cache")
    assert set(source(np.array([0]))) == {"image"}


def test_a_group_s_run_is_gone_on_with(config, data):
    run(config)
    again = build_model(data, dataclasses.replace(config, start=config.out))
    table = again.mixing.table.detach()
    assert not torch.equal(table, build_model(data, config).mixing.table)
    assert again.adapter_parameters()
    few = dataclasses.replace(data, times=data.times[:5])
    with pytest.raises(ValueError, match=r"has other times \(12 from .* than the RDMs \(5 from"):
        check_times(again.times, few, config.out)


@pytest.mark.parametrize("noise", ["mean", "published"])
def test_noise_follows_the_generalisation_of_people_s_rdms(config, noise):
    config = dataclasses.replace(config, noise=noise, scale="published" if noise == "published" else "minmax")
    with RunFolder.open(config.out, config) as folder:
        task = build_task(read_data(config), config, folder)
    level = task.store.curves.noise_level()
    np.testing.assert_allclose(task.model.noise_level.numpy(), level, rtol=1e-5)
    assert bool((task.model.spread > 0).any())
    early = torch.from_numpy(task.data.times <= 0)
    # as published nothing but noise is left before the picture; averaged noise leaves the gain alone
    assert bool((task.model.gain[early] == 0).all()) is (noise == "published")


def test_processes_wait_for_the_one_that_makes_the_targets(config, data, tmp_path, monkeypatch):
    tries = []

    def busy_twice(*_, **__):
        tries.append(1)
        if len(tries) < 3:
            raise BlockingIOError
        return "targets"

    monkeypatch.setattr(_build.TargetStore, "build", busy_twice)
    monkeypatch.setattr(_build, "_PAUSE", 0.0)
    with pytest.raises(BlockingIOError):
        build_targets(data, data.train_people, config, tmp_path)
    assert build_targets(data, data.train_people, config, tmp_path, wait=True) == "targets"
    assert len(tries) == 3


def test_published_noise_is_the_same_in_every_validation_whatever_was_drawn_before(config):
    found = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        changed = dataclasses.replace(config, noise="published", out=config.out.with_name(f"noise-{seed}"))
        with RunFolder.open(changed.out, changed) as folder:
            task = build_task(read_data(changed), changed, folder)
        found.append((task.objective.before, task.validate(task.module)))
    assert found[0] == found[1]
    assert found[0][1]["val_loss"] == pytest.approx(1.25)  # what is drawn again is what terms were divided by


def test_a_stretch_without_samples_is_refused_before_anything_is_trained(config):
    late = dataclasses.replace(config, window_s=(5.0, 6.0))
    with pytest.raises(ValueError, match="the window from 5 to 6 s holds no sample"):
        run(late)
    assert not (config.out / "weights").exists()
    run(dataclasses.replace(config, window_s=(0.1, 0.3), weights_epochs=0))


def test_a_group_s_run_is_no_start_of_another_group_s(config):
    run(config)
    again = dataclasses.replace(config, start=config.out, out=config.out.with_name("again"), reach=3)
    with pytest.raises(ValueError, match="at which only models of single people start"):
        run(again)
