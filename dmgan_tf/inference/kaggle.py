"""Models of Kaggle: `kaggle://user/model/framework/variation[/version]` means a cached folder.

A model there is a stranger's folder: only the files of a model directory are loaded, by their
names, nothing in them is executed, and `model_directory` checks them as any others. Credentials,
cache and proxies are kagglehub's (KAGGLE_API_TOKEN, KAGGLEHUB_CACHE).
"""

import contextlib
import errno
import fnmatch
import functools
import hashlib
import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from dmgan_tf.errors import UserError
from dmgan_tf.inference.hub import FILES, NETWORKS
from dmgan_tf.whole_file import read_json, write_text

# Not from `weight_files`: names of models are read before TensorFlow is imported.
_HDF5, _SAFETENSORS = ".weights.h5", ".safetensors"
_SCHEME = "kaggle:/"  # pathlib makes one slash of two
_NAME = re.compile(r"kaggle://?(?P<handle>\w[\w.-]*(?:/\w[\w.-]*){3}(?:/[1-9]\d*)?)", re.ASCII)
_FORM = "kaggle://user/model/framework/variation, or with /version"


def is_kaggle_name(named: str | Path) -> bool:
    """Whether a model's name means one of Kaggle."""
    return str(named).startswith(_SCHEME)


def repository(folder: Path) -> str | None:
    """user/model/framework/variation/version of a folder of kagglehub's cache, else None."""
    cached = folder.name.isdigit() and (folder.parent / ".complete" / folder.name).is_dir()
    return "/".join(folder.parts[-5:]) if cached else None


def download(named: str | Path) -> Path:
    """The folder of a model's version; what the cache holds is not loaded again.

    Without a version Kaggle is asked for the newest; a version that is cached needs no network.

    Raises: UserError: when it can't be had, in one line.
    """
    name = re.sub("^kaggle:/+", "kaggle://", str(named))
    match = _NAME.fullmatch(str(named))
    if not match:
        raise UserError(f"{name}: must be {_FORM}.")
    library = _import_kagglehub()
    import requests  # kagglehub's; not before it is needed

    def load(handle, file):
        return Path(library.model_download(handle, path=file))

    try:
        folder = load(match["handle"], "metadata.json").parent
        # From here on of the version that it is, whatever is published meanwhile.
        handle = "/".join([*match["handle"].split("/")[:4], folder.name])
        known = _known(folder)
        _download(folder, functools.partial(load, handle))
        _check(folder, known)
        return folder
    except requests.HTTPError as error:
        raise UserError(f"{name}: {_refusal(error)}") from error
    except requests.ConnectionError as error:
        hint = "" if match["handle"].count("/") == 4 else " A version that is cached needs none."
        raise UserError(f"{name}: Kaggle can't be reached: {_line(error)}.{hint}") from error
    except UserError as error:
        raise UserError(f"{name}: {error}") from error
    except Exception as error:  # the libraries below have classes of their own
        if getattr(error, "errno", None) == errno.ENOSPC:
            raise  # told by the command lines
        raise UserError(f"{name}: {type(error).__name__}: {_line(error)}") from error


def _download(folder: Path, load: Callable[[str], Path]) -> None:
    """Loads the other files of a model into the folder that metadata.json is in."""
    networks = _networks(folder / "metadata.json")
    # Weights come last: where they are, README.md was asked for before, and is there or isn't.
    weights = {name: _there(folder, name) for name in networks}
    if not all(weights.values()):
        _optional(load, "README.md")
    load("config.yaml")
    _optional(load, "vocabulary.json")
    for name, file in weights.items():
        if file:
            load(file)
        elif not _optional(load, f"{name}{_SAFETENSORS}"):
            load(f"{name}{_HDF5}")


def _record(folder):
    return folder.with_name(f"{folder.name}.sha256.json")


def _known(folder):
    """The hashes that the files here had when they were loaded: a file that is gone has none."""
    try:
        known = read_json(_record(folder))
    except UserError:  # there is none yet, or it is damaged
        return {}
    return {name: found for name, found in known.items() if (folder / name).is_file()}


def _check(folder, known):
    """Holds the files against the hashes that they had when they were loaded.

    A download alone knows Kaggle's MD5; what happens to the cache later is found by these.
    """
    files = (path for pattern in FILES for path in folder.glob(pattern))
    found = {path.name: _sha256(path) for path in files if path.is_file()}
    for name in found.keys() & known.keys():
        if found[name] != known[name]:
            raise UserError(
                f"{name} is not what was loaded: remove {folder / name}, and load it again."
            )
    if found != known:
        with contextlib.suppress(OSError, UserError):  # a cache that may only be read
            write_text(_record(folder), json.dumps(found))


def _sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _networks(path):
    """The names of a model's networks, of those that a model directory may have."""
    try:
        names = list(json.loads(path.read_text(encoding="utf-8"))["networks"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"metadata.json holds no model's metadata: {error!r}.") from error
    known = [name for name in names if any(fnmatch.fnmatchcase(name, n) for n in NETWORKS)]
    return [name for name in known if re.fullmatch(r"\w+", name, re.ASCII)]


def _there(folder, network):
    names = (f"{network}{ending}" for ending in (_HDF5, _SAFETENSORS))
    return next((name for name in names if (folder / name).is_file()), None)


def _optional(load, file):
    """Whether there is such a file; it is loaded then."""
    try:
        load(file)
    except Exception as error:
        if _status(error) != 404:
            raise
        return False
    return True


def _status(error):
    return getattr(getattr(error, "response", None), "status_code", None)


def _refusal(error):
    if (status := _status(error)) == 404:
        return "there is no such model or version, or it lacks a file of a model directory."
    if status in (401, 403):
        return "its owner must let you in, or it is private: ask on its page, set KAGGLE_API_TOKEN."
    return _line(error)


def _line(error):
    return " ".join(str(error).split())[:200]


def _import_kagglehub() -> ModuleType:
    try:
        import kagglehub
    except ImportError as error:
        raise UserError(
            f"kaggle:// needs one more package: pip install 'dmgan_tf[kaggle]' ({error})."
        ) from error
    logging.getLogger("kagglehub").setLevel(logging.WARNING)  # it tells of each file on stdout
    return kagglehub
