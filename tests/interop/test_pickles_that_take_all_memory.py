"""Pickles of a few bytes that would take all memory, or for ever."""

import pickle
import time
import tracemalloc

import numpy as np
import pytest
from pickles import DTYPE, LITTLE, call, long, name, number, pickled, text, tuple_of

from dmgan_tf.interop import pickle_machine
from dmgan_tf.interop.restricted_pickle import read_pickle


@pytest.fixture
def reader():
    """What the tests of this file read with, and the name of the file."""
    return read_pickle, "list.pickle"


def array(shape, data, dtype="f8"):
    made = call(DTYPE, text(dtype), b"\x89\x88") + LITTLE
    reconstruct = name("numpy.core.multiarray", "_reconstruct")
    empty = call(reconstruct, name("numpy", "ndarray"), tuple_of(number(0)), text("b"))
    return pickled(empty, tuple_of(number(1), shape, made, b"\x89", data), b"b")


def test_array_made_by_hand_is_read(read):
    content = array(tuple_of(number(2)), text("\0" * 16))
    np.testing.assert_array_equal(read(content), np.zeros(2))


@pytest.mark.parametrize(
    "content",
    [
        array(tuple_of(number(2**40)), text("\0" * 16)),
        array(tuple_of(number(2**40), number(2**40)), text("")),
        array(tuple_of(number(-2), number(-1)), text("\0" * 16)),
        array(tuple_of(number(0), number(2**62)), text("")),
        array(tuple_of(), text(""), "S0"),
        array(tuple_of(), text(""), "U999999"),
        array(tuple_of(b"]"), text("")),
        array(b"]", b"]"),
        array(b"N", text("")),
        b"\x80\x02" + b"r\xff\xff\xff\x7f.",
        b"\x80\x02" + b"j\xff\xff\xff\x7f.",
        b"\x80\x02X\xff\xff\xff\x7fa.",
        b"\x80\x04\x8e" + b"\xff" * 8 + b".",
        b"\x80\x04\x8d" + b"\xff" * 7 + b"\x0fa.",
        b"\x80\x04\x95" + b"\xff" * 8 + b".",
        b"\x80\x05\x96" + b"\xff" * 7 + b"\x0fa.",
        b"\x80\x02T\xff\xff\xff\xffa.",
        b"\x80\x02}" + b")" + b"2\x86" * 60 + b"K\x01s.",  # a key that takes 2⁶⁰ steps to hash
        b"L" + b"9" * 5000 + b"L\n.",
        b"I" + b"9" * 5000 + b"\n.",
        b"p" + b"9" * 5000 + b"\n.",
    ],
)
def test_more_than_the_file_holds_is_damage(refusal, content):
    assert refusal(content).startswith(("is damaged", "is cut off", "refused: holds a NumPy"))


def test_memory_key_of_any_size_costs_nothing(read):
    assert read(b"\x80\x02K\x05r\xff\xff\xff\xffj\xff\xff\xff\xff.") == 5


def test_deep_nesting_is_no_hindrance(read):
    value = read(b"]" * 200_000 + b"a" * 199_999 + b".")
    assert len(value) == 1


def test_name_that_is_a_nest_of_lists_is_not_printed(refusal):
    nest = b"K\x01" + b"2\x86" * 60  # a pair of a pair of …, 2⁶⁰ of them
    assert refusal(b"\x80\x04" + nest + nest + b"\x93.").startswith("is damaged")
    content = pickled(call(DTYPE, nest))
    assert refusal(content) == "refused: holds a NumPy dtype of type tuple, not a plain one."


# --- the same parts named again and again ---------------------------------------------------------

FIRST = text("a" * 100_000) + b"q\1"


@pytest.mark.parametrize(
    ("made", "again"),
    [
        (b"N", call(name("_codecs", "encode"), b"h\1", text("latin1"))),
        (
            call(DTYPE, text("u1"), b"\x89\x88") + LITTLE,
            call(
                name("numpy.core.numeric", "_frombuffer"),
                *(b"h\1", b"h\2", tuple_of(number(100_000)), text("C")),
            ),
        ),
        (
            call(DTYPE, text("U25000"), b"\x89\x88") + LITTLE,
            call(name("numpy.core.multiarray", "scalar"), b"h\2", b"h\1"),
        ),
    ],
    ids=["bytes", "array", "scalar"],
)
def test_part_that_is_named_again_and_again_is_paid_for_each_time(refusal, made, again):
    content = pickled(FIRST, made, b"q\2(", again * 1000, b"l")
    tracemalloc.start()
    message = refusal(content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert message.startswith("refused: before byte")
    assert peak < 20 * len(content)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_honest_numbers_and_arrays_cost_less_than_half_of_what_is_refused(
    read, monkeypatch, protocol
):
    monkeypatch.setattr(pickle_machine, "_MOST_MADE", 2)
    values = [np.int8(i) for i in range(100)] + [np.zeros(i % 3) for i in range(100)]
    assert len(read(pickle.dumps(values, protocol))) == 200


def test_array_of_more_axes_than_numpy_has_costs_nothing(refusal):
    size = long(2**2000 + 1) + b"q\1"
    begin = time.process_time()
    assert "at most 32 axes" in refusal(array(tuple_of(size, b"h\1" * 900), text("")))
    assert time.process_time() - begin < 0.5


@pytest.mark.parametrize(
    "key", [2**61 - 1, -(2**32), 2.0**61, np.uint64(2**61), np.nan, np.complex128(1j)]
)
def test_keys_among_which_many_have_one_hash_are_refused(refusal, key):
    assert refusal(pickle.dumps({key: 1}, 2)).startswith("is damaged")


def test_numbers_of_the_memo_stay_below_those_of_one_hash(refusal):
    assert "beyond 32 bits" in refusal(b"K\1p%d\n." % (2**61 - 1))
