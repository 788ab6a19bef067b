"""The pages of help: all verbs, the verbs of a group, one verb."""

from __future__ import annotations

import inspect
import shutil
import textwrap

from alignkit import __version__
from alignkit._cli._parse import help_text
from alignkit._cli._registry import VERBS, Verb

_EXAMPLES = """
  alignkit data list
  alignkit extract --model efficientnet-lite0 --images photos --out feats
  alignkit rdm feats --metric correlation --out rdm.npz
  alignkit compare rdm.npz people.npz --method spearman
"""


def width() -> int:
    """Return the width to wrap at: the terminal's, at most 100 columns."""
    return min(shutil.get_terminal_size().columns, 100)


def overview(first: str = "") -> str:
    """Return the page that lists the verbs, all of them or those whose first word is ``first``."""
    verbs = [verb for verb in VERBS.values() if not first or verb.name.split()[0] == first]
    title = f"alignkit {__version__}: does this vision model see as people do?"
    name = f"alignkit {first}".strip()
    lines = [title, "", f"usage: {name} VERB [OPTIONS]", f"       {name} VERB --help explains a verb"]
    column = max(len(verb.name) for verb in verbs) + 4
    for group in dict.fromkeys(verb.group for verb in verbs):
        lines += ["", group]
        for verb in verbs:
            if verb.group == group:
                lines += textwrap.wrap(
                    f"  {verb.name:<{column - 2}}{verb.summary}", width(), subsequent_indent=" " * column
                )
    if not first:
        lines += ["", "examples", _EXAMPLES.strip("\n"), "", "alignkit --version tells what the numbers are made with."]
    return "\n".join(lines)


def verb_page(verb: Verb) -> str:
    """Return a verb's page: usage, what it does, its options, examples."""
    config = verb.load().config
    text, _, examples = (inspect.getdoc(config) or verb.summary).partition("\n\nExamples\n--------\n")
    usage, _, option_lists = help_text(config, f"alignkit {verb.name}", width()).partition("\n\n")
    usage = textwrap.fill(usage, width(), subsequent_indent=" " * 7, break_on_hyphens=False)
    described = [textwrap.fill(" ".join(part.split()), width()) for part in text.split("\n\n")]
    page = "\n\n".join([usage, *described, option_lists.strip("\n")]) + "\n"
    more = "Any option can also come from a TOML file: --config FILE. Later flags win."
    if examples:
        page += "\n examples\n" + textwrap.indent(examples, "  ") + "\n"
    return f"{page}\n{textwrap.fill(more, width())}"
