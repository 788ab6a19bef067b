"""One person's model: weights on the dimensions that a group's model gives, in a file of a few kilobytes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from alignkit._check import as_float_array, as_labels, check_number, join_names, shown
from alignkit._io import check_file, read_json, write_json
from alignkit._typing import FloatArray, PathLike
from alignkit._versions import versions

if TYPE_CHECKING:
    from alignkit.models._run_model import SavedModel

_KIND, _SCHEMA = "alignkit personal model", 1
_MAX_BYTES = 16 << 20
_MAX_NAME = 200


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class PersonalModel:
    r"""What one person makes of the dimensions that a group has in common.

    Two items are as similar to the person as :math:`e^{b} \sum_d e^{w_d} x_{id} x_{jd}`.

    Parameters
    ----------
    subject : str
        The person's id.
    dimensions : tuple of str, shape (D,)
        Names of the group's dimensions.
    log_weights : ndarray, shape (D,)
        w.
    log_scale : float
        b, which changes how sure choices are, and none of them.

    Examples
    --------
    >>> model = PersonalModel("3", ("red", "round"), np.log([4.0, 1.0]), 0.0)
    >>> model.apply([[1.0, 3.0]])
    array([[2., 3.]])
    """

    subject: str
    dimensions: tuple[str, ...]
    log_weights: FloatArray
    log_scale: float

    def apply(self, embedding: object, /) -> FloatArray:
        """Return the group's embedding as the person sees it: dot products are their similarities, but for the scale.

        Parameters
        ----------
        embedding : array_like, shape (items, D)
            In the units that the weights were fitted in.

        Raises
        ------
        ValueError
            Another number of dimensions.
        """
        x = as_float_array("embedding", embedding, ndim=2)
        if x.shape[1] != len(self.log_weights):
            msg = f"embedding must have {len(self.log_weights)} dimensions; got shape {x.shape}."
            raise ValueError(msg)
        seen: FloatArray = x * np.exp(self.log_weights / 2)
        return seen

    def save(self, path: PathLike, /, *, about: Mapping[str, Any] | None = None) -> None:
        """Write the model into a JSON file, with whatever else is to be known about it."""
        own = {
            "kind": _KIND,
            "schema": _SCHEMA,
            "subject": self.subject,
            "dimensions": list(self.dimensions),
            "log_weights": self.log_weights.tolist(),
            "log_scale": float(self.log_scale),
        }
        write_json(path, {**own, "about": dict(about or {}), "made_with": versions()})


def subject_file(subject: str) -> str:
    """Return the name of a person's file; what file systems do not take in an id is written as %XX.

    Raises
    ------
    ValueError
        An id that is too long.
    """
    name = quote(subject, safe="")
    if len(name) > _MAX_NAME:
        msg = f"the id {shown(subject)} is too long for the name of a file; shorten it."
        raise ValueError(msg)
    return f"subject-{name}.json"


def personal_file(path: PathLike) -> Path | None:
    """Return the file that ``path`` names, with or without its ending, where it is one person's; else None."""
    path = Path(path)
    found = [one for one in (path, path.with_name(f"{path.name}.json")) if one.name.startswith("subject-")]
    return next((one for one in found if one.suffix == ".json" and one.is_file()), None)


def load_personal(path: PathLike, /) -> PersonalModel:
    """Read a person's file.

    Raises
    ------
    FileNotFoundError
        No such file.
    ValueError
        A damaged file, or one of something else.
    """
    path = personal_file(path) or Path(path)
    if check_file(path).stat().st_size > _MAX_BYTES:
        msg = f"{path} is larger than a person's weights can be ({path.stat().st_size >> 20} MiB)."
        raise ValueError(msg)
    content = read_json(path)
    if not isinstance(content, dict) or content.get("kind") != _KIND:
        msg = f"{path} describes no person's model (kind {_KIND!r} is expected)."
        raise ValueError(msg)
    if content.get("schema") != _SCHEMA:
        msg = f"{path} has schema {shown(content.get('schema'))}, and this version reads {_SCHEMA}; update alignkit."
        raise ValueError(msg)
    try:
        dimensions = as_labels("dimensions", content["dimensions"])
        weights = as_float_array("log_weights", content["log_weights"], ndim=1)
        scale = check_number("log_scale", content["log_scale"])
        subject = as_labels("subject", [content["subject"]])[0]
    except (KeyError, TypeError, ValueError) as error:
        msg = f"{path} is damaged: {str(error).rstrip('.')}."
        raise ValueError(msg) from error
    if len(weights) != len(dimensions) or not np.isfinite(weights).all():
        msg = f"{path} is damaged: it must hold one finite weight for each of {len(dimensions)} dimensions."
        raise ValueError(msg)
    return PersonalModel(subject, dimensions, weights, scale)


def as_seen_by(saved: SavedModel, person: PersonalModel, /) -> SavedModel:
    """Return the group's model with outputs that are weighted as one person does.

    Outputs lie between 0 and 100 and stand for :math:`x = l + e (h - l) / 100` in the targets' units, whose products
    the weights belong to: each becomes a slope and an offset of its dimension.

    Raises
    ------
    ValueError
        Other dimensions than the group's model has.
    """
    import torch

    names = tuple(saved.manifest["dimensions"])
    if names != person.dimensions:
        own, its = set(person.dimensions) - set(names), set(names) - set(person.dimensions)
        differ = f"missing there: {join_names(sorted(own))}" if own else f"missing here: {join_names(sorted(its))}"
        msg = (
            f"the weights of subject {person.subject!r} are of {len(person.dimensions)} dimensions, and the model in "
            f"{saved.path} has {len(names)} ({differ if own or its else 'in another order'})."
        )
        raise ValueError(msg)
    factor = torch.from_numpy(np.exp(person.log_weights / 2))
    low, high = saved.manifest.get("scale", (0.0, 100.0))
    shift = 100.0 * low / (high - low) * (factor - 1.0)
    slope = saved.trained.get("slope", torch.ones(len(names))).double()
    offset = saved.trained.get("offset", torch.zeros(len(names))).double()
    trained = {**saved.trained, "slope": (slope * factor).float(), "offset": (offset * factor + shift).float()}
    manifest = {**saved.manifest, "affine": True, "subject": person.subject}
    return dataclasses.replace(saved, trained=trained, manifest=manifest)
