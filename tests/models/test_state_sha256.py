from __future__ import annotations

import pytest
import torch
from torch import nn

from alignkit.models._state_sha256 import state_sha256


def state() -> dict[str, torch.Tensor]:
    return {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.ones(2), "scale": torch.tensor(2.5)}


def test_order_layout_and_gradients_do_not_matter():
    x = state()
    whole = state_sha256(x)
    assert len(whole) == 64
    assert state_sha256(dict(reversed(x.items()))) == whole
    other = x["weight"].T.contiguous().T.requires_grad_()
    assert not other.is_contiguous()
    assert state_sha256({**x, "weight": other}) == whole
    assert state_sha256({**x, "scale": x["scale"].reshape(1)}) == whole


@pytest.mark.parametrize(
    "change",
    [
        lambda x: {**x, "bias": torch.tensor([1.0, 1.0000001])},
        lambda x: {**x, "bias": x["bias"].double()},
        lambda x: {**x, "bias": x["bias"].bfloat16()},
        lambda x: {**x, "weight": x["weight"].reshape(3, 2)},
        lambda x: {**x, "scale": -x["scale"]},
        lambda x: {**x, "bias": x["bias"].view(torch.int32)},  # the same bits
        lambda x: {"weight": x["bias"], "bias": x["weight"], "scale": x["scale"]},
        lambda x: {("bias2" if name == "bias" else name): value for name, value in x.items()},
        lambda x: {**x, "more": torch.empty(0)},
        lambda x: {name: x[name] for name in ("weight", "scale")},
    ],
)
def test_names_dtypes_shapes_and_bits_matter(change):
    assert state_sha256(change(state())) != state_sha256(state())


def test_a_module_is_its_state():
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    before = state_sha256(module)
    assert before == state_sha256(module.state_dict())
    module[1].running_mean += 1
    assert state_sha256(module) != before


def test_what_has_no_weights_is_refused():
    with pytest.raises(TypeError, match="a module or hold tensors by name; got list"):
        state_sha256([torch.ones(2)])
    with pytest.raises(TypeError, match="a module or hold tensors by name; got dict"):
        state_sha256({"epoch": 3})
    with pytest.raises(TypeError, match=r"'weight' has none \(its device is 'meta'\)"):
        state_sha256({"weight": torch.ones(2, device="meta")})
