"""Features of images and texts in one space, equal to open_clip's own."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from reference import toy_clip
from torch import nn

from alignkit.models import JointModel, Model, Preprocess, Tokenizer

open_clip = pytest.importorskip("open_clip")


def picture(seed, size=(40, 30)):
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def joint(clip):
    from alignkit.models._clip_text import clip_text

    image = Model.from_module(clip.visual, Preprocess.clip(32), name="toy")
    return JointModel("toy", image, clip_text(clip, open_clip.get_tokenizer("ViT-B-32"), name="toy"), 1.0)


def test_features_are_open_clips():
    clip = toy_clip.make_clip()
    model = joint(clip)
    pictures = [picture(seed, (40 + seed, 30)) for seed in range(5)]
    transform = open_clip.image_transform(32, is_train=False)
    tokens = open_clip.get_tokenizer("ViT-B-32")(["a dog", "a cat on a mat"], context_length=16)
    with torch.no_grad():
        images = clip.encode_image(torch.stack([transform(image) for image in pictures])).numpy()
        texts = clip.encode_text(tokens).numpy()
    for batch_size in (2, 64):
        found = model.image_features(iter(pictures), batch_size=batch_size)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, images, atol=1e-5)
        np.testing.assert_allclose(
            model.text_features(["a dog", "a cat on a mat"], batch_size=batch_size), texts, atol=1e-5
        )
    assert not np.allclose(np.linalg.norm(found, axis=1), 1.0)
    assert json.loads(json.dumps(model.describe()))["image"]["weights_sha256"] == model.image.weights_sha256


def test_dropout_is_off_and_the_mode_stays():
    net = nn.Sequential(nn.Flatten(), nn.Dropout(0.5))
    image = Model.from_module(net, Preprocess.clip(8), name="drop")
    net.train()
    words = Tokenizer("words", 1, lambda texts: torch.ones(len(texts), 192))
    model = JointModel("toy", image, Model.from_module(nn.Identity(), words, name="words", kind="text"), 0.0)
    first, second = (model.image_features([picture(0)]) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert net.training
    assert not isinstance(first, torch.Tensor)


def test_what_gives_no_features_is_refused():
    model = joint(toy_clip.make_clip())
    with pytest.raises(TypeError, match="texts must be several strings; got 'a dog'"):
        model.text_features("a dog")
    with pytest.raises(TypeError, match="several strings; got 3"):
        model.text_features(["a", 3])
    with pytest.raises(ValueError, match="there are no texts"):
        model.text_features([])
    with pytest.raises(ValueError, match="there are no images"):
        model.image_features([])
    with pytest.raises(ValueError, match="batch_size"):
        model.image_features([picture(0)], batch_size=0)
    with pytest.raises(ValueError, match="image must be a model of images"):
        JointModel("toy", model.text, model.text, 0.0)
    with pytest.raises(TypeError, match="text must be a Model"):
        JointModel("toy", model.image, None, 0.0)
    with torch.no_grad():
        model.image.module.proj.fill_(float("nan"))
    with pytest.raises(ValueError, match="infinite or NaN"):
        model.image_features([picture(0)])
