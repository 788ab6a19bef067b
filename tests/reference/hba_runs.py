"""Finished runs of CLIP-HBA on data that no config names."""

from __future__ import annotations

from alignkit.train._loop import fit
from alignkit.train._processes import Processes
from alignkit.train._run_folder import RunFolder
from alignkit.train.hba.task import build_task


def train_on(data, config):
    """Train what a config describes on these data, as ``alignkit.train.run`` does."""
    with Processes.start(config.loop) as processes, RunFolder.open(config.out, config) as folder:
        task = build_task(data, config, folder)
        history = fit(task, config.loop, config.optim, folder=folder, processes=processes)
        task.export(folder.path)
        folder.finish({"n_steps": history.n_steps, "stopped": history.stopped})
    return task
