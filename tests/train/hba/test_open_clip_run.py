"""A tiny CLIP of open_clip, by its name, through everything that a user does with a real one."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from PIL import Image
from reference.hba_runs import write_targets
from reference.toy_clip import add_tiny_clip, sizes

from alignkit.models import AdapterConfig, export_clip, extract, load
from alignkit.rsa import compare, rdm
from alignkit.train import LoopConfig, OptimConfig, evaluate_run, run
from alignkit.train.hba.config import HBAConfig

open_clip = pytest.importorskip("open_clip")
pytest.importorskip("peft")


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """Random weights of a CLIP that open_clip knows as Tiny-CLIP."""
    return add_tiny_clip(tmp_path, monkeypatch, sizes(layers=3))


@pytest.fixture
def config(lab_data, tmp_path, weights):
    """A study of one's own with the lab's objects, and held-out ones named in a file."""
    table, held = write_targets(tmp_path / "targets.csv", lab_data), tmp_path / "held.txt"
    held.write_text("\n".join(lab_data.splits.held_out))
    return HBAConfig(
        backbone="open_clip:Tiny-CLIP",
        weights=weights,
        images=lab_data.images[0][0].parents[1],
        targets=str(table),
        held_out=held,
        root=tmp_path,
        out=tmp_path / "run",
        adapter=AdapterConfig(kind="dora", rank=2, image_blocks=2, text_blocks=1),
        optim=OptimConfig(lr=3e-3),
        loop=LoopConfig(
            epochs=4, batch_size=8, monitor="val_rdm_spearman", mode="max", device="cpu", progress=False, seed=2
        ),
        n_bootstrap=50,
    )


def pixels(model, paths):
    return torch.stack([torch.from_numpy(np.asarray(model.preprocess(Image.open(path)))) for path in paths])


@pytest.mark.parametrize("ema", [None, 0.5])
def test_from_images_to_an_aligned_model_and_back_into_open_clip(config, lab_data, tmp_path, ema):
    config = dataclasses.replace(config, loop=dataclasses.replace(config.loop, ema=ema))
    result = run(config)
    kept = result.metrics
    assert kept["val_rdm_spearman"] == max(r.metrics["val_rdm_spearman"] for r in result.history.validations)
    assert result.history.best_step > 0

    # load and extract: the same numbers however many images go at once
    model = load(f"run:{config.out}", device="cpu")
    photos = list(lab_data.photos)
    features = extract(model, photos, progress=False).array()
    single = extract(load(f"run:{config.out}", device="cpu"), photos[:5], batch_size=1, progress=False).array()
    assert features.shape == (len(photos), 12)
    assert single == pytest.approx(features[:5], rel=1e-4, abs=1e-3)

    # score: what the run logged of the kept epoch is what the loaded model gives
    splits = json.loads((config.out / "splits.json").read_text())
    row = {name: i for i, name in enumerate(lab_data.labels)}
    means = np.array([features[own].mean(axis=0) for own in lab_data.photos_of])
    val = [row[name] for name in splits["val"]]
    own = compare(rdm(means[val]), rdm(lab_data.targets[val]), method="spearman")
    assert float(own) == pytest.approx(kept["val_rdm_spearman"], abs=1e-3)
    scores = evaluate_run(config.out, device="cpu", progress=False)
    held = [row[name] for name in splits["held_out"]]
    found = scores.table.value("run", "held-out objects", "spearman").value
    assert found == pytest.approx(
        float(compare(rdm(means[held]), rdm(lab_data.targets[held]), method="spearman")), abs=1e-3
    )
    assert {row.model for row in scores.table.rows} >= {"before training", "zero-shot dimension logits"}

    # export: open_clip's own code gives the same dimensions
    out = export_clip(config.out, out=tmp_path / "aligned.safetensors")
    clip = open_clip.create_model("Tiny-CLIP", pretrained=str(out)).eval()
    tokens = open_clip.get_tokenizer("Tiny-CLIP")(list(lab_data.prompts), context_length=16)
    with torch.no_grad():
        x, t = clip.encode_image(pixels(model, photos), normalize=True), clip.encode_text(tokens, normalize=True)
        logits = (clip.logit_scale.exp() * x @ t.T).numpy()
    assert logits == pytest.approx(features, rel=1e-4, abs=2e-3)
