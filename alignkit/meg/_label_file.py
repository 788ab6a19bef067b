"""Participants whose labels were permuted so far, kept in a file, so that a test that was killed goes on."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Self

import numpy as np

from alignkit._io import save_npz
from alignkit._typing import AnyArray, BoolArray, FloatArray, PathLike
from alignkit.meg._inputs import Inputs
from alignkit.meg._judged_file import key_of, read_start
from alignkit.rsa._compare_rows import Options


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class LabelFile:
    """What was found, shape (model, subject, time) each, which subjects are ``done``, and the file for it, if any.

    ``key`` tells the test apart from others.
    """

    similarity: FloatArray
    p: FloatArray
    corrected: FloatArray
    done: BoolArray
    path: Path | None
    key: str

    @classmethod
    def of(
        cls,
        path: PathLike | None,
        given: Inputs,
        options: Options,
        settings: tuple[Any, ...],
        generators: list[np.random.Generator],
    ) -> Self:
        """Start, or go on from the file that the same test left.

        Raises
        ------
        FileExistsError
            The file is another test's.
        ValueError
            A damaged file, or one that is not of this kind.
        """
        slices = given.slices
        similarity, p, corrected = np.full((3, len(given.rows), slices.n_subjects, slices.n_times), np.nan)
        done = np.zeros(slices.n_subjects, dtype=np.bool_)
        if path is None:
            return cls(similarity, p, corrected, done, None, "")
        # two generators that agree in what they would draw next agree in all permutations
        draws = [repr(generator.bit_generator.state) for generator in generators]
        self = cls(similarity, p, corrected, done, Path(path), key_of(given, options, *settings, draws))
        if self.path is not None and self.path.exists():
            read_start(self.path, "labels", "test of labels", self.key, self._arrays())
        return self

    def keep(self, subject: int) -> None:
        """Write what there is, with one more participant done."""
        self.done[subject] = True
        if self.path is not None:
            save_npz(self.path, self._arrays(), {"labels": self.key})

    def _arrays(self) -> dict[str, AnyArray]:
        return {"similarity": self.similarity, "p": self.p, "corrected": self.corrected, "done": self.done}
