"""Messages go through logging, settings are documented, warnings are sentences."""

from __future__ import annotations

import ast
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

import alignkit
from alignkit._cli import _guard
from alignkit._log import LOGGER, tell

PACKAGE = Path(alignkit.__file__).resolve().parent
ROOT = PACKAGE.parent
#: The command line prints. A signal that ends a process may come amid a message that is being logged.
MAY_PRINT = ("_cli/", "_demo/", "cli.py", "train/_interrupts.py")


def calls(path: Path) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]


def test_only_the_command_line_prints():
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith(MAY_PRINT):
            for call in calls(path):
                where = f"{name}:{call.lineno}"
                assert ast.unparse(call.func) not in ("print", "sys.stdout.write", "sys.stderr.write"), where


def test_the_logger_is_silent_until_somebody_listens():
    code = "import logging, alignkit._log as log; log.tell('a'); log.LOGGER.error('b'); print(logging.root.handlers)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert (done.stdout, done.stderr) == ("[]\n", "")
    assert LOGGER.name == "alignkit"
    assert any(isinstance(handler, logging.NullHandler) for handler in LOGGER.handlers)


def test_progress_is_info_and_what_is_not_to_be_shown_debug(caplog):
    caplog.set_level("DEBUG", logger="alignkit")
    tell("100 % done")
    tell("quiet", shown=False)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "100 % done"),
        ("DEBUG", "quiet"),
    ]


@pytest.mark.parametrize(
    ("level", "expected"),
    [(None, ["shown", "bad"]), ("debug", ["shown", "hidden", "bad"]), ("ERROR", ["bad"]), ("", ["shown", "bad"])],
)
def test_the_command_line_shows_messages_from_a_level_on(level, expected, capsys, monkeypatch):
    monkeypatch.delenv(_guard.LOG, raising=False)
    if level is not None:
        monkeypatch.setenv(_guard.LOG, level)
    before = (LOGGER.level, list(LOGGER.handlers))

    def work() -> None:
        tell("shown")
        tell("hidden", shown=False)
        LOGGER.error("bad")

    assert _guard.guarded(work) == 0
    captured = capsys.readouterr()
    assert captured.err.splitlines() == expected
    assert captured.out == ""
    assert (LOGGER.level, list(LOGGER.handlers)) == before


def test_an_unknown_level_is_refused(capsys, monkeypatch):
    monkeypatch.setenv(_guard.LOG, "loud")
    assert _guard.guarded(lambda: None) == 2
    assert capsys.readouterr().err.startswith("error: ALIGNKIT_LOG must be one of 'CRITICAL'")


def test_every_setting_is_documented():
    readme = ROOT / "README.md"
    if not readme.exists():
        pytest.skip("README.md is not beside the tests")
    text = readme.read_text(encoding="utf-8")
    section = text.partition("\n## Settings\n")[2].partition("\n## ")[0]
    documented = set(re.findall(r"^\| `(ALIGNKIT_[A-Z_]+)` \|", section, flags=re.MULTILINE))
    used: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        used |= set(re.findall(r"ALIGNKIT_[A-Z]+(?:_[A-Z]+)*", path.read_text(encoding="utf-8")))
    assert used == documented


def warning_texts() -> list[tuple[str, str]]:
    """Return (place, text) of every warning whose text stands where it is given, or just above."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "warnings.warn":
                text = ast.unparse(node.args[0])
                if isinstance(node.args[0], ast.JoinedStr | ast.Constant):
                    found.append((f"{path.relative_to(PACKAGE)}:{node.lineno}", text))
    return found


def test_warnings_are_sentences_with_a_category_or_a_place():
    texts = warning_texts()
    assert len(texts) > 15
    for where, text in texts:
        assert re.search(r"[.}]['\"]$", text), f"{where}: {text} is no sentence"
