"""``alignkit extract``: images to features, and refusals before a model is loaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alignkit.rsa import RDM


def draw_images(folder: Path, n: int = 3) -> None:
    image = pytest.importorskip("PIL.Image")
    folder.mkdir()
    for i in range(n):
        pixels = np.random.default_rng(i).integers(0, 255, (40, 40, 3), dtype=np.uint8)
        image.fromarray(pixels).save(folder / f"{i}.png")


def test_extract_images_then_rdm(run, here):
    pytest.importorskip("timm")
    draw_images(here / "photos", 4)
    words = ["extract", "--model", "random:resnet10t", "--images", "photos", "--out", "feats", "--img-size", "32"]
    code, out, err = run(*words, "--device", "cpu", "--no-progress")
    assert (code, err) == (0, "")
    assert "4 items" in out
    assert "saved to feats" in out
    assert run(*words, "--device", "cpu", "--no-progress")[0] == 0  # complete: the same command does no harm
    code, out, _ = run("rdm", "feats", "--out", "r.npz")
    assert code == 0
    assert RDM.load("r.npz").labels == ("0.png", "1.png", "2.png", "3.png")


def test_extract_names_a_broken_image_and_skips_it_when_told(run, here):
    pytest.importorskip("timm")
    draw_images(here / "photos", 3)
    (here / "photos" / "broken.png").write_bytes(b"\x89PNG no image")
    words = ["extract", "--model", "random:resnet10t", "--images", "photos", "--out", "feats", "--img-size", "32"]
    words += ["--device", "cpu", "--no-progress"]
    code, _, err = run(*words)
    assert code == 2
    assert "broken.png" in err
    assert "--on-error skip" in err
    code, out, _ = run(*words[:-1], "--no-progress", "--on-error", "skip", "--out", "feats2")
    assert code == 0
    assert "left out 1 unreadable item(s)" in out


def test_extract_refusals_come_before_the_model_is_loaded(fails, here, monkeypatch):
    monkeypatch.setattr("alignkit.models.load", lambda *_, **__: pytest.fail("the model was loaded"))
    (here / "photos").mkdir()
    (here / "words.csv").write_text("Word,id\ncat,1\n")
    model = ["extract", "--model", "minilm"]
    assert fails(*model, "--out", "f") == "give either --images FOLDER or --texts TABLE; got neither."
    both = ["--images", "photos", "--texts", "words.csv"]
    assert fails(*model, "--out", "f", *both) == "give either --images FOLDER or --texts TABLE; got both."
    assert fails(*model, "--out", "f", "--texts", "words.csv") == "--texts needs --template and --label."
    assert "belong to --texts" in fails(*model, "--out", "f", "--images", "photos", "--label", "id")
    assert "--images no does not exist" in fails(*model, "--out", "f", "--images", "no")
    assert "--images words.csv is not a folder" in fails(*model, "--out", "f", "--images", "words.csv")
    assert "--out words.csv is a file" in fails(*model, "--out", "words.csv", "--images", "photos")
    assert "the folder no of --out" in fails(*model, "--out", "no/f", "--images", "photos")
    assert "lies among the images" in fails(*model, "--out", "photos/f", "--images", "photos")
    assert "--batch-size must be at least 1" in fails(*model, "--out", "f", "--images", "photos", "--batch-size", "0")
    template = ["--template", "{Wort}", "--label", "id"]
    assert "Wort" in fails(*model, "--out", "f", "--texts", "words.csv", *template)


def test_extract_refuses_unknown_models(fails, here):
    pytest.importorskip("torch")
    draw_images(here / "photos", 1)
    assert "no-such-model" in fails("extract", "--model", "no-such-model", "--images", "photos", "--out", "f")


def test_extract_every_block_in_one_pass(run, here):
    pytest.importorskip("timm")
    from alignkit.models import open_features

    draw_images(here / "photos", 3)
    words = ["extract", "--model", "random:test_vit", "--images", "photos", "--img-size", "32", "--no-progress"]
    words += ["--device", "cpu"]
    assert run(*words, "--out", "all", "--layers", "all")[0] == 0
    feats = open_features("all")
    assert feats.layers == tuple(f"blocks.{i}" for i in range(6))
    assert run(*words, "--out", "one", "--layers", "-2")[0] == 0
    np.testing.assert_array_equal(feats.array("blocks.4"), open_features("one").array())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--device", "cuda:99"], "device 'cuda:99' was asked for, torch sees"),
        (["--device", "gpu"], "device must be 'auto', 'cpu', 'cuda', 'cuda:0', 'mps' ...; got 'gpu'."),
        (["--device", "meta"], "device 'meta' cannot compute on this machine; use 'auto' or 'cpu'."),
        (["--layers", "blocks.77"], "`alignkit models show` list all"),
        (["--pool", "cls", "--layers", "patch_embed"], "use --pool mean or 'flatten'"),
        (["--weights", "nowhere.safetensors"], "nowhere.safetensors does not exist."),
        (["--model", "hf:no/such/model"], "hf: takes a folder, or a model of the hub as OWNER/NAME."),
    ],
)
def test_extract_refusals_speak_in_flags(fails, here, words, sentence):
    pytest.importorskip("timm")
    draw_images(here / "photos", 1)
    model = ["--model", "timm:test_vit" if "--weights" in words else "random:test_vit"]
    said = fails("extract", "--images", "photos", "--out", "f", "--img-size", "32", *model, *words)
    assert sentence in said


@pytest.mark.filterwarnings("default")
def test_extract_says_when_a_batch_does_not_fit(run, here, monkeypatch):
    torch = pytest.importorskip("torch")
    pytest.importorskip("timm")
    from alignkit.models import _extract

    draw_images(here / "photos", 4)
    whole = _extract._Run._pass

    def crowded(self, values, labels):
        if len(values) > 2:
            raise torch.OutOfMemoryError
        return whole(self, values, labels)

    monkeypatch.setattr(_extract._Run, "_pass", crowded)
    words = ["extract", "--model", "random:resnet10t", "--images", "photos", "--out", "f", "--img-size", "32"]
    code, out, err = run(*words, "--device", "cpu", "--no-progress")
    assert (code, "4 items" in out) == (0, True)
    told = "a batch of 4 does not fit the memory of cpu; random:resnet10t goes on with 2 at a time "
    told += "(--batch-size starts there)."
    assert err == f"warning: {told}\n"
