"""The simulated lab: drawn objects, simulated people and brains, with every truth known."""

from __future__ import annotations

import numpy as np

from alignkit._check import check_count, check_not_negative, check_positive, check_probability
from alignkit._typing import IntArray, RNGLike
from alignkit.data import _simulate_brain as brain
from alignkit.data import _simulate_objects as objects
from alignkit.data import _simulate_people as behaviour
from alignkit.data._simulate_lab import SimulatedLab, check_at_most
from alignkit.data._simulate_streams import Stream, as_seed, stream
from alignkit.rsa import Triplets, TwoAFC

__all__ = ["SimulatedLab", "simulate"]


def simulate(
    n_objects: int = 96,
    /,
    *,
    n_participants: int = 24,
    n_dimensions: int = 12,
    n_triplets: int = 12_000,
    n_held_out: int = 2_400,
    n_repeats: int = 100,
    n_two_afc: int = 1_000,
    n_votes: int | None = None,
    noise: float = 0.4,
    lapse: float = 0.03,
    individuality: float = 0.3,
    n_scanned: int | None = None,
    fmri_snr: float = 0.15,
    images_per_object: int = 1,
    image_size: int = 64,
    rng: RNGLike = 0,
) -> SimulatedLab:
    """Simulate a lab: objects with known latents, their pictures, people who judge them, and brains.

    Objects belong to eight categories (four natural, four made) and have sparse non-negative latents. The latents
    shape and paint a picture of the object; pose, light and background do not depend on them, so that pixels and
    untrained networks see next to nothing of the true geometry while a trained one can read it.

    Parameters
    ----------
    n_objects : int
        At least 16. Object i is the same in labs of any size with the same seed.
    n_participants : int
        People, at least 2.
    n_dimensions : int
        Latent dimensions, 8 to 12.
    n_triplets, n_held_out : int
        Odd-one-out answers to triplets of all objects and, besides, of test objects alone; people take turns.
    n_repeats : int
        Triplets that every participant answers once.
    n_two_afc : int
        2AFC trials.
    n_votes : int, optional
        Different people who vote on each; by default 6 or, if fewer, all.
    noise : float
        Temperature of the softmax over dot products; 0 makes everybody choose the largest.
    lapse : float
        Mean share of answers given at random, 0 to 1.
    individuality : float
        Standard deviation over people of the log weights on the dimensions; 0 makes all alike.
    n_scanned : int, optional
        People with fMRI, the first of the participants; by default 12 or, if fewer, all.
    fmri_snr : float
        Variance of the signal over objects divided by the noise variance, mean over 100 voxels.
    images_per_object, image_size : int
        Views per object that are exported by default, and pixels along each side (at least 16).
    rng : Generator, int or None
        The same seed gives the same bits. A generator or None draws the lab's seed.

    Returns
    -------
    SimulatedLab

    Raises
    ------
    ValueError
        A number outside its range.
    TypeError
        A count that is not a whole number.

    References
    ----------
    Zheng et al. (2019), Revealing interpretable object representations from human behavior.
    https://doi.org/10.48550/arXiv.1901.02915

    Examples
    --------
    >>> lab = simulate(24, n_participants=4, rng=1)
    >>> lab
    <SimulatedLab 24 objects, 4 people, seed 1; simulated>
    >>> lab.labels[:3], lab.image(0).shape
    (('urchin_000', 'melon_000', 'beetle_000'), (64, 64, 3))
    >>> lab.true_choice_probabilities(lab.triplets).sum(axis=1).round(6).min()
    np.float64(1.0)
    """
    check_count("n_objects", n_objects, 16)
    check_count("n_participants", n_participants, 2)
    check_count("n_dimensions", n_dimensions, objects.MIN_DIMENSIONS)
    check_at_most("n_dimensions", n_dimensions, len(objects.DIMENSIONS), "dimensions that can be drawn")
    counts = {"n_triplets": n_triplets, "n_held_out": n_held_out, "n_repeats": n_repeats, "n_two_afc": n_two_afc}
    for name, value in {**counts, "images_per_object": images_per_object}.items():
        check_count(name, value, 1)
    check_count("image_size", image_size, 16)
    check_at_most("n_repeats", n_repeats, n_objects * (n_objects - 1) * (n_objects - 2) // 12, "half of all triplets")
    check_not_negative("noise", noise)
    check_probability("lapse", lapse)
    check_not_negative("individuality", individuality)
    check_positive("fmri_snr", fmri_snr)
    n_scanned = min(12, n_participants) if n_scanned is None else check_count("n_scanned", n_scanned, 1)
    check_at_most("n_scanned", n_scanned, n_participants, "participants")
    n_votes = min(6, n_participants) if n_votes is None else check_count("n_votes", n_votes, 1)
    check_at_most("n_votes", n_votes, n_participants, "participants")

    seed = as_seed(rng)
    labels = objects.object_labels(n_objects)
    embedding = objects.draw_embedding(n_objects, n_dimensions, seed)
    judges = behaviour.draw_judges(
        embedding, labels, n_participants, noise=noise, lapse=lapse, individuality=individuality, seed=seed
    )
    everything = np.arange(n_objects)
    test = everything[np.isin(labels, objects.split_labels(labels)["test"])]
    return SimulatedLab(
        seed=seed,
        embedding=embedding,
        labels=labels,
        categories=objects.category_names(n_objects),
        dimension_names=tuple(name for name, _ in objects.DIMENSIONS[:n_dimensions]),
        image_size=image_size,
        images_per_object=images_per_object,
        judges=judges,
        triplets=_answers(judges, everything, n_triplets, stream(seed, Stream.ANSWERS)),
        held_out=_answers(judges, test, n_held_out, stream(seed, Stream.HELD_OUT)),
        repeats=_repeats(judges, n_repeats, stream(seed, Stream.REPEATS)),
        two_afc=_votes(judges, n_two_afc, n_votes, stream(seed, Stream.VOTES)),
        fmri=brain.scan(judges, n_scanned, n_voxels=100, snr=fmri_snr, seed=seed),
    )


def _answers(judges: behaviour.Judges, items: IntArray, n: int, rng: np.random.Generator) -> Triplets:
    triples = behaviour.draw_triples(n, items, rng)
    return behaviour.answer(judges, triples, np.arange(n) % len(judges.names), rng)


def _repeats(judges: behaviour.Judges, n: int, rng: np.random.Generator) -> Triplets:
    n_people = len(judges.names)
    triples = behaviour.draw_distinct_triples(n, np.arange(len(judges.labels)), rng)
    repeat, person = np.repeat(np.arange(n), n_people), np.tile(np.arange(n_people), n)
    shown = rng.permuted(triples[repeat], axis=1)  # everybody sees the three objects in an order of their own
    return behaviour.answer(judges, shown, person, rng, repeat)


def _votes(judges: behaviour.Judges, n: int, n_votes: int, rng: np.random.Generator) -> TwoAFC:
    trials = behaviour.draw_triples(n, np.arange(len(judges.labels)), rng)
    return behaviour.vote(judges, trials, n_votes, rng)
