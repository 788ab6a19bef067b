"""People with a planted RDM movie, as data of HBA-MEG, and what plain loops say of models in a cell."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from alignkit.meg._slices import align_slices, as_sources
from alignkit.rsa import RDM, compare
from alignkit.train._splits import Splits
from alignkit.train.hba_meg._data import HBAMEGData

LABELS = tuple(f"item {i:02d}" for i in range(30))
PEOPLE = tuple("abcdefgh")
TIMES = np.arange(-10, 41) / 100
SPLITS = Splits(LABELS[:14], LABELS[14:20], LABELS[20:], 1)
N_PAIRS = len(LABELS) * (len(LABELS) - 1) // 2


def rise(times, onset=0.06, peak=0.15):
    """Return how much there is to see: nothing up to the onset, most at the peak, then less and less."""
    up = np.clip((times - onset) / (peak - onset), 0, 1)
    return np.where(times < peak, up, np.exp(-(times - peak) / 0.15))


def planted(times=TIMES):
    """Return an RDM movie of all items: one structure gives way to another."""
    rng = np.random.default_rng(4)
    early, late = rng.normal(size=(2, N_PAIRS))
    share = np.clip((times - 0.05) / 0.3, 0, 1)[:, None]
    return RDM(((1 - share) * early + share * late), LABELS, dims=["time"], coords={"time": times})


def slices(people, seed, *, times=TIMES, noise=2.5, values=None):
    """Return RDMs of people who see the planted movie in noise."""
    rng = np.random.default_rng(seed)
    if values is None:
        signal = rise(times)[:, None] * planted(times).values
        values = signal + rng.normal(scale=noise, size=(len(people), *signal.shape))
    rdms = RDM(values, LABELS, dims=["subject", "time"], coords={"subject": list(people), "time": times})
    return align_slices(as_sources(rdms), [], "raise", 0.0)[0]


def study(*, held_out_people=2, test=False, times=TIMES, splits=SPLITS, **fields):
    """Return data of eight people, the last of them held out."""
    n = len(PEOPLE) - held_out_people
    known = {
        "labels": LABELS,
        "images": tuple((Path(f"{name}.png"),) for name in LABELS),
        "splits": splits,
        "rdms": slices(PEOPLE, 1, times=times),
        "test_rdms": slices(PEOPLE[1:], 2, times=times) if test else None,
        "train_people": PEOPLE[:n],
        "held_out_people": PEOPLE[n:],
        "times": times,
        "name": "planted",
    }
    return HBAMEGData(**{**known, **fields})


def models(times=TIMES):
    """Return a model that unfolds as the planted movie does, one that stands still, and one that knows nothing."""
    movie, rng = planted(times), np.random.default_rng(9)
    still = RDM(movie.values.mean(axis=0), LABELS)
    noise = RDM(rng.normal(size=movie.values.shape), LABELS, dims=["time"], coords={"time": times})
    return {name: one.take for name, one in (("moving", movie), ("still", still), ("noise", noise))}


def curve(data, predict, rows, person, *, test=False):
    """Return Spearman's correlation of a model with one person at each time, one comparison at a time."""
    people = data.movie(rows, [person], test=test)
    model, values = predict(rows), []
    for t in range(len(data.times)):
        own = model.isel(time=t) if model.dims else model
        values.append(float(compare(own, people.isel(subject=0, time=t), method="spearman")))
    return np.array(values)
