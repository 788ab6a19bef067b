"""Numbers, texts and arrays out of pickles, whose instructions are read but never followed.

A pickle is a program: Python's own reader imports and calls whatever it names. Here its instructions are walked
through with the standard library's disassembler, which runs nothing, and the few that build plain values and numpy
arrays are done by hand. Whatever else a pickle asks for is refused.
"""

from __future__ import annotations

import dataclasses
import pickletools
import re
from collections.abc import Callable
from typing import IO, Any

import numpy as np

from alignkit._check import shown
from alignkit._io import MAX_BYTES
from alignkit._typing import AnyArray

#: Instructions and values of one file, at most: a few lists that hold each other unfold without end.
MOST = 500_000
_DEEPEST = 8
_MARK = object()
_DTYPE = re.compile(r"b1|[iu][1248]|f[248]|[SU]\d{1,6}|O8?")
_CORE = re.compile(r"numpy\.(_?core)\.(multiarray|numeric)")
_PLAIN = {"numpy.ndarray", "numpy.dtype", "_codecs.encode", "__builtin__.bytes"}


@dataclasses.dataclass(frozen=True, slots=True)
class _Name:
    """Something that a pickle would import, by its full name."""

    full: str


@dataclasses.dataclass(slots=True, eq=False)
class _Dtype:
    code: str
    order: Any = "="

    def numpy(self) -> np.dtype[Any]:
        return np.dtype(self.code).newbyteorder(self.order if self.order in ("<", ">") else "=")


@dataclasses.dataclass(slots=True, eq=False)
class _Array:
    """An array to come: numbers, or a list of objects with its shape."""

    values: AnyArray | list[Any] | None = None


def read_plain_pickle(file: IO[bytes], *, most: int = MOST) -> Any:
    """Return what the pickle at the file's position holds: dicts, lists, tuples, texts, bytes, numbers and arrays.

    Arrays of objects come as flat lists, one of a single object as that object. Files of more than ``most``
    instructions or values are refused.

    Raises
    ------
    ValueError
        A pickle that asks for anything else, or a damaged one.
    """
    machine = _Machine()
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            if count > most:
                msg = f"it has more than {most:,} instructions"
                raise ValueError(msg)
            if opcode.name == "STOP":
                return _Unfolding(most).plain(machine.stack.pop())
            machine.do(opcode.name, argument)
    except (IndexError, KeyError, TypeError, AttributeError, OverflowError, UnicodeError, MemoryError) as error:
        msg = f"it is damaged ({type(error).__name__}: {shown(str(error))})"
        raise ValueError(msg) from error
    msg = "it is truncated"
    raise ValueError(msg)


class _Machine:
    """The values on the stack, and those kept for later."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def do(self, name: str, argument: Any) -> None:
        """Follow one instruction that builds plain values, or raise."""
        if name in _VALUES:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in _STEPS:
            _STEPS[name](self, argument)
        elif name not in ("PROTO", "FRAME"):
            msg = f"it asks for more than plain values (instruction {name})"
            raise ValueError(msg)

    def since_mark(self) -> list[Any]:
        """Take what lies above the last mark."""
        start = len(self.stack) - 1
        while self.stack[start] is not _MARK:
            start -= 1
            if start < 0:
                msg = "it is damaged (a mark is missing)"
                raise ValueError(msg)
        taken = self.stack[start + 1 :]
        del self.stack[start:]
        return taken

    def put(self, number: Any) -> None:
        """Keep the top of the stack."""
        self.memo[len(self.memo) if number is None else int(number)] = self.stack[-1]

    def tuple_of(self, n: int) -> None:
        """Turn the top values into a tuple."""
        values = tuple(self.stack[len(self.stack) - n :])
        del self.stack[len(self.stack) - n :]
        self.stack.append(values)

    def extend(self, values: list[Any]) -> None:
        """Append values to the list at the top."""
        _of_type(self.stack[-1], list).extend(values)

    def update(self, values: list[Any]) -> None:
        """Add keys and values in turn to the dict at the top."""
        target = _of_type(self.stack[-1], dict)
        for key, value in zip(values[::2], values[1::2], strict=True):
            target[_of_type(key, (str, int, bytes))] = value

    def reduce(self) -> None:
        """Make the array, dtype, number or bytes that a call stands for."""
        arguments = _of_type(self.stack.pop(), tuple)
        self.stack.append(_called(_of_type(self.stack.pop(), _Name).full, arguments))

    def build(self) -> None:
        """Give the array or dtype at the top its contents."""
        state = _of_type(self.stack.pop(), tuple)
        target = self.stack[-1]
        if isinstance(target, _Dtype):
            target.order = _of_type(state[1], str)
        else:
            _, shape, dtype, fortran, content = state[-5:]
            _of_type(target, _Array).values = _filled(shape, _of_type(dtype, _Dtype), content, "F" if fortran else "C")


def _of_type(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind):
        msg = f"it is damaged, or asks for more than plain values ({shown(value, 40)})"
        raise ValueError(msg)
    return value


def _named(module: str, name: str) -> _Name:
    full = f"{module}.{name}"
    core = _CORE.fullmatch(module) and name in ("_reconstruct", "scalar", "_frombuffer")
    if not core and full not in _PLAIN:
        msg = f"it asks for {shown(full, 60)}, which could run code"
        raise ValueError(msg)
    return _Name(f"numpy.{name}" if core else full)


def _called(full: str, arguments: tuple[Any, ...]) -> Any:
    if full == "numpy._reconstruct":
        return _Array()
    if full == "numpy._frombuffer":
        content, dtype, shape, order = arguments
        return _Array(_filled(shape, _of_type(dtype, _Dtype), content, "F" if order == "F" else "C"))
    if full == "numpy.scalar":
        dtype, content = arguments
        return _filled((1,), _of_type(dtype, _Dtype), content, "C")[0]
    if full == "numpy.dtype":
        if not _DTYPE.fullmatch(_of_type(arguments[0], str)):
            msg = f"it holds values of the dtype {shown(arguments[0], 40)}"
            raise ValueError(msg)
        return _Dtype(arguments[0])
    if full == "_codecs.encode" and arguments[1] in ("latin1", "latin-1"):
        return _of_type(arguments[0], str).encode("latin-1")
    if full == "__builtin__.bytes" and not arguments:  # none at all, in old protocols
        return b""
    msg = f"it asks for {full}{shown(arguments, 40)}, which is no plain value"
    raise ValueError(msg)


def _filled(shape: Any, dtype: _Dtype, content: Any, order: Any) -> Any:
    """Return an array over the bytes that a pickle holds (read-only, no copy), or its list of objects."""
    sizes = tuple(_of_type(size, int) for size in _of_type(shape, tuple))
    if dtype.code.startswith("O"):
        return list(_of_type(content, list))
    return np.frombuffer(_of_type(content, (bytes, bytearray)), dtype.numpy()).reshape(sizes, order=order)


class _Unfolding:
    """Values without what stood for arrays to come."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = self._bytes = 0

    def plain(self, value: Any, depth: int = 0) -> Any:
        self._count += 1
        if depth > _DEEPEST or self._count > self._most:
            msg = "its lists and dicts lie too deep within each other"
            raise ValueError(msg)
        value = self._filled(value)
        # the same array in a thousand places is a thousand arrays, once those are joined
        self._bytes += value.nbytes if isinstance(value, np.ndarray) else 4 * len(value) if _is_text(value) else 0
        if self._bytes > MAX_BYTES:
            msg = f"it unfolds to more than the {MAX_BYTES / 2**30:g} GiB allowed"
            raise ValueError(msg)
        if isinstance(value, dict):
            return {key: self.plain(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.plain(item, depth + 1) for item in value)
        return value

    def _filled(self, value: Any, depth: int = 0) -> Any:
        """Return what an array to come has become, or raise where a value is none."""
        if isinstance(value, _Array):
            if value.values is None:
                msg = "it is damaged (an array without contents)"
                raise ValueError(msg)
            single = isinstance(value.values, list) and len(value.values) == 1 and depth <= _DEEPEST
            return self._filled(value.values[0], depth + 1) if single else value.values
        if isinstance(value, _Name | _Dtype) or value is _MARK:
            msg = "it asks for more than plain values"
            raise ValueError(msg)
        return value


def _is_text(value: object) -> bool:
    return isinstance(value, str | bytes | bytearray)


#: Instructions whose argument is a value.
_VALUES = frozenset(
    {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
    | {"STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
    | {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"}
)
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "MARK": lambda: _MARK,
}


def _stack_global(machine: _Machine, _: Any) -> None:
    name, module = _of_type(machine.stack.pop(), str), _of_type(machine.stack.pop(), str)
    machine.stack.append(_named(module, name))


def _append(machine: _Machine, _: Any) -> None:
    value = machine.stack.pop()
    machine.extend([value])


def _set_item(machine: _Machine, _: Any) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    machine.update([key, value])


def _dict_of(machine: _Machine, _: Any) -> None:
    values = machine.since_mark()
    machine.stack.append({})
    machine.update(values)


_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    "PUT": lambda machine, number: machine.put(number),
    "BINPUT": lambda machine, number: machine.put(number),
    "LONG_BINPUT": lambda machine, number: machine.put(number),
    "MEMOIZE": lambda machine, _: machine.put(None),
    "GET": lambda machine, number: machine.stack.append(machine.memo[int(number)]),
    "BINGET": lambda machine, number: machine.stack.append(machine.memo[number]),
    "LONG_BINGET": lambda machine, number: machine.stack.append(machine.memo[number]),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.since_mark())),
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "LIST": lambda machine, _: machine.stack.append(machine.since_mark()),
    "DICT": _dict_of,
    "APPEND": _append,
    "APPENDS": lambda machine, _: machine.extend(machine.since_mark()),
    "SETITEM": _set_item,
    "SETITEMS": lambda machine, _: machine.update(machine.since_mark()),
    "GLOBAL": lambda machine, names: machine.stack.append(_named(*names.split(" ", 1))),
    "STACK_GLOBAL": _stack_global,
    "REDUCE": lambda machine, _: machine.reduce(),
    "BUILD": lambda machine, _: machine.build(),
}
