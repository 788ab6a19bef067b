"""The processes that train together; one alone does without any of it."""

from __future__ import annotations

import collections
import dataclasses
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from alignkit.train._launch import Launch, read_launch

if TYPE_CHECKING:
    import torch
    from torch import nn

    from alignkit.train.config import LoopConfig

#: How long a process waits for the others; images may be read and embedded meanwhile.
TIMEOUT = timedelta(minutes=30)
#: What torch's backends say when another process went away or stands still.
_LOST = ("connection closed", "connection reset", "broken pipe", "timed out", "remote process", "nccl")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """The processes of a run. What they do together, all of them must call, in the same order.

    Started by torchrun or srun, several of them meet; otherwise there is one, and every method gives back what it was
    given.

    Parameters
    ----------
    device : torch.device
        Where this process computes.
    rank, world_size, local_rank : int
        Which process this is, how many there are, and which one it is on its machine.
    parallel : {"none", "ddp", "fsdp"}
        How they share a module.

    Examples
    --------
    >>> from alignkit.train import LoopConfig
    >>> from alignkit.train._processes import Processes
    >>> with Processes.start(LoopConfig(device="cpu")) as processes:
    ...     processes.world_size, processes.is_main
    (1, True)
    """

    device: torch.device
    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    parallel: Literal["none", "ddp", "fsdp"] = "none"

    @classmethod
    def start(
        cls, loop: LoopConfig, /, *, environ: Mapping[str, str] | None = None, timeout: timedelta = TIMEOUT
    ) -> Self:
        """Meet the other processes that torchrun or srun started, if there are any.

        Raises
        ------
        ValueError
            Several processes where ``loop.parallel`` is none, or a device that each of them cannot have for itself.
        """
        launch = read_launch(os.environ if environ is None else environ)
        parallel = _parallel(loop, launch)
        device = _own_device(loop.device, launch)
        if launch.world_size > 1:
            _meet(device, launch, timeout)
        return cls(
            device=device,
            rank=launch.rank,
            world_size=launch.world_size,
            local_rank=launch.local_rank,
            parallel=parallel,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.world_size == 1:
            return
        import torch.distributed as dist

        # closes the connections, so that the others end too instead of waiting
        dist.destroy_process_group()
        if isinstance(error, RuntimeError) and any(word in str(error).lower() for word in _LOST):
            msg = (
                f"process {self.rank} of {self.world_size} lost the others: one of them ended or stood still; "
                "its own message says why."
            )
            raise RuntimeError(msg) from error

    @property
    def is_main(self) -> bool:
        """Whether this process writes files, logs and shows progress."""
        return self.rank == 0

    def wrap(self, module: nn.Module, loop: LoopConfig) -> nn.Module:
        """Return ``module`` ready to train here, as ``loop`` says; its forward pass goes through what this gives."""
        from alignkit.train._wrap import wrap

        return wrap(module, loop, self)

    def unwrap(self, module: nn.Module) -> nn.Module:
        """Return the module that trains: the one that was wrapped, or its sharded copy (FSDP)."""
        from alignkit.train._wrap import unwrap

        return unwrap(module)

    def finish(self, wrapped: nn.Module, module: nn.Module) -> None:
        """Bring what was learnt back into ``module``, which was wrapped, where a sharded copy of it trained."""
        from alignkit.train._wrap import finish

        finish(wrapped, module)

    @contextmanager
    def no_sync(self, module: nn.Module) -> Iterator[None]:
        """Accumulate gradients on each process: only a backward pass outside this block averages them.

        Both the forward and the backward pass belong inside.
        """
        from alignkit.train._wrap import no_sync

        with no_sync(module, self):
            yield

    def gather(self, outputs: Any) -> Any:
        """Return the rows of all processes in order, from which all then compute the same loss.

        Gradients are exact: averaged over processes, as a wrapped module does, they are those of one process with all
        rows. The number of rows may differ (or be 0); tensors without axes are left alone.
        """
        if self.world_size == 1:
            return outputs
        from alignkit.train._gather_torch import gather

        return gather(outputs)

    def any(self, flag: bool) -> bool:
        """Return whether ``flag`` is set on any process."""
        if self.world_size == 1:
            return flag
        import torch
        import torch.distributed as dist

        flags = torch.tensor([int(flag)])
        dist.all_reduce(flags, op=dist.ReduceOp.MAX)
        return bool(flags.item())

    def mean(self, values: Mapping[str, float]) -> dict[str, float]:
        """Return the means over processes of numbers that all of them have, by name; no number anywhere is none."""
        if self.world_size == 1:
            return dict(values)
        import torch
        import torch.distributed as dist

        total = torch.tensor(list(values.values()), dtype=torch.float64)
        dist.all_reduce(total)
        return dict(zip(values, (total / self.world_size).tolist(), strict=True))

    def largest(self, value: float) -> float:
        """Return the largest of the processes' numbers."""
        if self.world_size == 1:
            return value
        import torch
        import torch.distributed as dist

        number = torch.tensor(value, dtype=torch.float64)
        dist.all_reduce(number, op=dist.ReduceOp.MAX)
        return float(number)

    def broadcast(self, value: Any) -> Any:
        """Return the main process' value: JSON values (tuples become lists) and tensors (on the CPU)."""
        if self.world_size == 1:
            return value
        from alignkit.train._broadcast import broadcast

        return broadcast(value)

    def barrier(self) -> None:
        """Wait until all processes are here."""
        self.any(False)

    def full(self, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return copies on the CPU, the whole of those that are sharded."""
        from alignkit.train._full_state import full_tensors

        return full_tensors(tensors)

    def copy(self, targets: Mapping[str, torch.Tensor], values: Mapping[str, torch.Tensor]) -> None:
        """Write whole tensors, the same on all processes, into ``targets`` (sharded or not) in place."""
        from alignkit.train._full_state import copy_tensors

        copy_tensors(targets, values)

    def optimizer_state(self, module: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
        """Return the optimiser's state, whole and on the CPU, as ``<parameter>.<slot>``."""
        from alignkit.train._full_state import full_tensors, optimizer_tensors

        return full_tensors(optimizer_tensors(self.unwrap(module), optimizer))

    def load_optimizer_state(
        self, module: nn.Module, optimizer: torch.optim.Optimizer, values: Mapping[str, torch.Tensor]
    ) -> None:
        """Set the optimiser's state to what :meth:`optimizer_state` returned, on any number of processes."""
        from alignkit.train._full_state import load_optimizer

        load_optimizer(self.unwrap(module), optimizer, values)

    def grad_norm(self, parameters: Iterable[nn.Parameter]) -> torch.Tensor:
        """Return the norm of the gradient over all parameters, sharded or not, as a tensor without axes."""
        from alignkit.train._full_state import gradient_norm

        return gradient_norm(parameters)

    def rng_states(self) -> dict[str, torch.Tensor]:
        """Return the states of torch's random generators on all processes, as ``<rank>.<device>``."""
        from alignkit.train._rng_states import rng_states

        return rng_states(self)

    def load_rng_states(self, states: Mapping[str, torch.Tensor]) -> None:
        """Set this process' random generators to its states among those; where it has none, they stay."""
        from alignkit.train._rng_states import load_rng_states

        load_rng_states(self, states)


def _parallel(loop: LoopConfig, launch: Launch) -> Literal["none", "ddp", "fsdp"]:
    if launch.world_size == 1:
        if loop.parallel == "fsdp":
            msg = (
                "parallel is 'fsdp', but there is one process, so that nothing is sharded; "
                "start several with torchrun --nproc-per-node."
            )
            warnings.warn(msg, stacklevel=4)
        return "none"
    if loop.parallel == "none":
        msg = (
            f"{launch.launcher} started {launch.world_size} processes, but parallel is 'none'; "
            "start one, or choose 'ddp' or 'fsdp'."
        )
        raise ValueError(msg)
    return "fsdp" if loop.parallel == "fsdp" else "ddp"


def _own_device(name: str, launch: Launch) -> torch.device:
    """Return the device of one process among others: a GPU of its own, or the CPU."""
    import torch

    from alignkit.models._run import as_device

    if launch.world_size == 1:
        return as_device(name)
    kind = as_device(name).type
    if name not in ("auto", "cpu", "cuda"):
        msg = f"device must be 'auto', 'cpu' or 'cuda' for {launch.world_size} processes; got {name!r}."
        raise ValueError(msg)
    if kind == "cpu":
        return torch.device("cpu")
    n = torch.cuda.device_count()
    # srun can show every task its own GPU alone
    index = 0 if n == 1 and launch.launcher == "srun" else launch.local_rank
    if index >= n:
        msg = (
            f"process {launch.local_rank} of this machine needs a GPU of its own, and torch sees {n}; "
            f"start {n} per machine, or choose device 'cpu'."
        )
        raise ValueError(msg)
    return torch.device("cuda", index)


#: Where processes leave their addresses, and how often they have met there.
_stores: dict[str, Any] = {}
_meetings: collections.Counter[str] = collections.Counter()


def _meet(device: torch.device, launch: Launch, timeout: timedelta) -> None:
    import torch
    import torch.distributed as dist
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    if device.type == "cuda":
        torch.cuda.set_device(device)
    if launch.init_method not in _stores:
        store, _, _ = next(iter(rendezvous(launch.init_method, launch.rank, launch.world_size, timeout=timeout)))
        _stores[launch.init_method] = store
    # whoever meets again (a chain trains several students) must not find the addresses of the last time
    _meetings[launch.init_method] += 1
    dist.init_process_group(
        # gloo for what lies on the CPU: flags, counts, states
        "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo",
        store=PrefixStore(f"meeting {_meetings[launch.init_method]}", _stores[launch.init_method]),
        rank=launch.rank,
        world_size=launch.world_size,
        timeout=timeout,
    )
