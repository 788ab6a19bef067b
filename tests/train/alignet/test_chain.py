"""AligNet from end to end on coloured pictures: every step, stops between and inside steps, and what is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alignkit.models import AdapterConfig, Features, extract, load
from alignkit.rsa import Triplets
from alignkit.train import AligNetChain, AligNetChainConfig, LoopConfig, OptimConfig, run_alignet
from alignkit.train.alignet import _chain, _chain_steps
from alignkit.train.alignet._chain import rerun_alignet
from alignkit.train.alignet._chain_config import PRESETS, STEPS
from alignkit.train.embedding._human_embedding import HumanEmbedding

NAMES = [f"thing{item:02d}" for item in range(24)]


@pytest.fixture(scope="module")
def colours(pictures):
    """Mean colours of the items, standardised."""
    x = np.stack([np.asarray(Image.open(pictures / f"{name}_0.png")).mean(axis=(0, 1)) for name in NAMES])
    return (x - x.mean(axis=0)) / x.std()


@pytest.fixture(scope="module")
def answers(colours, tmp_path_factory):
    """Answers that follow from the colours."""
    rng = np.random.default_rng(2)
    items = np.array([rng.permutation(24)[:3] for _ in range(4000)])
    s = np.stack([(colours[items[:, a]] * colours[items[:, b]]).sum(axis=1) for a, b in ((1, 2), (0, 2), (0, 1))], 1)
    odd = (2 * s + rng.gumbel(size=s.shape)).argmax(axis=1)
    path = tmp_path_factory.mktemp("answers") / "answers.npz"
    Triplets.from_columns(items, odd=odd + 1, base=0, labels=NAMES).save(path)
    return path


@pytest.fixture(scope="module")
def dimensions(colours, tmp_path_factory):
    """Human dimensions: how much of each colour there is, above and below the mean."""
    path = tmp_path_factory.mktemp("dimensions") / "embedding.npz"
    HumanEmbedding(NAMES, np.hstack([np.maximum(colours, 0), np.maximum(-colours, 0)])).save(path)
    return path


@pytest.fixture
def chain(pictures, table, answers, dimensions, tmp_path):
    """Return a small chain."""
    return AligNetChainConfig(
        images=pictures,
        items=table,
        answers=answers,
        human=str(dimensions),
        root=tmp_path / "nowhere",
        out=tmp_path / "chain",
        teacher_model="random:test_vit",
        teacher_img_size=32,
        divisions=1,
        n_triplets=2000,
        n_clusters=3,
        held_out_share=0.4,
        val_share=0.3,
        backbone="random:test_vit",
        img_size=32,
        head=16,
        centre=True,
        student_temperature=0.0,
        adapter=AdapterConfig(kind="lora", rank=2, image_blocks=1, dropout=0.0),
        optim=OptimConfig(lr=3e-3, weight_decay=0.0, decay_to_init=0.1),
        loop=LoopConfig(
            epochs=1, max_steps=6, batch_size=32, validate_every=3, progress=False, device="cpu", monitor="val_loss"
        ),
        n_bootstrap=50,
    )


def test_one_call_makes_every_step(chain, tmp_path):
    found = run_alignet(chain)
    assert found.done == STEPS
    assert set(found.students) == {"aligned", "untransformed", "shuffled"}
    # nothing of the held-out items is learned from
    held = set((chain.out / "held_out.txt").read_text().split())
    assert len(held) == found.n_held_out == round(0.4 * 24)
    assert found.n_items == 24 - len(held)
    learned = Triplets.load(chain.answers).restrict([name for name in NAMES if name not in held])
    assert found.n_answers == len(learned)
    for arm in found.students:
        splits = json.loads((chain.out / "students" / arm / "splits.json").read_text())
        assert not {name[:7] for name in splits["train"] + splits["val"]} & held
    # the table has students, controls, teachers and the network as it was
    rows = {row.model: row for row in found.scores.table.rows if row.measure == "odd-one-out accuracy"}
    assert {
        "aligned",
        "untransformed (untransformed)",
        "shuffled (shuffled)",
        "before training",
        "teacher, aligned",
        "teacher, untransformed",
    } <= set(rows)
    assert rows["aligned"].n_items == len(held)
    assert rows["aligned"].low <= rows["aligned"].value <= rows["aligned"].high
    assert rows["teacher, aligned"].value > rows["teacher, untransformed"].value
    assert found.scores.difference("shuffled (shuffled)", "held-out items", "odd-one-out accuracy").low is not None
    assert found.teacher.methods[4:] == ("ridge", "ridge, shuffled")
    assert "drift" in repr(found)
    assert "Muttenthaler" in found.methods_text()
    found.plot()
    found.save(tmp_path / "chain.json")
    assert repr(AligNetChain.load(tmp_path / "chain.json")) == repr(found)
    model = load(f"run:{chain.out}/students/aligned")
    assert extract(model, chain.images, progress=False).n_items == 48
    before = {path: path.stat().st_mtime_ns for path in chain.out.rglob("*.json")}
    again = run_alignet(chain)
    assert repr(again) == repr(found)
    after = {path: path.stat().st_mtime_ns for path in chain.out.rglob("*.json")}
    del before[chain.out / "versions.json"], after[chain.out / "versions.json"]
    assert before == after, "what is finished is not made again"
