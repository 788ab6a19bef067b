"""Batches equal images changed one by one, whatever the threads, the process, or where a run was resumed."""

from __future__ import annotations

import io

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from PIL import Image
from reference.pairs import image_bytes, write_tar
from threadpoolctl import threadpool_limits

from alignkit.data import open_pairs
from alignkit.models._preprocess import Preprocess
from alignkit.train._order import Order, share
from alignkit.train.pi._augment import N_DRAWS, Augmentation
from alignkit.train.pi._pair_batches import PairBatches

PREPROCESS = Preprocess.clip(16)


def jpeg(seed, size=(40, 30)):
    rng = np.random.default_rng(seed)
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize(size).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def shard(path, n=23, **options):
    files = []
    for k in range(n):
        captions = b'{"caption": ["one %d", "two %d", "three %d"]}' % (k, k, k)
        files += [(f"{k:03d}.jpg", jpeg(k, **options)), (f"{k:03d}.json", captions)]
    return write_tar(path, files)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return open_pairs(shard(tmp_path_factory.mktemp("pairs") / "0.tar"))


def order(pairs, batch_size=9):
    return Order(n_samples=len(pairs), batch_size=batch_size, seed=4)


@pytest.mark.parametrize("name", ["pi", "crop", "none"])
def test_images_are_those_of_each_pair_changed_by_its_own_draws(pairs, name):
    augmentation = Augmentation.preset(name)
    batches = PairBatches(pairs, PREPROCESS, augmentation=augmentation)
    for step in (0, 1, 4):
        samples = order(pairs).batch(step)
        numbers = pairs.order(seed=4).at(samples.position)
        u = np.stack([samples.uniform(1 + k) for k in range(N_DRAWS)], axis=1)
        found = batches.images(samples)
        assert (found.shape, found.dtype) == ((len(samples), 3, 16, 16), torch.float32)
        for row, (i, draws) in enumerate(zip(numbers, u, strict=True)):
            image = augmentation(pairs.image(i), 16, draws)
            assert np.array_equal(found[row].numpy(), PREPROCESS(image))
        assert batches.names(samples) == [pairs.name(i) for i in numbers]


def test_every_pair_comes_once_an_epoch(pairs):
    batches = PairBatches(pairs, PREPROCESS)
    seen = [batches.numbers(order(pairs).batch(step)) for step in range(6)]
    assert sorted(np.concatenate(seen[:3])) == sorted(np.concatenate(seen[3:])) == list(range(23))
    assert not np.array_equal(np.concatenate(seen[:3]), np.concatenate(seen[3:]))


def test_threads_shares_and_earlier_steps_change_nothing(pairs):
    batches = PairBatches(pairs, PREPROCESS, augmentation=Augmentation())
    samples = order(pairs).batch(3)
    with threadpool_limits(limits=1, user_api="blas"):
        whole = batches.images(samples).clone()
    for step in range(3):
        batches.images(order(pairs).batch(step))
    fresh = PairBatches(pairs, PREPROCESS, augmentation=Augmentation())
    with threadpool_limits(limits=4, user_api="blas"):
        parts = [fresh.images(share(samples, rank, 2)) for rank in range(2)]
    assert torch.equal(torch.cat(parts), whole)
    assert torch.equal(batches.images(samples), whole)


@pytest.mark.parametrize("name", ["pi", "none"])
def test_small_collections_are_decoded_once(tmp_path, monkeypatch, name):
    path = shard(tmp_path / "0.tar", 5)
    pairs = open_pairs(path)
    samples = [order(pairs, 5).batch(step) for step in range(3)]
    batches = PairBatches(pairs, PREPROCESS, augmentation=Augmentation.preset(name))
    monkeypatch.setattr("alignkit.train.pi._kept_images._KEPT_BYTES", 10)
    expected = [PairBatches(pairs, PREPROCESS, augmentation=batches.augmentation).images(some) for some in samples]
    monkeypatch.undo()
    assert torch.equal(batches.images(samples[0]), expected[0])
    path.unlink()
    for some, images in zip(samples, expected, strict=True):
        assert torch.equal(batches.images(some), images)


def test_a_batch_that_is_held_stays(pairs):
    batches = PairBatches(pairs, PREPROCESS)
    first, second = (batches.images(order(pairs).batch(step)) for step in (0, 1))
    assert torch.equal(first, PairBatches(pairs, PREPROCESS).images(order(pairs).batch(0)))
    assert not torch.equal(first, second)


def test_captions_are_drawn_among_those_of_an_image(pairs):
    batches = PairBatches(pairs, PREPROCESS)
    texts = [text for step in range(60) for text in batches.captions(order(pairs).batch(step))]
    assert [int(text.split()[1]) for text in texts] == [
        int(pairs.captions(i)[0].split()[1]) for step in range(60) for i in batches.numbers(order(pairs).batch(step))
    ]
    shares = [np.mean([text.startswith(word) for text in texts]) for word in ("one", "two", "three")]
    assert shares == pytest.approx([1 / 3] * 3, abs=4 * (2 / 9 / len(texts)) ** 0.5)
    assert batches.captions(order(pairs).batch(7)) == batches.captions(order(pairs).batch(7))


def test_captions_become_token_ids(pairs):
    batches = PairBatches(
        pairs, PREPROCESS, tokenizer=lambda texts: torch.tensor([[len(t), 7] for t in texts], dtype=torch.int32)
    )
    samples = order(pairs).batch(1)
    tokens = batches.tokens(samples)
    assert tokens.dtype == torch.int64
    assert tokens.tolist() == [[len(text), 7] for text in batches.captions(samples)]


def test_ready_token_ids_need_no_tokenizer(tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [[5 + k, *range(k % 4), 9] for k in range(6)]
    table = pa.table({"images": [image_bytes((k, 0, 0)) for k in range(6)], "texts": rows})
    parquet.write_table(table, tmp_path / "0.parquet")
    pairs = open_pairs(tmp_path / "0.parquet")
    batches = PairBatches(pairs, PREPROCESS, context_length=8)
    samples = order(pairs, 6).batch(0)
    tokens = batches.tokens(samples)
    assert tokens.dtype == torch.int64
    assert tokens.tolist() == [rows[i] + [0] * (8 - len(rows[i])) for i in batches.numbers(samples)]


def test_elongated_images_are_named(tmp_path):
    shards = write_tar(tmp_path / "1.tar", [("c.png", image_bytes((1, 2, 3), size=(9000, 1))), ("c.txt", b"c")])
    samples = Order(n_samples=1, batch_size=1, seed=0).batch(0)
    with pytest.raises(ValueError, match=r"1\.tar/c cannot be used: .* too elongated"):
        PairBatches(open_pairs(shards), PREPROCESS).images(samples)
    assert PairBatches(open_pairs(shards), PREPROCESS, augmentation=Augmentation()).images(samples).shape[0] == 1


def test_an_image_that_is_damaged_in_its_middle_is_named(tmp_path):
    png = image_bytes((9, 9, 9), size=(64, 64))
    broken = png[:60] + b"\x00\x01\x02\x03" + png[64:]
    files = [("a.png", png), ("a.txt", b"a"), ("b.png", broken), ("b.txt", b"b")]
    pairs = open_pairs(write_tar(tmp_path / "0.tar", files), check="header")
    assert len(pairs) == 2
    for name in ("pi", "none"):
        batches = PairBatches(pairs, PREPROCESS, augmentation=Augmentation.preset(name))
        with pytest.raises(ValueError, match=r"^0\.tar/b cannot be used: its image is damaged .*leaves such pairs out"):
            batches.images(order(pairs, 2).batch(0))


def test_drafts_give_nearly_the_same_pixels_and_are_used_where_enough_are_left(tmp_path, monkeypatch):
    from PIL import JpegImagePlugin

    pairs = open_pairs(shard(tmp_path / "0.tar", 8, size=(320, 240)))
    samples = order(pairs, 8).batch(0)
    asked = []
    plain = JpegImagePlugin.JpegImageFile.draft
    monkeypatch.setattr(
        JpegImagePlugin.JpegImageFile, "draft", lambda image, mode, size: asked.append(size) or plain(image, mode, size)
    )
    crop = Augmentation.preset("crop")
    for name, augmentation in (("crop", crop), ("none", None)):
        exact = PairBatches(pairs, PREPROCESS, augmentation=augmentation).images(samples)
        assert not asked, name
        quick = PairBatches(pairs, PREPROCESS, augmentation=augmentation, draft=True).images(samples)
        # 240 pixels or a little fewer on 16: 32 are enough, so that a quarter (60) is, and an eighth (30) is not
        assert set(asked) == {(80, 60)}, name
        levels = (quick - exact).abs() * torch.tensor(PREPROCESS.std)[:, None, None] * 255
        assert 0 < levels.mean() < 1, name
        asked.clear()
    large = PairBatches(pairs, Preprocess.clip(128), augmentation=crop, draft=True).images(samples)
    assert torch.equal(large, PairBatches(pairs, Preprocess.clip(128), augmentation=crop).images(samples))


def test_texts_without_a_tokenizer_or_with_a_wrong_one_are_refused(pairs):
    samples = order(pairs).batch(0)
    with pytest.raises(ValueError, match="these pairs hold captions; give tokenizer="):
        PairBatches(pairs, PREPROCESS).tokens(samples)
    for wrong, found in ((lambda _: torch.zeros(2, 2), r"torch\.float32.*\(2, 2\)"), (lambda texts: texts, "one|two")):
        with pytest.raises(ValueError, match=rf"tokenizer must give .* shape \(9, context length\); it gave .*{found}"):
            PairBatches(pairs, PREPROCESS, tokenizer=wrong).tokens(samples)
