"""Stage 1: it learns judgements by the loss as it is written, on any number of processes, and leaves all else alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from reference.launch import launch
from reference.pi import write_architecture

from alignkit.models import load
from alignkit.models._clip_run_model import read_clip_model
from alignkit.train import rerun, run
from alignkit.train._order import Order
from alignkit.train._processes import Processes
from alignkit.train.pi._perceptual_task import build, freeze_but, judgement_hits, preprocess_of


def plain_hinge(x, right, margin=0.05):
    """Return the mean hinge of embeddings (n, 3, d), judgement by judgement."""
    costs = []
    for (reference, left, other), vote in zip(x, right, strict=True):
        d = [1 - reference @ y / np.linalg.norm(reference) / np.linalg.norm(y) for y in (left, other)]
        costs.append(max(0.0, margin - (1 if vote else -1) * (d[0] - d[1])))
    return np.mean(costs)


def test_the_tower_learns_and_is_found_again(perceptual):
    result = run(perceptual)
    first, last = (result.history.validations[k].metrics for k in (0, -1))
    assert last["val_accuracy"] > max(0.75, first["val_accuracy"])
    assert last["val_loss"] < first["val_loss"]
    assert result.history.best_step == result.history.n_steps
    saved = read_clip_model(result.path)
    assert saved.towers == ("image",)
    assert all(name.startswith("visual.") for name in saved.state)
    model = load(f"run:{result.path}", device="cpu")
    assert model.preprocess == preprocess_of(perceptual.architecture)
    task = build(perceptual)
    task.clip.visual.load_state_dict({name[7:]: value for name, value in saved.state.items()})
    embeddings = task.embed()
    with torch.no_grad():
        pixels = torch.from_numpy(np.stack([model.preprocess(_open(path)) for path in task.data.photos]))
        assert embeddings == pytest.approx(model.module(pixels).numpy(), abs=1e-5)
    items, right = task.data.parts["val"][0], task.data.right("val")
    assert last["val_loss"] == pytest.approx(plain_hinge(embeddings[items], right), abs=1e-6)


def _open(path):
    from PIL import Image

    return Image.open(path)


def test_the_loss_of_a_batch_is_the_mean_over_its_judgements(perceptual):
    task = build(perceptual)
    samples = Order(n_samples=task.n_samples, batch_size=7, seed=0).batch(0)
    outputs = task.module(task.inputs(samples))
    found = task.loss(outputs, task.targets(samples))
    items, right = task.data.parts["train"][0][samples.index], task.data.right("train")[samples.index]
    x = task.embed()[items]
    assert float(found["loss"].detach()) == pytest.approx(plain_hinge(x, right), abs=1e-6)
    assert task.names(samples)[0] == " ".join(task.data.names[i] for i in items[0])


def test_ties_count_one_half_and_of_three_equal_pairs_one_third():
    same = torch.ones(1, 3, 2)
    assert judgement_hits("2afc", same, torch.ones(1)).tolist() == [0.5]
    assert judgement_hits("odd-one-out", same, torch.ones(1)).tolist() == pytest.approx([1 / 3])
    x = torch.tensor([[[1.0, 0.0], [2.0, 0.1], [0.0, 1.0]]])
    assert judgement_hits("odd-one-out", x, torch.ones(1)).tolist() == [1.0]
    assert judgement_hits("odd-one-out", x[:, [2, 1, 0]], torch.ones(1)).tolist() == [0.0]


def test_the_text_tower_and_the_scale_take_no_part(perceptual):
    task = build(perceptual)
    names = {name for name, _ in task.module.named_parameters()}
    assert all(name.startswith("visual.") for name in names)
    assert "visual.proj" in names
    assert all(parameter.requires_grad for parameter in task.module.parameters())


@pytest.mark.parametrize("vision", [{}, {"layers": [1, 1, 1, 1], "width": 8, "head_width": 16, "patch_size": None}])
def test_attention_alone_trains_in_a_model_that_is_there(perceptual, tmp_path, vision):
    from reference.pi import TINY

    sizes = {name: value for name, value in {**TINY["vision_cfg"], **vision}.items() if value is not None}
    sizes["image_size"] = 32 if vision else 16
    path = write_architecture(tmp_path, vision_cfg=sizes)
    loop = dataclasses.replace(perceptual.loop, max_steps=3, epochs=1)
    base = run(dataclasses.replace(perceptual, architecture=path, loop=loop))
    after = run(
        dataclasses.replace(
            perceptual, architecture=path, loop=loop, start=base.path, trained="attention", out=tmp_path / "after"
        )
    )
    a, b = read_clip_model(base.path).state, read_clip_model(after.path).state
    changed = {
        name for name in a if not torch.equal(a[name], b[name]) and "running" not in name and "num_b" not in name
    }
    wanted = ("q_proj", "k_proj", "v_proj") if vision else ("attn.in_proj_",)
    assert changed
    assert all(any(word in name for word in wanted) for name in changed)


def test_a_tower_without_attention_cannot_be_tuned_by_it():
    with pytest.raises(ValueError, match="needs a vision tower with attention"):
        freeze_but(torch.nn.Linear(2, 2), "attention")


def test_a_start_of_another_architecture_is_refused(perceptual, tmp_path):
    first = run(dataclasses.replace(perceptual, loop=dataclasses.replace(perceptual.loop, max_steps=2)))
    other = dataclasses.replace(
        perceptual, start=first.path, architecture=write_architecture(tmp_path, embed_dim=8), out=tmp_path / "other"
    )
    with pytest.raises(ValueError, match="holds a vision tower of another architecture"):
        run(other)


def losses_of(config, rank_of=0):
    with Processes.start(config.loop) as processes:
        from alignkit.train._loop import fit
        from alignkit.train._run_folder import RunFolder

        with RunFolder.open(config.out, config, main=processes.is_main) as folder:
            history = fit(build(config), config.loop, config.optim, folder=folder, processes=processes)
    return [record.losses["loss"] for record in history.steps], history.validations[-1].metrics


def test_two_processes_come_to_what_one_comes_to(perceptual, tmp_path):
    config = dataclasses.replace(perceptual, loop=dataclasses.replace(perceptual.loop, max_steps=6))
    alone, metrics = losses_of(config)
    together = launch(losses_of, dataclasses.replace(config, out=tmp_path / "two"))
    for losses, others in together:
        assert losses == pytest.approx(alone, abs=2e-5)
        assert others == pytest.approx(metrics, abs=0.02)


def test_a_rerun_comes_to_the_same_bits(perceptual, tmp_path):
    first = run(dataclasses.replace(perceptual, loop=dataclasses.replace(perceptual.loop, max_steps=5)))
    again = rerun(first.path, out=tmp_path / "again")
    a, b = read_clip_model(first.path).state, read_clip_model(again.path).state
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_validation_looks_at_the_images_that_are_kept_back_alone(perceptual):
    task = build(dataclasses.replace(perceptual, val_share=0.02))
    seen: list[int] = []
    source = task.source

    def watched(numbers):
        seen.extend(numbers.tolist())
        return source(numbers)

    task.source = watched
    metrics = task.validate(task.module)
    items, votes = task.data.parts["val"]
    assert sorted(seen) == np.unique(items).tolist() != list(range(24))
    embeddings = task.embed()
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    distances = 1 - np.einsum("nd,nkd->nk", unit[items[:, 0]], unit[items[:, 1:]])
    right = votes[:, 1] > votes[:, 0]
    assert metrics["val_accuracy"] == np.mean((distances[:, 1] < distances[:, 0]) == right)
