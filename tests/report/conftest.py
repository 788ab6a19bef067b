"""A page's parts by a parser that wants every tag closed, and a small score table."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pytest
from reference.chromium import Browser, chromium, find_chromium

from alignkit.score import Difference, ScoreRow, ScoreTable

#: Elements without an end tag.
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


@dataclass
class Page(HTMLParser):
    """Elements in order, their text, and what is wrong with their nesting."""

    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if len(dict(attrs)) != len(attrs):
            self.problems.append(f"<{tag}> repeats an attribute")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> closes nothing")

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self.open[-1] if self.open else "", data.strip()))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def text_of(self, tag: str) -> list[str]:
        return [text for name, text in self.texts if name == tag]


def assert_policy(text: str, page: Page) -> None:
    """Hold that a page's own script and style are all that may run, and that nothing may be fetched."""
    (policy,) = [one["content"] for one in page.all("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.strip().partition(" ")[::2] for rule in str(policy).split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["img-src"] == "data:"
    for tag in ("style", "script"):
        (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert rules[f"{tag}-src"] == f"'sha256-{digest}'"
    assert set(rules) == {"default-src", "base-uri", "form-action", "img-src", "style-src", "script-src"}
    assert len(page.all("script")) == 1


@pytest.fixture(scope="session")
def read() -> Callable[[Path], Page]:
    """Return a function that parses a page and holds it to be well-formed and to need nothing else."""

    def read(path: Path) -> Page:
        text = path.read_text(encoding="utf-8")
        assert text.startswith("<!doctype html>\n")
        page = Page()
        page.feed(text)
        page.close()
        assert not page.problems
        assert not page.open
        assert_policy(text, page)
        assert not page.all("link")
        assert not page.all("iframe")
        for tag, attributes in page.elements:
            for name, value in attributes.items():
                assert not name.startswith("on"), (tag, name)
                assert name != "style", tag  # the policy lets none through
                if name == "href" and tag == "a":
                    assert str(value)[1:] in [one.get("id") for _, one in page.elements], value
                    assert str(value).startswith("#"), value
                elif name in ("src", "href", "srcset", "poster", "data", "action"):
                    assert str(value).startswith(("data:image/png;base64,", "data:image/jpeg;base64,")), (tag, name)
        styles = "".join(page.text_of("style"))
        assert "url(" not in styles
        assert "@import" not in styles
        return page

    return read


@pytest.fixture(scope="session")
def table() -> ScoreTable:
    base = {"part": "p", "n": 1000, "n_items": 50, "split": "first split"}
    accuracy = {"measure": "accuracy", "primary": True, "over": "triplets", "ceiling": "people", **base}
    rows = (
        ScoreRow(model="one", role="model", value=0.6, low=0.5, high=0.7, ceiling_low=0.65, **accuracy),
        ScoreRow(model="two", role="model", value=0.4, people_low=0.3, people_high=0.45, **accuracy),
        ScoreRow(model="chance", role="baseline", value=1 / 3, **(accuracy | {"split": ""})),
        ScoreRow(
            model="one", role="model", measure="cost", value=1.2, higher_is_better=False, **(base | {"split": "second"})
        ),
        ScoreRow(model="one", role="model", part="q", measure="r", value=0.1, n=10, n_items=5),
    )
    difference = Difference(
        better="one", other="two", part="p", measure="accuracy", difference=0.2, low=0.1, high=0.3, over="triplets"
    )
    settings = {"kernel": "dot", "ties": "wrong", "metric": "cosine", "method": "pearson", "min_votes": 0}
    settings |= {"n_bootstrap": 10, "confidence": 0.95, "n_shuffles": 2, "seed": 1}
    return ScoreTable("toy", rows, (difference,), ("a note",), settings, {"alignkit": "0.1.0"})


@pytest.fixture(scope="session")
def browser(tmp_path_factory) -> Iterator[Browser]:
    """Return a tab of a headless Chromium; tests that take it are skipped where there is none."""
    program = find_chromium()
    if program is None:
        pytest.skip("no chromium, chromium-browser or google-chrome is on the PATH")
    with chromium(program, tmp_path_factory.mktemp("chromium")) as found:
        yield found
