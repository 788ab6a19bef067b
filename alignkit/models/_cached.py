"""What lies in the Hugging Face hub's cache, found without a network and without loading a library for it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import util
from pathlib import Path

from alignkit._io import read_json

_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "open_clip_model.safetensors")


def cached_repositories() -> dict[str, Mapping[str, Path]]:
    """Return, for each model in the cache that has safetensors weights, its files by name."""
    if util.find_spec("huggingface_hub") is None:
        return {}
    from huggingface_hub import constants

    root = Path(constants.HF_HUB_CACHE)
    found: dict[str, Mapping[str, Path]] = {}
    for folder in sorted(root.glob("models--*")):
        files = {path.name: path for path in sorted(folder.glob("snapshots/*/*")) if path.is_file()}
        if any(name in files for name in _WEIGHTS):
            found[folder.name.removeprefix("models--").replace("--", "/", 1)] = files
    return found


def cached_names(repositories: Mapping[str, Mapping[str, Path]]) -> list[str]:
    """Return the names by which cached models load: timm's, and those of transformers with a preprocessing."""
    names = []
    for repository, files in repositories.items():
        if "config.json" not in files or "open_clip_model.safetensors" in files:
            continue
        try:
            config = read_json(files["config.json"])
        except (ValueError, OSError):  # damaged: loading it will say so
            continue
        owner, _, name = repository.partition("/")
        if not isinstance(config, dict):
            continue
        if "architecture" in config and owner == "timm":
            names.append(f"timm:{name}")
        elif "model_type" in config and "preprocessor_config.json" in files:
            names.append(f"hf:{repository}")
    return names
