"""What can be told of a piece of Python that is not run: imports, attributes, and the arguments of calls."""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
from typing import Any, get_type_hints

#: Stands for what cannot be known without running.
UNKNOWN = object()


def check_python(code: str, where: str, names: dict[str, Any]) -> None:
    """Hold that a piece of code compiles, imports what exists, and calls it with arguments that it takes.

    Parameters
    ----------
    code : str
        The code.
    where : str
        For messages.
    names : dict
        What earlier pieces of the same page made known, by name; this piece's names are added. Types stand for
        objects of them.
    """
    _Checker(where, names).visit(ast.parse(code, filename=where))


class _Object:
    """An object of a known type."""

    def __init__(self, cls: type) -> None:
        self.cls = cls


class _Checker(ast.NodeVisitor):
    def __init__(self, where: str, names: dict[str, Any]) -> None:
        self.where, self.names = where, names

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            module = _imported(alias.name)
            self.names[alias.asname or alias.name.partition(".")[0]] = module if alias.asname else _root(module, alias)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = _imported(node.module or "")
        for alias in node.names:
            known = UNKNOWN if module is UNKNOWN else getattr(module, alias.name, None)
            if known is None:
                known = _imported(f"{node.module}.{alias.name}")
            self.names[alias.asname or alias.name] = known

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            for name in ast.walk(target):
                if isinstance(name, ast.Name):
                    self.names[name.id] = self.kind(node.value) if name is target else UNKNOWN

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        function = self.kind(node.func)
        if not callable(function) or not str(getattr(function, "__module__", "")).startswith("alignkit"):
            return
        keywords = [keyword.arg for keyword in node.keywords]
        if None in keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
            _has_keywords(function, [keyword for keyword in keywords if keyword], f"{self.where}: {ast.unparse(node)}")
            return
        try:
            signature = inspect.signature(function)
            method = isinstance(node.func, ast.Attribute) and isinstance(self.kind(node.func.value), _Object)
            own = [None] if method and not isinstance(function, type) else []
            signature.bind(*own, *node.args, **dict.fromkeys(keyword for keyword in keywords if keyword))
        except TypeError as error:
            msg = f"{self.where}: {ast.unparse(node)}: {error}"
            raise AssertionError(msg) from error

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.generic_visit(node)
        self.kind(node)

    def kind(self, node: ast.expr) -> Any:
        """Return what an expression is, as far as that is known: an object, an :class:`_Object`, or UNKNOWN."""
        if isinstance(node, ast.Name):
            return self.names.get(node.id, getattr(builtins, node.id, UNKNOWN))
        if isinstance(node, ast.Attribute):
            return self.attribute(self.kind(node.value), node)
        if isinstance(node, ast.Call):
            return _returned(self.kind(node.func))
        return UNKNOWN

    def attribute(self, owner: Any, node: ast.Attribute) -> Any:
        if owner is UNKNOWN:
            return UNKNOWN
        if isinstance(owner, _Object):
            names = {field for cls in owner.cls.__mro__ for field in getattr(cls, "__annotations__", ())}
            assert hasattr(owner.cls, node.attr) or node.attr in names, (
                f"{self.where}: {owner.cls.__name__} has no {node.attr}"
            )
            found = inspect.getattr_static(owner.cls, node.attr, UNKNOWN)
            if isinstance(found, property) and found.fget is not None:
                return _returned(found.fget)
            return getattr(owner.cls, node.attr) if inspect.isroutine(found) else UNKNOWN
        found = getattr(owner, node.attr, UNKNOWN)
        assert found is not UNKNOWN or not inspect.ismodule(owner), f"{self.where}: no {ast.unparse(node)}"
        return found


def _has_keywords(function: Any, keywords: list[str], where: str) -> None:
    parameters = inspect.signature(function).parameters
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        assert set(keywords) <= set(parameters), where


def _imported(name: str) -> Any:
    """Return a module; what is not installed is not known, what alignkit does not have is an error."""
    try:
        return importlib.import_module(name)
    except ImportError:
        if name.partition(".")[0] == "alignkit":
            raise
        return UNKNOWN


def _root(module: Any, alias: ast.alias) -> Any:
    return UNKNOWN if module is UNKNOWN else importlib.import_module(alias.name.partition(".")[0])


def _returned(function: Any) -> Any:
    """Return an object of the class that a function of alignkit returns by its annotation, or UNKNOWN."""
    if not str(getattr(function, "__module__", "")).startswith("alignkit"):
        return UNKNOWN
    if isinstance(function, type):
        return _Object(function)
    try:
        hint = get_type_hints(function).get("return")
    except (NameError, TypeError, AttributeError):
        return UNKNOWN
    known = isinstance(hint, type) and hint.__module__.startswith("alignkit")
    return _Object(hint) if known else UNKNOWN  # type: ignore[arg-type]
