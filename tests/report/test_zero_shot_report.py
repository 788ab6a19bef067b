from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from alignkit.data import ZeroShotSet
from alignkit.models import JointModel, Model, Preprocess, Tokenizer
from alignkit.report import write_zero_shot_report
from alignkit.score import score_zero_shot

torch = pytest.importorskip("torch")


class Squares:
    def __len__(self):
        return 6

    def name(self, i):
        return f"square {i}"

    def image(self, i):
        return Image.new("RGB", (8, 8), ("red", "lime", "blue")[i % 3])


def joint(name, seed):
    """Return a model that reads colours from images and from words alike, with some noise of its own."""
    words = {"red": [1.0, 0, 0], "lime": [0, 1.0, 0], "blue": [0, 0, 1.0]}
    read = Tokenizer("words", 1, lambda texts: torch.tensor([words[text.split()[-1]] for text in texts]))
    mean = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    mix = torch.nn.Linear(3, 3)
    with torch.no_grad():
        mix.weight.copy_(torch.eye(3) + seed * torch.eye(3).roll(1, 0))
    image = Model.from_module(mean, Preprocess(size=8, mean=(0, 0, 0), std=(1, 1, 1)), name=name)
    return JointModel(name, image, Model.from_module(mix, read, name=name, kind="text"), 0.0)


def colours(name):
    return ZeroShotSet(
        name=name,
        kind="classification",
        images=Squares(),
        class_names=("red", "lime", "blue"),
        templates=("all {}",),
        targets=np.arange(6) % 3,
    )


def test_all_sets_come_first_and_the_method_last(read, tmp_path):
    models = [joint("<b>pi</b>", 0.0), joint("web", 9.0)]
    scores = score_zero_shot(models, [colours("cars"), colours("mine")], n_bootstrap=20, device="cpu", progress=False)
    assert scores.value("<b>pi</b>", "cars", "top-1").value == 1.0
    write_zero_shot_report(tmp_path / "page.html", scores)
    page = read(tmp_path / "page.html")
    titles = page.text_of("h2")
    assert titles[0] == "All sets"
    assert titles[-2:] == ["Not scored", "How it was done"]
    assert "2 models on 2 zero-shot sets, beside chance and shuffled classes." in page.text_of("p")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<b>pi</b>" not in text
    assert "Main measures: cars, &lt;b&gt;pi&lt;/b&gt; 1.0000" in text
    assert "2 of 2" in text
