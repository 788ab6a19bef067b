"""Configs as flags and as TOML: files expand in place, later words win, files are named when refused."""

from __future__ import annotations

import dataclasses
import itertools
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignkit import _config
from alignkit._cli._parse import parse


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Optim:
    """How to go down."""

    rate: float = 0.1
    """Step size."""
    nesterov: bool = True
    """Look ahead."""

    def __post_init__(self) -> None:
        if self.rate <= 0:
            msg = f"rate must be above 0; got {self.rate}."
            raise ValueError(msg)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A job."""

    source: _config.Positional[Path]
    """What to read."""
    more: _config.Positional[tuple[str, ...]] = ()
    """What else to read."""
    origin: Annotated[Path | None, _config.named("from")] = None
    """A name Python reserves."""
    metric: Literal["cosine", "correlation"] = "correlation"
    """A choice."""
    n_items: int | None = None
    """A number."""
    layers: tuple[str, ...] = ()
    """A list."""
    sizes: tuple[int, ...] = (1, 2)
    """Numbers."""
    verbose: bool = False
    """A switch."""
    optim: Optim = Optim()
    """A table."""

    def __post_init__(self) -> None:
        if self.n_items is not None and self.n_items < 3:
            msg = f"n_items must be at least 3; got {self.n_items}."
            raise ValueError(msg)


def read(*words: str) -> Config:
    return parse(Config, words, "alignkit job")


@pytest.fixture
def toml(tmp_path):
    counter = itertools.count()

    def write(text: str) -> str:
        path = tmp_path / f"c{next(counter)}.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_options_are_the_fields():
    kinds = {name: option.kind for name, option in _config.options(Config).items()}
    assert kinds == {
        "source": "positional",
        "more": "positional",
        "from": "one",
        "metric": "one",
        "n-items": "one",
        "layers": "many",
        "sizes": "many",
        "verbose": "switch",
        "optim.rate": "one",
        "optim.nesterov": "switch",
    }


def test_flags_alone():
    config = read("x", "y", "--from", "z", "--n_items", "4", "--layers", "a", "b", "--verbose", "--optim.no-nesterov")
    assert config == Config(
        source=Path("x"), more=("y",), origin=Path("z"), n_items=4, layers=("a", "b"), verbose=True,
        optim=Optim(nesterov=False),
    )  # fmt: skip


# --- files


FULL = """
source = "from-file"
metric = "cosine"
n-items = 7
layers = ["-1", "b c"]
sizes = [-3, 4]
verbose = true
from = "é"
[optim]
rate = 1e-3
nesterov = false
"""
FROM_FULL = Config(
    source=Path("from-file"), metric="cosine", n_items=7, layers=("-1", "b c"), sizes=(-3, 4), verbose=True,
    origin=Path("é"), optim=Optim(rate=1e-3, nesterov=False),
)  # fmt: skip


def test_a_file_gives_every_kind_of_value(toml):
    assert read("--config", toml(FULL)) == FROM_FULL
    assert read(f"--config={toml(FULL)}") == FROM_FULL
    assert read("x", "--config", toml("layers = ['--odd', 'b']")).layers == ("--odd", "b")


def test_underscores_and_hyphens_are_one(toml):
    assert read("x", "--config", toml("n_items = 5")).n_items == 5


def test_later_flags_win_and_earlier_ones_lose(toml):
    path = toml(FULL)
    after = read("--config", path, "--n-items", "9", "--no-verbose", "--optim.rate=2", "--layers", "z")
    assert (after.n_items, after.verbose, after.optim.rate, after.layers) == (9, False, 2.0, ("z",))
    assert after.metric == "cosine"
    before = read("--n-items", "9", "--no-verbose", "--layers", "z", "--config", path)
    assert (before.n_items, before.verbose, before.layers) == (7, True, ("-1", "b c"))


def test_of_two_files_the_later_wins(toml):
    first, second = toml("n-items = 5\nmetric = 'cosine'"), toml("n-items = 6")
    config = read("x", "--config", first, "--config", second)
    assert (config.n_items, config.metric) == (6, "cosine")


@pytest.mark.parametrize("words", [["{}", "a", "b"], ["a", "{}", "b"], ["a", "b", "{}"], ["a", "--verbose", "b", "{}"]])
def test_places_on_the_command_line_outdo_those_of_the_file(toml, words):
    # the file ends with a list, which must not swallow the words after it
    path = toml('source = "from-file"\nlayers = ["l"]\nsizes = []')
    words = [part for word in words for part in (["--config", path] if word == "{}" else [word])]
    config = read(*words)
    assert (config.source, config.more, config.layers, config.sizes) == (Path("a"), ("b",), ("l",), ())


VALUES: dict[str, Any] = {"n-items": 5, "metric": "cosine", "verbose": True, "layers": ["l"], "optim": {"rate": 2.0}}


@given(st.lists(st.sampled_from(list(VALUES)), min_size=1, unique=True))
def test_a_file_equals_the_same_flags(tmp_path_factory, keys):
    lines, flags = [], []
    for key in sorted(keys, key="optim".__eq__):  # tables come last in TOML
        value = VALUES[key]
        if isinstance(value, dict):
            lines.append(f"[{key}]\nrate = {value['rate']}")
            flags += ["--optim.rate", str(value["rate"])]
        elif isinstance(value, bool):
            lines.append(f"{key} = true")
            flags.append(f"--{key}")
        else:
            lines.append(f"{key} = {value!r}")
            flags += [f"--{key}", *(value if isinstance(value, list) else [str(value)])]
    path = tmp_path_factory.mktemp("toml") / "c.toml"
    path.write_text("\n".join(lines))
    assert read("x", "--config", str(path)) == read("x", *flags)


# --- refusals name the file


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("metrc = 1", r"{} sets 'metrc', which is no option here; did you mean metric\?"),
        ("[optim]\nrat = 1", r"{} sets 'optim\.rat', which is no option here; did you mean optim\.rate\?"),
        ("zzz = 1", r"{} sets 'zzz', which is no option here\."),
        ("[metric]\nx = 1", r"{} sets 'metric\.x', which is no option here"),
        ("metric = 'cos'", r"--metric must be one of 'cosine', 'correlation'; got 'cos' \(set in {}\)\."),
        ("n-items = 'a'", r"--n-items must be a whole number; got 'a' \(set in {}\)\."),
        ("n-items = 2.5", r"--n-items must be a whole number; got '2\.5' \(set in {}\)\."),
        ("n-items = 1", r"n_items must be at least 3; got 1 \(set in {}\)\."),
        ("n-items = true", r"{}: 'n-items' takes no true or false; got true\."),
        ("verbose = 'yes'", r"{}: 'verbose' takes true or false; got \"yes\"\."),
        ("verbose = 1", r"{}: 'verbose' takes true or false; got 1\."),
        ("[optim]\nrate = 'x'", r"--optim\.rate must be a number; got 'x' \(set in {}\)\."),
        ("layers = [[1]]", r"{}: 'layers' must be text, a number, true or false, or a list of these"),
        ("layers = ['a', '-b']", r"{}: 'layers' holds '-b'; only the first of several values may start with '-'\."),
        ("n-items = 2020-01-01", r"{}: 'n-items' must be text, a number"),
        ("metric = ", r"{} is not valid TOML"),
        ("\0", r"{} is not valid TOML"),
    ],
)
def test_a_refused_file_is_named(toml, text, sentence):
    import re

    path = toml(text)
    with pytest.raises(ValueError, match=sentence.replace("{}", re.escape(path))):
        read("x", "--config", path)


def test_a_flag_that_overrides_the_file_is_not_blamed_on_it(toml):
    with pytest.raises(ValueError, match=r"got 1\.$"):
        read("x", "--config", toml("n-items = 5"), "--n-items", "1")


def test_files_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no\.toml does not exist"):
        read("x", "--config", str(tmp_path / "no.toml"))
    with pytest.raises(IsADirectoryError, match="is a directory; a file is expected"):
        read("x", "--config", str(tmp_path))
    (tmp_path / "empty.toml").touch()
    with pytest.raises(ValueError, match=r"empty\.toml is empty"):
        read("x", "--config", str(tmp_path / "empty.toml"))
    for words in (["--config"], ["--config="]):
        with pytest.raises(ValueError, match="--config needs a TOML file"):
            read("x", *words)


# --- refusals of the command line


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], r"^SOURCE is required\."),
        (["x", "--metrc", "cosine"], r"there is no option --metrc; did you mean --metric\?"),
        (["x", "--no-metric"], r"there is no option --no-metric; did you mean --metric\?"),
        (["x", "--source", "y"], r"there is no option --source"),
        (["x", "--zzz"], r"there is no option --zzz\."),
        (["x", "--metric"], r"--metric needs a value\."),
        (["x", "--metric", "cos"], r"--metric must be one of 'cosine', 'correlation'; got 'cos'\."),
        (["x", "--n-items", "a"], r"--n-items must be a whole number; got 'a'\."),
        (["x", "--sizes", "1", "b"], r"--sizes does not take '1', 'b'\."),
        (["x", "--optim.rate", "a"], r"--optim\.rate must be a number; got 'a'\."),
        (["x", "--optim.rate", "-1"], r"^--optim\.rate must be above 0; got -1\.0\.$"),
        (["x", "--n-items", "1"], r"^n_items must be at least 3; got 1\.$"),
        (["x", "--verbose=true"], r"--verbose takes no value; write --verbose or --no-verbose\."),
    ],
)
def test_a_refused_command_line_is_one_plain_sentence(words, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        read(*words)
    text = str(caught.value)
    assert "\n" not in text
    assert not set(text) & set("│╭╰─")
    assert "Config" not in text
    assert "dummy" not in text


# --- back to TOML


def test_dumped_text_reads_back(tmp_path):
    config = dataclasses.replace(FROM_FULL, layers=("-1", 'quote " and \\', "line\nbreak", "\x7f", "é\u2028"))
    values = tomllib.loads(_config.to_toml(config))
    assert values["layers"] == list(config.layers)
    assert values["from"] == "é"
    assert values["optim"] == {"rate": 1e-3, "nesterov": False}
    plain = dataclasses.replace(FROM_FULL, layers=("-1", "b"), more=("m",))
    _config.dump_config(plain, tmp_path / "c.toml")
    assert read("--config", str(tmp_path / "c.toml")) == plain


@given(
    st.builds(
        Config,
        source=st.sampled_from([Path("a"), Path("b/c d")]),
        metric=st.sampled_from(["cosine", "correlation"]),
        n_items=st.none() | st.integers(3, 10**12),
        layers=st.lists(st.text("abc 'é\"\\#=", min_size=1), max_size=3).map(tuple),
        sizes=st.lists(st.integers(-5, 5), max_size=3).map(tuple),
        verbose=st.booleans(),
        optim=st.builds(Optim, rate=st.floats(1e-300, 1e300), nesterov=st.booleans()),
    )
)
def test_every_config_survives_its_file(tmp_path_factory, config):
    path = tmp_path_factory.mktemp("toml") / "c.toml"
    _config.dump_config(config, path)
    assert read("--config", str(path)) == config
    assert _config.read_config(path, Config) == config


@pytest.mark.parametrize("rate", [np.float64(0.25), np.float32(0.25), np.int64(3)])
def test_numbers_of_numpy_are_written_as_numbers(rate):
    assert tomllib.loads(_config.to_toml(Optim(rate=rate)))["rate"] == rate


def test_numbers_that_toml_writes_its_own_way():
    assert tomllib.loads(_config.to_toml(Optim(rate=float("inf"))))["rate"] == float("inf")
    assert _config.to_toml(Optim(rate=5.0)) == "rate = 5.0\nnesterov = true\n"


def test_a_file_is_read_as_the_config_it_describes(toml):
    assert _config.read_config(toml(FULL), Config) == FROM_FULL
    sparse = _config.read_config(toml("source = 'x'\n[optim]\nrate = 2"), Config)
    assert sparse == Config(source=Path("x"), optim=Optim(rate=2.0))
    assert type(sparse.optim.rate) is float
    odd = dataclasses.replace(FROM_FULL, layers=("a", "--flag", ""), more=("-1",))
    assert _config.read_config(toml(_config.to_toml(odd)), Config) == odd  # no flags in between


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """A table."""

    most: int | None = None
    """Unset by default."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limited:
    """A job with another default for its table."""

    limits: Limits = Limits(most=20)
    """A table."""


@pytest.mark.parametrize("most", [None, 3, 20])
def test_what_was_unset_stays_unset(tmp_path, most):
    config = Limited(limits=Limits(most=most))
    _config.dump_config(config, tmp_path / "c.toml")
    assert _config.read_config(tmp_path / "c.toml", Limited) == config


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("n-item = 1", r"{} sets 'n-item', which is no option here; did you mean n-items\?"),
        ("[optim]\nrat = 1", r"{} sets 'optim\.rat', which is no option here; did you mean rate\?"),
        ("n-items = 'a'", r"{}: 'n-items' does not take 'a'\."),
        ("n-items = 2.0", r"{}: 'n-items' does not take 2\.0\."),
        ("verbose = 1", r"{}: 'verbose' does not take 1\."),
        ("optim = 3", r"{}: 'optim' does not take 3\."),
        ("layers = 'a'", r"{}: 'layers' does not take 'a'\."),
        ("source = ['a']", r"{}: 'source' does not take \['a'\]\."),
        ("layers = [1]", r"{}: 'layers' does not take \[1\]\."),
        ("source = 'x'\nn-items = 1", r"n_items must be at least 3; got 1 \(set in {}\)\."),
        ("[optim]\nrate = -1.0", r"rate must be above 0; got -1\.0 \(set in {}\)\."),
        ("", r"{} is empty"),
        ("metric = 'cosine'", r"{} lacks source, which is required\."),
        ("metric = ", r"{} is not valid TOML"),
    ],
)
def test_a_file_that_describes_no_config_is_refused(toml, text, sentence):
    import re

    path = toml(text)
    with pytest.raises(ValueError, match=sentence.replace("{}", re.escape(path))) as caught:
        _config.read_config(path, Config)
    assert "\n" not in str(caught.value)


def test_what_toml_cannot_hold_is_refused_before_writing(tmp_path):
    config = Config(source=Path("x"), n_items=3, layers=({"a": 1},))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="layers holds a dict, which TOML cannot hold"):
        _config.dump_config(config, tmp_path / "c.toml")
    assert list(tmp_path.iterdir()) == []
