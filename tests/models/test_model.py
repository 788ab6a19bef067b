from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

import pytest
import torch
from torch import nn

from alignkit.models import Model, Preprocess, load
from alignkit.models._model import weights_sha256

from .conftest import PLAIN


class Odd(nn.Module):
    """Runs its layers in another order than it lists them, one of them twice, one never."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(4, 2)
        self.first = nn.Conv2d(3, 4, 3)
        self.act = nn.ReLU()
        self.unused = nn.Linear(1, 1)
        self.scale = nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.scale(torch.ones(1, 1))
        return self.last(self.act(self.act(self.first(x)).mean((2, 3))))


def test_layers_come_in_the_order_in_which_they_finish() -> None:
    model = Model.from_module(Odd(), PLAIN, name="odd")
    assert model.layers() == ["first", "last", "output"]
    assert model.resolve([0, -1]) == ("first", "output")
    assert model.resolve() == ("output",)


@pytest.mark.parametrize(
    ("layer", "sentence"),
    [
        ("act", "'act' of odd runs 2 times per item, so its output is ambiguous"),
        ("unused", "'unused' of odd does not run by itself"),
        ("scale", "'scale' of odd does not give a tensor with one row per item"),
        ("frist", "odd has no layer 'frist'; did you mean 'first'"),
        (3, "odd has 3 layers, numbered 0 to 2; got 3"),
        ([], "layers is empty"),
        (["first", 0], "layers must differ"),
    ],
)
def test_layers_that_cannot_be_extracted(layer: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Model.from_module(Odd(), PLAIN, name="odd").resolve(layer)  # type: ignore[arg-type]


def test_layers_are_names_or_numbers() -> None:
    with pytest.raises(TypeError, match="a layer is a name or a number; got float"):
        Model.from_module(Odd(), PLAIN, name="odd").resolve([1.5])  # type: ignore[list-item]


def test_numbers_count_a_transformers_blocks() -> None:
    model = load("random:test_vit", device="cpu")
    assert model.resolve([0, -1]) == ("blocks.0", "blocks.5")
    with pytest.raises(ValueError, match="has 6 blocks, numbered 0 to 5; got 6"):
        model.resolve(6)


def test_the_hash_is_of_the_weights_as_used(make_model: Callable[..., Model]) -> None:
    a, b, c = make_model(0), make_model(0), make_model(1)
    assert a.weights_sha256 == b.weights_sha256 != c.weights_sha256
    with torch.no_grad():
        next(a.module.parameters()).view(-1)[0] += 1e-6
    assert weights_sha256(a.module) != b.weights_sha256
    assert weights_sha256(b.module.half()) != b.weights_sha256


def test_the_identity_is_json(make_model: Callable[..., Model]) -> None:
    model = make_model()
    assert json.loads(json.dumps(model.describe()))["preprocess"] == PLAIN.to_dict()
    assert Preprocess.from_dict(model.describe()["preprocess"]) == PLAIN
    torchvision = pytest.importorskip("torchvision.transforms")
    steps = dataclasses.replace(model, preprocess=torchvision.Compose([torchvision.ToTensor()]))
    assert "ToTensor" in steps.describe()["preprocess"]["repr"]

    def own(image: object) -> torch.Tensor:
        return torch.zeros(3, 16, 16)

    described = dataclasses.replace(model, preprocess=own).describe()["preprocess"]
    assert described["callable"].endswith("own")
    assert "0x" not in json.dumps(described)


def test_what_is_no_network_and_what_cannot_run() -> None:
    with pytest.raises(TypeError, match=r"x must give a torch\.nn\.Module; got int"):
        Model.from_module(3, PLAIN, name="x")
    with pytest.raises(TypeError, match="the preprocessing of x must be a Preprocess or a callable; got str"):
        Model.from_module(nn.Identity(), "clip", name="x")
    with pytest.raises(ValueError, match=r"x cannot run on what its preprocessing gives \(\(3, 16, 16\)\)"):
        Model.from_module(nn.Linear(5, 2), PLAIN, name="x").layers()
