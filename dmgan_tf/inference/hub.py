"""Models on the Hugging Face Hub: `hf://user/model[@revision]` means a folder of the hub's cache.

A repository is a stranger's folder: only the files of a model directory are loaded, nothing in them
is executed, and `model_directory` checks them as any others. Tokens, cache, proxies and the address
of the hub are huggingface_hub's (HF_TOKEN, HF_HOME, HF_ENDPOINT, HF_HUB_OFFLINE).
"""

import contextlib
import errno
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from dmgan_tf.errors import UserError

_SCHEME = "hf:/"  # pathlib makes one slash of two
_NAME = re.compile(r"hf://?(?P<repository>[\w.-]+/[\w.-]+)(?:@(?P<revision>[^\s@]+))?", re.ASCII)
NETWORKS = ("generator", "text_encoder", "image_encoder", "discriminator_*")
WEIGHTS = [f"{name}{ending}" for name in NETWORKS for ending in (".safetensors", ".weights.h5")]
FILES = ["metadata.json", "config.yaml", "vocabulary.json", "README.md", *WEIGHTS]


def is_hub_name(named: str | Path) -> bool:
    """Whether a model's name means a repository."""
    return str(named).startswith(_SCHEME)


def parse(named: str | Path) -> tuple[str, str | None]:
    """(user/model, revision or None). Raises: UserError: for another form."""
    match = _NAME.fullmatch(str(named))
    if not match:
        raise UserError(f"{_plain(named)}: must be hf://user/model or hf://user/model@revision.")
    return match["repository"], match["revision"]


def repository(folder: Path) -> str | None:
    """user/model, where a folder is one of the hub's cache; None for other folders."""
    place = folder.parent.parent.name.split("--")
    cached = folder.parent.name == "snapshots" and place[0] == "models" and len(place) > 2
    return "/".join(place[1:]) if cached else None


def card_fingerprint(folder: Path) -> str | None:
    """The fingerprint in the head of a folder's README.md, as `dmgan push` writes it; or None."""
    try:
        text = (folder / "README.md").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    head = re.match(r"---\n(.*?)\n---\n", text.replace("\r\n", "\n"), re.DOTALL)
    found = head and re.search(r"^fingerprint: *['\"]?(\w+)", head[1], re.MULTILINE)
    return found[1] if found else None


def download(named: str | Path) -> Path:
    """The folder of a repository's revision; what the cache holds is not loaded again.

    Without a network the cached one is taken.

    Raises: UserError: when it can't be had, in one line.
    """
    name, revision = parse(named)
    hub = import_hub()
    with told(_plain(named)):
        folder = Path(hub.snapshot_download(name, revision=revision, allow_patterns=FILES))
    for pattern in FILES:
        for path in folder.glob(pattern):
            if path.is_file() and _is_damaged(path):
                raise UserError(
                    f"{_plain(named)}: {path.name} is not what the hub has: remove "
                    f"{path.resolve()}, and load it again."
                )
    return folder


def _is_damaged(path):
    """Whether a file of the cache has other contents than the hub's hash of it.

    The cache links to files that are named by it: the SHA-256 of large files, git's hash of others.
    These may be links themselves, to files of all repositories with names of another kind.
    """
    named, size = path.readlink().name if path.is_symlink() else path.name, path.stat().st_size
    if re.fullmatch("[0-9a-f]{64}", named):
        found = hashlib.sha256()
    elif re.fullmatch("[0-9a-f]{40}", named):
        found = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    else:  # where there are no links
        return False
    with path.open("rb") as file:
        while part := file.read(2**20):
            found.update(part)
    return found.hexdigest() != named


def import_hub() -> ModuleType:
    """The package huggingface_hub. Raises: UserError: where it is not installed."""
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError as error:
        raise UserError(
            f"hf:// needs one more package: pip install 'dmgan_tf[hub]' ({error})."
        ) from error
    return huggingface_hub


@contextlib.contextmanager
def told(name: str) -> Iterator[None]:
    """Turns what goes wrong with a repository into one line."""
    errors = import_hub().errors
    try:
        yield
    except UserError:
        raise
    except errors.GatedRepoError as error:
        reason = "its owner must let you in: ask on its page, then log in (`hf auth login`)."
        raise UserError(f"{name}: {reason}") from error
    except errors.RepositoryNotFoundError as error:
        reason = "there is no such repository, or it is private: log in (`hf auth login`)."
        raise UserError(f"{name}: {reason}") from error
    except errors.RevisionNotFoundError as error:
        raise UserError(f"{name}: the repository has no such revision.") from error
    except errors.LocalEntryNotFoundError as error:
        reason = _line(error.__cause__ or error)
        raise UserError(
            f"{name}: can't be reached, and is not in the cache as a whole: {reason}"
        ) from error
    except Exception as error:  # the libraries below have classes of their own
        if getattr(error, "errno", None) == errno.ENOSPC:
            raise  # told by the command lines
        raise UserError(f"{name}: {_line(error)}") from error


def _line(error):
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _plain(named):
    return re.sub("^hf:/+", "hf://", str(named))
