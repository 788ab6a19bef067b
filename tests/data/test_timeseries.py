from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from reference.fmri import AFFINE, block_means, write_nifti
from reference.rsa import pairwise, sqeuclidean

from alignkit.data import Patterns, read_timeseries
from alignkit.data._events import Events
from alignkit.data._glm import GLM, design_matrix

nibabel = pytest.importorskip("nibabel")
pytest.importorskip("nilearn")
SHAPE, TR, N, RUNS = (4, 5, 3), 2.0, 80, 4
CONDITIONS = ("face", "house", "shoe")


@pytest.fixture
def tables(rng: np.random.Generator) -> list[pd.DataFrame]:
    """BIDS events: every condition twice in each run, in an order of its own."""
    tables = []
    for _ in range(RUNS):
        order = [*rng.permutation(CONDITIONS), *rng.permutation(CONDITIONS)]
        onsets = 6 + 24.0 * np.arange(6) + rng.integers(0, 4, size=6)
        tables.append(pd.DataFrame({"onset": onsets, "duration": 10.0, "trial_type": order}))
    return tables


@pytest.fixture
def series(rng: np.random.Generator) -> np.ndarray:
    """Shape (runs, x, y, z, volumes)."""
    return rng.normal(size=(RUNS, *SHAPE, N)) * 4 + 500


@pytest.fixture
def bold(tmp_path: Path, series: np.ndarray) -> list[Path]:
    return [write_nifti(tmp_path / f"run-{i}_bold.nii.gz", run, tr=TR) for i, run in enumerate(series)]


@pytest.fixture
def everywhere() -> object:
    return nibabel.Nifti1Image(np.ones(SHAPE, dtype=np.uint8), AFFINE)


def read(bold: object, everywhere: object, **options: Any) -> Patterns:
    return read_timeseries(bold, mask=everywhere, **options)  # type: ignore[arg-type]


def test_the_glm_is_least_squares_run_by_run(
    bold: list[Path], series: np.ndarray, tables: list[pd.DataFrame], everywhere: object
) -> None:
    found = read(bold, everywhere, events=tables)
    rows, residuals = {}, []
    for run, (values, table) in enumerate(zip(series, tables, strict=True)):
        events = Events(tuple(table["trial_type"]), table["onset"].to_numpy(), table["duration"].to_numpy())
        matrix, conditions = design_matrix(events, N, TR, GLM("glover", "cosine", 1 / 128, 1, "ols", 0.0), None)
        betas = np.linalg.lstsq(matrix, values.reshape(-1, N).T, rcond=None)[0]
        residuals.append(values.reshape(-1, N).T - matrix @ betas)
        rows |= {(name, str(run + 1)): betas[i] for i, name in enumerate(conditions)}
        assert found.dof[str(run + 1)] == N - matrix.shape[1]
    assert set(zip(found.labels, found.folds, strict=True)) == set(rows)
    for label, fold, values in zip(found.labels, found.folds, found.values, strict=True):
        np.testing.assert_allclose(values, rows[label, fold], atol=1e-9)
    np.testing.assert_allclose(found.residuals, np.concatenate(residuals), atol=1e-9)
    assert found.residual_folds == tuple(str(run + 1) for run in range(RUNS) for _ in range(N))
    assert found.provenance["tr"] == TR
    assert found.provenance["model"] == "glm"


def test_a_run_knows_nothing_of_the_others(
    bold: list[Path], series: np.ndarray, tables: list[pd.DataFrame], everywhere: object, tmp_path: Path
) -> None:
    for options in ({}, {"noise_model": "ar1"}, {"model": "blocks"}, {"model": "volumes"}):
        before = read(bold, everywhere, events=tables, **options)
        other = [*bold[:3], write_nifti(tmp_path / "other.nii.gz", series[3] * 7 - 100, tr=TR)]
        after = read(other, everywhere, events=tables, **options)
        rest = [fold != "4" for fold in before.folds]
        np.testing.assert_array_equal(before.values[rest], after.values[rest])
        assert not np.allclose(before.values[~np.array(rest)], after.values[~np.array(rest)])


def test_one_image_of_all_runs_is_the_same(
    bold: list[Path], series: np.ndarray, tables: list[pd.DataFrame], everywhere: object, tmp_path: Path
) -> None:
    apart = read(bold, everywhere, events=tables)
    runs = np.repeat(np.arange(1, RUNS + 1), N)
    together = write_nifti(tmp_path / "all.nii.gz", np.concatenate(list(series), axis=-1), tr=TR)
    joined = read(together, everywhere, events=tables, runs=runs)
    np.testing.assert_array_equal(joined.values, apart.values)
    assert joined.folds == apart.folds


def test_files_of_events_and_labels_of_volumes(
    bold: list[Path], tables: list[pd.DataFrame], everywhere: object, tmp_path: Path
) -> None:
    files = [tmp_path / f"run-{i}_events.tsv" for i in range(RUNS)]
    for path, table in zip(files, tables, strict=True):
        table.to_csv(path, sep="\t", index=False)
    np.testing.assert_array_equal(
        read(bold, everywhere, events=files).values, read(bold, everywhere, events=tables).values
    )
    one_run = ["rest"] * 3 + ["face"] * 5 + ["rest"] * 6 + ["house"] * 5 + ["rest"] * 6 + ["shoe"] * 5 + ["rest"] * 50
    (tmp_path / "attributes.txt").write_text("".join(f"{name} {run}\n" for run in range(RUNS) for name in one_run))
    by_file = read(bold, everywhere, events=tmp_path / "attributes.txt")
    by_label = read(bold, everywhere, labels=one_run * RUNS, runs=[str(run) for run in range(RUNS)])
    np.testing.assert_array_equal(by_file.values, by_label.values)
    blocks = pd.DataFrame({"onset": [6.0, 28.0, 50.0], "duration": 10.0, "trial_type": CONDITIONS})
    np.testing.assert_array_equal(by_file.values, read(bold, everywhere, events=[blocks] * RUNS).values)


def test_block_averages_are_those_of_plain_loops(
    bold: list[Path], series: np.ndarray, tables: list[pd.DataFrame], everywhere: object
) -> None:
    found = read(bold, everywhere, events=tables, model="blocks", lag=4.5)
    expected = []
    for values, table in zip(series, tables, strict=True):
        events = list(zip(table["trial_type"], table["onset"], table["duration"], strict=True))
        expected.append(block_means(values.reshape(-1, N).T, events, TR, 4.5))
    np.testing.assert_allclose(found.values, np.concatenate(expected), atol=1e-9)
    assert found.labels == tuple(name for table in tables for name in table["trial_type"])
    assert found.provenance["lag"] == 4.5
    assert "hrf" not in found.provenance


@pytest.mark.parametrize("model", ["glm", "blocks", "volumes"])
def test_planted_distances_come_back(
    tables: list[pd.DataFrame], rng: np.random.Generator, everywhere: object, model: str
) -> None:
    """Noise correlated over voxels and a drift on top: face and house differ, shoe equals house."""
    voxels = int(np.prod(SHAPE))
    truth = rng.normal(size=(2, voxels))[[0, 1, 1]] * 12
    images = []
    for table in tables:
        events = Events(tuple(table["trial_type"]), table["onset"].to_numpy(), table["duration"].to_numpy())
        matrix, conditions = design_matrix(events, N, TR, GLM("glover", None, 0.01, 1, "ols", 0.0), None)
        signal = matrix[:, :3] @ truth[[CONDITIONS.index(name) for name in conditions]]
        noise = rng.normal(size=(N, voxels)) + 2 * rng.normal(size=(N, 1))
        drift = np.linspace(-30, 30, N)[:, None] * rng.normal(size=voxels)
        run = 900 + signal + noise + drift
        images.append(nibabel.Nifti1Image(run.T.reshape(*SHAPE, N), AFFINE))
    options: dict[str, Any] = {"drift": "polynomial"} if model == "glm" else {"lag": 6.0, "model": model}
    found = read(images, everywhere, events=tables, tr=TR, **options)
    plain = found.rdm(noise=None).select(CONDITIONS)
    expected = pairwise(truth, sqeuclidean) / voxels
    scale = 1.0 if model == "glm" else plain.values[0] / expected[0]  # averages scale with the height of the response
    assert 0.5 < scale < 2.0
    np.testing.assert_allclose(plain.values, scale * expected, atol=0.05 * expected[0])
    whitened = found.rdm().select(CONDITIONS)
    assert whitened.values[0] > 50 * abs(whitened.values[2])


def test_identical_conditions_are_at_distance_zero_on_average(
    tables: list[pd.DataFrame], rng: np.random.Generator, everywhere: object
) -> None:
    values = []
    for _ in range(40):
        noise = rng.normal(size=(RUNS, *SHAPE, N)) + rng.normal(size=(RUNS, 1, 1, 1, N))
        images = [nibabel.Nifti1Image(run, AFFINE) for run in noise]
        values.append(read(images, everywhere, events=tables, tr=TR).rdm().values.mean())
    standard_error = np.std(values, ddof=1) / np.sqrt(len(values))
    assert abs(np.mean(values)) < 4 * standard_error


def test_confounds_are_regressed_out(
    bold: list[Path], series: np.ndarray, tables: list[pd.DataFrame], everywhere: object, rng: np.random.Generator
) -> None:
    motion = [rng.normal(size=(N, 2)) for _ in range(RUNS)]
    moved = [
        nibabel.Nifti1Image(run + rng.normal(size=(*SHAPE, 2)) @ each.T * 30, AFFINE)
        for run, each in zip(series, motion, strict=True)
    ]
    clean = read(bold, everywhere, events=tables, confounds=[pd.DataFrame(each) for each in motion])
    found = read(moved, everywhere, events=tables, confounds=motion, tr=TR)
    np.testing.assert_allclose(found.values, clean.values, atol=1e-8)
    assert found.provenance["confounds"] is True
    for confounds, sentence in (
        (motion[:2], "one table per run, 4 in all"),
        ([each[:-1] for each in motion], "the confounds of run '1' must have a row per volume, 80; got 79"),
        (
            [np.full((N, 1), np.nan)] * RUNS,
            "the confounds of run '1' hold NaN or infinity, the first in column 0 at volume 0",
        ),
    ):
        with pytest.raises(ValueError, match=sentence):
            read(bold, everywhere, events=tables, confounds=confounds)
    with pytest.raises(ValueError, match="confounds are regressors of model='glm'"):
        read(bold, everywhere, events=tables, confounds=motion, model="blocks")


def test_the_repetition_time(
    bold: list[Path], series: np.ndarray, tables: list[pd.DataFrame], everywhere: object, tmp_path: Path
) -> None:
    silent = [nibabel.Nifti1Image(run, AFFINE) for run in series]
    with pytest.raises(ValueError, match=r"the header of bold\[0\] says no repetition time; give tr="):
        read(silent, everywhere, events=tables)
    np.testing.assert_array_equal(
        read(silent, everywhere, events=tables, tr=TR).values, read(bold, everywhere, events=tables).values
    )
    with pytest.warns(UserWarning, match="tr=1.9 s is used, although the header of .* says 2 s") as caught:
        read(bold, everywhere, events=tables, tr=1.9)
    assert Path(caught[0].filename).name == "test_timeseries.py"
    with pytest.raises(ValueError, match="the headers say different repetition times"):
        read([*bold[:3], write_nifti(tmp_path / "x.nii", series[3], tr=3.0)], everywhere, events=tables)
    with pytest.raises(ValueError, match="tr must be a finite number above 0"):
        read(bold, everywhere, events=tables, tr=0.0)


def test_voxels_beyond_the_edge_in_one_run_are_dropped(
    series: np.ndarray, tables: list[pd.DataFrame], everywhere: object
) -> None:
    series[2, 0, 0, 0] = 0.0
    series[1, 1, 1, 1, 5] = np.nan
    images = [nibabel.Nifti1Image(run, AFFINE) for run in series]
    with pytest.warns(
        UserWarning, match=r"2 of the 60 voxels \(1 with NaN or infinite values, 1 constant within a run\)"
    ):
        found = read(images, everywhere, events=tables, tr=TR)
    assert found.n_voxels == found.residuals.shape[1] == 58  # type: ignore[union-attr]
    assert [0, 0, 0] not in found.voxels.tolist()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"model": "glmm"}, "model must be one of 'glm', 'blocks', 'volumes'"),
        ({"hrf": "fir"}, "hrf must be one of 'glover'"),
        ({"drift": "linear"}, "drift must be one of 'cosine', 'polynomial'"),
        ({"noise_model": "ar2"}, "noise_model must be one of 'ols', 'ar1'"),
        ({"high_pass": 0.0}, "high_pass must be a finite number above 0"),
        ({"drift_order": -1}, "drift_order must be at least 0"),
        ({"slice_time_ref": 1.5}, "slice_time_ref is a part of the TR"),
        ({"lag": -1.0}, "lag must be a finite number of at least 0"),
        ({"high_pass": 0.24}, "nothing would be left as noise"),
        ({"high_pass": 0.25}, "high_pass= must be below the Nyquist frequency, 0.25 Hz with a volume every 2 s"),
        ({"high_pass": 5.0}, "got 5 Hz, which leaves no frequency for the conditions"),
    ],
)
def test_options_out_of_range(
    bold: list[Path], tables: list[pd.DataFrame], everywhere: object, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        read(bold, everywhere, events=tables, **options)


def test_without_the_extra_the_sentence_says_what_to_install(
    bold: list[Path], tables: list[pd.DataFrame], everywhere: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alignkit import _check

    find = _check.util.find_spec
    for missing in ("nibabel", "nilearn"):
        monkeypatch.setattr(_check.util, "find_spec", lambda name, gone=missing: None if name == gone else find(name))
        with pytest.raises(ImportError, match=rf"needs the package '{missing}'.*pip install 'alignkit\[fmri\]'"):
            read(bold, everywhere, events=tables)


def test_nothing_is_printed(
    bold: list[Path], tables: list[pd.DataFrame], everywhere: object, capfd: pytest.CaptureFixture[str]
) -> None:
    read(bold, everywhere, events=tables, noise_model="ar1", progress=False)
    assert capfd.readouterr() == ("", "")


def test_residuals_may_be_left_out(bold: list[Path], tables: list[pd.DataFrame], everywhere: object) -> None:
    whole = read(bold, everywhere, events=tables)
    bare = read(bold, everywhere, events=tables, keep_residuals=False)
    np.testing.assert_array_equal(bare.values, whole.values)
    assert (bare.residuals, bare.residual_folds, bare.dof) == (None, (), {})


def test_confounds_as_they_come(bold: list[Path], tables: list[pd.DataFrame], everywhere: object) -> None:
    table = pd.DataFrame({"trans_x": np.linspace(0, 1, N) ** 2, "trans_x_derivative1": np.linspace(1, 0, N) ** 3})
    alone = read(bold[0], everywhere, events=tables[0], confounds=table)
    np.testing.assert_array_equal(
        alone.values, read(bold[0], everywhere, events=tables[0], confounds=[table.to_numpy()]).values
    )
    table.iloc[0, 1] = np.nan  # as fMRIPrep writes the first difference
    with pytest.raises(ValueError, match="first in column 'trans_x_derivative1' at volume 0; BIDS writes n/a"):
        read(bold[0], everywhere, events=tables[0], confounds=[table])
    with pytest.raises(TypeError, match=r"must be a table; read 'confounds.tsv' with pandas"):
        read(bold[0], everywhere, events=tables[0], confounds=["confounds.tsv"])


def test_milliseconds_are_not_seconds(
    bold: list[Path], series: np.ndarray, tables: list[pd.DataFrame], everywhere: object, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="tr is the seconds between volumes; got 2000: are these milliseconds"):
        read(bold, everywhere, events=tables, tr=2000)
    wrong = write_nifti(tmp_path / "wrong.nii", series[0], tr=2000.0)
    with pytest.raises(ValueError, match=r"header of .*wrong\.nii says 2000 s between volumes; give tr="):
        read(wrong, everywhere, events=tables[0])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"model": "blocks", "hrf": "spm"}, "hrf= is only for model='glm'; got model='blocks'"),
        ({"model": "volumes", "noise_model": "ar1"}, "noise_model= is only for model='glm'"),
        ({"model": "blocks", "drift": None}, "drift= is only for model='glm'"),
        ({"lag": 4.0}, "lag= is only for model='blocks' or 'volumes'; got model='glm'"),
        ({"drift": "polynomial", "high_pass": 0.01}, "high_pass= is only for drift='cosine'"),
        ({"drift_order": 2}, "drift_order= is only for drift='polynomial'"),
    ],
)
def test_options_of_another_model(
    bold: list[Path], tables: list[pd.DataFrame], everywhere: object, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        read(bold, everywhere, events=tables, **options)


@pytest.mark.parametrize("model", ["blocks", "volumes"])
def test_one_volume_per_event_leaves_no_noise(bold: list[Path], everywhere: object, model: str) -> None:
    events = pd.DataFrame({"onset": [10.0, 40.0, 70.0], "duration": TR, "trial_type": CONDITIONS})
    with pytest.raises(ValueError, match=r"run\(s\) '1' leave nothing to estimate the noise from"):
        read(bold[0], everywhere, events=events, model=model)
    found = read(bold[0], everywhere, events=events, model=model, keep_residuals=False)
    assert (found.labels, found.residuals) == (CONDITIONS, None)


def test_an_image_per_volume(
    series: np.ndarray, bold: list[Path], tables: list[pd.DataFrame], everywhere: object
) -> None:
    volumes = [nibabel.Nifti1Image(run[..., i], AFFINE) for run in series[:2] for i in range(N)]
    found = read(volumes, everywhere, events=tables[:2], runs=np.repeat([1, 2], N), tr=TR)
    np.testing.assert_array_equal(found.values, read(bold[:2], everywhere, events=tables[:2]).values)


def test_degrees_of_freedom_are_those_of_each_run(
    bold: list[Path], tables: list[pd.DataFrame], everywhere: object
) -> None:
    """A run without one of the conditions has a regressor less."""
    fewer = tables[1][tables[1]["trial_type"] != "shoe"]
    found = read(bold[:3], everywhere, events=[tables[0], fewer, tables[2]])
    assert found.dof == {"1": found.dof["1"], "2": found.dof["1"] + 1, "3": found.dof["1"]}
    rows = list(zip(found.labels, found.folds, strict=True))
    assert len(rows) == 8
    assert ("shoe", "2") not in rows


def test_an_image_is_one_run_only(bold: list[Path], tables: list[pd.DataFrame], everywhere: object) -> None:
    with pytest.raises(ValueError, match=r"run-0_bold\.nii\.gz is given twice \(bold\[0\] and bold\[3\]"):
        read([*bold[:3], bold[0]], everywhere, events=tables)


def test_a_run_alone_is_told_in_the_singular(bold: list[Path], tables: list[pd.DataFrame], everywhere: object) -> None:
    found = read(bold[0], everywhere, events=tables[0])
    assert f"3 rows x {np.prod(SHAPE)} voxels: 3 conditions" in repr(found)
    assert " in 1 run; residuals of 80 volumes" in repr(found)
    assert "in 1 run were read from" in found.methods_text()
    assert "The residuals of the run have" in found.methods_text()
    assert found.select(labels="face").residuals is not None
    assert "1 row x 60 voxels: 1 condition (face) in 1 run;" in repr(found.select(labels="face"))
