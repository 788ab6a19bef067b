from __future__ import annotations

import pytest
import torch

from alignkit.train._precision import Precision, full_precision

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("kind", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_matrix_products_run_in_the_precision(kind, dtype):
    precision = Precision(kind, CPU)
    with precision.autocast():
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == dtype
    assert precision.scales == (kind == "fp16")
    assert full_precision(product).dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64, torch.bool])
def test_other_tensors_stay_what_they_are(dtype):
    x = torch.ones(3).to(dtype)
    assert full_precision(x) is x


def test_a_scale_that_only_shrinks_is_said():
    precision = Precision("fp16", CPU)
    precision.check_scale(1)
    precision.scaler.load_state_dict({**precision.scaler.state_dict(), "scale": 1e-4})
    p = torch.nn.Parameter(torch.ones(1))
    precision.scaler.scale(p.sum()).backward()
    with pytest.raises(ValueError, match=r"infinite in float16 at step 7, however small .* precision='bf16' or 'fp32'"):
        precision.check_scale(7)
    Precision("bf16", CPU).check_scale(1)
