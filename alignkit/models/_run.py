"""Running a network: batches, devices, precision, hooks that leave no trace."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Literal

from alignkit._device import as_device as as_device

if TYPE_CHECKING:
    import torch
    from torch import nn

    from alignkit.models._model import Model

Precision = Literal["fp32", "bf16", "fp16"]
#: How torch says, in errors of no kind of their own, that memory has run out.
_NO_MEMORY = ("out of memory", "can't allocate memory", "alloc_failed", "not enough memory")
#: Where libraries put the vector or tokens when a module returns a dictionary, best first.
_KEYS = ("sentence_embedding", "image_features", "last_hidden_state", "token_embeddings", "x_norm_clstoken", "logits")


def prepare(model: Model, value: Any) -> Any:
    """Return one input preprocessed: an array or tensor for an image; texts wait for their batch."""
    if model.kind == "text":
        return value
    from alignkit.models._preprocess import Preprocess, as_rgb

    preprocess: Any = model.preprocess
    return preprocess(value if isinstance(preprocess, Preprocess) else as_rgb(value, (255, 255, 255)))


def collate(model: Model, prepared: list[Any]) -> Any:
    """Return prepared inputs as one batch: a tensor for images, a mapping of tensors for texts.

    Raises
    ------
    ValueError
        Images that the preprocessing brought to different shapes.
    """
    import torch

    if model.kind == "text":
        tokenize: Any = model.preprocess
        return tokenize(prepared)
    rows = [torch.as_tensor(row) for row in prepared]
    shapes = sorted({tuple(row.shape) for row in rows})
    if len(shapes) > 1:
        msg = f"the preprocessing of {model.name} gives images of different shapes ({shapes}); add a crop to it."
        raise ValueError(msg)
    return torch.stack(rows)


def to_device(batch: Any, device: torch.device) -> Any:
    """Return the batch with its tensors on ``device``."""
    if isinstance(batch, Mapping):
        return {name: value.to(device) if hasattr(value, "to") else value for name, value in batch.items()}
    return batch.to(device)


def first_tensor(output: Any) -> torch.Tensor | None:
    """Return the tensor that a module's output stands for, or None when there is none."""
    import torch

    if isinstance(output, torch.Tensor):
        return output
    if isinstance(output, Mapping):
        known = [output[key] for key in _KEYS if output.get(key) is not None]
        return next((value for value in known if isinstance(value, torch.Tensor)), None)
    if isinstance(output, tuple | list) and output:
        return output[0] if isinstance(output[0], torch.Tensor) else None
    return None


@contextmanager
def hooked(module: nn.Module, names: Iterable[str], record: Callable[[str, Any], None]) -> Iterator[None]:
    """Call ``record(name, output)`` whenever one of the named layers has run; remove every hook at the end."""
    wanted = set(names)
    with ExitStack() as stack:
        for name, layer in module.named_modules():
            shown = name or "output"
            if shown in wanted:
                stack.callback(layer.register_forward_hook(_hook(shown, record)).remove)
        yield


def _hook(name: str, record: Callable[[str, Any], None]) -> Callable[[nn.Module, Any, Any], None]:
    def hook(_module: nn.Module, _args: Any, output: Any) -> None:
        record(name, output)

    return hook


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that the memory of a device or of the computer has run out."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _NO_MEMORY)


def free_memory(device: torch.device) -> None:
    """Give back the memory that torch keeps for reuse, which may lie in pieces too small for the next batch."""
    import torch

    if device.type == "cuda":
        torch.cuda.empty_cache()


def _set_training(parts: list[nn.Module]) -> None:
    for part in parts:  # one by one: train() would reach into parts that were frozen in evaluation mode
        part.training = True


@contextmanager
def evaluating(module: nn.Module, precision: Precision = "fp32") -> Iterator[None]:
    """Run in evaluation mode without gradients at this precision, and leave the module as it was."""
    import torch

    training = [part for part in module.modules() if part.training]
    device = next((tensor.device.type for tensor in module.parameters()), "cpu")
    with ExitStack() as stack:
        stack.callback(_set_training, training)
        module.eval()
        stack.enter_context(torch.inference_mode())
        if precision != "fp32":
            dtype = torch.bfloat16 if precision == "bf16" else torch.float16
            stack.enter_context(torch.autocast(device, dtype=dtype))
        if device == "cuda":
            # cuDNN computes float32 convolutions in TF32 unless told otherwise: fp32 must mean fp32
            flags = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
            stack.enter_context(flags)
        yield
