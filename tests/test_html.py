"""What notebooks show: nothing that a label says is taken for markup, on light and on dark pages."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from alignkit._html import box, facts, folded, preformatted, table, text
from alignkit._result import Result
from alignkit.data import simulate
from alignkit.rsa import RDM, Triplets, compare, noise_ceiling, permutation_test, triplet_accuracy

HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "</td></table></div><h1>big</h1>",
    "&lt;b&gt;",
    "<!-- ",
    "javascript:alert(1)",
    "' style='position:fixed",
    "é\u202e\x00<style>*{display:none}</style>",
    "]]><svg/onload=alert(1)>",
]
TAGS = {"div", "strong", "table", "thead", "tbody", "tr", "th", "td", "pre", "details", "summary"}


class Page(HTMLParser):
    """Tags, attributes and text, with every tag closed in its order."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.styles: list[str] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == [], "a tag stays open"

    def handle_starttag(self, tag, attrs):
        assert tag in TAGS, tag
        for name, value in attrs:
            assert name in {"style", "class", "scope", "open"}, name
            if name == "style":
                self.styles.append(value)
        self.tags.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def handle_comment(self, data):
        raise AssertionError(data)

    def handle_decl(self, decl):
        raise AssertionError(decl)


def rdm(n_leading: tuple[int, ...] = (), n: int = 9, **options: object) -> RDM:
    values = np.random.default_rng(0).uniform(size=(*n_leading, n * (n - 1) // 2))
    return RDM(values, labels=HOSTILE[:n], **options)


def test_an_rdm_shows_its_facts_and_first_items():
    page = Page(rdm((2, 3), dims=["subject", "<i>"], metric="<b>")._repr_html_())
    words = " ".join(page.text)
    assert "subject: 2, <i>: 3" in words
    assert "<b>" in page.text
    assert "the first 8 items" in words
    for label in HOSTILE[:8]:
        assert page.text.count(" ".join(label.split())) == 2, label  # of its row and its column
    assert page.tags.count("tr") == 6 + 1 + 8  # facts, head, items


def test_the_values_of_an_rdm_are_those_of_its_square():
    one = RDM([0.5, 1.0, 0.25], labels=["a", "b", "c"])
    page = Page(one._repr_html_())
    assert [t for t in page.text if t in ("0.5", "1", "0.25")] == ["0.5", "1", "0.5", "0.25", "1", "0.25"]


@pytest.mark.parametrize("values", [[np.nan], [np.nan, 1, 2], [0.0, 0.0, 0.0]])
def test_odd_rdms_are_shown_as_well(values):
    with np.errstate(all="raise"):
        Page(RDM(values)._repr_html_())


def test_triplets_show_their_first_answers_by_name():
    page = Page(Triplets([[0, 1, 2], [5, 4, 3]] * 4, HOSTILE[:6], participant=["<b>"] * 8)._repr_html_())
    assert page.text.count("<b>") == 5
    row = [page.text.index(HOSTILE[i]) for i in (0, 1, 2)]
    assert row == sorted(row)
    assert "8" in page.text
    unnamed = Page(Triplets([[0, 1, 2]])._repr_html_())
    assert "unknown" in unnamed.text


@dataclasses.dataclass(frozen=True, slots=True)
class Odd(Result):
    n: int

    def __repr__(self) -> str:
        return f"<Odd {HOSTILE[0]}\n  two lines>"

    def to_dataframe(self) -> pd.DataFrame:
        return pd.DataFrame({HOSTILE[1]: (HOSTILE * self.n)[: self.n], "value": np.linspace(0, 1, self.n)})

    def methods_text(self) -> str:
        return HOSTILE[2]


def test_a_result_shows_its_summary_table_and_methods():
    page = Page(Odd(20)._repr_html_())
    assert f"<Odd {HOSTILE[0]}\n  two lines>" in page.text
    assert HOSTILE[2] in page.text
    assert page.text.count(HOSTILE[3]) == 1
    assert page.tags.count("tr") == 1 + 12
    assert "20 rows (the first 12; all of them: .to_dataframe())" in page.text
    assert "1 row" in Page(Odd(1)._repr_html_()).text
    assert "0 rows" in Page(Odd(0)._repr_html_()).text


def test_results_of_all_kinds_are_shown():
    lab = simulate(16)
    model, people = rdm(n=9), rdm((3,), dims=["subject"])
    results = [
        compare(model, people),
        noise_ceiling(people),
        permutation_test(model, people, n_permutations=10, rng=0),
        triplet_accuracy(lab.embedding, lab.triplets, rng=0),
    ]
    for result in results:
        page = Page(result._repr_html_())
        assert type(result).__name__ in page.text
        assert result.methods_text() in page.text


def test_colours_fit_light_and_dark_pages():
    for html in (rdm()._repr_html_(), Odd(3)._repr_html_()):
        for style in Page(html).styles:
            colours = re.findall(r"(?:color|background|border)[^:;]*:([^;]*)", style)
            for colour in colours:
                shade = re.search(r"rgba\(\d+,\d+,\d+,([\d.]+)\)", colour)
                assert colour in ("inherit", "transparent", "collapse", "4px") or float(shade[1]) <= 0.5, style
            assert "expression" not in style


def test_pieces_escape_what_they_are_given():
    for label in HOSTILE:
        html = box(label, facts({label: label}), table([label], [[label]]), folded(label, preformatted(label)))
        page = Page(html)
        assert page.text.count(label) + page.text.count(label.strip()) >= 5
    assert text(0.123456) == "0.1235"
    assert text(np.float32("nan")) == "nan"
    assert text(1_000_000) == "1000000"
    assert text(True) == "True"
    assert len(text("x" * 200)) == 60
    assert facts({"gone": None}).count("<tr>") == 0
