"""`.pth` files: both formats, whatever PyTorch puts into them, and nothing else."""

import os
import pickle
import re
import struct
import zipfile

import numpy as np
import pytest
from pickles import (
    MAGIC,
    VERSION,
    call,
    dictionary,
    long,
    name,
    number,
    numbers,
    old_file,
    pickled,
    python_2_text,
    storage,
    system,
    tensor,
    text,
    tuple_of,
    whole,
    zip_file,
)

from dmgan_tf.errors import UserError
from dmgan_tf.interop.torch_file import read_state_dict, write_state_dict

ROW = np.arange(24, dtype=np.float32)
FORMATS = pytest.mark.parametrize("file", [old_file, zip_file])


@pytest.fixture
def reader():
    """What the tests of this file read with, and the name of the file."""
    return read_state_dict, "net.pth"


def one(tensor_):
    """A state dict of one tensor of the storage `0`."""
    return dictionary({"w": tensor_})


def view(shape, strides, offset=0, **options):
    """A tensor over the storage `0`, which holds ROW."""
    return tensor(storage("0", "Float", 24, **options), shape, strides, offset)


def part(first, count):
    """What makes a storage a view of one."""
    return tuple_of(text("v"), number(first), number(count))


ALL = view([24], [1])
PART = one(view([2], [1]))


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


# --- damage of the old format -------------------------------------------------------------------


def test_old_file_cut_off_anywhere_is_refused(refusal):
    tree = dictionary({"a": whole(ROW), "b": whole(ROW[:3], "1")})
    content = old_file(tree, {"0": ROW, "1": ROW[:3]})
    reasons = {refusal(content[:length])[:14] for length in range(len(content))}
    starts = (
        "is empty",
        "is no PyTorch",
        "is cut off",
        "is damaged",
        "a [24]: is cut",
        "b [3]: is cut",
    )
    assert all(reason.startswith(starts) for reason in reasons)
    assert {"a [24]: is cut", "b [3]: is cut "} <= reasons


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"<!DOCTYPE html><html>", "is no PyTorch file: it begins with b'<!DOCTYPE html><'."),
        (pickle.dumps([[1]], 2), "is no PyTorch file"),
        (pickle.dumps(1001, 2), "is no PyTorch file"),
        (MAGIC + pickle.dumps(1000, 2) + system(), "refused: is not of version 1001"),
        (MAGIC + VERSION + pickle.dumps(None, 2), "refused: is not of version 1001"),
        (MAGIC + VERSION + system(False), "refused: was written on a big-endian machine"),
        (MAGIC + VERSION + pickle.dumps({}, 2), "refused: was written on a big-endian machine"),
    ],
)
def test_other_heads_are_refused(refusal, head, reason):
    assert refusal(old_file(one(whole(ROW)), {"0": ROW}, head=head)).startswith(reason)


def test_list_of_storages_must_be_that_of_the_tensors(refusal):
    start = MAGIC + VERSION + system() + pickled(one(whole(ROW)))
    raw = struct.pack("<q", 24) + ROW.tobytes()
    assert "lacks storage '0'" in refusal(start + pickle.dumps([], 2) + raw)
    for keys in (["0", "1"], [["0"]], [0], "0", None):
        assert "its list of storages" in refusal(start + pickle.dumps(keys, 2) + raw)
    other = start + pickle.dumps(["0"], 2) + struct.pack("<q", 25) + ROW.tobytes()
    assert refusal(other) == "w [24]: is damaged: storage '0' has another size here."


# --- damage of the zip --------------------------------------------------------------------------


def test_zip_cut_off_anywhere_is_refused(refusal):
    content = zip_file(one(whole(ROW)), {"0": ROW})
    for length in range(4, len(content)):
        assert refusal(content[:length]).startswith("is a cut-off or damaged zip")


def test_zip_with_any_byte_changed_ends_in_tensors_or_a_user_error(read):
    rng = np.random.default_rng(0)
    source = zip_file(one(whole(ROW)), {"0": ROW})
    for _ in range(1000):
        content = bytearray(source)
        for _ in range(rng.integers(1, 4)):
            content[rng.integers(len(content))] = rng.integers(256)
        try:
            read(bytes(content))
        except UserError as error:
            assert "\n" not in str(error)


def test_compressed_members_are_refused(refusal):
    content = zip_file(one(whole(ROW)), {"0": ROW}, compression=zipfile.ZIP_DEFLATED)
    assert refusal(content).startswith("refused: its members are compressed")


@pytest.mark.parametrize(("order", "good"), [(b"big", False), (b"little", True), (b"", False)])
def test_byte_order_of_another_machine_is_refused(read, refusal, order, good):
    content = zip_file(one(whole(ROW)), {"0": ROW}, extra=[("byteorder", order)])
    if good:
        assert list(read(content)) == ["w"]
    else:
        assert refusal(content) == "refused: was written on a big-endian machine."


@pytest.mark.parametrize("change", [-4, 4])
def test_storage_of_another_size_is_refused(refusal, change):
    row = np.zeros(24 + change, np.float32)
    message = refusal(zip_file(one(whole(ROW)), {"0": row}))
    assert message == f"w [24]: is damaged: storage '0' has {row.nbytes} bytes, not 96."


def test_missing_member_is_refused(refusal):
    message = refusal(zip_file(one(whole(ROW)), {}))
    assert message == "w [24]: is damaged: lacks its member 'data/0'."


def test_zip_of_something_else_is_refused(refusal):
    content = zip_file(one(whole(ROW)), {"0": ROW}, folder="a/b")
    assert refusal(content).startswith("is no PyTorch file, but another kind of zip")


def test_members_that_overlap_are_refused(refusal):
    # The directory at the end lists the storage three times more, under other names.
    content = zip_file(one(whole(ROW)), {"0": np.zeros(2000, np.float32)})
    end = content.rindex(b"PK\x05\x06")
    count, size, start = struct.unpack_from("<10xHII", content, end)
    listed = content[start:end]
    first = listed.index(b"archive/data/0") - 46
    entry = listed[first : first + 46 + len("archive/data/0")]
    more = b"".join(entry.replace(b"data/0", b"data/%d" % i) for i in (1, 2, 3))
    head = b"PK\x05\x06\0\0\0\0" + struct.pack("<HH", count + 3, count + 3)
    tail = head + struct.pack("<IIH", size + len(more), start, 0)
    assert refusal(content[:start] + listed + more + tail) == "refused: its members overlap."


# --- writing ------------------------------------------------------------------------------------

STATE = {
    "conv.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 4).transpose(2, 0, 1),
    "norm.num_batches_tracked": np.array(7, np.int64),
    "half": np.array([1.5], np.float16),
    "double": np.array([[1e300]]),
    "mask": np.array([True, False]),
    "bytes": np.array([1, 255], np.uint8),
    "int": np.array([-5], np.int32),
    "empty": np.zeros((0, 3), np.float32),
}


def test_written_state_dict_is_read_back(tmp_path):
    path = tmp_path / "folder" / "net.pth"
    write_state_dict(path, STATE)
    back = read_state_dict(path)
    assert list(back) == list(STATE)
    for key, array in STATE.items():
        assert (back[key].dtype, back[key].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(back[key], array)
    assert list(path.parent.iterdir()) == [path]


def test_same_arrays_are_the_same_bytes(tmp_path, monkeypatch):
    one_, other = tmp_path / "one.pth", tmp_path / "other.pth"
    write_state_dict(one_, STATE)
    monkeypatch.setattr("time.time", lambda: 2e9)
    write_state_dict(other, {key: array.copy() for key, array in STATE.items()})
    assert one_.read_bytes() == other.read_bytes()


def test_members_begin_at_multiples_of_64_bytes(tmp_path):
    write_state_dict(tmp_path / "net.pth", STATE)
    content = (tmp_path / "net.pth").read_bytes()
    with zipfile.ZipFile(tmp_path / "net.pth") as archive:
        assert archive.testzip() is None
        for member in archive.infolist():
            lengths = struct.unpack_from("<HH", content, member.header_offset + 26)
            assert (member.header_offset + 30 + sum(lengths)) % 64 == 0


@pytest.mark.parametrize("array", [np.zeros(2, complex), np.array(["a"]), np.zeros(1, ">f4")])
def test_array_without_a_storage_is_not_written(tmp_path, array):
    with pytest.raises(ValueError, match="`w` is of a dtype that can't be written"):
        write_state_dict(tmp_path / "net.pth", {"w": array})
    assert not list(tmp_path.iterdir())


def test_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"net\.pth: cannot be written"):
        write_state_dict(tmp_path / "file" / "net.pth", STATE)


# --- PyTorch itself -----------------------------------------------------------------------------


def test_pytorch_loads_what_is_written(tmp_path):
    torch = pytest.importorskip("torch")
    write_state_dict(tmp_path / "net.pth", STATE)
    for mmap in (False, True):
        back = torch.load(tmp_path / "net.pth", weights_only=True, mmap=mmap)
        assert list(back) == list(STATE)
        for key, array in STATE.items():
            assert back[key].numpy().dtype == array.dtype
            np.testing.assert_array_equal(back[key].numpy(), array)


@pytest.mark.parametrize("zipped", [False, True])
def test_what_pytorch_writes_is_read(tmp_path, zipped):
    torch = pytest.importorskip("torch")
    base = torch.arange(60, dtype=torch.float32)
    state = {
        "transposed": base.view(5, 12).t(),
        "part": base[7:19].view(3, 4),
        "steps": base[::3],
        "parameter": torch.nn.Parameter(base.view(6, 10)),
        "channels_last": base[:24].view(1, 2, 3, 4).to(memory_format=torch.channels_last),
        "bfloat16": base.to(torch.bfloat16),
    }
    state |= {f"{d}": base.to(getattr(torch, d)) for d in ("float16", "float64", "int64", "bool")}
    linear = torch.nn.DataParallel(torch.nn.Linear(2, 3)).state_dict()
    for content in (state, {"epoch": 1, "net": linear}):
        path = tmp_path / "net.pth"
        torch.save(content, path, _use_new_zipfile_serialization=zipped)
        expected = content.get("net", content)
        back = read_state_dict(path)
        assert list(back) == [key.removeprefix("module.") for key in expected]
        for actual, tensor_ in zip(back.values(), expected.values(), strict=True):
            wide = tensor_.float() if tensor_.dtype == torch.bfloat16 else tensor_
            assert actual.dtype == wide.detach().numpy().dtype
            np.testing.assert_array_equal(actual, wide.detach().numpy())
