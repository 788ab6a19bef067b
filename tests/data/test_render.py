from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from alignkit.data._render import FULL, render
from alignkit.data._simulate import simulate
from alignkit.data._simulate_objects import DIMENSIONS

NAMES = [name for name, _ in DIMENSIONS]
CHANCE = 1 / 3


def draw(latents, style=1, scene=2, size=64):
    return render(latents, np.random.default_rng(style), np.random.default_rng(scene), size)


def accuracy(similarity, items):
    """Share of answers whose kept pair is the most similar one."""
    i, j, k = items.T
    return np.mean((similarity[i, j] > similarity[i, k]) & (similarity[i, j] > similarity[j, k]))


def similarities(features):
    """Every common similarity of flattened features, by name."""
    x = features.reshape(len(features), -1).astype(np.float64)
    squares = (x**2).sum(axis=1)
    unit = x / np.sqrt(squares)[:, None]
    return {
        "dot": x @ x.T,
        "cosine": unit @ unit.T,
        "correlation": np.corrcoef(x),
        "euclidean": 2 * x @ x.T - squares[:, None] - squares,
    }


def worst_case(features, lab):
    """Best accuracy and largest RDM correlation with the truth that any similarity of the features gives."""
    rows, columns = np.triu_indices(len(features), k=1)
    found = similarities(features)
    score = max(accuracy(s, lab.triplets.items) for s in found.values())
    rho = max(
        spearmanr(-s[rows, columns], truth.values).statistic
        for s in found.values()
        for truth in (lab.rdm, lab.latent_rdm)
    )
    return score, rho


def random_filters(pictures, rng):
    """A frozen random two-layer network in numpy: convolve, rectify, pool by mean and spread."""
    x = pictures / 255.0 - 0.5
    for n_filters, width, stride in ((24, 5, 2), (48, 3, 2)):
        windows = np.lib.stride_tricks.sliding_window_view(x, (width, width), axis=(1, 2))[:, ::stride, ::stride]
        kernel = rng.standard_normal((*windows.shape[3:], n_filters)) / np.sqrt(np.prod(windows.shape[3:]))
        x = np.maximum(np.tensordot(windows, kernel, axes=3), 0)
    return np.concatenate([x.mean(axis=(1, 2)), x.std(axis=(1, 2))], axis=1)


def test_picture_is_uint8_and_repeatable():
    picture = draw({"red": 1.0, "spiky": 0.8})
    assert picture.shape == (64, 64, 3)
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, draw({"red": 1.0, "spiky": 0.8}))


@pytest.mark.parametrize("name", NAMES)
def test_each_dimension_shows_and_grows(name):
    plain = draw({}).astype(float)
    change = [np.abs(draw({name: value}) - plain).mean() for value in (0.0, 0.4, 0.8, 1.2, FULL)]
    assert change[0] == 0
    assert np.all(np.diff(change) > 0), change
    assert change[3] > 1.0  # grey levels, mean over the whole picture


def test_strength_saturates():
    np.testing.assert_array_equal(draw({"legged": FULL}), draw({"legged": 3 * FULL}))


@pytest.mark.parametrize(("name", "channel"), [("red", 0), ("green", 1)])
def test_colour_dimensions_colour_the_object(name, channel):
    changes = [draw({name: 1.2}, scene=s).astype(float) - draw({}, scene=s) for s in range(20)]
    by_channel = np.mean(changes, axis=(0, 1, 2))
    assert by_channel.argmax() == channel


def test_background_and_pose_do_not_depend_on_the_latents():
    pictures = [
        draw(latents, scene=5) for latents in ({}, {"red": 1.5}, {"striped": 1.2, "glossy": 1.0}, {"bent": 1.0})
    ]
    for corner in (np.s_[:5, :5], np.s_[:5, -5:], np.s_[-5:, :5], np.s_[-5:, -5:]):
        for picture in pictures[1:]:
            np.testing.assert_array_equal(picture[corner], pictures[0][corner])


def test_views_differ_in_scene_alone():
    a, b = draw({"boxy": 1.0}, scene=1), draw({"boxy": 1.0}, scene=2)
    assert np.abs(a.astype(float) - b).mean() > 10


def test_the_same_picture_at_any_size():
    latents = {"spotted": 1.0, "elongated": 0.8, "hollow": 0.7}
    small, large = draw(latents, size=32).astype(float), draw(latents, size=128).astype(float)
    shrunk = large.reshape(32, 4, 32, 4, 3).mean(axis=(1, 3))
    assert np.corrcoef(small.ravel(), shrunk.ravel())[0, 1] > 0.97


def test_pictures_render_fast_enough():
    from time import process_time

    lab = simulate(96, n_participants=2, n_triplets=10)
    started = process_time()
    assert lab.images().shape == (96, 64, 64, 3)
    assert process_time() - started < 3.0


@pytest.mark.parametrize("seed", range(3))
def test_pixels_and_random_filters_are_blind(seed, capsys):
    lab = simulate(96, rng=seed)
    pictures = lab.images()
    pixel_score, pixel_rho = worst_case(pictures, lab)
    random_score, random_rho = worst_case(random_filters(pictures, np.random.default_rng(seed)), lab)
    with capsys.disabled():
        print(
            f"\nseed {seed}: pixels RDM {pixel_rho:.3f}, odd-one-out {pixel_score:.3f}; random filters RDM "
            f"{random_rho:.3f}, odd-one-out {random_score:.3f}; chance .333, ideal observer {lab.bayes_accuracy:.3f}"
        )
    assert pixel_rho <= 0.2
    assert pixel_score <= CHANCE + 0.10
    assert random_score <= CHANCE + 0.10
    # the same measure sees the truth where it is
    assert accuracy(lab.embedding @ lab.embedding.T, lab.triplets.items) > CHANCE + 0.30


@pytest.mark.parametrize("name", ["resnet18", "tf_efficientnet_lite0"])
def test_untrained_networks_are_blind(name, capsys):
    torch = pytest.importorskip("torch")
    timm = pytest.importorskip("timm")
    lab = simulate(96)
    x = torch.from_numpy(lab.images()).permute(0, 3, 1, 2).float() / 127.5 - 1
    scores = []
    for seed in range(2):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = timm.create_model(name, pretrained=False, num_classes=0).eval()
        with torch.no_grad():
            scores.append(worst_case(network(x).numpy(), lab))
    with capsys.disabled():
        print(f"\nuntrained {name}: odd-one-out, RDM {[(round(float(s), 3), round(float(r), 3)) for s, r in scores]}")
    assert max(score for score, _ in scores) <= CHANCE + 0.10


def cross_validated_ridge(features, embedding, penalty):
    """Predict the latents of objects left out (six folds) from several views each; mean of the views' predictions."""
    n, views, _ = features.shape
    x = (features - features.mean(axis=(0, 1))) / (features.std(axis=(0, 1)) + 1e-9)
    predicted = np.empty_like(embedding)
    fold = np.arange(n) // 8 % 6
    for f in range(6):
        train = fold != f
        a, y = x[train].reshape(-1, x.shape[-1]), np.repeat(embedding[train], views, axis=0)
        weights = np.linalg.solve(a.T @ a + penalty * np.eye(a.shape[1]), a.T @ (y - y.mean(axis=0)))
        predicted[~train] = (x[~train] @ weights).mean(axis=1) + y.mean(axis=0)
    return predicted


def test_a_linear_read_out_of_fixed_filters_learns(capsys):
    # what pixels hide from similarity, a read-out fitted to other objects finds, even on random filters
    lab = simulate(96)
    features = np.stack([random_filters(lab.images(view), np.random.default_rng(0)) for view in range(8)], axis=1)
    predicted = cross_validated_ridge(features, lab.embedding, penalty=300.0)
    score = accuracy(predicted @ predicted.T, lab.triplets.items)
    untrained = accuracy(similarities(features.mean(axis=1))["cosine"], lab.triplets.items)
    with capsys.disabled():
        print(
            f"\nridge on random filters, 8 views, objects left out: odd-one-out {score:.3f} (untrained {untrained:.3f})"
        )
    assert score > CHANCE + 0.08


@pytest.mark.slow
def test_a_small_trained_network_learns_the_latents(capsys):
    torch = pytest.importorskip("torch")
    lab = simulate(640, n_participants=4, n_triplets=10, n_held_out=4000)
    is_test = np.isin(lab.labels, lab.split["test"])
    x = torch.from_numpy(np.stack([lab.images(view) for view in range(3)], axis=1)).movedim(-1, 2).float() / 255 - 0.5
    predicted = train_small_network(
        torch, x[~is_test].flatten(0, 1), lab.embedding[~is_test].repeat(3, axis=0), x[is_test]
    )
    truth = lab.embedding[is_test]
    explained = 1 - ((predicted - truth) ** 2).sum(axis=0) / ((truth - truth.mean(axis=0)) ** 2).sum(axis=0)
    held_out = lab.held_out.restrict(lab.split["test"])
    score, ideal = accuracy(predicted @ predicted.T, held_out.items), lab.ideal_accuracy(held_out)
    with capsys.disabled():
        print(
            f"\nsmall network, {(~is_test).sum()} objects x 3 views: variance of held-out latents explained "
            f"{explained.mean():.2f} ({', '.join(f'{n} {e:.2f}' for n, e in zip(NAMES, explained, strict=True))}); "
            f"held-out odd-one-out {score:.3f} of {ideal:.3f}"
        )
    assert explained.mean() > 0.3
    assert (explained > 0.1).sum() >= 8
    assert score > CHANCE + 0.4 * (ideal - CHANCE)


def train_small_network(torch, x, y, x_test, n_steps=320, width=16):
    def block(n_in, n_out, stride):
        return [
            torch.nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False),
            torch.nn.BatchNorm2d(n_out),
            torch.nn.ReLU(),
        ]

    w = width
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torch.nn.Sequential(
            *block(3, w, 2), *block(w, 2 * w, 2), *block(2 * w, 2 * w, 1), *block(2 * w, 4 * w, 2),
            *block(4 * w, 4 * w, 1), torch.nn.AdaptiveMaxPool2d(1), torch.nn.Flatten(),
            torch.nn.Linear(4 * w, y.shape[1]),
        )  # fmt: skip
    optimizer = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=n_steps)
    target, rng = torch.from_numpy(y).float(), np.random.default_rng(0)
    for _ in range(n_steps):
        rows = torch.from_numpy(rng.integers(len(x), size=64))
        batch = x[rows].flip(3) if rng.random() < 0.5 else x[rows]
        batch = batch.flip(2) if rng.random() < 0.5 else batch
        loss = ((network(batch) - target[rows]) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    network.eval()
    with torch.no_grad():
        return network(x_test.flatten(0, 1)).reshape(*x_test.shape[:2], -1).mean(dim=1).numpy().astype(np.float64)
