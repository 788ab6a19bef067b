"""AligNet from end to end on coloured pictures: every step, stops between and inside steps, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from alignkit.models import AdapterConfig, Features, extract, load, open_features
from alignkit.rsa import Triplets
from alignkit.train import AligNetChain, AligNetChainConfig, LoopConfig, OptimConfig, run_alignet
from alignkit.train.alignet import _run_alignet
from alignkit.train.alignet._chain_config import PRESETS, STEPS
from alignkit.train.alignet._run_alignet import rerun_alignet
from alignkit.train.embedding._human_embedding import HumanEmbedding

NAMES = [f"thing{item:02d}" for item in range(24)]


@pytest.fixture(scope="module")
def colours(pictures):
    """Mean colours of the items, standardised, as people weigh them here: red above all, which no network knows."""
    x = np.stack([np.asarray(Image.open(pictures / f"{name}_0.png")).mean(axis=(0, 1)) for name in NAMES])
    return (x - x.mean(axis=0)) / x.std() * np.array([1.8, 0.6, 0.2])


@pytest.fixture(scope="module")
def answers(colours, tmp_path_factory):
    """Answers that follow from the colours."""
    rng = np.random.default_rng(2)
    items = np.array([rng.permutation(24)[:3] for _ in range(4000)])
    s = np.stack([(colours[items[:, a]] * colours[items[:, b]]).sum(axis=1) for a, b in ((1, 2), (0, 2), (0, 1))], 1)
    odd = (2 * s + rng.gumbel(size=s.shape)).argmax(axis=1)
    path = tmp_path_factory.mktemp("answers") / "answers.npz"
    Triplets.from_columns(items, odd=odd + 1, base=0, labels=NAMES).save(path)
    return path


@pytest.fixture(scope="module")
def dimensions(colours, tmp_path_factory):
    """Human dimensions: how much of each colour there is, above and below the mean."""
    path = tmp_path_factory.mktemp("dimensions") / "embedding.npz"
    HumanEmbedding(NAMES, np.hstack([np.maximum(colours, 0), np.maximum(-colours, 0)])).save(path)
    return path


@pytest.fixture(scope="module")
def settings(pictures, table, answers, dimensions, tmp_path_factory):
    """Return a small chain."""
    folder = tmp_path_factory.mktemp("chains")
    return AligNetChainConfig(
        images=pictures,
        items=table,
        answers=answers,
        human=str(dimensions),
        root=folder / "nowhere",
        out=folder / "chain",
        teacher_model="random:test_vit",
        teacher_img_size=32,
        divisions=1,
        n_triplets=2000,
        n_clusters=3,
        held_out_share=0.4,
        val_share=0.3,
        backbone="random:test_vit",
        img_size=32,
        head=16,
        centre=True,
        student_temperature=0.0,
        adapter=AdapterConfig(kind="lora", rank=2, image_blocks=1, dropout=0.0),
        optim=OptimConfig(lr=3e-3, weight_decay=0.0, decay_to_init=0.1),
        loop=LoopConfig(
            epochs=1, max_steps=6, batch_size=32, validate_every=3, progress=False, device="cpu", monitor="val_loss"
        ),
        n_bootstrap=50,
    )


@pytest.fixture(scope="module")
def finished(settings):
    """The whole chain, made once."""
    return run_alignet(settings)


@pytest.fixture
def chain(settings, tmp_path):
    """Return the same settings with a folder of their own."""
    return dataclasses.replace(settings, out=tmp_path / "chain")


@pytest.fixture
def half(finished, chain):
    """Return settings whose folder holds the steps before the students."""
    shutil.copytree(finished.path, chain.out)
    for name in ("students", "scores.json", "steps/students.json", "steps/scores.json"):
        path = chain.out / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return chain


def stamps(folder):
    """Return when the JSON files were written, without those that say how often a chain was opened."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.json") if path != folder / "versions.json"}


def weights(folder, arm="aligned"):
    return (folder / "students" / arm / "adapter.safetensors").read_bytes()


def test_one_call_makes_every_step(finished, settings, tmp_path):
    found, out = finished, settings.out
    assert found.done == STEPS
    assert set(found.students) == {"aligned", "untransformed", "shuffled"}
    # nothing of the held-out items is learned from
    held = set((out / "held_out.txt").read_text().split())
    assert len(held) == found.n_held_out == round(0.4 * 24)
    assert found.n_items == 24 - len(held)
    learned = Triplets.load(settings.answers).restrict([name for name in NAMES if name not in held])
    assert found.n_answers == len(learned)
    for arm in found.students:
        splits = json.loads((out / "students" / arm / "splits.json").read_text())
        assert not {name[:7] for name in splits["train"] + splits["val"]} & held
    # the table has students, controls, teachers and the network as it was
    rows = {row.model: row for row in found.scores.table.rows if row.measure == "odd-one-out accuracy"}
    assert {
        "aligned",
        "untransformed (untransformed)",
        "shuffled (shuffled)",
        "before training",
        "teacher, aligned",
        "teacher, untransformed",
    } <= set(rows)
    assert rows["aligned"].n_items == len(held)
    assert rows["aligned"].low <= rows["aligned"].value <= rows["aligned"].high
    assert rows["teacher, aligned"].value > rows["teacher, untransformed"].value
    gap = found.scores.difference("shuffled (shuffled)", "held-out items", "odd-one-out accuracy")
    assert gap.low <= gap.difference <= gap.high
    assert found.teacher.methods[4:] == ("ridge", "ridge, shuffled")
    assert found.notes == ("28 images are in 2 clusters, not in 3: one for ten at most.",)
    assert "drift" in repr(found)
    assert "Muttenthaler" in found.methods_text()
    found.plot()
    found.save(tmp_path / "chain.json")
    assert repr(AligNetChain.load(tmp_path / "chain.json")) == repr(found)
    model = load(f"run:{out}/students/aligned")
    assert extract(model, settings.images, progress=False).n_items == 48


def test_what_is_finished_is_not_made_again(finished, settings):
    before = stamps(settings.out)
    assert repr(run_alignet(settings)) == repr(finished)
    assert stamps(settings.out) == before
    with pytest.raises(FileExistsError, match="holds a chain"):
        run_alignet(settings, resume="never")


def test_a_chain_goes_on_after_stops(finished, half, monkeypatch):
    """Stopped at the second student, and inside it, the weights are those of a chain that nobody stopped."""
    whole, calls = _run_alignet.run, []

    def stopped(config):
        calls.append(config.arm)
        if len(calls) == 2:
            few = dataclasses.replace(config.loop, max_steps=3)
            assert few.max_steps < config.loop.max_steps
            raise KeyboardInterrupt
        return whole(config)

    monkeypatch.setattr(_run_alignet, "run", stopped)
    with pytest.raises(KeyboardInterrupt):
        run_alignet(half)
    assert calls == ["aligned", "untransformed"]
    monkeypatch.setattr(_run_alignet, "run", whole)
    first = (half.out / "students" / "aligned" / "finished.json").stat().st_mtime_ns
    found = run_alignet(half)
    assert (half.out / "students" / "aligned" / "finished.json").stat().st_mtime_ns == first
    assert found.students == finished.students
    for arm in found.students:
        assert weights(half.out, arm) == weights(finished.path, arm)
    assert repr(found.scores) == repr(finished.scores)


def test_steps_alone(chain):
    found = run_alignet(chain, steps=["human", "features"])
    assert found.done == ("human", "features")
    assert found.teacher is None
    assert found.scores is None
    assert open_features(chain.out / "features" / "images").n_items == 48
    with pytest.raises(ValueError, match="no scores yet"):
        found.to_dataframe()
    with pytest.raises(ValueError, match="steps must begin with 'teacher', 'clusters': triplets needs what they make"):
        run_alignet(chain, steps=["triplets"])
    with pytest.raises(ValueError, match="steps must be one of"):
        run_alignet(chain, steps=["teach"])
    # settings of steps to come may change, those of finished ones may not
    run_alignet(dataclasses.replace(chain, n_clusters=4, n_triplets=300), steps=["human"])
    with pytest.raises(ValueError, match=r"other settings \(teacher_img_size 32, now 16\): 'features'"):
        run_alignet(dataclasses.replace(chain, teacher_img_size=16), steps=["human"])
    with pytest.raises(ValueError, match=r"other settings \(held_out_share 0.4, now 0.3\): 'human', 'features'"):
        run_alignet(dataclasses.replace(chain, held_out_share=0.3), steps=["human"])


def test_a_chain_is_made_once_more(finished, settings, tmp_path):
    again = rerun_alignet(settings.out, out=tmp_path / "again")
    assert weights(again.path) == weights(settings.out)
    with pytest.raises(ValueError, match="another folder"):
        rerun_alignet(settings.out, out=settings.out)
    with pytest.raises(ValueError, match="holds no chain"):
        rerun_alignet(tmp_path, out=tmp_path / "new")


def test_photos_and_features_from_elsewhere(chain, pictures, finished, tmp_path):
    """People judged other photos than those that students learn from, and all features are there already."""
    photos, images = tmp_path / "photos", tmp_path / "images"
    for folder, end in ((photos, "_0.png"), (images, "_1.png")):
        folder.mkdir()
        for name in NAMES:
            shutil.copy(pictures / f"{name}{end}", folder / (f"{name}.png" if folder == photos else f"x{name}.png"))
    stored = open_features(finished.path / "features" / "images")
    rows = stored.select([f"{name}_0.png" for name in NAMES]).array()
    Features.from_array(rows, NAMES).save(tmp_path / "items.npz")
    rows = stored.select([f"{name}_1.png" for name in NAMES]).array()
    Features.from_array(rows, [f"x{name}.png" for name in NAMES]).save(tmp_path / "images.npz")
    config = dataclasses.replace(
        chain,
        images=images,
        items=None,
        item_images=photos,
        item_features=tmp_path / "items.npz",
        image_features=tmp_path / "images.npz",
        teacher_model="no-such-model",
        teacher_fit="mlp",
        divisions=0,
        arms=("aligned",),
        n_clusters=2,
        n_triplets=1000,
    )
    found = run_alignet(config)
    assert found.teacher is None
    assert found.n_held_out == round(0.4 * 24)
    rows = {row.model for row in found.scores.table.rows if row.measure == "odd-one-out accuracy"}
    assert {"aligned", "teacher, aligned"} <= rows
    # all images may be learned from: none of them shows a photo of a held-out item
    splits = json.loads((chain.out / "students" / "aligned" / "splits.json").read_text())
    assert len(splits["train"]) + len(splits["val"]) == 24


def test_students_of_triplets_that_are_there_already(chain, triplets):
    config = dataclasses.replace(chain, triplets=triplets, human="answers", items=None, answers=None)
    found = run_alignet(config)
    assert found.done == ("students", "scores")
    assert set(found.students) == {"aligned", "shuffled"}
    assert found.scores is None
    assert "Nothing could be scored" in found.notes[0]
    with pytest.raises(ValueError, match="there is no step 'teacher' where triplets are given"):
        run_alignet(config, steps=["teacher"])


def test_dimensions_are_learned_first(chain):
    config = dataclasses.replace(chain, human="spose", embedding_steps=20)
    found = run_alignet(config, steps=["human"])
    learned = HumanEmbedding.load(chain.out / "human" / "embedding.npz")
    held = set((chain.out / "held_out.txt").read_text().split())
    assert not held & set(learned.labels)
    assert found.done == ("human",)


def test_teachers_of_answers(chain, finished):
    """A matrix fitted to the answers themselves, and what its similarities are divided by in the control."""
    shutil.copytree(finished.path / "features" / "images", chain.out / "features" / "images")
    config = dataclasses.replace(chain, human="answers", teacher_fit="diagonal", divisions=0)
    run_alignet(config, steps=["human", "features", "teacher"])
    noted = json.loads((chain.out / "steps" / "teacher.json").read_text())
    assert "diagonal" in noted["teacher"]
    work = _run_alignet.Chain(config, chain.out)
    assert work.student("untransformed").teacher_temperature == pytest.approx(noted["temperature"])
    assert work.student("aligned").teacher_temperature == 1.0
    assert work.student("shuffled").triplets == work.student("aligned").triplets


WRONG = {
    "human": ({"human": "mice"}, "human must be answers, spose66, spose, vice, or a file"),
    "fit": ({"human": "answers", "teacher_fit": "ridge"}, "ridge learns from human dimensions"),
    "rank": ({"rank": 3}, "rank is for teacher_fit lowrank and orthogonal"),
    "center": ({"human": "spose66", "teacher_center": True}, "takes means away by itself"),
    "no rank": ({"human": "answers", "teacher_fit": "lowrank"}, "lowrank needs rank"),
    "arms": ({"arms": ("aligned", "aligned")}, "arms must be different ones"),
    "val_triplets": ({"val_triplets": "v.npz"}, "val_triplets goes with triplets"),
    "sampling": ({"sampling": ("random",)}, "sampling must be one of"),
    "share": ({"held_out_share": 1.0}, "held_out_share"),
}


@pytest.mark.parametrize("case", WRONG)
def test_settings_that_do_not_go_together(chain, case):
    changes, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(chain, **changes)


def test_inputs_that_do_not_fit(chain, tmp_path, answers):
    with pytest.raises(TypeError, match="config must be an AligNetChainConfig"):
        run_alignet(object())
    other = tmp_path / "others.npz"
    Triplets([[0, 1, 2]], labels=["a", "b", "c"]).save(other)
    with pytest.raises(ValueError, match="names none of the targets' items"):
        run_alignet(dataclasses.replace(chain, answers=other))
    few = tmp_path / "few.npz"
    Triplets(Triplets.load(answers).items[:40], NAMES).save(few)
    with pytest.raises(ValueError, match="too few for a teacher"):
        run_alignet(dataclasses.replace(chain, answers=few))
    some = tmp_path / "some.npz"
    Triplets(Triplets.load(answers).items[:400], NAMES).save(some)
    out = tmp_path / "some"
    with pytest.raises(ValueError, match="too few to choose a teacher's settings on; learn from human dimensions"):
        run_alignet(dataclasses.replace(chain, answers=some, human="answers", teacher_fit="auto", out=out))
    with pytest.raises(ValueError, match="image_blocks is 9"):  # before anything is made
        run_alignet(
            dataclasses.replace(chain, out=tmp_path / "deep", adapter=AdapterConfig(kind="lora", image_blocks=9))
        )
    assert not (tmp_path / "deep" / "features").exists()
    with pytest.raises(FileNotFoundError, match="those about THINGS are not at hand"):
        run_alignet(dataclasses.replace(chain, answers=None))
    with pytest.raises(ValueError, match="the items are no concepts of THINGS"):
        run_alignet(dataclasses.replace(chain, human="spose66"))
    lacking = tmp_path / "dimensions.npz"
    HumanEmbedding(NAMES[:5], np.ones((5, 2))).save(lacking)
    with pytest.raises(ValueError, match="has no dimensions of"):
        run_alignet(dataclasses.replace(chain, human=str(lacking)))
    unknown = tmp_path / "held.txt"
    unknown.write_text("nobody\n")
    with pytest.raises(ValueError, match="nobody"):
        run_alignet(dataclasses.replace(chain, held_out=unknown))
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(NotADirectoryError, match="is a file"):
        run_alignet(dataclasses.replace(chain, out=file))


def test_features_of_other_images(chain, tmp_path):
    features = tmp_path / "features.npz"
    Features.from_array(np.ones((3, 2)), ["a.png", "b.png", "c.png"]).save(features)
    config = dataclasses.replace(chain, image_features=features)
    with pytest.raises(ValueError, match="are not in"):
        run_alignet(config, steps=["human", "features"])
    Features.from_array(np.ones((3, 2))).save(features)
    with pytest.raises(ValueError, match="name no images"):
        run_alignet(config, steps=["human", "features"])


def test_a_folder_of_another_run_is_left_alone(finished, chain):
    shutil.copytree(finished.path / "students" / "aligned", chain.out)
    with pytest.raises(FileExistsError, match="holds a run of AligNetConfig"):
        run_alignet(chain)


def test_presets():
    released, small = PRESETS["alignet-released"](), PRESETS["alignet-small"]()
    assert (released.n_triplets, released.loop.max_steps, released.optim.decay_to_init) == (10_000_000, 100_000, 1.0)
    assert (small.n_triplets, small.centre, small.sampling) == (100_000, True, ("cluster_border",))
