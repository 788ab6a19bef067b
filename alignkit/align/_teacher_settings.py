"""What a teacher may be asked to be."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, get_args

from alignkit._check import as_flag, check_choice, check_count, check_fraction, check_not_negative, check_positive
from alignkit.align._penalties import Regulariser

Kind = Literal["full", "lowrank", "diagonal", "orthogonal"]
Loss = Literal["hard", "soft"]
Optimizer = Literal["lbfgs", "adam"]
Start = Literal["identity", "random"]
#: Iterations of L-BFGS, epochs of Adam.
_MAX_ITER = {"lbfgs": 200, "adam": 100}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TeacherSettings:
    """The options of :func:`fit_transform` that are plain values, checked."""

    kind: Kind
    rank: int | None
    loss: Loss
    n_soft: int
    regulariser: Regulariser
    penalty: float | None
    alpha: float
    tau: float
    bias: bool
    center: bool
    start: Start
    start_scale: float
    optimizer: Optimizer
    max_iter: int | None
    learning_rate: float
    batch_size: int
    calibrate: bool
    n_splits: int
    held_out: float
    seed: int

    def __post_init__(self) -> None:
        choices = {"kind": Kind, "loss": Loss, "regulariser": Regulariser, "optimizer": Optimizer, "start": Start}
        for name, allowed in choices.items():
            check_choice(name, getattr(self, name), get_args(allowed))
        for name in ("n_soft", "batch_size", "n_splits"):
            check_count(name, getattr(self, name), 1)
        check_count("seed", self.seed)
        for name in ("rank", "max_iter"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name), 1)
        for name in ("tau", "start_scale", "learning_rate"):
            check_positive(name, getattr(self, name))
        if self.penalty is not None:
            check_not_negative("penalty", self.penalty)
        check_fraction("alpha", self.alpha)
        check_fraction("held_out", self.held_out)
        for name in ("bias", "center", "calibrate"):
            as_flag(name, getattr(self, name))
        self._check_together()

    def _check_together(self) -> None:
        if self.kind == "lowrank" and self.rank is None:
            msg = "kind='lowrank' needs a rank, the number of dimensions to map to."
            raise ValueError(msg)
        if self.rank is not None and self.kind not in ("lowrank", "orthogonal"):
            msg = f"rank belongs to kind='lowrank' and 'orthogonal'; leave it out with {self.kind!r}."
            raise ValueError(msg)
        if self.start == "random" and self.kind == "orthogonal":
            msg = "kind='orthogonal' starts from the features as they are; start='random' is for the other kinds."
            raise ValueError(msg)

    @property
    def iterations(self) -> int:
        """Iterations of L-BFGS, or epochs of Adam, at most."""
        return _MAX_ITER[self.optimizer] if self.max_iter is None else self.max_iter

    @property
    def alpha_used(self) -> float:
        """Weight of the local term; 0 without one."""
        return self.alpha if self.regulariser == "glocal" else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the settings by name."""
        return dataclasses.asdict(self)
