"""``alignkit report``: pages from files of mixed kinds, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from alignkit.rsa import RDM, evaluate


@pytest.fixture
def files(here):
    values = np.random.default_rng(0).random((5, 28))
    people = RDM(values, labels=[f"i{k}" for k in range(8)], dims=["subject"])
    people.save(here / "people.npz")
    models = RDM(values[:2], labels=people.labels, dims=["model"], coords={"model": ["<b>one</b>", "two"]})
    evaluate(models, people, n_bootstrap=20, rng=0, progress=False).save(here / "result.json")
    (here / "photos").mkdir()
    for k in range(8):
        Image.new("RGB", (20, 20), (30 * k, 0, 0)).save(here / "photos" / f"i{k}.png")
    (here / "kinds.csv").write_text("item,category\n" + "".join(f"i{k},{'ab'[k % 2]}\n" for k in range(8)))
    return here


def test_a_page_of_mixed_kinds(run, files):
    words = ["--images", "photos", "--categories", "kinds.csv", "--title", "A & B"]
    code, out, err = run("report", "people.npz", "result.json", "--out", "page.html", *words)
    assert (code, err) == (0, "")
    assert out.startswith("report: page.html (")
    text = (files / "page.html").read_text(encoding="utf-8")
    assert "<h1>A &amp; B</h1>" in text
    assert text.count("data:image/jpeg;base64,") == 8
    assert "people: RDM" in text
    assert "result: Models beside the noise ceiling" in text
    assert "<b>one</b>" not in text


def test_the_page_has_a_name_of_its_own(run, files):
    assert run("report", "result.json")[0] == 0
    assert (files / "report.html").is_file()


def test_refusals(fails, files):
    (files / "broken.json").write_text('{"kind": "Evaluation"')
    assert "results are required" in fails("report")
    assert "nowhere.json does not exist" in fails("report", "nowhere.json")
    assert "broken.json is not valid JSON" in fails("report", "broken.json", "result.json")
    assert "the suffix of --out must be one of '.html'" in fails("report", "result.json", "--out", "page.pdf")
    assert "is not a folder" in fails("report", "people.npz", "--images", "nowhere")
    assert "needs the columns item and category" in fails("report", "people.npz", "--categories", "broken.json")
    assert "images show the items of RDMs" in fails("report", "result.json", "--images", "photos")
    assert "kinds.csv is a table" in fails("report", "kinds.csv")
