"""What every public name owes its users: a place, a docstring that fits, an example, and plain refusals."""

from __future__ import annotations

import ast
import builtins
import dataclasses
import functools
import importlib
import inspect
import itertools
import re
import textwrap
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest

import alignkit
from alignkit._result import Result

PACKAGE = Path(alignkit.__file__).resolve().parent
ALL_PACKAGES = sorted(
    f"alignkit.{path.parent.name}" for path in PACKAGE.glob("*/__init__.py") if not path.parent.name.startswith("_")
)
#: Those that users are told about.
PACKAGES = [f"alignkit.{name}" for name in alignkit.__all__ if not name.startswith("_")]
#: Modules whose one concept has several functions, or whose function says more than the module's name.
SHARED = {
    "_choice_scores": {"choice_entropy", "cross_entropy", "expected_calibration_error", "kl_divergence"},
    "_condensed": {"condense", "squareform"},
    "_people": {"personal_dynamics"},
    "_match_things": {"things_label"},
    "_registry": {"dataset_path", "datasets"},
    "_run": {"rerun"},
    "_similarity_matrix": {"similarity_matrix", "triplet_similarities"},
    "_triplet_ceiling": {"percent_of_ceiling"},
    "_two_afc": {"two_afc_accuracy"},
}


@functools.cache
def exported() -> dict[str, Any]:
    """Return every public object by its full name."""
    modules = [importlib.import_module(package) for package in PACKAGES]
    return {f"{module.__name__}.{name}": getattr(module, name) for module in modules for name in module.__all__}


FUNCTIONS = {name: value for name, value in exported().items() if inspect.isfunction(value)}
CLASSES = {name: value for name, value in exported().items() if inspect.isclass(value)}
each_package = pytest.mark.parametrize("package", ALL_PACKAGES)
each_function = pytest.mark.parametrize("name", list(FUNCTIONS))
each_class = pytest.mark.parametrize("name", list(CLASSES))


def sections(docstring: str) -> dict[str, str]:
    """Return the sections of a numpydoc docstring; what comes first is under an empty name."""
    parts = re.split(r"^(.+)\n-{3,}\n", inspect.cleandoc(docstring), flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def described(section: str) -> set[str]:
    """Return the names that a Parameters or Attributes section describes."""
    heads = [line for line in section.splitlines() if re.match(r"\*{0,2}\w", line)]
    return {name.strip(" *") for head in heads for name in head.partition(" :")[0].split(",")}


# --- packages


@each_package
def test_exports_are_sorted_complete_and_nothing_else(package):
    module = importlib.import_module(package)
    assert module.__doc__
    names = module.__all__
    assert names == sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name)), package
    assert len(set(names)) == len(names)
    tree = ast.parse(inspect.getsource(module))
    imported: set[str] = set()
    for node in tree.body[1:]:  # after the docstring
        if isinstance(node, ast.ImportFrom):
            if node.module != "__future__":
                imported |= {alias.asname or alias.name for alias in node.names}
        else:
            assert isinstance(node, ast.Assign), f"{package}/__init__.py only re-exports; line {node.lineno} does more"
            assert ast.unparse(node.targets[0]) == "__all__"
    assert imported == set(names)
    public = {name for name in vars(module) if not name.startswith("_")}
    assert public - set(names) <= {"annotations"} | public_modules(package)


def public_modules(package: str) -> set[str]:
    """Return the modules and packages that users may see in a package: in training, methods and their settings."""
    methods = {path.parent.name for path in PACKAGE.glob("train/*/__init__.py")}
    return {"config", "task", *methods} if package == "alignkit.train" else set()


@each_package
def test_modules_of_a_package_are_private(package):
    folder = PACKAGE / package.split(".")[1]
    allowed = public_modules(package)
    public = {path.stem for path in folder.rglob("*.py") if not path.stem.startswith("_")} - allowed
    assert not public, f"{package}: {public} must be private; re-export their names"


@each_function
def test_a_function_lives_in_the_module_of_its_name(name):
    module = FUNCTIONS[name].__module__.rpartition(".")[2]
    short = name.rpartition(".")[2]
    own = {f"_{short}", f"_{short.partition('_')[2]}"}  # load_things may live in _things
    assert module in own or short in SHARED.get(module, ()), f"{name} lives in {module}"


def test_the_list_of_shared_modules_is_up_to_date():
    found = {(value.__module__.rpartition(".")[2], name.rpartition(".")[2]) for name, value in FUNCTIONS.items()}
    listed = {(module, function) for module, functions in SHARED.items() for function in functions}
    assert listed <= found


# --- docstrings


@each_function
def test_a_function_is_documented_as_it_is(name):
    function = FUNCTIONS[name]
    parts = sections(function.__doc__ or "")
    first = parts[""].partition("\n\n")[0]
    assert first.endswith("."), f"{name}: the summary is a sentence"
    assert "\n" not in first.strip(), f"{name}: the summary is one line"
    signature = inspect.signature(function)
    if signature.parameters:
        assert described(parts["Parameters"]) == set(signature.parameters), name
        assert "Raises" in parts, f"{name}: which errors?"
        for error in re.findall(r"^(\w+)$", parts["Raises"], flags=re.MULTILINE):
            assert issubclass(getattr(builtins, error), Exception), f"{name}: {error}"
    if signature.return_annotation not in (None, "None"):
        assert parts.get("Returns", "").strip(), name
    assert ">>>" in parts.get("Examples", ""), f"{name}: show an example that runs"
    order = [part for part in parts if part in ("Parameters", "Returns", "Raises", "Examples")]
    assert order == [part for part in ("Parameters", "Returns", "Raises", "Examples") if part in parts], name


@pytest.mark.parametrize("name", [*FUNCTIONS, *CLASSES])
def test_tables_keep_to_their_columns(name):
    # text in the gap between two columns makes the whole table unreadable once it is typeset
    lines = (inspect.getdoc(exported()[name]) or "").splitlines()
    rules = [i for i, line in enumerate(lines) if re.fullmatch(r"=+( +=+)+", line.strip())]
    for first, last in zip(rules[::3], rules[2::3], strict=True):
        gaps = [found.span() for found in re.finditer(r"(?<==) +(?==)", lines[first])]
        for line in lines[first:last]:
            assert not any(line[start:stop].strip() for start, stop in gaps), line


@each_function
def test_array_parameters_say_their_shape(name):
    section = sections(FUNCTIONS[name].__doc__ or "").get("Parameters", "")
    for entry in re.split(r"\n(?=\w)", section):
        if re.match(r"\w.* : (array_like|ndarray)", entry):
            assert "shape" in entry or "One per" in entry, f"{name}: {entry}"


@each_function
def test_a_function_is_fully_annotated(name):
    signature = inspect.signature(FUNCTIONS[name])
    assert signature.return_annotation is not inspect.Signature.empty
    for parameter in signature.parameters.values():
        assert parameter.annotation is not inspect.Parameter.empty, f"{name}: {parameter.name}"
        assert not isinstance(parameter.default, list | dict | set | np.ndarray), f"{name}: a mutable default"


@each_class
def test_a_class_and_its_methods_are_documented(name):
    cls = CLASSES[name]
    docstring = cls.__doc__ or ""
    assert not docstring.startswith(f"{cls.__name__}("), f"{name} has only the docstring that dataclass writes"
    for field in dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ():
        if not field.name.startswith("_"):
            assert is_described(field.name, docstring) or field.name in field_docs(cls), f"{name}.{field.name}"
    for member, value in vars(cls).items():
        if inspect.isfunction(value) and not member.startswith("_"):
            assert inspect.getdoc(value), f"{name}.{member}"


def is_described(field: str, docstring: str) -> bool:
    """Return whether a docstring speaks of a field, or of its stem and its ending (``x``, each with ``_low``)."""
    stem, _, end = field.rpartition("_")
    words = set(re.findall(r"\w+", docstring))
    return field in words or {stem, f"_{end}"} <= words


def field_docs(cls: type) -> set[str]:
    """Return the fields of a class, and of those that it extends, with a docstring below them."""
    bodies = [
        ast.parse(textwrap.dedent(inspect.getsource(base))).body[0].body  # type: ignore[attr-defined]
        for base in cls.__mro__
        if dataclasses.is_dataclass(base)
    ]
    return {
        ast.unparse(field.target)
        for body in bodies
        for field, below in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
    }


# --- results


@each_class
def test_results_are_frozen_and_can_come_back_from_json(name):
    cls = CLASSES[name]
    if not issubclass(cls, Result):
        return
    assert dataclasses.is_dataclass(cls)
    assert cls.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert "__dict__" not in dir(cls), f"{name} must have slots"
    assert get_type_hints(cls), "load() reads the fields' types at run time"
    assert not inspect.isabstract(cls)


# --- refusals


def bad_values() -> dict[str, Any]:
    return {
        "text": "no such thing",
        "none": None,
        "empty": np.zeros(0),
        "objects": np.array([["a", None], [{}, 1]], dtype=object),
        "one number": 3.5,
        "a function": len,
    }


def call(function: Callable[..., Any], value: Any) -> None:
    """Call a function with a bad first argument, and in place of everything else that it requires."""
    positional, keywords = [], {}
    for parameter in inspect.signature(function).parameters.values():
        if (positional and parameter.default is not parameter.empty) or parameter.kind is parameter.VAR_KEYWORD:
            continue
        if parameter.kind is parameter.KEYWORD_ONLY:
            keywords[parameter.name] = "x"
        else:
            positional.append(value)
    function(*positional, **keywords)


@each_function
def test_a_bad_first_argument_is_refused_in_a_sentence(name, tmp_path, monkeypatch):
    function = FUNCTIONS[name]
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters:
        pytest.skip("nothing to refuse")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALIGNKIT_DATA", str(tmp_path / "data"))
    for kind, value in bad_values().items():
        takes_it = (value is None and parameters[0].default is None) or (
            function.__name__ in ("dual_variance", "percent_of_ceiling") and kind == "one number"
        )
        if not takes_it:
            check_refusal(function, value, f"{name}({kind})")
            assert list(tmp_path.iterdir()) == [], f"{name}({kind}) wrote files"


def check_refusal(function: Callable[..., Any], value: Any, call_is: str) -> None:
    """Hold that a bad first argument is refused in one sentence of our own."""
    with pytest.raises((ValueError, TypeError, OSError, ImportError)) as caught:
        call(function, value)
    if isinstance(caught.value, ImportError):
        assert "pip install" in str(caught.value)
    text = str(caught.value)
    assert len(text.split()) >= 4, f"{call_is}: {text!r} is no sentence"
    assert "\n" not in text.strip(), f"{call_is}: {text!r}"
    *_, (frame, _) = traceback.walk_tb(caught.tb)
    file = frame.f_code.co_filename
    assert str(PACKAGE) in file or "pathlib" in file, f"{call_is} leaks {text!r} from {file}"
