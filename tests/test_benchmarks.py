"""The benchmarks of M/EEG and of models over time run: small sizes, equality with the rivals, and nothing written."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from reference.run_module import run_module

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "benchmarks"
#: What each script measures beside, besides what comes along always.
RIVALS = {
    "meg_ceiling": "rsatoolbox",
    "meg_cluster": "mne",
    "meg_crossnobis": "rsatoolbox",
    "meg_decoding": "mne",
    "meg_generalization": "mne",
    "meg_timecourse": "scipy",
}


def run(name: str, *options: str) -> subprocess.CompletedProcess[str]:
    if not FOLDER.exists():
        pytest.skip("the benchmarks are not beside the tests")
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
            patch.setenv(variable, "1")  # of the processes that it starts
        return run_module(f"benchmarks.{name}", *options)


def test_every_script_of_meg_is_tested():
    if not FOLDER.exists():
        pytest.skip("the benchmarks are not beside the tests")
    assert sorted(path.stem for path in FOLDER.glob("meg_*.py")) == sorted(RIVALS)


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """Return a small run of decoding, of its first samples, and the folder in which another may go on."""
    folder = tmp_path_factory.mktemp("decoding")
    return run("meg_decoding", "--small", "--folder", str(folder), "--samples", "4"), folder


@pytest.mark.slow
@pytest.mark.parametrize("name", RIVALS)
def test_a_small_run_checks_and_prints_and_keeps_nothing(name, request):
    pytest.importorskip(RIVALS[name])
    before = sorted(FOLDER.glob("results/*"))
    done = request.getfixturevalue("begun")[0] if name == "meg_decoding" else run(name, "--small")
    assert done.returncode == 0, done.stderr
    head, *_, last = (line for line in done.stdout.splitlines() if line.startswith("|"))
    assert "times faster" in head
    difference = float(re.fullmatch(r".*\| (\S+) \|", last)[1])
    assert difference <= 1e-10
    assert sorted(FOLDER.glob("results/*")) == before


@pytest.mark.slow
def test_the_head_of_models_over_time_equals_its_loop():
    pytest.importorskip("torch")
    before = sorted(FOLDER.glob("results/*"))
    done = run("dynamic_head", "--small")
    assert done.returncode == 0, done.stderr
    assert "a loop over times and layers" in done.stdout
    assert sorted(FOLDER.glob("results/*")) == before


@pytest.mark.slow
def test_teachers_start_from_the_published_loss():
    pytest.importorskip("torch")
    before = sorted(FOLDER.glob("results/*"))
    done = run("teacher_fit", "--small")
    assert done.returncode == 0, done.stderr
    assert "as published" in done.stdout
    assert sorted(FOLDER.glob("results/*")) == before


@pytest.mark.parametrize(("name", "module"), [("meg_cluster", "mne"), ("meg_crossnobis", "rsatoolbox")])
def test_a_missing_rival_is_named_and_passed_over(name, module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)  # which makes importing it fail
    done = run(name, "--small")
    assert done.returncode == 0, done.stderr
    assert f"{module} is missing (pip install {module})" in done.stdout


@pytest.mark.slow
def test_decoding_goes_on_where_a_run_ended(begun):
    pytest.importorskip("mne")
    first, folder = begun
    assert "earlier" not in first.stdout
    for report in folder.glob("exp*.json"):
        report.unlink()
    shutil.rmtree(folder / "exp4.zarr")
    again = run("meg_decoding", "--small", "--folder", str(folder), "--samples", "4")
    assert again.returncode == 0, again.stderr
    assert "writing simulated epochs" not in again.stdout
    assert again.stdout.count("measured by an earlier run") == 1


@pytest.mark.slow
def test_what_a_gpu_computes_equals_the_processor_and_is_not_kept_without_one():
    pytest.importorskip("torch")
    before = sorted(FOLDER.glob("results/*"))
    done = run("gpu_rsa", "--small", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("no GPU: small sizes on torch's cpu, of which nothing is kept")
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")][2:]
    assert len(lines) == 9
    assert all(float(re.fullmatch(r".*\| (\S+) \|", line)[1]) <= 1e-7 for line in lines)
    assert sorted(FOLDER.glob("results/*")) == before


@pytest.mark.slow
@pytest.mark.parametrize("name", ["train_gpu", "train_steps"])
def test_small_steps_of_training_are_measured(name):
    pytest.importorskip("torch")
    pytest.importorskip("sentence_transformers")
    before = sorted(FOLDER.glob("results/*"))
    done = run(name, "--small")
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")][2:]
    assert lines
    assert all(float(re.fullmatch(r".*\| (\S+) \|", line)[1]) <= 1e-4 for line in lines)
    assert sorted(FOLDER.glob("results/*")) == before


@pytest.mark.parametrize("name", ["alignet_scoring", "teacher_fit", "triplet_sampling"])
def test_the_kept_results_of_alignet_keep_what_they_promise(name):
    if not FOLDER.exists():
        pytest.skip("the benchmarks are not beside the tests")
    (path,) = FOLDER.glob(f"results/{name}_*.json")
    kept = 0
    for line in json.loads(path.read_text())["lines"]:
        ours, theirs = line["ours"]["median"], line["theirs"]["median"]
        seconds = re.search(r"promised: under (\d+) s", line["task"])
        rate = re.search(r": ([\d,]+) a second \(([\d,]+)\)", line["task"])
        if seconds:
            assert ours < float(seconds[1])
        if rate:
            assert int(rate[1].replace(",", "")) >= int(rate[2].replace(",", "")) == 100_000
        if line["target"]:
            assert theirs / ours >= line["target"]
        if name == "triplet_sampling" and "10 M" in line["task"]:
            assert line["ours"]["peak_mib"] < 8192
        kept += bool(seconds or rate or line["target"])
        assert line["largest_difference"] <= 1e-5
    assert kept == {"alignet_scoring": 1, "teacher_fit": 3, "triplet_sampling": 2}[name]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "limit"), [("pair_pipeline", 1e-6), ("contrastive_step", 1e-4)])
def test_small_runs_on_pairs_equal_their_rivals(name, limit):
    for module in ("torch", "open_clip", *(["webdataset"] if name == "pair_pipeline" else [])):
        pytest.importorskip(module)
    before = sorted(FOLDER.glob("results/*"))
    done = run(name, "--small")
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")][2:]
    assert len(lines) == {"pair_pipeline": 4, "contrastive_step": 2}[name]
    assert all(float(re.fullmatch(r".*\| (\S+) \|", line)[1]) <= limit for line in lines)
    assert sorted(FOLDER.glob("results/*")) == before


def kept_lines(name):
    if not FOLDER.exists():
        pytest.skip("the benchmarks are not beside the tests")
    (path,) = FOLDER.glob(f"results/{name}_*.json")
    return json.loads(path.read_text())["lines"]


def test_batches_of_pairs_keep_what_they_promise():
    lines = kept_lines("pair_pipeline")
    for line in lines[:3]:
        assert line["theirs"]["median"] / line["ours"]["median"] >= line["target"] == 1
        assert line["largest_difference"] == 0
    crop = lines[1]
    assert crop["task"].endswith("crop")
    assert crop["floor"]["median"] / crop["ours"]["median"] >= 0.8


def test_contrastive_steps_keep_what_they_promise():
    *steps, memory = kept_lines("contrastive_step")
    for line in steps:
        assert line["theirs"]["median"] / line["ours"]["median"] >= line["target"] == 0.95
        assert line["largest_difference"] <= 1e-5
    whole = float(re.search(r"at least ([\d,]+)", memory["task"])[1].replace(",", ""))
    assert memory["ours"]["peak_mib"] < whole / 5
    assert memory["largest_difference"] <= 1e-4


@pytest.mark.slow
def test_permutations_equal_both_loops():
    before = sorted(FOLDER.glob("results/*"))
    done = run("rsa_permutation", "--small")
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")][2:]
    assert ["spearmanr" in line for line in lines] == [True, False]
    assert all(float(re.fullmatch(r".*\| (\S+) \|", line)[1]) <= 1e-12 for line in lines)
    assert sorted(FOLDER.glob("results/*")) == before


@pytest.mark.slow
def test_bootstraps_equal_rsatoolbox_on_its_own_resamples():
    pytest.importorskip("rsatoolbox")
    before = sorted(FOLDER.glob("results/*"))
    done = run("rsa_bootstrap", "--small")
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")][2:]
    assert len(lines) == 7
    assert all(float(re.fullmatch(r".*\| (\S+) \|", line)[1]) <= 1e-10 for line in lines)
    assert sorted(FOLDER.glob("results/*")) == before


@pytest.mark.slow
def test_fitted_models_equal_rsatoolbox_in_the_same_folds():
    pytest.importorskip("rsatoolbox")
    before = sorted(FOLDER.glob("results/*"))
    done = run("rsa_fitted", "--small")
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")][2:]
    assert len(lines) == 6
    assert all(float(re.fullmatch(r".*\| (\S+) \|", line)[1]) <= 1e-10 for line in lines)
    assert sorted(FOLDER.glob("results/*")) == before


@pytest.mark.slow
def test_a_cluster_gives_the_same_bits_and_moves_bytes():
    pytest.importorskip("distributed")
    before = sorted(FOLDER.glob("results/*"))
    done = run("rsa_cluster", "--small", "--workers", "2")
    assert done.returncode == 0, done.stderr
    moved = [float(size.replace(",", "")) for size in re.findall(r"2 process\(es\), ([\d.,]+) MB moved", done.stdout)]
    assert len(moved) == 4
    assert min(moved) > 0
    assert sorted(FOLDER.glob("results/*")) == before


@pytest.mark.parametrize(("name", "promises"), [("rsa_bootstrap", 5), ("rsa_permutation", 1), ("rsa_fitted", 6)])
def test_the_kept_results_of_inference_keep_what_they_promise(name, promises):
    lines = kept_lines(name)
    held = [line for line in lines if line["target"]]
    assert len(held) == promises
    for line in held:
        assert line["theirs"]["median"] / line["ours"]["median"] >= line["target"] >= 100
    assert all(line["largest_difference"] <= 1e-9 for line in lines)


def test_the_kept_results_of_scale_keep_what_they_promise():
    (whole,) = (line for line in kept_lines("rsa_bootstrap") if "pearson, 1,854 items" in line["task"])
    assert whole["ours"]["median"] < 15
    lines = {line["task"]: line["ours"] for line in kept_lines("rsa_scale")}
    (ranks,) = (ours for task, ours in lines.items() if task.startswith("spearman") and "20,000 items" in task)
    assert ranks["median"] < 15 * 60
    assert ranks["peak_mib"] < 2048
    assert sum("100,000 items" in task for task in lines) == 3
