"""`.pth` files: both formats, whatever PyTorch puts into them, and nothing else."""

import os
import pickle
import re
import struct

import numpy as np
import pytest
from pickles import (
    ALL,
    MAGIC,
    ROW,
    VERSION,
    call,
    dictionary,
    long,
    name,
    number,
    numbers,
    old_file,
    one,
    part,
    python_2_text,
    storage,
    system,
    tensor,
    text,
    tuple_of,
    view,
    whole,
    zip_file,
)

from dmgan_tf.interop.torch_file import read_state_dict

FORMATS = pytest.mark.parametrize("file", [old_file, zip_file])


@pytest.fixture
def reader():
    """What the tests of this file read with, and the name of the file."""
    return read_state_dict, "net.pth"


# --- what is read -------------------------------------------------------------------------------


@FORMATS
@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "i8", "i4", "u1", "?"])
def test_every_type_of_storage_is_read(read, file, dtype):
    array = np.array([[0, 1, 2], [3, 4, 5]], dtype)
    (back,) = read(file(one(whole(array)), {"0": array})).values()
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


@FORMATS
def test_bfloat16_becomes_float32(read, file):
    values = np.array([1.0, -2.5, 3e38, np.inf, 0.0], np.float32)
    bits = (values.view(np.uint32) >> 16).astype(np.uint16)
    tree = one(tensor(storage("0", "BFloat16", 5), [5], [1]))
    back = read(file(tree, {"0": bits}))["w"]
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, (bits.astype(np.uint32) << 16).view(np.float32))


@FORMATS
def test_names_keep_their_order(read, file):
    arrays = {str(i): np.float32([i]) for i in (5, 3, 11)}
    tree = dictionary({f"layer.{k}": whole(a, k) for k, a in arrays.items()})
    back = read(file(tree, arrays))
    assert list(back) == ["layer.5", "layer.3", "layer.11"]
    assert [float(a[0]) for a in back.values()] == [5, 3, 11]


@FORMATS
@pytest.mark.parametrize(
    ("shape", "strides", "offset", "expected"),
    [
        ([4, 6], [6, 1], 0, ROW.reshape(4, 6)),
        ([6, 4], [1, 6], 0, ROW.reshape(4, 6).T),
        ([2, 4, 3], [12, 1, 4], 0, ROW.reshape(2, 3, 4).transpose(0, 2, 1)),
        ([3, 2], [2, 1], 5, ROW[5:11].reshape(3, 2)),
        ([4], [5], 3, ROW[3:19:5]),
        ([], [], 7, ROW[7]),
        ([1, 4], [999, 1], 20, ROW[None, 20:]),
        ([0, 3], [3, 1], 0, np.zeros((0, 3))),
    ],
)
def test_offset_and_strides_are_honoured(read, file, shape, strides, offset, expected):
    back = read(file(one(view(shape, strides, offset)), {"0": ROW}))["w"]
    assert back.shape == expected.shape
    np.testing.assert_array_equal(back, expected)


@FORMATS
def test_storage_may_be_shared(read, file):
    tree = dictionary({"all": view([24], [1]), "half": view([12], [1], 12)})
    back = read(file(tree, {"0": ROW}))
    np.testing.assert_array_equal(back["half"], back["all"][12:])


def test_view_of_a_storage_is_read(read):
    back = read(old_file(one(view([3], [2], 1, view=part(4, 10))), {"0": ROW}))["w"]
    np.testing.assert_array_equal(back, ROW[[5, 7, 9]])


@FORMATS
def test_tensors_of_a_gpu_and_of_the_first_versions_are_read(read, file):
    gpu = storage("0", "Float", 24, device="cuda:0", module="torch.cuda")
    tree = one(tensor(gpu, [24], [1], rebuild="_rebuild_tensor"))
    np.testing.assert_array_equal(read(file(tree, {"0": ROW}))["w"], ROW)


def test_file_of_python_2_is_read(read):
    weight = tensor(storage("0", "Float", 24, string=python_2_text), [24], [1])
    head = MAGIC + VERSION + system().replace(b"X\x0d\x00\x00\x00little", b"U\x0dlittle")
    back = read(old_file(dictionary({"w": weight}, python_2_text), {"0": ROW}, head=head))
    np.testing.assert_array_equal(back["w"], ROW)


def test_zip_without_view_entry_and_with_byte_order_is_read(read):
    tree = one(view([24], [1], view=None))
    back = read(zip_file(tree, {"0": ROW}, folder="bird_DMGAN", extra=[("byteorder", b"little")]))
    np.testing.assert_array_equal(back["w"], ROW)


@FORMATS
def test_parameters_and_attributes_of_dictionaries_are_no_hindrance(read, file):
    parameter = call(
        name("torch._utils", "_rebuild_parameter"),
        view([24], [1]),
        b"\x88",
        call(name("collections", "OrderedDict")),
    )
    metadata = b"}" + text("_metadata") + dictionary({"": b"}" + text("version") + b"K\x01s"})
    tree = one(parameter) + metadata + b"s" + b"b"
    np.testing.assert_array_equal(read(file(tree, {"0": ROW}))["w"], ROW)


@FORMATS
def test_state_dict_is_found_in_a_checkpoint(read, file):
    pairs = b"]" + tuple_of(text("lr"), b"G" + struct.pack(">d", 2e-4)) + b"a"
    optimizer = b"}" + text("state") + b"}" + b"s" + text("param_groups") + pairs + b"s"
    tree = dictionary({"epoch": number(3), "state_dict": one(ALL), "opt": optimizer})
    assert list(read(file(tree, {"0": ROW}))) == ["w"]


@FORMATS
def test_prefix_of_data_parallel_is_taken_off_where_all_names_have_it(read, file):
    tree = dictionary({"module.a.module.w": view([4], [1]), "module.b": view([4], [1])})
    assert list(read(file(tree, {"0": ROW}))) == ["a.module.w", "b"]
    tree = dictionary({"module.a": view([4], [1]), "b": view([4], [1])})
    assert list(read(file(tree, {"0": ROW}))) == ["module.a", "b"]


# --- what is refused ----------------------------------------------------------------------------


class Harmful:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("place", ["magic", "tree", "zip"])
def test_command_is_not_run(refusal, tmp_path, place):
    mark = tmp_path / "mark"
    call_ = pickle.dumps(Harmful(f"touch {mark}"), 2)
    content = {
        "magic": call_,
        "tree": MAGIC + VERSION + system() + call_,
        "zip": zip_file(call_[2:-1], {}),
    }[place]
    message = refusal(content)
    expected = "is no PyTorch file" if place == "magic" else r"refused: names '(posix|nt)\.system'"
    assert re.match(expected, message)
    assert not mark.exists()


@FORMATS
@pytest.mark.parametrize(
    ("tree", "reason"),
    [
        (name("model", "G_NET"), "refused: names 'model.G_NET'"),
        (name("torch", "load"), "refused: names 'torch.load'"),
        (storage("0", "ComplexFloat", 3), "refused: names 'torch.ComplexFloatStorage'"),
        (storage("0", "Char", 3), "refused: names 'torch.CharStorage'"),
        (call(name("torch", "FloatStorage"), number(3)), "refused: calls torch.FloatStorage"),
        (tuple_of(text("module"), number(1)) + b"Q", "is damaged"),
        (
            tuple_of(text("module"), number(1), text("a"), text("b"), number(1)) + b"Q",
            "refused: holds something else than tensors",
        ),
    ],
)
def test_other_names_and_types_are_refused(refusal, file, tree, reason):
    assert refusal(file(tree, {"0": ROW})).startswith(reason)


@FORMATS
@pytest.mark.parametrize(
    ("tree", "found"),
    [
        (ALL, "a Tensor"),
        (b"]", "a list"),
        (b"}", "an empty dictionary"),
        (
            dictionary({"a": one(view([2], [1])), "b": one(view([2], [1]))}),
            "a dictionary of a (dic",
        ),
        (
            dictionary({"w": view([2], [1]), "epoch": number(3)}),
            "a dictionary of w (Tensor), epoch",
        ),
        (b"}" + number(3) + ALL + b"s", "a dictionary of 3 (Tensor)"),
    ],
)
def test_other_contents_are_refused_and_told(refusal, file, tree, found):
    message = refusal(file(tree, {"0": ROW} if b"storage" in tree else {}))
    assert message.startswith(f"holds {found}")
    assert message.endswith("where one dictionary of tensors is expected.")


@FORMATS
@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [
        ([25], [1], 0),
        ([24], [1], 1),
        ([4, 6], [7, 1], 0),
        ([], [], 24),
        ([2], [2**40], 0),
        ([2**30, 2**30], [0, 0], 0),  # one number for each of 2⁶⁰
        ([25], [0], 0),
    ],
)
def test_tensor_beyond_its_storage_is_refused_by_name_and_shape(
    refusal, file, shape, strides, offset
):
    message = refusal(file(one(view(shape, strides, offset)), {"0": ROW}))
    assert message == (
        f"w {shape}: is damaged: offset {offset} and strides {strides} lead beyond its storage of "
        "24 elements."
    )


def test_tensor_beyond_its_part_of_a_storage_is_refused(refusal):
    assert "10 elements" in refusal(old_file(one(view([11], [1], view=part(4, 10))), {"0": ROW}))


@FORMATS
@pytest.mark.parametrize(
    "tree",
    [
        view([-1], [1]),
        view([4], [-1], 4),
        view([4], [1], -1),
        view([4], [1, 1]),
        view([2**62], [1]),
        view([1] * 9, [1] * 9),
        call(name("torch._utils", "_rebuild_tensor"), number(1), number(0), b")", b")"),
        tensor(storage("0", "Float", -1), [1], [1]),
        tensor(storage("0", "Float", 2**62), [1], [1]),
        tensor(storage("0", "Float", 24, view=part(20, 5)), [1], [1]),
        tensor(storage("0", "Float", 24, view=part(-1, 5)), [1], [1]),
        tuple_of(text("storage"), name("torch", "FloatStorage"), b"]", text(""), number(1)) + b"Q",
        call(name("collections", "OrderedDict"), numbers([1, 2])),
        call(name("collections", "OrderedDict"), b"]" + tuple_of(b")", number(1)) + b"a"),
        long(2**1000) + b"Q",
    ],
)
def test_absurd_tensors_are_damage(refusal, file, tree):
    assert refusal(file(dictionary({"w": tree}), {"0": ROW})).startswith("is damaged")


@FORMATS
def test_storage_of_two_sizes_is_refused(refusal, file):
    other = tensor(storage("0", "Float", 25), [1], [1])
    message = refusal(file(dictionary({"a": view([24], [1]), "b": other}), {"0": ROW}))
    assert message == "is damaged: storage '0' has two sizes."
