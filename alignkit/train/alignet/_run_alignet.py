"""From people's answers to students that see as people do: every step of AligNet in one folder."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, get_args

from alignkit._check import check_choice, join_names
from alignkit._config import read_config
from alignkit._log import tell
from alignkit._result import restore
from alignkit._typing import PathLike
from alignkit.train._environment import absolute
from alignkit.train._launch import Launch, read_launch
from alignkit.train._own_functions import check_own_functions
from alignkit.train._run import run
from alignkit.train._run_folder import CONFIG, Resume
from alignkit.train.alignet._chain_config import STEPS, AligNetChainConfig, Step
from alignkit.train.alignet._chain_folder import ChainFolder, is_chain
from alignkit.train.alignet._chain_result import AligNetChain
from alignkit.train.alignet._chain_steps import Chain
from alignkit.train.alignet._scores import AligNetScores

SCORES = "scores.json"
#: Seconds between looks at what another process makes.
_PAUSE = 1.0


def run_alignet(
    config: AligNetChainConfig, /, *, steps: Sequence[Step] | None = None, resume: Resume = "auto"
) -> AligNetChain:
    """Make a teacher of people's answers, train students on what it says of images, and score them on held-out items.

    Everything lies in the folder ``out``, and every step goes on where it was stopped when the call is repeated:

    ==============  =====================================================================================
    step            what it makes
    ==============  =====================================================================================
    ``human``       dimensions that explain people's answers (SPoSE, VICE), where these are asked for
    ``features``    a large network's features of images and of the items that people judged
    ``teacher``     a transform of these to people's similarities, checked on items that it did not see
    ``clusters``    clusters of images in its space
    ``triplets``    triplets of images with its similarities, and those of the controls
    ``students``    a network trained on each arm's
    ``scores``      students, controls, network and teacher on answers about held-out items
    ==============  =====================================================================================

    Held-out items take part in no step but the scores: neither their answers nor their photos are learned from.

    Parameters
    ----------
    config : AligNetChainConfig
        Settings. Those of steps that are not finished may be changed later.
    steps : sequence of str, optional
        Only these; by default all. Those that are finished are not made again.
    resume : {"auto", "never"}
        Whether to go on with what the folder holds, or to refuse it.

    Returns
    -------
    AligNetChain

    Raises
    ------
    TypeError
        Another config.
    ValueError
        Steps that others must come before, settings that finished steps were made with otherwise, or data that do not
        fit together; the sentence says which.
    FileNotFoundError
        A file or folder that is not there.
    FileExistsError
        With ``resume="never"``, a folder that holds a chain.
    BlockingIOError
        Another process works in the folder.

    References
    ----------
    Muttenthaler et al. (2025), Aligning machine and human visual representations across abstraction levels, Nature.
    https://doi.org/10.1038/s41586-025-09631-6

    Examples
    --------
    >>> from alignkit.train import AligNetChainConfig, run_alignet
    >>> result = run_alignet(AligNetChainConfig(images="photos", out="my-alignet"))  # doctest: +SKIP
    """
    given: object = config
    if not isinstance(given, AligNetChainConfig):
        msg = f"config must be an AligNetChainConfig; got {type(config).__name__}."
        raise TypeError(msg)
    check_choice("resume", resume, get_args(Resume))
    config = absolute(config)
    wanted = _wanted(config, steps)
    launch = read_launch(os.environ)
    with ChainFolder.open(config, launch, resume=resume) as folder:
        chain = Chain(config, folder.path)
        before = wanted[: wanted.index("students")] if "students" in wanted else ()
        if not launch.rank and any(folder.done(step) is None for step in before):
            from alignkit.train.alignet._build import build_model

            # what is wrong with the student is said before hours are spent on its teacher
            build_model(dataclasses.replace(config, loop=dataclasses.replace(config.loop, device="cpu")))
        for number, step in enumerate(wanted):
            _make(chain, folder, launch, step, f"step {number + 1} of {len(wanted)}, {step}")
        return _result(chain, folder)


def rerun_alignet(path: PathLike, /, *, out: PathLike, architecture: str | Sequence[str] | None = None) -> AligNetChain:
    """Make once more what a chain's folder describes, in another folder.

    Parameters
    ----------
    path : path
        Folder of a chain.
    out : path
        Folder of the new one.
    architecture : str or sequence of str, optional
        ``my_module:factory`` that its settings name as a model, which is only called when it is named here too.

    Raises
    ------
    FileNotFoundError, ValueError
        A folder without a chain, the same folder twice, or a function of somebody's own in its settings.
    """
    if not is_chain(Path(path)):
        msg = f"{path} holds no chain of AligNet."
        raise ValueError(msg)
    if Path(path).resolve() == Path(out).resolve():
        msg = f"out must be another folder than {path}, which keeps the chain that is repeated."
        raise ValueError(msg)
    config = dataclasses.replace(read_config(Path(path, CONFIG), AligNetChainConfig), out=Path(out))
    check_own_functions(config, architecture, run=path)
    return run_alignet(config)


def _wanted(config: AligNetChainConfig, steps: Iterable[str] | None) -> tuple[Step, ...]:
    if steps is None:
        return config.steps
    chosen = tuple(steps)
    for step in chosen:
        check_choice("steps", step, STEPS)
    left = [step for step in chosen if step not in config.steps]
    if left:
        msg = f"there is no step {join_names(left)} where triplets are given; leave it out, or leave triplets out."
        raise ValueError(msg)
    return tuple(step for step in config.steps if step in chosen)


def _make(chain: Chain, folder: ChainFolder, launch: Launch, step: Step, title: str) -> None:
    """Make a step unless it is finished; of several processes the first one does, and all train."""
    if folder.done(step) is not None:
        _say(chain, launch, f"{title}: done before")
        return
    missing = [one for one in chain.config.steps[: chain.config.steps.index(step)] if folder.done(one) is None]
    if missing and not launch.rank:
        msg = f"steps must begin with {join_names(missing, 7)}: {step} needs what they make, and it is not there yet."
        raise ValueError(msg)
    _say(chain, launch, f"{title} ...")
    started = time.monotonic()
    notes: dict[str, Any] = {}
    if step == "students":
        notes = _train(chain, launch, title)
    elif launch.rank:
        while folder.done(step) is None:  # who waits is ended with the others when the first one fails
            time.sleep(_PAUSE)
        return
    elif step == "scores":
        from alignkit.train.alignet._chain_scores import score_chain

        scores = score_chain(chain)
        if scores is None:
            notes = {"notes": ["Nothing could be scored: there are no photos of held-out items, and no probe."]}
        else:
            scores.save(chain.path / SCORES)
    else:
        notes = chain.do(step)
    if not launch.rank:
        folder.finish(step, time.monotonic() - started, notes)
        _say(chain, launch, f"{title}: {_minutes(time.monotonic() - started)}")


def _train(chain: Chain, launch: Launch, title: str) -> dict[str, Any]:
    """Train the students one after the other; one that was stopped goes on."""
    arms, found, started = chain.config.students, {}, time.monotonic()
    for number, arm in enumerate(arms):
        left = (
            ""
            if not number
            else f", about {_minutes((time.monotonic() - started) / number * (len(arms) - number))} left"
        )
        _say(chain, launch, f"{title}: {arm}, {number + 1} of {len(arms)}{left}")
        found[arm] = run(chain.student(arm)).metrics
    return {"students": found}


def _say(chain: Chain, launch: Launch, text: str) -> None:
    if not launch.rank:
        tell(text, shown=chain.config.loop.progress)


def _minutes(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _result(chain: Chain, folder: ChainFolder) -> AligNetChain:
    records = {step: record for step in chain.config.steps if (record := folder.done(step)) is not None}
    human = records.get("human", {})
    scores = chain.path / SCORES
    students = records.get("students", {}).get("students", {})
    return AligNetChain(
        path=chain.path,
        done=tuple(records),
        seconds={step: float(record["seconds"]) for step, record in records.items()},
        n_answers=int(human.get("n_answers", 0)),
        n_items=int(human.get("n_items", 0)),
        n_held_out=len(chain.data.splits.held_out) if human else 0,
        teacher=chain.teacher_scores() if "teacher" in records else None,
        students=restore(dict[str, dict[str, float]], students),
        scores=AligNetScores.load(scores) if "scores" in records and scores.is_file() else None,
        notes=tuple(note for record in records.values() for note in record.get("notes", ())),
    )
