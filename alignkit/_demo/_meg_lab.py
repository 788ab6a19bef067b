"""M/EEG in the simulated lab, as a study of one's own would have it: pictures, RDMs of two halves of the sessions."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from alignkit._demo._draw import draw
from alignkit._io import atomic_write, read_json, write_json

if TYPE_CHECKING:
    from alignkit.data import SimulatedLab
    from alignkit.data._simulate_meg import SimulatedMEG

#: Objects of the lab that this recording is made for: a quarter of them is held out.
N_OBJECTS = 160
#: The recording. Leave-one-out ceilings (Spearman, held-out objects, either half) lie at .2 to .3 at the peak, and who
#: knows what is planted names most people from the RDMs of one half. The steep rise makes the peak plain: RDMs that
#: correlate best with people's do so at ``peak_s``.
RECORDING: Mapping[str, Any] = {
    "n_subjects": 12,
    "n_sessions": 12,
    "n_times": 71,
    "sfreq": 100.0,
    "onset_s": 0.1,
    "peak_s": 0.15,
    "dynamics_sd_s": 0.1,
    "snr": 0.05,
}


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
        Whose people, the first of them, are recorded; of ``N_OBJECTS`` objects for the ceilings of ``RECORDING``.
    views : int
        Pictures of each object.
    **design
        As for ``SimulatedLab.meg``, in place of what ``RECORDING`` says. An even number of sessions, six or more.

    Returns
    -------
    MEGLab

    Raises
    ------
    ValueError
        A folder that holds another study, or sessions that cannot be halved.
    """
    design = {**RECORDING, **design}
    meg = lab.meg(**design)
    if meg.n_sessions < 6 or meg.n_sessions % 2:  # noise is estimated in two sessions or more, outside the one tested
        msg = f"n_sessions must be 6, 8, 10, ..., so that each half can be cross-validated; got {meg.n_sessions}."
        raise ValueError(msg)
    _claim(folder, lab, design)
    images, held_out = folder / "images", folder / "held_out.txt"
    draw(lab, images, dict.fromkeys(lab.labels, views))
    with atomic_write(held_out) as file:
        file.write("".join(f"{label}\n" for label in lab.split["test"]).encode())
    rdms, test_rdms = _write_rdms(meg, (folder / "rdms", folder / "rdms-test"))
    return MEGLab(lab=lab, meg=meg, images=images, rdms=rdms, test_rdms=test_rdms, held_out=held_out)


def _claim(folder: Path, lab: SimulatedLab, design: Mapping[str, Any]) -> None:
    """Write what the study is, or raise where the folder holds another."""
    truth = hashlib.sha256(lab.embedding.tobytes() + lab.weights.tobytes()).hexdigest()
    study = {"seed": lab.seed, "n_objects": len(lab.labels), "image_size": lab.image_size, "truth": truth, **design}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "study.json"
    if not path.is_file():
        write_json(path, study)
        return
    there = read_json(path)
    differ = sorted(name for name in study.keys() | there.keys() if study.get(name) != there.get(name))
    if differ:
        msg = f"{folder} holds another study, which differs in {', '.join(differ)}; name another folder."
        raise ValueError(msg)


def _write_rdms(meg: SimulatedMEG, folders: tuple[Path, Path]) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Write the crossnobis RDMs of both halves of everybody's sessions, where they are missing."""
    for folder in folders:
        folder.mkdir(exist_ok=True)
    first, second = (tuple(folder / f"{person}.zarr" for person in meg.subjects) for folder in folders)
    people = tqdm(meg.subjects, desc="RDMs over time", unit="person")
    for person, *paths in zip(people, first, second, strict=True):
        if not all(_finished(path) for path in paths):
            _write_halves(meg, person, paths)
    return first, second


def _write_halves(meg: SimulatedMEG, person: str, paths: Sequence[Path]) -> None:
    """Record one person once, half of the sessions after the other."""
    from alignkit.meg import time_rdms

    half = meg.n_sessions // len(paths)
    sessions = meg.sessions(person)
    for k, path in enumerate(paths):
        trials = np.concatenate(list(itertools.islice(sessions, half)))
        rows = (meg.session >= k * half) & (meg.session < (k + 1) * half)
        shown = [meg.labels[c] for c in meg.condition[rows]]
        if not _finished(path):
            folds = meg.session[rows].tolist()
            time_rdms(trials, by=shown, folds=folds, times=meg.times, dtype="float32", out=path)


def _finished(path: Path) -> bool:
    from alignkit.meg import RDMStore

    return path.exists() and RDMStore.open(path).finished
