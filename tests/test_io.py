"""Files are written whole or not at all, and damaged or hostile ones are refused in one sentence."""

from __future__ import annotations

import errno
import io
import json
import os
import pickle
import signal
import stat
import subprocess
import sys
import textwrap
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignkit import _io


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- writing


def test_a_written_file_holds_what_was_written_and_nothing_else_is_left(tmp_path):
    with _io.atomic_write(tmp_path / "a.txt", "w") as file:
        file.write("grün\n")
    assert (tmp_path / "a.txt").read_bytes() == "grün\n".encode()
    assert names_in(tmp_path) == ["a.txt"]


def write_and_raise(path: Path, error: BaseException) -> None:
    with _io.atomic_write(path, "w") as file:
        file.write("new, half")
        file.flush()
        raise error


def test_a_failing_block_leaves_the_old_file_and_no_trace(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="halfway"):
        write_and_raise(path, RuntimeError("halfway"))
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["a.txt"]


def test_an_interrupted_block_leaves_no_trace(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_and_raise(tmp_path / "a.txt", KeyboardInterrupt())
    assert names_in(tmp_path) == []


def test_a_full_disk_leaves_the_old_file_and_names_it(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def fill() -> None:
        with _io.atomic_write(path) as file:
            file.write(b"new")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match=r"No space left on device: '.*a\.bin'"):
        fill()
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]


def test_a_killed_writer_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    code = f"""
        import sys, time
        from alignkit._io import atomic_write
        with atomic_write({str(path)!r}) as file:
            file.write(b"new" * 100_000)
            file.flush()
            print("writing", flush=True)
            time.sleep(60)
    """
    writer = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"writing\n"
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    assert path.read_bytes() == b"old"


def test_a_reader_never_sees_half_a_file(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"0" * 1000)
    code = f"""
        from alignkit._io import atomic_write
        for i in range(300):
            with atomic_write({str(path)!r}) as file:
                for _ in range(10):
                    file.write(str(i % 10).encode() * 100)
    """
    writer = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)])
    reads = 0
    while writer.poll() is None:
        content = path.read_bytes()
        assert len(content) == 1000
        assert len(set(content)) == 1
        reads += 1
        time.sleep(0.0005)
    assert writer.returncode == 0
    assert reads > 10


def test_a_new_file_has_the_permissions_that_open_would_give(tmp_path):
    with open(tmp_path / "plain", "w"), _io.atomic_write(tmp_path / "ours", "w"):
        pass
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


@pytest.mark.parametrize("mode", [0o600, 0o666])  # the usual umask takes writing away from the others
def test_an_overwritten_file_keeps_its_permissions(tmp_path, mode):
    path = tmp_path / "a"
    path.write_text("old")
    path.chmod(mode)
    with _io.atomic_write(path, "w") as file:
        file.write("new")
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_link_is_written_through(tmp_path):
    (tmp_path / "disk").mkdir()
    target, link = tmp_path / "disk" / "real.txt", tmp_path / "link.txt"
    target.write_text("old")
    link.symlink_to(target)
    with _io.atomic_write(link, "w") as file:
        file.write("new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_a_name_at_the_length_limit_can_be_written(tmp_path):
    path = tmp_path / ("n" * 251 + ".txt")
    with _io.atomic_write(path, "w") as file:
        file.write("x")
    assert path.read_text() == "x"


def test_a_folder_or_a_missing_folder_is_refused_before_writing(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a directory; give a file name"), _io.atomic_write(tmp_path):
        pass
    with (
        pytest.raises(FileNotFoundError, match="does not exist; create it first"),
        _io.atomic_write(tmp_path / "no" / "a.txt"),
    ):
        pass
    assert names_in(tmp_path) == []


def test_a_folder_that_cannot_be_written_gives_a_sentence(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied", "temporary name")

    monkeypatch.setattr(_io.os, "open", refuse)
    with pytest.raises(PermissionError, match=r"cannot write .*a\.txt \(permission denied\)"):
        _io.atomic_write(tmp_path / "a.txt").__enter__()


def test_json_round_trips_and_refuses_what_json_cannot_say(tmp_path):
    path = tmp_path / "a.json"
    value = {"names": ["é", "\u2028"], "n": [1, 2.5, None, True]}
    _io.write_json(path, value)
    assert _io.read_json(path) == value
    with pytest.raises(ValueError, match="JSON"):
        _io.write_json(path, {"x": float("nan")})
    assert _io.read_json(path) == value


@pytest.mark.parametrize("content", ["{", '{"a": 1', "\xff", "[" * 100_000, "nonsense"])
def test_damaged_json_names_the_file(tmp_path, content):
    path = tmp_path / "broken.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ValueError, match=r"broken\.json is not valid JSON"):
        _io.read_json(path)


# --- reading: what is no file


@pytest.mark.parametrize(
    "read", [_io.check_file, _io.load_npz, _io.load_npy, _io.load_mat, _io.load_array, _io.read_json]
)
def test_what_is_no_file_is_refused(tmp_path, read):
    with pytest.raises(IsADirectoryError, match="is a directory; a file is expected"):
        read(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"nothing\.npz does not exist"):
        read(tmp_path / "nothing.npz")
    (tmp_path / "empty.npz").touch()
    with pytest.raises(ValueError, match=r"empty\.npz is empty \(0 bytes\)"):
        read(tmp_path / "empty.npz")


def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.arange(3))

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(_io.zipfile, "ZipFile", refuse)
    with pytest.raises(PermissionError):
        _io.load_npz(path)


def test_sha256_is_that_of_hashlib(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    assert _io.sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


# --- npz and npy


def test_npz_round_trips_with_its_header(tmp_path):
    path = tmp_path / "a.npz"
    arrays = {"values": np.linspace(0, 1, 7), "labels": np.array(["é", "b"]), "flags": np.array([True, False])}
    _io.save_npz(path, arrays, {"schema": "x", "note": "ü"})
    back, meta = _io.load_npz(path)
    assert meta == {"schema": "x", "note": "ü"}
    assert back.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(back[name], array)
        assert back[name].dtype == array.dtype


def test_plain_npz_has_an_empty_header(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(3))
    arrays, meta = _io.load_npz(tmp_path / "a.npz")
    assert meta == {}
    np.testing.assert_array_equal(arrays["x"], [0, 1, 2])


def test_objects_are_not_saved(tmp_path):
    with pytest.raises(TypeError, match="x has dtype object and cannot be saved without pickle"):
        _io.save_npz(tmp_path / "a.npz", {"x": np.array([None])}, {})
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("header", [b"{", b"\xff", b"[1]", b"3"])
def test_a_damaged_header_names_the_file(tmp_path, header):
    np.savez(tmp_path / "a.npz", **{"alignkit.json": np.frombuffer(header, dtype=np.uint8)})
    with pytest.raises(ValueError, match=r"a\.npz"):
        _io.load_npz(tmp_path / "a.npz")


class Bomb:
    """Unpickling this would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.write_text, (self.path, "boom"))


def test_pickled_arrays_are_refused_and_never_run(tmp_path):
    loot = tmp_path / "loot"
    objects = np.array([Bomb(loot)], dtype=object)
    np.save(tmp_path / "a.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "a.npz", x=objects)
    (tmp_path / "raw.npy").write_bytes(pickle.dumps(Bomb(loot)))
    for name, read in (("a.npy", _io.load_npy), ("a.npz", _io.load_npz), ("raw.npy", _io.load_npy)):
        with pytest.raises(ValueError, match=rf"{name} holds pickled Python objects"):
            read(tmp_path / name)
    with pytest.raises(ValueError, match="pickled Python objects"):
        _io.load_npy(tmp_path / "a.npy", mmap=True)
    assert not loot.exists()


def test_a_header_that_is_no_python_is_damage(tmp_path):
    path = tmp_path / "bad.npy"
    np.save(path, np.ones((3, 4)))
    path.write_bytes(path.read_bytes().replace(b"(3, 4)", b"(3, 4("))
    with pytest.raises(ValueError, match=r"bad\.npy (is not a readable \.npy file|cannot be read) \(.*damaged"):
        _io.load_npy(path)


def test_a_file_that_is_no_npy_is_not_called_pickled(tmp_path):
    (tmp_path / "a.npy").write_text("1 2 3\n")
    with pytest.raises(ValueError, match=r"a\.npy is not a \.npy file"):
        _io.load_npy(tmp_path / "a.npy")


def test_an_archive_named_npy_is_explained(tmp_path):
    with open(tmp_path / "a.npy", "wb") as file:
        np.savez(file, x=np.arange(3))
    with pytest.raises(ValueError, match=r"is an archive, not a single \.npy array"):
        _io.load_npy(tmp_path / "a.npy")


def test_memory_mapped_arrays_are_read_only(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(6.0))
    array = _io.load_npy(tmp_path / "a.npy", mmap=True)
    assert isinstance(array, np.memmap)
    assert not array.flags.writeable


def compressed_npz() -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, x=np.arange(50.0), y=np.array(["a", "b"]))
    return buffer.getvalue()


def plain_npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.arange(50.0))
    return buffer.getvalue()


@pytest.mark.parametrize(("suffix", "whole"), [(".npz", compressed_npz()), (".npy", plain_npy())])
def test_every_truncation_is_refused_by_name(tmp_path, suffix, whole):
    path = tmp_path / f"cut{suffix}"
    for length in range(1, len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=rf"cut\{suffix}"):
            _io.load_array(path)


@given(st.data(), st.sampled_from([(".npz", compressed_npz()), (".npy", plain_npy())]))
def test_flipped_bytes_give_an_array_or_a_sentence(tmp_path_factory, data, file):
    suffix, whole = file
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("flip") / f"a{suffix}"
    path.write_bytes(damaged)
    said = None
    try:
        _io.load_npz(path) if suffix == ".npz" else _io.load_npy(path)
    except ValueError as error:
        said = str(error)
    assert said is None or path.name in said


def test_a_zip_bomb_is_refused_before_it_is_expanded(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros(100_000))
    monkeypatch.setattr(_io, "MAX_BYTES", 2**16)
    monkeypatch.setattr(_io.np, "load", lambda *_, **__: pytest.fail("the archive was expanded"))
    with pytest.raises(ValueError, match=r"a\.npz expands to 0\.0 GiB, more than"):
        _io.load_npz(tmp_path / "a.npz")


def test_a_header_that_claims_more_than_the_file_holds_is_refused(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**13,)})
    (tmp_path / "a.npy").write_bytes(header.getvalue() + b"\0" * 80)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", header.getvalue() + b"\0" * 80)
    with pytest.raises(ValueError, match=r"a\.npy asks for more memory than there is|a\.npy cannot be read"):
        _io.load_array(tmp_path / "a.npy")
    with pytest.raises(ValueError, match=r"a\.npz expands to 74505\.8 GiB, more than the 8 GiB allowed"):
        _io.load_array(tmp_path / "a.npz")  # told before any memory is asked for


def test_what_is_written_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    order = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (order.append("content"), fsync(handle)))
    monkeypatch.setattr(os, "replace", lambda *paths: (order.append("name"), replace(*paths)))
    with _io.atomic_write(tmp_path / "a") as file:
        file.write(b"new")
    assert order == ["content", "name"]
    with _io.atomic_write(tmp_path / "b", durable=False) as file:  # can be made again
        file.write(b"new")
    assert order == ["content", "name", "name"]


def test_members_that_point_outside_are_only_names(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    with zipfile.ZipFile(inside / "a.npz", "w") as archive:
        archive.writestr("../../evil.npy", plain_npy())
    arrays, _ = _io.load_npz(inside / "a.npz")
    assert list(arrays) == ["../../evil"]
    assert names_in(tmp_path) == ["inside"]


def test_an_encrypted_archive_gives_a_sentence(tmp_path):
    whole = bytearray(compressed_npz())
    # bit 0 of the general purpose flags, in the local and the central header of the first member
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        whole[whole.index(signature) + offset] |= 1
    (tmp_path / "a.npz").write_bytes(whole)
    with pytest.raises(ValueError, match=r"a\.npz"):
        _io.load_npz(tmp_path / "a.npz")


# --- MATLAB


def test_mat_files_are_read_without_their_header(tmp_path):
    from scipy.io import savemat

    savemat(tmp_path / "a.mat", {"x": np.arange(3.0)})
    content = _io.load_mat(tmp_path / "a.mat")
    assert list(content) == ["x"]
    np.testing.assert_array_equal(content["x"], [[0, 1, 2]])


def test_truncated_mat_files_are_refused_by_name(tmp_path):
    from scipy.io import savemat

    savemat(tmp_path / "whole.mat", {"x": np.arange(300.0)}, do_compression=True)
    whole = (tmp_path / "whole.mat").read_bytes()
    for length in (1, 60, 127, 128, 130, 140, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.mat").write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"cut\.mat"):
            _io.load_array(tmp_path / "cut.mat")


def test_matlab_7_3_is_explained(tmp_path):
    head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    (tmp_path / "a.mat").write_bytes(head + b"\0" * 512)
    with pytest.raises(ValueError, match=r"is a MATLAB v7\.3 file; read it with h5py, or save it with -v7"):
        _io.load_mat(tmp_path / "a.mat")


# --- one array from any format


def test_the_one_array_of_every_format(tmp_path):
    from scipy.io import savemat

    array = np.array([[1.5, -2.0, 3.0], [4.0, 5.0, 6.0]])
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", x=array)
    savemat(tmp_path / "a.mat", {"x": array})
    for name, mark in (("a.csv", ","), ("b.csv", ";"), ("a.tsv", "\t"), ("a.txt", " ")):
        np.savetxt(tmp_path / name, array, delimiter=mark)
    (tmp_path / "bom.csv").write_text("\ufeff1.5,-2,3\r\n4,5,6\r\n", encoding="utf-8")
    for path in tmp_path.iterdir():
        np.testing.assert_array_equal(_io.load_array(path), array, err_msg=path.name)


def test_other_suffixes_and_several_arrays_are_refused(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"cannot tell the format from the suffix '\.h5'"):
        _io.load_array(tmp_path / "a.h5")
    np.savez(tmp_path / "a.npz", x=np.arange(3), y=np.arange(3))
    with pytest.raises(ValueError, match=r"holds 2 arrays \(x, y\); exactly one is expected"):
        _io.load_array(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "content", [b"name,value\n1,2\n", b"1,2\n3\n", b"a\n", b"\xff\xfe1,2", b"\n\n \n", b"# nothing\n", b"1,2,\n3,4,\n"]
)
def test_text_that_is_no_table_of_numbers_is_refused_by_name(tmp_path, content):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.csv must hold a table of numbers"):
        _io.load_array(tmp_path / "a.csv")


def test_real_files_of_the_92_images_load(shared_data):
    content = _io.load_mat(shared_data("rsa92", "92_brainRDMs.mat"))
    assert "RDMs" in content
    assert isinstance(json.dumps(sorted(content)), str)


def test_nothing_here_touches_the_working_folder():
    assert not any(name.endswith(".tmp") for name in os.listdir("."))


@pytest.mark.parametrize("compressed", [True, False])
def test_a_mat_file_that_expands_too_far(compressed, tmp_path, monkeypatch):
    from scipy.io import savemat

    path = tmp_path / "a.mat"
    savemat(path, {"x": np.zeros((300, 1000)), "y": np.eye(3)}, do_compression=compressed)
    monkeypatch.setattr(_io, "MAX_BYTES", 2_500_000)
    np.testing.assert_array_equal(_io.load_mat(path)["y"], np.eye(3))
    monkeypatch.setattr(_io, "MAX_BYTES", 2_000_000)
    if compressed:
        with pytest.raises(ValueError, match=r"a\.mat expands to more than the 0\.00186265 GiB allowed"):
            _io.load_mat(path)
    else:
        _io.load_mat(path)  # what it claims is there


def test_a_device_is_no_file():
    if not Path("/dev/null").exists():
        pytest.skip("no such device here")
    with pytest.raises(FileNotFoundError, match="/dev/null is a device or a pipe; a file is expected"):
        _io.check_file("/dev/null")


def test_exchange(tmp_path):
    first, second = tmp_path / "é", tmp_path / "b"
    first.mkdir()
    (first / "x").write_text("1")
    second.write_text("2")
    assert _io.exchange(first, second) == sys.platform.startswith("linux")
    if sys.platform.startswith("linux"):
        assert (first.read_text(), (second / "x").read_text()) == ("2", "1")
    assert not _io.exchange(first, tmp_path / "nothing")
