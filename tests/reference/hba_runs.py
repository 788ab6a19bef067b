"""Finished runs of CLIP-HBA on data that no config names, and the table by which a config names them."""

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


def write_targets(path, data):
    """Write the objects and their dimensions as a user's table, and return its path."""
    rows = [
        f"{label},{','.join(map(repr, row))}" for label, row in zip(data.labels, data.targets.tolist(), strict=True)
    ]
    path.write_text("\n".join([f"item,{','.join(data.dimensions)}", *rows]) + "\n")
    return path
