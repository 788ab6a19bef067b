"""``alignkit train pi``."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from alignkit._check import require
from alignkit._cli._train_check import check_extra, check_inputs, check_run_folder
from alignkit._cli._train_show import REPORT, SCORES, in_training, is_main
from alignkit.train._run_folder import Resume
from alignkit.train.pi._arms_config import PIConfig
from alignkit.train.pi.config import ContrastiveConfig, PerceptualConfig

if TYPE_CHECKING:
    from alignkit.train import PIArms, RunResult

TABLE, RESULT = "scores.csv", "arms.json"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TrainPIConfig(PIConfig):
    r"""Train vision towers on people's judgements and then CLIPs on image-text pairs, beside controls (PI).

    Every arm with every seed, in the folder --out: pi learns from people's judgements first (stage 1) and from pairs
    afterwards; web-only from pairs alone; post-hoc is web-only fine-tuned on the judgements; shuffled-triplets and
    imagenet-triplets are controls of pi. All arms of a seed see the same pairs in the same order, and begin with the
    same text tower. What was stopped goes on when the same command is given again. Jobs of an array share --out and
    make parts (--arms, --seeds), or all give the same command: each takes the next run that nobody trains. The table,
    scores.csv and report.html compare what is finished. For several GPUs: torchrun --nproc-per-node=2 -m alignkit
    train pi ...

    Examples
    --------
    alignkit train pi --pairs cc3m --judgements nights/data.csv --images nights \
        --zero-shot wds_imagenet1k wds_cifar10 --human things --out my-pi
    alignkit train pi --pairs photos --captions captions.csv --seeds 0 1 2 \
        --arms web-only pi --out small
    alignkit train pi --preset vit-b-32 --pairs "yfcc/{00000..01500}.tar" \
        --judgements nights/data.csv --images nights --out published
    """

    preset: Literal["default", "rn50", "vit-b-16", "vit-b-32", "vit-l-14"] = "default"
    """Settings to start from, whatever stands beside them wins: those published for an architecture, or the default
    ones, which have smaller batches of pairs."""
    resume: Resume = "auto"
    """A folder with runs: go on with them (auto), or refuse (never)."""

    def settings(self) -> PIConfig:
        """Return what describes the arms themselves."""
        fields = [field for field in dataclasses.fields(PIConfig) if field.init]
        return PIConfig(**{field.name: getattr(self, field.name) for field in fields})


def presets() -> Mapping[str, PIConfig]:
    """Return the settings that ``--preset`` names."""
    from alignkit.train.pi._arms_config import PRESETS

    return {name: make() for name, make in PRESETS.items()}


def run_train_pi(config: TrainPIConfig) -> None:
    """Train the arms, print and report how they compare, and say how a model is used."""
    settings = config.settings()
    with in_training(TrainPIConfig):
        _check(settings)
        from alignkit.train import run_pi

        show_arms(run_pi(settings, resume=config.resume), settings)


def rerun_arms(source: Path, out: Path) -> bool:
    """Make arms once more where the folder holds them; return whether it does."""
    from alignkit.train.pi._run_pi import is_pi

    if not is_pi(source):
        return False
    from alignkit._config import read_config
    from alignkit.train._run_folder import CONFIG
    from alignkit.train.pi._run_pi import rerun_pi

    found = rerun_pi(source, out=out)
    show_arms(found, read_config(out / CONFIG, PIConfig))
    return True


def is_stage(config: object) -> bool:
    """Return whether a config is that of a single run: a stage of an arm, or post-hoc."""
    return isinstance(config, PerceptualConfig | ContrastiveConfig)


def show_stage(result: RunResult) -> None:
    """Score a single finished run, and print that and how its model is used."""
    if not is_main():
        return
    from alignkit.train import evaluate_run

    print(result)
    loop = result.config.loop
    # stage 2 without sets has nothing to be scored on
    if getattr(result.config, "zero_shot", True):
        scores: Any = evaluate_run(result.path, device=loop.device, progress=loop.progress)
        scores.save(result.path / SCORES)
        print(f"\n{scores.to_text()}")
    print(f"\n{_use(result.path)}")


def show_arms(found: PIArms, config: PIConfig) -> None:
    """Write the page and the tables beside the runs, and print what they say."""
    if not is_main():
        return
    from alignkit.report import write_pi_report

    found.save(found.path / RESULT)
    found.save(found.path / TABLE)
    write_pi_report(found.path / REPORT, found, config)
    print(found.to_text())
    print(f"\nall numbers: {found.path / TABLE}\nreport: {found.path / REPORT}")
    if found.arms:
        print(next_step(found))


def next_step(found: PIArms) -> str:
    """Return the line that runs a finished model over images."""
    return _use(found.model())


def _use(path: Path) -> str:
    words = ["--model", f"run:{path}", "--images", "FOLDER", "--out", "FEATURES"]
    return f"use it: alignkit extract {shlex.join(words)}"


def _check(config: PIConfig) -> None:
    """Refuse at once what would be refused later, or in words that do not help."""
    check_extra()
    require("open_clip", "train")
    check_run_folder(config.out)
    files = {"judgements": config.judgements, "items": config.items, "captions": config.captions}
    check_inputs({**files, "val-captions": config.val_captions})
