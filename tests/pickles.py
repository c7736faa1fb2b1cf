"""Pickles and `.pth` files put together by hand, as other versions of Python and PyTorch do."""

import io
import pickle
import struct
import zipfile

import numpy as np

KINDS = {"f4": "Float", "f8": "Double", "f2": "Half", "i8": "Long", "i4": "Int", "u1": "Byte"}
MAGIC = pickle.dumps(0x1950A86A20F9469CFC6C, 2)
VERSION = pickle.dumps(1001, 2)


def system(little_endian=True):
    sizes = {"short": 2, "int": 4, "long": 4}
    return pickle.dumps(
        {"protocol_version": 1001, "little_endian": little_endian, "type_sizes": sizes}, 2
    )


def name(module, attribute):
    return b"c" + f"{module}\n{attribute}\n".encode()


def text(value):
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def python_2_text(value):
    return b"U" + bytes([len(value)]) + value.encode("latin-1")


def number(value):
    return b"J" + struct.pack("<i", value) if -(2**31) <= value < 2**31 else long(value)


def long(value):
    content = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(content)]) + content


def tuple_of(*parts):
    return b"(" + b"".join(parts) + b"t"


def numbers(values):
    return tuple_of(*map(number, values))


def call(function, *arguments):
    return function + tuple_of(*arguments) + b"R"


def pickled(*parts):
    return b"\x80\x02" + b"".join(parts) + b"."


def storage(key, kind, count, *, device="cpu", module="torch", view=b"N", string=text):
    """The instructions for a storage; `view` is left out where it is None, as in the zip form."""
    parts = [
        string("storage"),
        name(module, f"{kind}Storage"),
        string(key),
        string(device),
        number(count),
    ]
    return tuple_of(*parts, *([] if view is None else [view])) + b"Q"


def tensor(storage_, shape, strides, offset=0, *, rebuild="_rebuild_tensor_v2"):
    arguments = [storage_, number(offset), numbers(shape), numbers(strides)]
    if rebuild == "_rebuild_tensor_v2":
        arguments += [b"\x89", call(name("collections", "OrderedDict"))]
    return call(name("torch._utils", rebuild), *arguments)


def dictionary(entries, string=text):
    """The instructions for an OrderedDict; values are instructions."""
    items = b"".join(string(key) + value for key, value in entries.items())
    return call(name("collections", "OrderedDict")) + b"(" + items + b"u"


def whole(array, key="0", **options):
    """The instructions for a tensor that is all of its storage."""
    array = np.asarray(array)
    strides = [stride // array.itemsize for stride in np.empty(array.shape, array.dtype).strides]
    kind = "Bool" if array.dtype == bool else KINDS[array.dtype.str[1:]]
    return tensor(storage(key, kind, array.size, **options), array.shape, strides)


def old_file(tree, storages, *, head=None):
    """A file of before PyTorch 1.6. Args: tree: instructions. storages: key → array."""
    keys = sorted(storages)
    rows = [struct.pack("<q", storages[k].size) + storages[k].tobytes() for k in keys]
    head = MAGIC + VERSION + system() if head is None else head
    return b"".join([head, pickled(tree), pickle.dumps(keys, 2), *rows])


def zip_file(tree, storages, *, folder="archive", compression=zipfile.ZIP_STORED, extra=()):
    """A file of PyTorch 1.6 or later; `extra`: more members, as pairs."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        archive.writestr(f"{folder}/data.pkl", pickled(tree))
        for key, array in storages.items():
            archive.writestr(f"{folder}/data/{key}", array.tobytes())
        for member, value in (("version", b"3\n"), *extra):
            archive.writestr(f"{folder}/{member}", value)
    return content.getvalue()


ROW = np.arange(24, dtype=np.float32)


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


DTYPE = name("numpy", "dtype")
LITTLE = tuple_of(number(3), text("<"), b"NNN", number(-1), number(-1), number(0)) + b"b"
