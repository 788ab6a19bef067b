"""Code blocks of Markdown pages: their tags, how they are run, and what is checked where they cannot be."""

from __future__ import annotations

import dataclasses
import re
import shlex
from pathlib import Path

#: What a line ``<!-- TAG -->`` above a block of code says.
TAGS = {
    "run": "runs here and now; a test runs it",
    "needs-data": "needs files of the reader's; a test parses commands, and checks names and arguments of calls",
    "needs-gpu": "needs an accelerator, a cluster or minutes; checked in the same way",
    "needs-network": "installs or downloads; checked in the same way",
    "file": "a file of the name that follows, in the folder where the page runs",
    "theirs": "the code of another package that need not be installed; a test compiles it",
}
#: The languages whose blocks need a tag.
CODE = {"python": "python", "bash": "bash", "sh": "bash"}
_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```\s*$", flags=re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!-- ([\w-]+)(?: ([\w.-]+))? -->\n*\Z")


@dataclasses.dataclass(frozen=True, slots=True)
class Block:
    """A fenced block, where it begins, its tag, what the page says that it prints, and its name if it is a file."""

    path: Path
    line: int
    language: str
    tag: str
    code: str
    output: str | None = None
    name: str = ""

    def __str__(self) -> str:
        return f"{self.path.name}:{self.line}"


def blocks(path: Path) -> list[Block]:
    """Return the blocks of a page whose languages are code; a ``text`` block right below one is its output."""
    text = path.read_text(encoding="utf-8")
    found: list[Block] = []
    end = 0
    for fence in _FENCE.finditer(text):
        between, language = text[end : fence.start()], fence[1]
        tag = _COMMENT.search(between)
        if language in CODE or tag:
            line = text.count("\n", 0, fence.start()) + 1
            tag_name, name = (tag[1], tag[2] or "") if tag else ("", "")
            found.append(Block(path, line, CODE.get(language, language), tag_name, fence[2], name=name))
        elif language == "text" and found and not between.strip():
            found[-1] = dataclasses.replace(found[-1], output=fence[2])
        end = fence.end()
    return found


def prose(path: Path) -> str:
    """Return a page without its fenced blocks."""
    return _FENCE.sub("", path.read_text(encoding="utf-8"))


def inline_code(path: Path) -> list[str]:
    """Return what stands between single backticks in the prose of a page, line breaks as spaces."""
    return [" ".join(found.split()) for found in re.findall(r"(?<!`)`([^`]+)`(?!`)", prose(path))]


def commands(code: str) -> list[list[str]]:
    """Return the simple commands of a piece of bash, in words, without keywords, assignments and redirections."""
    lexer = shlex.shlex(without_comments(code).replace("\\\n", " "), posix=True, punctuation_chars=";&|<>()\n")
    lexer.whitespace = " \t"
    lexer.whitespace_split = True
    lexer.commenters = ""
    found: list[list[str]] = [[]]
    for word in lexer:
        if set(word) <= set(";&|()\n"):
            found.append([])
        elif word not in ("do", "done", "then", "fi") or found[-1]:
            found[-1].append(word)
    simple = [_plain(words) for words in found]
    return [words for words in simple if words and words[0] not in ("for", "if")]


def without_comments(code: str) -> str:
    """Return bash without its comments: from a ``#`` that begins a word, outside quotes, to the end of the line."""
    kept: list[str] = []
    quote, comment = "", False
    for before, sign in zip("\n" + code, code, strict=False):
        if comment and sign != "\n":
            continue
        comment = not quote and sign == "#" and before.isspace()
        if comment:
            continue
        if sign in "'\"" and quote in ("", sign):
            quote = "" if quote else sign
        kept.append(sign)
    return "".join(kept)


def _plain(words: list[str]) -> list[str]:
    """Return a command without assignments before it, redirections and launchers."""
    while words and re.fullmatch(r"\w+=.*", words[0]):
        words = words[1:]
    for sign in ("<", ">", ">>"):
        if sign in words:
            words = words[: words.index(sign)]
    if words[:1] == ["torchrun"] or words[:1] == ["srun"]:
        start = next((i for i, word in enumerate(words) if word in ("-m", "alignkit")), len(words))
        words = ["python", *words[start:]] if words[start : start + 1] == ["-m"] else words[start:]
    if words[:3] == ["python", "-m", "alignkit"]:
        words = ["alignkit", *words[3:]]
    return words
