"""The part of Python's pickle language that data need, as a machine that runs nobody's code.

Numbers, text, bytes, lists, tuples and dictionaries come out as they are. Anything else comes from
a table of names that the caller gives; a name that isn't in it is refused before it is looked at,
and so is every instruction that makes objects in another way.
"""

import pickle
import pickletools
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from dmgan_tf.interop.pickle_bytes import COUNTED, LINES, NUMBERS, FormatError, PickleBytes

# COCO's captions take about 15 million. It bounds the memory that a small file can ask for.
_MOST_INSTRUCTIONS = 2**25
# What constructors may make, in bytes for each of the file: an honest one stays below 2.
_MOST_MADE = 4
_ELEMENT_BYTES = 8
_MOST_KEY = 2**32  # among larger numbers there are as many of one hash as anybody likes
_NEWEST_PROTOCOL = 5
_DAMAGE = (LookupError, TypeError, ValueError, AttributeError, OverflowError, struct.error)
_INSTRUCTION_NAMES = {
    instruction.code.encode("latin-1"): instruction.name for instruction in pickletools.opcodes
}


@dataclass(frozen=True, slots=True)
class Name:
    """A permitted name on the machine's stack, with what the caller's table holds for it."""

    text: str
    meaning: object


@dataclass(eq=False, slots=True)
class Unfinished:
    """What a constructor gives when a second instruction of the pickle brings its contents."""

    finish: Callable[[object], object]
    memo_key: int | None = None


class PickleMachine:
    """Reads pickles of protocol 0 to 5, one after another; strings of Python 2 become Latin-1 text.

    Args:
        content: bytes that hold the pickles.
        names: what `module.name` stands for: a constructor, or anything else where the name is
            never called. A constructor checks its arguments, as they come from the file, and does
            no more than look at each argument and each element of one: so much is paid for.
        persistent: function of a persistent id (PyTorch's storages), or None to refuse them.
    """

    def __init__(
        self,
        content: bytes,
        names: Mapping[str, object],
        persistent: Callable[[object], object] | None = None,
    ):
        self._bytes = PickleBytes(content)
        self._budget = _MOST_MADE * len(content)
        self._names = names
        self._persistent = persistent
        self._clear()

    @property
    def position(self) -> int:
        """The first byte that isn't read yet."""
        return self._bytes.position

    def load(self) -> object:
        """Runs the pickle that begins at `position` to its end; its last value.

        Raises: FormatError: when it is cut off or damaged, or holds what is refused.
        """
        self._clear()
        try:
            for _ in range(_MOST_INSTRUCTIONS):
                instruction = self._bytes.take(1)
                if instruction == pickle.STOP:
                    return self._result()
                run = _INSTRUCTIONS.get(instruction)
                if run is None:
                    name = _INSTRUCTION_NAMES.get(instruction, repr(instruction))
                    raise FormatError(
                        f"refused: byte {self.position - 1} is the pickle instruction {name}, "
                        "which plain data don't need."
                    )
                run(self)
        except FormatError:
            raise
        except _DAMAGE as error:
            reason = f"{type(error).__name__}: {str(error)[:100]}"
            raise FormatError(f"is damaged before byte {self.position} ({reason}).") from error
        raise FormatError(f"refused: has more than {_MOST_INSTRUCTIONS:,} pickle instructions.")

    def _clear(self) -> None:
        self._stack: list = []
        self._marks: list[int] = []
        self._memo: dict[int, object] = {}
        self._unfinished = 0

    def _result(self):
        if self._unfinished:
            raise FormatError("is damaged: holds an array without contents.")
        return self._stack.pop()

    # --- the stack ------------------------------------------------------------------------------

    def _push(self, value):
        self._stack.append(value)

    def _push_mark(self):
        self._marks.append(len(self._stack))

    def _since_mark(self):
        mark = self._marks.pop()
        items = self._stack[mark:]
        del self._stack[mark:]
        return items

    def _push_tuple(self, count):
        items = [self._stack.pop() for _ in range(count)]
        self._push(tuple(reversed(items)))

    def _put(self, key):
        if not 0 <= key < _MOST_KEY:
            raise ValueError("a number of the memo beyond 32 bits")
        value = self._stack[-1]
        if isinstance(value, Unfinished):
            value.memo_key = key
        self._memo[key] = value

    def _extend(self, items):
        if not isinstance(self._stack[-1], list):
            raise TypeError("no list to append to")
        self._stack[-1].extend(items)

    def _update(self, items):
        if not isinstance(self._stack[-1], dict):
            raise TypeError("no dictionary to fill")
        for key, value in zip(items[::2], items[1::2], strict=True):
            _check_key(key)
            self._stack[-1][key] = value

    # --- names ----------------------------------------------------------------------------------

    def _push_name(self, module, name):
        text = f"{module}.{name}"
        if text not in self._names:
            raise FormatError(
                f"refused: names {text[:200]!r}, which the data of such a file don't need. "
                "Nothing was run."
            )
        self._push(Name(text, self._names[text]))

    def _push_name_of_lines(self):
        self._push_name(self._bytes.line().decode("ascii"), self._bytes.line().decode("ascii"))

    def _refuse_instance(self):
        self._push_name_of_lines()
        raise FormatError(f"refused: makes an object of {self._stack[-1].text}.")

    def _push_name_of_stack(self):
        name, module = self._stack.pop(), self._stack.pop()
        if not isinstance(module, str) or not isinstance(name, str):
            raise TypeError("a name that is no text")
        self._push_name(module, name)

    def _pay(self, parts):
        """Pays for what a constructor makes of these, which a file may name again and again."""
        self._budget -= sum(map(_bytes_of, (parts, *parts)))
        if self._budget < 0:
            raise FormatError(
                f"refused: before byte {self.position} it makes more than {_MOST_MADE} times its "
                "size out of what it names again and again."
            )

    def _call(self):
        arguments, name = self._stack.pop(), self._stack.pop()
        if not isinstance(name, Name) or not callable(name.meaning):
            what = name.text if isinstance(name, Name) else type(name).__name__
            raise FormatError(f"refused: calls {what}. Nothing was run.")
        if not isinstance(arguments, tuple):
            raise TypeError("arguments that are no tuple")
        self._pay(arguments)
        value = name.meaning(*arguments)
        self._unfinished += isinstance(value, Unfinished)
        self._push(value)

    def _build(self):
        state, value = self._stack.pop(), self._stack[-1]
        if isinstance(value, Unfinished):
            self._pay(state if isinstance(state, tuple) else (state,))
            self._stack[-1] = value.finish(state)
            self._unfinished -= 1
            if value.memo_key is not None:
                self._memo[value.memo_key] = self._stack[-1]
        elif not isinstance(value, dict):  # a dictionary's own attributes are left out
            raise FormatError(f"refused: sets attributes of a {type(value).__name__}.")

    def _push_persistent(self, key):
        if self._persistent is None:
            raise FormatError("refused: points at data outside the pickle.")
        self._pay(key if isinstance(key, tuple) else (key,))
        self._push(self._persistent(key))


def _check_key(key):
    """A nested tuple would hash for ever, and so would numbers that share a hash collide."""
    if isinstance(key, int | float | np.integer | np.floating):
        if not -_MOST_KEY < key < _MOST_KEY:
            raise ValueError("a number beyond 32 bits as the key of a dictionary")
    elif not isinstance(key, str | bytes | np.bool_ | None):
        raise TypeError(f"a {type(key).__name__} as the key of a dictionary")


def _bytes_of(value):
    if isinstance(value, str | bytes):
        return len(value)
    return _ELEMENT_BYTES * len(value) if isinstance(value, list | tuple | dict) else 0


def _instructions() -> dict[bytes, Callable[["PickleMachine"], object]]:
    """Every instruction that the machine knows, with what it does to the machine."""
    m = PickleMachine
    table: dict[bytes, Callable[[PickleMachine], object]] = {
        pickle.PROTO: _check_protocol,
        pickle.FRAME: lambda self: self._bytes.take(8),
        pickle.MARK: m._push_mark,
        pickle.POP: lambda self: self._stack.pop(),
        pickle.POP_MARK: m._since_mark,
        pickle.DUP: lambda self: self._push(self._stack[-1]),
        pickle.NONE: lambda self: self._push(None),
        pickle.NEWTRUE: lambda self: self._push(True),
        pickle.NEWFALSE: lambda self: self._push(False),
        pickle.EMPTY_LIST: lambda self: self._push([]),
        pickle.EMPTY_DICT: lambda self: self._push({}),
        pickle.EMPTY_TUPLE: lambda self: self._push(()),
        pickle.LIST: lambda self: self._push(self._since_mark()),
        pickle.TUPLE: lambda self: self._push(tuple(self._since_mark())),
        pickle.TUPLE1: lambda self: self._push_tuple(1),
        pickle.TUPLE2: lambda self: self._push_tuple(2),
        pickle.TUPLE3: lambda self: self._push_tuple(3),
        pickle.DICT: _push_dictionary,
        pickle.APPEND: lambda self: self._extend([self._stack.pop()]),
        pickle.APPENDS: lambda self: self._extend(self._since_mark()),
        pickle.SETITEM: lambda self: self._update([self._stack.pop(), self._stack.pop()][::-1]),
        pickle.SETITEMS: lambda self: self._update(self._since_mark()),
        pickle.PUT: lambda self: self._put(int(self._bytes.line())),
        pickle.BINPUT: lambda self: self._put(self._bytes.number("<B")),
        pickle.LONG_BINPUT: lambda self: self._put(self._bytes.number("<I")),
        pickle.MEMOIZE: lambda self: self._put(len(self._memo)),
        pickle.GET: lambda self: self._push(self._memo[int(self._bytes.line())]),
        pickle.BINGET: lambda self: self._push(self._memo[self._bytes.number("<B")]),
        pickle.LONG_BINGET: lambda self: self._push(self._memo[self._bytes.number("<I")]),
        pickle.GLOBAL: m._push_name_of_lines,
        pickle.STACK_GLOBAL: m._push_name_of_stack,
        pickle.INST: m._refuse_instance,
        pickle.REDUCE: m._call,
        pickle.BUILD: m._build,
        pickle.PERSID: lambda self: self._push_persistent(self._bytes.line().decode("ascii")),
        pickle.BINPERSID: lambda self: self._push_persistent(self._stack.pop()),
    }
    table |= {instruction: _pushes_number(form) for instruction, form in NUMBERS.items()}
    table |= {instruction: _pushes_line(decode) for instruction, decode in LINES.items()}
    return table | {instruction: _pushes_counted(*how) for instruction, how in COUNTED.items()}


def _pushes_number(form):
    return lambda machine: machine._push(machine._bytes.number(form))


def _pushes_line(decode):
    return lambda machine: machine._push(decode(machine._bytes.line()))


def _pushes_counted(form, decode):
    return lambda machine: machine._push(decode(machine._bytes.take(machine._bytes.number(form))))


def _check_protocol(machine):
    protocol = machine._bytes.number("<B")
    if protocol > _NEWEST_PROTOCOL:
        raise FormatError(f"is damaged: pickle protocol {protocol} doesn't exist.")


def _push_dictionary(machine):
    items = machine._since_mark()
    machine._push({})
    machine._update(items)


_INSTRUCTIONS = _instructions()
