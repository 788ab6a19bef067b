from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from alignkit.data import dataset_path, datasets
from alignkit.data._registry import data_root, locate


def test_every_file_says_where_it_comes_from() -> None:
    for entry in datasets().values():
        for part in entry.files.values():
            assert part.url or part.by_hand, part
            assert part.url is None or part.url.startswith("https://"), part
            assert part.sha256 is None or re.fullmatch("[0-9a-f]{64}", part.sha256), part
            assert part.url is None or part.sha256, f"{part.path}: a download without a pinned checksum"
        assert all(folder.by_hand for folder in entry.folders.values())
        assert all((entry.description, entry.citation, entry.licence, entry.page))


def test_github_downloads_name_a_commit() -> None:
    urls = [part.url for entry in datasets().values() for part in entry.files.values() if part.url]
    github = [url for url in urls if "raw.githubusercontent.com" in url]
    assert github
    assert all(re.search("/[0-9a-f]{40}/", url) for url in github)


def test_root_option_beats_variable_beats_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ALIGNKIT_DATA", str(tmp_path / "named"))
    assert data_root(tmp_path / "given") == tmp_path / "given"
    assert data_root() == tmp_path / "named"
    monkeypatch.delenv("ALIGNKIT_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert data_root().name == "alignkit"


def test_root_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="must be a folder"):
        data_root(tmp_path / "file")


def test_dataset_path() -> None:
    assert dataset_path("rsa92", root="/r") == Path("/r/rsa92")
    assert dataset_path("things", "ratings/animacy.csv", root="/r") == Path("/r/things/ratings/animacy.csv")


@pytest.mark.parametrize("file", ["../x", "/etc/passwd", "a/../../x", "C:x", "a\\b"])
def test_paths_that_leave_the_folder(file: str) -> None:
    with pytest.raises(ValueError, match="inside the data set's folder"):
        dataset_path("things", file, root="/r")


def test_unknown_dataset_lists_the_names() -> None:
    with pytest.raises(ValueError, match=r"'rsa92', 'things', 'things_meg'; got 'thing'"):
        dataset_path("thing")


def test_missing_file_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        locate("things", "item_names.tsv", tmp_path)
    for part in (
        "item_names.tsv",
        str(tmp_path / "things"),
        "alignkit data fetch things",
        "https://osf.io/download/sz2ux/",
    ):
        assert part in str(caught.value)
    with pytest.raises(FileNotFoundError, match=r"https://osf.io/z2784/.*alignkit data import things --from PATH"):
        locate("things", "RDM48_triplet.mat", tmp_path)


def test_directory_and_empty_file_where_a_file_is_meant(tmp_path: Path) -> None:
    path = dataset_path("things", "words48.mat", root=tmp_path)
    path.mkdir(parents=True)
    with pytest.raises(IsADirectoryError, match="is a directory"):
        locate("things", "words48.mat", tmp_path)
    path.rmdir()
    path.touch()
    with pytest.raises(ValueError, match="is empty"):
        locate("things", "words48.mat", tmp_path)


def test_repr_names_licence_and_citation() -> None:
    text = repr(datasets()["cifar10h"])
    assert "CC BY-NC-SA 4.0" in text
    assert "10.1109/ICCV.2019.00971" in text


def test_importing_the_package_is_light() -> None:
    heavy = "torch numba matplotlib pandas xarray mne PIL pooch zarr sklearn timm open_clip sentence_transformers"
    code = f"import sys, alignkit.data; print(*[name for name in {heavy.split()} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
