"""The authors' lists: read from whatever Python wrote them, and from nobody who means harm."""

import os
import pickle
import re
import struct

import numpy as np
import pytest
from pickles import DTYPE, call, name, number, pickled, python_2_text, text, tuple_of

from dmgan_tf.errors import UserError
from dmgan_tf.interop.restricted_pickle import read_pickle

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
PLAIN = {
    "captions": [[1, 2, 300, 70_000], [], [-1, 2**31, -(2**70)]],
    "words": {0: "<end>", 1: "naïve", 2: 'it\'s "so"\n\\', 3: "鳥\ud83d", 4: "\r\n"},
    "rest": (None, True, False, 1.5, -1e300, b"", b"\x00\xff\n", (), (1,), (1, 2), (1, 2, 3, 4)),
    "keys": {True: 1, 2.5: 2, b"b": 3, None: 4, "x": {}},
}
NAMES = ["002.Laysan_Albatross/Laysan_Albatross_0002_1027", "a/b", "c"]
# A list as Python 2 wrote it: unicode, numbers of NumPy, at protocol 0.
PYTHON_2_NAMES = b"(lp0\n" + b"".join(
    b"V%s\np%d\na" % (entry.encode(), i) for i, entry in enumerate(NAMES, 1)
)
PYTHON_2_NAMES += b"."
PYTHON_2_CLASSES = (
    b"(lp0\ncnumpy.core.multiarray\nscalar\np1\n(cnumpy\ndtype\np2\n(S'i8'\np3\nI0\nI1\ntp4\nRp5\n"
    b"(I3\nS'<'\np6\nNNNI-1\nI-1\nI0\ntp7\nbS'\\x02\\x00\\x00\\x00\\x00\\x00\\x00\\x00'\np8\ntp9\n"
    b"Rp10\nag1\n(g5\nS'\\xc8\\x00\\x00\\x00\\x00\\x00\\x00\\x00'\np11\ntp12\nRp13\na."
)


@pytest.fixture
def reader():
    """What the tests of this file read with, and the name of the file."""
    return read_pickle, "list.pickle"


def crlf(content):
    return content.replace(b"\n", b"\r\n")


# --- what is read -------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_data_of_every_protocol_come_back(read, protocol):
    back = read(pickle.dumps(PLAIN, protocol))
    assert back == PLAIN
    assert [type(value) for value in back["rest"]] == [type(value) for value in PLAIN["rest"]]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_occurs_twice_is_read_once(read, protocol):
    row = [1, 2]
    first, second, third = read(pickle.dumps([row, row, {"row": row}], protocol))
    assert first is second is third["row"]


def test_lists_of_python_2_are_read(read):
    assert read(PYTHON_2_NAMES) == NAMES
    classes = read(PYTHON_2_CLASSES)
    assert classes == [2, 200]
    assert all(isinstance(value, np.int64) for value in classes)


@pytest.mark.parametrize(
    "content",
    [
        rb"S'r\xe9d \'\\\x00'" + b"\n.",
        rb'S"r\xe9d ' + rb"'\\\x00" + b'"\n.',
        b"\x80\x02" + python_2_text("réd '\\\0") + b".",
        b"\x80\x02T" + struct.pack("<i", 7) + "réd '\\\0".encode("latin-1") + b".",
    ],
)
def test_strings_of_python_2_become_text(read, content):
    assert read(content) == "réd '\\\0"


@pytest.mark.parametrize("core", ["numpy.core", "numpy._core"])
@pytest.mark.parametrize("protocol", range(4))
@pytest.mark.parametrize(
    "value",
    [
        np.int64(-3),
        np.float32(1.5),
        np.bool_(True),
        np.arange(6, dtype=np.int32).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array(7, ">u2"),
        np.zeros((0, 4), np.float16),
        np.array(["red", "bird"]),
        np.array([b"red", b"bird\xff"]),
        np.array([True, False]),
        np.array([1 + 2j]),
    ],
    ids=repr,
)
def test_numbers_and_arrays_of_numpy_come_back(read, value, protocol, core):
    content = pickle.dumps([value, value], protocol)
    content = content.replace(b"numpy._core", b"numpy.core").replace(b"numpy.core", core.encode())
    assert core.encode() in content
    back, again = read(content)
    assert back is again
    assert type(back) is type(value)
    assert (back.dtype, back.shape) == (value.dtype, value.shape)
    np.testing.assert_array_equal(back, value)


@pytest.mark.parametrize("protocol", [4, 5])
def test_arrays_of_later_protocols_come_back_to_be_written_to(read, protocol):
    value = [np.arange(6.0).reshape(2, 3), np.int64(3)]
    back = read(pickle.dumps(value, protocol))
    np.testing.assert_array_equal(back[0], value[0])
    assert back[1] == 3
    back[0][0] = 9


# --- line ends ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", [NAMES, PLAIN, [np.int64(200), np.arange(30)], list(range(3000)), "a", 13, []]
)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_line_ends_turned_into_cr_lf_are_turned_back(read, value, protocol):
    content = pickle.dumps(value, protocol)
    assert repr(read(crlf(content))) == repr(read(content))


def test_list_of_python_2_with_cr_lf_is_read(read):
    assert read(crlf(PYTHON_2_NAMES)) == NAMES
    assert read(crlf(PYTHON_2_CLASSES)) == [2, 200]


@pytest.mark.parametrize("value", [0x0A0D, [13, 10], "\r\n", b"\r\n", "a\r", [2573] * 3])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_cr_lf_that_belongs_to_the_data_stays(read, value, protocol):
    assert read(pickle.dumps(value, protocol)) == value


# --- what is refused ----------------------------------------------------------------------------


class Harmful:
    """Pickled as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_command_is_not_run_but_named(refusal, tmp_path, protocol):
    mark = tmp_path / "mark"
    message = refusal(pickle.dumps([1, Harmful(os.system, f"touch {mark}")], protocol))
    assert re.match(r"refused: names '(posix|nt)\.system'.* Nothing was run\.$", message)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (pickle.dumps(Harmful(eval, "1 / 0"), 4), "builtins.eval"),
        (pickle.dumps(Harmful(eval, "1 / 0"), 2), "__builtin__.eval"),
        (b"c__builtin__\neval\n(S'1 / 0'\ntR.", "__builtin__.eval"),
        (b"(S'1 / 0'\ni__builtin__\neval\n.", "__builtin__.eval"),
        (b"(c__builtin__\neval\nS'1 / 0'\no.", "__builtin__.eval"),
        (b"\x80\x02csubprocess\nPopen\n)\x81.", "subprocess.Popen"),
        (b"\x80\x04\x8c\x08builtins\x8c\x0bobject.open\x93.", "builtins.object.open"),
        (b"cnumpy\ndtype.__class__\n.", "numpy.dtype.__class__"),
        (b"cnumpy\r\ndtype\n.", "numpy\\r.dtype"),
        (b"cnumpy\nload\n(S'/etc/passwd'\ntR.", "numpy.load"),
        (b"ccollections\ndefaultdict\n.", "collections.defaultdict"),
    ],
)
def test_name_beyond_data_is_refused(refusal, content, named):
    assert f"refused: names '{named}'" in refusal(content)


@pytest.mark.parametrize(
    ("content", "instruction"),
    [
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"\x80\x02" + DTYPE + b")\x81.", "NEWOBJ"),
        (b"(" + DTYPE + b"o.", "OBJ"),
        (b"\x80\x04\x8f.", "EMPTY_SET"),
        (b"\x80\x05\x97.", "NEXT_BUFFER"),
        (b"\x00.", r"b'\x00'"),
    ],
)
def test_instruction_beyond_data_is_refused(refusal, content, instruction):
    assert f"is the pickle instruction {instruction}, which" in refusal(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"(inumpy\ndtype\n.", "refused: makes an object of numpy.dtype"),
        (b"Pid\n.", "refused: points at data outside the pickle"),
        (b"\x80\x02K\x01Q.", "refused: points at data outside the pickle"),
        (pickled(DTYPE, b"}b"), "refused: sets attributes of a Name"),
        (pickled(b"]}b"), "refused: sets attributes of a list"),
        (pickled(call(name("numpy", "ndarray"), number(3))), "refused: calls numpy.ndarray"),
        (
            pickled(call(name("_codecs", "encode"), text("a"), text("rot13"))),
            "refused: holds bytes in the encoding 'rot13'",
        ),
    ],
)
def test_permitted_names_do_no_more_than_they_should(refusal, content, reason):
    assert refusal(content).startswith(reason)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "value",
    [
        np.array([{"a": 1}], object),
        np.zeros(2, [("a", "f4"), ("b", "i4")]),
        np.zeros(2, "V3"),
        np.array(["2020-01-01"], "M8[D]"),
        np.dtype(object),
    ],
    ids=repr,
)
def test_arrays_of_anything_but_plain_values_are_refused(refusal, value, protocol):
    assert "refused: holds a NumPy dtype" in refusal(pickle.dumps(value, protocol))


def test_dtype_made_of_others_by_its_second_half_is_refused(refusal):
    parts = tuple_of(number(3), text("|"), b"N", tuple_of(text("a")), b"}", b"K\x08K\x04K\x1b")
    content = pickled(call(DTYPE, text("i8"), b"\x89\x88"), parts, b"b")
    assert refusal(content).startswith("refused: holds a NumPy dtype that isn't a plain one")


# --- what is damaged ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        PYTHON_2_NAMES,
        PYTHON_2_CLASSES,
        crlf(PYTHON_2_CLASSES),
        *(pickle.dumps([PLAIN["words"], np.arange(3)], protocol) for protocol in PROTOCOLS),
    ],
    ids=len,
)
def test_file_cut_off_anywhere_is_refused(refusal, content):
    for length in range(1, len(content)):
        assert refusal(content[:length]).startswith(("is cut off", "is damaged"))


def test_file_with_any_byte_changed_ends_in_a_value_or_a_user_error(read):
    rng = np.random.default_rng(0)
    sources = [PYTHON_2_CLASSES]
    sources += [pickle.dumps([PLAIN, np.arange(3), np.int64(3)], p) for p in PROTOCOLS]
    for _ in range(1000):
        content = bytearray(sources[rng.integers(len(sources))])
        for _ in range(rng.integers(1, 4)):
            content[rng.integers(len(content))] = rng.integers(256)
        try:
            read(bytes(content))
        except UserError as error:
            assert "\n" not in str(error)
            assert len(str(error)) < 600


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty."),
        (b"<!DOCTYPE html>\n", "refused: byte 0 is the pickle instruction b'<'"),
        (b"\x80\x63N.", "is damaged: pickle protocol 99 doesn't exist."),
        (b".", "is damaged before byte 1"),
        (b"a.", "is damaged before byte 1"),
        (b"K\x01K\x02a.", "is damaged before byte 5"),
        (b"K\x01K\x02K\x03s.", "is damaged before byte 7"),
        (b"e.", "is damaged before byte 1"),
        (b"(K\x01d.", "is damaged before byte 4"),
        (b"g7\n.", "is damaged before byte 3"),
        (b"Sno quotes\n.", "is damaged before byte 11"),
        (b"S'\n.", "is damaged before byte 3"),
        (b"X\x01\x00\x00\x00\xff.", "is damaged before byte 6"),
    ],
)
def test_damage_is_told_with_its_place(refusal, content, reason):
    assert refusal(content).startswith(reason)


def test_missing_file_and_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.pickle", tmp_path):
        with pytest.raises(UserError, match="cannot be read") as caught:
            read_pickle(path)
        assert str(caught.value).startswith(f"{path}: ")
