"""Whose models are trained, on whose RDMs, from which group's model, and what they are scored on."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from alignkit._check import join_names
from alignkit._config import read_config
from alignkit._io import sha256
from alignkit._typing import IntArray
from alignkit.models._run_model import MANIFEST
from alignkit.train._own_functions import check_own_functions, own_functions
from alignkit.train._people import own_seed, person_folder
from alignkit.train._people_difference import people
from alignkit.train._run_folder import CONFIG, SPLITS, read_versions
from alignkit.train._splits import Splits
from alignkit.train.hba_meg._cells import MAX_ITEMS, MIN_ITEMS, drawn, told_drawn
from alignkit.train.hba_meg._data import HBAMEGData
from alignkit.train.hba_meg.config import HBAMEGConfig

#: What belongs to people's training, and is never taken from the group's run.
_OWN = (
    "subject",
    "shuffle_people",
    "start",
    "out",
    "people",
    "held_out_people",
    "loop",
    "optim",
    "weights_lr",
    "weights_epochs",
    "weights_patience",
    "window_s",
    "n_bootstrap",
    "n_permutations",
)
#: What a person's model has from the group's, and cannot have otherwise.
_GROUPS = (
    "readout",
    "window",
    "reach",
    "dimension_weights",
    "noise",
    "adapter",
    "backbone",
    "img_size",
    "preprocess",
    "prompts",
)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class PeopleStudy:
    """The same for whoever computes it, for one person or for all.

    Parameters
    ----------
    data : HBAMEGData
    config : HBAMEGConfig
        Settings of everybody's training, as :func:`dynamics_settings` returns them.
    donors : dict of str to str
        Whose RDMs each one's model is trained on.
    items : {"held_out", "val", "train"}
        Side of the split that models are scored on.
    rows : ndarray of int
        The scored items, as rows of the data.
    digest : str
        Checksum of the scored items, the times and the splits.
    group : str
        Checksum of the group's model.
    """

    data: HBAMEGData
    config: HBAMEGConfig
    donors: dict[str, str]
    items: str
    rows: IntArray
    digest: str
    group: str

    @classmethod
    def of(cls, data: HBAMEGData, config: HBAMEGConfig, /) -> PeopleStudy:
        """Return the study of these data.

        Raises
        ------
        ValueError
            Items to score on that the group's model was trained or chosen on, or nobody else to train on.
        """
        start = Path(str(config.start))
        _check_splits(data.splits, start)
        items, rows = _scored_items(data, config.split_seed)
        labels = [data.labels[row] for row in rows]
        content = json.dumps([labels, data.times.tolist(), data.splits.to_dict()])
        return cls(
            data=data,
            config=config,
            donors=donors(data.train_people, config.loop.seed, shuffle=config.shuffle_people),
            items=items,
            rows=rows,
            digest=hashlib.sha256(content.encode()).hexdigest(),
            group=sha256(start / MANIFEST),
        )

    def asked(self) -> tuple[str, ...]:
        """Return whose models are asked for.

        Raises
        ------
        ValueError
            A name that nobody has, or a person who is held out.
        """
        wanted, names = str(self.config.subject), tuple(self.donors)
        if wanted == "all":
            return names
        if wanted in self.data.held_out_people:
            msg = f"{wanted!r} is held out (held_out_people), and nothing is trained on held-out people."
            raise ValueError(msg)
        if wanted not in names:
            near = difflib.get_close_matches(wanted, names, n=5, cutoff=0.4) or names[:5]
            msg = f"there are no RDMs of {wanted!r}; {people(len(names))} have some, among them {join_names(near)}."
            raise ValueError(msg)
        return (wanted,)

    @property
    def left_out(self) -> tuple[str, ...]:
        """The note that not all items of that side are scored; none where all are."""
        n = len(getattr(self.data, self.items))
        return (told_drawn(self.items, len(self.rows), n, self.config.split_seed),) if n > len(self.rows) else ()

    def settings_of(self, name: str, /) -> HBAMEGConfig:
        """Return the settings of a person's training: with a seed and a folder of their own."""
        seed = own_seed(self.config.loop.seed, name, None)
        return dataclasses.replace(
            self.config,
            subject=name,
            out=self.config.out / person_folder(name),
            loop=dataclasses.replace(self.config.loop, seed=seed, progress=False),
        )


def dynamics_settings(config: HBAMEGConfig, /) -> HBAMEGConfig:
    """Return the settings of people's training: data and model of the group's run, stages and loop of their own.

    Raises
    ------
    FileNotFoundError
        No run in ``start``.
    ValueError
        A run of another method or of one person, settings that would make another model of the group's, or a function
        of somebody's own that ``config`` does not name.
    """
    start = Path(str(config.start))
    method = read_versions(start)["method"]
    if method != HBAMEGConfig.__name__:
        msg = f"{start} holds a run of {method}; people's models start at a finished run of `alignkit train hba-meg`."
        raise ValueError(msg)
    if not (start / MANIFEST).is_file():
        msg = f"the run in {start} is not finished, so that people's models cannot start there; finish it first."
        raise ValueError(msg)
    group = read_config(start / CONFIG, HBAMEGConfig)
    if group.subject is not None:
        msg = f"{start} holds the model of {group.subject!r} alone; give the group's run as start."
        raise ValueError(msg)
    check_own_functions(group, own_functions(config), run=start)
    said = _said(config)
    other = [name for name in _GROUPS if name in said and said[name] != getattr(group, name)]
    if other:
        msg = (
            f"people's models start at the group's, whose {join_names(other)} they have; leave that away, or train a "
            "group's model with it."
        )
        raise ValueError(msg)
    kept = {name: getattr(config, name) for name in _OWN}
    return dataclasses.replace(group, **said, **kept)


def donors(names: tuple[str, ...], seed: int, /, *, shuffle: bool) -> dict[str, str]:
    """Return whose RDMs each one's model is trained on: the own, or (``shuffle``) another's, nobody's twice.

    Shuffled, people form one random circle, in which everybody gets the next one's; it depends on the seed and on who
    there is, not on their order.

    Raises
    ------
    ValueError
        One person alone, who cannot be shuffled.
    """
    if not shuffle:
        return {name: name for name in names}
    if len(names) < 2:
        msg = f"shuffle_people needs two people or more; there is {join_names(names) or 'nobody'}."
        raise ValueError(msg)
    ordered = sorted(names)
    circle = [ordered[k] for k in np.random.default_rng(seed).permutation(len(ordered))]
    following = dict(zip(circle, [*circle[1:], circle[0]], strict=True))
    return {name: following[name] for name in names}


def _said(config: HBAMEGConfig) -> dict[str, Any]:
    """Return what a config says otherwise than by default, but what is people's own."""
    default = HBAMEGConfig()
    names = [field.name for field in dataclasses.fields(HBAMEGConfig) if field.name not in _OWN]
    return {name: value for name in names if (value := getattr(config, name)) != getattr(default, name)}


def _check_splits(splits: Splits, start: Path) -> None:
    group = Splits.load(start / SPLITS)
    seen = sorted(set(splits.held_out) & {*group.train, *group.val})
    if seen:
        msg = (
            f"the group's model in {start} was trained or chosen on {join_names(seen)}, which would be scored on here; "
            "hold out the same items as in the group's run."
        )
        raise ValueError(msg)


def _scored_items(data: HBAMEGData, seed: int) -> tuple[str, IntArray]:
    """Return the first side of the split that has enough items, and its rows; of too many, some are drawn."""
    for items in ("held_out", "val", "train"):
        rows: IntArray = getattr(data, items)
        if len(rows) >= MIN_ITEMS:
            break
    return items, drawn(rows, MAX_ITEMS, seed)
