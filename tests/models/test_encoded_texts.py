"""Fixed texts in a network that is trained in part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from alignkit.models import _encoded_texts, load
from alignkit.models._encoded_texts import EncodedTexts, encode, unit
from alignkit.models._split_tower import SplitTower

TEXTS = ["a red ball", "three cats that sleep on a chair", "dog", "food", "a tool"]


def test_batches_do_not_matter(make_towers: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    towers = make_towers()
    tokens = towers.tokenizer(TEXTS)
    towers.text.split_at(1)
    whole = EncodedTexts(towers.text, tokens)()
    torch.testing.assert_close(whole, encode(towers.text, tokens))
    monkeypatch.setattr(_encoded_texts, "_BATCH", 2)
    torch.testing.assert_close(EncodedTexts(towers.text, tokens)(), whole)


def test_masks_go_with_their_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    model = load("minilm", device="cpu")
    tower = SplitTower.from_model(model)
    tower.split_at(5)
    monkeypatch.setattr(_encoded_texts, "_BATCH", 2)
    texts = EncodedTexts(tower, model.preprocess(TEXTS))  # type: ignore[operator]
    one_by_one = [tower(model.preprocess([text])) for text in TEXTS]  # type: ignore[operator]
    torch.testing.assert_close(texts(), torch.cat(one_by_one), rtol=1e-4, atol=1e-5)
    assert not texts.state_dict().keys() & {"hidden", "tokens_input_ids"}  # made again from the texts


def test_unit_rows_have_length_1_or_none() -> None:
    rows = unit(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    assert rows[0].tolist() == pytest.approx([0.6, 0.8])
    assert rows[1].isnan().all()
