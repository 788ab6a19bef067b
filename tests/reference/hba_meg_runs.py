"""Finished runs of CLIP-HBA-MEG on a tiny CLIP in the simulated lab."""

from __future__ import annotations

import dataclasses

from alignkit._demo._meg_lab import make_meg_lab
from alignkit.data import simulate
from alignkit.models import AdapterConfig
from alignkit.train import LoopConfig, OptimConfig
from alignkit.train._processes import Processes
from alignkit.train._run import train_task
from alignkit.train._run_folder import RunFolder
from alignkit.train.hba_meg._data import read_data
from alignkit.train.hba_meg.config import HBAMEGConfig
from alignkit.train.hba_meg.task import build_task

PROMPTS = ("red", "a tool", "round", "an animal", "food", "heavy")


def small_lab(folder):
    """Return four simulated people who saw 24 objects in eight sessions, recorded at twelve times."""
    few = {"n_triplets": 500, "n_held_out": 200, "n_repeats": 20, "n_two_afc": 20, "n_scanned": 1}
    lab = simulate(24, n_participants=4, image_size=32, rng=5, **few)
    small = {"n_subjects": 4, "n_sessions": 8, "n_channels": 16, "n_times": 12, "sfreq": 25.0, "peak_s": 0.18}
    return make_meg_lab(folder, lab, **small, snr=0.1)


def lab_config(meg_lab, folder, weights, **changes):
    """Return the settings of a run that takes moments; its prompts are written into the folder."""
    prompts = folder / "prompts.txt"
    prompts.write_text("\n".join(PROMPTS) + "\n")
    config = HBAMEGConfig(
        images=meg_lab.images,
        rdms=meg_lab.rdms,
        test_rdms=meg_lab.test_rdms,
        held_out=meg_lab.held_out,
        out=folder / "group",
        backbone="open_clip:Tiny-CLIP",
        weights=weights,
        prompts=prompts,
        adapter=AdapterConfig(kind="lora", rank=2, dropout=0.0, image_blocks=1, text_blocks=0),
        optim=OptimConfig(lr=1e-2),
        weights_lr=0.05,
        weights_epochs=2,
        loop=LoopConfig(epochs=2, batch_size=6, device="cpu", progress=False, monitor="val_spearman", mode="max"),
    )
    return dataclasses.replace(config, **changes)


def train_group(config):
    """Train what a config describes, as ``alignkit.train.run`` does."""
    with Processes.start(config.loop) as processes, RunFolder.open(config.out, config) as folder:
        train_task(build_task(read_data(config), config, folder), config, folder, processes)


def people_config(group, out, **changes):
    """Return the settings of everybody's models on top of a group's."""
    own = {"subject": "all", "start": group.out, "n_bootstrap": 50, "n_permutations": 100, "split_seed": 1}
    same = {name: getattr(group, name) for name in ("loop", "optim", "weights_lr", "weights_epochs")}
    return HBAMEGConfig(out=out, **{**own, **same, **changes})
