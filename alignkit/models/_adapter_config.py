"""What is trained inside a frozen network: low-rank adapters of attention projections, or blocks as a whole."""

from __future__ import annotations

import dataclasses
from typing import Literal, get_args

from alignkit._check import check_choice, check_count, check_number, check_positive, join_names

Kind = Literal["none", "lora", "dora", "full"]
Init = Literal["identity", "kaiming-both"]
Projection = Literal["q", "k", "v", "out"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AdapterConfig:
    """Low-rank adapters by peft, on separate q, k, v and out projections of the last blocks of each tower."""

    kind: Kind = "dora"
    """lora (Hu et al. 2021), dora (Liu et al. 2024: magnitudes too), none (the head alone), or full: all weights of
    these blocks, or (with more image blocks than there are) of an image network as a whole."""
    rank: int = 32
    """Rank of the update."""
    alpha: float = 16.0
    """The update is scaled by alpha / rank."""
    dropout: float = 0.1
    """Share of the adapter's inputs that is dropped in training."""
    init: Init = "identity"
    """identity: outputs start as the frozen network's; kaiming-both: neither factor is zero (to replicate CLIP-HBA)."""
    projections: tuple[Projection, ...] = ("out",)
    """Which projections of the attention."""
    image_blocks: int = 2
    """How many of the image tower's last blocks (of those that the embedding needs)."""
    text_blocks: int = 1
    """How many of the text tower's last blocks."""
    train_magnitude: bool = True
    """Whether dora's magnitudes are trained."""

    def __post_init__(self) -> None:
        check_choice("kind", self.kind, get_args(Kind))
        check_choice("init", self.init, get_args(Init))
        check_count("rank", self.rank, 1)
        check_positive("alpha", self.alpha)
        if not 0.0 <= check_number("dropout", self.dropout) < 1.0:
            msg = f"dropout must lie from 0 up to, not including, 1; got {self.dropout}."
            raise ValueError(msg)
        if not self.projections or len(set(self.projections)) < len(self.projections):
            msg = f"projections must be different names, at least one; got {join_names(self.projections) or 'none'}."
            raise ValueError(msg)
        for projection in self.projections:
            check_choice("projections", projection, get_args(Projection))
        check_count("image_blocks", self.image_blocks)
        check_count("text_blocks", self.text_blocks)
