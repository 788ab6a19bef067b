"""``alignkit train alignet``."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from alignkit._cli._train_check import check_extra, check_images, check_inputs, check_run_folder
from alignkit._cli._train_show import REPORT, in_training, is_main
from alignkit.train._own_functions import own_functions
from alignkit.train._run_folder import Resume
from alignkit.train.alignet._chain_config import AligNetChainConfig, Step
from alignkit.train.alignet._chain_folder import is_chain

if TYPE_CHECKING:
    from alignkit.train import AligNetChain

TABLE, RESULT = "scores.csv", "chain.json"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrainAligNetConfig(AligNetChainConfig):
    r"""Make a teacher of people's answers, train students on what it says of images, and score them (AligNet).

    Seven steps in the folder --out: human (dimensions that explain the answers, where spose or vice is asked for),
    features (of a large network), teacher (a transform of these to people's similarities, checked on items that it did
    not see), clusters, triplets, students (the teacher's and two controls), scores (on items that nothing learned
    from, beside the ceiling) with report.html. A chain that was stopped goes on where it was when the same command is
    given again; --steps makes some steps alone. For several GPUs: torchrun --nproc-per-node=2 -m alignkit train
    alignet ...

    Examples
    --------
    alignkit train alignet --images IMAGENET --item-images THINGS --human vice \
        --preset alignet-released --out my-alignet
    alignkit train alignet --preset alignet-small --images photos \
        --teacher-model dinov2.safetensors --teacher-layer 10 \
        --backbone vit.safetensors --out small
    alignkit train alignet --images photos --steps human features teacher \
        --out small
    alignkit train alignet --images IMAGENET --triplets published.npz \
        --preset alignet-released --out student
    """

    steps: tuple[Step, ...] = ()
    """Only these steps; by default all that are not finished."""
    preset: Literal["default", "alignet-released", "alignet-small"] = "default"
    """Settings of the students to start from, whatever stands beside them wins: the recommended ones, those released,
    or an hour on a laptop."""
    resume: Resume = "auto"
    """A folder with a chain: go on with it (auto), or refuse (never)."""

    def settings(self) -> AligNetChainConfig:
        """Return what describes the chain itself."""
        fields = [field for field in dataclasses.fields(AligNetChainConfig) if field.init]
        return AligNetChainConfig(**{field.name: getattr(self, field.name) for field in fields})


def presets() -> Mapping[str, AligNetChainConfig]:
    """Return the settings that ``--preset`` names."""
    from alignkit.train.alignet._chain_config import PRESETS

    return {name: make() for name, make in PRESETS.items()}


def run_train_alignet(config: TrainAligNetConfig) -> None:
    """Make the steps, print and report what they found, and say how the student is used."""
    settings = config.settings()
    with in_training(TrainAligNetConfig):
        _check(settings)
        from alignkit.train import run_alignet

        show_chain(run_alignet(settings, steps=config.steps or None, resume=config.resume), settings)


def rerun_chain(source: Path, out: Path, architecture: tuple[str, ...]) -> bool:
    """Make a chain once more where the folder holds one; return whether it does."""
    if not is_chain(source):
        return False
    from alignkit._config import read_config
    from alignkit.train._run_folder import CONFIG
    from alignkit.train.alignet._run_alignet import rerun_alignet

    found = rerun_alignet(source, out=out, architecture=architecture)
    show_chain(found, read_config(out / CONFIG, AligNetChainConfig))
    return True


def show_chain(found: AligNetChain, config: AligNetChainConfig) -> None:
    """Write the page and the tables beside the steps, and print what they say."""
    if not is_main():
        return
    from alignkit.report import write_alignet_report

    found.save(found.path / RESULT)
    print(found)
    if found.scores is None and found.teacher is None:
        return
    found.save(found.path / TABLE)
    write_alignet_report(found.path / REPORT, found, config)
    print(f"\nall numbers: {found.path / TABLE}\nreport: {found.path / REPORT}")
    if found.students:
        print(next_step(found, config))


def next_step(found: AligNetChain, config: AligNetChainConfig) -> str:
    """Return the line that runs the first student over images."""
    student = found.path / "students" / next(iter(found.students))
    # a function of the user's own is only called where the command line names it
    own = [word for name in own_functions(config) if name == config.backbone for word in ("--architecture", name)]
    words = ["--model", f"run:{student}", *own, "--images", str(config.images or "FOLDER"), "--out", "FEATURES"]
    return f"use it: alignkit extract {shlex.join(words)}"


def _check(config: AligNetChainConfig) -> None:
    """Refuse at once what would be refused later, or in words that do not help."""
    check_extra()
    check_run_folder(config.out)
    check_images(config.images, out=config.out, root=config.root, needed=True)
    files = {"items": config.items, "held-out": config.held_out, "answers": config.answers}
    check_inputs({**files, "triplets": config.triplets, "val-triplets": config.val_triplets})
