"""The text tower of open_clip's models by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import open_clip
import pytest
import torch

from alignkit.models._clip_text import ClipText, clip_text, clip_tokenizer


def test_names_are_open_clip_s(make_clip: Callable[..., Any]) -> None:
    clip = make_clip()
    names = {name for name in clip.state_dict() if not name.startswith(("visual.", "logit_scale"))}
    assert set(ClipText(clip).state_dict()) == names
    assert clip.visual is not None  # the whole is left as it was
    assert clip.logit_scale.requires_grad


def test_the_mask_and_the_end_of_text_are_kept(make_clip: Callable[..., Any]) -> None:
    model = clip_text(make_clip(), open_clip.get_tokenizer("ViT-B-32"), name="toy")
    tokens = model.preprocess(["a dog"])  # type: ignore[operator]
    after = tokens.clone()
    end = int(tokens.argmax())
    after[0, end + 1 :] = 7  # what stands behind the end of the text cannot be seen from there
    with torch.no_grad():
        assert torch.equal(model.module(tokens), model.module(after))


def test_a_tokenizer_that_is_not_at_hand_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(_architecture: str) -> None:
        msg = "no network"
        raise OSError(msg)

    monkeypatch.setattr(open_clip, "get_tokenizer", unreachable)
    with pytest.raises(FileNotFoundError, match=r"the tokenizer of open_clip's ViT-B-16-SigLIP is not in"):
        clip_tokenizer("ViT-B-16-SigLIP")
