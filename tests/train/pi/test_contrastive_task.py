"""Stage 2: what is handed over, in which order pairs come, and the same gradients however a batch is computed."""

from __future__ import annotations

import dataclasses
import json
import math
import types

import numpy as np
import pytest
import torch
from reference.launch import launch
from reference.pairs import sample, write_shards, write_tar

from alignkit.models import load, load_joint
from alignkit.models._clip_run_model import read_clip_model
from alignkit.models._state_sha256 import state_sha256
from alignkit.train import run
from alignkit.train._loop import fit
from alignkit.train._processes import Processes
from alignkit.train._run_folder import RunFolder
from alignkit.train.pi._contrastive_task import architecture_of, begin, build


def changed(config, **loop):
    return dataclasses.replace(config, loop=dataclasses.replace(config.loop, **loop))


def vision(state):
    return {name.removeprefix("visual."): value for name, value in state.items() if name.startswith("visual.")}


def text(state):
    return {name: value for name, value in state.items() if not name.startswith("visual.")}


def test_the_vision_tower_is_handed_over_and_nothing_else(perceptual, contrastive):
    first = read_clip_model(run(changed(perceptual, max_steps=3)).path)
    own, nothing = begin(contrastive)
    clip, report = begin(dataclasses.replace(contrastive, start=first.path))
    assert nothing is None
    assert state_sha256(vision(clip.state_dict())) == state_sha256(vision(first.state)) == report.vision_sha256
    assert state_sha256(text(clip.state_dict())) == state_sha256(text(own.state_dict()))
    assert state_sha256(vision(own.state_dict())) != report.vision_sha256
    task = build(dataclasses.replace(contrastive, start=first.path))
    assert task.first_sha256["text"] == build(contrastive).first_sha256["text"]
    assert task.first_sha256["vision"] != build(contrastive).first_sha256["vision"]
    assert task.clip.logit_scale.item() == pytest.approx(math.log(1 / 0.07))


def test_the_run_says_what_was_handed_over(perceptual, contrastive):
    first = run(changed(perceptual, max_steps=3)).path
    result = run(changed(dataclasses.replace(contrastive, start=first), max_steps=2))
    said = json.loads((result.path / "hand_over.json").read_text())
    manifest = json.loads((result.path / "model.json").read_text())
    assert all(name.startswith("visual.") for name in said["copied"])
    assert "logit_scale" in said["fresh"]
    assert manifest["arm"] == "stage-1"
    assert set(manifest["first_sha256"]) == {"vision", "text"}


def test_a_trained_model_has_both_towers_and_its_epochs(contrastive):
    result = run(dataclasses.replace(contrastive, loop=dataclasses.replace(contrastive.loop, keep_epochs=1)))
    model = load_joint(f"run:{result.path}", device="cpu")
    features = model.text_features(["n 3", "n 30"])
    assert features.shape == (2, 16)
    assert load(f"run:{result.path}", device="cpu").kind == "image"
    last = read_clip_model(result.path)
    kept = [read_clip_model(result.path / "epochs" / f"{epoch:04d}").state for epoch in (0, 1, 2)]
    assert state_sha256(kept[2]) == state_sha256(last.state)
    assert len({state_sha256(one) for one in kept}) == 3
    assert state_sha256(kept[0]) == state_sha256(begin(contrastive)[0].state_dict())


def seen_by(config):
    """Return the names of the pairs of every step, as a run takes them."""
    task = build(config)
    from alignkit.train._order import Order

    order = Order(n_samples=task.n_samples, batch_size=config.loop.batch_size, seed=config.loop.seed, drop_last=True)
    return [task.names(order.batch(step)) for step in range(2 * order.steps_per_epoch)]


def test_an_epoch_has_every_pair_once_and_the_arms_see_the_same(perceptual, contrastive):
    first = run(changed(perceptual, max_steps=3)).path
    steps = seen_by(changed(contrastive, batch_size=15))
    assert len(steps) == 8
    for epoch in (steps[:4], steps[4:]):
        assert len({name for step in epoch for name in step}) == 60
    assert steps[:4] != steps[4:]
    assert steps == seen_by(changed(dataclasses.replace(contrastive, start=first), batch_size=15))
    assert steps != seen_by(changed(contrastive, batch_size=15, seed=1))


class Killed(Exception):
    """Stands for a process that is gone."""


def test_a_run_killed_within_an_epoch_goes_on_with_the_pair_that_was_next(contrastive, tmp_path):
    config = dataclasses.replace(changed(contrastive, checkpoint_every=1, batch_size=7), augmentation="pi")
    whole, seen = build(config), []
    with RunFolder.open(config.out, config) as folder, Processes.start(config.loop) as processes:
        _noting(whole, seen)
        fit(whole, config.loop, config.optim, folder=folder, processes=processes)
    again, after = dataclasses.replace(config, out=tmp_path / "killed"), []
    for stop in (5, None):
        task = build(again)
        _noting(task, after, stop)
        with RunFolder.open(again.out, again) as folder, Processes.start(config.loop) as processes:
            if stop is None:
                fit(task, again.loop, again.optim, folder=folder, processes=processes)
            else:
                with pytest.raises(Killed):
                    fit(task, again.loop, again.optim, folder=folder, processes=processes)
    assert after[:5] + after[6:] == seen  # the killed step's batch is taken once more
    assert after[5] == after[6 - 1]
    assert state_sha256(task.clip) == state_sha256(whole.clip)


def _noting(task, names, stop=None):
    """Let a task note the pairs of each step as their loss is computed, and die at one of them."""
    original, last = task.loss, []
    inputs = task.inputs

    def noted(self, samples):
        last.append((samples, task.names(samples)))
        return inputs(samples)

    def loss(self, outputs, targets, **named):
        index = targets.tolist()
        names.append(next(found for samples, found in reversed(last) if samples.index.tolist() == index))
        if stop is not None and len(names) > stop:
            raise Killed
        return original(outputs, targets, **named)

    task.inputs, task.loss = types.MethodType(noted, task), types.MethodType(loss, task)


def losses_of(config):
    with (
        Processes.start(config.loop) as processes,
        RunFolder.open(config.out, config, main=processes.is_main) as folder,
    ):
        task = build(config)
        history = fit(task, config.loop, config.optim, folder=folder, processes=processes)
    return [record.losses["loss"] for record in history.steps], [record.grad_norm for record in history.steps]


@pytest.mark.parametrize("loss", ["infonce", "siglip"])
def test_processes_and_parts_change_nothing(contrastive, tmp_path, loss):
    config = changed(dataclasses.replace(contrastive, loss=loss), max_steps=4)
    losses, norms = losses_of(config)
    parts = losses_of(changed(dataclasses.replace(config, out=tmp_path / "parts"), accumulate=4))
    together = launch(losses_of, changed(dataclasses.replace(config, out=tmp_path / "two"), accumulate=2))
    for others, other_norms in [parts, *together]:
        assert others == pytest.approx(losses, rel=2e-5)
        assert other_norms == pytest.approx(norms, rel=2e-3)


def test_plain_accumulation_compares_pairs_of_one_part_only(contrastive, tmp_path):
    config = changed(dataclasses.replace(contrastive, init_scale=1.0), max_steps=2, accumulate=4)
    exact, _ = losses_of(config)
    plain, _ = losses_of(changed(dataclasses.replace(config, out=tmp_path / "plain"), accumulation="plain"))
    # among 16 pairs nobody can be told from 15 others, among 4 from 3
    assert exact[0] == pytest.approx(math.log(16), abs=0.2)
    assert plain[0] == pytest.approx(math.log(4), abs=0.2)


def test_the_scale_stays_within_its_bounds(contrastive):
    config = dataclasses.replace(contrastive, init_scale=1.002, max_scale=1.02)
    result = run(changed(config, epochs=4))
    scales = np.array([record.losses["scale"] for record in result.history.steps])
    assert scales[0] == pytest.approx(1.002)
    assert ((scales >= 1.0) & (scales <= 1.02 + 1e-6)).all()
    assert np.isclose(scales[1:, None], [1.0, 1.02], rtol=0, atol=1e-6).any()
    assert 1.0 <= read_clip_model(result.path).state["logit_scale"].exp().item() <= 1.02 + 1e-6


def test_scale_and_bias_begin_where_the_loss_wants_them(contrastive):
    assert "init_logit_scale" not in architecture_of(contrastive)
    published = architecture_of(dataclasses.replace(contrastive, init_scale=100.0))
    assert published["init_logit_scale"] == pytest.approx(4.60517, abs=1e-5)
    siglip = architecture_of(dataclasses.replace(contrastive, loss="siglip"))
    assert (siglip["init_logit_scale"], siglip["init_logit_bias"]) == (pytest.approx(math.log(10)), -10.0)


def test_the_loss_on_other_pairs_is_followed(contrastive, tmp_path):
    write_shards(tmp_path / "val", [9])
    config = changed(dataclasses.replace(contrastive, val_pairs=tmp_path / "val"), max_steps=2)
    task = build(config)
    found = task.validate(task.module)["val_loss"]
    clip = task.clip.eval()
    from alignkit.train._order import Samples

    rows = np.arange(9)
    samples = Samples(rows, rows, seed=0)
    with torch.no_grad():
        image = clip.encode_image(task.val.images(samples), normalize=True)
        words = clip.encode_text(task.val.tokens(samples), normalize=True)
    logits = clip.logit_scale.exp().detach() * image @ words.T
    wanted = (torch.diagonal(torch.log_softmax(logits, 0)) + torch.diagonal(torch.log_softmax(logits, 1))).mean() / -2
    assert found == pytest.approx(float(wanted), abs=1e-5)


def test_pairs_that_were_left_out_are_named_in_the_run(contrastive, tmp_path):
    shard = tmp_path / "bad"
    shard.mkdir()
    broken = [("000001.png", b"no image"), ("000001.txt", b"n 1")]
    write_tar(shard / "0.tar", [*broken, *[file for k in range(2, 12) for file in sample(k)]])
    config = changed(dataclasses.replace(contrastive, pairs=shard), batch_size=5, max_steps=2)
    with pytest.warns(UserWarning, match=r"0\.tar/000001"):
        result = run(config)
    splits = json.loads((result.path / "splits.json").read_text())
    assert splits["n_pairs"] == 10
    assert splits["left_out"][0][0] == "0.tar/000001"


def test_without_pairs_it_says_what_to_name(contrastive):
    with pytest.raises(ValueError, match="pairs is not given: name shards"):
        run(dataclasses.replace(contrastive, pairs=None))


def followed(config):
    """Return a task's validation, and the same zero-shot accuracies by open_clip's own functions."""
    task = build(config)
    return task, task.validate(task.module)


def test_sets_are_scored_as_open_clip_does(contrastive, colour_set):
    import open_clip

    task, found = followed(dataclasses.replace(contrastive, zero_shot=(colour_set,)))
    the_set = task.followed[0].task
    clip = task.clip.eval()
    tokenize = open_clip.SimpleTokenizer(context_length=8)
    weights = open_clip.build_zero_shot_classifier(
        clip, tokenize, list(the_set.class_names), [lambda c: c, lambda c: f"the {c}"], device="cpu"
    )
    pixels = np.stack([task.batches.preprocess(the_set.image(i)) for i in range(len(the_set))])
    with torch.no_grad():
        logits = clip.encode_image(torch.from_numpy(pixels), normalize=True) @ weights
    hits = (logits.argmax(dim=1).numpy() == the_set.targets).mean()
    assert found["hues_acc1"] == pytest.approx(hits)
    assert found["zero_shot"] == found["hues_acc1"]


def validated(config):
    with Processes.start(config.loop) as processes:
        task = build(config)
        module = processes.wrap(task.module, config.loop)
        return {name: value for name, value in task.validate(module, processes=processes).items()}


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_all_processes_score_a_set_together(contrastive, colour_set, parallel, tmp_path):
    write_shards(tmp_path / "val", [9])
    config = dataclasses.replace(contrastive, zero_shot=(colour_set,), val_pairs=tmp_path / "val")
    alone = validated(config)
    for found in launch(validated, changed(config, parallel=parallel)):
        assert found == pytest.approx(alone, abs=1e-5)


def test_sharded_processes_come_to_the_same_model(contrastive, tmp_path):
    config = changed(contrastive, max_steps=3)
    losses, _ = losses_of(config)
    for others, _ in launch(losses_of, changed(dataclasses.replace(config, out=tmp_path / "fsdp"), parallel="fsdp")):
        assert others == pytest.approx(losses, rel=2e-5)


def test_bfloat16_comes_close(contrastive, tmp_path):
    config = changed(contrastive, max_steps=3)
    losses, _ = losses_of(config)
    rough, _ = losses_of(changed(dataclasses.replace(config, out=tmp_path / "bf16"), precision="bf16"))
    assert rough != losses
    assert rough == pytest.approx(losses, rel=0.05)


def test_agreement_with_people_is_followed_by_the_scores_own_numbers(contrastive, shared_data):
    from alignkit.models import Features
    from alignkit.score import score

    root = shared_data("material2afc").parent
    task = build(dataclasses.replace(contrastive, human=("material2afc",), root=root))
    found = task.validate(task.module)
    people, images = task.people[0]
    with torch.no_grad():
        x = task.clip.eval().encode_image(images(np.arange(len(people)))["image"], normalize=True).numpy()
    table = score(
        Features.from_array(x, people.labels, name="mine"), "material2afc", root=root, n_bootstrap=0, n_shuffles=1
    )
    wanted = table.value("mine", "test trials", "2AFC accuracy").value
    assert any(
        name.startswith("material2afc_test_trials_2AFC") and value == pytest.approx(wanted, abs=2e-3)
        for name, value in found.items()
    )
