"""`.pth` files as they are written, and PyTorch itself beside them where it is installed."""

import struct
import zipfile

import numpy as np
import pytest

from dmgan_tf.errors import UserError
from dmgan_tf.interop.torch_file import read_state_dict, write_state_dict

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
