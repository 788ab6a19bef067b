"""Mixed precision: the forward pass in bfloat16 or float16, losses and weights in float32."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from alignkit.train.config import Precision as Kind

#: Below it, float16 gradients overflow whatever the scale: something else is wrong.
SMALLEST_SCALE = 2.0**-10


class Precision:
    """How the forward pass computes, and the scale of losses that keeps float16 gradients from vanishing.

    Parameters
    ----------
    kind : {"fp32", "bf16", "fp16"}
        Of the forward pass.
    device : torch.device
        Where it runs.
    """

    def __init__(self, kind: Kind, device: torch.device) -> None:
        import torch

        self._device = device.type
        self._dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(kind)
        self.scaler = torch.amp.GradScaler(self._device, enabled=kind == "fp16")

    @property
    def scales(self) -> bool:
        """Whether losses are scaled, so that a step with infinite gradients is left out and tried smaller."""
        return self.scaler.is_enabled()

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context that a forward pass runs in."""
        import torch

        # no cache of cast weights: the same forward runs without and with gradients
        return torch.autocast(self._device, self._dtype, cache_enabled=False) if self._dtype else nullcontext()

    def check_scale(self, step: int) -> None:
        """Raise when the scale has become so small that gradients are infinite for another reason."""
        if self.scales and self.scaler.get_scale() < SMALLEST_SCALE:
            msg = (
                f"gradients are infinite in float16 at step {step}, however small the loss is scaled; "
                "train with precision='bf16' or 'fp32'."
            )
            raise ValueError(msg)


def full_precision(output: torch.Tensor) -> torch.Tensor:
    """Return a half-precision tensor in float32, any other as it is."""
    import torch

    return output.float() if output.dtype in (torch.float16, torch.bfloat16) else output
