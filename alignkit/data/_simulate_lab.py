"""The container of the simulated lab: its images on demand, its truths, and more data where wanted."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from alignkit._check import as_labels, check_choice, check_count
from alignkit._io import atomic_write
from alignkit._typing import FloatArray, IntArray, PathLike, RNGLike
from alignkit.data import _simulate_meg as recording
from alignkit.data import _simulate_objects as objects
from alignkit.data import _simulate_people as behaviour
from alignkit.data._simulate_meg_design import MEGDesign
from alignkit.data._simulate_streams import Stream, as_seed, stream
from alignkit.rsa import RDM, Triplets, TwoAFC, pair_probabilities

if TYPE_CHECKING:
    from alignkit.data._render import Image
    from alignkit.data._simulate_meg import SimulatedMEG


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class SimulatedLab:
    """A simulated experiment; made by :func:`simulate`.

    Attributes
    ----------
    seed : int
        What everything was drawn from.
    embedding : ndarray, shape (objects, dimensions)
        The true latents: sparse, not negative.
    labels, categories : tuple of str, one per object
        Unique names (``melon_003``) and their categories.
    dimension_names : tuple of str
        What each latent dimension looks like.
    image_size, images_per_object : int
        Pixels along each side; views that :meth:`export_images` writes unless told otherwise.
    judges : Judges
        The people; their parts have short names below.
    triplets : Triplets
        Answers to random triplets over all objects.
    held_out : Triplets
        Further answers to triplets of test objects alone (see :attr:`split`).
    repeats : Triplets
        The same triplets answered by everybody: the noise ceiling.
    two_afc : TwoAFC
        Votes on which of two objects is more like a third.
    fmri : RDM, dims ("subject",)
        Squared distances per voxel between noisy patterns of the people scanned.
    """

    seed: int
    embedding: FloatArray
    labels: tuple[str, ...]
    categories: tuple[str, ...]
    dimension_names: tuple[str, ...]
    image_size: int
    images_per_object: int
    judges: behaviour.Judges
    triplets: Triplets
    held_out: Triplets
    repeats: Triplets
    two_afc: TwoAFC
    fmri: RDM

    def __repr__(self) -> str:
        people = len(self.participants)
        return f"<SimulatedLab {len(self.labels)} objects, {people} people, seed {self.seed}; simulated>"

    def describe(self) -> str:
        """Return a few sentences on what is simulated, and how."""
        return (
            f"This lab is simulated: no image is a photo and no answer comes from a person. {len(self.labels)} objects "
            f"of {len(set(self.categories))} categories were drawn by a program from {len(self.dimension_names)} known "
            f"dimensions ({', '.join(self.dimension_names)}) in random pose, light and background. "
            f"{len(self.participants)} simulated people gave {len(self.triplets):,} odd-one-out answers by a softmax "
            f"over dot products (temperature {self.noise:g}, mean lapse rate {self.lapses.mean():.1%}, own weights on "
            f"the dimensions). An ideal observer who knows the group reaches {self.bayes_accuracy:.1%}; chance is "
            f"33.3%. Seed {self.seed}."
        )

    # --- objects and their images

    @property
    def superordinates(self) -> tuple[str, ...]:
        """``"natural"`` or ``"made"``, one per object."""
        return tuple(objects.CATEGORIES[name][0] for name in self.categories)

    @property
    def split(self) -> dict[str, tuple[str, ...]]:
        """Names of the ``"train"`` and ``"test"`` objects: every fourth of each category is held out."""
        return objects.split_labels(self.labels)

    @property
    def captions(self) -> tuple[str, ...]:
        """A short true description of each object, its strongest dimensions first."""
        return tuple(self._caption(i) for i in range(len(self.labels)))

    def _caption(self, i: int) -> str:
        strongest = np.argsort(-self.embedding[i], kind="stable")
        words = [self.dimension_names[d] for d in strongest if self.embedding[i, d] >= 0.3][:4]
        thing = f"{', '.join(words)} {self.categories[i]}".strip()
        return f"a picture of {'an' if thing[0] in 'aeiou' else 'a'} {thing}"

    def image(self, i: int | str, view: int = 0) -> Image:
        """Return one picture of object ``i`` (a position or a name): uint8, shape (size, size, 3).

        A pure function of seed, object and view; ``view`` changes pose, light and background only.

        Raises
        ------
        ValueError
            An object that the lab does not hold, or a negative view.
        """
        from alignkit.data._render import render

        number, view = self._number(i), check_count("view", view)
        return render(
            dict(zip(self.dimension_names, self.embedding[number].tolist(), strict=True)),
            stream(self.seed, Stream.STYLE, number),
            stream(self.seed, Stream.SCENE, number, view),
            self.image_size,
        )

    def images(self, view: int = 0) -> npt.NDArray[np.uint8]:
        """Return one picture of every object: uint8, shape (objects, size, size, 3)."""
        return np.stack([self.image(i, view) for i in range(len(self.labels))])

    def export_images(self, folder: PathLike, views: int | None = None, *, progress: bool = False) -> list[Path]:
        """Write the pictures as PNG: ``{label}.png``, or ``{label}/view_00.png`` ... for several views.

        Parameters
        ----------
        folder : path
            Made when missing.
        views : int, optional
            Pictures per object; by default :attr:`images_per_object`.
        progress : bool
            Show a progress bar.

        Returns
        -------
        list of Path
            The files, object by object.
        """
        from PIL import Image as PILImage
        from tqdm import tqdm

        views = self.images_per_object if views is None else check_count("views", views, 1)
        folder = _make_folder(Path(folder))
        paths = []
        for i, label in enumerate(tqdm(self.labels, desc="images", unit="object", disable=not progress)):
            for view in range(views):
                path = folder / f"{label}.png" if views == 1 else _make_folder(folder / label) / f"view_{view:02d}.png"
                with atomic_write(path, durable=False) as file:
                    PILImage.fromarray(self.image(i, view)).save(file, format="PNG")
                paths.append(path)
        return paths

    def _number(self, i: int | str) -> int:
        if isinstance(i, str):
            if i not in self.labels:
                msg = f"the lab holds no object {i!r}; its names run from {self.labels[0]!r} to {self.labels[-1]!r}."
                raise ValueError(msg)
            return self.labels.index(i)
        number = check_count("the object's position", i)
        if number >= len(self.labels):
            msg = f"the lab holds {len(self.labels)} objects (0 to {len(self.labels) - 1}); got {number}."
            raise ValueError(msg)
        return number

    # --- people

    @property
    def participants(self) -> tuple[str, ...]:
        """Names of the people."""
        return self.judges.names

    @property
    def weights(self) -> FloatArray:
        """How much each person cares for each dimension, shape (people, dimensions); averages 1 per person."""
        return self.judges.weights

    @property
    def lapses(self) -> FloatArray:
        """How often each person answers at random, shape (people,)."""
        return self.judges.lapses

    @property
    def noise(self) -> float:
        """Temperature of everybody's softmax, in units of the dot product."""
        return self.judges.noise

    @property
    def bayes_accuracy(self) -> float:
        """Expected share of :attr:`triplets` that an ideal observer who knows the group's probabilities predicts."""
        return self.ideal_accuracy(self.triplets)

    def ideal_accuracy(self, triplets: Triplets, /) -> float:
        """Return the same for any triplets of this lab's objects."""
        return float(self.true_choice_probabilities(triplets).max(axis=1).mean())

    def true_choice_probabilities(self, triplets: Triplets, /, *, of: str = "group") -> FloatArray:
        r"""Return how likely each column is chosen as the odd one out.

        A person p keeps i and j together with probability

        .. math:: (1 - \lambda_p) \frac{e^{s_{ij}/T}}{e^{s_{ij}/T} + e^{s_{ik}/T} + e^{s_{jk}/T}}
                  + \frac{\lambda_p}{3}, \qquad s_{ij} = \sum_d w_{pd} x_{id} x_{jd}

        with temperature T (:attr:`noise`), lapse rate :math:`\lambda_p` and weights :math:`w_p`.

        Parameters
        ----------
        triplets : Triplets
            Unlabelled ones are taken to number this lab's objects; labelled ones are matched by name.
        of : {"group", "person"}
            The mean over all people, or each row's own participant.

        Returns
        -------
        ndarray, shape (n, 3)
            Rows sum to 1; the last column belongs to the answer that was given.

        Raises
        ------
        ValueError
            Objects or participants that the lab does not hold, or ``of="person"`` without participants.

        References
        ----------
        Hebart et al. (2020), Nature Human Behaviour 4, 1173-1185. https://doi.org/10.1038/s41562-020-00951-3
        """
        check_choice("of", of, ("group", "person"))
        items = self._positions(triplets.items, triplets.labels)
        if of == "group":
            return behaviour.group_probabilities(self.judges, items)
        if triplets.participant is None:
            msg = "these triplets do not say who answered; use of='group'."
            raise ValueError(msg)
        return behaviour.choice_probabilities(self.judges, items, self._persons(triplets.participant))

    def true_two_afc_probabilities(self, trials: TwoAFC, /) -> FloatArray:
        """Return how likely a person votes for left and for right, mean over people, shape (n, 2)."""
        items = self._positions(trials.items, trials.labels)
        return behaviour.pair_choice_probabilities(self.judges, items).mean(axis=1)

    def ask(
        self, n: int, /, *, objects: Iterable[str] | None = None, participant: str | None = None, rng: RNGLike = 0
    ) -> Triplets:
        """Return ``n`` further answers to random triplets.

        Parameters
        ----------
        n : int
            How many.
        objects : sequence of str, optional
            Names of the objects to show, three or more; by default all.
        participant : str, optional
            Who answers; by default everybody in turn.
        rng : Generator, int or None
            The same number gives the same answers; it is combined with the lab's seed.

        Raises
        ------
        ValueError
            Objects or a participant that the lab does not hold, or fewer than three objects.
        """
        check_count("n", n, 1)
        names = self.labels if objects is None else as_labels("objects", objects)
        items = np.array([self._number(name) for name in names])
        if len(items) < 3:
            msg = f"objects must name at least 3 objects; got {len(items)}."
            raise ValueError(msg)
        generator = stream(self.seed, Stream.ASKED, as_seed(rng))
        person = np.arange(n) % len(self.participants)
        if participant is not None:
            person = np.repeat(self._persons(np.array([participant])), n)
        triples = behaviour.draw_triples(n, items, generator)
        return behaviour.answer(self.judges, triples, person, generator)

    def _positions(self, items: IntArray, labels: tuple[str, ...] | None) -> IntArray:
        if labels is not None:
            return np.array([self._number(label) for label in labels])[items]
        self._number(int(items.max()))
        return items

    def _persons(self, names: npt.NDArray[np.str_]) -> IntArray:
        unique, inverse = np.unique(names.astype(str), return_inverse=True)
        for name in unique:
            check_choice("participant", str(name), self.participants)
        return np.array([self.participants.index(str(name)) for name in unique])[inverse]

    # --- true geometry and brains

    @property
    def rdm(self) -> RDM:
        """True behavioural RDM: 1 - probability that two objects are kept together, mean over all third objects.

        That of a person with even weights who never lapses; without noise, of one with a temperature of .001.
        """
        kept = pair_probabilities(self.embedding, temperature=max(self.noise, 1e-3))
        return RDM(1 - kept, self.labels, metric="1 - choice probability")

    @property
    def latent_rdm(self) -> RDM:
        """Squared Euclidean distances between the true latents: the geometry that the brains carry."""
        from alignkit.rsa import rdm

        return rdm(self.embedding, metric="sqeuclidean", labels=self.labels)

    def meg(
        self,
        *,
        n_subjects: int = 4,
        n_trials: int | None = None,
        n_sessions: int | None = None,
        n_channels: int = 32,
        n_times: int = 60,
        sfreq: float = 100.0,
        start_s: float = -0.1,
        onset_s: float = 0.08,
        peak_s: float = 0.15,
        latency_sd_s: float = 0.0,
        dynamics_sd_s: float = 0.0,
        session_sd: float = 0.1,
        snr: float = 0.03,
        noise: Literal["realistic", "white"] = "realistic",
        rank: int | None = None,
    ) -> SimulatedMEG:
        r"""Simulate M/EEG epochs with a planted onset, peak and RDM.

        The signal's energy e(t) is zero up to the onset, rises in a straight line to 1 at the peak and decays
        exponentially. It moves from low-level latents (colour, texture, gloss) to high-level ones (shape) by a
        logistic share m(t), one half at the peak, so that squared distances are
        :math:`e [(1-m) D_{low} + m D_{high}]`. Each latent has a smooth field over a helmet of sensors, low-level ones
        occipital and high-level ones temporal. The fields are orthonormal, so that distances are exact.

        Parameters
        ----------
        n_subjects : int
            People, the first of the lab's, each with their own weights on the latents and own fields.
        n_trials : int, optional
            Times each object is shown in all; by default once per session, or 6 times.
        n_sessions : int, optional
            Sessions, by default one per showing (THINGS-MEG: 12 of each). They divide ``n_trials``.
        n_channels : int
            Sensors, at least as many as there are dimensions.
        n_times, sfreq, start_s : int, float, float
            Samples, samples per second, and time of the first sample in seconds.
        onset_s, peak_s : float
            Seconds after picture onset.
        latency_sd_s : float
            Standard deviation over people of a shift of onset and peak, in seconds.
        dynamics_sd_s : float
            Standard deviation, over people and latents, of when an early latent fades or a late one comes in, in
            seconds before or after the peak, uniformly drawn; by default all do at the peak. It moves each latent's
            share of the signal, never e(t), so that everybody's onset and peak stay what they are. A person's truth is
            ``SimulatedMEG.planted_of``.
        session_sd : float
            How sessions differ: standard deviation of the logarithm of the signal's gain (products of two sessions'
            gains average 1), and of a constant field added to a session, relative to the noise.
        snr : float
            Variance of the signal over objects at the peak divided by the noise variance of one trial, both mean over
            channels; 0 for none. The default gives lower noise ceilings (Spearman, crossnobis RDMs of 48 or 96
            objects, 4 or 12 people) of .10 to .15 at the peak with 6 sessions and .2 to .3 with 12, as real recordings
            do.
        noise : {"realistic", "white"}
            Added to each trial, with variance 1 (mean over channels). Realistic noise has 1/f power (flat below 1 Hz)
            and correlates by ``exp(-distance / 6 cm)`` between sensors; no latent has more of it than another, so that
            whitened distances are the planted ones times a constant.
        rank : int, optional
            Independent channels, at least as many as there are dimensions; by default all. Lower ranks are those of
            data after signal-space separation or projections: noise and signal span exactly so many.

        Returns
        -------
        SimulatedMEG
            The epochs, float32, and their truth. Person s's data do not depend on ``n_subjects``. Large recordings
            need not fit into memory: see ``SimulatedMEG.sessions``.

        Raises
        ------
        ValueError
            More people than the lab has, too few channels or too low a rank, sessions that do not divide the trials,
            or an epoch that does not hold onset and peak.
        """
        n_dimensions = len(self.dimension_names)
        if n_trials is None:
            n_trials = 6 if n_sessions is None else check_count("n_sessions", n_sessions, 1)
        design = MEGDesign(
            n_subjects=n_subjects,
            n_trials=n_trials,
            n_sessions=n_trials if n_sessions is None else n_sessions,
            n_channels=n_channels,
            n_times=n_times,
            sfreq=sfreq,
            start_s=start_s,
            onset_s=onset_s,
            peak_s=peak_s,
            latency_sd_s=latency_sd_s,
            dynamics_sd_s=dynamics_sd_s,
            session_sd=session_sd,
            snr=snr,
            noise=noise,
            rank=n_channels if rank is None else check_count("rank", rank, n_dimensions),
        )
        check_at_most("n_subjects", n_subjects, len(self.participants), "people in the lab")
        check_count("n_channels", n_channels, n_dimensions)
        check_at_most("rank", design.rank, n_channels, "channels")
        low_level = objects.is_low_level(n_dimensions)
        return recording.record(self.judges, low_level, design, self.seed)


def check_at_most(name: str, value: int, maximum: int, what: str) -> None:
    """Raise when ``value`` exceeds ``maximum``."""
    if value > maximum:
        msg = f"{name} must be at most {maximum} ({what}); got {value}."
        raise ValueError(msg)


def _make_folder(folder: Path) -> Path:
    if folder.exists() and not folder.is_dir():
        msg = f"{folder} is a file; give a folder."
        raise NotADirectoryError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
