"""Every block of code in the README and the docs is tagged, and runs or is checked without running."""

from __future__ import annotations

import functools
import importlib
import itertools
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reference.dry_python import check_python
from reference.run_snippets import run_blocks
from reference.snippets import TAGS, Block, blocks, commands, inline_code

from alignkit._cli._parse import parse
from alignkit._cli._registry import VERBS, find_verb
from alignkit._config import options
from alignkit.cli import main

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "examples/README.md", "benchmarks/README.md")
    for page in ROOT.glob(pattern)
    # pages that the build makes are none of ours
    if page.name != "CHANGELOG.md" and not {"_build", "api", "auto_gallery"} & set(page.parts) and page.name != "cli.md"
)
#: Pages whose runnable blocks take more than a few seconds.
SLOW = ("README.md", "tour.md", "own_model.md", "own_images.md")
RUNNABLE = [page for page in PAGES if any(block.tag == "run" for block in blocks(page))]
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
#: Words in capitals that stand for what readers put in their place.
PLACEHOLDERS = re.compile(r"\.\.\.|…|\b(VERB|COMMAND|RUN_OR_RESULT)\b")


@pytest.fixture(autouse=True)
def _somewhere_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ALIGNKIT_DATA", raising=False)


@each_page
def test_every_block_says_what_it_needs(page):
    for block in blocks(page):
        assert block.tag in TAGS, f"{block}: tag it with one of {', '.join(TAGS)} on the line above: <!-- run -->"


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=str(page.relative_to(ROOT)), marks=[pytest.mark.slow] if page.name in SLOW else [])
        for page in RUNNABLE
    ],
)
def test_what_is_tagged_run_runs(page, tmp_path):
    compared: list[str] = []

    def compare(block, names):
        # side by side: what another package gave is called theirs, and the block after it gives ours
        if "ours" in names and "theirs" in names:
            np.testing.assert_allclose(
                names.pop("ours"), names.pop("theirs"), rtol=1e-9, atol=1e-12, err_msg=str(block)
            )
            compared.append(str(block))

    runnable = [block for block in blocks(page) if block.tag in ("run", "file")]
    for block in runnable:
        if "import rsatoolbox" in block.code or "from rsatoolbox" in block.code:
            pytest.importorskip("rsatoolbox")
    run_blocks(runnable, tmp_path, compare)
    assert len(compared) == sum(bool(re.search(r"^ours = ", block.code, re.MULTILINE)) for block in runnable)


@each_page
def test_python_imports_what_exists_and_calls_it_as_it_is(page):
    names: dict[str, object] = {}
    for block in blocks(page):
        if block.language == "python":
            compile(block.code, str(block), "exec")
            if block.tag != "theirs":
                check_python(block.code, str(block), names)


@each_page
def test_commands_have_the_flags_of_their_verbs(page, tmp_path):
    for block in blocks(page):
        if block.tag == "file":
            (tmp_path / block.name).write_text(block.code, encoding="utf-8")
        refused = block.output is not None and block.output.startswith("error: ")
        if block.language == "bash" and not refused:
            for words in commands(block.code):
                check_command(words, str(block), tmp_path)


@each_page
def test_commands_in_the_text_exist(page, tmp_path):
    for text in inline_code(page):
        if PLACEHOLDERS.search(text):
            continue
        for words in commands(text):
            if words[0] == "alignkit":
                check_words(words[1:], f"{page.name}: {text}")
            elif words[0] in ("python", "torchrun"):
                check_command(words, f"{page.name}: {text}", tmp_path)
            elif words[0].startswith("--") and words[0] != "--":
                known = {f"--{name}" for flags in flags_of_verbs().values() for name in flags}
                flag = re.sub(r"^--no-", "--", words[0].partition("=")[0])
                assert {flag, words[0]} & (known | flags_of_scripts()), f"{page.name}: no verb has {words[0]}"


@functools.cache
def flags_of_verbs() -> dict[str, set[str]]:
    common = {"config", "help", "version"}
    return {
        name: common | {option.name for option in options(verb.load().config).values()} for name, verb in VERBS.items()
    }


@functools.cache
def flags_of_scripts() -> set[str]:
    """Return the flags of studies, benchmarks and examples."""
    texts = [path.read_text(encoding="utf-8") for path in ROOT.glob("[sbe]*/*.py")]
    return {flag for text in texts for flag in re.findall(r'"(--[\w-]+)"', text)}


def check_words(words: list[str], where: str) -> None:
    """Hold that the words after ``alignkit`` in a sentence are a verb, and that its flags exist."""
    if not words or words[0].startswith("-"):
        assert set(words) <= {"--help", "--version", "-h"}, where
        return
    groups = {name.partition(" ")[0] for name in VERBS if " " in name}
    if len(words) == 1 and words[0] in groups:
        return
    verb, rest = find_verb(words)
    flags = flags_of_verbs()[verb.name]
    for word in rest:
        if word.startswith("--"):
            flag = word[2:].partition("=")[0]
            assert flag in flags or flag.removeprefix("no-") in flags, f"{where}: alignkit {verb.name} has no {word}"


def check_command(words: list[str], where: str, folder: Path) -> None:
    """Hold that a command is one of alignkit's with everything it needs, or a module or a file of the checkout."""
    if words[0] == "alignkit":
        check_verb(words[1:], where, folder)
    elif words[:2] == ["python", "-m"] and words[2].split(".")[0] in ("studies", "benchmarks"):
        module = ROOT.joinpath(*words[2].split("."))
        source = module.with_suffix(".py") if module.with_suffix(".py").exists() else module / "__main__.py"
        text = source.read_text(encoding="utf-8")
        for flag in (word for word in words if word.startswith("--")):
            assert f'"{flag}"' in text, f"{where}: {words[2]} has no {flag}"
    elif words[0] in ("python", "sbatch", "bash", "pytest"):
        for word in words[1:]:
            if re.fullmatch(r"(examples|tests|studies|benchmarks|docs)/(?!_build)\S+", word):
                assert (ROOT / word).exists(), f"{where}: no {word}"
    elif words[:2] == ["pip", "install"]:
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
            "optional-dependencies"
        ]
        for found in re.findall(r"(?:alignkit|\.)\[([\w,-]+)\]", " ".join(words)):
            assert set(found.split(",")) <= set(extras), f"{where}: no extra {found}"


def check_verb(words: list[str], where: str, folder: Path) -> None:
    """Hold that the words after ``alignkit`` make a config: flags exist, values are of their kind, none is missing."""
    if "--help" in words or words in (["--version"], []):
        assert main(words) == 0, where
        return
    words = [re.sub(r"\$\{?\w+\}?", "1", word) for word in words]  # a variable of the shell
    for flag, value in itertools.pairwise(words):
        if flag == "--config" and not (folder / value).exists():
            (folder / value).write_text("# as yours\n", encoding="utf-8")
    try:
        verb, rest = find_verb(words)
        entry = verb.load()
        parse(entry.config, rest, verb.name, entry.presets())
    except ValueError as error:
        msg = f"{where}: alignkit {' '.join(words)}: {error}"
        raise AssertionError(msg) from error


# --- the checks themselves


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("from alignkit.rsa import rdn", "rdn"),
        ("import alignkit.rsb", "rsb"),
        ("from alignkit.rsa import rdm\nrdm(x, metrik='cosine')", "metrik"),
        ("from alignkit.rsa import compare\ncompare(x)", "missing"),
        ("from alignkit.rsa import compare\nfound = compare(x, y)\nprint(found.value)", "Comparison has no value"),
        ("from alignkit.rsa import RDM\nRDM(x).square()", "RDM has no square"),
    ],
)
def test_names_and_arguments_that_do_not_exist_are_found(code, sentence):
    with pytest.raises((AssertionError, ImportError), match=sentence):
        check_python(code, "page", {})


def test_bash_is_taken_apart():
    code = (
        "export A=1 && B='x y' alignkit extract --out \"a b\" \\\n  --layers 1  # it's the first\n"
        "for p in 1 2; do\n    alignkit rdm p$p.npy > log; done\ntorchrun --nproc-per-node=8 -m alignkit train hba\n"
    )
    assert commands(code) == [
        ["export", "A=1"],
        ["alignkit", "extract", "--out", "a b", "--layers", "1"],
        ["alignkit", "rdm", "p$p.npy"],
        ["alignkit", "train", "hba"],
    ]


@pytest.mark.parametrize("words", ["rdm x.npy --metrik cosine", "extract --images photos", "rdmm x.npy", "rdm x --p y"])
def test_flags_that_do_not_exist_are_found(words, tmp_path):
    with pytest.raises(AssertionError, match="page: alignkit"):
        check_verb(words.split(), "page", tmp_path)


@pytest.mark.parametrize(
    ("code", "output", "error"),
    [
        ("print(1)", "2\n", AssertionError),
        ("raise ValueError('no')", "ValueError: yes\n", AssertionError),
        ("raise ValueError('no')", None, ValueError),
        ("import warnings; warnings.warn('look')", None, UserWarning),
    ],
)
def test_pages_that_print_something_else_fail(code, output, error, tmp_path):
    with pytest.raises(error):
        run_blocks([Block(ROOT / "page.md", 1, "python", "run", code, output)], tmp_path)


# --- the gallery, and the pages that are made from the code

GALLERY = sorted((ROOT / "docs" / "gallery").glob("plot_*.py"))


def cells(path: Path) -> list[str]:
    """Return the code cells of the notebook that the gallery makes of a script, or the script where it is not here."""
    try:
        from sphinx_gallery.gen_gallery import DEFAULT_GALLERY_CONF
        from sphinx_gallery.notebook import jupyter_notebook
        from sphinx_gallery.py_source_parser import split_code_and_text_blocks
    except ImportError:
        return [path.read_text(encoding="utf-8")]
    _, parts = split_code_and_text_blocks(path)
    notebook = jupyter_notebook(parts, dict(DEFAULT_GALLERY_CONF), str(path.parent))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


@pytest.mark.parametrize("path", GALLERY, ids=lambda path: path.stem)
def test_scripts_of_the_gallery_run_as_notebooks(path, tmp_path):
    if "meg" in path.read_text(encoding="utf-8"):
        pytest.importorskip("mne")
    code = [cell for cell in cells(path) if not cell.lstrip().startswith("%")]
    assert len(code) > 1 or "sphinx_gallery" not in sys.modules
    run_blocks([Block(path, 0, "python", "run", cell) for cell in code], tmp_path)


@functools.cache
def conf() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "docs" / "conf.py"))


def test_the_reference_has_every_public_name():
    packages = {path.parent.name for path in (ROOT / "alignkit").glob("[a-z]*/__init__.py")}
    assert set(conf()["PACKAGES"]) == packages
    index = conf()["api_index"]()
    for package in packages:
        assert f"   alignkit.{package}\n" in index
        page = conf()["api_page"](package)
        listed = set(re.findall(r"^(?:   |\.\. data:: )(\w+)$", page, flags=re.MULTILINE))
        assert listed == set(importlib.import_module(f"alignkit.{package}").__all__), package


def test_the_reference_has_every_setting_and_every_verb():
    methods = {path.parent.name for path in (ROOT / "alignkit" / "train").glob("*/config.py")}
    assert set(conf()["SETTINGS"]) == {f"alignkit.train.{name}.config" for name in methods}
    assert "   HBAConfig\n" in conf()["settings_page"]()
    page = conf()["cli_page"]()
    for name in VERBS:
        assert f"\n### alignkit {name}\n" in page


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#\s]+)(?:#[\w-]+)?\)", page.read_text(encoding="utf-8")):
            made = link.startswith(("api/", "auto_gallery/", "cli"))  # by the build
            assert link.startswith("http") or made or (page.parent / link).exists(), f"{page.name}: {link}"


@pytest.mark.slow
def test_the_docs_build_without_a_warning(tmp_path):
    pytest.importorskip("sphinx", reason="the docs are built with the extra docs")
    pytest.importorskip("sphinx_gallery")
    copy = tmp_path / "checkout"
    ignore = shutil.ignore_patterns("_build", "api", "auto_gallery", "cli.md", "__pycache__")
    shutil.copytree(ROOT / "docs", copy / "docs", ignore=ignore)
    for folder in ("alignkit", "examples"):
        (copy / folder).symlink_to(ROOT / folder)
    # pages are read and linked, not written; scripts of the gallery run in a test of their own
    words = ["-m", "sphinx", "-W", "--keep-going", "-q", "-b", "dummy", "-D", "plot_gallery=0", "docs", "out"]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, cwd=copy, timeout=580)
    assert done.returncode == 0, done.stderr
    for package in conf()["PACKAGES"]:
        module = importlib.import_module(f"alignkit.{package}")
        for name in module.__all__:
            if callable(getattr(module, name)):
                assert (copy / "docs" / "api" / "generated" / f"alignkit.{package}.{name}.rst").exists()
    notebooks = {path.stem for path in (copy / "docs" / "auto_gallery").glob("*.ipynb")}
    assert notebooks == {path.stem for path in GALLERY}
