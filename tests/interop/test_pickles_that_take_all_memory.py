"""Pickles of a few bytes that would take all memory, or for ever."""

import numpy as np
import pytest
from pickles import DTYPE, LITTLE, call, name, number, pickled, text, tuple_of

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
