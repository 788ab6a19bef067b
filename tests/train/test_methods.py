"""Every line of the registry leads to a config and to what builds its task."""

from __future__ import annotations

import ast
import dataclasses
from importlib.util import find_spec
from pathlib import Path

import pytest
from reference.toy_method.config import ToyConfig

from alignkit.train import LoopConfig, OptimConfig
from alignkit.train._methods import METHODS, builder, config_class


@pytest.mark.parametrize("name", list(METHODS))
def test_a_method_has_a_config_and_a_builder(name):
    found = config_class(name)
    assert found.__name__ == name
    assert dataclasses.is_dataclass(found)
    config = found()
    assert isinstance(config.out, Path)
    assert isinstance(config.loop, LoopConfig)
    assert isinstance(config.optim, OptimConfig)
    module, function = METHODS[name]
    spec = find_spec(module)
    assert spec is not None
    tree = ast.parse(Path(str(spec.origin)).read_text(encoding="utf-8"))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    arguments = functions[function].args
    assert [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)] == ["config", "folder"]


def test_a_registered_method_is_found(monkeypatch):
    monkeypatch.setitem(METHODS, "ToyConfig", ("reference.toy_method.task", "build"))
    assert config_class("ToyConfig") is ToyConfig
    assert builder(ToyConfig()).__module__ == "reference.toy_method.task"


@pytest.mark.parametrize("value", [None, "hba", 3, ToyConfig(), LoopConfig(), type("HBAConfig", (), {})()])
def test_what_is_no_config_of_a_method_is_refused(value):
    with pytest.raises(TypeError, match=r"^config must be one of 'AligNetConfig', 'ContrastiveConfig'"):
        builder(value)


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match=r"^there is no training method with a 'PIConfig'; there are 'AligNetConfig'"):
        config_class("PIConfig")
