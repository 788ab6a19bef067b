"""States of torch's random generators on all processes, for checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from alignkit.train._processes import Processes


def rng_states(processes: Processes) -> dict[str, torch.Tensor]:
    """Return the states as ``<rank>.<device>``: of the CPU, and of the GPU where there is one."""
    import torch

    states = {"cpu": torch.get_rng_state()}
    if processes.device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(processes.device)
    gathered = processes.gather({name: state[None] for name, state in states.items()})
    return {
        f"{rank}.{name}": state.clone()
        for name, all_states in gathered.items()
        for rank, state in enumerate(all_states)
    }


def load_rng_states(processes: Processes, states: Mapping[str, torch.Tensor]) -> None:
    """Set this process' generators; a state that is not there (of another number of processes, say) changes nothing."""
    import torch

    cpu, cuda = (states.get(f"{processes.rank}.{name}") for name in ("cpu", "cuda"))
    if cpu is not None:
        torch.set_rng_state(cpu.cpu())
    if cuda is not None and processes.device.type == "cuda":
        torch.cuda.set_rng_state(cuda.cpu(), processes.device)
