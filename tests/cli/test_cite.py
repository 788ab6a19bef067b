"""``alignkit cite``: what runs, results, features and RDMs were made with."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import alignkit
from alignkit._cli._cite import _KINDS, _METHODS
from alignkit.data._bibtex import references
from alignkit.rsa import RDM, compare, rdm
from alignkit.train._methods import METHODS

ROOT = Path(alignkit.__file__).resolve().parents[1]


def keys(out: str) -> list[str]:
    return re.findall(r"^@\w+\{([\w-]+),$", out, flags=re.MULTILINE)


def test_alone_it_cites_alignkit_as_its_citation_file_does(run):
    code, out, err = run("cite")
    assert (code, err) == (0, "")
    assert keys(out) == ["alignkit"]
    citation = ROOT / "CITATION.cff"
    if not citation.exists():
        pytest.skip("CITATION.cff is not beside the tests")
    text = citation.read_text(encoding="utf-8")
    title = re.search(r'^title: "(.*)"$', text, flags=re.MULTILINE)
    author = re.search(r'- name: "(.*)"$', text, flags=re.MULTILINE)
    assert f"title = {{{{{title[1]}}}}}" in out
    assert f"author = {{{{{author[1]}}}}}" in out
    assert f"Version {alignkit.__version__}" in out


def test_data_sets_and_methods_by_name_each_article_once(run):
    _, out, _ = run("cite", "--data", "things", "things_meg", "--method", "spose", "rsa")
    assert keys(out) == [
        *("alignkit", "hebart2019", "hebart2020", "hebart2023", "stoinski2023", "kriegeskorte2008rsa", "nili2014")
    ]
    assert "% data: things, things_meg\n" in out


def test_every_method_has_articles_and_every_kind_of_run_a_method(run):
    for method in _METHODS:
        assert run("cite", "--method", method)[0] == 0
        assert set(_METHODS[method]) <= set(references())
    assert set(METHODS) <= set(_KINDS)
    assert set(_KINDS.values()) == set(_METHODS)


def test_a_run_a_result_features_and_an_rdm_say_what_they_were_made_with(run, here, patterns):
    folder = here / "run"
    folder.mkdir()
    (folder / "config.toml").write_text(
        'backbone = "open_clip:ViT-L-14/openai"\ntext = "minilm"\ntargets = "spose66"\n', encoding="utf-8"
    )
    (folder / "versions.json").write_text(json.dumps({"method": "HBAConfig"}))
    _, out, _ = run("cite", folder)
    assert {"zhao2025", "radford2021", "hebart2020"} <= set(keys(out))
    assert "% model minilm: " in out
    (here / "features").mkdir()
    (here / "features" / "manifest.json").write_text(json.dumps({"model": {"name": "timm:vit_tiny"}}))
    (here / "scores.json").write_text(json.dumps({"kind": "ScoreTable", "dataset": "rsa92"}))
    _, out, _ = run("cite", "features", "scores.json")
    assert keys(out) == ["alignkit", "kriegeskorte2008", "mur2013", "cichy2014"]
    assert "% model timm:vit_tiny: " in out
    a, b = rdm(patterns(seed=0)), rdm(patterns(seed=1))
    compare(a, b).save("c.json")
    RDM(a.values, provenance={"source": "/x/fmri_haxby/bold.nii.gz"}).save("r.npz")
    assert keys(run("cite", "c.json")[1]) == ["alignkit", "kriegeskorte2008rsa", "nili2014"]
    assert keys(run("cite", "r.npz")[1])[1] == "haxby2001"


def test_a_folder_of_the_same_name_is_no_data_set(run, here):
    (here / "a.json").write_text(json.dumps({"folder": "/home/me/things", "title": "things", "dataset": "mine"}))
    code, out, _ = run("cite", "a.json")
    assert code == 0
    assert keys(out) == ["alignkit"]
    assert "no data set or method is named there" in out


def test_what_cannot_be_read_is_refused(fails, here):
    assert "did you mean things?" in fails("cite", "--data", "thing")
    assert fails("cite", "nowhere") == "nowhere does not exist."
    assert fails("cite", "things") == "things does not exist; the data set of that name is cited by --data things."
    (here / "empty").mkdir()
    assert fails("cite", "empty").startswith("empty holds none of config.toml, ")
    np.save("x.npy", np.zeros(3))
    assert "neither a folder nor a .json" in fails("cite", "x.npy")
    (here / "bad.json").write_text("{")
    assert "bad.json is not valid JSON" in fails("cite", "bad.json")
