"""How many processes were started, and which one this is: what torchrun or SLURM say in the environment."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

#: Where torch's own examples listen; each SLURM job gets another one beside it.
_PORT = 29500


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A process among those that were started together.

    Parameters
    ----------
    rank : int
        Which one this is, from 0.
    world_size : int
        How many there are, on all machines.
    local_rank : int
        Which one this is on its machine.
    init_method : str
        Where they meet, as torch wants it.
    launcher : str
        Who started them: torchrun, srun, or nobody.
    """

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    init_method: str = "env://"
    launcher: str = "nobody"


def read_launch(environ: Mapping[str, str]) -> Launch:
    """Return what torchrun or srun wrote into the environment; a process that nobody started is alone.

    Raises
    ------
    ValueError
        Numbers that are none, or do not fit each other.
    """
    if "RANK" in environ and "WORLD_SIZE" in environ:
        return _checked(environ, "torchrun", ("RANK", "WORLD_SIZE", "LOCAL_RANK"), "env://")
    # the numbers of a step: a batch script and an interactive shell are one process of a job with many tasks
    if environ.get("SLURM_STEP_NUM_TASKS", "1") != "1" and "SLURM_PROCID" in environ:
        names = ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID")
        return _checked(environ, "srun", names, _slurm_address(environ))
    return Launch()


def _checked(environ: Mapping[str, str], launcher: str, names: tuple[str, str, str], init_method: str) -> Launch:
    rank, world_size, local_rank = (_number(environ, name) for name in names)
    if world_size < 1 or rank >= world_size:
        msg = (
            f"{launcher} says that this is process {names[0]}={rank} of {names[1]}={world_size}; "
            "start all processes by one command."
        )
        raise ValueError(msg)
    return Launch(rank=rank, world_size=world_size, local_rank=local_rank, init_method=init_method, launcher=launcher)


def _number(environ: Mapping[str, str], name: str) -> int:
    text = environ.get(name, "0")
    if not re.fullmatch(r"[0-9]{1,9}", text):
        msg = f"the environment variable {name} must be a whole number; got {text!r}."
        raise ValueError(msg)
    return int(text)


def _slurm_address(environ: Mapping[str, str]) -> str:
    nodes = environ.get("SLURM_STEP_NODELIST") or environ.get("SLURM_JOB_NODELIST") or "localhost"
    host = environ.get("MASTER_ADDR") or first_host(nodes)
    # jobs that share a machine must not meet each other
    port = environ.get("MASTER_PORT") or str(_PORT + _number(environ, "SLURM_JOB_ID") % 10_000)
    return f"tcp://{host}:{port}"


def first_host(nodes: str) -> str:
    """Return the first name in a list as SLURM writes it: ``gpu[03-05,9],login1`` begins with ``gpu03``."""
    first = re.match(r"(?:[^,\[]|\[[^\]]*\])*", nodes)
    return re.sub(r"\[([^\],-]*)[^\]]*\]", r"\1", first.group() if first else nodes)
