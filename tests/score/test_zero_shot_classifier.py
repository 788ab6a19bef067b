"""Class weights against open_clip's, and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from alignkit.score import fill_templates, zero_shot_accuracy, zero_shot_classifier


def test_it_is_that_of_open_clip():
    open_clip = pytest.importorskip("open_clip")
    torch = pytest.importorskip("torch")
    from reference.toy_clip import make_clip

    clip, tokenizer = make_clip(), open_clip.get_tokenizer("ViT-B-32", context_length=16)
    names, templates = ["cat", "dog", "tree frog"], ["a photo of a {}.", "a drawing of the {}.", "{}"]
    prompts = fill_templates(names, templates)
    expected = open_clip.build_zero_shot_classifier(clip, tokenizer, names, templates, num_classes_per_batch=2)
    with torch.no_grad():
        features = clip.encode_text(tokenizer(list(prompts.texts)))
        images = clip.encode_image(torch.rand(20, 3, 32, 32, generator=torch.Generator().manual_seed(1)))
    weights = zero_shot_classifier(features, prompts.classes_of_rows)
    np.testing.assert_allclose(weights, expected.T.numpy(), atol=2e-7)
    targets = np.arange(20) % 3
    right = (images @ expected).argmax(dim=1).numpy() == targets
    np.testing.assert_array_equal(zero_shot_accuracy(images, weights, targets, n_bootstrap=0).per_image, right)


def test_rows_may_come_in_any_order(rng, readonly):
    x, codes = rng.normal(size=(30, 5)), np.arange(30) % 4
    weights = zero_shot_classifier(readonly(x), readonly(codes))
    order = rng.permutation(30)
    np.testing.assert_allclose(zero_shot_classifier(x[order] * 7, codes[order]), weights, atol=1e-14)
    for code in range(4):
        unit = x[codes == code] / np.linalg.norm(x[codes == code], axis=1, keepdims=True)
        np.testing.assert_allclose(weights[code], unit.mean(axis=0) / np.linalg.norm(unit.mean(axis=0)))


@pytest.mark.parametrize(
    ("x", "codes", "text"),
    [
        ([[1.0, 0], [0, 1]], [0, 2], "every class up to 2 needs a prompt; class 1 has none"),
        ([[1.0, 0], [0, 1]], [0, 2**62], "class 1 has none"),
        ([[1.0, 0], [-3, 0]], [0, 0], "prompts of class 0 cancel out"),
        ([[1.0, 0]], [0, 1], "1 of whole numbers"),
    ],
)
def test_classes_without_weights_are_refused(x, codes, text):
    with pytest.raises(ValueError, match=text):
        zero_shot_classifier(x, codes)
