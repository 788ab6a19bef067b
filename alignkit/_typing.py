"""Array and seed types shared by the whole package.

Axis legend, used in every docstring: ``items`` (stimuli, conditions), ``channels`` (features, units,
sensors, voxels), ``pair`` (condensed upper triangle, row-major), ``subject``, ``time``, ``n`` (trials).
"""

from __future__ import annotations

import os
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
AnyArray: TypeAlias = npt.NDArray[Any]
ArrayLike: TypeAlias = npt.ArrayLike
RNGLike: TypeAlias = np.random.Generator | int | None
PathLike: TypeAlias = str | os.PathLike[str]
