"""The trained model, what it was before, and the baselines beside it, on the same objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor, nn

from alignkit._typing import FloatArray, IntArray
from alignkit.align._ridge import fit_ridge
from alignkit.models._adapters import adapted_layers
from alignkit.models._encoded_texts import unit
from alignkit.score._row import NOT_FITTED
from alignkit.score._steps import Steps
from alignkit.train.hba._data import HBAData
from alignkit.train.hba._predictors import Predictor, is_spose, short_name
from alignkit.train.hba.config import HBAConfig
from alignkit.train.hba.task import HBATask

if TYPE_CHECKING:
    from alignkit.models._prompt_model import PromptModel


class ZeroShot(nn.Module):
    """A model's scaled cosines of images and prompts, without any slope or offset of the dimensions."""

    def __init__(self, model: PromptModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return one number per image and prompt."""
        return self.model.log_scale.exp() * (unit(self.model.embed(inputs)) @ self.model.features().T)


@contextmanager
def without_adapters(module: nn.Module) -> Iterator[None]:
    """Let a network compute as the frozen one does for a while; what is trained stays what it is."""
    trained = {name: parameter.requires_grad for name, parameter in module.named_parameters()}
    layers: list[Any] = list(adapted_layers(module).values())
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)
        for name, parameter in module.named_parameters():
            parameter.requires_grad_(trained[name])


def predictors_of(
    task: HBATask, trained: Mapping[str, Tensor], name: str, steps: Steps, /
) -> tuple[Predictor, list[Predictor]]:
    """Return the trained model, and its baselines; the task's model is the trained one afterwards.

    Parameters
    ----------
    task : HBATask
        With its model as it is before training.
    trained : mapping of str to Tensor
        What training made of its parameters, as a run's folder has them.
    name : str
        What to call the trained model.
    steps : Steps
        Told of each.
    """
    steps.expect(4)
    data, config = task.data, task.config
    some = np.union1d(data.held_out, data.val)
    features, logits = _frozen(task, some)
    steps.done("frozen features")
    baselines = [_before(task, some)]
    steps.done("before training")
    load: Any = task.model  # a PromptModel
    load.load_saved(trained)
    fitted = _trained_on(data, config)
    after = Predictor(name, "dimensions", task.predictions(some), some, fitted, learned=_learns(config))
    steps.done("after training")
    everything = np.arange(len(features))
    baselines.append(Predictor("image features", "features", features, everything, NOT_FITTED))
    if logits is not None:
        baselines.append(Predictor("zero-shot dimension logits", "logits", logits, some, NOT_FITTED))
    baselines += [_ridge(data, features), _targets(data)]
    steps.done("ridge regression")
    return after, baselines


def _frozen(task: HBATask, some: IntArray) -> tuple[FloatArray, FloatArray | None]:
    """Return the frozen backbone's embeddings of all objects, and its logits of some where it has any."""
    model = task.model
    with without_adapters(model):
        features = task.features()
        # encoders that were trained apart share no space in which images and prompts could be compared
        has_logits = getattr(model, "projection", None) is None
        logits = task.predictions(some, module=ZeroShot(model)) if has_logits else None  # type: ignore[arg-type]
    return features, logits


def _before(task: HBATask, some: IntArray) -> Predictor:
    config, data = task.config, task.data
    starts_fitted = config.start is not None or config.head == "ridge"
    if config.start is not None:
        fitted = f"the run {config.start.name}, where training started"
    elif config.head == "ridge":
        fitted = f"projection from ridge regression to {short_name(data)} of {len(data.train)} other objects"
    elif getattr(task.model, "projection", None) is not None:
        fitted = "nothing was fitted: the projection into the prompts' space is random"
    else:
        fitted = NOT_FITTED
    return Predictor("before training", "dimensions", task.predictions(some), some, fitted, learned=starts_fitted)


def _ridge(data: HBAData, features: FloatArray) -> Predictor:
    ridge = fit_ridge(features[data.train], data.targets[data.train], val=(features[data.val], data.targets[data.val]))
    fitted = (
        f"ridge regression of {short_name(data)} on frozen image features of {len(data.train)} other objects, penalty "
        f"{ridge.penalty:.3g} chosen on {len(data.val)} more"
    )
    objects = np.arange(len(features))
    return Predictor("ridge on frozen features", "dimensions", ridge.predict(features), objects, fitted, learned=True)


def _targets(data: HBAData) -> Predictor:
    name = short_name(data)
    shown = f"{name} itself" if is_spose(data) else "the targets themselves"
    fitted = f"{name}, which the model learns"
    return Predictor(shown, "dimensions", data.targets, np.arange(len(data.labels)), fitted, learned=True)


def _trained_on(data: HBAData, config: HBAConfig) -> str:
    what = "people's answers about" if config.answers == "human" else f"{short_name(data)} of"
    return f"trained on {what} {len(data.train)} other objects, epoch chosen on {len(data.val)} more"


def _learns(config: HBAConfig) -> bool:
    """Return whether the targets have a part in what is trained."""
    return config.answers == "embedding" or config.head == "ridge" or config.start is not None
