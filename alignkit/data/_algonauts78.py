"""Algonauts 2019: 78 photographs and the brains of 15 people who saw them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alignkit._typing import PathLike
from alignkit.data._registry import dataset_path, locate
from alignkit.data._rsa92 import subject_rdms
from alignkit.rsa import RDM


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Algonauts78:
    """78 photographs with fMRI RDMs.

    Parameters
    ----------
    labels : tuple of str, shape (78,)
        ``"image_01"`` to ``"image_78"``: the files' names without suffix.
    fmri_evc, fmri_it : RDM, dims ("subject",)
        Early visual and inferior temporal cortex of 15 people; very noisy.
    image_folder : pathlib.Path
        The photographs.
    """

    labels: tuple[str, ...]
    fmri_evc: RDM
    fmri_it: RDM
    image_folder: Path

    def __repr__(self) -> str:
        return (
            f"<Algonauts78 {len(self.labels)} images ({self.labels[0]}, ..., {self.labels[-1]}); "
            f"fmri_evc, fmri_it: {self.fmri_it.shape[0]} people; images in {self.image_folder}>"
        )


def load_algonauts78(root: PathLike | None = None, /) -> Algonauts78:
    """Read the 78-image data set.

    That the rows of the RDMs follow the numbers of the files is assumed, as the release does not say.

    Parameters
    ----------
    root : path, optional
        Folder that holds ``algonauts78/``; by default the environment variable ``ALIGNKIT_DATA``, else the user's
        cache.

    Returns
    -------
    Algonauts78

    Raises
    ------
    FileNotFoundError
        A file is not there; the sentence says how to get it.
    ValueError
        A damaged file, or RDMs that are not 78 x 78, symmetric and zero on their diagonal.

    References
    ----------
    Cichy et al. (2019), The Algonauts Project, https://doi.org/10.48550/arXiv.1905.05675

    Examples
    --------
    >>> load_algonauts78().labels[:2]  # doctest: +SKIP
    ('image_01', 'image_02')
    """
    labels = tuple(f"image_{i:02d}" for i in range(1, 79))
    evc, it = (
        subject_rdms(
            locate("algonauts78", f"brain_data/fmri_{region}_RDMs.npz", root),
            labels,
            {"dataset": "algonauts78", "region": region},
        )
        for region in ("EVC", "IT")
    )
    return Algonauts78(labels, evc, it, dataset_path("algonauts78", "stimuli_data", root=root))
