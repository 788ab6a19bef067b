"""``alignkit models``: which models there are, and what layers they have."""

from __future__ import annotations

import pytest


def test_the_list_loads_no_library(shell):
    code = """
        import sys
        from alignkit.cli import main
        assert main(["models", "list"]) == 0
        heavy = {"torch", "timm", "open_clip", "transformers", "pandas"} & set(sys.modules)
        assert not heavy, heavy
    """
    done = shell(code=code)
    assert done.returncode == 0, done.stderr
    assert "efficientnet-lite0" in done.stdout
    assert "hf:OWNER/NAME" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 90


def test_a_filter_finds_names(run, fails):
    pytest.importorskip("timm")
    code, out, err = run("models", "list", "--filter", "TIMM:test_v?t.")
    assert (code, err) == (0, "")
    assert out.split()[0] == "timm:test_vit.r160_in1k"
    assert "no model name fits 'xyzzy'" in fails("models", "list", "--filter", "xyzzy")


def test_a_model_is_shown(run):
    pytest.importorskip("timm")
    code, out, err = run("models", "show", "timm:test_vit", "--img-size", "32")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "timm:test_vit: takes images, 0.4 M parameters"
    assert "before the patches: a class token" in lines
    assert ["blocks.5", "5", "x", "64", "block", "5"] in [line.split() for line in lines]
    assert ["head_drop", "64", "default"] in [line.split() for line in lines]
    _, short, _ = run("models", "show", "timm:test_vit", "--blocks")
    assert len(short.splitlines()) < 15


def test_models_that_cannot_be_shown(fails, here):
    pytest.importorskip("timm")
    assert "did you mean 'test_vit'" in fails("models", "show", "timm:test_vitt")
    assert "there is no model 'resnet50'; the names are" in fails("models", "show", "resnet50")
    assert "a.safetensors does not exist" in fails("models", "show", "a.safetensors")
    (here / "b.pth").write_bytes(b"x" * 10)
    assert "pass --architecture with a timm name" in fails("models", "show", "b.pth")
    assert fails("models", "show", "timm:test_vit", "--img-size", "0") == "--img-size must be at least 1; got 0."
