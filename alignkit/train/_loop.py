"""The one training loop: it owns steps, precision, schedule, checkpoints and stopping, and knows no method."""

from __future__ import annotations

import dataclasses
import math
import time
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from alignkit._check import join_names
from alignkit._versions import versions
from alignkit.train._batch import Batch, make_batches
from alignkit.train._checkpoints import State
from alignkit.train._environment import commit, settings
from alignkit.train._history import History, StepRecord, ValidationRecord
from alignkit.train._interrupts import Interrupts
from alignkit.train._loggers import Logger, open_loggers
from alignkit.train._optim import check_warmup, learning_rate, not_finite, scale_gradients, set_rate
from alignkit.train._order import Order
from alignkit.train._predict import evaluating
from alignkit.train._prefetch import Prefetch
from alignkit.train._progress import Progress
from alignkit.train._seeded import own_random_numbers
from alignkit.train._step import Gradients
from alignkit.train._training_state import TrainingState, warn_of_dead
from alignkit.train.config import LoopConfig, OptimConfig

if TYPE_CHECKING:
    from alignkit.train._processes import Processes
    from alignkit.train._run_folder import RunFolder
    from alignkit.train._task import Task


def fit(task: Task, loop: LoopConfig, optim: OptimConfig, *, folder: RunFolder, processes: Processes) -> History:
    """Train ``task.module``, and leave the best weights in it.

    A folder with a checkpoint is gone on with: on the CPU to the very bits of a run that was never stopped. The
    untrained model is validated first, and its weights are kept where training never betters them.

    Parameters
    ----------
    task : Task
        What to train, on what, and how well it does.
    loop : LoopConfig
        How long, in what precision, and what to keep.
    optim : OptimConfig
        The optimiser.
    folder : RunFolder
        Takes checkpoints and ``metrics.jsonl``.
    processes : Processes
        Those that train together.

    Returns
    -------
    History
        Logged steps, validations, the best of these, and why training ended.

    Raises
    ------
    ValueError
        A loss or gradient that is no finite number, with the step, the items and, of a gradient, the parameters: the
        last checkpoint is left alone.
        Settings that do not fit the data or what the task gives.
    KeyboardInterrupt, SystemExit
        After Ctrl-C or SIGTERM, once the step is finished and a checkpoint is written.
    """
    with own_random_numbers(processes.device):
        return _Fit(task, loop, optim, folder, processes).run()


class _Fit:
    def __init__(
        self, task: Task, loop: LoopConfig, optim: OptimConfig, folder: RunFolder, processes: Processes
    ) -> None:
        self.task, self.loop, self.optim, self.folder, self.processes = task, loop, optim, folder, processes
        self.order = Order(
            n_samples=task.n_samples, batch_size=loop.batch_size, seed=loop.seed, drop_last=loop.drop_last
        )
        _check_smallest_batch(self.order, processes.world_size)
        n_steps = loop.epochs * self.order.steps_per_epoch
        self.n_steps = n_steps if loop.max_steps is None else min(n_steps, loop.max_steps)
        check_warmup(self.n_steps, optim)
        self.module = processes.wrap(task.module, loop)
        rates = getattr(task, "rates", None)
        self.state = TrainingState(processes.unwrap(self.module), loop, optim, processes=processes, rates=rates)
        self.gradients = Gradients(task, self.module, self.state.precision, processes, loop.seed)
        self.about = {"config": settings(folder.config), "versions": versions(), "commit": commit()}
        self.saved: int | None = None
        self.warned = False
        self.loggers: list[Logger] = []
        self.progress = Progress(self.n_steps, self._seen(self.n_steps), shown=loop.progress and processes.is_main)

    def run(self) -> History:
        self._resume()
        if self.processes.is_main:
            self.loggers = open_loggers(self.loop, self.folder.path, step=self.state.step)
        self.module.train()
        try:
            with Interrupts() as interrupts, self.progress, Prefetch(self._batches, self.n_steps) as batches:
                self._train(interrupts, batches)
        finally:
            for logger in self.loggers:
                logger.close()
        self._load_best()
        return History.from_lines(
            self.processes.broadcast(self.folder.read_history() if self.processes.is_main else None),
            monitor=self.loop.monitor,
            mode=self.loop.mode,
            n_steps=self.n_steps,
            stopped="finished" if self.state.step == self.n_steps else "patience",
            n_processes=self.processes.world_size,
        )

    def _resume(self) -> None:
        state = self.folder.resume() if self.processes.is_main else None
        found = self.processes.broadcast(None if state is None else _plain(state))
        if found is not None:
            self.state.restore(State(**found))
            self.saved = self.state.step

    def _train(self, interrupts: Interrupts, batches: Prefetch[list[Batch]]) -> None:
        state = self.state
        started = time.monotonic() - state.seconds
        self.progress.start(self._seen(state.step))
        if self.saved is None:
            self._after_step()
        self._obey(interrupts)
        while state.step < self.n_steps and not state.monitor.exhausted:
            record = self._step(self._next(batches))
            state.seconds = time.monotonic() - started
            self._log_step(dataclasses.replace(record, seconds=state.seconds))
            self._after_step()
            self._obey(interrupts)

    def _next(self, batches: Prefetch[list[Batch]]) -> list[Batch]:
        """Return what the next step needs, and note how long the process that waits longest waits for it."""
        asked = time.monotonic()
        made = batches.get(self.state.step)
        self.state.data_seconds += self.processes.largest(time.monotonic() - asked)
        return made

    def _batches(self, step: int) -> list[Batch]:
        return make_batches(
            self.task,
            self.order.batch(step),
            accumulate=self.loop.accumulate,
            plain=self.loop.accumulation == "plain",
            rank=self.processes.rank,
            world_size=self.processes.world_size,
            pin=self.processes.device.type == "cuda",
        )

    def _step(self, batches: list[Batch]) -> StepRecord:
        state, step = self.state, self.state.step
        rate = learning_rate(step, self.n_steps, self.optim)
        set_rate(state.optimizer, rate)
        # not after the step: memory at the heap's end would go back to the system, page by page, every time
        state.optimizer.zero_grad()
        try:
            losses = self.gradients.accumulate(batches, step)
            norm = self._update()
        except FloatingPointError as error:
            msg = (
                f"{error} The checkpoint of step {self.saved} in {self.folder.path} is whole. "
                "Look at these items, or lower the learning rate."
            )
            raise ValueError(msg) from error
        state.step += 1
        return StepRecord(
            step=state.step,
            epoch=self._epoch(state.step),
            samples=self._seen(state.step),
            losses=losses,
            lr=rate,
            grad_norm=norm,
            seconds=state.seconds,
            data_seconds=state.data_seconds,
        )

    def _update(self) -> float:
        """Take the step that the gradients say, and return their norm."""
        state, scaler = self.state, self.state.precision.scaler
        parameters = state.parameters.values()
        if state.step == 0:
            warn_of_dead(state.parameters)
        scaler.unscale_(state.optimizer)
        norm = float(self.processes.grad_norm(parameters))
        finite = math.isfinite(norm)
        if not finite and not state.precision.scales:
            raise FloatingPointError(self._not_finite(norm))
        if finite and self.optim.clip is not None and norm > self.optim.clip:
            scale_gradients(parameters, self.optim.clip / norm)
        scaler.step(state.optimizer)  # which takes none where a scaled gradient is infinite
        self._after_update()
        scaler.update()
        state.precision.check_scale(state.step + 1)
        if state.ema is not None and finite:
            state.ema.update()
        return norm

    def _after_update(self) -> None:
        """Let the task bound what trains, where it wants to."""
        after_step = getattr(self.task, "after_step", None)
        if after_step is not None:
            after_step(self.state.module)

    def _not_finite(self, norm: float) -> str:
        """Return the sentence about a gradient that is no number: of which parameters, at which items."""
        parameters = self.state.parameters
        bad = not_finite(parameters, self.processes.grad_norm)
        whose = f"that of {join_names(bad)} is not finite" if bad else "each parameter's is finite by itself"
        if len(bad) == len(parameters) > 1:
            whose = "no parameter's is finite"
        names = join_names(self.task.names(self.order.batch(self.state.step)), 16)
        return f"the gradient's norm is {norm} at step {self.state.step + 1} ({whose}); the batch holds {names}."

    def _after_step(self) -> None:
        """Validate and save where it is time to; the untrained model is validated and saved too."""
        step, last = self.state.step, self.state.step == self.n_steps
        validated = last or step % (self.loop.validate_every or self.order.steps_per_epoch) == 0
        best, metric = self._validate() if validated else (False, None)
        every = self.loop.checkpoint_every
        due = validated if every is None else step % every == 0
        self._keep_epoch()  # before the checkpoint: a run that is killed between the two comes by here again
        if due or best or last or self.state.monitor.exhausted:
            self._save(metric, best=best)

    def _keep_epoch(self) -> None:
        """Export the model for good where an epoch ends whose model is asked for."""
        import torch

        epoch, within = divmod(self.state.step, self.order.steps_per_epoch)
        if within or not self.folder.epochs.due(epoch):
            return
        module = self.task.module
        with self.state.averaged(), evaluating(module), torch.no_grad(), own_random_numbers(self.processes.device):
            self.processes.finish(self.module, module)
            if self.processes.is_main:
                self.folder.epochs.keep(epoch, self.task.export)

    def _validate(self) -> tuple[bool, float]:
        """Return whether this validation is the best one, and the metric that says so."""
        import torch

        state = self.state
        with evaluating(self.module), torch.no_grad(), state.precision.autocast(), state.averaged():
            given = self.task.validate(self.module, processes=self.processes)
        metrics = {str(name): float(value) for name, value in given.items()}
        metrics = self.processes.broadcast(metrics)
        best = state.monitor.update(state.step, metrics)
        self._warn_of_undefined(metrics[self.loop.monitor])
        self._log(ValidationRecord(step=state.step, metrics=metrics).to_line())
        self.progress.validated(self.loop.monitor, metrics, state.monitor.best)
        return best, metrics[self.loop.monitor]

    def _warn_of_undefined(self, metric: float) -> None:
        chosen = self.loop.mode != "last"
        if chosen and not math.isfinite(metric) and not self.warned and self.processes.is_main:
            self.warned = True
            msg = (
                f"validation gives {metric} for {self.loop.monitor!r} at step {self.state.step}; such weights are not "
                "chosen, and where it never gives a number, those that training began with are kept. "
                "Lower optim.lr, or name another measure as loop.monitor."
            )
            warnings.warn(msg, stacklevel=2)

    def _save(self, metric: float | None, *, best: bool) -> None:
        step = self.state.step
        position = {"epoch": self._epoch(step), "samples": self._seen(step)}
        state = self.state.to_checkpoint({**position, **self.about})
        self.folder.checkpoints.save(state, metric=metric, best=best)
        self.saved = step

    def _obey(self, interrupts: Interrupts) -> None:
        """Save and leave when a signal came, on whichever process."""
        if not self.processes.any(interrupts.caught is not None):
            return
        if self.saved != self.state.step:
            self._save(None, best=False)
        self.processes.barrier()
        interrupts.leave(
            f"stopped after step {self.state.step}, whose checkpoint is in {self.folder.path}: "
            "the same command goes on from there."
        )

    def _load_best(self) -> None:
        best = self.folder.checkpoints.best() if self.processes.is_main else None
        found = self.processes.broadcast(None if best is None else _plain(best))
        if found is None or found["step"] != self.state.monitor.best_step:
            msg = (
                f"the checkpoint of the best validation, of step {self.state.monitor.best_step}, in "
                f"{self.folder.path} is gone or damaged; delete it and those of later steps to go on from an earlier "
                "one, or train in a new folder."
            )
            raise ValueError(msg)
        self.state.restore_weights(State(**found), averaged=self.loop.ema is not None)
        self.processes.finish(self.module, self.task.module)

    def _log_step(self, record: StepRecord) -> None:
        stall = record.data_seconds / record.seconds if record.seconds else 0.0
        self.progress.step(record.step, record.epoch, record.samples, record.losses["loss"], stall=stall)
        if record.step % self.loop.log_every == 0 or record.step == self.n_steps:
            self._log(record.to_line())

    def _log(self, line: Mapping[str, Any]) -> None:
        self.folder.log(line)
        for logger in self.loggers:
            logger.log(line)

    def _epoch(self, step: int) -> int:
        """Return the pass over the data, from 1, that the ``step``-th optimiser step belongs to; 0 before the first."""
        return -(-step // self.order.steps_per_epoch)

    def _seen(self, step: int) -> int:
        """Return how many samples the first ``step`` optimiser steps see."""
        order = self.order
        epochs, within = divmod(step, order.steps_per_epoch)
        in_epoch = order.steps_per_epoch * order.batch_size if order.drop_last else order.n_samples
        return epochs * in_epoch + min(within * order.batch_size, order.n_samples)


def _plain(state: State) -> dict[str, Any]:
    return {"step": state.step, "tensors": state.tensors, "values": state.values}


def _check_smallest_batch(order: Order, world_size: int) -> None:
    if order.smallest_batch < world_size:
        msg = (
            f"{order.n_samples} training samples in batches of {order.batch_size} leave a batch of "
            f"{order.smallest_batch} to {world_size} processes: some would have nothing to do; set drop_last, or "
            "choose another batch_size."
        )
        raise ValueError(msg)
