"""The runs that arms consist of: what each is told, what must be finished before it, and which of them are."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

from alignkit._lock import FolderLock
from alignkit.train._environment import absolute
from alignkit.train._run_folder import FINISHED, RunFolder, is_run
from alignkit.train.pi._arms_config import WITH_STAGE_1, Arm, PIConfig
from alignkit.train.pi.config import ContrastiveConfig, PerceptualConfig


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class ArmRun:
    """One run of one arm.

    Parameters
    ----------
    arm : str
    seed : int
    config : PerceptualConfig or ContrastiveConfig
        Settings, with the folder.
    first : bool
        Whether it is the arm's stage 1.
    """

    arm: Arm
    seed: int
    config: PerceptualConfig | ContrastiveConfig
    first: bool = False

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self.config.out

    @property
    def name(self) -> str:
        """The run in words."""
        return f"{self.arm}{', stage 1' if self.first else ''}, seed {self.seed}"

    @property
    def finished(self) -> bool:
        """Whether the run is over."""
        return (self.path / FINISHED).is_file()

    @property
    def ready(self) -> bool:
        """Whether what it starts at is finished."""
        return self.config.start is None or (self.config.start / FINISHED).is_file()

    @property
    def begun(self) -> bool:
        """Whether something was trained."""
        if not is_run(self.path):
            return False
        folder = RunFolder(self.path, self.config, main=False)
        return folder.finished is not None or bool(folder.checkpoints.steps)

    def is_free(self) -> bool:
        """Return whether nobody else trains it at this moment."""
        if not self.path.is_dir():
            return True
        try:
            FolderLock(self.path).release()
        except BlockingIOError:
            return False
        return True

    def check_settings(self) -> None:
        """Raise where the folder holds a run of other settings that has begun.

        Raises
        ------
        ValueError
            The sentence names what differs.
        """
        if self.begun:
            # as the run itself wrote them: its start lies in out, which may be given relative to anywhere
            RunFolder(self.path, absolute(self.config), main=False).check_same_settings()


def arm_runs(config: PIConfig, arms: Sequence[Arm], seeds: Iterable[int], /) -> list[ArmRun]:
    """Return the runs that these arms need, each once, in an order in which they can be trained.

    Parameters
    ----------
    config : PIConfig
    arms : sequence of str
        Post-hoc brings web-only with it, which it fine-tunes.
    seeds : iterable of int
    """
    runs: list[ArmRun] = []
    for seed in seeds:
        wanted = list(arms)
        if "post-hoc" in wanted:
            wanted = [arm for arm in wanted if arm != "post-hoc"]
            wanted += ["post-hoc"] if "web-only" in wanted else ["web-only", "post-hoc"]
        for arm in wanted:
            if arm in WITH_STAGE_1:
                runs.append(ArmRun(arm, seed, config.first(arm, seed), first=True))
            runs.append(ArmRun(arm, seed, config.post_hoc(seed) if arm == "post-hoc" else config.second(arm, seed)))
    return runs


def seeds_of(out: Path, /) -> tuple[int, ...]:
    """Return the seeds that there are folders of."""
    numbers = (path.name.removeprefix("seed-") for path in out.glob("seed-*") if path.is_dir())
    return tuple(sorted(int(number) for number in numbers if number.isdecimal() and str(int(number)) == number))


def runs_there(config: PIConfig, /) -> list[ArmRun]:
    """Return the runs of all arms and seeds that have begun in the folder and that the config can describe."""
    arms: list[Arm] = ["web-only", "pi", "shuffled-triplets", "post-hoc"]
    if config.label_images is not None:
        arms.insert(3, "imagenet-triplets")
    return [run for run in arm_runs(config, arms, seeds_of(config.out)) if run.begun]
