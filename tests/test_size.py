"""Files and functions stay short enough to be read."""

from __future__ import annotations

import ast
from pathlib import Path

import alignkit

PACKAGE = Path(alignkit.__file__).resolve().parent
TESTS = Path(__file__).resolve().parent
MAX_FILE, MAX_FUNCTION = 600, 80


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function without its docstring: documentation is no burden."""
    first = node.body[0]
    documented = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    start = first.end_lineno if documented else node.lineno - 1
    return (node.end_lineno or 0) - (start or 0)


def test_files_and_functions_are_short():
    paths = sorted([*PACKAGE.rglob("*.py"), *TESTS.rglob("*.py")])
    assert len(paths) > 1000
    for path in paths:
        text = path.read_text(encoding="utf-8")
        lines = len(text.splitlines())
        assert lines <= MAX_FILE, f"{path} has {lines} lines; split it by concept"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert length(node) <= MAX_FUNCTION, f"{path}:{node.lineno}: {node.name} has {length(node)} lines"
