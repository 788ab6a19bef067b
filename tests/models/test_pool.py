from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from alignkit.models import Model, load
from alignkit.models._pool import Pooling, pooling

from .conftest import PLAIN


def test_rules_equal_plain_loops(rng: np.random.Generator) -> None:
    tokens = torch.from_numpy(rng.normal(size=(2, 5, 4)).astype("float32"))
    maps = torch.from_numpy(rng.normal(size=(2, 4, 3, 3)).astype("float32"))
    for item in range(2):
        np.testing.assert_array_equal(Pooling("cls")(tokens)[item], tokens[item][0])
        patches = sum(tokens[item][k].double() for k in range(2, 5)) / 3
        np.testing.assert_allclose(Pooling("mean-tokens", 2)(tokens)[item], patches, rtol=1e-5)
        space = sum(maps[item, :, i, j].double() for i in range(3) for j in range(3)) / 9
        np.testing.assert_allclose(Pooling("mean-map-channels-first")(maps)[item], space, rtol=1e-4)
        last = maps.permute(0, 2, 3, 1)
        np.testing.assert_allclose(Pooling("mean-map-channels-last")(last)[item], space, rtol=1e-4)
        np.testing.assert_array_equal(Pooling("flatten")(maps)[item], maps[item].reshape(-1))
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    real = sum(tokens[0][k].double() for k in range(3)) / 3
    np.testing.assert_allclose(Pooling("mean-tokens")(tokens, mask)[0], real, rtol=1e-5)


def test_class_tokens_and_registers_are_known() -> None:
    with_class, with_register = load("random:test_vit", device="cpu"), load("random:test_vit2", device="cpu")
    assert pooling(with_class, "blocks.2", "auto") == Pooling("cls")
    assert pooling(with_class, "blocks.2", "mean") == Pooling("mean-tokens", 1)
    assert pooling(with_class, "head_drop", "auto") == Pooling("as-is")
    assert pooling(with_register, "blocks.2", "auto") == Pooling("mean-tokens", 1)
    plain = load("random:vit_tiny_patch16_224", device="cpu", img_size=32)
    assert plain.probe().shapes["patch_embed"] == (4, 192)
    assert pooling(plain, "patch_embed", "auto") == Pooling("mean-tokens", 0)
    with pytest.raises(ValueError, match=r"'patch_embed' of random:vit_tiny_patch16_224 has no class token"):
        pooling(plain, "patch_embed", "cls")
    with pytest.raises(ValueError, match="no class token"):
        pooling(with_register, "blocks.2", "cls")
    with pytest.raises(ValueError, match="one vector of 64 channels"):
        pooling(with_class, "head_drop", "mean")


class ToLast(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(0, 2, 3, 1)


class Flat(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :, :3, :5]


class Deep(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[..., None].expand(-1, -1, -1, -1, 2)


def test_maps_in_either_layout_and_what_is_no_map() -> None:
    layers = [nn.Conv2d(3, 4, 3), ToLast(), ToLast(), ToLast(), Flat(), Deep()]
    model = Model.from_module(nn.Sequential(*layers), PLAIN, name="maps")
    assert model.probe().shapes["1"] == (14, 14, 4)
    assert pooling(model, "0", "auto") == Pooling("mean-map-channels-first")
    assert pooling(model, "1", "mean") == Pooling("mean-map-channels-last")
    assert pooling(model, "4", "flatten") == Pooling("flatten")
    with pytest.raises(ValueError, match=r"a map of shape .* without a class token"):
        pooling(model, "0", "cls")
    with pytest.raises(ValueError, match="in which no two axes are space for sure"):
        pooling(model, "4", "mean")
    with pytest.raises(ValueError, match=r"4 axes per item .* only pool='flatten'"):
        pooling(model, "5", "auto")
    with pytest.raises(ValueError, match="pool must be one of 'auto', 'cls', 'mean', 'flatten'; got 'max'"):
        pooling(model, "0", "max")  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("rule", ["mean-tokens", "mean-map-channels-first", "mean-map-channels-last"])
def test_means_of_half_precision_are_rounded_once(dtype: torch.dtype, rule: Any) -> None:
    output = (torch.rand(2, 24, 24, generator=torch.Generator().manual_seed(0)) + 100).to(dtype)
    output = output if rule == "mean-tokens" else output[:, :, None].expand(2, 24, 24, 24)
    exact = {"mean-tokens": (1,), "mean-map-channels-first": (2, 3), "mean-map-channels-last": (1, 2)}[rule]
    pooled = Pooling(rule)(output)
    assert pooled.dtype == torch.float32
    torch.testing.assert_close(pooled.double(), output.double().mean(exact), rtol=1e-6, atol=0)
