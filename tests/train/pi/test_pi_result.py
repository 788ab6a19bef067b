"""Arms beside each other: means, differences, wins, laws and what is in-sample, against plain loops and scipy."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from alignkit.score import fit_power_law
from alignkit.train import PIArms
from alignkit.train.pi._pi_result import ArmCurve, FirstStage
from alignkit.train.pi._seed_mean import seed_mean

SAMPLES = np.array([0.0, 1000.0, 10_000.0, 100_000.0])
AFC = "material2afc_test_trials_2AFC_accuracy_(majority_of_the_votes)"
ARMS = ("pi", "web-only", "shuffled-triplets")


def drawn(arm: str, seed: int) -> ArmCurve:
    rng = np.random.default_rng([seed, len(arm)])
    values = {
        "cifar_acc1": np.sort(rng.uniform(0.1, 0.6, 4)) + 0.1 * (arm == "pi"),
        "pets_acc1": np.sort(rng.uniform(0.1, 0.6, 4)),
        AFC: rng.uniform(0.5, 0.9, 4),
        "material2afc_other_acc1": rng.uniform(0.5, 0.9, 4),
    }
    values["zero_shot"] = (values["cifar_acc1"] + values["pets_acc1"]) / 2
    return ArmCurve(arm=arm, seed=seed, samples=SAMPLES, values=values, kept=3)


def arms(n_seeds: int = 3, **more: object) -> PIArms:
    curves = [drawn(arm, seed) for arm in ARMS for seed in range(n_seeds)]
    point = {name: np.array([0.4 + 0.01 * i]) for i, name in enumerate(curves[0].values)}
    curves += [ArmCurve(arm="post-hoc", seed=0, samples=SAMPLES[-1:], values=point, kept=0)]
    first = [FirstStage(arm="pi", seed=s, before={"val_accuracy": 0.5}, after={"val_accuracy": 0.8}) for s in (0, 1)]
    return PIArms.compare(Path("my-pi"), curves, first, human=("material2afc",), n_bootstrap=50, **more)


@pytest.fixture
def found() -> PIArms:
    return arms(chance={"zero_shot": 0.055}, in_sample={"material2afc": ("pi", "post-hoc")})


def test_intervals_are_students():
    values = [0.31, 0.35, 0.44, 0.29]
    interval = ttest_1samp(values, 0).confidence_interval(0.95)
    one = seed_mean(values)
    assert (one.mean, one.low, one.high, one.n_seeds) == pytest.approx((np.mean(values), *interval, 4))
    assert math.isnan(seed_mean(values[:2]).low)
    assert str(seed_mean(values[:2])) == "0.330"
    assert seed_mean([math.nan, 1.0, 1.0]).tell() == "-"


def test_arms_come_in_one_order(found):
    assert found.arms == ("web-only", "pi", "post-hoc", "shuffled-triplets")
    assert found.seeds == (0, 1, 2)
    assert found.zero_shot == ("cifar_acc1", "pets_acc1")  # and not what begins with the name of people's data
    assert found.human == (AFC,)
    assert found.chance == {"zero_shot": 0.055, AFC: 0.5}


def test_differences_are_paired_by_seed(found):
    for name in ("zero_shot", "pets_acc1", AFC):
        gaps = [drawn("pi", s).values[name][-1] - drawn("web-only", s).values[name][-1] for s in range(3)]
        interval = ttest_1samp(gaps, 0).confidence_interval(0.95)
        one = found.differences["pi"][name]
        assert (one.mean, one.low, one.high, one.n_seeds) == pytest.approx((np.mean(gaps), *interval, 3))
    alone = found.differences["post-hoc"]["zero_shot"]
    assert alone.n_seeds == 1
    assert alone.mean == pytest.approx(0.44 - drawn("web-only", 0).values["zero_shot"][-1])
    assert "web-only" not in found.differences


def test_wins_are_those_of_means_over_seeds(found):
    for arm in ("pi", "shuffled-triplets"):
        won = 0
        for name in found.zero_shot:
            own, plain = (np.mean([drawn(one, s).values[name][-1] for s in range(3)]) for one in (arm, "web-only"))
            won += own > plain
        assert found.wins[arm].wins == won
        assert found.wins[arm].tasks == found.zero_shot


def test_laws_and_curves_leave_the_beginning_out(found):
    rows = np.array([drawn("pi", seed).values["zero_shot"][1:] for seed in range(3)])
    law = fit_power_law(SAMPLES[1:], 1 - rows, n_bootstrap=0)
    assert found.laws["pi"].b == pytest.approx(law.b)
    assert "post-hoc" not in found.laws
    np.testing.assert_allclose(found.curve("pi").mean, rows.mean(axis=0))
    assert found.curve("pi").samples.tolist() == [1e3, 1e4, 1e5]
    end = found.curve("web-only").mean[-1]
    assert found.samples_to_baseline("pi") == pytest.approx(found.curve("pi").samples_to(float(end)), nan_ok=True)
    with pytest.raises(ValueError, match="there is no curve of 'imagenet-triplets'"):
        found.curve("imagenet-triplets")


def test_the_table_has_every_number(found):
    table = found.to_dataframe()
    curves = table[table["kind"] == "curve"]
    assert len(curves) == 9 * 4 * 5 + 5
    row = curves[(curves.arm == "pi") & (curves.seed == 2) & (curves.samples == 10_000) & (curves.metric == AFC)]
    assert row["value"].item() == drawn("pi", 2).values[AFC][2]
    assert row["in_sample"].item()
    assert not curves[curves.arm == "web-only"]["in_sample"].any()
    assert curves[(curves.arm == "pi") & (curves.metric == "zero_shot")]["in_sample"].sum() == 0
    difference = table[(table.kind == "difference") & (table.arm == "pi") & (table.metric == "zero_shot")]
    assert difference["low"].item() == found.differences["pi"]["zero_shot"].low
    assert set(table["kind"]) == {"curve", "final", "difference", "stage 1 before", "stage 1 after"}


def test_in_sample_is_said_wherever_it_stands(found):
    text = found.to_text()
    line = next(line for line in text.splitlines() if AFC in line)
    assert line.count("(in-sample)") == 2
    assert found.shown("pi", AFC) == f"{AFC} (in-sample)"
    assert found.shown("web-only", AFC) == AFC
    assert any(note.startswith("In-sample: 'pi', 'post-hoc' learned") for note in found.notes)
    figure = found.plot()
    ax = figure.axes[1]
    assert "in-sample" in ax.get_title()
    assert "pi (in-sample)" in [label.get_text() for label in ax.get_legend().get_texts()]
    assert "in-sample" not in "".join(label.get_text() for label in figure.axes[0].get_legend().get_texts())
    plain = arms()
    assert "in-sample" not in plain.to_text().lower()


def test_what_is_about_other_images_stands_for_a_data_set():
    own = {"things_test10_odd-one-out_accuracy": 0.5, "things_RDM48_pearson_with_people's_choice_matrix": 0.4}
    values = {name: np.array([value]) for name, value in own.items()}
    curves = [ArmCurve(arm="pi", seed=0, samples=SAMPLES[-1:], values=values, kept=0)]
    settings = {"human": ("things",), "in_sample": {"things": ("pi",)}}
    test10, rdm48 = own
    found = PIArms.compare(Path("x"), curves, **settings, apart=("things_RDM48",))
    assert found.human == (rdm48,)
    assert found.is_in_sample("pi", test10)
    assert not found.is_in_sample("pi", rdm48)
    assert found.chance == {rdm48: 0.0}
    found = PIArms.compare(Path("x"), curves, **settings)
    assert found.human == (test10,)
    assert found.is_in_sample("pi", rdm48)


def test_the_figure_shows_means_bands_and_chance(found):
    figure = found.plot()
    left = figure.axes[0]
    assert left.get_xscale() == "log"
    lines = {line.get_label(): line for line in left.get_lines()}
    rows = [np.mean([drawn("pi", s).values["zero_shot"][k] for s in range(3)]) for k in range(4)]
    np.testing.assert_allclose(lines["pi (n = 3)"].get_ydata(), rows)
    assert set(lines["chance"].get_ydata()) == {0.055}
    assert len(left.collections) == 3  # no band of the one point of post-hoc
    assert lines["post-hoc (n = 1)"].get_marker() == "D"


def test_few_seeds_have_no_interval():
    found = arms(2)
    assert math.isnan(found.differences["pi"]["zero_shot"].low)
    assert any("Fewer than three seeds" in note for note in found.notes)
    assert "fewer than three seeds" in found.methods_text()
    assert "t intervals" in arms(3).methods_text()


def test_one_arm_alone_and_none_at_all():
    alone = PIArms.compare(Path("x"), [drawn("pi", 0)])
    assert alone.differences == {}
    assert alone.wins == {}
    assert "Difference" not in alone.to_text()
    assert alone.model() == Path("x/seed-0/pi")
    nothing = PIArms.compare(Path("x"), [])
    assert nothing.to_text() == "x: no run is finished yet."
    with pytest.raises(ValueError, match="has no zero-shot scores"):
        nothing.plot()
    with pytest.raises(ValueError, match="no finished model"):
        nothing.model()


def test_all_comes_back_from_json(found, tmp_path):
    found.save(tmp_path / "arms.json")
    back = PIArms.load(tmp_path / "arms.json")
    assert back.to_text() == found.to_text()
    assert back.to_dataframe().equals(found.to_dataframe())
    assert back.laws["pi"].b == found.laws["pi"].b
    assert repr(back) == repr(found)


def test_every_kind_of_set_stands_by_its_own_main_metric():
    names = ("cifar10_acc1", "cifar10_mean_per_class_recall", "vtab/pets_acc1", "vtab/pets_mean_per_class_recall")
    names += ("voc2007_mean_average_precision", "flickr_mean_recall@1", "flickr_image_retrieval_recall@1")
    values = {name: np.array([0.1, 0.2]) for name in names}
    curves = [
        ArmCurve(arm=arm, seed=0, samples=np.array([0.0, 9.0]), values=values, kept=1) for arm in ("web-only", "pi")
    ]
    found = PIArms.compare(Path("my-pi"), curves, n_bootstrap=10)
    # DataComp ranks by recall per class on Pets; of several labels there is no accuracy
    assert found.zero_shot == (names[0], names[3], names[4], names[5])
    assert len(found.wins["pi"].tasks) == 4


def test_a_set_whose_images_were_learned_from_marks_the_mean_too(found):
    learned = arms(in_sample={"pets": ("imagenet-triplets", "pi")})
    assert learned.is_in_sample("pi", "pets_acc1")
    assert learned.is_in_sample("pi", "zero_shot")
    assert not learned.is_in_sample("pi", "cifar_acc1")
    assert not found.is_in_sample("pi", "zero_shot")


def test_arms_with_other_seeds_are_told_of(found):
    assert any("Not all arms have the same seeds (web-only 0, 1, 2;" in note for note in found.notes)
    alone = PIArms.compare(Path("my-pi"), [drawn(arm, 0) for arm in ARMS], n_bootstrap=10)
    assert not any("Not all arms" in note for note in alone.notes)


def test_judgements_of_classes_are_told_from_those_of_people():
    first = [
        FirstStage(arm=arm, seed=0, before={"val_accuracy": 0.5}, after={"val_accuracy": 0.8})
        for arm in ("pi", "imagenet-triplets")
    ]
    text = PIArms.compare(Path("my-pi"), [drawn("web-only", 0)], first, n_bootstrap=10).to_text()
    assert "imagenet-triplets  val (of classes)  0.500   0.800" in text
    assert "pi                 val  " in text


def test_the_methods_text_names_the_arms_once(found):
    assert "Models (web-only, pi, post-hoc, shuffled-triplets; 3 seeds) were trained" in found.methods_text()
