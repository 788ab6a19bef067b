"""Class names in templates, as open_clip and CLIP_benchmark fill them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from alignkit.score import Prompts, fill_templates


def test_texts_are_those_of_format():
    names, templates = ["cat", "dog", "cat"], ["a {}.", "the {c}, a kind of {c}."]
    prompts = fill_templates(names, templates)
    expected = [template.replace("{}", "{c}").format(c=name) for name in names for template in templates]
    assert list(prompts.texts) == expected
    assert prompts.classes_of_rows.tolist() == [0, 0, 1, 1, 2, 2]
    assert prompts.class_names == ("cat", "dog", "cat")
    assert "6 texts of 3 classes" in repr(prompts)


def test_published_templates(shared_data):
    folder = "reference", "clip_benchmark"
    names = json.loads(shared_data(*folder, "en_classnames.json").read_text())
    templates = json.loads(shared_data(*folder, "en_zeroshot_classification_templates.json").read_text())
    for key in names.keys() & templates.keys():
        prompts = fill_templates(names[key], templates[key])
        assert list(prompts.texts) == [t.format(c=name) for name in names[key] for t in templates[key]]
    assert len(fill_templates(names["imagenet1k"], templates["imagenet1k"]).texts) == 80_000


def test_names_stay_as_they_are():
    decomposed = "cafe\u0301"
    assert fill_templates([decomposed, ""], ["{} shapes."]).texts == (f"{decomposed} shapes.", " shapes.")


def test_names_are_never_run_or_read():
    assert fill_templates([r"\1 {c.__class__}"], ["a {}"]).texts == (r"a \1 {c.__class__}",)


@pytest.mark.parametrize("template", ["a photo", "a {0}", "a {c.__class__} {}", "a {} {", "a {!r}"])
def test_templates_with_other_places_are_refused(template):
    with pytest.raises(ValueError, match=r"no other braces; got"):
        fill_templates(["cat"], [template])


def test_something_must_be_filled():
    with pytest.raises(ValueError, match="class_names must hold at least one text"):
        fill_templates([], ["a {}"])
    with pytest.raises(ValueError, match="templates must hold at least one text"):
        fill_templates(["cat"], [])
    with pytest.raises(TypeError, match="templates must be a sequence of texts"):
        fill_templates(["cat"], "a {}")
    with pytest.raises(TypeError, match="class_names must hold texts only; got None"):
        fill_templates(["cat", None], ["a {}"])


def test_own_prompts_for_each_class():
    own = np.array([0, 1, 1])
    prompts = Prompts(texts=("a cat", "a dog", "a hound"), classes_of_rows=own, class_names=("cat", "dog"))
    assert own.flags.writeable
    assert not prompts.classes_of_rows.flags.writeable
    with pytest.raises(ValueError, match="between 0 and 1; got 2"):
        Prompts(texts=("a cat",), classes_of_rows=np.array([2]), class_names=("cat", "dog"))
