"""Pairs in shards: what comes out, and what hostile or damaged shards do."""

from __future__ import annotations

import functools
import io
import json
import tarfile

import pytest
from PIL import Image
from reference.pairs import image_bytes, sample, write_shards, write_tar

from alignkit.data import open_pairs

GOOD = sample(7)
PNG = GOOD[0][1]


def test_pairs_of_the_layouts_of_cc3m_and_yfcc(tmp_path):
    files = [
        *sample(1, "jpg"),
        ("000001.json", b'{"caption": "not this one", "width": 8}'),
        ("sub/x.WEBP", image_bytes((0, 255, 0), "WEBP")),
        ("sub/x.json", json.dumps({"caption": ["  été ", "b"], "url": "u"}).encode()),
        ("__index__.cls", b"3"),
        *sample(3, "jpeg"),
        ("000003.seg.png", b"not read"),
        ("000003.pyd", b"\x80\x04never read."),
        ("y.txt", b"\xef\xbb\xbftext first\n"),
        ("y.png", PNG),
    ]
    pairs = open_pairs(write_tar(tmp_path / "0.tar", files))
    assert [pairs.name(i) for i in range(len(pairs))] == ["0.tar/000001", "0.tar/sub/x", "0.tar/000003", "0.tar/y"]
    assert [pairs.captions(i) for i in range(4)] == [("n 1",), ("été", "b"), ("n 3",), ("text first",)]
    assert [pairs.image_bytes(i) for i in range(4)] == [files[0][1], files[3][1], files[6][1], PNG]
    assert pairs.image(1).mode == "RGB"
    assert pairs.image(1).size == (8, 6)
    assert pairs.bad == ()


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_format_of_tar_and_long_names(tmp_path, form):
    long = "d" * 60 + "/" + "é" * 30 + "/" + "k" * 80
    files = [(f"{long}.png", PNG), (f"{long}.txt", b"far down")]
    pairs = open_pairs(write_tar(tmp_path / "0.tar", files, format=form))
    assert (pairs.name(0), pairs.caption(0)) == (f"0.tar/{long}", "far down")


def test_tarfile_reads_the_same(tmp_path):
    paths = write_shards(tmp_path / "s", [4, 1, 3])
    pairs = open_pairs(tmp_path / "s")
    expected = []
    for path in paths:
        with tarfile.open(path) as tar:
            content = {name: tar.extractfile(name).read() for name in tar.getnames()}
        expected += [(content[f"{key[:-4]}.txt"].decode(), content[key]) for key in content if key.endswith(".png")]
    assert [(pairs.caption(i), pairs.image_bytes(i)) for i in range(len(pairs))] == expected


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@functools.cache
def bad_samples():
    jpeg = image_bytes((200, 30, 40), "JPEG", (64, 64))
    deep = io.BytesIO()
    Image.new("I;16", (4, 4)).save(deep, "PNG")
    bomb = io.BytesIO()
    Image.new("1", (10_000, 8_000)).save(bomb, "PNG")
    giant = io.BytesIO()
    Image.new("1", (20_000, 10_000)).save(giant, "PNG")
    noise = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(noise, "PNG")
    webp = image_bytes((1, 2, 3), "WEBP", (64, 64))
    return {
        "latin": (("png", PNG), ("txt", "café".encode("latin-1")), r"caption is not UTF-8 \(byte 3\)"),
        "half": (("png", PNG), ("json", b'{"caption": "\\ud800"}'), "not UTF-8"),
        "blank": (("png", PNG), ("txt", b" \n"), "caption is empty"),
        "nothing": (("png", PNG), ("txt", b""), "caption is empty"),
        "none": (("png", PNG), ("json", b'{"caption": null}'), "no text but NoneType"),
        "cut": (("png", PNG), ("json", b'{"caption": "a'), 'holds no "caption"'),
        "deep": (("png", PNG), ("json", b"[" * 100_000), 'holds no "caption"'),
        "list": (("png", PNG), ("json", b"[1]"), 'holds no "caption"'),
        "alone": (("png", PNG), ("cls", b"1"), "it has no caption"),
        "words": (("txt", b"a"), ("cls", b"1"), "it has no image"),
        "both": (("png", PNG), ("jpg", jpeg), "2 files with its image"),
        "empty": (("jpg", b""), ("txt", b"a"), r"image is empty \(0 bytes\)"),
        "text": (("jpg", b"<html>404</html>"), ("txt", b"a"), "neither a JPEG"),
        "gif": (("jpg", image_bytes((1, 2, 3), "GIF")), ("txt", b"a"), "neither a JPEG"),
        "short": (("jpg", jpeg[:-200]), ("txt", b"a"), "image is damaged"),
        "shortpng": (("png", noise.getvalue()[:-500]), ("txt", b"a"), "image is damaged"),
        "shortwebp": (("webp", webp[:-20]), ("txt", b"a"), "image is damaged"),
        "bits": (("png", deep.getvalue()), ("txt", b"a"), "more than 8 bits"),
        "bomb": (("png", bomb.getvalue()), ("txt", b"a"), "10000 x 8000 pixels, more than 64 million"),
        "giant": (("png", giant.getvalue()), ("txt", b"a"), "exceeds limit"),
        "long": (("png", PNG), ("txt", b"a" * (1 << 20) + b"b"), "1,048,577 bytes, more than"),
    }


@pytest.mark.parametrize("check", ["header", "decode"])
@pytest.mark.parametrize("key", list(bad_samples()))
def test_bad_samples_are_named_and_left_out(tmp_path, key, check):
    first, second, reason = bad_samples()[key]
    files = [*sample(1), (f"{key}.{first[0]}", first[1]), (f"{key}.{second[0]}", second[1]), *sample(2)]
    path = write_tar(tmp_path / "0.tar", files)
    with pytest.warns(UserWarning, match=f"1 of 3 samples are left out: '0.tar/{key}', .*{reason}"):
        pairs = open_pairs(path, check=check)
    assert [pairs.name(i) for i in range(len(pairs))] == ["0.tar/000001", "0.tar/000002"]
    assert [name for name, _ in pairs.bad] == [f"0.tar/{key}"]


def test_keys_that_come_twice_name_no_sample(tmp_path):
    files = [*sample(1), *sample(2), *sample(1), ("x.png", PNG), ("x.png", PNG), ("x.txt", b"a")]
    with pytest.warns(UserWarning, match=r"2 of 3 samples are left out.*key comes more than once.*and 1 more"):
        pairs = open_pairs(write_tar(tmp_path / "0.tar", files))
    assert [pairs.name(i) for i in range(len(pairs))] == ["0.tar/000002"]
    assert pairs.bad[1] == ("0.tar/x", "it has 2 files with its image")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_not_followed(tmp_path, kind):
    (tmp_path / "secret.txt").write_text("secret")
    with tarfile.open(tmp_path / "0.tar", "w") as tar:
        tar.addfile(special("folder", tarfile.DIRTYPE))
        for name, content in (*GOOD, ("l.png", PNG)):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        tar.addfile(special("l.txt", kind, "000007.txt" if kind == tarfile.LNKTYPE else str(tmp_path / "secret.txt")))
    with pytest.warns(UserWarning, match="'0.tar/l', its .txt is a link or another special file"):
        pairs = open_pairs(tmp_path / "0.tar")
    assert [pairs.caption(i) for i in range(len(pairs))] == ["n 7"]


def test_names_that_are_not_utf8(tmp_path):
    files = [*GOOD, ("caf\udce9.png", PNG), ("caf\udce9.txt", b"a")]
    path = write_tar(tmp_path / "0.tar", files, format=tarfile.GNU_FORMAT, errors="surrogateescape")
    assert open_pairs(path).name(1) == "0.tar/caf\\xe9"


# --- damaged shards


@pytest.fixture
def shard(tmp_path):
    return write_shards(tmp_path / "s", [3])[0]


def test_wherever_a_shard_breaks_off_it_is_refused(shard):
    whole = shard.read_bytes()
    end = len(whole.rstrip(b"\0"))
    assert len(open_pairs(shard)) == 3
    for length in [*range(1, end, 173), *range(512, end + 512, 512)]:
        shard.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"the shard .*00000\.tar .*(truncated|damaged)"):
            open_pairs(shard)


def test_a_flipped_byte_never_goes_unnoticed_or_hangs(shard):
    whole = shard.read_bytes()
    for place in range(0, 512, 7):  # in the first header
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        shard.write_bytes(damaged)
        with pytest.raises(ValueError, match="the shard"):
            open_pairs(shard)


def header(name, size, kind=tarfile.REGTYPE):
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("size", [10**6, 2**40, 2**70, -1, -512, -(2**40)])
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE])
def test_sizes_beyond_the_file_are_refused(tmp_path, size, kind):
    path = tmp_path / "0.tar"
    path.write_bytes(header("a.jpg", size, kind) + bytes(4096))
    with pytest.raises(ValueError, match=r"the shard .*0\.tar"):
        open_pairs(path)


def test_a_large_header_is_not_read(tmp_path):
    path = tmp_path / "0.tar"
    with open(path, "wb") as file:
        file.write(header("a", 2**31, tarfile.GNUTYPE_LONGNAME))
        file.truncate(2**31 + 4096)  # sparse: the bytes are there, and zero
    with pytest.raises(ValueError, match="claims 2,147,48"):
        open_pairs(path)


def test_a_large_member_is_not_read(tmp_path):
    path = tmp_path / "0.tar"
    size = 2**27
    with open(path, "wb") as file:
        file.write(write_tar(tmp_path / "1.tar", GOOD).read_bytes().rstrip(b"\0").ljust(4 * 512, b"\0"))
        file.write(header("a.jpg", size))
        file.seek(size, 1)
        file.write(header("a.txt", 1) + b"a".ljust(512, b"\0") + bytes(1024))
    with pytest.warns(UserWarning, match="its .jpg has 134,217,728 bytes, more than the 67,108,864 allowed"):
        assert len(open_pairs(path)) == 1


def test_joined_compressed_and_empty_files(tmp_path, shard):
    whole = shard.read_bytes()
    shard.write_bytes(whole + whole)
    with pytest.raises(ValueError, match="goes on after the end mark"):
        open_pairs(shard)
    with tarfile.open(tmp_path / "zip.tar", "w:gz") as tar:
        tar.add(shard, "x")
    with pytest.raises(ValueError, match=r"zip\.tar cannot be read"):
        open_pairs(tmp_path / "zip.tar")
    shard.write_bytes(b"")
    with pytest.raises(ValueError, match=r"00000\.tar is empty"):
        open_pairs(shard)
    shard.write_bytes(bytes(10240))
    with pytest.raises(ValueError, match=r"00000\.tar holds no image-text pair that can be used: it is empty"):
        open_pairs(shard)


def test_a_shard_that_goes_missing_or_shrinks_is_named(tmp_path):
    paths = write_shards(tmp_path / "s", [2, 2])
    pairs = open_pairs(str(tmp_path / "s" / "{00000..00001}.tar"))
    paths[1].write_bytes(b"short")
    with pytest.raises(ValueError, match=r"00001\.tar is shorter than when it was indexed"):
        pairs.image(2)
    paths[1].unlink()
    with pytest.raises(FileNotFoundError, match=r"00001\.tar is missing"):
        pairs.caption(3)
    with pytest.raises(FileNotFoundError, match=r"00001\.tar' is missing: 1 of the 2 files"):
        open_pairs(str(tmp_path / "s" / "{00000..00001}.tar"))
