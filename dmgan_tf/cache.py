"""Where files are kept that can be had again."""

import contextlib
import os
import shutil
import time
from pathlib import Path

_UNUSED_SECONDS = 30 * 24 * 3600


def cache_folder() -> Path:
    """DMGAN_TF_CACHE of the environment, or ~/.cache/dmgan_tf."""
    return Path(os.environ.get("DMGAN_TF_CACHE") or "~/.cache/dmgan_tf").expanduser()


def use(version: Path) -> Path:
    """Returns a folder of the cache, and removes those beside it that were not used for a month."""
    version.touch()
    for folder in version.parent.iterdir():
        with contextlib.suppress(OSError):  # another process does the same
            if folder.is_dir() and time.time() - folder.stat().st_mtime > _UNUSED_SECONDS:
                # Renamed first: nothing half removed is ever used.
                shutil.rmtree(folder.rename(folder.with_name(f".{folder.name}.removed")))
    return version
