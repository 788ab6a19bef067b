from __future__ import annotations

import io
import re
import struct
import warnings

import pytest
from jinja2 import UndefinedError
from matplotlib import pyplot as plt

from alignkit.report import Figure, Section, write_page

PIXEL = Figure(b"\x89PNG not read by us", "a caption", "what it shows")
NASTY = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a & b",
    'it\'s "quoted"',
    "{{ 7 * 7 }}",
    "été 猫",
]


def page(folder, *sections, title="Title", lead="Lead"):
    path = folder / "page.html"
    write_page(path, title=title, lead=lead, sections=sections)
    return path


def test_every_part_is_shown_in_order(tmp_path, read):
    section = Section(
        "Head",
        paragraphs=["First.", "Second."],
        tables=[("A caption", ["model", "value"], [["accuracy"], ["one", "0.5"], ["(chance)", "0.3"]])],
        figures=[PIXEL],
        commands=["alignkit demo", "alignkit score --out 'a b.html'"],
        notes=["a: explained."],
    )
    found = read(page(tmp_path, section, Section("Next")))
    assert found.text_of("h1") == ["Title"]
    assert found.text_of("title") == ["Title"]
    assert found.text_of("h2") == ["Head", "Next"]
    assert found.text_of("p") == ["Lead", "First.", "Second."]
    assert found.text_of("caption") == ["A caption"]
    assert found.text_of("td") == ["one", "0.5", "(chance)", "0.3"]
    assert found.text_of("li") == ["a: explained."]
    assert found.text_of("code") == ["alignkit demo\nalignkit score --out 'a b.html'"]
    assert found.text_of("figcaption") == ["a caption"]
    order = [tag for tag, _ in found.elements if tag in ("h2", "p", "figure", "table", "ul", "pre")]
    assert order == ["p", "h2", "p", "p", "figure", "table", "ul", "pre", "h2"]


def test_a_row_of_one_cell_is_a_heading_and_brackets_set_back(tmp_path, read):
    rows = [["accuracy"], ["one", "0.5", "x"], ["(chance)", "0.3", ""]]
    found = read(page(tmp_path, Section("Head", tables=[("c", ["model", "value", "split"], rows)])))
    heads = found.all("th")
    assert [head.get("scope") for head in heads] == ["col", "col", "col", "rowgroup"]
    assert heads[-1]["colspan"] == "3"
    assert [row.get("class") for row in found.all("tr")] == [None, None, None, "baseline"]


@pytest.mark.parametrize("text", NASTY)
def test_everything_is_escaped(tmp_path, read, text):
    section = Section(
        text,
        paragraphs=[text],
        tables=[(text, [text, text], [[text], [text, text]])],
        figures=[Figure(b"x", text, text)],
        commands=[text],
        notes=[text],
    )
    found = read(page(tmp_path, section, title=text, lead=text))
    for tag, n in {
        "h1": 1,
        "title": 1,
        "h2": 1,
        "p": 2,
        "caption": 1,
        "td": 2,
        "code": 1,
        "figcaption": 1,
        "li": 1,
    }.items():
        assert found.text_of(tag) == [text] * n, tag
    assert len(found.all("img")) == 1
    assert found.all("img")[0]["alt"] == text
    assert text in [attributes.get("aria-label") for attributes in found.all("div")]


def test_figures_are_inside_the_page_with_words_in_their_place(tmp_path, read):
    (image,) = read(page(tmp_path, Section("Head", figures=[PIXEL]))).all("img")
    assert image == {"src": PIXEL.uri, "alt": "what it shows"}
    assert PIXEL.uri == "data:image/png;base64,iVBORyBub3QgcmVhZCBieSB1cw=="


def test_light_dark_phone_and_print(tmp_path, read):
    found = read(page(tmp_path))
    (style,) = found.text_of("style")
    assert "color-scheme: light dark" in style
    assert "@media (prefers-color-scheme: dark)" in style
    assert "@media print" in style
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in found.all("meta")
    assert found.all("html") == [{"lang": "en"}]
    assert {"charset": "utf-8"} in found.all("meta")


def contrast(one, other):
    """Contrast ratio of WCAG 2: 4.5 is what small text needs."""

    def luminance(colour):
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def test_text_stands_out_in_light_and_dark(tmp_path, read):
    (style,) = read(page(tmp_path)).text_of("style")
    schemes = [dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{[^}]*\}", style)]
    chosen = [dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block)) for block in re.findall(r"data-theme=.*", style)]
    assert schemes == chosen[:2]  # the button gives what the system would
    for scheme in schemes:
        for text in ("text", "muted"):
            for back in ("back", "soft"):
                assert contrast(scheme["link"], scheme[back]) > 4.5, (back, scheme)
                assert contrast(scheme[text], scheme[back]) > 4.5, (text, back, scheme)


def test_versions_are_named(tmp_path, read):
    from alignkit import __version__

    (footer,) = read(page(tmp_path)).text_of("footer")
    assert f"alignkit {__version__}" in footer
    assert "numpy " in footer


def test_the_old_page_stays_when_rendering_fails(tmp_path):
    path = page(tmp_path)
    before = path.read_bytes()
    for broken in (Section("Head", figures=[object()]), Section("Head", tables=[("two", "only")]), None):
        with pytest.raises((UndefinedError, ValueError, AttributeError)):
            write_page(path, title="New", lead="", sections=[broken])
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]


def test_where_no_page_can_be_is_said(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a directory; give a file name"):
        write_page(tmp_path, title="", lead="", sections=[])
    with pytest.raises(FileNotFoundError, match=r"the folder .*nowhere does not exist"):
        write_page(tmp_path / "nowhere" / "page.html", title="", lead="", sections=[])
    assert not list(tmp_path.iterdir())


def test_the_same_page_has_the_same_bytes(tmp_path):
    one, other = (page(tmp_path, Section("Head", figures=[PIXEL])).read_bytes() for _ in range(2))
    assert one == other


def test_a_matplotlib_figure_becomes_a_picture_and_is_closed():
    fig, ax = plt.subplots(figsize=(4, 2))
    ax.set_title("猫 is not in the font")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = Figure.from_matplotlib(fig, "caption", "alt")
    assert figure.png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", figure.png[16:24])
    assert 400 < width < 800
    assert 200 < height < 450
    assert not plt.fignum_exists(fig.number)
    assert (figure.caption, figure.alt) == ("caption", "alt")


def test_a_figure_that_cannot_be_rendered_is_closed_too():
    fig, ax = plt.subplots()
    ax.set_title(r"$\nosuchcommand$")
    with pytest.raises(ValueError, match="nosuchcommand"):
        Figure.from_matplotlib(fig, "", "")
    assert not plt.fignum_exists(fig.number)


def test_pictures_survive_the_way_into_the_page(tmp_path, read):
    import base64

    from PIL import Image

    fig, _ = plt.subplots(figsize=(1, 1))
    (image,) = read(page(tmp_path, Section("Head", figures=[Figure.from_matplotlib(fig, "c", "a")]))).all("img")
    picture = Image.open(io.BytesIO(base64.b64decode(str(image["src"]).partition(",")[2])))
    picture.load()
    assert picture.format == "PNG"
