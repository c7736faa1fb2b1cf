"""`.pth` files that were cut off, changed or put together wrongly."""

import pickle
import struct
import time
import zipfile

import numpy as np
import pytest
from pickles import (
    MAGIC,
    ROW,
    VERSION,
    call,
    dictionary,
    name,
    old_file,
    one,
    pickled,
    system,
    text,
    view,
    whole,
    zip_file,
)

from dmgan_tf.errors import UserError
from dmgan_tf.interop.torch_file import read_state_dict


@pytest.fixture
def reader():
    """What the tests of this file read with, and the name of the file."""
    return read_state_dict, "net.pth"


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


def test_zip64_offset_of_63_bits_is_damage(refusal):
    content = bytearray(zip_file(one(whole(ROW)), {"0": ROW}))
    entry = content.index(b"PK\1\2")
    name_length, extra_length = struct.unpack_from("<HH", content, entry + 28)
    end = content.rindex(b"PK\5\6")
    extra = struct.pack("<HHQ", 1, 8, 2**63 + 5)
    struct.pack_into("<H", content, entry + 30, extra_length + len(extra))
    struct.pack_into("<I", content, entry + 42, 2**32 - 1)
    size = struct.unpack_from("<I", content, end + 12)[0]
    struct.pack_into("<I", content, end + 12, size + len(extra))
    place = entry + 46 + name_length
    content[place:place] = extra
    assert refusal(bytes(content)).startswith("is a cut-off or damaged zip")


def test_dictionary_of_pairs_that_are_named_again_and_again_is_refused(refusal):
    pairs = b"(" + b"".join(text(f"{i}") + b"N\x86" for i in range(2000)) + b"lq\1"
    again = call(name("collections", "OrderedDict"), b"h\1")
    assert refusal(zip_file(pairs + b"0(" + again * 1000 + b"l", {})).startswith(
        "refused: before byte"
    )


def test_dictionary_of_one_dictionary_named_again_and_again_is_looked_at_once(read):
    state = dictionary({f"{i}": view([1], [1]) for i in range(500)}) + b"r\1\0\0\0"
    again = b"".join(text(f"{i}") + b"j\1\0\0\0" for i in range(20_000))
    begin = time.process_time()
    assert len(read(zip_file(state + b"0}(" + again + b"u", {"0": ROW}))) == 500
    assert time.process_time() - begin < 1
