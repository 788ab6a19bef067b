from __future__ import annotations

from typing import NamedTuple

import torch

from alignkit.train._to_device import to_device


class Pair(NamedTuple):
    image: torch.Tensor
    name: str


def test_whatever_holds_tensors_is_moved_and_the_rest_stays():
    x = torch.arange(3.0)
    batch = {"a": x, "b": [x, "text", None], "c": (x, 3), "d": Pair(x, "dog")}
    moved = to_device(batch, torch.device("meta"))
    assert all(value.device.type == "meta" for value in (moved["a"], moved["b"][0], moved["c"][0], moved["d"].image))
    assert moved["b"][1:] == ["text", None]
    assert moved["c"][1] == 3
    assert isinstance(moved["d"], Pair)
    assert moved["d"].name == "dog"
    assert batch["a"] is x
    assert to_device(x, torch.device("cpu")) is x
