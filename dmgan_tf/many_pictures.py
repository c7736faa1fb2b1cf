"""Pictures by the million: `dmgan generate --out-dir`.

They are written in parts of 1,024, each a folder of files or a tar of samples as `webdataset` reads
them. A part is there whole or not at all: started again, only missing parts are drawn. Which
pictures a part holds, and in which batches they are drawn, does not depend on the shards: any
number of machines of one kind write the same bytes.
"""

import contextlib
import hashlib
import io
import json
import os
import re
import secrets
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from tqdm import tqdm

from dmgan_tf.errors import UserError
from dmgan_tf.inference.text_to_image import TextToImage
from dmgan_tf.whole_file import read_json

PART_SIZE = 1024
REQUEST = "request.json"
_MOST_LETTERS = 60  # of a caption in a file's name

# By their suffixes. Of PNG runs alone: faster than the fastest search for matches, and no larger.
FORMATS = {
    "png": {"format": "PNG", "compress_level": 1, "compress_type": zlib.Z_RLE},
    "jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
}


class Order(NamedTuple):
    """What to draw, and which share of its parts."""

    captions: Sequence[str]
    seeds: range  # of each caption
    shard: int = 0
    shards: int = 1

    def parts(self) -> range:
        """Numbers of the parts of this shard."""
        count = len(self.captions) * len(self.seeds)
        return range(self.shard, -(-count // PART_SIZE), self.shards)

    def pictures(self, part: int) -> list[tuple[str, int]]:
        """Caption and seed of each picture of a part; all seeds of a caption, then the next."""
        count = len(self.captions) * len(self.seeds)
        rows = range(part * PART_SIZE, min((part + 1) * PART_SIZE, count))
        each = len(self.seeds)
        return [(self.captions[row // each], self.seeds[row % each]) for row in rows]


def draw_many(
    artist: TextToImage,
    model: str,
    order: Order,
    out: Path,
    *,
    tar: bool = False,
    suffix: str = "png",
) -> tuple[int, int]:
    """Draws what is not there yet.

    Args: artist: should be quiet about words. model: its fingerprint. suffix: of
            `FORMATS`.
    Returns: how many parts were drawn, and how many were there before.
    Raises: UserError: when `out` holds pictures of another request.
    """
    out.mkdir(parents=True, exist_ok=True)
    _hold_to(out, order, model, tar, suffix, artist)
    mine = order.parts()
    missing = [part for part in mine if not _place(out, part, tar).exists()]
    total = sum(len(order.pictures(part)) for part in missing)
    # One thread compresses and writes behind the generator: more keep its operations waiting.
    with (
        ThreadPoolExecutor(1) as behind,
        tqdm(total=total, desc="drawing", unit="picture") as bar,
    ):
        written = None
        for part in missing:
            batches = []
            for pictures in _drawn(artist, order.pictures(part)):
                batches.append(behind.submit(_encoded, suffix, pictures))
                bar.update(len(pictures))
            if written:
                written.result()  # no more than two parts are held
            written = behind.submit(_write, out, tar, suffix, order, part, batches)
        if written:
            written.result()
    return len(missing), len(mine) - len(missing)


def _hold_to(out, order, model, tar, suffix, artist):
    """Parts of one folder answer one request, however many machines draw them."""
    text = "\n".join(order.captions)
    wanted = {
        "model": model,
        "dtype": artist.generator.compute_dtype,
        "captions": hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest(),
        "seeds": [order.seeds.start, order.seeds.stop],
        "kind": "tar" if tar else "folder",
        "format": suffix,
        "part size": PART_SIZE,
        "batch size": artist.batch_size,
    }
    path = out / REQUEST
    # Of machines that begin at once, the first one's request holds.
    with _own(path) as own, contextlib.suppress(FileExistsError):
        own.write_text(json.dumps(wanted, indent=1), encoding="utf-8")
        os.link(own, path)
    # The first two were not written by earlier versions.
    found = {"dtype": "float32", "format": "png"} | read_json(path)
    if changed := [key for key, value in wanted.items() if found.get(key) != value]:
        raise UserError(
            f"{path}: was begun with other {' and '.join(changed)}. Name another --out-dir."
        )


def _drawn(artist, rows) -> Iterator[np.ndarray]:
    """The pictures of rows of caption and seed, a batch at a time."""
    for start in range(0, len(rows), artist.batch_size):
        captions, seeds = zip(*rows[start : start + artist.batch_size], strict=True)
        yield artist.generate(captions, seeds)


def _encoded(suffix, pictures):
    files = []
    for picture in pictures:
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, **FORMATS[suffix])
        files.append(buffer.getvalue())
    return files


def _place(out, part, tar):
    return out / f"{part:06d}{'.tar' if tar else ''}"


def name_of(row: int, caption: str, seed: int) -> str:
    """A picture's name without its suffix: place among all, letters of the caption, seed."""
    letters = re.sub(r"[^a-z0-9]+", "_", caption.lower())[:_MOST_LETTERS].strip("_")
    return "_".join(part for part in (f"{row:09d}", letters, f"seed_{seed}") if part)


@contextlib.contextmanager
def _own(place):
    """A name beside `place` that no other run uses; what stands there at the end is removed."""
    own = place.with_name(f".{place.name}.{secrets.token_hex(4)}.partial")
    try:
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)
        own.unlink(missing_ok=True)


def _write(out, tar, suffix, order, part, batches):
    files = [content for batch in batches for content in batch.result()]
    rows = order.pictures(part)
    names = [name_of(part * PART_SIZE + i, *row) for i, row in enumerate(rows)]
    place = _place(out, part, tar)
    with _own(place) as own:
        (_write_tar if tar else _write_folder)(own, names, suffix, rows, files)
        try:
            own.rename(place)
        except OSError:
            if not place.exists():
                raise
            # Another run has drawn the same part meanwhile.


def _write_tar(path, names, suffix, rows, files):
    with tarfile.open(path, "w") as archive:
        for name, (caption, seed), content in zip(names, rows, files, strict=True):
            _add(archive, f"{name}.{suffix}", content)
            _add(archive, f"{name}.txt", caption.encode("utf-8", "surrogateescape"))
            _add(archive, f"{name}.json", json.dumps({"seed": seed}).encode())


def _write_folder(path, names, suffix, rows, files):
    path.mkdir()
    for name, content in zip(names, files, strict=True):
        (path / f"{name}.{suffix}").write_bytes(content)
    lines = [
        json.dumps({"file": f"{name}.{suffix}", "caption": caption, "seed": seed})
        for name, (caption, seed) in zip(names, rows, strict=True)
    ]
    (path / "pictures.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _add(archive, name, content):
    member = tarfile.TarInfo(name)  # of no time and no owner: the same bytes on any machine
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))
