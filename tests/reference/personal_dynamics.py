"""People who share a movie of RDMs after 0 and have so much of their own, and what their models are worth."""

from __future__ import annotations

import functools

import numpy as np

from alignkit.meg import identify
from alignkit.rsa import RDM
from alignkit.train._people_difference import people_difference
from alignkit.train.hba_meg._people_result import PersonalDynamics, describe_scored

TIMES = np.arange(-10, 31) / 100
WINDOW = (0.0, 0.3)
N_PAIRS = 45
#: Where there is one time point.
ONE = (0.1,)


@functools.cache
def result(n=12, *, personal=0.6, shuffled=False, alone=False, sessions=True, times=None, seed=0):
    """Return the result of people whose RDMs share a movie after 0 and have so much of their own."""
    times = TIMES if times is None else np.array(times)
    rng, names = np.random.default_rng(seed), tuple(f"p{k + 1:02d}" for k in range(n))
    shape = (n, len(times), N_PAIRS)
    gain = (times >= 0)[:, None]
    common = gain * rng.random(shape[1:])
    own = common + personal * gain * rng.random(shape)
    first, second = (own + 1.5 * rng.random(shape) for _ in range(2))
    models = own + 0.2 * rng.random(shape)
    if shuffled:
        models = np.roll(models, 1, axis=0)
    people = RDM(first, dims=["subject", "time"], coords={"subject": list(names), "time": times})
    other = RDM(second, dims=["subject", "time"], coords={"subject": list(names), "time": times})
    own_models = {k: RDM(m, dims=["time"], coords={"time": times}) for k, m in zip(names, models, strict=True)}
    window = (float(max(times[0], 0.0)), float(times[-1]))
    found = identify(own_models, people, window=window, other=other if sessions else None, rng=0)
    whole = identify(own_models, people, other=other, rng=0)
    group_rdms = {
        name: RDM(common + 0.3 * rng.random(shape[1:]), dims=["time"], coords={"time": times}) for name in names
    }
    group = identify(group_rdms, people, rng=0).curves()[0]
    curves = whole.curves()[0]
    tests = {
        "correlation, own - group's": (curves - group).mean(axis=1),
        "correlation, own - others'": found.own_minus_others,
    }
    kept = slice(0, 1) if alone else slice(None)
    return PersonalDynamics(
        people=names[kept],
        trained_on=(names[-1:] + names[:-1] if shuffled else names)[kept],
        own=curves[kept],
        group=group[kept],
        sessions=whole.curves(of_sessions=True)[0][kept] if sessions else None,
        identification=None if alone else found,
        tests=()
        if alone
        else tuple(
            people_difference(name, values, n_bootstrap=100, confidence=0.95, rng=np.random.default_rng(0))
            for name, values in tests.items()
        ),
        times=times,
        window=window,
        items="held_out",
        other_sessions=sessions,
        n_items=10,
        shuffled=shuffled,
        kept_steps=np.arange(n)[kept],
        n_parameters=300216,
        split=describe_scored("held_out", other_sessions=sessions, n_items=10),
        notes=("A note.",),
        n_bootstrap=100,
        confidence=0.95,
    )
