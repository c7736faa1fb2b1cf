"""What `make fuzz` gives bytes to.

A target takes any bytes, as a stranger's file or request, and an empty folder to work in. Whatever
it raises beside REFUSALS is a finding, and so are a hang and too much memory.
"""

import contextlib
from tarfile import BLOCKSIZE

import echo
import seeds
from google.protobuf.message import DecodeError
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from dmgan_tf.errors import UserError
from dmgan_tf.interop.captions_pickle import read_captions, read_vocabulary
from dmgan_tf.interop.restricted_pickle import read_pickle
from dmgan_tf.interop.torch_file import read_state_dict
from dmgan_tf.preparation.archives import unpack
from dmgan_tf.preparation.picture_file import PictureError, read_picture
from dmgan_tf.preparation.sources import find
from dmgan_tf.preparation.sources import folder as pictures
from dmgan_tf.serving import kserve_json, rest_json
from dmgan_tf.serving.grpc_services import PredictionService, Room
from dmgan_tf.serving.kserve_grpc import InferenceService
from dmgan_tf.serving.request_error import RequestError

REFUSALS = (UserError, RequestError, DecodeError, echo.RefusedError)
_MODELS, _ROOM = echo.Models(), Room(1)


def pickles(content, folder):
    (path := folder / "captions.pickle").write_bytes(content)
    read_pickle(path)
    for read in (read_vocabulary, read_captions):
        with contextlib.suppress(UserError):
            read(path)


def torch_files(content, folder):
    (path := folder / "net.pth").write_bytes(content)
    for array in read_state_dict(path).values():
        array.tobytes()


def archives(content, folder):
    """The first byte chooses the kind."""
    kind, content = _chosen(seeds.ARCHIVES, content), content[1:]
    (path := folder / f"a{kind}").write_bytes(_with_sums(content) if kind == ".tar" else content)
    try:
        unpack(path, folder / "out")
        assert not any(p.is_symlink() for p in (folder / "out").rglob("*"))
    finally:
        assert {p.name for p in folder.iterdir()} <= {path.name, "out"}


def _with_sums(tarball):
    """A tarball whose headers have the sums that they should: chance would hardly find one."""
    blocks = [tarball[i : i + BLOCKSIZE] for i in range(0, len(tarball), BLOCKSIZE)]
    for i, block in enumerate(blocks):
        if block[257:262] == b"ustar" and len(block) == BLOCKSIZE:
            summed = sum(block) - sum(block[148:156]) + 8 * ord(" ")
            blocks[i] = b"%s%06o\0 %s" % (block[:148], summed, block[156:])
    return b"".join(blocks)


def captions(content, folder):
    """The first byte chooses the list."""
    (path := folder / _chosen(seeds.LISTS, content)).write_bytes(content[1:])
    (folder / "red.jpg").touch()
    if path.name == "test.txt":
        (folder / "red.txt").write_text("a red bird")
    json_list = path if path.suffix == ".json" else None
    split = str(path) if path.name == "test.txt" else None
    for entry in pictures.find(folder, json_list, folder, split).entries:
        assert entry.path.resolve().is_relative_to(folder.resolve())


def samples(content, folder):
    """Files of many samples; the first byte chooses the kind. Parquet's reader is Arrow's own."""
    source = _chosen(seeds.SAMPLES, content)
    (path := folder / f"a{seeds.SUFFIXES[source]}").write_bytes(content[1:])
    for entry in find(source, path, None, folder).entries:
        with contextlib.suppress(PictureError):
            read_picture(entry.path, entry.within)


def tensors(content, folder):
    """Requests over gRPC; the first byte chooses the protocol."""
    if content[:1] == b"k":
        request = seeds.InferRequest.FromString(content[1:])
        InferenceService(_MODELS, _ROOM).ModelInfer(request, echo.Context())
    else:
        request = PredictRequest.FromString(content[1:])
        PredictionService(_MODELS, _ROOM).Predict(request, echo.Context())


def bodies(content, folder):
    """Bodies over REST; the first byte chooses the protocol, two more are the size of the head."""
    if content[:1] == b"k":
        size = int.from_bytes(content[1:3])
        asked = kserve_json.parse(content[3:], str(size) if size else None)
    else:
        asked = rest_json.parse(content[1:])
    version, future = _MODELS["dmgan"].submit(asked.read, asked.signature, None, asked.outputs)
    outputs = future.result()
    asked.respond("dmgan", version, {name: outputs[name] for name in asked.outputs or outputs})


def _chosen(names, content):
    return names[content[0] % len(names)] if content else names[0]


TARGETS = {
    target.__name__: target
    for target in (pickles, torch_files, archives, captions, samples, tensors, bodies)
}
