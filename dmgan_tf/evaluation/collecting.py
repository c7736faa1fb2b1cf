"""What observers see of pictures, kept on disk: flat in memory, and never seen twice.

An *observer* is a function of uint8 pictures [B, side, side, 3] to float32 arrays [B, …] by name.
A folder per set of pictures holds NAME.npy for each of them and `done.json`: whose they are, and
how many rows are written. A run that was stopped goes on there.
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


def _begin(folder, whose):
    """(rows that are there, the arrays); none where they are others' or damaged."""
    try:
        noted = json.loads((folder / _DONE).read_text())
        if noted["whose"] == whose:
            names = noted["names"]
            return noted["rows"], {n: np.load(folder / f"{n}.npy", mmap_mode="r+") for n in names}
    except (OSError, ValueError, KeyError, TypeError):
        pass
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
