"""Brains of the simulated lab: topographies of the latents, and fMRI patterns with known noise."""

from __future__ import annotations

import numpy as np

from alignkit._typing import FloatArray
from alignkit.data._simulate_people import Judges
from alignkit.data._simulate_streams import Stream, stream
from alignkit.rsa import RDM, rdm


def scan(judges: Judges, n_subjects: int, *, n_voxels: int, snr: float, seed: int) -> RDM:
    """Return one RDM per person: squared distances per voxel between noisy patterns, dims ("subject",)."""
    names, labels = judges.names[:n_subjects], judges.labels
    patterns = np.empty((n_subjects, len(labels), n_voxels))
    for s in range(n_subjects):
        rng = stream(seed, Stream.FMRI, s)
        latents = scaled(judges.embedding * np.sqrt(judges.weights[s]))
        signal = latents @ topography(latents.shape[1], n_voxels, rng)
        variance = signal.var(axis=0).mean()
        patterns[s] = signal + np.sqrt(variance / snr) * rng.standard_normal(signal.shape)
    result = rdm(
        patterns, metric="sqeuclidean", normalize=True, labels=labels, dims=("subject",), coords={"subject": names}
    )
    return result.replace(result.values, provenance={"simulated": True, "snr": snr, "n_voxels": n_voxels})


def topography(n_dimensions: int, n_channels: int, rng: np.random.Generator) -> FloatArray:
    """Return orthonormal rows, times the root of the number of channels.

    They keep distances exact: what is planted in the latents is, per channel, what the patterns hold.
    """
    return np.linalg.qr(rng.standard_normal((n_channels, n_dimensions)))[0].T * np.sqrt(n_channels)


def scaled(latents: FloatArray) -> FloatArray:
    """Return centred latents whose mean squared distance over pairs is 1."""
    centred = latents - latents.mean(axis=0)
    n = len(latents)
    return centred / np.sqrt(2 * (centred**2).sum() / (n - 1))
