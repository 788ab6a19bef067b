"""What users install: a light import, ``python -m alignkit``, and archives that hold what they should."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import alignkit

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("rsa", "data", "models", "align", "meg", "score", "train", "report", "cli")


def python(*words: str) -> str:
    """Run Python from the checkout and return what it prints."""
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_takes_less_than_a_tenth_of_a_second():
    code = "import time; start = time.perf_counter(); import alignkit; print(time.perf_counter() - start)"
    times: list[float] = []
    for _ in range(8):  # the least of them: other work on the machine is none of the import's
        times.append(float(python("-c", code)))
        if times[-1] < 0.1:
            break
    assert min(times) < 0.1


def test_imports_warn_of_nothing():
    python("-W", "error", "-c", "; ".join(["import alignkit", *(f"import alignkit.{name}" for name in PACKAGES)]))


def test_the_package_runs_as_a_module():
    assert python("-m", "alignkit", "--version").startswith(f"alignkit {alignkit.__version__}\n")
    assert "usage: alignkit VERB" in python("-m", "alignkit")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return the sdist and the wheel, built from the checkout in one folder."""
    pytest.importorskip("hatchling", reason="hatchling builds the archives")
    if not (ROOT / "pyproject.toml").exists():
        pytest.skip("not a checkout")
    folder = tmp_path_factory.mktemp("dist")
    python("-m", "hatchling", "build", "-d", str(folder))
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


def tracked(*folders: str) -> set[str]:
    """Return the files that git knows below folders."""
    done = subprocess.run(["git", "ls-files", "-z", *folders], capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        pytest.skip("not a checkout of git")
    return {name for name in done.stdout.split("\0") if name and (ROOT / name).exists()}


def test_the_wheel_holds_the_package_and_nothing_else(built):
    with zipfile.ZipFile(built[1]) as wheel:
        names = set(wheel.namelist())
        metadata = wheel.read(next(name for name in names if name.endswith("dist-info/METADATA"))).decode()
        scripts = wheel.read(next(name for name in names if name.endswith("entry_points.txt"))).decode()
    ours = {name for name in names if not name.startswith(f"alignkit-{alignkit.__version__}.dist-info/")}
    assert tracked("alignkit") <= ours
    assert all(name.startswith("alignkit/") for name in ours)
    assert "alignkit/py.typed" in ours
    assert "alignkit = alignkit.cli:main" in scripts
    assert f"\nVersion: {alignkit.__version__}\n" in metadata
    assert "\nRequires-Python: >=3.11\n" in metadata


def test_the_source_archive_holds_what_the_tests_need(built):
    with tarfile.open(built[0]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    folders = ("alignkit", "tests", "docs", "examples", "studies", "benchmarks")
    assert tracked(*folders) <= names
    assert {"README.md", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE", "pyproject.toml"} <= names
