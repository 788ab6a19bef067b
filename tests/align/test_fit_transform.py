from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from alignkit.align import fit_transform
from alignkit.align._soft_triplets import draw_triplets, soft_triplets
from alignkit.align._teacher_fitting import Fitting
from alignkit.align._teacher_inputs import teacher_inputs
from alignkit.align._teacher_settings import TeacherSettings
from alignkit.models import Features, load_transform
from alignkit.rsa import Triplets, choice_probabilities, cross_entropy, expected_calibration_error, triplet_accuracy

N, CHANNELS = 60, 6
NAMES = [f"item{i}" for i in range(N)]
#: Enough for these sizes, and fast.
FAST = {"penalty": 1e-3, "n_splits": 2}


@pytest.fixture
def x(rng):
    return rng.normal(size=(N, CHANNELS))


@pytest.fixture
def truth(x):
    """What people see: two of the channels, strongly."""
    return 1.3 * x[:, :2]


@pytest.fixture
def answers(truth, rng):
    """Odd-one-out answers drawn from the choice probabilities of the truth."""
    items = draw_triplets(N, 20_000, rng)
    p = choice_probabilities(truth, items)
    odd = (rng.random((len(items), 1)) > p.cumsum(axis=1)).sum(axis=1)
    return Triplets(np.take_along_axis(items, (odd[:, None] + [1, 2, 0]) % 3, axis=1), NAMES)


def agreement(y, truth):
    upper = np.triu_indices(N, 1)
    return np.corrcoef((y @ y.T)[upper], (truth @ truth.T)[upper])[0, 1]


def test_what_people_see_is_found(x, truth, answers, readonly):
    teacher = fit_transform(readonly(x), answers, **FAST)
    assert agreement(teacher.apply(x), truth) > 0.99 > agreement(x, truth)
    assert teacher.converged
    assert teacher.n_parameters == CHANNELS**2
    assert (teacher.n_answers, teacher.n_items) == (20_000, N)
    assert teacher.temperature == pytest.approx(1.0, abs=0.15)  # 36 numbers, 20,000 answers: next to no overfitting
    assert teacher.transform.mean == pytest.approx(x.mean())
    assert teacher.transform.std == pytest.approx(x.std())


def test_soft_labels_of_an_embedding_teach_the_same(x, truth, answers):
    weak = {"penalty": 1e-6, "n_splits": 2, "bias": True}
    teacher = fit_transform(x, answers, loss="soft", targets=truth, n_soft=5000, **weak)
    assert agreement(teacher.apply(x), truth) > 0.999
    assert teacher.n_answers == 5000
    assert teacher.n_held_out > 100  # people's answers, not drawn ones
    alone = fit_transform(x, None, loss="soft", targets=truth, n_soft=5000, **weak)
    assert agreement(alone.apply(x), truth) > 0.999
    assert alone.n_held_out == 2 * 5000 // 4
    drawn = soft_triplets(truth, np.arange(N), 5000, np.random.default_rng(0))
    own = fit_transform(x, Triplets(drawn.items, soft=drawn.probabilities), loss="soft", **weak)
    assert agreement(own.apply(x), truth) > 0.999


@pytest.mark.parametrize("options", [{}, {"bias": True}, {"regulariser": "glocal"}])
def test_centring_is_a_part_of_the_map(x, truth, answers, options):
    shifted = 0.5 * x + 50.0 * np.arange(CHANNELS)
    teacher = fit_transform(shifted, answers, center=True, **options, **FAST)
    assert agreement(teacher.apply(shifted), truth) > 0.85  # glocal's neighbours hold it back
    # as if the means had never been there, whose scalar mean is 0 up to rounding
    without = fit_transform(x - x.mean(axis=0), answers, **options, **FAST)
    assert teacher.apply(shifted) == pytest.approx(without.apply(x - x.mean(axis=0)), abs=1e-4)
    assert teacher.n_parameters == without.n_parameters
    plain = fit_transform(shifted, answers, **options, **FAST)
    assert agreement(plain.apply(shifted), truth) < agreement(teacher.apply(shifted), truth) - 0.05


@pytest.mark.parametrize("seed", [1, 6, 8])
def test_nothing_is_certain_where_answers_say_nothing(seed):
    rng = np.random.default_rng(seed)
    x, items, new = rng.normal(size=(N, CHANNELS)), draw_triplets(N, 3000, rng), draw_triplets(N, 3000, rng)
    teacher = fit_transform(x, items, n_splits=2)
    assert teacher.temperature >= 1.0
    assert cross_entropy(choice_probabilities(teacher.apply(x), new)) == pytest.approx(np.log(3), abs=0.01)


def test_channels_that_do_not_vary_are_not_centred(answers):
    with pytest.raises(ValueError, match="constant in every channel"):
        fit_transform(np.tile(np.arange(CHANNELS) + 0.1, (N, 1)), answers, center=True, **FAST)


@pytest.mark.parametrize(("kind", "rank", "shape"), [("lowrank", 2, (6, 2)), ("diagonal", None, (6, 6))])
def test_maps_of_the_right_kind_find_it_too(x, truth, answers, kind, rank, shape):
    teacher = fit_transform(x, answers, kind=kind, rank=rank, start="identity", **FAST)
    assert teacher.transform.weights.shape == shape
    assert agreement(teacher.apply(x), truth) > 0.99


def test_a_rotation_of_all_channels_is_a_scale(x, answers):
    teacher = fit_transform(x, answers, kind="orthogonal", calibrate=False)
    weights = teacher.transform.weights
    np.testing.assert_allclose(weights, weights[0, 0] * np.eye(CHANNELS))
    assert teacher.n_parameters == 1
    assert teacher.penalty == 0.0
    assert teacher.distance_from_identity == pytest.approx(0.0)
    few = fit_transform(x, answers, kind="orthogonal", rank=2, **FAST)
    gram = few.transform.weights.T @ few.transform.weights
    np.testing.assert_allclose(gram, gram[0, 0] * np.eye(2), atol=1e-10)


def test_a_temperature_from_held_out_items_is_calibrated_and_one_of_the_fit_is_too_low(rng):
    # 150 channels for 90 items: much is learned that does not hold for others
    latent = rng.normal(size=(130, 3))
    x = latent @ rng.normal(size=(3, 150)) + 2.0 * rng.normal(size=(130, 150))
    items = draw_triplets(130, 60_000, rng)
    p = choice_probabilities(1.5 * latent, items)
    odd = (rng.random((len(items), 1)) > p.cumsum(axis=1)).sum(axis=1)
    items = np.take_along_axis(items, (odd[:, None] + [1, 2, 0]) % 3, axis=1)
    seen, unseen = items[(items < 90).all(axis=1)], items[(items >= 90).all(axis=1)]
    options = {"penalty": 0.02, "n_splits": 3}
    teacher = fit_transform(x, seen, **options)
    bare = fit_transform(x, seen, **options, calibrate=False)
    assert bare.temperature == 1.0 < teacher.temperature
    loss, error = (
        [f(choice_probabilities(t.apply(x), unseen), np.full(len(unseen), 2)) for t in (teacher, bare)]
        for f in (cross_entropy, expected_calibration_error)
    )
    assert loss[0] < loss[1]
    assert error[0] < 0.5 * error[1]
    np.testing.assert_array_equal(bare.transform.weights, teacher.transform.weights)


def test_items_are_found_by_name(x, answers, rng):
    order = rng.permutation(N)
    by_name = fit_transform(Features.from_array(x[order], np.array(NAMES)[order]), answers, **FAST)
    by_row = fit_transform(x, answers.items, **FAST)
    by_labels = fit_transform(x[order], answers, labels=np.array(NAMES)[order], **FAST)
    np.testing.assert_allclose(by_name.calibrated.weights, by_labels.calibrated.weights)
    np.testing.assert_allclose(by_name.transform.weights, by_row.transform.weights, rtol=1e-3, atol=1e-4)
    assert set(by_name.labels) == set(NAMES)
    assert by_row.labels is None


def test_rows_of_no_triplet_say_nothing(x, answers):
    # neither weights nor standardisation, so that an outer split's test items stay unseen
    few = answers.restrict(NAMES[:40])
    feats = Features.from_array(x, NAMES)
    other = x.copy()
    other[40:] = 1e6
    a, b = (fit_transform(f, few, **FAST) for f in (feats, Features.from_array(other, NAMES)))
    assert a.n_items == 40
    np.testing.assert_array_equal(a.transform.weights, b.transform.weights)
    assert (a.temperature, a.transform.mean) == (b.temperature, b.transform.mean)


def test_targets_are_found_by_name_and_rows_of_no_triplet_are_not_learned(x, truth, answers, rng):
    order = rng.permutation(N)
    few = answers.restrict(NAMES[:40])
    feats = Features.from_array(x, NAMES)
    targets = Features.from_array(truth[order], np.array(NAMES)[order])
    options = {"loss": "soft", "n_soft": 2000, "calibrate": False, "penalty": 1e-3}
    by_name = fit_transform(feats, few, targets=targets, **options)
    spoilt = truth.copy()
    spoilt[40:] = 9.0
    by_row = fit_transform(feats, few, targets=spoilt, **options)
    np.testing.assert_allclose(by_name.transform.weights, by_row.transform.weights)


def test_the_same_seed_gives_the_same_teacher_for_any_number_of_threads(x, truth, answers):
    from threadpoolctl import threadpool_limits

    found = []
    for n in (1, 2):
        with threadpool_limits(n):
            found.append(fit_transform(x, answers, loss="soft", targets=truth, n_soft=3000, **FAST))
    np.testing.assert_array_equal(found[0].transform.weights, found[1].transform.weights)
    assert found[0].temperature == found[1].temperature


def test_a_strong_penalty_gives_a_scaled_identity_and_the_published_starts_run(x, answers):
    strong = fit_transform(x, answers, penalty=1e4, calibrate=False)
    assert strong.distance_from_identity < 1e-3
    naive = fit_transform(
        x, answers, regulariser="naive", penalty=1e-3, start="random", start_scale=1e-3, bias=True, calibrate=False
    )
    assert naive.transform.bias.shape == (CHANNELS,)
    assert naive.n_parameters == CHANNELS**2 + CHANNELS
    assert naive.history[-1] < naive.history[0] == pytest.approx(np.log(3), abs=1e-3)
    adam = fit_transform(
        x, answers, optimizer="adam", start_scale=1e-3, learning_rate=1e-2, max_iter=5, penalty=1e-3, calibrate=False
    )
    assert len(adam.history) == 6
    assert adam.history[-1] < adam.history[0]


def test_the_local_term_keeps_neighbours(x, truth, answers, rng):
    far = rng.normal(size=(80, CHANNELS))
    cosines = {}
    for alpha in (0.01, 0.9):
        teacher = fit_transform(
            x, answers, regulariser="glocal", alpha=alpha, tau=0.2, local_features=far, penalty=0.0, calibrate=False
        )
        cosines[alpha] = []
        for z in ((far - x.mean()) / x.std(), teacher.transform.apply(far)):
            unit = z / np.linalg.norm(z, axis=1, keepdims=True)
            cosines[alpha].append((unit @ unit.T)[np.triu_indices(80, 1)])
    kept = {alpha: np.corrcoef(*pair)[0, 1] for alpha, pair in cosines.items()}
    assert kept[0.9] > 0.95 > kept[0.01]


def test_a_tensor_is_fitted_to_as_an_array_is(x, answers):
    torch = pytest.importorskip("torch")
    np.testing.assert_array_equal(
        fit_transform(torch.from_numpy(x), answers, labels=NAMES, **FAST).transform.weights,
        fit_transform(x, answers, labels=NAMES, **FAST).transform.weights,
    )


@pytest.mark.parametrize("options", [{}, {"regulariser": "glocal", "bias": True}, {"kind": "lowrank", "rank": 2}])
def test_what_a_device_does_equals_what_numpy_does(x, answers, options):
    # the path of a device, on the CPU
    torch = pytest.importorskip("torch")
    settings = fit_transform(x, answers, **{**FAST, **options}, max_iter=20).settings
    inputs = teacher_inputs(x, answers, None, None)
    found = []
    for rows in (inputs.x, torch.from_numpy(inputs.x)):
        fitting = Fitting(dataclasses.replace(inputs, x=rows), TeacherSettings(**settings), None, None)
        found.append(fitting.run(lambda what: None))
    np.testing.assert_allclose(found[1].transform.weights, found[0].transform.weights, rtol=1e-6, atol=1e-7)
    assert found[1].temperature == pytest.approx(found[0].temperature, rel=1e-6)
    assert type(found[1].transform.weights) is np.ndarray


@pytest.mark.gpu
def test_a_gpu_finds_the_same_teacher(x, answers):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    there = fit_transform(torch.from_numpy(x).cuda(), answers, labels=NAMES, **FAST)
    here = fit_transform(x, answers, labels=NAMES, **FAST)
    np.testing.assert_allclose(there.transform.weights, here.transform.weights, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"kind": "lowrank"}, "needs a rank"),
        ({"rank": 2}, "rank belongs to kind='lowrank'"),
        ({"kind": "lowrank", "rank": 7}, "rank must be at most 6"),
        ({"loss": "soft"}, "needs targets"),
        ({"targets": np.ones((N, 2))}, "targets are for loss='soft'"),
        ({"loss": "soft", "targets": np.ones((3, 2))}, "one row per row of the features: expected 60, got 3"),
        ({"local_features": np.ones((3, 6))}, "belong to regulariser='glocal'"),
        ({"regulariser": "glocal", "local_features": np.ones((3, 5))}, "must have the 6 channels"),
        ({"penalty": -1.0}, "penalty must be a finite number of at least 0"),
        ({"kind": "round"}, "kind must be one of"),
        ({"layer": "x"}, "layer belongs to Features"),
        ({"max_iter": 0}, "max_iter must be at least 1"),
    ],
)
def test_what_does_not_go_together_is_refused(x, answers, options, text):
    with pytest.raises(ValueError, match=text):
        fit_transform(x, answers, labels=NAMES, **{**FAST, **options})


def test_bad_features_are_refused(x, answers):
    with pytest.raises(ValueError, match="x has no row for 'item59'"):
        fit_transform(x[:59], answers, labels=NAMES[:59], **FAST)
    with pytest.raises(ValueError, match="features are constant"):
        fit_transform(np.ones((N, 2)), answers, **FAST)
    hole = x.copy()
    hole[3, 2] = np.nan
    with pytest.raises(ValueError, match=r"features holds 1 NaN or infinite value\(s\), the first at index \(3, 2\)"):
        fit_transform(hole, answers, **FAST)
    with pytest.raises(ValueError, match="nothing to fit to"):
        fit_transform(x, None)
    with pytest.raises(ValueError, match="more than the 8,192"):
        fit_transform(np.random.default_rng(0).normal(size=(6, 9000)), [[0, 1, 2], [3, 4, 5]], **FAST)


@pytest.mark.slow
def test_similarities_of_held_out_concepts_are_predicted_better_on_real_features(shared_data, monkeypatch):
    from alignkit.data import load_things

    folder = shared_data("things", "clip_features")
    things = load_things(shared_data("things").parent)
    rows = np.load(folder / "clip_feature_maps_test.npy")[:, 0]
    names = (folder / "test_concepts_200.txt").read_text().split()
    words = [line.split("\t")[-1] for line in shared_data("things", "item_names.tsv").read_text().splitlines()[1:]]
    label = dict(zip(words, things.labels, strict=True))
    keep = [i for i, name in enumerate(names) if name in label]
    feats = Features.from_array(rows[keep], [label[names[i]] for i in keep])
    train, test = feats.labels[:130], feats.labels[130:]
    targets = Features.from_array(things.spose66, things.labels)
    options = {"loss": "soft", "targets": targets, "n_soft": 20_000, "penalty": 0.5, "calibrate": False, "max_iter": 30}
    teacher = fit_transform(feats.select(train), None, **options)
    human = things.spose66[[things.labels.index(name) for name in test]]
    held = feats.select(test).array()
    upper = np.triu_indices(len(test), 1)

    def rank_agreement(z):
        from scipy.stats import spearmanr

        return spearmanr((z @ z.T)[upper], (human @ human.T)[upper]).statistic

    unit = held / np.linalg.norm(held, axis=1, keepdims=True)
    assert rank_agreement(teacher.apply(held)) > rank_agreement(unit) + 0.1
    published = load_transform(shared_data("glocal", "clip_ViT-L_14_visual.npz"))
    assert rank_agreement(published.apply(held)) > rank_agreement(unit) + 0.1


def test_a_teacher_is_frozen(x, answers):
    teacher = fit_transform(x, answers, **FAST)
    with pytest.raises(dataclasses.FrozenInstanceError):
        teacher.temperature = 2.0
    assert "TeacherTransform" in repr(teacher)
    assert triplet_accuracy(teacher.apply(x), answers, n_bootstrap=0).accuracy > 0.5
