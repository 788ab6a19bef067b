"""A network in two halves: what stays as it is, to be computed once, and the blocks that are trained."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import nn

from alignkit._check import check_count
from alignkit.models._first_token import first_token_alone, is_first_token_enough
from alignkit.models._pool import Pooling, pooling
from alignkit.models._run import collate, first_tensor, prepare

if TYPE_CHECKING:
    from alignkit.models._model import Model

# Axes: B items, L tokens, D width.

#: The name by which a network finds itself.
_WHOLE = ""


class SplitTower(nn.Module):
    """A network whose forward pass is ``suffix(prefix(x))``, cut before a chosen block.

    The network's own code runs in both halves: the prefix stops where the block would begin; the suffix starts the
    network on a blank input, leaves the earlier blocks out and puts the kept tokens in the block's place. In evaluation
    mode both halves together give the network's own numbers, bit for bit.

    A frozen network stays in evaluation mode; only its adapters see training mode (their dropout). Where the first
    token of the last block is all that is read, training leaves out what only the others need: outputs and gradients
    are the same to rounding, and where adapters have dropout, to what it draws.

    Parameters
    ----------
    network : torch.nn.Module
        The network itself.
    blank : torch.Tensor, shape (1, 3, height, width), or None
        An image that starts the suffix; ``None`` for texts, whose tokens the suffix is given.
    layer : str
        Layer whose output is the embedding; what lies behind it is left out.
    pool : Pooling
        From that layer's output to one vector.
    block_names : sequence of str
        Blocks that the embedding needs, in order; empty for networks that cannot be cut.
    width : int
        Channels of the embedding.
    in_tuples : bool
        Whether the blocks give tuples that begin with the tokens.

    Attributes
    ----------
    block_names : tuple of str
        As given; names within :attr:`network`.
    start : int
        Block that the suffix begins with; at the number of blocks (as at first) the suffix does nothing.

    Examples
    --------
    >>> from alignkit.models import load
    >>> tower = SplitTower.from_model(load("random:test_vit", device="cpu", img_size=32))
    >>> tower.block_names[-1], tower.start, tower.width
    ('blocks.5', 6, 64)
    >>> tower.split_at(5)
    >>> hidden = tower.prefix(torch.zeros(2, 3, 32, 32))
    >>> tuple(hidden.shape), tuple(tower.suffix(hidden).shape)
    ((2, 5, 64), (2, 64))
    """

    blank: torch.Tensor | None

    def __init__(
        self,
        network: nn.Module,
        /,
        *,
        blank: torch.Tensor | None,
        layer: str = "output",
        pool: Pooling | None = None,
        block_names: Sequence[str] = (),
        width: int = 0,
        in_tuples: bool = False,
    ) -> None:
        super().__init__()
        self.network = network
        self.layer = layer
        self.pool = pool or Pooling("as-is")
        self.block_names = tuple(block_names)
        self.start = len(self.block_names)
        self.width = width
        self.in_tuples = in_tuples
        self.reads_first = False
        self.register_buffer("blank", blank, persistent=False)
        self.train(self.training)

    @classmethod
    def from_model(cls, model: Model, layer: str | int | None = None, /) -> Self:
        """Return a model cut where its blocks allow it, with the embedding taken from ``layer``, in evaluation mode.

        Whether it can be cut is tried: a network whose halves do not give its own numbers (one with connections
        around its blocks) is kept whole, with no :attr:`block_names`.

        Raises
        ------
        ValueError
            An unknown layer.
        """
        (name,) = model.resolve(layer)
        inputs = _example(model)
        tower = cls(
            model.module,
            blank=None if model.kind == "text" else torch.zeros_like(inputs[:1]),
            layer=name,
            pool=pooling(model, name, "auto"),
            block_names=_needed(model, name),
        )
        tower.in_tuples = _gives_tuples(tower, inputs)
        if not tower._can_be_cut(inputs):
            tower.block_names = ()
        tower.reads_first = tower._reads_first_alone(inputs)
        tower.split_at(len(tower.block_names))
        return tower.eval()

    def split_at(self, block: int, /) -> None:
        """Let the suffix begin with this block (counted from 0); at ``len(block_names)`` it does nothing.

        Raises
        ------
        ValueError
            More blocks than there are.
        """
        if check_count("block", block) > len(self.block_names):
            msg = f"block must be at most {len(self.block_names)}, the number of blocks; got {block}."
            raise ValueError(msg)
        self.start = block
        self.train(self.training)

    def as_one_block(self) -> None:
        """Let the network be its only block, so that one that cannot be cut is trained as a whole.

        The prefix is then the images as they come in.
        """
        self.block_names = (_WHOLE,)
        self.split_at(1)

    @property
    def takes_inputs(self) -> bool:
        """Whether the suffix is the network as a whole, and nothing is frozen that could be computed once."""
        return self.block_names[self.start :] == (_WHOLE,)

    def train(self, mode: bool = True) -> Self:
        """Set the mode of the adapters; everything frozen stays in evaluation mode."""
        super().train(mode)
        self.network.eval()
        for name in self.block_names[self.start :]:
            self.network.get_submodule(name).training = mode  # a block that trains may recompute its activations
        for part in self.network.modules():
            if hasattr(part, "lora_A"):  # what peft puts around a layer
                part.train(mode)
        return self

    def forward(self, x: Any) -> torch.Tensor:
        """Return the embedding, shape (B, D); without gradients in one pass."""
        if not torch.is_grad_enabled():
            return self._pooled(self._run(x, self._layer()), x)
        return self.suffix(self.prefix(x), x)

    @torch.no_grad()
    def prefix(self, x: Any, /) -> torch.Tensor:
        """Return what the first trained block takes, shape (B, L, D); the embedding (B, D) where none is trained.

        Parameters
        ----------
        x : torch.Tensor or mapping of tensors
            Preprocessed images, shape (B, 3, height, width), or a text's tokens.
        """
        if self.start == len(self.block_names):
            return self._pooled(self._run(x, self._layer()), x)
        name = self.block_names[self.start]
        block = self.network.get_submodule(name)
        with block.register_forward_pre_hook(_stop_before, with_kwargs=True, prepend=True):
            return self._run_until(f"its block {name!r}", x)

    def suffix(self, hidden: torch.Tensor, inputs: Any = None, /) -> torch.Tensor:
        """Return the embedding of what :meth:`prefix` gave, shape (B, D).

        Parameters
        ----------
        hidden : torch.Tensor, shape (B, L, D) or (B, D)
            Of any floating dtype; computed in the network's own.
        inputs : torch.Tensor or mapping of tensors, optional
            What the prefix had; texts need it (which tokens are real, where they end), images do not.
        """
        if self.start == len(self.block_names):
            return hidden
        if self.takes_inputs:
            return self._pooled(self._run(hidden, self._layer()), hidden)
        x = self.blank if inputs is None or self.blank is not None else inputs
        layer = self._layer()  # before its block is hidden behind another name
        with self._shortened(), self._entered(hidden):
            return self._pooled(self._run(x, layer), x)

    def _layer(self) -> nn.Module | None:
        return None if self.layer == "output" else self.network.get_submodule(self.layer)

    def _run(self, x: Any, layer: nn.Module | None) -> torch.Tensor:
        """Run the network as far as its layer."""
        if layer is None:
            return _tensor(self.network(_copy(x)))
        with layer.register_forward_hook(_stop_after):
            return self._run_until(f"its layer {self.layer!r}", x)

    def _run_until(self, place: str, x: Any) -> torch.Tensor:
        """Run the network until a hook ends it, and return what that took."""
        try:
            self.network(_copy(x))
        except _Reached as reached:
            return reached.tensor
        msg = f"the network did not reach {place}"
        raise AssertionError(msg)

    def _pooled(self, output: torch.Tensor, x: Any) -> torch.Tensor:
        return self.pool(output, x["attention_mask"] if isinstance(x, Mapping) and "attention_mask" in x else None)

    @contextlib.contextmanager
    def _entered(self, hidden: torch.Tensor) -> Iterator[None]:
        """Leave the blocks before :attr:`start` out, and let that one take ``hidden``, whatever comes."""
        with contextlib.ExitStack() as stack:
            for i, name in enumerate(self.block_names[: self.start + 1]):
                parent, _, child = name.rpartition(".")
                siblings = self.network.get_submodule(parent)._modules
                block = siblings[child]
                assert block is not None
                siblings[child] = _Passed(block, self.in_tuples) if i < self.start else _Entered(block, hidden)
                stack.callback(siblings.__setitem__, child, block)
            yield

    def _shortened(self) -> contextlib.AbstractContextManager[None]:
        """Leave out of the last block what its first token does not need, while gradients are kept."""
        if not self.reads_first or not torch.is_grad_enabled() or torch.compiler.is_compiling():
            return contextlib.nullcontext()
        block = self.network.get_submodule(self.block_names[-1])
        # what runs again in the backward pass has to find the same hooks, and what is compiled takes none for a while
        if getattr(block, "recomputes", False) or block._compiled_call_impl is not None:
            return contextlib.nullcontext()
        return first_token_alone(block)

    def _reads_first_alone(self, inputs: Any) -> bool:
        """Try whether nothing but the first token of the last block is read, and comes out the same by itself."""
        if not self.block_names or self.in_tuples or next(self.network.parameters()).is_meta:
            return False
        self.split_at(len(self.block_names) - 1)
        block = self.network.get_submodule(self.block_names[-1])
        hidden = self.prefix(inputs)
        return is_first_token_enough(block, lambda: self.suffix(hidden, inputs))

    def _can_be_cut(self, inputs: Any) -> bool:
        if not self.block_names or next(self.network.parameters()).is_meta:  # no numbers to compare
            return bool(self.block_names)
        self.split_at(len(self.block_names) // 2)
        try:
            with torch.no_grad():
                hidden = self.prefix(inputs)
                version = hidden._version  # a network that writes into its tokens would spoil those that are kept
                same = torch.equal(self.suffix(hidden, inputs), self(inputs))
                return same and hidden._version == version
        except Exception:  # whatever a network raises whose blocks depend on more than the one before
            return False


class _Reached(Exception):
    """Ends a forward pass early; it is no error."""

    def __init__(self, tensor: torch.Tensor) -> None:
        super().__init__()
        self.tensor = tensor


class _StandIn(nn.Module):
    """In place of a block; whoever asks for another attribute gets the block's."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("block"), name)


class _Passed(_StandIn):
    """In place of a block that is left out."""

    def __init__(self, block: nn.Module, in_tuple: bool) -> None:
        super().__init__(block)
        self.in_tuple = in_tuple

    def forward(self, *args: Any, **more: Any) -> Any:
        x = _first(args, more)
        return (x,) if self.in_tuple else x


class _Entered(_StandIn):
    """In place of the first block of a suffix: it takes the kept tokens, with the network's own masks."""

    def __init__(self, block: nn.Module, hidden: torch.Tensor) -> None:
        super().__init__(block)
        dtypes = [parameter.dtype for parameter in block.parameters()]
        self.hidden = hidden.to(dtypes[0]) if dtypes else hidden

    def forward(self, *args: Any, **more: Any) -> Any:
        if args:
            return self.block(self.hidden, *args[1:], **more)
        return self.block(**{**more, next(iter(more)): self.hidden})


def _first(args: tuple[Any, ...], more: Mapping[str, Any]) -> Any:
    return args[0] if args else next(iter(more.values()))


def _stop_before(_block: nn.Module, args: tuple[Any, ...], more: dict[str, Any]) -> None:
    raise _Reached(_first(args, more))


def _stop_after(_layer: nn.Module, _args: Any, output: Any) -> None:
    raise _Reached(_tensor(output))


def _tensor(output: Any) -> torch.Tensor:
    tensor = first_tensor(output)
    assert tensor is not None  # the layer was found by a probe that asks for one
    return tensor


def _copy(x: Any) -> Any:
    return dict(x) if isinstance(x, Mapping) else x  # sentence-transformers writes into its input


def _example(model: Model) -> Any:
    """Return a batch of two inputs that differ."""
    if model.kind == "text":
        return collate(model, ["a word", "some more words than that"])
    from PIL import Image

    blank = collate(model, [prepare(model, Image.new("RGB", (256, 256)))])
    return torch.rand((2, *blank.shape[1:]), generator=torch.Generator().manual_seed(0)).to(model.device)


def _gives_tuples(tower: SplitTower, inputs: Any) -> bool:
    """Run the network once, to see how wide its embedding is and what its blocks give."""
    kinds: list[type] = []
    with contextlib.ExitStack() as stack:
        for name in tower.block_names[:1]:
            block = tower.network.get_submodule(name)
            stack.enter_context(block.register_forward_hook(lambda _b, _a, output: kinds.append(type(output))))
        tower.width = int(tower.prefix(inputs).shape[-1])
    return kinds == [tuple]


def _needed(model: Model, layer: str) -> list[str]:
    """Return the blocks that run, in part or as a whole, before a layer has finished."""
    found = model.probe()
    order = list(found.shapes)
    until = set(order[: order.index(layer) + 1])
    return [block for block in found.blocks if block in until or layer.startswith(f"{block}.")]
