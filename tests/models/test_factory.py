from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from alignkit.models import Preprocess, extract, load

SOURCE = """
import torch
from torch import nn
from alignkit.models import Model, Preprocess

def bare(): return nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
def pair(): return bare(), Preprocess.clip(32)
def own(): return bare(), lambda image: torch.zeros(3, 8, 8)
def model(): return Model.from_module(bare(), Preprocess.hba(32), name="renamed")
def number(): return 3
def bad(): return bare(), 3
constant = 5
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "my_nets.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    path = list(sys.path)
    yield "my_nets"
    sys.modules.pop("my_nets", None)
    assert sys.path == path


def test_a_network_with_its_preprocessing(module: str) -> None:
    model = load(f"{module}:pair", device="cpu")
    assert (model.name, model.preprocess) == ("my_nets:pair", Preprocess.clip(32))
    assert extract(model, [Image.new("RGB", (9, 9))], progress=False).array().shape == (1, 2)
    assert load(f"{module}:pair", device="cpu", preprocess="hba", img_size=48).preprocess == Preprocess.hba(48)
    own = load(f"{module}:own", device="cpu")
    assert own.probe().shapes["0"] == (2, 6, 6)
    assert own.describe()["preprocess"]["callable"] == "my_nets.own.<locals>.<lambda>"
    assert load(f"{module}:model", device="cpu").name == "renamed"


def test_a_bare_network_says_what_is_assumed(module: str) -> None:
    with pytest.warns(UserWarning, match="my_nets:bare gives no preprocessing; ImageNet's usual at 224 pixels"):
        assert load(f"{module}:bare", device="cpu").preprocess == Preprocess.imagenet()
    assert load(f"{module}:bare", device="cpu", preprocess="clip").preprocess == Preprocess.clip()


def test_what_is_no_factory(module: str) -> None:
    with pytest.raises(ValueError, match="there is no module 'no_nets' here"):
        load("no_nets:make", device="cpu")
    with pytest.raises(ValueError, match=r"there is no module 'no\.nets' here"):
        load("no.nets:make", device="cpu")
    for name in ("missing", "constant"):
        with pytest.raises(ValueError, match=f"the module 'my_nets' has no function '{name}'"):
            load(f"{module}:{name}", device="cpu")
    with pytest.raises(TypeError, match=r"my_nets:number must give a torch\.nn\.Module; got int"):
        load(f"{module}:number", device="cpu", preprocess="clip")
    with pytest.raises(TypeError, match="the preprocessing of my_nets:bad must be a Preprocess or a callable; got int"):
        load(f"{module}:bad", device="cpu")
    with pytest.raises(ValueError, match="does not take 'weights'"):
        load(f"{module}:pair", device="cpu", weights="x.safetensors")


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("import nowhere_to_be_found\n", r"'my_nets' cannot be imported \(ModuleNotFoundError: .*nowhere_to_be_found"),
        ("def pair(:\n", r"the module 'my_nets' cannot be imported \(SyntaxError: "),
        ("1 / 0\n", r"the module 'my_nets' cannot be imported \(ZeroDivisionError: division by zero\)"),
        ("def pair(): return {}['x']\n", r"my_nets:pair failed with KeyError: 'x'"),
        ("def pair(size): return size\n", r"my_nets:pair failed with TypeError: .*missing 1 required"),
    ],
)
def test_an_error_inside_your_module_is_yours(module: str, source: str, sentence: str) -> None:
    Path("my_nets.py").write_text(source)
    with pytest.raises(ValueError, match=sentence):
        load(f"{module}:pair", device="cpu")


def test_options_that_would_be_ignored_are_refused(module: str) -> None:
    for function in ("pair", "own", "model"):
        with pytest.raises(ValueError, match=f"my_nets:{function} does not take 'img_size'; leave it out"):
            load(f"{module}:{function}", device="cpu", img_size=64)
    with pytest.raises(ValueError, match="my_nets:model does not take 'preprocess'"):
        load(f"{module}:model", device="cpu", preprocess="clip")
    with pytest.raises(ValueError, match="my_nets:pair has no use for a seed"):
        load(f"{module}:pair", device="cpu", seed=3)
    for bad in (0, -1):
        with pytest.raises(ValueError, match=f"img_size must be at least 1; got {bad}"):
            load(f"{module}:bare", device="cpu", img_size=bad)
    with pytest.raises(ValueError, match="seed must be at least 0; got -1"):
        load("random:resnet10t", device="cpu", seed=-1)
