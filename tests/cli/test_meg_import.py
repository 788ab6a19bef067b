"""``alignkit meg import``: what read_meg_rdms returns, condensed into files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alignkit.meg import RDMStore, read_meg_rdms
from alignkit.rsa import RDM


@pytest.fixture
def stack(here) -> Path:
    """Two participants' squares at ten times."""
    values = np.random.default_rng(0).random((2, 10, 5, 5))
    values = (values + values.swapaxes(2, 3)) * (1 - np.eye(5))
    np.save("stack.npy", values)
    Path("names.txt").write_text("cat\ndog\ncar\ncup\nhat\n")
    return here


TIMES = ("--times", "-0.1", "0.8")


def test_a_store_of_one_participant(run, stack):
    words = ("meg", "import", "stack.npy", *TIMES, "--labels", "names.txt", "--subject", "2", "--out", "p2.zarr")
    code, out, err = run(*words, "--no-progress")
    assert (code, err) == (0, "")
    expected = read_meg_rdms("stack.npy", times=(-0.1, 0.8), subject=2, dtype="float32")
    store = RDMStore.open("p2.zarr")
    np.testing.assert_array_equal(store.rdm().values, expected.values[0])
    np.testing.assert_array_equal(store.times, expected.coords["time"])
    assert store.labels == ("cat", "dog", "car", "cup", "hat")
    assert out.startswith("<RDMStore 5 items (cat, dog, car, ...), time: 10, -0.1 to 0.8 s, metric: decoding")
    assert "done" not in out
    assert out.endswith("saved to p2.zarr\n")
    assert run(*words)[0] == 0  # all is done
    other = [word if word != "2" else "1" for word in words]
    code, _, err = run(*other, "--no-progress")
    assert code == 2
    assert "p2.zarr holds another computation (subject 2 there, 1 here)" in err
    assert "replace it with --overwrite" in err
    assert run(*other, "--overwrite")[0] == 0


def test_all_participants_in_memory(run, stack):
    words = ("--dims", "subject", "time", "item", "item", "--metric", "1 - r", "--tmin", "0", "--tmax", "0.5")
    code, out, _ = run("meg", "import", "stack.npy", *TIMES, *words, "--dtype", "float32", "--out", "all.npz")
    assert code == 0
    options = {"metric": "1 - r", "tmin": 0.0, "tmax": 0.5, "dtype": "float32"}
    expected = read_meg_rdms("stack.npy", times=(-0.1, 0.8), **options)
    found = RDM.load("all.npz")
    np.testing.assert_array_equal(found.values, expected.values)
    assert found.dims == ("subject", "time")
    assert "saved to all.npz" in out
    assert "saved" not in run("meg", "import", "stack.npy", *TIMES)[1]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("no.mat",), "no.mat does not exist."),
        ((".",), ". is a directory; a file is expected."),
        (("names.txt",), "got the suffix '.txt'"),
        (("stack.npy",), "give the first and the last in seconds: --times -0.1 1.0."),
        (("stack.npy", "--times", "1"), "--times must be 10 increasing numbers of seconds, or the first and the last"),
        (("stack.npy", *TIMES, "--out", "x.zarr"), "choose one with --subject (and --session)."),
        (
            ("stack.npy", *TIMES, "--subject", "1", "--out", "x.zarr"),
            "a store names its items: give the 5 of stack.npy",
        ),
        (("stack.npy", *TIMES, "--subject", "3"), "--subject must be ascending numbers from 1 to 2"),
        (("stack.npy", *TIMES, "--tmin", "4"), "has no time between --tmin 4.0 and no --tmax."),
        (("stack.npy", *TIMES, "--dims", "time", "item"), "--dims must name each axis of the file's array"),
        (("stack.npy", *TIMES, "--labels", "no.txt"), "no.txt does not exist."),
        (("stack.npy", *TIMES, "--labels", "two.txt"), "--labels must hold one label per item: expected 5, got 2."),
        (("stack.npy", *TIMES, "--out", "x.csv"), "the suffix of --out must be one of '.zarr', '.npz'; got '.csv'."),
        (("stack.npy", *TIMES, "--out", "stack.npy"), "--out stack.npy is also an input"),
    ],
)
def test_bad_input_is_said_in_one_sentence(fails, stack, words, expected):
    Path("two.txt").write_text("a\nb\n")
    assert expected in fails("meg", "import", *words, "--no-progress")
