"""Every exception becomes an exit code and one line."""

from __future__ import annotations

import warnings

import pytest

from alignkit._cli import _guard


def guard(error: BaseException, capsys) -> tuple[int, str]:
    def work() -> None:
        raise error

    code = _guard.guarded(work)
    return code, capsys.readouterr().err


def test_notes_of_an_error_are_lines_of_their_own(capsys):
    error = FileNotFoundError("none is here.")
    for note in ("a: needs x.", "  Get it from y.", "Or name a folder with root=... yourself."):
        error.add_note(note)
    lines = ["error: none is here.", "  a: needs x.", "    Get it from y.", "  Or name a folder with --root yourself."]
    assert guard(error, capsys) == (2, "\n".join([*lines, ""]))


@pytest.mark.parametrize(
    ("error", "code", "start"),
    [
        (ValueError("x must be\n  positive."), 2, "error: x must be positive."),
        (TypeError("no"), 2, "error: no"),
        (ImportError("this needs the package 'a'"), 2, "error: this needs the package 'a'"),
        (
            FileNotFoundError(2, "No such file or directory", "a/b"),
            2,
            "error: a/b: no such file or directory; check the path.",
        ),
        (PermissionError(13, "Permission denied", "a/b"), 2, "error: a/b: permission denied; ask for the right to"),
        (OSError(30, "Read-only file system", b"a/b"), 2, "error: a/b: read-only file system; choose another place."),
        (NotADirectoryError(20, "Not a directory", "a/b"), 2, "error: a/b: not a directory; a part of this path is"),
        (
            ModuleNotFoundError("No module named 'mne'", name="mne"),
            2,
            "error: this needs the package 'mne'; install it",
        ),
        (ModuleNotFoundError("No module named 'odd'", name="odd"), 2, "error: No module named 'odd'"),
        (OSError(28, "No space left on device"), 2, "error: there is no space left on the disk that is written to"),
        (OSError(28, "No space left on device", "a/b"), 2, "error: a/b: no space left on device; free some, or choose"),
        (OSError(5, "Input/output error"), 2, "error: input/output error."),
        (OSError("a sentence."), 2, "error: a sentence."),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), 2, "error: a text file is not UTF-8"),
        (MemoryError("Unable to allocate 9 TiB"), 2, "error: not enough memory (Unable to allocate 9 TiB)"),
        (RuntimeError("CUDA out of memory. Tried to"), 2, "error: not enough memory"),
        (KeyboardInterrupt(), 130, "stopped: no file is left half-written"),
        (KeyError("k"), 1, "internal error: KeyError: 'k'. This is a bug in alignkit; set ALIGNKIT_TRACEBACK=1"),
        (ZeroDivisionError("division by zero"), 1, "internal error: ZeroDivisionError: division by zero."),
        (ValueError(), 2, "error: ValueError"),
    ],
)
def test_every_error_is_one_line_with_its_code(error, code, start, capsys, monkeypatch):
    monkeypatch.delenv(_guard.TRACEBACK, raising=False)
    found, err = guard(error, capsys)
    assert found == code
    assert err.startswith(start)
    assert err.count("\n") == 1


def test_developers_see_the_traceback_when_they_ask(capsys, monkeypatch):
    monkeypatch.setenv(_guard.TRACEBACK, "1")
    code, err = guard(ValueError("no"), capsys)
    assert code == 2
    assert err.startswith("Traceback")
    assert err.endswith("error: no\n")


def test_warnings_are_one_line_and_the_old_way_comes_back(capsys):
    before = warnings.showwarning

    def work() -> None:
        warnings.simplefilter("always")
        warnings.warn("first\n  half", UserWarning, stacklevel=1)

    assert _guard.guarded(work) == 0
    assert capsys.readouterr().err == "warning: first half\n"
    assert warnings.showwarning is before


@pytest.mark.parametrize(
    ("python", "flags"),
    [
        ("pass on_mismatch='intersect'.", "pass --on-mismatch intersect."),
        ("needs labels= (names) and folds= (runs)", "needs --labels (names) and --folds (runs)"),
        ("normalize=True is", "--normalize is"),
        ("do without residuals (keep_residuals=False).", "do without residuals (--no-keep-residuals)."),
        ("with root=... or", "with --root or"),
        ("is taken (pass preprocess= to choose).", "is taken (pass --preprocess to choose)."),
        ("fetch it elsewhere and pass weights=FILE.", "fetch it elsewhere and pass --weights FILE."),
        ("name one with layer=.", "name one with --layer."),
        ("use a smaller img_size= or", "use a smaller --img-size or"),
        ("open them with labels=", "open them with --labels"),
        ("f(x=1) = y, a=B(c) or a=bc", "f(x=1) = y, a=B(c) or a=bc"),
        ("x == y, n=3 and f(a='b c')", "x == y, n=3 and f(a='b c')"),
    ],
)
def test_sentences_speak_in_flags(python, flags):
    assert _guard._in_flags(python) == flags


def test_warnings_speak_in_flags(capsys):
    def work() -> None:
        warnings.simplefilter("always")
        warnings.warn("pass preprocess= to choose", UserWarning, stacklevel=1)

    assert _guard.guarded(work) == 0
    assert capsys.readouterr().err == "warning: pass --preprocess to choose\n"
