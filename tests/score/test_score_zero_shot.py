"""Zero-shot scores from models and sets, against open_clip, scikit-learn and plain loops."""

from __future__ import annotations

import dataclasses
import json
import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from reference import toy_clip
from reference.zero_shot_sets import write_captioned, write_folders, write_wds
from sklearn.metrics import average_precision_score, balanced_accuracy_score

from alignkit.data import ZeroShotSet, open_zero_shot_set
from alignkit.models import JointModel, Model, Preprocess
from alignkit.score import ZeroShotScores, read_clip_benchmark, score_zero_shot
from alignkit.score._zero_shot_measures import credits, main_measure, measured, resampled, texts_of

open_clip = pytest.importorskip("open_clip")
NAMES = ("cat", "dog", "red fox", "horse", "owl", "bear")
TEMPLATES = ("a photo of a {}.", "a drawing of the {c}.")
QUICK = {"progress": False, "n_bootstrap": 200, "device": "cpu"}


@dataclasses.dataclass(frozen=True)
class Noise:
    """Images of four random colours, each of its own number: networks that nobody trained tell these apart."""

    n: int

    def __len__(self):
        return self.n

    def name(self, i):
        return f"noise {i}"

    def image(self, i):
        pixels = np.random.default_rng(i).integers(0, 256, (2, 2, 3), dtype=np.uint8)
        return Image.fromarray(pixels).resize((40, 36), Image.Resampling.NEAREST)


def lively(seed=0):
    """Return a CLIP that nobody trained and that tells images apart all the same: what they share is taken away."""
    clip = toy_clip.make_clip(seed=seed)
    with torch.no_grad():
        clip.visual.class_embedding.zero_()
        clip.visual.positional_embedding.zero_()
        clip.visual.conv1.weight.mul_(20)
        for block in (*clip.visual.transformer.resblocks, *clip.transformer.resblocks):
            block.attn.out_proj.weight.mul_(20)
    return clip


def joint(seed=0, name="toy"):
    from alignkit.models._clip_text import clip_text

    clip = lively(seed)
    image = Model.from_module(clip.visual, Preprocess.clip(32), name=name)
    return JointModel(name, image, clip_text(clip, open_clip.get_tokenizer("ViT-B-32"), name=name), 0.0)


def classes(n=40, name="animals", seed=0):
    targets = np.random.default_rng(seed).integers(0, 5, n)  # nobody is of the last class
    return ZeroShotSet(
        name=name,
        kind="classification",
        images=Noise(n),
        class_names=NAMES,
        templates=TEMPLATES,
        targets=targets,
    )


def several(n=30):
    targets = np.random.default_rng(3).random((n, len(NAMES))) < 0.4
    return ZeroShotSet(
        name="tags",
        kind="multilabel",
        images=Noise(n),
        class_names=NAMES,
        templates=TEMPLATES,
        targets=targets,
    )


def captioned(n=14, name="flickr30k"):
    captions = tuple(tuple(f"picture {i} of {k} {NAMES[i % 6]}" for k in range(1 + i % 3)) for i in range(n))
    return ZeroShotSet(
        name=name, kind="retrieval", images=Noise(n), targets=np.empty(0, dtype=np.int64), captions=captions
    )


def theirs(clip, n):
    """Return unit features of the images, by open_clip's own preprocessing."""
    transform = open_clip.image_transform(32, is_train=False)
    with torch.no_grad():
        x = clip.encode_image(torch.stack([transform(Noise(n).image(i)) for i in range(n)]))
    return torch.nn.functional.normalize(x, dim=-1)


def weights_of(clip):
    """Return open_clip's own classifier."""
    tokenizer = open_clip.get_tokenizer("ViT-B-32", context_length=16)
    templates = [template.replace("{c}", "{}") for template in TEMPLATES]
    return open_clip.build_zero_shot_classifier(
        clip, tokenizer, NAMES, templates, num_classes_per_batch=4, device="cpu"
    )


def test_classes_score_as_with_open_clip():
    found, clip = classes(), lively()
    with torch.no_grad():
        logits = theirs(clip, 40) @ weights_of(clip)
    best = logits.topk(5).indices.numpy()
    scores = score_zero_shot(joint(), found, **QUICK)
    right = [found.targets[i] in best[i, :k] for k in (1, 5) for i in range(40)]
    assert scores.value("toy", "animals", "top-1").value == pytest.approx(np.mean(right[:40]), abs=1e-12)
    assert scores.value("toy", "animals", "top-5").value == pytest.approx(np.mean(right[40:]), abs=1e-12)
    assert len(set(best[:, 0])) > 2  # the check can fail
    recall = scores.value("toy", "animals", "mean per-class")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about the class that no image is of
        expected = balanced_accuracy_score(found.targets, best[:, 0])
    assert recall.value == pytest.approx(expected, abs=1e-12)
    main = scores.value("toy", "animals", "top-1")
    assert main.primary
    assert main.low < main.value < main.high
    assert (main.n, main.over) == (40, "images")
    assert scores.value("chance", "animals", "top-1").value == pytest.approx(1 / 6)
    assert scores.value("chance", "animals", "top-5").value == pytest.approx(5 / 6)
    shuffled = scores.value("classes shuffled", "animals", "top-1")
    assert shuffled.role == "baseline"
    assert abs(shuffled.value - 1 / 6) < 5 * np.sqrt(5 / 36 / 40)


def test_several_classes_score_as_with_scikit_learn():
    found, clip = several(), lively()
    with torch.no_grad():
        logits = (theirs(clip, 30) @ weights_of(clip)).numpy()
    expected = np.mean([average_precision_score(found.targets[:, c], logits[:, c]) for c in range(6)])
    scores = score_zero_shot(joint(), found, **QUICK)
    row = scores.value("toy", "tags", "mean average precision")
    assert row.value == pytest.approx(expected, abs=1e-6)
    assert row.low < row.high
    assert scores.value("chance", "tags", "mean average").value == pytest.approx(found.targets.mean())


def test_captions_score_as_a_plain_loop_does():
    found, clip = captioned(), lively()
    texts = [text for captions in found.captions for text in captions]
    owner = [i for i, captions in enumerate(found.captions) for _ in captions]
    tokens = open_clip.get_tokenizer("ViT-B-32")(texts, context_length=16)
    with torch.no_grad():
        similar = (theirs(clip, 14) @ torch.nn.functional.normalize(clip.encode_text(tokens), dim=-1).T).numpy()
    scores = score_zero_shot(joint(), found, **QUICK)
    at_1 = []
    for k in (1, 5, 10):
        to_image = np.mean([owner[t] in np.argsort(-similar[:, t])[:k] for t in range(len(texts))])
        to_text = np.mean([any(owner[t] == i for t in np.argsort(-similar[i])[:k]) for i in range(14)])
        assert scores.value("toy", "flickr30k", f"R@{k} text to image").value == pytest.approx(to_image, abs=1e-12)
        assert scores.value("toy", "flickr30k", f"R@{k} image to text").value == pytest.approx(to_text, abs=1e-12)
        at_1 += [to_image, to_text] if k == 1 else []
    main = scores.value("toy", "flickr30k", "mean R@1")
    assert main.primary
    assert main.value == pytest.approx(np.mean(at_1), abs=1e-12)
    assert scores.tasks == {"flickr30k": "retrieval/flickr_1k_test_image_text_retrieval"}
    # one of the image's own among 5 of 27 captions, by drawing them
    rng, own = np.random.default_rng(0), np.array(owner)
    drawn = [np.mean([(rng.permutation(own)[:5] == i).any() for i in range(14)]) for _ in range(4000)]
    chance = scores.value("chance", "flickr30k", "R@5 image to text").value
    assert chance == pytest.approx(np.mean(drawn), abs=5 * np.std(drawn) / np.sqrt(4000))
    assert scores.value("chance", "flickr30k", "R@5 text to image").value == pytest.approx(5 / 14)


@pytest.mark.parametrize("found", [classes(), classes(name="vtab/pets"), several(), captioned()], ids=lambda f: f.name)
def test_credits_and_resamples_are_of_the_main_measure(found):
    rng = np.random.default_rng(5)
    texts, owners = texts_of(found)
    options = {"n_bootstrap": 400, "confidence": 0.95, "seed": 1}
    one, other = (
        measured(found, rng.standard_normal((len(found), 8)), rng.standard_normal((len(texts), 8)), owners, **options)
        for _ in range(2)
    )
    main = main_measure(found)
    assert main == {"vtab/pets": "mean_per_class_recall", "animals": "acc1"}.get(found.name, main)
    value, low, high = one.measures[main]
    assert np.mean(credits(found, one, main)) == pytest.approx(value, abs=1e-12)
    samples = resampled(found, [one, other, one], main, n_bootstrap=400, seed=1)
    assert samples.shape == (400, 3)
    np.testing.assert_array_equal(samples[:, 0], samples[:, 2])
    assert not np.array_equal(samples[:, 0], samples[:, 1])
    # the same interval as that of the measure by itself, but for the draws
    ends = np.quantile(samples[:, 0], [0.025, 0.975])
    np.testing.assert_allclose(ends, [low, high], atol=0.25 * (high - low))


def test_resampled_recall_is_a_plain_loops():
    found = classes(name="vtab/pets")
    texts, owners = texts_of(found)
    rng = np.random.default_rng(5)
    features = rng.standard_normal((len(found), 8)), rng.standard_normal((len(texts), 8))
    one = measured(found, *features, owners, n_bootstrap=3, confidence=0.95, seed=1)
    from alignkit.score._zero_shot_measures import _drawn, seed_of

    ((_, times),) = _drawn(len(found), 3, seed_of(found, 1))
    assert times.sum(axis=1).tolist() == [40.0] * 3
    samples = resampled(found, [one], "mean_per_class_recall", n_bootstrap=3, seed=1)[:, 0]
    for drawn, sample in zip(times, samples, strict=True):
        rows = np.repeat(np.arange(40), drawn.astype(int))
        recalls = [one.result.per_image[rows[found.targets[rows] == c]].mean() for c in set(found.targets[rows])]
        assert sample == pytest.approx(np.mean(recalls), abs=1e-12)


def test_models_are_compared_on_the_same_images():
    sets = [classes(), classes(30, "pets", 1), several(), captioned()]
    scores = score_zero_shot([joint(0, "a"), joint(1, "b"), joint(0, "c")], sets, **QUICK)
    assert list(scores.wins) == ["a over b", "a over c", "b over c"]
    same = scores.wins["a over c"]
    assert (same.wins, same.losses, same.ties) == (0, 0, 4)
    other = scores.wins["a over b"]
    gaps = {
        name: scores.value("a", name, row.measure).value - scores.value("b", name, row.measure).value
        for name, row in ((row.part, row) for row in scores.table.rows if row.primary and row.part in scores.tasks)
    }
    assert dict(zip(other.tasks, other.difference, strict=True)) == pytest.approx(gaps, abs=1e-9)
    for one in scores.table.differences:
        if {one.better, one.other} == {"a", "c"}:
            assert (one.difference, one.low, one.high) == (0.0, 0.0, 0.0)
        else:
            assert one.difference >= 0
            assert one.low <= one.difference + 1e-9
            assert one.high >= one.difference - 1e-9
    assert "a over b: " in scores.to_text()
    # a set's numbers do not depend on what else is scored
    alone = score_zero_shot([joint(0, "a")], sets[0], **QUICK).value("a", "animals", "top-1")
    assert repr(alone) == repr(scores.value("a", "animals", "top-1"))  # NaN equals no NaN


def test_families_of_tasks_have_means():
    many = {"cars": tuple(map(str, range(196))), "food101": tuple(map(str, range(101)))}
    first, second = classes(20, "cars"), classes(30, "food101", 1)
    first, second = (dataclasses.replace(one, class_names=many[one.name]) for one in (first, second))
    sets = [first, second, classes(25, "vtab/pets", 2), classes(25, "mine", 3)]
    scores = score_zero_shot(joint(), sets, **QUICK)
    assert scores.tasks == {"cars": "cars", "food101": "food101", "vtab/pets": "vtab/pets", "mine": ""}
    values = [scores.value("toy", name, "top-1").value for name in ("cars", "food101")]
    row = scores.value("toy", "mean of fine-grained", "mean")
    assert row.value == pytest.approx(np.mean(values))
    assert row.low <= row.value <= row.high
    # published, where one over the classes would be 0.00510
    assert scores.value("chance", "cars", "top-1").value == 0.00516
    assert scores.value("chance", "mean of fine-grained", "mean").value == pytest.approx((0.00516 + 0.009901) / 2)
    recall = scores.value("toy", "vtab/pets", "mean per-class")
    assert recall.primary
    assert not scores.value("toy", "vtab/pets", "top-1").primary
    # of six classes, not 37
    assert scores.value("chance", "vtab/pets", "mean per-class").value == pytest.approx(1 / 6)
    assert scores.table.notes[-1] == (
        "vtab/pets is not Oxford-IIIT Pet as it is published: that has 3,669 images and 37 classes, this 25 and 6."
    )
    assert len(scores.table.notes) == 3
    everything = scores.value("toy", "mean of all tasks", "mean")
    assert everything.value == pytest.approx(np.mean([*values, recall.value]))
    assert "mean of VTAB" not in {row.part for row in scores.table.rows}  # of a single set
    assert len(scores.missing) == 28
    assert not {"cars", "food101", "vtab/pets"} & set(scores.missing)
    assert "28 of the 29 + 2 tasks (imagenet1k, " in scores.hint()


def test_results_are_kept(tmp_path):
    scores = score_zero_shot(
        [joint(0, "run:a/b"), joint(1, "open_clip:ViT-B-32/mine")], [classes(), captioned()], **QUICK
    )
    scores.save(tmp_path / "scores.json")
    again = ZeroShotScores.load(tmp_path / "scores.json")
    assert again.to_text() == scores.to_text()
    assert again.methods_text() == scores.methods_text()
    scores.save(tmp_path / "scores.csv")
    assert len((tmp_path / "scores.csv").read_text().splitlines()) == len(scores.table.rows) + 1
    paths = scores.save_clip_benchmark(tmp_path / "records")
    assert len({path.name for path in paths}) == 4
    records = [record for path in paths for record in read_clip_benchmark(path)]
    assert {(r.dataset, r.task) for r in records} == {
        ("animals", "zeroshot_classification"),
        ("retrieval/flickr_1k_test_image_text_retrieval", "zeroshot_retrieval"),
    }
    assert {(r.model, r.pretrained) for r in records} >= {("ViT-B-32", "mine")}
    assert records[0].metrics["acc1"] == pytest.approx(scores.value("run:a/b", "animals", "top-1").value)
    with pytest.raises(NotADirectoryError, match="is a file"):
        scores.save_clip_benchmark(tmp_path / "scores.json")
    axes = scores.plot()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["animals", "flickr30k"]
    assert scores.plot(part="animals").get_title(loc="left").startswith("animals")


def test_runs_and_folders_are_scored_by_name(tmp_path, monkeypatch):
    from alignkit.models._build_clip import build_clip
    from alignkit.models._clip_run_model import save_clip_model

    monkeypatch.setenv("ALIGNKIT_DATA", str(tmp_path / "none"))
    (tmp_path / "run").mkdir()
    config = toy_clip.sizes()
    save_clip_model(
        tmp_path / "run",
        build_clip(config, seed=0),
        architecture=config,
        preprocess=Preprocess.clip(32),
        manifest={"method": "pi"},
    )
    write_wds(tmp_path / "sets" / "wds_colours", [[0, 1, 2], [3, 4]])
    write_wds(tmp_path / "sets" / "wds_tags", [[0, 1, 2, 4]], "multilabel")
    write_captioned(tmp_path / "sets" / "flickr30k", range(3))
    scores = score_zero_shot(f"run:{tmp_path}/run", tmp_path / "sets", **QUICK)
    assert list(scores.tasks) == ["flickr30k", "colours", "tags"]
    row = scores.value(f"run:{tmp_path}/run", "colours", "top-1")
    assert row.n == 5
    assert "top-5 accuracy" not in {row.measure for row in scores.table.rows}  # of three classes
    found = open_zero_shot_set(tmp_path / "sets" / "wds_colours").subset([0, 1])
    assert score_zero_shot(f"run:{tmp_path}/run", found, **QUICK).value("run", "colours", "top-1").n == 2


def test_broken_samples_are_noted(tmp_path):
    folder = write_folders(tmp_path / "x", range(6))
    (folder / "red" / "000.png").write_bytes(b"x")
    with pytest.warns(UserWarning, match="left out"):
        found = open_zero_shot_set(folder, templates=list(TEMPLATES))
    assert "red/000.png" in score_zero_shot(joint(), found, **QUICK).table.notes[0]


def test_what_cannot_be_scored_is_refused(tmp_path):
    with pytest.raises(TypeError, match="models must be names such as 'run:PATH'"):
        score_zero_shot(3, classes())
    with pytest.raises(ValueError, match="models must hold at least one"):
        score_zero_shot([], classes())
    with pytest.raises(ValueError, match="models must hold each model once; 'toy' come twice"):
        score_zero_shot([joint(), joint(1)], classes())
    with pytest.raises(TypeError, match="sets must be folders"):
        score_zero_shot(joint(), 3)
    with pytest.raises(ValueError, match="different names; 'animals' come twice"):
        score_zero_shot(joint(), [classes(), classes()])
    with pytest.raises(ValueError, match="at least one set"):
        score_zero_shot(joint(), [])
    with pytest.raises(FileNotFoundError, match="does not exist"):
        score_zero_shot(joint(), tmp_path / "absent")
    with pytest.raises(ValueError, match="reads no texts"):
        score_zero_shot("minilm", classes())
    with pytest.raises(ValueError, match="n_bootstrap"):
        score_zero_shot(joint(), classes(), n_bootstrap=-1)


def test_without_resamples_there_are_no_intervals():
    scores = score_zero_shot(
        [joint(0, "a"), joint(1, "b")], [classes(), several(), captioned()], **{**QUICK, "n_bootstrap": 0}
    )
    assert all(np.isnan(row.low) for row in scores.table.rows)
    assert json.loads(json.dumps(scores.to_dict()))["settings"]["n_bootstrap"] == 0
