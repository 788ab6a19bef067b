"""From exceptions to exit codes: one sentence for people, a traceback only for who asks."""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import os
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from alignkit._log import LOGGER

#: Set to anything but 0 to see where an error comes from.
TRACEBACK = "ALIGNKIT_TRACEBACK"
#: Level of the messages that are shown: DEBUG, INFO (the default), WARNING ...
LOG = "ALIGNKIT_LOG"
OK, BUG, BAD_INPUT, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 130, 141

#: What is said of an interruption that brings no note of its own.
_STOPPED = (
    "stopped: no file is left half-written; `alignkit extract`, `alignkit train`, `alignkit meg` (with --out), "
    "`alignkit align triplets` and `alignkit data fetch` keep what is done and go on from there when run again."
)


def guarded(work: Callable[[], None]) -> int:
    """Run ``work`` and return the exit code, with what went wrong said in one line on stderr."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show é shows \xe9: better than no output.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        with _plain_warnings(), _messages():
            work()
            sys.stdout.flush()
    except BrokenPipeError:
        return _quiet_pipe()
    except KeyboardInterrupt as stop:
        _say(next(iter(getattr(stop, "__notes__", ())), _STOPPED))
        return INTERRUPTED
    except (ValueError, TypeError, OSError, ImportError) as error:
        _say("\n".join([f"error: {_sentence(error)}", *_notes(error)]))
        return BAD_INPUT
    except Exception as error:
        return _unforeseen(error)
    return OK


def _unforeseen(error: Exception) -> int:
    text = _one_line(str(error))
    # torch reports a full GPU as a RuntimeError
    if isinstance(error, MemoryError) or "out of memory" in text:
        _say(f"error: not enough memory ({text or 'no size given'}); use fewer items or a smaller batch.")
        return BAD_INPUT
    _say(
        f"internal error: {type(error).__name__}: {text.rstrip('.')}. This is a bug in alignkit; "
        f"set {TRACEBACK}=1 to see where it happens, and please report it."
    )
    return BUG


def _say(sentence: str) -> None:
    if os.environ.get(TRACEBACK, "0") not in ("", "0"):
        traceback.print_exc()
    with contextlib.suppress(BrokenPipeError):
        print(sentence, file=sys.stderr)


#: What helps against errors of the system that name a file.
_REMEDIES = {
    errno.EACCES: "; ask for the right to read or write there, or choose another place.",
    errno.EPERM: "; ask for the right to read or write there, or choose another place.",
    errno.EROFS: "; choose another place.",
    errno.ENOENT: "; check the path.",
    errno.ENOTDIR: "; a part of this path is a file.",
    errno.EISDIR: "; name a file.",
    errno.ENAMETOOLONG: "; choose a shorter name.",
    errno.ENOSPC: "; free some, or choose another place.",
    errno.EDQUOT: "; free some, or choose another place.",
}
#: The extra that brings a package.
_EXTRAS = {
    **dict.fromkeys(("torch", "torchvision", "open_clip", "timm", "transformers", "peft", "webdataset"), "train"),
    **dict.fromkeys(("mne", "pymatreader"), "meg"),
    **dict.fromkeys(("nibabel", "nilearn"), "fmri"),
    **dict.fromkeys(("dask", "distributed", "pyarrow"), "scale"),
    "himalaya": "encoding",
    "sentence_transformers": "offline",
}


def _sentence(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        name = os.fsdecode(error.filename)
        return f"{name}: {error.strerror[0].lower()}{error.strerror[1:]}{_REMEDIES.get(error.errno or 0, '.')}"
    if isinstance(error, ModuleNotFoundError) and error.name in _EXTRAS:
        return f"this needs the package {error.name!r}; install it with: pip install 'alignkit[{_EXTRAS[error.name]}]'"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "there is no space left on the disk that is written to; free some, or choose another place."
    if isinstance(error, UnicodeDecodeError):
        return f"a text file is not UTF-8 (byte {error.start}: {error.reason}); save it as UTF-8."
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror[0].lower()}{error.strerror[1:]}."
    return _in_flags(_one_line(str(error))) or type(error).__name__


def _notes(error: BaseException) -> list[str]:
    """Return what stands below the sentence, a line each: what errors about several things say of every one."""
    notes = [str(note) for note in getattr(error, "__notes__", ())]
    return [f"{' ' * (len(note) - len(note.lstrip()))}  {_in_flags(_one_line(note))}" for note in notes]


#: An option as Python writes it: ``name='value'``, ``name=True``, ``name=...``, ``name=FILE``, or ``name=`` alone.
_KEYWORD = re.compile(
    r"(?<![\w.'-])(?P<name>[a-z][a-z_]*)=(?P<value>'[^'\s]*'|True|False|\.\.\.|[A-Z]+(?![\w(])|(?=[\s),;:]|\.?(\s|$)))"
)

#: What functions say of their ``rng``, which is a seed on the command line.
_GENERATOR = "rng must be a numpy Generator, a non-negative integer or None;"


def _in_flags(sentence: str) -> str:
    """Return a sentence that speaks of ``name='value'`` in the words of the command line: ``--name value``."""

    def flag(found: re.Match[str]) -> str:
        name = found["name"].replace("_", "-")
        if found["value"] == "False":
            return f"--no-{name}"
        value = found["value"].strip("'")
        return f"--{name}" if value in ("", "...", "True") else f"--{name} {value}"

    return _KEYWORD.sub(flag, sentence.replace(_GENERATOR, "--seed must be a whole number from 0;"))


def _one_line(text: str) -> str:
    return " ".join(text.split())


@contextlib.contextmanager
def _plain_warnings() -> Iterator[None]:
    """Show each warning as one line, without the file and the source line it comes from."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        from tqdm import tqdm

        # tqdm's own print keeps a progress bar whole.
        tqdm.write(f"warning: {_in_flags(_one_line(str(message)))}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


class _Lines(logging.Handler):
    """Show each message of the library as a line of its own, around progress bars."""

    def emit(self, record: logging.LogRecord) -> None:
        from tqdm import tqdm

        # whoever read stderr may have left: what is told is not worth a run
        with contextlib.suppress(OSError, ValueError):
            tqdm.write(self.format(record), file=sys.stderr)
            sys.stderr.flush()


@contextlib.contextmanager
def _messages() -> Iterator[None]:
    """Show what the library tells, from the level that ``ALIGNKIT_LOG`` names."""
    level = os.environ.get(LOG, "").strip().upper() or "INFO"
    known = logging.getLevelNamesMapping()
    if level not in known:
        msg = f"{LOG} must be one of {', '.join(map(repr, known))}; got {os.environ[LOG]!r}."
        raise ValueError(msg)
    handler, before = _Lines(), LOGGER.level
    LOGGER.addHandler(handler)
    LOGGER.setLevel(level)
    try:
        yield
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(before)


def _quiet_pipe() -> int:
    # Whoever read our output has left (`| head`): what is still buffered goes nowhere, without a complaint.
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return BROKEN_PIPE
