"""Small models that unfold over time, and the runs of a pair of encoders that they start at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from alignkit.models import AdapterConfig, load_towers
from alignkit.models._build_dynamic_model import build_dynamic_model
from alignkit.models._dynamic_model import DynamicModel, DynamicSettings
from alignkit.models._dynamic_run_model import save_dynamic_model
from alignkit.models._prompt_model import PromptModel
from alignkit.models._run_model import save_run_model

PROMPTS = ["metallic; artificial", "food-related", "red"]
NAMES = ["metallic", "food", "red"]
TIMES = (-0.1, 0.0, 0.1, 0.17)
SETTINGS = DynamicSettings(times=TIMES, reach=1)
DORA = AdapterConfig(rank=2, image_blocks=24, text_blocks=0, dropout=0.0, train_magnitude=False)
OF_START = AdapterConfig(rank=3, image_blocks=2, text_blocks=1)
FROZEN = AdapterConfig(kind="none")
PAIR = {"text": "minilm", "img_size": 32}


def moved(model: Any, parameters: Any, by: float = 0.1) -> Any:
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for value in parameters:
            value.add_(by * torch.randn(value.shape, generator=generator))
    return model


def moved_start(model: PromptModel) -> PromptModel:
    return moved(model, [value for value in model.parameters() if value.requires_grad])


def moved_dynamics(model: DynamicModel) -> DynamicModel:
    return moved(model, [model.mixing.table, *model.adapter_parameters().values()], by=0.5)


def images(n: int = 3) -> torch.Tensor:
    return torch.rand((n, 3, 32, 32), generator=torch.Generator().manual_seed(1))


def outputs(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model({"image": images()})
    return found


def save_start(folder: Path) -> PromptModel:
    """Write a finished run of a pair, with adapters in both networks, slopes and offsets, and return its model."""
    towers = load_towers("random:test_vit", preprocess="hba", **PAIR)
    model = moved_start(PromptModel.build(towers, PROMPTS, OF_START, affine=True))
    save_run_model(folder, model, manifest={"method": "hba", "dimensions": NAMES})
    return model


def save_dynamics(folder: Path, start: Path) -> DynamicModel:
    """Write a model that started at a run, trained, and return it."""
    model = moved_dynamics(build_dynamic_model(SETTINGS, DORA, start=start))
    model.set_curves(noise_level=torch.tensor([0.1, 0.2, 0.3, 0.4]), generalization=torch.tensor([1.0, 2, 3, 4]))
    model.store_spread(model.logits({"image": images()}))
    save_dynamic_model(folder, model, manifest={"method": "hba-meg", "dimensions": NAMES, "subject": "3"})
    return model
