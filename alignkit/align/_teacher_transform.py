"""What fitting a teacher gives: a transform of features, its temperature, and how both came about."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from alignkit._check import as_float_array, as_labels
from alignkit._result import Result, jsonable
from alignkit._typing import FloatArray, PathLike
from alignkit._versions import versions
from alignkit.models import Features, Transform
from alignkit.models._transform_folder import read_transform_folder, temperature_of, write_transform_folder

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from alignkit.align._feature_rows import FeatureRows

_ARRAYS = ("history", "penalties", "penalty_cross_entropy")


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class TeacherTransform(Result):
    r"""A transform fitted to people's answers, :math:`x' = ((x - \mu) / \sigma)\,W + b`, and its temperature.

    The probability that item k of a triplet is the odd one is the softmax of :math:`x_i' \cdot x_j' / T` over the
    three pairs, i and j being the items other than k.

    Attributes
    ----------
    transform : Transform
        W of shape (channels, dims), b (or None), and one mean and one standard deviation of all features.
    temperature : float
        T, from answers about items that took no part in the fit; 1 without calibration.
    penalty : float
        Weight of the regulariser; 0: none.
    history : ndarray, shape (iterations + 1,)
        What was minimised, before the first iteration and after each.
    converged : bool
        Whether the fit ended of itself, before ``max_iter``.
    n_parameters : int
        Numbers that were fitted.
    distance_from_identity : float
        :math:`\lVert W - cI\rVert_F / \lVert cI\rVert_F`, where c is the mean of the diagonal; with a rank, from the
        leading principal directions in place of I.
    penalties, penalty_cross_entropy : ndarray, shape (tried,)
        Penalties that were tried, and the cross-entropy of the held-out items' triplets at the best temperature, in
        nats; empty where the penalty was given and no temperature fitted.
    n_answers, n_items, n_held_out : int
        Triplets and items fitted to, and held-out triplets behind the temperature, all inner splits together.
    labels : tuple of str or None
        The items fitted to.
    settings : mapping
        What :func:`fit_transform` was asked for.
    source : mapping
        The features' name, layer and manifest: the model, its weights and preprocessing.
    """

    transform: Transform
    temperature: float
    penalty: float
    history: FloatArray
    converged: bool
    n_parameters: int
    distance_from_identity: float
    penalties: FloatArray
    penalty_cross_entropy: FloatArray
    n_answers: int
    n_items: int
    n_held_out: int
    labels: tuple[str, ...] | None
    settings: Mapping[str, Any]
    source: Mapping[str, Any]

    def __repr__(self) -> str:
        before, after = self.transform.weights.shape
        name, kind = self.transform.name, self.settings.get("kind")
        ended = "" if self.converged else ", not converged"
        return (
            f"<TeacherTransform {name!r}: {before} -> {after} channels ({kind}, {self.n_parameters:,} parameters)\n"
            f"  fitted to {self.n_answers:,} triplets of {self.n_items:,} items in {len(self.history) - 1} iterations"
            f"{ended}; loss {self.history[0]:.4f} -> {self.history[-1]:.4f}\n"
            f"  penalty {self.penalty:.4g}, temperature {self.temperature:.4g}, "
            f"distance from a scaled identity {self.distance_from_identity:.3f}>"
        )

    @property
    def calibrated(self) -> Transform:
        """The transform with the temperature in its weights: plain dot products, softmax at temperature 1."""
        return dataclasses.replace(self.transform.cooled(self.temperature), fitted_items=self.labels)

    def apply(self, x: object, /, *, layer: str | None = None) -> FloatArray:
        """Return transformed features whose dot products are calibrated: softmax at temperature 1.

        Parameters
        ----------
        x : Features or array_like, shape (..., channels)
            Of the model and the layer that the teacher was fitted on.
        layer : str, optional
            Which layer, of features with several.

        Returns
        -------
        ndarray, shape (..., dims)

        Raises
        ------
        ValueError
            Another number of channels, or features of another model.
        """
        if isinstance(x, Features):
            self.check_source(x, layer=layer or (x.layers[0] if len(x.layers) == 1 else None))
            x = x.array(layer)
        return self.calibrated.apply(x)

    def check_source(self, features: Features | FeatureRows, /, *, layer: str | None = None) -> None:
        """Raise when features are known to come from another model or layer than those the teacher was fitted on.

        Raises
        ------
        ValueError
            Both name their model and the two differ, or so do the layers, or the features are transformed already.
        """
        source = self.source.get("manifest")
        ours, theirs = (_model(manifest) for manifest in (source, features.manifest))
        if not ours or not theirs:
            return
        if ours != theirs:
            names = [str(model.get("name", "unnamed")) for model in (ours, theirs)]
            differing = ", ".join(sorted(key for key in {*ours, *theirs} if ours.get(key) != theirs.get(key)))
            msg = (
                f"the teacher was fitted on features of {names[0]!r}, and {features.name!r} are of {names[1]!r} "
                f"(they differ in {differing}); extract with the same model, or pass the bare array."
            )
            raise ValueError(msg)
        if "transform" in features.manifest and "transform" not in self.source["manifest"]:
            msg = f"{features.name!r} are transformed already; apply the teacher to the features it was fitted on."
            raise ValueError(msg)
        fitted = self.source.get("layer")
        if layer not in (None, "features", fitted) and fitted not in (None, "features"):
            msg = f"the teacher was fitted on the layer {fitted!r}, and these are features of {layer!r}."
            raise ValueError(msg)

    def save(self, path: PathLike) -> None:
        """Write the teacher to a folder: ``manifest.json`` and a safetensors file with its checksum, atomically.

        Raises
        ------
        FileExistsError
            A file of that name, or a folder that holds something else.
        """
        arrays = {name: getattr(self.transform, name) for name in ("weights", "bias", "mean", "std")}
        known = {name: np.asarray(array) for name, array in arrays.items() if array is not None}
        entries = {f.name: jsonable(getattr(self, f.name)) for f in dataclasses.fields(self) if f.name != "transform"}
        write_transform_folder(path, known, {"made_with": versions(), **entries})

    @classmethod
    def load(cls, path: PathLike) -> Self:
        """Read what :meth:`save` wrote.

        Raises
        ------
        FileNotFoundError
            No such folder, or one without a teacher.
        ValueError
            A damaged or changed teacher.
        """
        arrays, manifest = read_transform_folder(path)
        try:
            parts: dict[str, Any] = dict(arrays)
            transform = Transform(**parts, name=Path(path).resolve().name, sha256=manifest["sha256"])
            return cls(transform=transform, temperature=temperature_of(path, manifest), **_rest(manifest))
        except (KeyError, TypeError, ValueError) as error:
            msg = f"{path} holds no usable teacher: {error}"
            raise ValueError(msg) from error

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the weights in JSON's own types."""
        names = [field.name for field in dataclasses.fields(self) if field.name != "transform"]
        content = {name: jsonable(getattr(self, name)) for name in names}
        return {"kind": type(self).__name__, "made_with": versions(), "name": self.transform.name, **content}

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per iteration: its number and what was minimised."""
        import pandas as pd

        return pd.DataFrame({"iteration": np.arange(len(self.history)), "loss": self.history})

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw what was minimised over the iterations."""
        from alignkit._plot import new_axes

        ax = new_axes(ax)
        ax.plot(self.history)
        ax.set(xlabel="iteration", ylabel="loss (nats)", title=self.transform.name)
        return ax

    def methods_text(self) -> str:
        """Return the sentences a paper's Methods section needs."""
        before, after = self.transform.weights.shape
        ask = self.settings
        targets = "choice probabilities" if ask.get("loss") == "soft" else "odd-one-out answers"
        held = {"naive": "the Frobenius norm of the weights"}.get(
            str(ask.get("regulariser")), "the squared distance of the weights from the nearest scaled identity"
        )
        local = ""
        if ask.get("regulariser") == "glocal":
            local = f" and a local term (weight {ask.get('alpha')}, temperature {ask.get('tau')})"
        how = "chosen on held-out items" if ask.get("penalty") is None else "given"
        heat = ""
        if self.n_held_out:
            heat = (
                f" The softmax temperature {self.temperature:.3g} was fitted to {self.n_held_out:,} triplets of items "
                "held out in inner splits."
            )
        return (
            f"A {ask.get('kind')} linear map of {before} to {after} channels ({self.n_parameters:,} parameters) of "
            f"features standardised by one mean and one standard deviation was fitted to {self.n_answers:,} triplets "
            f"of {self.n_items:,} items ({targets}; softmax over the dot products of the three pairs) by minimising "
            f"the cross-entropy plus {self.penalty:.3g} times {held}{local}, with the penalty {how}.{heat}"
        )


def _model(manifest: Any) -> Mapping[str, Any]:
    """Return what identifies the model in a manifest of features; empty where nothing does."""
    model = manifest.get("model") if isinstance(manifest, Mapping) else None
    return model if isinstance(model, Mapping) else {}


def _rest(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the other fields of a teacher from its manifest."""
    content = {field.name: manifest[field.name] for field in dataclasses.fields(TeacherTransform)[2:]}
    for name in _ARRAYS:
        content[name] = as_float_array(name, content[name], ndim=1)
    for name in ("penalty", "distance_from_identity"):
        content[name] = float("nan") if content[name] is None else float(content[name])
    for name in ("n_parameters", "n_answers", "n_items", "n_held_out"):
        content[name] = int(content[name])
    labels = content["labels"]
    content["labels"] = None if labels is None else as_labels("labels", labels)
    if not all(isinstance(content[name], dict) for name in ("settings", "source")):
        msg = "its manifest has no settings or no source."
        raise ValueError(msg)
    return content
