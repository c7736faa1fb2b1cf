"""What observers see of pictures, kept on disk: flat in memory, and never seen twice.

An *observer* is a function of uint8 pictures [B, side, side, 3] to float32 arrays [B, …] by name.
A folder per set of pictures holds NAME.npy for each of them and `done.json`: whose they are, and
how many rows are written. A run that was stopped goes on there. Large sets are looked at in
*shares*, on one machine each, and merged: on machines of one kind the rows are those
of one machine, bit for bit.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from filelock import FileLock
from tqdm import tqdm

from dmgan_tf.errors import UserError
from dmgan_tf.evaluation.pictures import Pictures
from dmgan_tf.whole_file import write_text

Observer = Callable[[np.ndarray], Mapping[str, np.ndarray]]
_DONE, _LOCK = "done.json", ".lock"
_ROWS = 4096  # that are copied at once
SHARE_UNIT = 256  # pictures


def collect(
    pictures: Pictures,
    observers: Sequence[Observer],
    folder: Path,
    identity: str,
    batch_size: int,
    description: str,
) -> dict[str, np.ndarray]:
    """Everything that the observers see, as arrays [N, …] that stay on disk.

    Args: folder: of these pictures. identity: of the observers; other pictures or observers begin
        anew. description: of the progress bar.
    Raises: UserError: when an observer sees something that is no finite number, naming the picture.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / _LOCK):  # another evaluation may look at the same pictures
        return _collect(pictures, observers, folder, identity, batch_size, description)


class Share:
    """The K-th of N shares of pictures, as pictures.

    Shares begin at multiples of SHARE_UNIT, which batches of 1, 2, 4 and 8 GPUs divide: each
    picture is in the batch that one such machine has it in. With another number of GPUs its
    features may differ by rounding.

    Raises: UserError: when there are fewer units than shares.
    """

    def __init__(self, pictures: Pictures, share: int, shares: int):
        units = -(-len(pictures) // SHARE_UNIT)
        if units < shares:
            raise UserError(
                f"{len(pictures)} pictures make at most {units} shares, of {SHARE_UNIT} each. "
                f"Received: {shares}."
            )
        first, last = (units * k // shares * SHARE_UNIT for k in (share, share + 1))
        self.start, self.stop = first, min(last, len(pictures))
        self.side = pictures.side
        self.fingerprint = pictures.fingerprint
        self.name = f"{share}_of_{shares}"
        self._pictures = pictures

    def __len__(self):
        return self.stop - self.start

    def read(self, start, stop):
        return self._pictures.read(self.start + start, self.start + stop)

    def label(self, row):
        return self._pictures.label(self.start + row)


def collect_share(
    share: Share, observers: Sequence[Observer], folder: Path, identity: str, batch_size: int
) -> None:
    """What the observers see of a share, into a folder of its own in `folder`, for `merge`."""
    whose, what = _of_share(identity, share), f"pictures {share.name}"
    collect(share, observers, folder / share.name, whose, batch_size, what)


def merge(pictures: Pictures, shares: Sequence[Share], folder: Path, identity: str) -> None:
    """Joins what was seen of all shares, so that `collect` finds it done.

    Raises: UserError: when a share is missing or unfinished, or of other pictures or observers.
    """
    parts = []
    for share in shares:
        place = folder / share.name
        whose = [share.fingerprint, _of_share(identity, share), len(share)]
        done, arrays = _noted(place, whose, "r")  # another user may have written them
        if done < len(share):
            option = f"--shard {share.name.replace('_of_', '/')}"
            raise UserError(
                f"{place}: {done} of {len(share)} pictures of this share are there. Copy its "
                f"folder here, or evaluate it with {option} and the same options."
            )
        parts.append(arrays)
    with FileLock(folder / _LOCK):
        (folder / _DONE).unlink(missing_ok=True)  # until all of it is there
        for name, first in parts[0].items():
            shape = (len(pictures), *first.shape[1:])
            whole = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float32, shape)
            for share, arrays in zip(shares, parts, strict=True):
                for start in range(0, len(share), _ROWS):
                    rows = arrays[name][start : start + _ROWS]
                    whole[share.start + start : share.start + start + len(rows)] = rows
            whole.flush()
        whose = [pictures.fingerprint, identity, len(pictures)]
        _note(folder, {"whose": whose, "rows": len(pictures), "names": list(parts[0])})


def _of_share(identity, share):
    return f"{identity} {share.start} {share.stop}"


def _collect(pictures, observers, folder, identity, batch_size, description):
    whose = [pictures.fingerprint, identity, len(pictures)]
    done, arrays = _begin(folder, whose)
    with tqdm(total=len(pictures), initial=done, desc=description, unit="picture") as bar:
        for start in range(done, len(pictures), batch_size):
            stop = min(start + batch_size, len(pictures))
            images = pictures.read(start, stop)
            for observer in observers:
                for name, values in observer(images).items():
                    _check_finite(name, values, start, pictures)
                    if name not in arrays:
                        shape = (len(pictures), *values.shape[1:])
                        arrays[name] = np.lib.format.open_memmap(
                            folder / f"{name}.npy", "w+", np.float32, shape
                        )
                    arrays[name][start:stop] = values
            for array in arrays.values():
                array.flush()
            _note(folder, {"whose": whose, "rows": stop, "names": list(arrays)})
            bar.update(stop - start)
    return arrays


def _noted(folder, whose, mode="r+"):
    """(rows that are there, the arrays); none where they are others' or damaged."""
    try:
        noted = json.loads((folder / _DONE).read_text())
        if noted["whose"] == whose:
            names = noted["names"]
            return noted["rows"], {n: np.load(folder / f"{n}.npy", mmap_mode=mode) for n in names}
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return 0, {}


def _begin(folder, whose):
    """What is noted; where that is nothing, the folder is emptied."""
    rows, arrays = _noted(folder, whose)
    if rows:
        return rows, arrays
    for path in (folder / _DONE, *folder.glob("*.np[yz]")):
        path.unlink(missing_ok=True)
    return 0, {}


def _note(folder, content):
    write_text(folder / _DONE, json.dumps(content))


def _check_finite(name, values, start, pictures):
    bad = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if bad.any():
        row = start + int(bad.argmax())
        raise UserError(f"{name}: sees no finite numbers in {pictures.label(row)}.")
