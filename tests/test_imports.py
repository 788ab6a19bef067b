"""Imports go one way, stay light, and never reach for pickle; asserts are not input checks."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import alignkit

PACKAGE = Path(alignkit.__file__).resolve().parent
#: Lower ranks first; packages of one rank do not know each other. Private top-level modules come before all.
RANKS = {
    "rsa": 1,
    "data": 2,
    "models": 2,
    "align": 3,
    "meg": 3,
    "score": 4,
    "train": 5,
    "report": 6,
    "_demo": 7,
    "_cli": 8,
    "cli": 8,
    "__main__": 9,
}
#: What must not be loaded before someone needs it.
HEAVY = {
    "torch",
    "torchvision",
    "open_clip",
    "timm",
    "sentence_transformers",
    "transformers",
    "mne",
    "matplotlib",
    "numba",
    "sklearn",
    "nibabel",
    "nilearn",
    "dask",
    "jinja2",
}


@functools.cache
def files() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def unit_of(module: str) -> str:
    """Return the package or top-level module that a dotted name below alignkit belongs to."""
    return module.split(".")[1] if "." in module else ""


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(node: ast.AST, module: str) -> Iterator[tuple[str, int]]:
    """Yield (dotted module, line) of every import below a node, relative ones resolved."""
    for child in ast.walk(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, child.lineno) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = child.module or ""
            if child.level:
                parents = module.split(".")[: -child.level]
                base = ".".join([*parents, base] if base else parents)
            yield base, child.lineno
            if base == "alignkit":
                yield from ((f"alignkit.{alias.name}", child.lineno) for alias in child.names)


def rank_of(unit: str) -> int:
    return RANKS.get(unit, 0)


def type_checking_imports(tree: ast.Module) -> set[int]:
    """Return the lines of imports that only type checkers see."""
    lines: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            lines |= {line for child in node.body for line in range(child.lineno, (child.end_lineno or 0) + 1)}
    return lines


def test_every_package_has_a_rank():
    packages = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert packages <= set(RANKS), f"give {packages - set(RANKS)} a place in the order of imports"


def each_file(check: Callable[[Path], None]) -> Callable[[], None]:
    """Return a test that checks every file; one test for each would take longer to begin than to do."""

    @functools.wraps(check)
    def test() -> None:
        found = files()
        assert len(found) > 100
        for path in found:
            check(path)

    del test.__wrapped__  # it takes no argument
    return test


@each_file
def test_imports_go_one_way(path: Path) -> None:
    module = module_of(path)
    unit, tree = unit_of(module), tree_of(path)
    if module == "alignkit":  # loads packages when they are asked for
        return
    hints = type_checking_imports(tree)
    for imported, line in imports(tree, module):
        target = unit_of(imported)
        if not imported.startswith("alignkit.") or target == unit or line in hints:
            continue
        allowed = rank_of(target) < rank_of(unit) or rank_of(target) == 0 or {unit, target} <= {"cli", "_cli"}
        assert allowed, f"{path}:{line}: {unit} may not import {imported}"


def module_level_imports(path: Path) -> Iterator[tuple[str, int]]:
    """Yield (dotted name, line) of what is imported as soon as a module is; names may be modules or what is in them."""
    module, tree = module_of(path), tree_of(path)
    hints = type_checking_imports(tree)
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for imported, line in imports(node, module):
                if line not in hints:
                    yield imported, line


@functools.cache
def loaded_with_packages() -> set[str]:
    """Return the modules that importing the packages loads, one way or another."""
    by_name = {module_of(path): path for path in files()}
    waiting = [name for name, path in by_name.items() if path.stem == "__init__" or name == "alignkit.cli"]
    loaded: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in by_name and name not in loaded:
            loaded.add(name)
            waiting += [imported for imported, _ in module_level_imports(by_name[name])]
    return loaded


@each_file
def test_heavy_packages_are_imported_inside_functions(path: Path) -> None:
    for imported, line in module_level_imports(path):
        root = imported.partition(".")[0]
        # networks, kernels and estimators are written in torch, numba and scikit-learn; such modules are imported
        # inside functions themselves
        late = root in ("torch", "numba", "sklearn") and module_of(path) not in loaded_with_packages()
        assert root not in HEAVY or late, f"{path}:{line}: import {imported} inside a function"


@each_file
def test_no_pickle(path: Path) -> None:
    tree = tree_of(path)
    for imported, line in imports(tree, module_of(path)):
        root = imported.partition(".")[0]
        assert root not in {"cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}, f"{path}:{line}: {root}"
    for node in ast.walk(tree):
        where = f"{path}:{getattr(node, 'lineno', 0)}"
        # catching the error of torch's restricted unpickler is all that the module may be used for
        if isinstance(node, ast.ImportFrom):
            assert node.module != "pickle", f"{where}: pickle can run code when it reads a file"
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pickle":
            assert node.attr == "UnpicklingError", f"{where}: pickle.{node.attr} can run code when it reads a file"
        elif isinstance(node, ast.Call):
            check_loader(node, where)


def check_loader(call: ast.Call, where: str) -> None:
    """Hold that whoever reads arrays or weights says that no pickle is run, with a constant."""
    safe = {"allow_pickle": "False", "weights_only": "True"}
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg in safe}
    for name, value in given.items():
        assert value == safe[name], f"{where}: {name} must be {safe[name]}"
    needed = {"np.load": "allow_pickle", "numpy.load": "allow_pickle", "torch.load": "weights_only"}
    name = ast.unparse(call.func)
    assert name not in needed or needed[name] in given, f"{where}: {name} needs {needed.get(name)}"


@functools.cache
def public_names() -> set[str]:
    """Return what the packages export."""
    names: set[str] = set()
    for path in PACKAGE.glob("*/__init__.py"):
        for node in tree_of(path).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                names |= set(ast.literal_eval(node.value))
    return names


def public_functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """Yield the exported functions of a module and the public methods of its exported classes."""
    exported = public_names()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in exported:
            yield node
        elif isinstance(node, ast.ClassDef) and node.name in exported:
            yield from (item for item in node.body if isinstance(item, ast.FunctionDef))


@each_file
def test_asserts_are_no_input_checks(path: Path) -> None:
    for function in public_functions(tree_of(path)):
        arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        own = {argument.arg for argument in arguments} - {"self", "cls"}
        for node in ast.walk(function):
            if isinstance(node, ast.Assert):
                used = {name.id for name in ast.walk(node.test) if isinstance(name, ast.Name)}
                assert not used & own, f"{path}:{node.lineno}: raise a sentence; python -O drops asserts"


@each_file
def test_nothing_is_left_to_be_done(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for word in ("TODO", "FIXME", "XXX", "NotImplementedError("):
        assert f"raise {word}" not in text, path
        assert word not in text or word.endswith("("), path


@pytest.mark.parametrize(
    "statement",
    [
        "import alignkit",
        "from alignkit.rsa import rdm",
        "import alignkit.data",
        "import alignkit.models",
        "import alignkit.score",
        "import alignkit.train; import alignkit.train.hba.config; alignkit.train.run",
        "import alignkit.cli",
        "import alignkit; alignkit.rsa.RDM([1.0, 2.0, 3.0])",
        "from alignkit.cli import main; main(['--help']); main(['rdm', 'nowhere.npy'])",
    ],
)
def test_light_imports_load_nothing_heavy(statement):
    code = f"import sys; {statement}; print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=PACKAGE.parent, timeout=60
    )
    assert done.returncode == 0, done.stderr
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert "alignkit" in loaded
    assert not loaded & HEAVY


def test_packages_appear_when_asked_for_and_unknown_names_do_not():
    assert alignkit.rsa.rdm is __import__("alignkit.rsa", fromlist=["rdm"]).rdm
    assert set(alignkit.__all__) == set(dir(alignkit))
    assert alignkit.__all__ == sorted(alignkit.__all__)
    with pytest.raises(AttributeError, match="module 'alignkit' has no attribute 'nothing'"):
        _ = alignkit.nothing
