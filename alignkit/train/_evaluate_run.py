"""What a finished run bought, whatever its method."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from alignkit._typing import PathLike
from alignkit.train._methods import package_of
from alignkit.train._run_folder import read_versions

if TYPE_CHECKING:
    from alignkit.score import ScoreTable, ZeroShotScores
    from alignkit.train.alignet._scores import AligNetScores
    from alignkit.train.embedding._scores import EmbeddingScores
    from alignkit.train.hba._scores import HBAScores
    from alignkit.train.hba_meg._scores import HBAMEGScores


def evaluate_run(
    path: PathLike,
    /,
    *,
    n_bootstrap: int | None = None,
    device: str = "auto",
    progress: bool = True,
    architecture: str | Sequence[str] | None = None,
) -> AligNetScores | HBAScores | HBAMEGScores | EmbeddingScores | ScoreTable | ZeroShotScores:
    """Score a finished run on what it was not trained on, beside what it started at, baselines and noise ceilings.

    Parameters
    ----------
    path : path
        The run's folder.
    n_bootstrap : int, optional
        Resamples for every interval; by default what the run's settings say.
    device : str
        Where to compute.
    progress : bool
        Show a bar with the time left.
    architecture : str or sequence of str, optional
        ``my_module:factory`` that the run's settings name as a model, which is only called when it is named here too.

    Returns
    -------
    AligNetScores, HBAScores, HBAMEGScores, EmbeddingScores, ScoreTable or ZeroShotScores
        By the run's method. Of CLIP-HBA: behaviour, and dimensions of held-out objects. Of CLIP-HBA-MEG: time courses
        in every cell of items and people. Of AligNet's student: people's answers about items that no triplet had, and
        classes of other images, beside its controls. Of Perceptual Initialization: judgements that stage 1 did not
        learn from, and the zero-shot sets that stage 2 followed.

    Raises
    ------
    FileNotFoundError
        A folder without a finished run, or data that are not there.
    ValueError
        Data or weights that are not those of the run, or a function of somebody's own.

    Examples
    --------
    >>> from alignkit.train import evaluate_run
    >>> scores = evaluate_run("my-model")  # doctest: +SKIP
    >>> scores.table.value("my-model", "RDM48", "spearman").value  # doctest: +SKIP
    0.757
    """
    package = package_of(str(read_versions(path)["method"]))
    evaluate: Any = import_module(f"{package}._evaluate_run").evaluate_run
    scores: AligNetScores | HBAScores | HBAMEGScores | EmbeddingScores | ScoreTable | ZeroShotScores = evaluate(
        path, n_bootstrap=n_bootstrap, device=device, progress=progress, architecture=architecture
    )
    return scores
