"""M/EEG of the simulated lab: epochs with planted signal and known noise."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from alignkit._check import check_count
from alignkit._typing import BoolArray, FloatArray, IntArray, PathLike
from alignkit.data._simulate_brain import scaled
from alignkit.data._simulate_meg_design import MEGDesign
from alignkit.data._simulate_meg_recorder import Patterns, Recorder
from alignkit.data._simulate_people import Judges
from alignkit.data._simulate_sensors import helmet
from alignkit.data._simulate_streams import Stream, stream
from alignkit.rsa import RDM, rdm

if TYPE_CHECKING:
    import mne


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class SimulatedMEG:
    """Simulated M/EEG epochs with their planted truth; made by ``SimulatedLab.meg``.

    Nothing is recorded before it is asked for: :attr:`patterns` holds everybody's trials at once, :meth:`sessions`
    one session's at a time, :meth:`epochs` one person's as MNE's; :meth:`write_things` writes files.

    Attributes
    ----------
    condition : ndarray of int, shape (trial,)
        Which object each trial shows: a position in ``labels``.
    repetition : ndarray of int, shape (trial,)
        Which showing of that object it is: independent folds for cross-validation.
    session : ndarray of int, shape (trial,)
        In which session: folds for leave-one-session-out. One showing per session unless asked otherwise.
    times : ndarray, shape (time,)
        Seconds from picture onset.
    subjects, labels : tuple of str
        Names of the people (those of the lab) and of the objects.
    channels : tuple of str
        Names of the sensors; the third letter is the region (O, T, P, F or C), as in CTF's.
    positions : ndarray, shape (channel, 3)
        Metres in head coordinates (x right, y forward, z up).
    onset_s, peak_s : ndarray, shape (subject,)
        When each person's signal starts and is largest, in seconds.
    turn_s : ndarray, shape (subject, dimension)
        By how many seconds later than at the peak each person's early latents fade and late ones come in; 0 unless
        ``dynamics_sd_s`` was asked for.
    snr : float
        Variance of the signal over objects at the peak, mean over channels, divided by the noise variance of one trial.
    rank : int
        Independent channels: rank of the data.
    low, high : RDM
        Early (colour, texture, gloss) and late (shape) vision's squared distances of latents, mean 1.
    """

    condition: IntArray
    repetition: IntArray
    session: IntArray
    times: FloatArray
    subjects: tuple[str, ...]
    labels: tuple[str, ...]
    channels: tuple[str, ...]
    positions: FloatArray
    onset_s: FloatArray
    peak_s: FloatArray
    turn_s: FloatArray
    snr: float
    rank: int
    low: RDM
    high: RDM
    _recorder: Recorder
    _kept: dict[str, Patterns] = dataclasses.field(default_factory=dict)

    @property
    def sfreq(self) -> float:
        """Samples per second."""
        return float(1 / (self.times[1] - self.times[0]))

    @property
    def n_sessions(self) -> int:
        """Number of sessions."""
        return int(self.session[-1]) + 1

    @property
    def patterns(self) -> Patterns:
        """Everybody's epochs, float32, shape (subject, trial, channel, time): the object's signal plus noise.

        Recorded at first use and kept; read-only.
        """
        if "patterns" not in self._kept:
            shape = (len(self.subjects), len(self.condition), len(self.channels), len(self.times))
            patterns = np.empty(shape, dtype=np.float32)
            for s in range(len(self.subjects)):
                self._record(s, patterns[s])
            patterns.setflags(write=False)
            self._kept["patterns"] = patterns
        return self._kept["patterns"]

    @property
    def planted(self) -> RDM:
        """Noise-free squared distances per channel of a person with even weights and the lab's latencies.

        e(t) [(1 - m(t)) low + m(t) high] times the signal's scale, dims ("time",): what crossnobis over sessions
        estimates without bias. For many objects and samples, see :meth:`planted_at`.
        """
        early, late = self._recorder.scale * self._recorder.design.shares()[..., None]
        values = early * self.low.values + late * self.high.values
        return RDM(values, self.labels, dims=("time",), coords={"time": self.times}, metric="sqeuclidean")

    def planted_at(self, seconds: float) -> RDM:
        """Return :attr:`planted` at the sample nearest to ``seconds``."""
        nearest = int(np.abs(self.times - seconds).argmin())
        early, late = self._recorder.scale * self._recorder.design.shares()[:, nearest]
        return RDM(early * self.low.values + late * self.high.values, self.labels, metric="sqeuclidean")

    def latent_energy(self, subject: int | str = 0) -> FloatArray:
        r"""Return how strong each latent of a person is at each time, shape (dimension, time).

        The energy e(t) times the latent's share: of low-level ones :math:`1 - m(t - \tau)`, of high-level ones
        :math:`m(t - \tau)`, with its ``turn_s`` as tau, over the mean of these shares (by mean squared distance).
        """
        return self._recorder.shares(self._number(subject))

    def planted_of(self, subject: int | str = 0) -> RDM:
        """Return noise-free squared distances per channel of one person, dims ("time",).

        With that person's own weights, latency and dynamics: what crossnobis over their sessions estimates
        without bias from white noise, and up to a constant factor after whitening.

        Raises
        ------
        ValueError
            A person who was not recorded.
        """
        number = self._number(subject)
        latents = np.add(*self._recorder.latents(number))
        first, second = np.triu_indices(len(self.labels), 1)
        apart = (latents[first] - latents[second]) ** 2
        values = self._recorder.scale * (self._recorder.shares(number).T @ apart.T)
        return RDM(values, self.labels, dims=("time",), coords={"time": self.times}, metric="sqeuclidean")

    @property
    def planted_group(self) -> RDM:
        """Mean of :meth:`planted_of` over the people recorded, dims ("time",)."""
        values = np.mean([self.planted_of(s).values for s in range(len(self.subjects))], axis=0)
        return RDM(values, self.labels, dims=("time",), coords={"time": self.times}, metric="sqeuclidean")

    def sessions(self, subject: int | str = 0) -> Iterator[Patterns]:
        """Yield one person's epochs session by session, float32, shape (trial, channel, time).

        Only one session is held in memory; together they equal :attr:`patterns` of that person.

        Parameters
        ----------
        subject : int or str
            A position in ``subjects`` or a name.

        Raises
        ------
        ValueError
            A person who was not recorded.
        """
        number = self._number(subject)
        return (self._session(number, session) for session in range(self.n_sessions))

    def _session(self, subject: int, session: int) -> Patterns:
        shown = self.condition[self.session == session]
        patterns = np.empty((len(shown), len(self.channels), len(self.times)), dtype=np.float32)
        start = 0
        for block in self._recorder.blocks(subject, session, shown):
            patterns[start : start + len(block)] = block
            start += len(block)
        return patterns

    def _record(self, subject: int, into: Patterns) -> None:
        for session in range(self.n_sessions):
            into[self.session == session] = self._session(subject, session)

    def _number(self, subject: int | str) -> int:
        if isinstance(subject, str):
            if subject not in self.subjects:
                msg = f"subject must be one of {', '.join(map(repr, self.subjects))}; got {subject!r}."
                raise ValueError(msg)
            return self.subjects.index(subject)
        number = check_count("subject", subject)
        if number >= len(self.subjects):
            msg = f"subject must be below {len(self.subjects)}, the number of people recorded; got {number}."
            raise ValueError(msg)
        return number

    def epochs(self, subject: int | str = 0) -> mne.EpochsArray:
        """Return one person's epochs as MNE's, with sensor positions and metadata; needs ``alignkit[meg]``.

        Parameters
        ----------
        subject : int or str
            A position in ``subjects`` or a name.

        Returns
        -------
        mne.EpochsArray
            Channels of type ``mag``. The metadata has the columns of THINGS-MEG (see :meth:`write_things`), where
            ``things_category_nr`` is one more than the position in ``labels``, and ``object``, its label. Event codes
            are image numbers.

        Raises
        ------
        ValueError
            A person who was not recorded.
        """
        from alignkit.data._things_meg_files import as_epochs

        number = self._number(subject)
        data = np.empty((len(self.condition), len(self.channels), len(self.times)), dtype=np.float32)
        self._record(number, data)
        return as_epochs(self, data)

    def write_things(
        self,
        folder: PathLike,
        /,
        *,
        subject: int | str = 0,
        participant: int = 1,
        n_test: int | None = None,
        n_catch: int | None = None,
        split_size: int = 2**31 - 1,
        progress: bool = False,
    ) -> Path:
        """Write one person's recording in the shape of THINGS-MEG's files, for tests and benchmarks.

        ``preprocessed_P1-epo.fif`` with its parts ``preprocessed_P1-epo-1.fif`` ... as MNE splits them, and
        ``sample_attributes_P1.csv``. The objects are the categories: every trial of one shows another exemplar, and
        carries the same signal. With a lab of 1854 objects, 12 sessions, 271 channels and 281 samples at 200 Hz the
        files have the size and layout of one participant of THINGS-MEG (27,048 trials, 8.2 GB, four parts); they are
        recorded and written a few trials at a time. Values are in units of the noise, as after z-scoring; the
        channels carry calibrations other than 1.

        Parameters
        ----------
        folder : path
            Made when missing. Files of the same names are replaced.
        subject : int or str
            Whose recording: a position in ``subjects`` or a name.
        participant : int
            Number in the names of the files.
        n_test : int, optional
            Test images, each shown once per session: one further exemplar of each of ``n_test`` categories. By
            default the share that THINGS-MEG has, 200 per 1854 objects.
        n_catch : int, optional
            Catch trials per session, whose signal is none of the objects'. By default as many as in THINGS-MEG.
        split_size : int
            Largest size of a file in bytes; by default 2 GB, the limit of FIF.
        progress : bool
            Show a progress bar on stderr.

        Returns
        -------
        Path
            The first part; ``mne.read_epochs`` of it finds the others.

        Raises
        ------
        ValueError
            A person who was not recorded, more test images than objects, or too small a ``split_size``.
        NotADirectoryError
            ``folder`` is a file.

        Notes
        -----
        Metadata columns: ``trial_type`` (exp, test, catch), ``session_nr``, ``run_nr`` (10 a session),
        ``things_category_nr``, ``things_exemplar_nr``, ``things_image_nr``, ``test_image_nr`` (all from 1; NaN where
        there is none), ``image_nr``, ``image_path``, ``image_on``, ``image_off`` (seconds in the run). Event codes
        are image numbers; 999999 is a catch trial. Trials come in random order within their session. Without test
        and catch trials the data are those of :attr:`patterns`.

        References
        ----------
        Hebart et al. (2023), THINGS-data. https://doi.org/10.7554/eLife.82580

        Examples
        --------
        >>> import tempfile
        >>> import mne
        >>> from alignkit.data import simulate
        >>> meg = simulate(20, n_participants=2).meg(n_subjects=1, n_sessions=4)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     first = meg.write_things(folder)
        ...     epochs = mne.read_epochs(first, preload=False, verbose=False)
        ...     print(len(epochs), sorted(set(epochs.metadata["trial_type"])))
        96 ['catch', 'exp', 'test']
        """
        from alignkit.data._things_meg_files import write_things_meg

        number, n = self._number(subject), len(self.labels)
        per_session = max(1, round(n * 200 / 1854))
        return write_things_meg(
            self,
            Path(folder),
            subject=number,
            participant=check_count("participant", participant, 1),
            n_test=check_count("n_test", per_session if n_test is None else n_test),
            n_catch=check_count("n_catch", per_session if n_catch is None else n_catch),
            split_size=split_size,
            progress=progress,
        )

    def __repr__(self) -> str:
        design = self._recorder.design
        return (
            f"<SimulatedMEG {len(self.subjects)} people, {len(self.condition)} trials of {len(self.labels)} objects in "
            f"{self.n_sessions} sessions, {len(self.channels)} channels, {self.times[0]:.3f} to {self.times[-1]:.3f} s "
            f"at {self.sfreq:g} Hz, {design.noise} noise, SNR {self.snr:g}; simulated>"
        )


def record(judges: Judges, low_level: BoolArray, design: MEGDesign, seed: int) -> SimulatedMEG:
    """Return a recording of the first ``design.n_subjects`` people; each depends on the seed and that person alone."""
    n = len(judges.labels)
    order = stream(seed, Stream.MEG_ORDER)
    repetition = np.repeat(np.arange(design.n_trials), n)
    sensors = helmet(design.n_channels)
    recorder = Recorder(judges, low_level, design, sensors, seed)
    shifts = np.array([recorder.shift(s) for s in range(design.n_subjects)])
    low, high = (_latent_rdm(judges.embedding[:, mask], judges.labels) for mask in (low_level, ~low_level))
    return SimulatedMEG(
        condition=np.concatenate([order.permutation(n) for _ in range(design.n_trials)]),
        repetition=repetition,
        session=repetition // (design.n_trials // design.n_sessions),
        times=design.times,
        subjects=judges.names[: design.n_subjects],
        labels=judges.labels,
        channels=sensors.names,
        positions=sensors.positions,
        onset_s=design.onset_s + shifts,
        peak_s=design.peak_s + shifts,
        turn_s=np.stack([recorder.turns(s) for s in range(design.n_subjects)]),
        snr=design.snr,
        rank=design.rank,
        low=low,
        high=high,
        _recorder=recorder,
    )


def _latent_rdm(latents: FloatArray, labels: tuple[str, ...]) -> RDM:
    return rdm(scaled(latents), metric="sqeuclidean", labels=labels)
