"""The project's files say the same thing: README, CI, citation, packaging."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import alignkit

ROOT = Path(__file__).resolve().parents[1]
TEST_COMMAND = "pip install '.[all,test]' && pytest -n 2 --dist loadfile"


def text_of(name: str) -> str:
    path = ROOT / name
    if not path.exists():
        pytest.skip(f"{name} is not beside the tests")
    return path.read_text(encoding="utf-8")


def project() -> dict:
    return tomllib.loads(text_of("pyproject.toml"))["project"]


@pytest.mark.parametrize("name", ["README.md", ".ci/run"])
def test_the_test_command_is_one(name):
    assert TEST_COMMAND in text_of(name)


def test_ci_is_sound_bash():
    script = text_of(".ci/run")
    assert "set -euo pipefail" in script
    done = subprocess.run(["bash", "-n", ROOT / ".ci" / "run"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for check in ("ruff check", "ruff format --check", "mypy", "codespell"):
        assert re.search(rf"^step .* {re.escape(check)}$", script, flags=re.MULTILINE), check


def test_the_citation_has_the_fields_and_the_version():
    citation = text_of("CITATION.cff")
    for field in ("cff-version: 1.2.0", "message:", "title:", "authors:", "license: BSD-3-Clause"):
        assert re.search(rf"^{re.escape(field)}", citation, flags=re.MULTILINE), field
    assert f"\nversion: {alignkit.__version__}\n" in citation


def test_the_changelog_is_open_and_knows_this_version():
    changelog = text_of("CHANGELOG.md")
    assert "## [Unreleased]" in changelog
    assert set(re.findall(r"^### (\w+)", changelog, flags=re.MULTILINE)) <= {
        "Added",
        "Changed",
        "Deprecated",
        "Removed",
        "Fixed",
        "Security",
    }


def test_the_licence_is_the_one_declared():
    assert text_of("LICENSE").startswith("BSD 3-Clause License\n\nCopyright (c) 2026, The alignkit developers\n")
    assert project()["license"] == "BSD-3-Clause"


def test_every_extra_for_users_is_in_all_and_every_bound_is_given():
    extras = project()["optional-dependencies"]
    (everything,) = extras["all"]
    named = set(re.findall(r"\[(.*)\]", everything)[0].split(","))
    assert named == set(extras) - {"all", "test", "dev", "docs", "rivals"}
    assert project()["scripts"] == {"alignkit": "alignkit.cli:main"}
    for requirement in project()["dependencies"]:
        assert ">=" in requirement, f"{requirement}: which release is the first that works?"


def test_hooks_fetch_nothing():
    hooks = text_of(".pre-commit-config.yaml")
    assert re.findall(r"repo: (\S+)", hooks) == ["local"]
    assert set(re.findall(r"- id: (\S+)", hooks)) >= {"ruff", "ruff-format", "mypy", "codespell", "large-files"}
