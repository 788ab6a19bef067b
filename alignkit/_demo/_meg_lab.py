"""M/EEG in the simulated lab, as a study of one's own would have it: pictures, RDMs of two halves of the sessions."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._demo._draw import draw
from alignkit._io import atomic_write

if TYPE_CHECKING:
    from alignkit.data import SimulatedLab
    from alignkit.data._simulate_meg import SimulatedMEG


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MEGLab:
    """The lab's recording, its truth, and the files that a study would start from.

    Attributes
    ----------
    lab, meg : SimulatedLab, SimulatedMEG
        What is simulated.
    images : Path
        Folder of pictures, ``{label}/view_00.png`` ...
    rdms, test_rdms : tuple of Path
        ``{person}.zarr`` of each person: RDMs over time of the first half of the sessions, and of the second.
    held_out : Path
        Names of the objects to hold out, one a line.
    """

    lab: SimulatedLab
    meg: SimulatedMEG
    images: Path
    rdms: tuple[Path, ...]
    test_rdms: tuple[Path, ...]
    held_out: Path


def make_meg_lab(folder: Path, lab: SimulatedLab, /, *, views: int = 1, **design: Any) -> MEGLab:
    """Record people's M/EEG in the lab and write the study into a folder; what is there is reused.

    Parameters
    ----------
    folder : Path
        Made when missing.
    lab : SimulatedLab
        Whose people, the first of them, are recorded.
    views : int
        Pictures of each object.
    **design
        As for ``SimulatedLab.meg``; an even number of sessions.
    """
    meg = lab.meg(**design)
    if meg.n_sessions % 2:
        msg = f"n_sessions must be even, as each half gives RDMs of its own; got {meg.n_sessions}."
        raise ValueError(msg)
    images, held_out = folder / "images", folder / "held_out.txt"
    draw(lab, images, dict.fromkeys(lab.labels, views))
    with atomic_write(held_out) as file:
        file.write("".join(f"{label}\n" for label in lab.split["test"]).encode())
    half = meg.n_sessions // 2
    halves = ((folder / "rdms", range(half)), (folder / "rdms-test", range(half, 2 * half)))
    rdms, test_rdms = (_write_rdms(meg, part, sessions) for part, sessions in halves)
    return MEGLab(lab=lab, meg=meg, images=images, rdms=rdms, test_rdms=test_rdms, held_out=held_out)


def _write_rdms(meg: SimulatedMEG, folder: Path, sessions: Sequence[int]) -> tuple[Path, ...]:
    from alignkit.meg import RDMStore, time_rdms

    folder.mkdir(parents=True, exist_ok=True)
    paths = tuple(folder / f"{person}.zarr" for person in meg.subjects)
    rows = np.isin(meg.session, sessions)
    shown = [meg.labels[c] for c in meg.condition[rows]]
    for person, path in zip(meg.subjects, paths, strict=True):
        if path.exists() and RDMStore.open(path).finished:
            continue
        trials = np.concatenate([trials for k, trials in enumerate(meg.sessions(person)) if k in sessions])
        time_rdms(trials, by=shown, folds=meg.session[rows].tolist(), times=meg.times, dtype="float32", out=path)
    return paths
