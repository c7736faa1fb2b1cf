"""States of a folder on an object store, which has no rename: one is there whole or not at all.

    objects/SHA256         contents of files, by their hash: never overwritten
    state-00000012.json    a state's files: names, sizes, hashes; the newest counts

A state is one small object, written last, with a number that only one writer can create. What the
states before it alone used is removed after.
"""

import contextlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from dmgan_tf.errors import UserError
from dmgan_tf.remote.store import Item, Store, StoreError, is_plain

OBJECTS = "objects"
_FORMAT = 1
_NAME = "state-{:08d}.json"
_PATTERN = re.compile(r"state-(\d{8})\.json", re.ASCII)
_SHA256 = re.compile("[0-9a-f]{64}")
_MOST_BYTES = 64 * 2**20
_TRIES = 5


class State(NamedTuple):
    """A state's number, the text that describes it, and its files by their names in the folder."""

    number: int
    text: str
    files: dict[str, Item]


def describe(number: int, files: Mapping[str, Item]) -> State:
    """The state of these files, which stand in `objects/`."""
    content = {name: [item.size, item.sha256] for name, item in sorted(files.items())}
    return State(number, json.dumps({"format": _FORMAT, "files": content}, indent=1), dict(files))


def item(size: int, sha256: str) -> Item:
    """The object that holds a file of these contents."""
    return Item(f"{OBJECTS}/{sha256}", size, sha256)


def newest(store: Store) -> State | None:
    """The newest whole state; None where there is none.

    Raises: StoreError: when there are states and none of them can be read.
    """
    for _ in range(_TRIES):
        names = {n: found for n, found in store.files().items() if _PATTERN.fullmatch(n)}
        try:
            states = [_read(store, name, found.size) for name, found in names.items()]
        except FileNotFoundError:  # a newer one has replaced it meanwhile
            continue
        whole = [state for state in states if state]
        if names and not whole:
            raise StoreError(f"{store.url}: {max(names)} is damaged there.")
        return max(whole, key=lambda state: state.number, default=None)
    raise StoreError(f"{store.url}: changes all the time.")


def _read(store, name, size):
    """None for one that is damaged: where files are not written at once, it may be cut short."""
    match = _PATTERN.fullmatch(name)
    try:
        if size > _MOST_BYTES:
            raise ValueError(f"has {size:,} bytes")
        text = store.read(name).decode()
        content = json.loads(text)
        if content["format"] != _FORMAT:
            raise UserError(
                f"{store.url}: {name} has format {content['format']}, not {_FORMAT}, the one that "
                "this version reads."
            )
        files = {file: _item(file, *entry) for file, entry in content["files"].items()}
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    return State(int(match[1]), text, files)


def _item(file, size, sha256):
    if not (is_plain(file) and _SHA256.fullmatch(sha256) and isinstance(size, int)):
        raise ValueError(f"{file!r} is no name of a file")
    return item(size, sha256)


def write(store: Store, state: State) -> None:
    """Makes a state, whose objects are there, the newest.

    Raises: FileExistsError: when another writer has made the one of its number.
    """
    name = _NAME.format(state.number)
    try:
        store.create(name, state.text.encode())
    except FileExistsError:
        with contextlib.suppress(FileNotFoundError):  # a newer one has replaced it meanwhile
            if store.read(name).decode() == state.text:
                return  # its own, when the answer to the first try was lost
        raise


def remove_others(store: Store, newest: State) -> None:
    """Removes what the newest state does not need."""
    name = _NAME.format(newest.number)
    old = [n for n in store.files() if _PATTERN.fullmatch(n) and n < name]
    needed = {item.name for item in newest.files.values()}
    objects = [f"{OBJECTS}/{n}" for n in store.files(OBJECTS)]
    store.remove([*old, *(n for n in objects if n not in needed)])


def put(store: Store, paths: Mapping[str, Path], files: Mapping[str, Item]) -> bool:
    """Uploads the contents of local files that the store lacks.

    Args: paths: local files by their names. files: what is in them.
    Returns: whether all are there; not, when a file has changed meanwhile.
    """
    wanted = {item.name: (item.size, paths[name]) for name, item in files.items()}
    if lacking := _lacking(store, wanted):
        store.put({name: wanted[name][1] for name in lacking})
        lacking = _lacking(store, wanted)
    return not lacking


def _lacking(store, wanted):
    there = {f"{OBJECTS}/{name}": found.size for name, found in store.files(OBJECTS).items()}
    return [name for name, (size, _) in wanted.items() if there.get(name) != size]
