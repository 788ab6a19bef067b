from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alignkit.meg import read_things_eeg2

pytest.importorskip("mne")

CHANNELS = ["O1", "Oz", "O2"]
TIMES = np.arange(-20, 80) / 100
WRITERS = ("numpy", "pickle 2", "pickle 4", "pickle 5", "npz")


def content(rng: np.random.Generator, **changes: Any) -> dict[str, Any]:
    data = rng.standard_normal((5, 4, 3, 100))  # images, repetitions, channels, times
    return {"preprocessed_eeg_data": data, "ch_names": CHANNELS, "times": TIMES, **changes}


def write(path: Path, value: Any, writer: str) -> Path:
    if writer == "numpy":
        np.save(path, value)
    elif writer == "npz":
        with open(path, "wb") as file:
            np.savez(file, **value)
    else:
        path.write_bytes(pickle.dumps(value, protocol=int(writer.split()[1])))
    return path


@pytest.mark.parametrize("writer", WRITERS)
def test_every_way_to_write_it(rng, tmp_path, writer):
    value = content(rng)
    epochs = read_things_eeg2(write(tmp_path / "preprocessed_eeg_training.npy", value, writer), first_image=101)
    data = epochs.get_data(copy=False)
    assert data.shape == (20, 3, 100)
    assert epochs.ch_names == CHANNELS
    assert set(epochs.get_channel_types()) == {"eeg"}
    np.testing.assert_allclose(epochs.times, TIMES, atol=1e-12)
    assert epochs.info["sfreq"] == 100
    for row, (image, repetition) in enumerate(zip(*(epochs.metadata[c] for c in ("image", "repetition")), strict=True)):
        assert np.array_equal(data[row], value["preprocessed_eeg_data"][image - 101, repetition - 1])
    assert epochs.events[:, 2].tolist() == epochs.metadata["image"].tolist()


def test_single_precision_and_channels_in_an_array(rng, tmp_path):
    value = content(rng)
    value["preprocessed_eeg_data"] = value["preprocessed_eeg_data"].astype(np.float32)
    value["ch_names"] = np.array(CHANNELS)
    epochs = read_things_eeg2(write(tmp_path / "a.npy", value, "numpy"))
    assert np.array_equal(epochs.get_data(copy=False)[1], value["preprocessed_eeg_data"][0, 1])
    assert epochs.metadata["image"].min() == 1


class Runs:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


@pytest.mark.parametrize("writer", WRITERS[:4])
def test_no_code_is_run(rng, tmp_path, writer):
    value = content(rng, more=Runs(f"touch {tmp_path / 'hacked'}"))
    with pytest.raises(ValueError, match=r"no file of THINGS-EEG2: it asks for '\w+.system', which could run code"):
        read_things_eeg2(write(tmp_path / "a.npy", value, writer))
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"times": None}, "times must hold real numbers"),
        ({"times": TIMES[:-1]}, r"3 channels, 99 times\); got shape \(5, 4, 3, 100\)"),
        ({"times": TIMES**3}, "evenly spaced"),
        ({"times": np.full(100, np.nan)}, "evenly spaced"),
        ({"ch_names": CHANNELS[:2]}, "2 channels"),
        ({"ch_names": ["a", "a", "b"]}, "must be unique"),
        ({"preprocessed_eeg_data": np.zeros((5, 3, 100))}, r"got shape \(5, 3, 100\)"),
        ({"preprocessed_eeg_data": np.zeros((0, 4, 3, 100))}, "got shape"),
        ({"preprocessed_eeg_data": "x"}, "must hold real numbers"),
        ({"preprocessed_eeg_data": [[1, 2], [3]]}, "preprocessed_eeg_data must be an array of numbers"),
        ({"times": ["x" * 2**20] + [f"{i}" for i in range(2**16)]}, "times must be an array of numbers"),
        ({"ch_names": ["x" * 2**20] + [f"{i}" for i in range(2**16)]}, "65537 channels"),
        ({"ch_names": None}, "ch_names must be a sequence"),
    ],
)
def test_arrays_that_do_not_fit(rng, tmp_path, changes, text):
    with pytest.raises(ValueError, match=text) as caught:
        read_things_eeg2(write(tmp_path / "a.npy", content(rng, **changes), "pickle 4"))
    assert "a.npy" in str(caught.value)


def test_numbers_in_lists(rng, tmp_path):
    value = content(rng, times=TIMES.tolist())
    assert np.allclose(read_things_eeg2(write(tmp_path / "a.npy", value, "pickle 4")).times, TIMES)


def test_other_files(rng, tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_things_eeg2(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", np.zeros((3, 3)))
    with pytest.raises(ValueError, match=r"holds an array of numbers, shape \(3, 3\), not a dictionary"):
        read_things_eeg2(tmp_path / "a.npy")
    with pytest.raises(ValueError, match="holds a list, not a dictionary"):
        read_things_eeg2(write(tmp_path / "a.npy", [1, 2], "pickle 4"))
    with pytest.raises(ValueError, match="lacks 'preprocessed_eeg_data', 'ch_names'; it holds 'times', 'x'"):
        read_things_eeg2(write(tmp_path / "a.npy", {"times": 1, "x": 2}, "pickle 4"))
    path = write(tmp_path / "a.npy", content(rng), "numpy")
    whole = path.read_bytes()
    for size in (3, 20, 200, 5000, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r"a.npy is no file of THINGS-EEG2") as caught:
            read_things_eeg2(path)
        assert "\n" not in str(caught.value)


def test_too_large(rng, tmp_path, monkeypatch):
    path = write(tmp_path / "a.npy", content(rng), "numpy")
    monkeypatch.setattr("alignkit.meg._read_things_eeg2.MAX_BYTES", 1000)
    with pytest.raises(ValueError, match="GiB allowed"):
        read_things_eeg2(path)
