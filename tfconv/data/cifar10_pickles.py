"""The pickles of cifar-10-batches-py, read without running anything that they ask for.

A pickle is a program: it can import and call what it likes. Here it can name only what those files need to spell an
array, and even these names stand for plain records of this module, so that NumPy never sees unchecked values.
"""

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np

from tfconv.errors import InputError

__all__ = ["read_limited", "read_pickle"]

# What Python 2 and 3 write for dicts, lists, numbers, strings and arrays; not those that make objects in other ways, or
# of which such a file has no need.
_OPCODES = frozenset(
    "PROTO FRAME STOP MARK EMPTY_DICT EMPTY_LIST EMPTY_TUPLE APPEND APPENDS SETITEM SETITEMS TUPLE TUPLE1 TUPLE2 "
    "TUPLE3 BININT BININT1 BININT2 LONG1 NONE NEWTRUE NEWFALSE SHORT_BINSTRING BINSTRING BINUNICODE SHORT_BINUNICODE "
    "BINBYTES SHORT_BINBYTES GLOBAL STACK_GLOBAL REDUCE BUILD BINPUT LONG_BINPUT MEMOIZE BINGET LONG_BINGET".split()
)
_MOST_TUPLES = 100  # a million nested ones overflow the stack when they are hashed or freed
_REMEDY = "unpack the archive anew"


class _Dtype:
    def __init__(self, *arguments: Any) -> None:
        self.code = arguments[0] if arguments else None

    def __setstate__(self, state: Any) -> None:
        """Byte order and the like say nothing about bytes."""


class _Array:
    shape: Any = None
    dtype: Any = None
    fortran: Any = None
    content: Any = None

    def __init__(self, *arguments: Any) -> None:
        """What `_reconstruct` is handed; all comes with the state."""

    def __setstate__(self, state: Any) -> None:
        _, self.shape, self.dtype, self.fortran, self.content = state

    def checked(self) -> np.ndarray:
        code = self.dtype.code if isinstance(self.dtype, _Dtype) else None
        if code not in (b"u1", "u1") or self.fortran not in (False, 0) or not isinstance(self.content, bytes):
            raise pickle.UnpicklingError("an array that is not of uint8 in rows")
        return np.frombuffer(self.content, np.uint8).reshape(self.shape)


_NAMES: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,  # NumPy 2
    ("numpy", "ndarray"): None,  # only ever an argument of _reconstruct
    ("numpy", "dtype"): _Dtype,
}


class _Forbidden(Exception):
    pass


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NAMES:
            raise _Forbidden(f"{module}.{name}")
        return _NAMES[module, name]


def read_pickle(path: Path, most_bytes: int) -> dict[str, Any]:
    """Read a dict of strings, numbers, lists and uint8 arrays.

    Args:
        path: the file.
        most_bytes: a longer file is not even read.

    Returns:
        Keys as `str`; strings that Python 2 wrote as `bytes`.

    Raises:
        InputError: no file, too long a one, one that names anything else than those arrays do, or no such dict.
    """
    content = read_limited(path, most_bytes)
    try:
        _check_opcodes(content)
        value = _Unpickler(io.BytesIO(content), encoding="bytes").load()
        if not isinstance(value, dict):
            raise pickle.UnpicklingError(f"a {type(value).__name__} where a dict is expected")
        read = {key.decode() if isinstance(key, bytes) else str(key): item for key, item in value.items()}
        return {key: item.checked() if isinstance(item, _Array) else item for key, item in read.items()}
    except _Forbidden as error:
        raise InputError(
            f"{path} asks for {error}, which no file of CIFAR-10 needs and which was not run: do not trust this file, "
            f"{_REMEDY}"
        ) from None
    except Exception as error:  # a broken pickle can fail in any way
        raise InputError(
            f"{path} is no batch of CIFAR-10 ({str(error) or type(error).__name__:.100}); {_REMEDY}"
        ) from None


def read_limited(path: Path, most_bytes: int) -> bytes:
    """The content of a file.

    Raises:
        InputError: it is missing, cannot be read, or is longer than `most_bytes`.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(most_bytes + 1)
    except FileNotFoundError:
        raise InputError(f"{path} is missing; {_REMEDY}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check its permissions") from None
    if len(content) > most_bytes:
        raise InputError(f"{path} has more than {most_bytes:,} bytes, which no file of CIFAR-10 has; {_REMEDY}")
    return content


def _check_opcodes(content: bytes) -> None:
    """Refuse unknown instructions, and those that take memory or stack out of proportion to the file."""
    count = tuples = 0
    for opcode, argument, _ in pickletools.genops(content):
        count += 1
        tuples += opcode.name.startswith("TUPLE")
        if opcode.name not in _OPCODES:
            raise pickle.UnpicklingError(f"the instruction {opcode.name}")
        if tuples > _MOST_TUPLES or (opcode.name in ("BINPUT", "LONG_BINPUT") and int(argument or 0) > count):
            raise pickle.UnpicklingError(f"the instruction {opcode.name} too often or out of range")
