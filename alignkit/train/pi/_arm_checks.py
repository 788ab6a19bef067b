"""What makes arms comparable, and what is refused before hours are spent: data, settings, and equal weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from alignkit._io import read_json
from alignkit.models._run_model import MANIFEST
from alignkit.train._optim import check_warmup
from alignkit.train.config import LoopConfig, OptimConfig
from alignkit.train.pi._arm_runs import ArmRun
from alignkit.train.pi._arms_config import PIConfig
from alignkit.train.pi.config import ContrastiveConfig, PerceptualConfig

if TYPE_CHECKING:
    from torch import Tensor

    from alignkit.train.pi._judgements import Judgements


def check_data(config: PIConfig, runs: Iterable[ArmRun], /) -> None:
    """Read once what runs will read; what shards hold is kept for them.

    Raises
    ------
    FileNotFoundError, ValueError, ImportError
        Data that are not there or do not fit; the sentence says which.
    """
    from alignkit.models._clip_architecture import clip_architecture
    from alignkit.train.pi._judgements import read_judgements

    clip_architecture(config.architecture)
    left = [run for run in runs if not run.finished]
    data: dict[Any, Judgements] = {}
    for run in left:
        if isinstance(run.config, PerceptualConfig):
            key = run.config.choices, run.config.label_images
            data[key] = data[key] if key in data else read_judgements(run.config)
            _check_judged(run, run.config, data[key])
    if any(isinstance(run.config, ContrastiveConfig) for run in left):
        n = _check_pairs(config)
        check_length(n, config.loop, config.optim, "")


def _check_judged(run: ArmRun, config: PerceptualConfig, data: Judgements) -> None:
    """Hold that a run on judgements can be trained to its end: its steps, what it monitors, and what it trains."""
    from alignkit.models._build_clip import blank_clip
    from alignkit.models._clip_architecture import clip_architecture
    from alignkit.train._monitor import Monitor
    from alignkit.train.pi._perceptual_task import freeze_but

    prefix = "first_" if run.first else "post_hoc_"
    check_length(len(data.parts["train"][0]), config.loop, config.optim, prefix)
    given = [f"{part}_{what}" for part in data.kept_back for what in ("accuracy", "loss")]
    try:
        Monitor(config.loop.monitor, config.loop.mode).update(0, dict.fromkeys(given, 0.0))
    except ValueError as error:
        msg = f"{prefix}loop.{error}"
        raise ValueError(msg) from error
    if config.trained == "attention":
        clip = blank_clip(clip_architecture(config.architecture), text=False, device="meta")
        freeze_but(clip.get_submodule("visual"), config.trained)


def check_length(n_samples: int, loop: LoopConfig, optim: OptimConfig, prefix: str, /) -> None:
    """Hold that a run has a whole batch, and more steps than its warm-up.

    Parameters
    ----------
    n_samples : int
    loop, optim : LoopConfig, OptimConfig
    prefix : str
        What their names begin with in the settings of all arms.

    Raises
    ------
    ValueError
        It has not.
    """
    batch = loop.batch_size
    n_steps = loop.epochs * (n_samples // batch if loop.drop_last else -(-n_samples // batch))
    if not n_steps:
        msg = f"{n_samples:,} training samples do not fill one batch of {batch:,}; set {prefix}loop.batch_size lower."
        raise ValueError(msg)
    check_warmup(n_steps if loop.max_steps is None else min(n_steps, loop.max_steps), optim, f"{prefix}optim")


def _check_pairs(config: PIConfig) -> int:
    """Return how many pairs there are."""
    from alignkit.data import open_pairs
    from alignkit.train.pi._followed_sets import open_followed_sets
    from alignkit.train.pi._human_alignment import HumanImages

    if config.pairs is None:
        msg = "pairs is not given: name shards (.tar), Parquet files, or a folder of images with captions."
        raise ValueError(msg)
    open_followed_sets(config.zero_shot, human=config.human, root=config.root, check=config.check)
    for name in config.human:
        HumanImages(name, config.root)
    pairs = open_pairs(config.pairs, captions=config.captions, index=config.pair_index, check=config.check)
    if config.loop.drop_last and len(pairs) < config.loop.batch_size:
        msg = f"{len(pairs):,} pairs do not fill one batch of {config.loop.batch_size:,}; set loop.batch_size lower."
        raise ValueError(msg)
    if config.val_pairs is not None:
        open_pairs(config.val_pairs, captions=config.val_captions, index=config.pair_index, check=config.check)
    return len(pairs)


def check_beginning(config: PIConfig, run: ArmRun, /) -> str | None:
    """Hold, before an arm is trained on pairs, that it begins as it must; return what to log of its hand-over.

    Raises
    ------
    ValueError
        Another text tower than web-only's of the seed, or a vision tower that is not stage 1's.
    """
    from alignkit.train.pi._contrastive_task import begin

    if not isinstance(run.config, ContrastiveConfig) or run.config.start is None:
        return None
    clip, report = begin(run.config)
    own = _hashes(clip.state_dict())
    plain = _hashes(begin(config.second("web-only", run.seed))[0].state_dict())
    _compare(run, own, plain)
    assert report is not None
    return f"{run.name}: {run.config.start} handed over: {report!r}"


def check_hashes(runs: Sequence[ArmRun], /) -> None:
    """Hold of finished runs that arms of a seed began with one text tower, and with the vision towers they must.

    Raises
    ------
    ValueError
        A violation; the sentence names the arm.
    """
    plain = {run.seed: _first(run) for run in runs if run.arm == "web-only" and run.finished}
    texts: dict[int, str] = {}
    for run in runs:
        if run.finished and isinstance(run.config, ContrastiveConfig):
            own = _first(run)
            text = texts.setdefault(run.seed, own["text"])
            _compare(run, own, plain.get(run.seed, {"text": text, "vision": ""}))


def _compare(run: ArmRun, own: Mapping[str, str], plain: Mapping[str, str]) -> None:
    """Compare what an arm began with with what web-only of its seed did, and with the end of stage 1."""
    wrong = ""
    if own["text"] != plain["text"]:
        wrong = "another text tower than the other arms"
    elif run.config.start is not None and own["vision"] == plain["vision"]:
        wrong = "web-only's random vision tower"
    elif run.config.start is not None and own["vision"] != _last_vision(run):
        wrong = f"another vision tower than {run.config.start} ended with"
    if wrong:
        msg = f"{run.name} began with {wrong}: the arms in {run.path.parent} cannot be compared; train in a new folder."
        raise ValueError(msg)


def _last_vision(run: ArmRun) -> str:
    from alignkit.models._clip_run_model import read_clip_model

    assert run.config.start is not None
    return _hashes(read_clip_model(run.config.start).state)["vision"]


def _first(run: ArmRun) -> dict[str, str]:
    """Return the hashes of what a finished run began with, as its manifest has them."""
    path = run.path / MANIFEST
    content: Any = read_json(path) if path.is_file() else None
    found = content.get("first_sha256") if isinstance(content, dict) else None
    if not isinstance(found, dict) or not all(isinstance(found.get(key), str) for key in ("vision", "text")):
        msg = f"{path} does not say which weights the run began with; it is damaged: train in a new folder."
        raise ValueError(msg)
    return {key: found[key] for key in ("vision", "text")}


def _hashes(state: Mapping[str, Tensor]) -> dict[str, str]:
    """Return hashes of a CLIP's vision tower, and of all else."""
    from alignkit.models._state_sha256 import state_sha256

    def of(vision: bool) -> str:
        return state_sha256({name: one for name, one in state.items() if name.startswith("visual.") == vision})

    return {"vision": of(True), "text": of(False)}
