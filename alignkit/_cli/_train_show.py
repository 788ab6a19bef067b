"""What training tells: on the main process alone, in the words of the command line, with what to do next."""

from __future__ import annotations

import contextlib
import os
import shlex
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignkit._cli._flags import in_flags_of
from alignkit._io import read_json
from alignkit.train._launch import read_launch
from alignkit.train._own_functions import own_functions

if TYPE_CHECKING:
    from alignkit.rsa import RDM
    from alignkit.train import HBAMEGScores, HBAScores, RunResult

REPORT, SCORES, MOVIES = "report.html", "scores.json", "movies"


@contextlib.contextmanager
def in_training(config_type: type) -> Iterator[None]:
    """Let refusals speak of a verb's flags, and let only the main process of several speak at all."""
    with contextlib.ExitStack() as stack:
        if not is_main():
            stack.enter_context(contextlib.redirect_stdout(stack.enter_context(Path(os.devnull).open("w"))))
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
        with in_flags_of(config_type):
            yield


def is_main() -> bool:
    """Return whether this process is the one that prints and writes."""
    return read_launch(os.environ).rank == 0


def show_run(result: RunResult, *, images: Path | None) -> None:
    """Score a finished run, write its report beside it, and print both and how its model is used."""
    if not is_main():
        return
    from alignkit.train import HBAMEGScores
    from alignkit.train.hba_meg._describe_scores import render

    print(result)
    scores = _scores(result)
    if isinstance(scores, HBAMEGScores):
        _write_dynamics(result, scores)
    else:
        _write_training(result, scores)
    notes = str(result.path / REPORT)
    told = render(scores, short=True, notes=notes) if isinstance(scores, HBAMEGScores) else scores.to_text(notes=notes)
    print(f"\n{told}\n\nreport: {result.path / REPORT}\n{next_step(result.path, images)}")


def _scores(result: RunResult) -> HBAScores | HBAMEGScores:
    """Return what the run bought, from its folder where it was scored before."""
    from alignkit.train import HBAMEGScores, HBAScores, evaluate_run

    path, loop = result.path / SCORES, result.config.loop
    kinds: dict[str, type[HBAScores | HBAMEGScores]] = {"HBAConfig": HBAScores, "HBAMEGConfig": HBAMEGScores}
    if path.exists():
        return kinds[result.method].load(path)
    # the functions have been called already, for whoever trained
    named = own_functions(result.config)
    scores: Any = evaluate_run(result.path, device=loop.device, progress=loop.progress, architecture=named)
    scores.save(path)
    return scores


def _write_training(result: RunResult, scores: HBAScores) -> None:
    from alignkit.report import write_training_report

    write_training_report(result.path / REPORT, result, scores)


def _write_dynamics(result: RunResult, scores: HBAMEGScores) -> None:
    from alignkit.report import write_dynamics_report

    write_dynamics_report(result.path / REPORT, result, scores, _movies(result) if scores.cells else None)


def _movies(result: RunResult) -> dict[str, RDM]:
    """Return RDMs over time of people and of the run's model, from its folder where they were made before."""
    from alignkit.rsa import RDM
    from alignkit.train import rdm_movies

    folder, loop = result.path / MOVIES, result.config.loop
    files = {name: folder / f"{name}.npz" for name in ("people", "model")}
    if all(path.is_file() for path in files.values()):
        return {name: RDM.load(path) for name, path in files.items()}
    named = own_functions(result.config)
    movies = rdm_movies(result.path, device=loop.device, progress=loop.progress, architecture=named)
    folder.mkdir(exist_ok=True)
    for name, rdm in movies.items():
        rdm.save(files[name])
    return movies


def next_step(path: Path, images: Path | None, part: str = "") -> str:
    """Return the line that runs the model in a folder, or a part of it, over images."""
    backbone = str(read_json(path / "model.json")["backbone"]["backbone"])
    # a function of the user's own is only called where the command line names it
    own = ["--architecture", backbone] if _is_factory(backbone) else []
    words = ["--model", f"run:{path}{part}", *own, "--images", str(images or "FOLDER"), "--out", "FEATURES"]
    return f"use it: alignkit extract {shlex.join(words)}"


def _is_factory(backbone: str) -> bool:
    from alignkit.models._towers import as_factory

    return as_factory(backbone) is not None
