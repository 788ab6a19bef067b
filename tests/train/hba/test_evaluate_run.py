from __future__ import annotations

import dataclasses
import json
import math
import shutil

import numpy as np
import pytest
from reference.hba_runs import train_on, write_targets

from alignkit.models import AdapterConfig
from alignkit.models._run_model import read_run_model
from alignkit.rsa import RDM, compare, rdm
from alignkit.train import HBAScores, LoopConfig, OptimConfig, evaluate_run, run
from alignkit.train._splits import Splits
from alignkit.train.hba._evaluate_run import _curves, evaluate_data
from alignkit.train.hba.config import HBAConfig
from alignkit.train.hba.task import build_task

BASELINES = {"before training", "image features", "ridge on frozen features", "the targets themselves"}


def config_of(out, **changes):
    settings = {
        "backbone": "random:test_vit",
        "text": "minilm",
        "img_size": 32,
        "adapter": AdapterConfig(kind="lora", rank=2, dropout=0.0, image_blocks=1, text_blocks=0),
        "optim": OptimConfig(lr=1e-3),
        "loop": LoopConfig(epochs=3, batch_size=9, device="cpu", progress=False, monitor="val_mse"),
        "n_bootstrap": 40,
    }
    return HBAConfig(**{**settings, **changes}, out=out)


@pytest.fixture(scope="module")
def finished(lab_data, tmp_path_factory):
    """A run on the simulated lab, and its task with the weights of the end."""
    config = config_of(tmp_path_factory.mktemp("runs") / "my-run")
    return config, train_on(lab_data, config)


@pytest.fixture(scope="module")
def scores(lab_data, finished):
    return evaluate_data(lab_data, finished[0].out, device="cpu", progress=False)


@pytest.fixture(scope="module")
def predictions(lab_data, finished):
    """What the model says before and after, made without anything of the evaluation."""
    task = build_task(lab_data, dataclasses.replace(finished[0], cache=False))
    before = task.predictions()
    task.model.load_trained(read_run_model(finished[0].out).trained)
    return before, task.predictions()


def test_the_trained_model_stands_beside_its_baselines(scores):
    frame = scores.to_dataframe()
    held = frame[frame.part == "held-out triplets"]
    assert set(held[held.role == "model"].model) == {"my-run"}
    accuracy = held[held.measure == "odd-one-out accuracy"]
    assert set(accuracy[accuracy.role == "baseline"].model) == BASELINES | {"shuffled items", "chance"}
    assert set(frame.part) == {"held-out triplets", "held-out objects", "validation objects (chosen on)"}
    assert not frame.part.str.contains("train").any()
    named = frame[~frame.model.isin(["shuffled items", "chance"])]
    assert (named.split != "").all()
    chosen = named[(named.model == "my-run") & named.part.str.startswith("validation")]
    assert chosen.split.str.contains("epoch chosen on these 7").all()
    assert named[(named.model == "my-run") & (named.part == "held-out objects")].split.str.contains("on 7 more").all()


def test_scores_on_held_out_objects_are_those_of_plain_steps(scores, lab_data, predictions):
    objects = lab_data.held_out
    people = rdm(lab_data.targets[objects])
    for name, values in zip(("before training", "my-run"), predictions, strict=True):
        for method in ("spearman", "pearson"):
            row = scores.table.value(name, "held-out objects", f"{method} with")
            expected = float(compare(rdm(values[objects]), people, method=method))
            assert row.value == pytest.approx(expected, abs=1e-3)
            assert row.low <= row.high
        r = [np.corrcoef(values[objects, d], lab_data.targets[objects, d])[0, 1] for d in range(12)]
        assert scores.table.value(name, "held-out objects", "mean pearson").value == pytest.approx(np.mean(r), abs=2e-3)
        own = [getattr(one, "after" if name == "my-run" else "before") for one in scores.dimensions]
        assert own == pytest.approx(r, abs=5e-3)


def test_a_head_that_started_at_ridge_is_scored_as_it_was_trained(lab_data, tmp_path):
    config = config_of(tmp_path / "ridge", head="ridge", penalty=1.0)
    values = train_on(lab_data, config).predictions(lab_data.val)
    scores = evaluate_data(lab_data, config.out, device="cpu", progress=False)
    for method in ("spearman", "pearson"):
        row = scores.table.value("ridge", "validation objects", f"{method} with")
        expected = float(compare(rdm(values), rdm(lab_data.targets[lab_data.val]), method=method))
        assert row.value == pytest.approx(expected, abs=1e-3)


def test_answers_are_predicted_by_dot_products(scores, lab_data, predictions):
    low, high = lab_data.scale
    x = low + predictions[1] / 100 * (high - low)
    answers = lab_data.triplets.restrict(lab_data.splits.held_out)
    right = 0
    for i, j, k in lab_data.held_out[answers.items]:
        right += x[i] @ x[j] > max(x[i] @ x[k], x[j] @ x[k])
    row = scores.table.value("my-run", "held-out triplets", "odd-one-out accuracy")
    assert row.value == pytest.approx(right / len(answers), abs=0.011)
    assert row.n == len(answers)
    assert "dot similarities" in row.split
    assert "cosine similarities" in scores.table.value("image features", "held-out triplets", "odd-one-out").split
    assert math.isfinite(row.ceiling_low)


def test_ridge_is_fitted_to_training_objects_and_chosen_on_validation(scores, lab_data, finished):
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    task = build_task(lab_data, dataclasses.replace(finished[0], cache=False))
    x = StandardScaler().fit(task.features(lab_data.train)).transform(task.features())
    train, val, y = lab_data.train, lab_data.val, lab_data.targets
    fits = [Ridge(alpha=10.0**k).fit(x[train], y[train]) for k in np.arange(-1, 6.5, 0.5)]
    best = min(fits, key=lambda fit: ((fit.predict(x[val]) - y[val]) ** 2).mean())
    row = scores.table.value("ridge on frozen features", "held-out objects", "spearman with")
    objects = lab_data.held_out
    expected = float(compare(rdm(best.predict(x[objects])), rdm(y[objects]), method="spearman"))
    assert row.value == pytest.approx(expected, abs=2e-3)
    assert f"penalty {best.alpha:.3g} chosen on 7 more" in row.split


def test_differences_are_of_the_trained_model_to_each_baseline(scores):
    for one in scores.table.differences:
        assert "my-run" in (one.better, one.other)
        assert one.difference >= 0
        assert not one.part.startswith("validation")
        gap = scores.table.value(one.better, one.part, one.measure).value
        gap -= scores.table.value(one.other, one.part, one.measure).value
        assert one.difference == pytest.approx(gap)
        assert one.low <= one.high


def test_the_curves_are_those_that_were_logged(scores, finished):
    lines = [json.loads(line) for line in (finished[0].out / "metrics.jsonl").read_text().splitlines()]
    logged = [line for line in lines if "val" in line]
    curves = scores.curves
    assert curves.steps.tolist() == [line["step"] for line in logged]
    assert curves.mse == pytest.approx([line["val"]["val_mse"] for line in logged])
    assert curves.rdm_spearman == pytest.approx([line["val"]["val_rdm_spearman"] for line in logged])
    assert curves.best_step == min(logged, key=lambda line: line["val"]["val_mse"])["step"]
    assert scores.curves_to_dataframe().step.tolist() == curves.steps.tolist()


def test_a_damaged_log_does_not_change_which_step_the_curves_name(scores, finished, tmp_path):
    kept = scores.curves.best_step
    lines = (finished[0].out / "metrics.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "metrics.jsonl").write_text("".join(line for line in lines if json.loads(line)["step"] != kept))
    (tmp_path / "finished.json").write_text(json.dumps({"best_step": kept}))
    with pytest.warns(UserWarning, match=f"lost the validation of step {kept}"):
        assert _curves(tmp_path, finished[0]).best_step == kept
    (tmp_path / "finished.json").unlink()
    assert _curves(tmp_path, finished[0]).best_step != kept


def test_the_kept_weights_are_scored_through_the_cache_of_the_run(scores, lab_data, finished, tmp_path):
    copy = tmp_path / "my-run"
    shutil.copytree(finished[0].out, copy)
    shutil.rmtree(copy / "cache")
    again = evaluate_data(lab_data, copy, device="cpu", progress=False, n_bootstrap=0)
    assert not (copy / "cache").exists()
    assert [row.model for row in again.table.rows] != []
    for row in again.table.rows:
        if row.measure.startswith("pearson with"):
            own = scores.table.value(row.model, row.part, row.measure)
            assert row.value == pytest.approx(own.value, abs=1e-3)
            assert row.model == "shuffled items" or math.isnan(row.low)


def test_the_result_is_whole(scores, tmp_path):
    scores.save(tmp_path / "scores.json")
    again = HBAScores.load(tmp_path / "scores.json")
    assert repr(again) == repr(scores)
    assert again.table.to_text() == scores.table.to_text()
    assert again.curves.mse == pytest.approx(scores.curves.mse)
    assert len(repr(scores).splitlines()) < 60
    assert "median r" in repr(scores)
    assert len(scores.dimensions_to_dataframe()) == 12
    text = scores.methods_text()
    assert "8 held-out objects" in text
    assert "chosen by val_mse" in text
    scores.save(tmp_path / "scores.csv")


def test_splits_of_the_folder_are_kept_and_other_objects_refused(lab_data, finished, tmp_path):
    copy = tmp_path / "my-run"
    shutil.copytree(finished[0].out, copy)
    other = lab_data.split(held_out=lab_data.splits.held_out, val_share=0.3, seed=9)
    assert other.splits != lab_data.splits
    kept = evaluate_data(other, copy, device="cpu", progress=False, n_bootstrap=0)
    assert kept.table.value("my-run", "validation objects", "spearman with").n_items == len(lab_data.val)
    splits = lab_data.splits
    Splits(splits.train[1:], splits.val, splits.held_out, splits.seed).save(copy / "splits.json")
    with pytest.raises(ValueError, match=f"not those that .* was trained on: {splits.train[0]!r} are in one"):
        evaluate_data(lab_data, copy, device="cpu", progress=False)


def test_too_few_held_out_objects_are_said(lab_data, tmp_path):
    names = lab_data.splits.held_out
    few = dataclasses.replace(
        lab_data, splits=Splits((*lab_data.splits.train, *names[2:]), lab_data.splits.val, names[:2])
    )
    config = config_of(tmp_path / "few", adapter=AdapterConfig(kind="none"))
    train_on(few, config)
    scores = evaluate_data(few, config.out, device="cpu", progress=False)
    assert scores.dimensions == ()
    assert {row.part for row in scores.table.rows} == {"validation objects (chosen on)"}
    assert "held-out objects: 2 objects, too few to compare with the targets." in scores.table.notes
    assert any("held-out triplets: 0 answers" in note for note in scores.table.notes)
    with pytest.raises(ValueError, match="too few held-out objects"):
        scores.plot()


def test_a_study_without_answers_is_scored_from_its_folder_alone(lab_data, tmp_path):
    table = write_targets(tmp_path / "ratings.csv", lab_data)
    held = tmp_path / "held.txt"
    held.write_text("\n".join(lab_data.splits.held_out))
    images = lab_data.images[0][0].parents[1]
    config = config_of(tmp_path / "study", images=images, targets=str(table), root=tmp_path, held_out=held)
    run(config)
    scores = evaluate_run(config.out, device="cpu", progress=False)
    assert {row.part for row in scores.table.rows} == {"held-out objects", "validation objects (chosen on)"}
    assert scores.table.dataset == "ratings.csv"
    assert len(scores.dimensions) == 12
    table.write_text(table.read_text().replace("elongated", "longish"))
    with pytest.raises(ValueError, match=r"ratings\.csv has another content than when the run in .*study began"):
        evaluate_run(config.out, device="cpu", progress=False)


def test_other_dimensions_than_the_models_are_refused(lab_data, finished):
    other = dataclasses.replace(lab_data, dimensions=lab_data.dimensions[::-1])
    with pytest.raises(ValueError, match="other dimensions than the model"):
        evaluate_data(other, finished[0].out, device="cpu", progress=False)


def test_prompts_and_targets_that_changed_since_are_refused(lab_data, finished):
    other = dataclasses.replace(lab_data, prompts=lab_data.prompts[::-1])
    with pytest.raises(ValueError, match=r"the prompts are not those that the model in .*my-run was trained with"):
        evaluate_data(other, finished[0].out, device="cpu", progress=False)
    other = dataclasses.replace(lab_data, scale=(lab_data.scale[0], 2 * lab_data.scale[1]))
    with pytest.raises(ValueError, match="another scale than those of the model"):
        evaluate_data(other, finished[0].out, device="cpu", progress=False)


def test_splits_that_train_on_the_48_are_refused(lab_data, finished):
    other = dataclasses.replace(lab_data, always=(lab_data.splits.train[0], lab_data.splits.held_out[0]))
    with pytest.raises(ValueError, match=f"always held out: '{lab_data.splits.train[0]}'"):
        evaluate_data(other, finished[0].out, device="cpu", progress=False)


def test_people_of_the_48_are_compared_with(lab_data, finished, rng):
    names = lab_data.splits.held_out
    own = rng.random(len(names) * (len(names) - 1) // 2)
    data = dataclasses.replace(lab_data, rdm48=RDM(own, names[::-1]), name="SPoSE-66")
    scores = evaluate_data(data, finished[0].out, device="cpu", progress=False)
    targets = lab_data.targets[lab_data.splits.index("held_out", lab_data.labels)[::-1]]
    row = scores.table.value("SPoSE-66 itself", "RDM48", "spearman")
    assert row.value == pytest.approx(float(compare(rdm(targets), own, method="spearman")))
    assert "possibly optimistic: SPoSE-66 was probably fitted to these answers" in row.split
    assert "optimistic" in scores.table.value("my-run", "RDM48", "pearson").split
    assert "optimistic" not in scores.table.value("image features", "RDM48", "pearson").split
    assert "optimistic" not in scores.table.value("my-run", "held-out objects", "pearson with").split
    assert scores.table.dataset == "THINGS"


def test_what_is_no_finished_run_is_refused(tmp_path, finished):
    with pytest.raises(FileNotFoundError, match="holds no run of alignkit"):
        evaluate_run(tmp_path)
    copy = tmp_path / "copy"
    shutil.copytree(finished[0].out, copy)
    versions = json.loads((copy / "versions.json").read_text())
    (copy / "versions.json").write_text(json.dumps({**versions, "method": "OtherConfig"}))
    with pytest.raises(ValueError, match="there is no training method with a 'OtherConfig'"):
        evaluate_run(copy)


def test_an_unfinished_run_is_refused(tmp_path, finished, lab_data):
    copy = tmp_path / "copy"
    shutil.copytree(finished[0].out, copy, ignore=shutil.ignore_patterns("model.json"))
    with pytest.raises(FileNotFoundError, match="was not finished"):
        evaluate_data(lab_data, copy, device="cpu", progress=False)


@pytest.mark.slow
def test_real_photos_and_real_people(shared_data, tmp_path):
    photos = shared_data("things", "photos")
    config = config_of(
        tmp_path / "things",
        root=shared_data("things").parent,
        images=photos,
        head="ridge",
        adapter=AdapterConfig(kind="none"),
        loop=LoopConfig(epochs=1, batch_size=64, device="cpu", progress=False, monitor="val_mse"),
    )
    run(config)
    scores = evaluate_run(config.out, device="cpu", progress=False)
    table = scores.table
    parts = {row.part for row in table.rows}
    assert {"RDM48", "held-out objects", "validation objects (chosen on)"} <= parts
    # SPoSE against people's own matrix (Hebart et al. 2020): .86 on all 48, a few less or more on those with photos
    own = table.value("SPoSE-66 itself", "RDM48", "pearson")
    assert 0.7 < own.value < 0.95
    assert own.low < own.value < own.high
    assert "optimistic" in own.split
    assert any("of the 1,854 concepts have images" in note for note in table.notes)
    assert len(scores.dimensions) == 66
    assert "RDM48" in repr(scores)
