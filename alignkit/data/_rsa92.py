"""The 92 object images: human and monkey brains, behaviour and models, all over the same items."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alignkit._io import load_array, load_mat
from alignkit._typing import AnyArray, PathLike
from alignkit.data._pictures import png_bytes, write_pictures
from alignkit.data._registry import locate
from alignkit.data._tables import cell_texts, frozen, variable
from alignkit.rsa import RDM

if TYPE_CHECKING:
    import pandas as pd

_N = 92
_SUPPLEMENT = "Kriegeskorte_Neuron2008_supplementalData.mat"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RSA92:
    """92 object images with human fMRI, similarity judgements, models and stimuli.

    Parameters
    ----------
    labels : tuple of str, shape (92,)
        Position and category, for example ``"13_human_face"``; the order of every RDM.
    fmri_it, fmri_evc : RDM, dims ("subject",)
        Inferior temporal and early visual cortex of 15 people.
    human_it : RDM, dims ("subject", "session")
        Inferior temporal cortex of 4 other people in 2 sessions; 1 - Pearson correlation.
    behaviour : RDM, dims ("subject",)
        Arrangements of the objects by similarity, 16 people.
    models : RDM, dims ("model",)
        Two categorical and six continuous models (``monkeyIT`` is a brain), and HMAX with natural-image patches.
    categories : DataFrame, shape (92, 12)
        Membership in 12 groups, indexed by label.
    stimuli : ndarray of uint8, shape (92, 175, 175, 3)
        The images.
    folder : pathlib.Path
        Where the files lie.
    """

    labels: tuple[str, ...]
    fmri_it: RDM
    fmri_evc: RDM
    human_it: RDM
    behaviour: RDM
    models: RDM
    categories: pd.DataFrame
    stimuli: AnyArray
    folder: Path

    def __repr__(self) -> str:
        models = ", ".join(self.models.coords["model"])
        return (
            f"<RSA92 92 images ({self.labels[0]}, ..., {self.labels[-1]})\n"
            f"  fmri_it, fmri_evc: {self.fmri_it.shape[0]} people; human_it: {self.human_it.shape[0]} people x "
            f"{self.human_it.shape[1]} sessions; behaviour: {self.behaviour.shape[0]} people\n"
            f"  models: {models}\n  in {self.folder}>"
        )

    def images(self) -> list[AnyArray]:
        """Return the 92 images, each of shape (175, 175, 3), uint8, in the order of ``labels``."""
        return list(self.stimuli)

    def export_images(self, folder: PathLike, /, *, progress: bool = True) -> Path:
        """Write the images as ``<label>.png`` into a folder (made if needed); their sorted order is that of the RDMs.

        Raises
        ------
        NotADirectoryError
            ``folder`` is a file.
        """
        names = [f"{label}.png" for label in self.labels]
        return write_pictures(folder, names, lambda i: png_bytes(self.stimuli[i]), progress)


def load_rsa92(root: PathLike | None = None, /) -> RSA92:
    """Read the 92-image data set.

    Parameters
    ----------
    root : path, optional
        Folder that holds ``rsa92/``; by default the environment variable ``ALIGNKIT_DATA``, else the user's cache.

    Returns
    -------
    RSA92

    Raises
    ------
    FileNotFoundError
        A file is not there; the sentence says how to get it.
    ValueError
        A damaged file, or an RDM that is not 92 x 92, symmetric and zero on its diagonal.

    References
    ----------
    Kriegeskorte et al. (2008), https://doi.org/10.1016/j.neuron.2008.10.043;
    Mur et al. (2013), https://doi.org/10.3389/fpsyg.2013.00128;
    Cichy et al. (2014), https://doi.org/10.1038/nn.3635

    Examples
    --------
    >>> data = load_rsa92()  # doctest: +SKIP
    >>> data.fmri_it  # doctest: +SKIP
    <RDM 92 items (01_human_bodypart, 02_human_bodypart, 03_human_bodypart, ...), subject: 15, metric: None>
    """
    path = locate("rsa92", _SUPPLEMENT, root)
    supplement = load_mat(path)
    pictures = variable(supplement, "stimuli_92objs", path, (1, _N)).ravel()
    labels = tuple(
        f"{i + 1:02d}_{_text(_member(picture, 'category', path)).replace(' ', '_')}"
        for i, picture in enumerate(pictures)
    )
    return RSA92(
        labels=labels,
        fmri_it=_fmri("IT", labels, root),
        fmri_evc=_fmri("EVC", labels, root),
        human_it=_human_it(labels, root),
        behaviour=_behaviour(labels, root),
        models=_models(labels, root),
        categories=_categories(supplement, labels, path),
        stimuli=_stimuli(pictures, path),
        folder=path.parent,
    )


def _fmri(region: str, labels: tuple[str, ...], root: PathLike | None) -> RDM:
    path = locate("rsa92", f"92images_fmri_{region}_RDMs.npz", root)
    return subject_rdms(path, labels, {"dataset": "rsa92", "region": region})


def subject_rdms(path: Path, labels: tuple[str, ...], provenance: dict[str, str]) -> RDM:
    """Read a stack of square RDMs, one per person, from a file with a single array (whatever its key)."""
    values = load_array(path)
    if values.ndim != 3 or values.shape[1:] != (len(labels), len(labels)):
        msg = f"{path} must hold RDMs of shape (people, {len(labels)}, {len(labels)}); got {values.shape}."
        raise ValueError(msg)
    people = np.arange(1, len(values) + 1)
    return RDM(values, labels, dims=("subject",), coords={"subject": people}, provenance=provenance)


def _human_it(labels: tuple[str, ...], root: PathLike | None) -> RDM:
    path = locate("rsa92", "92_brainRDMs.mat", root)
    values, names = _structs(variable(load_mat(path), "RDMs", path, (1, 4, 2)), path)
    people = [name.split("|")[1].strip() for name in names[::2]]  # "hIT | BE | Session: 1"
    return RDM(
        values.reshape(4, 2, _N, _N),
        labels,
        dims=("subject", "session"),
        coords={"subject": people, "session": [1, 2]},
        metric="correlation",
        provenance={"dataset": "rsa92", "region": "IT"},
    )


def _behaviour(labels: tuple[str, ...], root: PathLike | None) -> RDM:
    path = locate("rsa92", "92_behavRDMs.mat", root)
    values, _ = _structs(variable(load_mat(path), "rdms_behav_92", path, (1, 16)), path)
    people = np.arange(1, 17)
    return RDM(
        values,
        labels,
        dims=("subject",),
        coords={"subject": people},
        metric="multi-arrangement",
        provenance={"dataset": "rsa92"},
    )


def _models(labels: tuple[str, ...], root: PathLike | None) -> RDM:
    path = locate("rsa92", "92_modelRDMs.mat", root)
    values, names = _structs(variable(load_mat(path), "Models", path, (1, 8)), path)
    # the separate V1 matrix equals the one above; HMAX with natural-image patches is another model than HMAX
    extra_path = locate("rsa92", "rdm92_HMAXnatImPatch.mat", root)
    extra = variable(load_mat(extra_path), "rdm92_HMAXnatImPatch", extra_path, (_N, _N))
    return RDM(
        np.concatenate([values, frozen(extra)[None]]),
        labels,
        dims=("model",),
        coords={"model": [*names, "HMAXnatImPatch"]},
        provenance={"dataset": "rsa92"},
    )


def _structs(cells: AnyArray, path: Path) -> tuple[AnyArray, list[str]]:
    """Return the RDMs (n, 92, 92) in float64 and the names of a MATLAB struct array."""
    squares = [np.asarray(_member(cell, "RDM", path)) for cell in cells.ravel()]
    wrong = next((square.shape for square in squares if square.shape != (_N, _N)), None)
    if wrong is not None:
        msg = f"{path} holds an RDM of shape {wrong}, ({_N}, {_N}) is expected; it is another file."
        raise ValueError(msg)
    names = [_text(_member(cell, "name", path)) for cell in cells.ravel()]
    return np.stack([square.astype(np.float64) for square in squares]), names


def _member(struct: Any, name: str, path: Path) -> Any:
    try:
        return struct[name]
    except (IndexError, ValueError, TypeError, KeyError) as error:
        msg = f"{path} lacks the field {name!r}; it is another file or a damaged one."
        raise ValueError(msg) from error


def _text(cell: Any) -> str:
    return str(np.asarray(cell).ravel()[0])


def _categories(supplement: dict[str, Any], labels: tuple[str, ...], path: Path) -> pd.DataFrame:
    import pandas as pd

    names = cell_texts(variable(supplement, "categoryLabels", path, (1, 12)))
    vectors = variable(supplement, "categoryVectors", path, (_N, 12))
    return pd.DataFrame(vectors.astype(bool), index=pd.Index(labels, name="label"), columns=names)


def _stimuli(pictures: AnyArray, path: Path) -> AnyArray:
    images = [np.asarray(_member(picture, "image", path)) for picture in pictures]
    if any(image.shape != images[0].shape or image.dtype != np.uint8 or image.ndim != 3 for image in images):
        msg = f"{path} holds stimuli that are not colour images of one size in 8 bits; it is damaged."
        raise ValueError(msg)
    stack = np.stack(images)
    stack.flags.writeable = False
    return stack
