from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from alignkit.data import Dataset, fetch, import_dataset, verify

CONTENT = {"a.txt": b"alpha\n", "sub/b.bin": bytes(range(256)) * 40, "c.txt": b"no checksum is known\n"}


@pytest.fixture
def download(tmp_path: Path) -> Path:
    """A folder as it was downloaded: one level deeper, one file under its published name, pictures beside."""
    folder = tmp_path / "download"
    for name, content in CONTENT.items():
        (folder / "release" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "release" / name).write_bytes(content)
    (folder / "release/other_name.txt").write_text("by hand")
    (folder / "pictures/deep").mkdir(parents=True)
    (folder / "pictures/1.png").write_bytes(b"1")
    (folder / "pictures/deep/2.png").write_bytes(b"2")
    (folder / "pictures/notes.txt").write_text("not a picture")
    return folder


def zipped(folder: Path) -> Path:
    return Path(shutil.make_archive(str(folder), "zip", folder))


@pytest.mark.parametrize("as_zip", [False, True])
def test_round_trip(made_up: Callable[..., Dataset], tmp_path: Path, download: Path, as_zip: bool) -> None:
    made_up()
    source = zipped(download) if as_zip else download
    result = import_dataset("toy", source, root=tmp_path / "root", progress=False)
    assert result.ok
    assert result.states == ("ok", "ok", "ok", "ok", "unpinned")
    assert result == verify("toy", root=tmp_path / "root")
    for name, content in CONTENT.items():
        assert (tmp_path / "root/toy" / name).read_bytes() == content
    assert (tmp_path / "root/toy/byhand.txt").read_text() == "by hand"
    copied = sorted(
        p.relative_to(tmp_path / "root/toy/img").as_posix() for p in (tmp_path / "root/toy/img").rglob("*.*")
    )
    assert copied == ["1.png", "deep/2.png"]


def test_a_part_of_the_set_may_come_alone(made_up: Callable[..., Dataset], tmp_path: Path, download: Path) -> None:
    made_up()
    shutil.rmtree(download / "pictures")
    (download / "release/a.txt").unlink()
    result = import_dataset("toy", download, root=tmp_path / "root", progress=False)
    assert result.states == ("missing", "ok", "ok", "ok", "missing")


def test_another_version_is_refused_whole(made_up: Callable[..., Dataset], tmp_path: Path, download: Path) -> None:
    made_up()
    (download / "release/sub/b.bin").write_bytes(b"edited")
    with pytest.raises(ValueError, match=r"sub/b\.bin is not the published .* Nothing was imported"):
        import_dataset("toy", download, root=tmp_path / "root", progress=False)
    assert not (tmp_path / "root").exists()


def test_of_several_files_of_one_name_the_published_one_is_taken(
    made_up: Callable[..., Dataset], tmp_path: Path, download: Path
) -> None:
    made_up()
    (download / "draft").mkdir()
    (download / "draft/a.txt").write_bytes(b"draft\n")
    assert import_dataset("toy", download, root=tmp_path / "root", progress=False).states[0] == "ok"


@pytest.mark.parametrize("member", ["../evil.txt", "/etc/evil.txt", "x/../../evil.txt", "..\\evil.txt", "C:evil.txt"])
def test_zip_traversal(made_up: Callable[..., Dataset], tmp_path: Path, member: str) -> None:
    made_up()
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("a.txt", CONTENT["a.txt"])
        archive.writestr(member, "boo")
    with pytest.raises(ValueError, match="outside its folder; nothing was imported"):
        import_dataset("toy", tmp_path / "evil.zip", root=tmp_path / "root", progress=False)
    assert not (tmp_path / "root").exists()
    assert not list(tmp_path.rglob("evil.txt"))


def test_zip_with_a_link(made_up: Callable[..., Dataset], tmp_path: Path) -> None:
    made_up()
    link = zipfile.ZipInfo("a.txt")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(ValueError, match=r"holds the link 'a\.txt'"):
        import_dataset("toy", tmp_path / "link.zip", root=tmp_path / "root", progress=False)


def test_links_that_leave_a_folder_are_not_followed(made_up: Callable[..., Dataset], tmp_path: Path) -> None:
    made_up()
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "download").mkdir()
    (tmp_path / "download/c.txt").symlink_to(tmp_path / "secret")
    with pytest.raises(ValueError, match="holds none of the files of 'toy'"):
        import_dataset("toy", tmp_path / "download", root=tmp_path / "root", progress=False)


def test_sizes_are_bounded(made_up: Callable[..., Dataset], tmp_path: Path) -> None:
    made_up(max_gib=2**-20)  # 1 KiB
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("c.txt", bytes(2**20))
    with pytest.raises(ValueError, match="more than the 0 GiB expected"):
        import_dataset("toy", tmp_path / "bomb.zip", root=tmp_path / "root", progress=False)
    assert (
        import_dataset("toy", tmp_path / "bomb.zip", root=tmp_path / "root", max_gib=1, progress=False).states[2]
        == "ok"
    )


def test_truncated_and_foreign_archives(made_up: Callable[..., Dataset], tmp_path: Path, download: Path) -> None:
    made_up()
    archive = zipped(download)
    archive.write_bytes(archive.read_bytes()[:-40])
    with pytest.raises(ValueError, match="neither a folder nor a readable zip"):
        import_dataset("toy", archive, root=tmp_path / "root", progress=False)
    archive.write_bytes(b"not a zip")
    with pytest.raises(ValueError, match="neither a folder nor a readable zip"):
        import_dataset("toy", archive, root=tmp_path / "root", progress=False)


def test_a_member_damaged_inside(made_up: Callable[..., Dataset], tmp_path: Path) -> None:
    made_up()
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("c.txt", b"stored as it is")
    content = (tmp_path / "x.zip").read_bytes()
    (tmp_path / "x.zip").write_bytes(content.replace(b"stored as", b"st0red as"))
    with pytest.raises(ValueError, match="neither a folder nor a readable zip"):
        import_dataset("toy", tmp_path / "x.zip", root=tmp_path / "root", progress=False)
    assert not list((tmp_path / "root/toy").iterdir())


def test_no_such_source_and_no_such_files(made_up: Callable[..., Dataset], tmp_path: Path) -> None:
    made_up()
    with pytest.raises(FileNotFoundError, match="does not exist"):
        import_dataset("toy", tmp_path / "nothing", root=tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"holds none of the files of 'toy'; expected 'a\.txt'"):
        import_dataset("toy", tmp_path / "empty", root=tmp_path)


def test_an_import_by_hand_renews_the_record(made_up: Callable[..., Dataset], tmp_path: Path) -> None:
    made_up()
    for text in ("one version", "a better version"):
        (tmp_path / "new").mkdir(exist_ok=True)
        (tmp_path / "new/c.txt").write_text(text)
        assert import_dataset("toy", tmp_path / "new", root=tmp_path / "root", progress=False).states[2] == "ok"


@pytest.mark.parametrize("limit", [0, -1, float("nan"), float("inf")])
def test_a_limit_that_is_none(tmp_path: Path, limit: float) -> None:
    with pytest.raises(ValueError, match="max_gib must be a finite number above 0"):
        import_dataset("nights", tmp_path, root=tmp_path / "root", max_gib=limit)
    with pytest.raises(ValueError, match="timeout must be a finite number above 0"):
        fetch("cifar10h", root=tmp_path / "root", timeout=limit)
    assert not list(tmp_path.iterdir())
