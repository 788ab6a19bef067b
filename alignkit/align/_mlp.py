"""A small network from features to dimensions: one hidden layer, fitted by scikit-learn."""

from __future__ import annotations

import warnings

import numpy as np

from alignkit._typing import AnyArray, FloatArray

#: Weight decays to choose among.
PENALTIES = (4.0, 16.0, 64.0)
#: Units of the hidden layer.
WIDTH = 256
#: Passes over the items: with such decays more change little.
EPOCHS = 50


def mlp_path(
    x: FloatArray, y: FloatArray, penalties: tuple[float, ...], seed: int, /
) -> dict[tuple[float, ...], dict[str, AnyArray]]:
    """Return the arrays of the network for each weight decay: squared error, ReLU, Adam (rate .001, batches of 64).

    Channels are scaled to unit variance and the dimensions by their common standard deviation.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor

    spread = x.std(axis=0)
    scale = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0)
    mean, offset, unit = x.mean(axis=0), y.mean(axis=0), float(y.std()) or 1.0
    found: dict[tuple[float, ...], dict[str, AnyArray]] = {}
    for penalty in penalties:
        network = MLPRegressor(
            hidden_layer_sizes=(WIDTH,),
            alpha=penalty,
            batch_size=min(64, len(x)),
            max_iter=EPOCHS,
            random_state=seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # it ends after the same number of passes on purpose
            targets = (y - offset) / unit
            network.fit((x - mean) * scale, targets if targets.shape[1] > 1 else targets.ravel())
        hidden, output = network.coefs_
        arrays = {
            "hidden": hidden * scale[:, None],
            "hidden_bias": network.intercepts_[0] - (mean * scale) @ hidden,
            "output": output * unit,
            "offset": network.intercepts_[1] * unit + offset,
        }
        found[(penalty,)] = arrays
    return found


def predict_mlp(arrays: dict[str, AnyArray], x: FloatArray, /) -> FloatArray:
    """Return the dimensions of each row of features."""
    hidden = np.maximum(x @ arrays["hidden"] + arrays["hidden_bias"], 0.0)
    values: FloatArray = hidden @ arrays["output"] + arrays["offset"]
    return values
