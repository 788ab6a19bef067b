"""How the docs are built: ``sphinx-build -W -b html docs docs/_build/html``, with the extra ``docs``.

The pages of the API and of the command line are written anew by every build, from ``__all__`` and from the verbs, so
that neither can fall behind.
"""

from __future__ import annotations

import importlib
import inspect
import os
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
os.environ.setdefault("MPLBACKEND", "Agg")

import alignkit  # noqa: E402 (of this checkout)

#: In the order of the chapters of the reference.
PACKAGES = ("rsa", "data", "models", "align", "meg", "score", "train", "report")
#: Public modules besides: what the methods can be told.
SETTINGS = tuple(f"alignkit.train.{name}.config" for name in ("hba", "hba_meg", "alignet", "embedding", "pi"))

project = "alignkit"
author = "The alignkit developers"
copyright = "2026, The alignkit developers"
version = release = alignkit.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "gallery", "auto_gallery/*.ipynb", "auto_gallery/*.py", "auto_gallery/*.md5"]
templates_path = ["_templates"]
nitpicky = False
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["config.cache"]

autosummary_generate = True
autodoc_typehints = "none"  # docstrings say types, with shapes and units
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
numpydoc_show_class_members = False  # the template of classes has them
numpydoc_xref_param_type = False  # "shape (items,)" is no link

html_theme = "furo"
html_title = f"alignkit {release}"
html_static_path = ["_static"]
html_css_files = ["wrap.css"]
html_show_sourcelink = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf: dict[str, Any] = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_gallery",
    "filename_pattern": r"/plot_",
    "abort_on_example_error": True,
    "capture_repr": ("_repr_html_",),  # tables, not the names of axes
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "remove_config_comments": True,
    "plot_gallery": "True",
    "show_memory": False,
    "reference_url": {"alignkit": None},
}


def api_page(package: str) -> str:
    """Return the page of a package: what its docstring says, and a table of everything that it exports."""
    name = f"alignkit.{package}"
    module = importlib.import_module(name)
    names = module.__all__
    kinds = {
        "Functions": [item for item in names if inspect.isroutine(getattr(module, item))],
        "Classes": [item for item in names if inspect.isclass(getattr(module, item))],
    }
    lines = [name, "=" * len(name), "", f".. module:: {name}", "", inspect.getdoc(module) or "", ""]
    for title, members in kinds.items():
        if members:
            lines += [title, "-" * len(title), "", ".. autosummary::", "   :toctree: generated", ""]
            lines += [f"   {member}" for member in members] + [""]
    values = [item for item in names if not any(item in members for members in kinds.values())]
    if values:
        lines += ["Values", "------", ""]
    for value in values:
        lines += [f".. data:: {value}", "", f"   {comment_of(name, value)}", ""]
    return "\n".join(lines)


def comment_of(package: str, value: str) -> str:
    """Return the comment ``#: ...`` above the definition of a value."""
    folder = Path(importlib.import_module(package).__file__ or "").parent
    texts = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("_*.py"))]
    found = [re.search(rf"^#: (.*)\n{value}\b.*=", text, flags=re.MULTILINE) for text in texts]
    return next(match[1] for match in found if match)


def settings_page() -> str:
    """Return the page of the settings of every training method."""
    lines = ["Settings of the methods", "=======================", ""]
    lines += ["What ``alignkit train METHOD`` takes as flags, and its TOML files as keys.", ""]
    for name in SETTINGS:
        module = importlib.import_module(name)
        own = [key for key, value in vars(module).items() if inspect.isclass(value) and value.__module__ == name]
        lines += [
            name,
            "-" * len(name),
            "",
            f".. module:: {name}",
            "",
            ".. autosummary::",
            "   :toctree: generated",
            "",
        ]
        lines += [f"   {key}" for key in own if not key.startswith("_")] + [""]
    return "\n".join(lines)


def api_index() -> str:
    """Return the first page of the reference."""
    lines = ["API reference", "=============", ""]
    lines += ["Every public name, with shapes, units, errors, formula and source. Import at most two levels deep:"]
    lines += ["``from alignkit.rsa import rdm``.", "", ".. toctree::", "   :maxdepth: 1", ""]
    return "\n".join([*lines, *(f"   alignkit.{package}" for package in PACKAGES), "   settings", ""])


def cli_page() -> str:
    """Return the page of the command line: the help of every verb."""
    from alignkit._cli._help import verb_page
    from alignkit._cli._registry import VERBS

    importlib.import_module("alignkit.cli")
    lines = ["# Command line", "", "What `alignkit VERB --help` prints. Any option can also stand in a TOML file that"]
    lines += ["`--config FILE` names.", ""]
    groups: dict[str, list[str]] = {}
    for name, verb in VERBS.items():
        groups.setdefault(verb.group, []).append(name)
    for group, names in groups.items():
        lines += [f"## {group[0].upper()}{group[1:]}", ""]
        for name in names:
            lines += [f"### alignkit {name}", "", "```text", verb_page(VERBS[name]).rstrip(), "```", ""]
    return "\n".join(lines)


def write_pages(folder: Path) -> None:
    """Write the pages that are made from the code; those that have not changed are left alone."""
    pages = {f"api/alignkit.{package}.rst": api_page(package) for package in PACKAGES}
    pages |= {"api/index.rst": api_index(), "api/settings.rst": settings_page(), "cli.md": cli_page()}
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def escape_stars(_app: Any, _what: str, _name: str, _thing: Any, _options: Any, lines: list[str]) -> None:
    """Keep ``(*data.shape, models)`` from being taken for emphasis."""
    lines[:] = [re.sub(r"(?<![\w*\\])\*(\w+\.shape)", r"\\*\1", line) for line in lines]


def setup(app: Any) -> None:
    """Tell Sphinx to write the pages before it looks for sources."""
    app.connect("config-inited", lambda *_: write_pages(HERE))
    app.connect("autodoc-process-docstring", escape_stars)
